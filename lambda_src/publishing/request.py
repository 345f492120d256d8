"""One HTTP request as a Lambda function URL hands it over, and the refusals that answer it."""

import base64

# Bytes that Lambda takes in one invocation, and a function URL in one request.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_BODY_BYTES = 6 * 1024 * 1024


class RequestError(Exception):
    """A request is refused; the text says what was wrong and what would be right.

    Attributes:
        status: of the answer.
        reason: the same in one word, for the log: it quotes nothing of the request.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class Request:
    """What of an event in payload format 2.0 matters here; whatever it lacks is empty text.

    Attributes:
        path: as Lambda hands it over, with percent-encoding where it has any.
        query: percent-encoded, without the question mark.
        authorization: the header's value.
    """

    __slots__ = ("_body", "_is_base64", "authorization", "method", "path", "query", "request_id")

    def __init__(self, event: object) -> None:
        members = event if isinstance(event, dict) else {}
        context = _object(members.get("requestContext"))
        self.method = _text(_object(context.get("http")).get("method"))
        self.path = _text(members.get("rawPath"))
        self.query = _text(members.get("rawQueryString"))
        self.request_id = _text(context.get("requestId"))
        self.authorization = _text(_object(members.get("headers")).get("authorization"))
        self._body = _text(members.get("body"))
        self._is_base64 = bool(members.get("isBase64Encoded"))

    def body(self) -> bytes:
        """Return the bytes of the body. Costs something for each of them, so only after the signature was checked.

        Raises:
            RequestError: they are too many, or none can be had.
        """
        try:
            # Not `validate`: Lambda wrote it, and what it wrote is right.
            body = base64.b64decode(self._body) if self._is_base64 else self._body.encode()
        except ValueError as error:
            raise RequestError(400, "bad_body", "the body cannot be read; send JSON in UTF-8") from error
        if len(body) > MAX_BODY_BYTES:
            raise RequestError(
                413, "too_large", f"the body has {len(body):,} bytes and may have {MAX_BODY_BYTES:,}; send less at once"
            )
        return body


def _object(value: object) -> dict[object, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
