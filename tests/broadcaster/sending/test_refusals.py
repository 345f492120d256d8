"""What an error answer says, and what the user is told to check."""

import json

import pytest

from broadcaster.sending.refusals import (
    describe_error,
    explain_refusal,
    explain_unreachable,
    is_about_the_id,
    is_about_the_signature,
    is_refusal,
)

URL = "https://abc123xyz.execute-api.us-east-1.amazonaws.com/production"


@pytest.mark.parametrize(
    ("code", "body", "says"),
    [
        ("", b"", ""),
        ("ForbiddenException", b"", "ForbiddenException"),
        ("ForbiddenException:http://internal.amazon.com/x/", b"", "ForbiddenException"),
        ("", b'{"message": "Forbidden"}', "Forbidden"),
        ("", b'  {"Message": "Forbidden"}', "Forbidden"),
        ("AccessDenied", b'{"message": "User: x is not authorized"}', "AccessDenied: User: x is not authorized"),
        ("", b'{"message": null}', ""),
        ("", b'{"message": "a\\r\\n  b\\tc"}', "a b c"),
        ("", b"{not json", "{not json"),
        ("", b"[1]", "[1]"),
        ("", b"gone \xff fishing", "gone \N{REPLACEMENT CHARACTER} fishing"),
        ("", b"<!DOCTYPE html><p>x", "an HTML page"),
        ("", b"<html><p>x", "an HTML page"),
        ("", b"denied: host: x X-Amz-Security-Token: SECRET", "denied: host: x"),
        ("", b'{"message": "x-amz-security-token SECRET"}', ""),
        ("", b"x" * 300, "x" * 200),
        ("C", b"x" * 300, ("C: " + "x" * 300)[:200]),
        ("", b"x" * 4_095 + "ü".encode() * 100, "x" * 200),
    ],
)
def test_the_services_words_are_taken_on_one_line(code, body, says):
    assert describe_error({"x-amzn-errortype": code} if code else {}, body) == says


@pytest.mark.parametrize("gap", [" The Canonical String for this request should have been", "\n\nThe Canonical String"])
def test_of_a_bad_signature_the_first_sentence_is_kept_and_not_the_session_token(gap):
    words = f"The request signature we calculated does not match.{gap} x-amz-security-token:SECRET"
    said = describe_error({"x-amzn-errortype": "InvalidSignatureException"}, json.dumps({"message": words}).encode())
    assert said == "InvalidSignatureException: The request signature we calculated does not match."


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (301, "", "check the address: the API id, region and stage, or endpoint_url="),
        (300, "", "check the address"),
        (399, "", "check the address"),
        (404, "", "check the address"),
        (421, "", "check the address"),
        (403, "Signature expired", "renew the credentials, and check this machine's clock"),
        (403, "Signature not yet current", "check this machine's clock"),
        (403, "InvalidSignatureException", "check the secret key and the region"),
        (
            403,
            "The security token included in the request is invalid",
            "does not know this access key or session token",
        ),
        (403, "UnrecognizedClientException", "does not know this access key"),
        (403, "User: x is not authorized", "attach the stack's backend policy"),
        (403, "AccessDenied", "attach the stack's backend policy"),
        (403, "Forbidden", "from a VPC with an execute-api endpoint and private DNS"),
        (401, "", "that stage and host are right"),
    ],
)
def test_a_refusal_says_what_was_answered_where_and_what_to_check(status, error, says):
    text = explain_refusal(status, error, URL)
    assert text.startswith(f"{URL} answered HTTP {status}" + (f" ({error}); " if error else "; "))
    assert says in text


@pytest.mark.parametrize("host", ["localhost:8001", "127.0.0.1:8001", "[::1]:8001"])
def test_a_local_address_that_nobody_answers_at_reminds_of_the_local_gateway(host):
    text = explain_unreachable(f"http://{host}/production", "Connection refused")
    assert text == (
        f"http://{host}/production cannot be reached: Connection refused; is the local gateway running there? "
        "`python -m local_gateway` starts one"
    )


@pytest.mark.parametrize("url", [URL, "https://localhost.example.com/x/127."])
def test_another_address_does_not(url):
    reason = "the certificate is for another name" if "localhost" in url else "Connection refused"
    assert explain_unreachable(url, reason) == f"{url} cannot be reached: {reason}"


@pytest.mark.parametrize("status", [200, 400, 408, 410, 413, 429, 500, 503, 299, 402, 405])
def test_what_is_about_one_connection_is_no_refusal(status):
    assert not is_refusal(status)


@pytest.mark.parametrize("status", [300, 301, 302, 307, 399, 401, 403, 404, 421])
def test_what_is_about_the_caller_or_the_address_is_one(status):
    assert is_refusal(status)


def test_only_an_answer_that_names_the_id_is_about_the_id():
    assert is_about_the_id({}, b'{"message": "Invalid connectionId: x"}')
    assert not is_about_the_id({"x-amzn-errortype": "BadRequestException"}, b'{"message": "no"}')


def test_signing_again_may_help_where_the_signature_or_the_credentials_were_wrong():
    for error in ("Signature expired", "InvalidSignatureException", "The security token is expired", "Security Token"):
        assert is_about_the_signature(error)
    assert not is_about_the_signature("User is not authorized")
