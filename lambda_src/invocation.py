"""One event of the WebSocket API, as far as this function needs it."""


class Invocation:
    """What API Gateway says about one event; whatever it left out is empty text or None.

    Old captures of real events lack members or have null in their place, so nothing is taken for granted.
    """

    __slots__ = (
        "api_id",
        "body",
        "close_code",
        "connection_id",
        "is_binary",
        "origins",
        "request_id",
        "route",
        "stage",
    )

    def __init__(self, event: object) -> None:
        members = event if isinstance(event, dict) else {}
        context = members.get("requestContext")
        context = context if isinstance(context, dict) else {}
        self.route = _text(context.get("routeKey"))
        self.connection_id = _text(context.get("connectionId"))
        # The same id as in API Gateway's own error frames and access logs.
        self.request_id = _text(context.get("requestId"))
        self.api_id = _text(context.get("apiId"))
        self.stage = _text(context.get("stage"))
        close_code = context.get("disconnectStatusCode")
        self.close_code = close_code if isinstance(close_code, int) else None
        body = members.get("body")
        self.body = body if isinstance(body, str) else ""
        self.is_binary = bool(members.get("isBase64Encoded"))
        self.origins = _header_values(members, "origin")  # of `$connect` alone: messages have no headers


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _header_values(event: dict[object, object], name: str) -> frozenset[str]:
    """Return the different values of a header, whose name has the case that the client wrote it in."""
    values: list[object] = []
    for member in ("headers", "multiValueHeaders"):
        headers = event.get(member)
        for key, value in headers.items() if isinstance(headers, dict) else ():
            if isinstance(key, str) and key.lower() == name:
                values += value if isinstance(value, list) else [value]
    return frozenset(map(_text, values))
