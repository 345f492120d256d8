"""The three events, member for member as captured from AWS."""

import re

ID = re.compile(r"[A-Za-z0-9_-]{15}=")
CONTEXT = {
    "routeKey", "eventType", "extendedRequestId", "requestTime", "messageDirection", "stage", "connectedAt",
    "requestTimeEpoch", "identity", "requestId", "domainName", "connectionId", "apiId",
}  # fmt: skip


async def played(serve, recorded, eventually, query="", **headers):
    running = await serve()
    socket = await running.connect(query, headers=headers)
    await socket.send_str("hello")
    await socket.receive_str(timeout=60)
    await socket.close()
    await eventually(lambda: recorded("DISCONNECT"))
    return running, {event["requestContext"]["eventType"]: event for event in recorded()}


async def test_connect(serve, recorded, eventually):
    query = "?token=a%20b&token=c&empty="
    running, events = await played(
        serve, recorded, eventually, query, **{"User-Agent": "browser", "X-oDd-Case": "1", "Origin": "https://a.test"}
    )
    event = events["CONNECT"]
    assert set(event) == {
        "headers", "multiValueHeaders", "queryStringParameters", "multiValueQueryStringParameters", "requestContext",
        "isBase64Encoded",
    }  # fmt: skip
    assert set(event["requestContext"]) == CONTEXT
    assert event["requestContext"]["identity"] == {"userAgent": "browser", "sourceIp": "127.0.0.1"}
    assert event["headers"]["X-oDd-Case"] == "1"
    assert event["headers"]["Host"] == f"127.0.0.1:{running.gateway.port}" == event["requestContext"]["domainName"]
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", event["headers"]["X-Amzn-Trace-Id"])
    assert {name: event["headers"][f"X-Forwarded-{name}"] for name in ("For", "Port", "Proto")} == {
        "For": "127.0.0.1",
        "Port": "443",
        "Proto": "https",
    }
    assert "Sec-WebSocket-Key" in event["headers"]
    assert not {"Connection", "Upgrade"} & set(event["headers"])
    assert event["multiValueHeaders"] == {name: [value] for name, value in event["headers"].items()}
    assert event["queryStringParameters"] == {"token": "c", "empty": ""}
    assert event["multiValueQueryStringParameters"] == {"token": ["a b", "c"], "empty": [""]}
    assert event["isBase64Encoded"] is False


async def test_a_connect_without_query_and_user_agent_has_no_such_members(serve, recorded, eventually):
    running = await serve()
    await running.connect(skip_user_agent=True)
    (event,) = await eventually(recorded)
    assert set(event) == {"headers", "multiValueHeaders", "requestContext", "isBase64Encoded"}
    assert event["requestContext"]["identity"] == {"sourceIp": "127.0.0.1"}


async def test_message(serve, recorded, eventually):
    _, events = await played(serve, recorded, eventually)
    event = events["MESSAGE"]
    assert set(event) == {"requestContext", "body", "isBase64Encoded"}
    assert set(event["requestContext"]) == CONTEXT | {"messageId"}
    assert event["body"] == "hello"


async def test_disconnect(serve, recorded, eventually):
    running, events = await played(serve, recorded, eventually)
    event = events["DISCONNECT"]
    host = f"127.0.0.1:{running.gateway.port}"
    assert event["headers"] == {"Host": host, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
    assert event["multiValueHeaders"] == {name: [value] for name, value in event["headers"].items()}
    assert set(event["requestContext"]) == CONTEXT | {"disconnectStatusCode", "disconnectReason"}


async def test_what_all_three_share(serve, recorded, eventually):
    running, events = await played(serve, recorded, eventually)
    contexts = {event_type: event["requestContext"] for event_type, event in events.items()}
    assert {name: context["routeKey"] for name, context in contexts.items()} == {
        "CONNECT": "$connect",
        "MESSAGE": "$default",
        "DISCONNECT": "$disconnect",
    }
    assert len({context["connectionId"] for context in contexts.values()}) == 1
    assert len({context["connectedAt"] for context in contexts.values()}) == 1
    assert len({context["requestId"] for context in contexts.values()}) == 3
    for context in contexts.values():
        for name in ("connectionId", "requestId"):
            assert ID.fullmatch(context[name])
        assert context["requestId"] == context["extendedRequestId"]
        assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", context["requestTime"])
        assert isinstance(context["requestTimeEpoch"], int)
        assert context["connectedAt"] <= context["requestTimeEpoch"]
        assert (context["stage"], context["apiId"]) == ("live", running.gateway.api.api_id)
        assert context["messageDirection"] == "IN"
