"""What AWS's own variables say about regions and addresses, read in one place for everything that asks AWS.

https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html
"""

import os

from .address import Endpoint, check_text, parse_url
from .partitions import domain_of

REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")  # the first that is set

# The service's own variable wins over the one for all services.
ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL"
ENDPOINT_VARIABLES = {
    "execute-api": "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI",
    "dynamodb": "AWS_ENDPOINT_URL_DYNAMODB",
    "secretsmanager": "AWS_ENDPOINT_URL_SECRETS_MANAGER",
}
IGNORE_ENDPOINTS_VARIABLE = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
FIPS_VARIABLE = "AWS_USE_FIPS_ENDPOINT"
DUAL_STACK_VARIABLE = "AWS_USE_DUALSTACK_ENDPOINT"

_EXAMPLE = "http://127.0.0.1:8000"


def region_in_environment() -> str | None:
    """Return the region that the environment names, if it names one."""
    for variable in REGION_VARIABLES:
        if region := os.environ.get(variable):
            return region
    return None


def endpoint_in_environment(service: str) -> tuple[str, str] | None:
    """Return the URL that the environment gives for a service, and the name of the variable that does."""
    if _is_true(IGNORE_ENDPOINTS_VARIABLE):
        return None
    for variable in (ENDPOINT_VARIABLES[service], ENDPOINT_VARIABLE):
        if url := os.environ.get(variable):
            return url, variable
    return None


def stage_endpoint(api_id: str, stage: str, region: str) -> Endpoint:
    """Return where a stage's `@connections` are: where the environment says, or at the API's own address.

    Raises:
        ConfigurationError: the URL is malformed, or the region in no partition that is known.
    """
    if given := endpoint_in_environment("execute-api"):
        return parse_url(given[0], region, name=given[1], example=f"http://127.0.0.1:8080/{stage}")
    return Endpoint("https", f"{api_id}.execute-api.{region}.{domain_of(region)}", 443, f"/{stage}", region)


def service_endpoint(service: str, region: str, endpoint_url: str | None = None) -> Endpoint:
    """Return where DynamoDB or Secrets Manager is: at `endpoint_url`, where the environment says, or at AWS.

    Raises:
        ConfigurationError: the URL is malformed, or the region in no partition that is known.
    """
    given = (endpoint_url, "endpoint_url") if endpoint_url else endpoint_in_environment(service)
    if given:
        url, name = given
        check_text(url, name=name, example=_EXAMPLE)
        return parse_url(url, region, name=name, example=_EXAMPLE)
    # Both rules are from botocore's data/{service}/…/endpoint-rule-set: Secrets Manager's usual hosts have IPv6 too,
    # and DynamoDB's usual ones in GovCloud are the FIPS ones.
    is_dual_stack = service == "dynamodb" and _is_true(DUAL_STACK_VARIABLE)
    is_fips_already = service == "dynamodb" and region.startswith("us-gov-") and not is_dual_stack
    name = f"{service}-fips" if _is_true(FIPS_VARIABLE) and not is_fips_already else service
    return Endpoint("https", f"{name}.{region}.{domain_of(region, dual_stack=is_dual_stack)}", 443, "", region)


def _is_true(variable: str) -> bool:
    return os.environ.get(variable, "").lower() == "true"
