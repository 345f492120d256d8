"""Regions and addresses: as botocore has them, for every region that it knows, and as AWS's variables say."""

import json
from pathlib import Path

import botocore
import botocore.session
import pytest
from botocore.endpoint_provider import EndpointProvider

from broadcaster.aws.environment import service_endpoint
from broadcaster.aws.partitions import PARTITIONS, domain_of
from broadcaster.endpoint import resolve_endpoint
from broadcaster.errors import ConfigurationError

PARTITIONS_OF_BOTOCORE = json.loads((Path(botocore.__file__).parent / "data/partitions.json").read_text())["partitions"]
REGIONS = [
    (region, partition["outputs"])
    for partition in PARTITIONS_OF_BOTOCORE
    for region in partition["regions"]
    if not region.endswith("-global")
]
VARIABLES = (
    *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"),
    *("AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"),
    *("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"),
)


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize(("region", "outputs"), REGIONS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_region_of_botocore_has_the_domains_that_it_has_there(region, outputs):
    assert domain_of(region) == outputs["dnsSuffix"]
    assert domain_of(region, dual_stack=True) == outputs["dualStackDnsSuffix"]
    endpoint = resolve_endpoint("abc123xyz", region=region)
    assert endpoint.host == f"abc123xyz.execute-api.{region}.{outputs['dnsSuffix']}"
    assert resolve_endpoint(endpoint_url=endpoint.url).region == region


def test_the_table_has_every_partition_of_botocore_and_no_other():
    known = {(outputs["dnsSuffix"], outputs["dualStackDnsSuffix"]) for _, outputs in REGIONS}
    assert {domains for _, *domains in PARTITIONS for domains in [tuple(domains)]} == known


@pytest.fixture(scope="module")
def providers():
    """What boto3 finds the endpoints of a service with."""
    loader = botocore.session.get_session().get_component("data_loader")
    partitions = loader.load_data("partitions")
    return {
        service: EndpointProvider(loader.load_service_model(service, "endpoint-rule-set-1"), partitions)
        for service in ("dynamodb", "secretsmanager")
    }


@pytest.mark.parametrize("fips", ["true", "false"])
@pytest.mark.parametrize(
    ("service", "dual_stack"), [("dynamodb", "true"), ("dynamodb", "false"), ("secretsmanager", "false")]
)
def test_every_service_is_where_boto3_finds_it(providers, monkeypatch, service, fips, dual_stack):
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", fips)
    monkeypatch.setenv("AWS_USE_DUALSTACK_ENDPOINT", dual_stack)
    flags = {"UseFIPS": fips == "true", "UseDualStack": dual_stack == "true"}
    for region, _ in REGIONS:
        assert service_endpoint(service, region).url == providers[service].resolve_endpoint(Region=region, **flags).url


@pytest.mark.parametrize("region", ["xx-east-1", "moon-1", "", "us", "USA-1"])
def test_a_region_of_no_known_partition_asks_for_the_address(region):
    with pytest.raises(ConfigurationError, match="correct it or give endpoint_url"):
        domain_of(region)


def test_where_the_region_is_unknown_an_address_is_enough():
    assert resolve_endpoint(endpoint_url="https://ws.example.com", region="xx-east-1").region == "xx-east-1"
    assert service_endpoint("dynamodb", "xx-east-1", "http://127.0.0.1:8000").region == "xx-east-1"


def test_an_endpoint_that_is_no_text_is_refused_and_not_shown():
    with pytest.raises(ConfigurationError, match="endpoint_url is of type bytes, not str; it looks like 'http://"):
        service_endpoint("dynamodb", "us-east-1", b"http://user:secret@h:8000")


def test_a_variable_that_holds_no_url_is_named(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "127.0.0.1:8000")
    with pytest.raises(ConfigurationError, match=r"^AWS_ENDPOINT_URL_DYNAMODB '127.0.0.1:8000' is no http\(s\) URL"):
        service_endpoint("dynamodb", "us-east-1")
