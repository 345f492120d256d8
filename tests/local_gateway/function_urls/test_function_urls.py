"""A function URL of the template turns requests into events of payload format 2.0, and results into answers."""

import base64
import io
import json

import aiohttp
import pytest
from yarl import URL

HANDLER = """
import json

def handler(event, context):
    path = event["rawPath"]
    if path == "/raise":
        raise ValueError("secret")
    if path == "/plain":
        return {"answer": 42}
    if path == "/malformed":
        return {"statusCode": "many"}
    if path == "/cookies":
        return {"statusCode": 201, "headers": {"X-A": "1"}, "cookies": ["a=1; Path=/", "b=2"], "body": "text"}
    if path == "/binary":
        return {"statusCode": 200, "headers": {"content-type": "image/png"}, "body": "AP8=", "isBase64Encoded": True}
    return {"statusCode": 200, "body": json.dumps(event)}
"""


@pytest.fixture
async def url(serve, assembly):
    assembly.function("Main", HANDLER)
    assembly.route("$default", "Main")
    assembly.function("Http", HANDLER)
    assembly.resources["Url"] = assembly.resource(
        "AWS::Lambda::Url", AuthType="NONE", TargetFunctionArn={"Fn::GetAtt": ["Http", "Arn"]}
    )
    running = await serve()
    return running.gateway.function_urls["Url"]


async def ask(url, path="", *, method="POST", **options):
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, URL(url + path, encoded=True), **options) as response,
    ):
        return response.status, response.headers, await response.read()


async def event_of(url, path="", **options):
    status, _, body = await ask(url, path, **options)
    assert status == 200, body
    return json.loads(body)


async def test_the_event_has_the_members_of_payload_format_2(url):
    event = await event_of(
        url,
        "apps/1%2F2/events?b=2&a=1&a=%20",
        data='{"é":1}',
        headers={
            "Content-Type": "application/json; charset=utf-8",
            "X-Odd": "1",
            "Cookie": "a=1; b=2",
            "User-Agent": "us",
        },
    )
    assert (event["version"], event["routeKey"], event["isBase64Encoded"]) == ("2.0", "$default", False)
    assert (event["rawPath"], event["rawQueryString"]) == ("/apps/1%2F2/events", "b=2&a=1&a=%20")
    assert event["queryStringParameters"] == {"b": "2", "a": "1, "}
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["body"] == '{"é":1}'
    assert event["headers"]["x-odd"] == "1"
    assert event["headers"]["x-forwarded-proto"] == "https"
    assert all(name == name.lower() for name in event["headers"])
    context = event["requestContext"]
    assert context["http"] == {
        "method": "POST",
        "path": "/apps/1%2F2/events",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "us",
    }
    assert (context["accountId"], context["stage"]) == ("anonymous", "$default")
    assert f"http://{context['domainName']}/" == url


async def test_without_query_cookies_and_body_their_members_are_absent(url):
    event = await event_of(url, method="GET")
    assert event["rawPath"] == "/"
    assert {"queryStringParameters", "cookies", "body"}.isdisjoint(event)


@pytest.mark.parametrize("kind", ["application/octet-stream", "application/x-www-form-urlencoded", "text/plain"])
async def test_a_body_that_is_no_text_comes_in_base64(url, kind):
    event = await event_of(url, data=b"\xff\x00", headers={"Content-Type": kind})
    assert event["isBase64Encoded"]
    assert base64.b64decode(event["body"]) == b"\xff\x00"


async def test_results_become_answers(url):
    status, headers, body = await ask(url, "cookies")
    assert (status, headers["X-A"], headers.getall("Set-Cookie"), body) == (201, "1", ["a=1; Path=/", "b=2"], b"text")
    status, headers, body = await ask(url, "plain")
    assert (status, headers["Content-Type"], json.loads(body)) == (200, "application/json", {"answer": 42})
    status, headers, body = await ask(url, "binary")
    assert (status, headers["Content-Type"], body) == (200, "image/png", b"\0\xff")


@pytest.mark.parametrize("path", ["raise", "malformed"])
async def test_a_failing_function_is_502(url, path):
    status, _, body = await ask(url, path)
    assert (status, json.loads(body)) == (502, {"Message": "Internal Server Error"})


async def test_a_request_of_more_than_6_mb_is_413(url):
    assert (await ask(url, data=io.BytesIO(bytes(7_000_000))))[0] == 413
    large = io.BytesIO(b"x" * 1_500_000)
    assert len((await event_of(url, data=large, headers={"Content-Type": "text/plain"}))["body"]) == 1_500_000


async def test_a_url_with_authorization_is_not_served_and_said(serve, assembly):
    assembly.function("Main", HANDLER)
    assembly.route("$default", "Main")
    assembly.resources["Url"] = assembly.resource(
        "AWS::Lambda::Url", AuthType="AWS_IAM", TargetFunctionArn={"Fn::GetAtt": ["Main", "Arn"]}
    )
    running = await serve()
    assert running.gateway.function_urls == {}
    (warning,) = running.gateway.api.warnings
    assert warning == "function URL Url is not served: it has AuthType AWS_IAM; the gateway serves NONE alone"
