"""What is not signed with the key, just so and just now, is refused before anything else of it is looked at."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publishing.request import MAX_BODY_BYTES, Request, RequestError
from publishing.signature import Key, check_signature, check_signed, read_claim, read_query
from tests.lambda_src.publishing.conftest import KEY, NOW, event_of, query_of, sign

PATH = "/apps/1024/events"
BODY = json.dumps({"name": "tick", "channel": "admin", "data": '{"n":1}'}).encode()
OTHER = Key("1024", "key-of-another-app", "secret-of-another-app" * 3)


def body_of(event: dict[str, Any], *, keys: tuple[Key, ...] = (KEY,), now: float = NOW) -> bytes | None:
    """What the function does: None if no key has signed the request, else the body."""
    request = Request(event)
    signed = check_signature(read_claim(request), keys)
    return check_signed(request, signed, now=now) if signed else None


def posted(parameters: dict[str, str], body: bytes = BODY, path: str = PATH) -> dict[str, Any]:
    return event_of("POST", path, query_of(parameters), body)


def refusal_of(event: dict[str, Any], now: float = NOW) -> str:
    with pytest.raises(RequestError) as refused:
        body_of(event, now=now)
    assert refused.value.status == 401
    return refused.value.reason


def test_the_example_in_pusher_s_documentation_is_signed_right() -> None:
    # https://pusher.com/docs/channels/library_auth_reference/rest-api/#worked-authentication-example
    key = Key("3", "278d425bdf160c739803", "7ad3773142a6692b25b8")
    body = b'{"name":"foo","channels":["project-3"],"data":"{\\"some\\":\\"data\\"}"}'
    query = (
        "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0"
        "&body_md5=ec365a775a4cd0599faeb73354201b6f"
        "&auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
    )
    event = event_of("POST", "/apps/3/events", query, body)
    assert body_of(event, keys=(key,), now=1353088179) == body


@pytest.mark.parametrize("is_base64", [False, True])
def test_a_request_with_the_key_s_signature_passes(is_base64: bool) -> None:
    event = event_of("POST", PATH, query_of(sign("POST", PATH, BODY)), BODY, is_base64=is_base64)
    assert body_of(event) == BODY


def test_a_get_passes_with_the_md5_of_nothing_and_without() -> None:
    path = "/apps/1024/channels"
    empty = "d41d8cd98f00b204e9800998ecf8427e"
    for more in ({"body_md5": empty}, {}):
        parameters = sign("GET", path, info="subscription_count", **more)
        assert body_of(event_of("GET", path, query_of(parameters))) == b""


def test_several_keys_are_valid_while_one_replaces_another() -> None:
    for key in (KEY, OTHER):
        assert body_of(posted(sign("POST", PATH, BODY, key=key)), keys=(KEY, OTHER)) == BODY


def test_another_app_s_key_does_not_pass_nor_its_secret_under_our_name() -> None:
    assert body_of(posted(sign("POST", PATH, BODY, key=OTHER))) is None
    for name, secret in ((KEY.name, OTHER.secret), (OTHER.name, KEY.secret), (KEY.name, "")):
        assert body_of(posted(sign("POST", PATH, BODY, key=Key("1024", name, secret)))) is None


def test_one_key_s_name_with_another_key_s_secret_does_not_pass() -> None:
    mixed = Key("1024", KEY.name, OTHER.secret)
    assert body_of(posted(sign("POST", PATH, BODY, key=mixed)), keys=(KEY, OTHER)) is None


def test_a_changed_body_does_not_pass_under_the_old_md5() -> None:
    parameters = sign("POST", PATH, BODY)
    assert refusal_of(posted(parameters, BODY.replace(b"tick", b"tock"))) == "bad_body_md5"
    assert refusal_of(posted(parameters, b"")) == "bad_body_md5"


def test_a_changed_body_does_not_pass_under_its_own_md5_with_the_old_signature() -> None:
    changed = BODY.replace(b"tick", b"tock")
    parameters = sign("POST", PATH, BODY) | {"body_md5": sign("POST", PATH, changed)["body_md5"]}
    assert body_of(posted(parameters, changed)) is None


def test_a_body_that_is_not_signed_does_not_pass() -> None:
    assert refusal_of(posted(sign("POST", PATH, BODY, leave_out=("body_md5",)))) == "no_body_md5"


@pytest.mark.parametrize("name", ["auth_key", "auth_timestamp", "auth_signature"])
def test_a_request_without_a_part_of_its_signature_does_not_pass(name: str) -> None:
    parameters = sign("POST", PATH, BODY, leave_out=(name,))
    parameters.pop(name, None)
    assert refusal_of(posted(parameters)) == "not_signed"
    assert refusal_of(posted(sign("POST", PATH, BODY) | {name: ""})) == "not_signed"


def test_nothing_at_all_does_not_pass() -> None:
    assert refusal_of({}) == "not_signed"
    assert refusal_of(event_of("GET", "/")) == "not_signed"


@pytest.mark.parametrize("minutes", [-11, 11])
def test_a_clock_that_is_eleven_minutes_off_does_not_pass(minutes: int) -> None:
    assert refusal_of(posted(sign("POST", PATH, BODY, at=NOW + 60 * minutes))) == "bad_timestamp"


@pytest.mark.parametrize("seconds", [-600, 600])
def test_a_clock_that_is_ten_minutes_off_passes(seconds: int) -> None:
    assert body_of(posted(sign("POST", PATH, BODY, at=NOW + seconds))) == BODY


@pytest.mark.parametrize("written", ["", "now", "-1", "1e9", "\uff11800000000", "1800000000.5", "9" * 5_000])
def test_a_timestamp_that_is_no_number_does_not_pass(written: str) -> None:
    parameters = sign("POST", PATH, BODY, auth_timestamp=written)
    assert refusal_of(posted(parameters)) in ("bad_timestamp", "not_signed")


def test_another_version_of_the_signature_does_not_pass() -> None:
    assert refusal_of(posted(sign("POST", PATH, BODY, auth_version="2.0"))) == "bad_version"


@pytest.mark.parametrize("smuggled", ["auth_key=other", "body_md5=0", "auth_timestamp=1", "%61uth_key=other", "info=x"])
def test_a_parameter_that_is_there_twice_does_not_pass(smuggled: str) -> None:
    query = query_of(sign("POST", PATH, BODY, info="subscription_count"))
    for both in (f"{query}&{smuggled}", f"{smuggled}&{query}"):
        assert refusal_of(event_of("POST", PATH, both, BODY)) == "bad_query"


def test_a_parameter_cannot_be_made_of_a_part_of_another() -> None:
    path = "/apps/1024/channels"
    # Signed is info=subscription_count&x=1; sent are the same characters as one parameter.
    parameters = sign("GET", path, info="subscription_count", x="1")
    moved = {name: value for name, value in parameters.items() if name not in ("info", "x")}
    for hidden in ({"info": "subscription_count&x=1"}, {"info=subscription_count&x": "1"}):
        assert refusal_of(event_of("GET", path, query_of(moved | hidden))) == "bad_query"


def test_a_parameter_that_was_not_signed_does_not_pass() -> None:
    assert body_of(posted(sign("POST", PATH, BODY) | {"more": "1"})) is None


@pytest.mark.parametrize(
    "path",
    ["/apps/1024/%65vents", "/apps/1024/events/", "//apps/1024/events", "/apps/1025/events", "/apps/1024/Events"],
)
def test_a_signature_is_for_its_own_path_alone(path: str) -> None:
    assert body_of(posted(sign("POST", PATH, BODY), path=path)) is None


def test_a_signature_is_for_its_own_method_alone() -> None:
    parameters = sign("GET", PATH)
    assert body_of(event_of("POST", PATH, query_of(parameters))) is None
    assert body_of(event_of("POST", PATH, query_of(parameters), BODY)) is None


def test_seven_megabytes_are_refused_after_the_signature_and_not_read_before() -> None:
    body = b'{"data":"' + b"x" * 7_000_000 + b'"}'
    with pytest.raises(RequestError) as refused:
        body_of(posted(sign("POST", PATH, body), body))
    assert refused.value.status == 413
    assert f"{MAX_BODY_BYTES:,}" in str(refused.value)
    # Not even decoded: this is no base64 at all.
    event = posted(sign("POST", PATH, body, key=OTHER), body) | {"isBase64Encoded": True, "body": "é" * 7_000_000}
    assert body_of(event) is None


@pytest.mark.parametrize("body", ["é", "AAA", "\ud800"])
def test_a_body_that_cannot_be_read_is_refused(body: str) -> None:
    event = posted(sign("POST", PATH, BODY)) | {"isBase64Encoded": body != "\ud800", "body": body}
    with pytest.raises(RequestError) as refused:
        body_of(event)
    assert refused.value.status in (400, 401)


@pytest.mark.parametrize("text", ["é", "\ud800"])
def test_what_is_not_ascii_is_refused(text: str) -> None:
    query = query_of(sign("POST", PATH, BODY))
    assert refusal_of(event_of("POST", PATH, f"{query}&x={text}", BODY)) == "bad_query"
    assert refusal_of(event_of("POST", f"{PATH}{text}", query, BODY)) == "bad_path"


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8"))))
def test_the_query_is_read_as_it_was_written(parameters: dict[str, str]) -> None:
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters.items())
    is_clear = len(parameters) <= 50 and not any(
        set(name) & set("&=\n") or set(value) & set("&\n") for name, value in parameters.items()
    )
    if is_clear:
        assert read_query(query) == parameters
    else:
        with pytest.raises(RequestError):
            read_query(query)


@given(st.text(max_size=200))
def test_whatever_the_query_is_it_is_refused_and_nothing_breaks(query: str) -> None:
    with pytest.raises(RequestError) as refused:
        body_of(event_of("POST", PATH, query, BODY))
    assert refused.value.status == 401
    assert KEY.secret not in str(refused.value)


@given(st.data())
def test_a_signature_with_any_character_changed_does_not_pass(data: st.DataObject) -> None:
    parameters = sign("POST", PATH, BODY)
    right = parameters["auth_signature"]
    at = data.draw(st.integers(0, len(right) - 1))
    other = data.draw(st.characters(exclude_characters=right[at], codec="utf-8"))
    parameters["auth_signature"] = right[:at] + other + right[at + 1 :]
    try:
        assert body_of(posted(parameters)) is None
    except RequestError as refused:
        assert refused.reason == "bad_query"  # noqa: PT017 - an ampersand, which separates parameters
