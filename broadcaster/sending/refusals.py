"""What to tell the user when API Gateway refuses a request for a reason that has nothing to do with the connection."""

from collections.abc import Mapping

# 401 and 403: who asks; 404 and 421: the address; 3xx: something else than API Gateway answers there.
_REFUSALS = frozenset((401, 403, 404, 421, *range(300, 400)))


def is_refusal(status: int) -> bool:
    """Tell whether this status would be the same for every connection: it is about the caller or the address."""
    return status in _REFUSALS


def is_about_the_id(headers: Mapping[str, str], body: bytes) -> bool:
    """Tell whether an answer of 400 says that no connection can have this id: then it is as good as gone."""
    return "connectionid" in describe_error(headers, body).lower()


def is_about_the_signature(error: str) -> bool:
    """Tell whether signing again, with fresh credentials or a corrected clock, may help.

    Args:
        error: what `describe_error` returns.
    """
    lowered = error.lower()
    return "expired" in lowered or "signature" in lowered or "security token" in lowered


def describe_error(headers: Mapping[str, str], body: bytes) -> str:
    """Return the service's own words for an error on one line, at most 200 characters: code, then message.

    The answer to a bad signature repeats the whole canonical request, the session token included: only its first
    sentence is kept. Something else that repeats the request's headers is read as far as the token.
    """
    import re  # not before something is refused: 3 ms

    code = headers.get("x-amzn-errortype", "").partition(":")[0]
    text = body[:4096].decode("utf-8", "replace")
    message = text
    if text.lstrip().startswith("{"):
        import json

        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            content = None
        if isinstance(content, dict):
            message = str(content.get("message") or content.get("Message") or "")
    message = re.split("(?i)x-amz-security-token", message.split(" The Canonical String")[0].split("\n\n")[0])[0]
    message = " ".join(message.split())
    if message.lower().startswith(("<!doctype", "<html")):
        message = "an HTML page"
    return (f"{code}: {message}" if code and message else code or message)[:200]


def explain_refusal(status: int, error: str, url: str) -> str:
    """Return the text of a `RefusedError`: what was answered where, and what to check."""
    said = f"{url} answered HTTP {status}" + (f" ({error})" if error else "")
    lowered = error.lower()
    if 300 <= status < 400 or status in (404, 421):
        return f"{said}; check the address: the API id, region and stage, or endpoint_url="
    if "expired" in lowered or "not yet current" in lowered:
        return f"{said}; renew the credentials, and check this machine's clock: it may be off by at most five minutes"
    if "signature" in lowered:
        return f"{said}; check the secret key and the region, and that no proxy changes the request"
    if "security token" in lowered or "unrecognizedclient" in lowered:
        return f"{said}; check the credentials: AWS does not know this access key or session token"
    if "authorized" in lowered or "accessdenied" in lowered:
        return f"{said}; allow execute-api:ManageConnections to this role or user: attach the stack's backend policy"
    return (
        f"{said}; check that the role or user may call execute-api:ManageConnections, that stage and host are right; "
        "from a VPC with an execute-api endpoint and private DNS, only a custom domain name works"
    )


def explain_unreachable(url: str, reason: str) -> str:
    """Return the text of a `RefusedError`: what cannot be reached, why, and what to check."""
    host = url.partition("://")[2]
    is_local = host.startswith(("localhost", "127.", "[::1]")) and "certificate" not in reason.lower()
    hint = "; is the local gateway running there? `python -m local_gateway` starts one" if is_local else ""
    return f"{url} cannot be reached: {reason}{hint}"
