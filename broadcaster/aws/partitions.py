"""The domains of AWS's services in each partition: AWS's clouds that have nothing in common but the software.

From botocore's `data/partitions.json`, which a test compares with this table.
https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
"""

from ..errors import ConfigurationError

# What the names of a partition's regions begin with, the domain, and the domain of the hosts that have IPv6 too.
PARTITIONS = (
    ("us-gov-", "amazonaws.com", "api.aws"),
    ("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    ("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    ("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),  # the European Sovereign Cloud
    ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    *((f"{area}-", "amazonaws.com", "api.aws") for area in ("us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx")),
)


def domain_of(region: str, *, dual_stack: bool = False) -> str:
    """Return the domain of AWS's services in a region, e.g. `amazonaws.com`.

    Args:
        dual_stack: the domain of the hosts that have IPv6 addresses too.

    Raises:
        ConfigurationError: no partition that is known here has such a region.
    """
    for beginning, domain, dual_stack_domain in PARTITIONS:
        if region.startswith(beginning):
            return dual_stack_domain if dual_stack else domain
    known = ", ".join(f"{beginning}…" for beginning, _, _ in PARTITIONS)
    raise ConfigurationError(
        f"the domain of region {region!r:.40} is not known (known are {known}); correct it or give endpoint_url"
    )
