from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.endpoint import API_ID_VARIABLE, ENDPOINT_VARIABLE, STAGE_VARIABLE, resolve_endpoint, scope_of
from broadcaster.errors import ConfigurationError


@pytest.fixture(autouse=True)
def no_aws_variables(monkeypatch):
    aws = (ENDPOINT_VARIABLE, "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION")
    for name in (*aws, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", API_ID_VARIABLE, STAGE_VARIABLE):
        monkeypatch.delenv(name, raising=False)


def test_an_api_has_the_address_that_aws_documents():
    endpoint = resolve_endpoint("abc123xyz", region="us-east-1")
    assert endpoint.url == "https://abc123xyz.execute-api.us-east-1.amazonaws.com/production"
    assert endpoint.authority == "abc123xyz.execute-api.us-east-1.amazonaws.com"


def test_china_has_a_suffix_of_its_own():
    assert resolve_endpoint("a1", region="cn-north-1").host == "a1.execute-api.cn-north-1.amazonaws.com.cn"


def test_a_custom_domain_needs_no_stage():
    endpoint = resolve_endpoint(endpoint_url="https://ws.example.com", region="eu-west-1")
    assert (endpoint.url, endpoint.base_path) == ("https://ws.example.com", "")


def test_the_region_is_read_from_awss_own_hosts():
    url = "https://abc123xyz.execute-api.eu-central-1.amazonaws.com/dev/"
    assert resolve_endpoint(endpoint_url=url).region == "eu-central-1"
    assert resolve_endpoint(endpoint_url=url).base_path == "/dev"


def test_the_output_of_the_stack_can_be_pasted_with_its_tail():
    assert resolve_endpoint(endpoint_url="http://127.0.0.1:8001/production/@connections", region="us-east-1").url == (
        "http://127.0.0.1:8001/production"
    )


def test_awss_variable_points_the_same_code_at_a_local_gateway(monkeypatch):
    monkeypatch.setenv(ENDPOINT_VARIABLE, "http://[::1]:8001/production")
    endpoint = resolve_endpoint("abc123xyz", region="us-east-1")
    assert (endpoint.host, endpoint.port, endpoint.authority) == ("::1", 8001, "[::1]:8001")
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert resolve_endpoint("abc123xyz", region="us-east-1").port == 443


def test_api_and_stage_fall_back_to_what_a_deployment_prints(monkeypatch):
    monkeypatch.setenv("WEBSOCKET_API_ID", "abc123xyz")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    assert resolve_endpoint().url == "https://abc123xyz.execute-api.us-east-1.amazonaws.com/production"
    monkeypatch.setenv("WEBSOCKET_STAGE", "dev")
    assert resolve_endpoint().url == "https://abc123xyz.execute-api.us-east-1.amazonaws.com/dev"
    assert resolve_endpoint("other1", stage="live").url == "https://other1.execute-api.us-east-1.amazonaws.com/live"
    assert resolve_endpoint(endpoint_url="http://127.0.0.1:8001/x").url == "http://127.0.0.1:8001/x"
    monkeypatch.setenv("WEBSOCKET_API_ID", "wss://abc")
    with pytest.raises(ConfigurationError, match="'wss://abc' is an address; give the id alone"):
        resolve_endpoint()


def test_the_region_falls_back_to_the_environment(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    assert resolve_endpoint("abc123xyz").region == "us-west-2"
    monkeypatch.setenv("AWS_REGION", "us-east-2")
    assert resolve_endpoint("abc123xyz").region == "us-east-2"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"api_id": "abc", "region": "us-east-1", "stage": "prod/"},
            "stage 'prod/' has a slash; give the bare name, e.g. 'prod'",
        ),
        ({"api_id": "abc", "region": "us-east-1", "stage": ""}, "stage '' is not a stage name"),
        ({"api_id": "abc", "region": "us-east-1", "stage": "a b"}, "not a stage name"),
        ({"api_id": "wss://abc.execute-api.us-east-1.amazonaws.com/production"}, "is an address; give the id alone"),
        ({"api_id": "ABC", "region": "us-east-1"}, "api_id 'ABC' is not an API id"),
        ({"api_id": "", "region": "us-east-1"}, "api_id '' is empty"),
        ({"api_id": "abc"}, "no region"),
        ({"api_id": "abc", "region": "Virginia"}, "region 'Virginia' is not an AWS region"),
        ({"api_id": "abc", "region": "us-east-"}, "not an AWS region"),
        ({"region": "us-east-1"}, "no API to send through"),
        ({"endpoint_url": b"https://h/production"}, "endpoint_url is of type bytes, not str; it looks like 'https://"),
        ({"endpoint_url": "wss://h/production", "region": "us-east-1"}, "the backend's is 'https://h/production'"),
        ({"endpoint_url": "h/production", "region": "us-east-1"}, "no http"),
        ({"endpoint_url": "http://h:x/", "region": "us-east-1"}, "'x' is not a port"),
        ({"endpoint_url": "http://h:65536/", "region": "us-east-1"}, "'65536' is not a port"),
        ({"endpoint_url": "http:///production", "region": "us-east-1"}, "is no http(s) URL"),
        ({"endpoint_url": "http://[::1/", "region": "us-east-1"}, "'[::1' is not a host"),
        ({"endpoint_url": "http://[::1]8/", "region": "us-east-1"}, "'[::1]8' is not a host"),
        ({"endpoint_url": "http://a b/", "region": "us-east-1"}, "'a b' is not a host"),
        ({"endpoint_url": "http://h/p?q", "region": "us-east-1"}, "a query or a fragment beside host and path"),
        ({"endpoint_url": "https://abc.execute-api.us-east-1.amazonaws.com/"}, "names no stage"),
        ({"endpoint_url": "https://h/a b", "region": "us-east-1"}, "percent-encode"),
    ],
)
def test_a_wrong_setting_is_named_with_what_would_be_right(settings, sentence):
    with pytest.raises(ConfigurationError) as caught:
        resolve_endpoint(**settings)
    assert sentence in str(caught.value)


@given(
    st.sampled_from(["http", "https", "HTTP"]),
    st.from_regex(r"([a-zA-Z0-9.-]{1,20}|\[[0-9a-fA-F]{1,4}::[0-9]{1,3}\])", fullmatch=True),
    st.none() | st.integers(1, 65_535),
    st.from_regex(r"(/[!$-.0-9:;=A-Z_a-z~]{1,9}){0,3}", fullmatch=True),
)
def test_a_url_is_taken_apart_as_the_standard_library_does(scheme, host, port, path):
    url = f"{scheme}://{host}{'' if port is None else f':{port}'}{path}"
    parts, endpoint = urlsplit(url), resolve_endpoint(endpoint_url=url, region="us-east-1")
    assert (endpoint.scheme, endpoint.host) == (parts.scheme, parts.hostname)
    assert endpoint.port == (parts.port or (443 if parts.scheme == "https" else 80))
    assert endpoint.base_path == parts.path


@pytest.mark.parametrize("password", ["hunter2", "a/hunter2", "a?hunter2", "[hunter2"])
@pytest.mark.parametrize("scheme", ["https://", "wss://", "htp://", ""])
def test_a_password_in_the_url_is_not_repeated(scheme, password):
    with pytest.raises(ConfigurationError) as caught:
        resolve_endpoint(endpoint_url=f"{scheme}user:{password}@h/production", region="us-east-1")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "scope"),
    [
        ({"api_id": "abc123xyz"}, "abc123xyz/production"),
        ({"api_id": "abc123xyz", "stage": "dev", "region": "cn-north-1"}, "abc123xyz/dev"),
        ({"endpoint_url": "https://abc123xyz.execute-api.eu-west-3.amazonaws.com/production"}, "abc123xyz/production"),
        ({"endpoint_url": "https://events.example.com"}, "events.example.com"),
        ({"endpoint_url": "https://Events.example.com:8443/live/"}, "events.example.com:8443/live"),
        ({"endpoint_url": "http://127.0.0.1:8080/production"}, "127.0.0.1:8080/production"),
        # Where the API's id is not what is posted to, it says nothing: local tests do not share production's list.
        ({"api_id": "abc123xyz", "endpoint_url": "http://[::1]:8080/production"}, "[::1]:8080/production"),
    ],
)
def test_the_scope_tells_one_deployment_from_another(settings, scope):
    assert scope_of(resolve_endpoint(**{"region": "us-east-1", **settings})) == scope
