from datetime import UTC, datetime, timedelta

import pytest

from broadcaster.registries.dynamodb import DynamoDBRegistry
from tests.registries.conftest import PATIENT, REGION, _aws_keys, dynamodb_client, dynamodb_url, table  # noqa: F401


def test_it_lists_who_is_registered_and_for_what(run, listen):
    _, first = listen("admin", "logs")
    _, second = listen()
    _, third = listen("logs")
    rows = run("connections", "--json").json()
    assert {row["connection_id"]: row["channels"] for row in rows} == {
        first: ["admin", "logs"],
        second: None,
        third: ["logs"],
    }
    for row in rows:
        assert datetime.now(UTC) - datetime.fromisoformat(row["registered_at"]) < timedelta(minutes=5)
    assert {row["connection_id"] for row in run("connections", "admin", "--json").json()} == {first, second}
    lines = run("connections").out.splitlines()
    assert [line.split("  ")[0] for line in lines] == [row["connection_id"] for row in rows]
    assert "everything" in next(line for line in lines if line.startswith(second))


def test_api_gateway_tells_who_is_there_and_from_where(run, listen, registry):
    _, here = listen("admin")
    gone, gone_id = listen("admin")
    gone.close()
    rows = {row["connection_id"]: row for row in run("connections", "--check", "--json").json()}
    assert rows[here]["is_there"] is True
    assert rows[here]["source_ip"] == "127.0.0.1"
    assert datetime.fromisoformat(rows[here]["connected_at"]).tzinfo
    assert rows[gone_id]["is_there"] is False
    assert registry.count() == 2  # to look changes nothing
    assert run("connections", "--check").out.count("gone") == 1


def test_what_a_browser_calls_itself_cannot_steer_the_terminal(run, gateway, registry):
    with gateway.connect(headers={"User-Agent": "evil\x9b31m"}) as client:
        client.send({"action": "connection_id"})
        registry.add(client.receive().json()["connection_id"])
        for arguments in (("--check",), ("--check", "--json")):
            printed = run("connections", *arguments).out
            assert "evil" in printed
            assert "\x9b" not in printed


def test_nobody_is_registered(run, environment):
    done = run("connections", "admin")
    assert (done.code, done.out, done.err) == (0, "", "nobody is registered for admin\n")
    done = run("connections", "--json")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_a_list_in_another_process_cannot_be_seen(run, environment, monkeypatch):
    monkeypatch.delenv("BROADCASTER_REGISTRY")
    done = run("connections")
    assert done.code == 2
    assert "in the memory of your backend" in done.err


def test_more_than_a_page_is_listed(registry):
    for number in range(1001):
        registry.add(f"connection{number:04}", ["logs"])
    entries = registry.entries()
    assert [entry.connection_id for entry in entries] == [f"connection{number:04}" for number in range(1001)]


@pytest.mark.slow
def test_those_of_a_table_are_listed_too(table, dynamodb_url):  # noqa: F811 - fixtures
    now = 1_000_000.0
    registry = DynamoDBRegistry(
        table, region=REGION, endpoint_url=dynamodb_url, scope="a/b", clock=lambda: now, patience=PATIENT
    )
    registry.add("connection-2", ["admin", "logs"])
    now += 10
    registry.add("connection-1")
    registry.add("connection-3", ["logs"], lifetime=5)
    now += 10
    entries = registry.entries()
    registry.close()
    assert [(entry.connection_id, set(entry.channels)) for entry in entries] == [
        ("connection-2", {"admin", "logs"}),
        ("connection-1", {"*"}),
    ]
    assert entries[1].expires - entries[0].expires == 10


def test_a_connection_is_closed_and_forgotten(run, listen, registry):
    client, connection_id = listen("admin")
    done = run("disconnect", "--", connection_id)
    assert (done.code, done.out) == (0, f"{connection_id} is closed\n")
    assert client.wait_closed().code == 1000
    assert registry.count() == 0
    done = run("disconnect", "--", connection_id)
    assert (done.code, done.out) == (1, f"{connection_id} was not there\n")
    done = run("disconnect", "nonsense/")
    assert (done.code, done.out) == (2, "")
    assert "is not a connection id" in done.err
