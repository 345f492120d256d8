"""Who gets in, and how a page of somebody else's is kept out."""

import base64

import pytest

GUARDED = [
    ("POST", "/websocket/register", {"connection_id": "L0SM9cOFvHcCIhw="}),
    ("POST", "/runs", {"run_name": "x"}),
    ("GET", "/runs", None),
    ("POST", "/websocket/history", {"channel": "admin", "rewind": 1}),
    ("GET", "/simulation", None),
    ("PUT", "/simulation", {"speed": 0}),
    ("POST", "/simulation/runs", {}),
]


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(("method", "path", "body"), GUARDED)
def test_without_a_login_nothing_is_answered_and_no_browser_asks_for_one(backend, method, path, body):
    answer = backend.ask(method, path, body)
    assert answer.status == 401
    assert "WWW-Authenticate" not in answer.headers, "a browser that remembers a password would send it for anybody"


@pytest.mark.parametrize(("method", "path", "body"), GUARDED)
def test_with_a_session_everything_is_answered(backend, cookie, method, path, body):
    # 503 where the backend would have to reach the connection that was registered: there is no gateway here.
    assert backend.ask(method, path, body, Cookie=cookie).status in (200, 202, 204, 503)


def test_curl_gets_in_with_user_and_password(backend):
    assert backend.ask("GET", "/runs", Authorization=basic("demo", "correct horse")).status == 200
    for user, password in (("demo", "wrong"), ("demo", ""), ("admin", "correct horse")):
        assert backend.ask("GET", "/runs", Authorization=basic(user, password)).status == 401


def test_a_wrong_password_begins_no_session(backend):
    answer = backend.ask("POST", "/session", {"user": "demo", "password": "wrong"})
    assert answer.status == 401
    assert "Set-Cookie" not in answer.headers


def test_scripts_and_other_sites_cannot_use_the_cookie(backend):
    answer = backend.ask("POST", "/session", {"user": "demo", "password": "correct horse"})
    flags = answer.headers["Set-Cookie"].lower()
    assert "httponly" in flags
    assert "samesite=lax" in flags


def test_a_cookie_that_was_changed_is_none(backend, cookie):
    name, _, value = cookie.partition("=")
    middle = len(value) // 2  # the last character carries bits that mean nothing
    other = value[:middle] + ("A" if value[middle] != "A" else "B") + value[middle + 1 :]
    assert backend.ask("GET", "/runs", Cookie=f"{name}={other}").status == 401


@pytest.mark.parametrize("type_", ["text/plain", "application/x-www-form-urlencoded", None])
def test_what_a_form_of_another_page_can_send_is_refused(backend, cookie, type_):
    """A page of another port is of the same site and gets the cookie sent; what it cannot send unasked is JSON."""
    headers = {"Content_Type": type_} if type_ else {}
    answer = backend.ask("POST", "/runs", '{"run_name":"x"}', Cookie=cookie, **headers)
    assert answer.status in (415, 422)


def test_another_origin_that_asks_first_is_not_answered(backend):
    answer = backend.ask(
        "OPTIONS",
        "/runs",
        Origin="http://127.0.0.1:3000",
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="content-type",
    )
    assert answer.status >= 400
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_malformed_connection_id_is_refused_with_the_reason(backend, cookie):
    answer = backend.ask("POST", "/websocket/register", {"connection_id": "../../x"}, Cookie=cookie)
    assert answer.status == 422
    assert "connection" in answer.json["detail"]


def test_the_page_is_told_where_to_connect_and_who_is_signed_in(backend, cookie):
    config = backend.ask("GET", "/config.json").json
    assert config["websocket_url"] == "wss://abc123xyz.execute-api.us-east-1.amazonaws.com/production"
    assert config["user"] is None
    assert backend.ask("GET", "/config.json", Cookie=cookie).json["user"] == "demo"


def test_files_beside_the_page_and_the_client_are_not_served(backend):
    for path in (
        "/../backend/login.py",
        "/%2e%2e/backend/login.py",
        "/client/../package.json",
        "/client/%2e%2e/README.md",
    ):
        assert backend.ask("GET", path).status == 404
    assert backend.ask("GET", "/client/gateway.js").headers["Content-Type"].startswith("text/javascript")
