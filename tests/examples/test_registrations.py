"""How many connections one user may have."""

import http.server
import threading
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.backend.registrations import MAX_CONNECTIONS, note


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2 * MAX_CONNECTIONS)), max_size=200))
def test_each_user_has_the_connections_that_were_registered_last(registrations):
    names = {user: f"{user} {uuid4()}" for user in "ab"}  # others in each example
    kept = {user: [] for user in "ab"}
    for user, connection in registrations:
        ids = kept[user]
        former = ids.index(connection) if connection in ids else None
        if former is not None:
            del ids[former]
        ids.append(connection)
        excess = note(names[user], connection)
        assert excess == ids[:-MAX_CONNECTIONS]
        del ids[:-MAX_CONNECTIONS]


class Gone(http.server.BaseHTTPRequestHandler):
    """API Gateway, which knows none of the connections that somebody has made up."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(410)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def gateway():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gone)
    threading.Thread(target=server.serve_forever).start()
    yield f"http://127.0.0.1:{server.server_port}/production"
    server.shutdown()
    server.server_close()


def test_who_registers_ids_without_end_adds_few_posts_to_a_broadcast(start_backend, gateway):
    keys = {"AWS_ACCESS_KEY_ID": "LOCALEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG"}
    with start_backend(AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI=gateway, **keys) as backend:
        cookie = backend.sign_in()
        for number in range(10 * MAX_CONNECTIONS):
            connection_id = f"L0SM9cOFv{number:06}="
            answer = backend.ask("POST", "/websocket/register", {"connection_id": connection_id}, Cookie=cookie)
            assert answer.status == 204
        result = backend.ask("POST", "/runs", {"run_name": "x"}, Cookie=cookie).json
    assert result == {"sent": 0, "failed": 0, "stale": MAX_CONNECTIONS}


def test_a_connection_with_more_channels_than_one_may_have_is_refused(backend, cookie):
    channels = [f"run-{number}" for number in range(101)]
    registration = {"connection_id": "L0SM9cOFvHcCIhw=", "channels": channels}
    answer = backend.ask("POST", "/websocket/register", registration, Cookie=cookie)
    assert answer.status == 422
    assert "100" in answer.json["detail"]
