"""Handlers that were written for AWS post to the addresses that their events name, over TLS, with any client."""

import asyncio
import socket
import ssl

import pytest

PUSH = """
import asyncio, http.client, json, os, ssl, urllib.error, urllib.request
import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import get_session

def handler(event, context):
    at = event["requestContext"]
    region = os.environ["AWS_REGION"]
    hosts = {"domain name": at["domainName"], "api id": f"{at['apiId']}.execute-api.{region}.amazonaws.com"}
    client, _, name = event["body"].partition(" by ")
    url = f"https://{hosts[name]}/{at['stage']}"
    message = event["body"].encode()
    if client == "boto3":
        api = boto3.client("apigatewaymanagementapi", endpoint_url=url)
        api.post_to_connection(ConnectionId=at["connectionId"], Data=message)
        return {"statusCode": 200}
    path = f"/{at['stage']}/@connections/{at['connectionId'].replace('=', '%3D')}"
    request = AWSRequest("POST", f"https://{hosts[name]}{path}", data=message)
    SigV4Auth(get_session().get_credentials(), "execute-api", region).add_auth(request)
    headers = dict(request.headers)
    if client == "urllib":
        urllib.request.urlopen(urllib.request.Request(request.url, message, headers, method="POST")).close()
    elif client == "http.client":
        connection = http.client.HTTPSConnection(hosts[name])
        connection.request("POST", path, message, headers)
        assert connection.getresponse().status == 200
    else:
        asyncio.run(post(hosts[name], path, message, headers))
    return {"statusCode": 200}

async def post(host, path, message, headers):
    name, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(name, int(port or 443), ssl=ssl.create_default_context())
    lines = "".join(f"{name}: {value}\\r\\n" for name, value in {"Host": host, **headers}.items())
    writer.write(f"POST {path} HTTP/1.1\\r\\n{lines}Content-Length: {len(message)}\\r\\n\\r\\n".encode())
    writer.write(message)
    assert b" 200 " in await reader.readline()
    writer.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["domain name", "api id"])
@pytest.mark.parametrize("client", ["boto3", "urllib", "http.client", "asyncio"])
async def test_a_handler_posts_to_the_addresses_of_its_event(serve, assembly, client, name):
    assembly.function("Push", PUSH)
    assembly.route("$default", "Push")
    running = await serve()
    socket = await running.connect()
    await socket.send_str(f"{client} by {name}")
    assert await socket.receive_str(timeout=60) == f"{client} by {name}", running.log.getvalue()


async def test_the_domain_name_leads_to_the_gateway_whatever_host_a_client_names(serve, recorded):
    running = await serve()
    socket = await running.connect(headers={"Host": "elsewhere.example"})
    await socket.send_str("x")
    await socket.receive_str(timeout=60)
    assert {event["requestContext"]["domainName"] for event in recorded()} == {f"127.0.0.1:{running.gateway.port}"}


async def test_a_client_that_trusts_nobody_here_is_a_sentence_in_the_log(serve, recorded, eventually):
    running = await serve()

    def connect():
        with socket.create_connection(("127.0.0.1", running.gateway.port)) as plain:
            ssl.create_default_context().wrap_socket(plain, server_hostname="127.0.0.1")

    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.to_thread(connect)
    await eventually(lambda: "a TLS handshake failed: TLSV1_ALERT_UNKNOWN_CA" in running.log.getvalue())


@pytest.mark.parametrize("sent", [b"\x16", b"\x16\x03\x01 this is no TLS", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"])
async def test_what_begins_like_tls_and_is_none_ends(serve, recorded, caplog, sent):
    running = await serve()
    reader, writer = await asyncio.open_connection("127.0.0.1", running.gateway.port)
    writer.write(sent)
    writer.write_eof()
    await asyncio.wait_for(reader.read(), 30)
    writer.close()
    assert not caplog.records


async def test_a_half_done_handshake_does_not_hold_up_the_end(serve, recorded):
    running = await serve()
    reader, writer = await asyncio.open_connection("127.0.0.1", running.gateway.port)
    writer.write(b"\x16\x03\x01")
    await asyncio.sleep(0.1)
    await running.gateway.stop()
    assert await asyncio.wait_for(reader.read(), 30) == b""
    writer.close()
