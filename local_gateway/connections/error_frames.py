"""The text frames by which API Gateway reports an error to a client. The connection stays open."""

INTERNAL_SERVER_ERROR = "Internal server error"  # the Lambda raised, was killed or returned something malformed
ENDPOINT_REQUEST_TIMED_OUT = "Endpoint request timed out"  # slower than the integration's timeout
FORBIDDEN = "Forbidden"  # no route matches and there is no $default
# Inferred: this text with these members was found in no capture; the documentation only says "429 Too Many Requests".
TOO_MANY_REQUESTS = "Too Many Requests"


def error_frame(message: str, *, connection_id: str, request_id: str) -> str:
    """Return the frame as the service prints it: a space after the first colon and after each comma, no other."""
    return f'{{"message": "{message}", "connectionId":"{connection_id}", "requestId":"{request_id}"}}'
