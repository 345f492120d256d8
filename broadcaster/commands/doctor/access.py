"""Access: whether API Gateway answers these credentials about a connection that was made up."""

import re
import time
from collections.abc import Callable

from ...endpoint import Endpoint
from ...errors import BroadcasterError
from ...sending.choose import make_sender
from ...sending.refusals import describe_error, explain_refusal, is_about_the_id
from ...signing import Credentials, percent_encode, sign_request
from .finding import Finding, bad, good, split_advice
from .way import HttpAnswer, ask

# Of the right form, and nobody's: the eleven bytes of an id are hardly all zero.
MADE_UP_ID = "AAAAAAAAAAAAAAA="

# In a text with account numbers cut to four digits, as AWS itself does with the API's.
_ACCOUNTS = re.compile(r"arn:[\w-]+:(?:iam|sts)::…(\d{4}):.* resource: arn:[\w-]+:execute-api:[\w-]+:[*\d]{8}(\d{4}):")


def try_access(
    endpoint: Endpoint, credentials: Credentials, offset: float, *, is_private: bool, hide: Callable[[str], str]
) -> Finding:
    """Return whether the credentials may use `@connections` of this stage.

    Args:
        offset: seconds by which the server's clock is ahead: with the right time, access is judged and not the clock.
        is_private: whether the host leads into a private network.
        hide: takes out of a text what is not to be shown; before it is cut, for a part of a secret is not found again.
    """
    target = f"{endpoint.base_path}/@connections/{percent_encode(MADE_UP_ID)}"
    headers = sign_request(
        credentials,
        service="execute-api",
        region=endpoint.region,
        method="GET",
        host=endpoint.authority,
        path=target,
        body=b"",
        now=time.time() + offset,
    )
    try:
        answer = ask(endpoint, target, headers)
    except OSError as error:
        return bad("access", f"no answer to a signed request: {error}", "try again; is a firewall in between?")
    body = hide(answer.body.decode("utf-8", "replace")).encode()
    return judge(endpoint, answer._replace(body=body), is_private=is_private)


def try_through_proxy(endpoint: Endpoint) -> Finding:
    """Return the same where a proxy is in force, through boto3, which tells less."""
    sender = make_sender(endpoint)
    try:
        reply = sender.request("GET", MADE_UP_ID)
    except BroadcasterError as error:
        return split_advice("access", error)
    finally:
        sender.close()
    if reply.status is None:
        return bad("access", f"no answer through the proxy: {reply.reason}", "check HTTPS_PROXY and NO_PROXY")
    return _allowed(reply.status)


def judge(endpoint: Endpoint, answer: HttpAnswer, *, is_private: bool) -> Finding:
    """Return what an answer about a connection that was made up says."""
    error = describe_error(
        {"x-amzn-errortype": answer.headers.get("x-amzn-errortype", "")},
        answer.body,
    )
    if answer.status in (200, 410) or (answer.status == 400 and is_about_the_id(answer.headers, answer.body)):
        return _allowed(answer.status)
    text = f"HTTP {answer.status}" + (f" ({error})" if error else "")
    if answer.status == 429 or answer.status >= 500:
        return bad("access", text, "try again: API Gateway throttles, or has a fault of its own")
    lowered = error.lower()
    if answer.status == 403 and ("not authorized" in lowered or "accessdenied" in lowered):
        return _not_allowed(text, answer)
    if answer.status == 403 and lowered in ("", "forbidden", "forbiddenexception", "forbiddenexception: forbidden"):
        if is_private:
            return bad(
                "access",
                f"{text}, and the name leads to a private address: a VPC endpoint for execute-api with private DNS",
                "from this network use a custom domain, or switch the endpoint's private DNS off",
            )
        stage = endpoint.base_path.strip("/") or "(none)"
        return bad(
            "access",
            f"{text}: there is no such stage here, {stage}",
            "check the stage (WEBSOCKET_STAGE, --stage): it is the stack's output Stage; then API id and region",
        )
    return bad("access", text, explain_refusal(answer.status, error, endpoint.url).partition("; ")[2])


def _allowed(status: int) -> Finding:
    return good("access", f"execute-api:ManageConnections is allowed ({status} for a connection that was made up)")


def _not_allowed(text: str, answer: HttpAnswer) -> Finding:
    accounts = _ACCOUNTS.search(answer.body.decode("utf-8", "replace"))
    if accounts and accounts[1] != accounts[2]:
        return bad(
            "access",
            f"{text}: the credentials are of account …{accounts[1]}, the API of account …{accounts[2]}",
            "use credentials of the API's account, or assume a role there that has the stack's backend policy",
        )
    return bad(
        "access",
        text,
        "attach the stack's backend policy (output BackendPolicyArn) to the role or user that this runs as; it allows "
        "POST, GET and DELETE, and this asked with GET",
    )
