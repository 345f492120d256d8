import io

import pytest


def test_an_event_reaches_who_listens(run, listen):
    client, _ = listen("admin")
    done = run("send", "admin", "admin_event", '{"type": "hello"}')
    assert (done.code, done.out, done.err) == (0, '{"sent": 1, "failed": 0, "stale": 0}\n', "")
    message = client.receive().json()
    assert (message["channel"], message["event"], message["data"]) == ("admin", "admin_event", {"type": "hello"})
    assert "seq" not in message


def test_the_data_come_from_stdin_or_are_an_empty_object(run, listen, monkeypatch):
    client, _ = listen()
    monkeypatch.setattr("sys.stdin", io.StringIO('["from", "a", "pipe"]\n'))
    assert run("send", "logs", "log", "-").code == 0
    assert run("send", "logs", "log").code == 0
    assert [client.receive().json()["data"] for _ in range(2)] == [["from", "a", "pipe"], {}]


def test_an_event_of_a_channel_with_history_is_numbered(run, listen):
    client, _ = listen("admin")
    assert run("send", "admin", "admin_event", "1", "--history", "10").code == 0
    assert client.receive().json()["seq"] == 1


def test_nobody_reached_is_an_exit_code(run, listen):
    done = run("send", "admin", "admin_event")
    assert (done.code, done.out) == (1, '{"sent": 0, "failed": 0, "stale": 0}\n')
    assert done.err == "nobody is registered for admin; `broadcaster connections` lists who is registered\n"
    client, _ = listen("admin")
    client.close()
    done = run("send", "admin", "admin_event")
    assert (done.code, done.out) == (1, '{"sent": 0, "failed": 0, "stale": 1}\n')


def test_a_failure_is_shown_with_its_reason_once(run, listen, gateway):
    _, connection_id = listen("admin")
    gateway.faults.post_errors = 1.0
    try:
        done = run("send", "admin", "admin_event")
    finally:
        gateway.faults.post_errors = 0.0
    assert (done.code, done.out) == (1, '{"sent": 0, "failed": 1, "stale": 0}\n')
    assert done.err.startswith(f"{connection_id} failed: HTTP 500")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("admin", "event", "{type: 1}"), "the data are no JSON"),
        (("ad min", "event"), "'ad min'"),
        (("admin", "pusher:event"), "pusher:"),
        (("admin", "event", "--registry", "memory://"), "memory of your backend"),
        (("admin", "event", "--registry", "postgres://u:SECRET@h"), "registry is no URL"),
        (("admin", "event", "--endpoint-url", "wss://h/production"), "'https://h/production'"),
        (("admin", "event", "--history", "0"), "history['admin'] is 0"),
        (("admin", "event", "--stage", "staging"), "--stage means nothing while AWS_ENDPOINT_URL"),
        (("admin", "event", "--api-id", "abc123xyz"), "--api-id means nothing while AWS_ENDPOINT_URL"),
    ],
)
def test_a_mistake_is_one_sentence(run, environment, arguments, text):
    done = run("send", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("broadcaster: ")
    assert text in done.err
    assert done.err.count("\n") == 1
    assert "SECRET" not in done.err
