"""A deployment with a host name of its own."""

from __future__ import annotations

import json

import pytest

CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"


@pytest.fixture(scope="session")
def template(template_path):
    return json.loads(template_path(domain="ws.example.com", certificate=CERTIFICATE).read_text("utf-8"))


def test_the_name_has_the_certificate_and_takes_nothing_older_than_tls_1_2(template, properties):
    assert properties(template, "AWS::ApiGatewayV2::DomainName") == [
        {
            "DomainName": "ws.example.com",
            "DomainNameConfigurations": [
                {"CertificateArn": CERTIFICATE, "EndpointType": "REGIONAL", "SecurityPolicy": "TLS_1_2"}
            ],
        }
    ]


def test_the_name_leads_to_the_stage_without_a_path(template, properties):
    [mapping] = properties(template, "AWS::ApiGatewayV2::ApiMapping")
    assert mapping == {"ApiId": "<GatewayApi>", "DomainName": mapping["DomainName"], "Stage": "production"}


def test_the_outputs_have_the_name_and_no_stage_behind_it(template, outputs):
    found = outputs(template)
    assert found["WebSocketUrl"] == "wss://ws.example.com"
    assert found["ConnectionsUrl"] == "https://ws.example.com"
    assert found["NextPublicPusherKey"] == "NEXT_PUBLIC_PUSHER_KEY=wss://ws.example.com"
    assert found["DomainTarget"].endswith(".RegionalDomainName>")


def test_without_a_zone_there_is_no_record_and_the_apis_own_name_answers_too(template, properties):
    assert properties(template, "AWS::Route53::RecordSet") == []
    [api] = properties(template, "AWS::ApiGatewayV2::Api")
    assert "DisableExecuteApiEndpoint" not in api
    [function] = properties(template, "AWS::Lambda::Function")
    assert "Environment" not in function


def test_with_a_zone_the_records_lead_there_and_with_ipv6_two_of_them(changed_template, properties):
    records = properties(changed_template, "AWS::Route53::RecordSet")
    assert [record["Type"] for record in records] == ["A", "AAAA"]
    for record in records:
        assert (record["Name"], record["HostedZoneId"]) == ("ws.example.com.", "Z0123456789ABCDEFGHIJ")
        assert record["AliasTarget"]["DNSName"].endswith(".RegionalDomainName>")
    [name] = properties(changed_template, "AWS::ApiGatewayV2::DomainName")
    assert name["DomainNameConfigurations"][0]["IpAddressType"] == "dualstack"


def test_where_the_apis_own_name_does_not_answer_the_function_posts_to_the_domain(changed_template, properties):
    [api] = properties(changed_template, "AWS::ApiGatewayV2::Api")
    assert api["DisableExecuteApiEndpoint"] is True
    [function] = properties(changed_template, "AWS::Lambda::Function")
    assert function["Environment"]["Variables"]["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"] == "https://ws.example.com"


def test_the_backend_policy_is_about_the_api_and_the_stage_whatever_the_name(template, default_template, properties):
    [policy] = properties(template, "AWS::IAM::ManagedPolicy")
    [default] = properties(default_template, "AWS::IAM::ManagedPolicy")
    assert policy == default


def test_the_library_posts_to_the_output_as_it_is():
    from broadcaster.endpoint import resolve_endpoint

    endpoint = resolve_endpoint(endpoint_url="https://ws.example.com", region="eu-central-1")
    assert (endpoint.host, endpoint.base_path, endpoint.region) == ("ws.example.com", "", "eu-central-1")


def test_the_local_gateway_serves_such_a_deployment_at_its_own_address(template_path, local_gateway_factory):
    path = template_path(domain="ws.example.com", certificate=CERTIFICATE, default_endpoint="false")
    gateway = local_gateway_factory(template=path.parent)
    with gateway.connect() as client:
        client.send({"action": "subscribe", "channel": "admin"})
        # Pushed by the function, to where the gateway says that the connections are.
        assert client.receive().json()["type"] == "connection_id"
