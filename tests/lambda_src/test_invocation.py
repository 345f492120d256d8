"""Events as they are, as they were, and as they never should be."""

from collections.abc import Callable
from typing import Any

import pytest

from invocation import Invocation


def test_a_message_event_tells_who_said_what_where(event_of: Callable[..., dict[str, Any]]) -> None:
    invocation = Invocation(event_of("$default", '{"action":"ping"}'))
    assert invocation.route == "$default"
    assert invocation.connection_id == "L0SM9cOFvHcCIhw="
    assert invocation.request_id == "BFaVtH2HoAMFZEQ="
    assert (invocation.api_id, invocation.stage) == ("abcdef123", "production")
    assert (invocation.body, invocation.is_binary, invocation.close_code) == ('{"action":"ping"}', False, None)


def test_a_disconnect_event_tells_the_close_code(event_of: Callable[..., dict[str, Any]]) -> None:
    event = event_of("$disconnect", disconnectStatusCode=1001, disconnectReason="Going away")
    assert Invocation(event).close_code == 1001


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "text",
        {},
        {"requestContext": None, "body": None, "isBase64Encoded": None},
        {"requestContext": {"routeKey": None, "connectionId": 5, "disconnectStatusCode": None}, "body": {}},
    ],
)
def test_what_an_event_lacks_is_empty(event: object) -> None:
    invocation = Invocation(event)
    assert (invocation.route, invocation.connection_id, invocation.body) == ("", "", "")
    assert (invocation.is_binary, invocation.close_code) == (False, None)
