"""The snapshot of the runs, and how it joins the history of their events."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from broadcaster import close_broadcaster, init_broadcaster, position, read_history
from examples.backend.app import Run, start_run
from examples.backend.runs import KEPT, snapshot

ROUNDS = 100
WORKERS = 3


@pytest.fixture
def broadcaster():
    init_broadcaster(api_id="abc123xyz", region="us-east-1", history={"admin": KEPT})
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # the threads take turns within each step
    yield
    sys.setswitchinterval(interval)
    close_broadcaster()


@pytest.mark.slow  # the threads take turns so often that it computes for half a minute
@pytest.mark.usefixtures("broadcaster")
def test_every_event_up_to_the_position_of_a_snapshot_is_in_it():
    def start(_):
        for _ in range(KEPT // WORKERS):
            start_run(Run(run_name="x"), "demo")

    with ThreadPoolExecutor(WORKERS) as workers:
        for _ in range(ROUNDS):
            begin = position("admin")
            starting = [workers.submit(start, worker) for worker in range(WORKERS)]
            taken = []
            while not all(each.done() for each in starting):
                taken.append(snapshot("demo"))
            messages = read_history("admin", since=begin)["messages"]
            threads = [message["data"]["thread_id"] for message in messages]
            assert len(threads) == WORKERS * (KEPT // WORKERS)
            for each in taken:
                before = threads[: each["position"]["seq"] - begin.seq]
                assert set(before) <= {run["thread"] for run in each["runs"]}


def test_the_endpoint_says_what_came_after_the_position_of_a_snapshot(backend, cookie):
    def ask(method, path, body=None):
        answer = backend.ask(method, path, body, Cookie=cookie)
        assert answer.status == 200
        return answer.json

    ask("POST", "/runs", {"run_name": "the first"})
    before = ask("GET", "/runs")
    assert (before["runs"][-1]["name"], before["runs"][-1]["status"]) == ("the first", "running")
    ask("POST", "/runs", {"run_name": "the second"})
    since = {"channel": "admin", "since": before["position"]}
    answer = ask("POST", "/websocket/history", since)
    assert answer["recovered"]
    assert [message["data"]["run_name"] for message in answer["messages"]] == ["the second"]
    logs = {"channel": "logs", "rewind": "5m"}
    both = ask("POST", "/websocket/history", {"channels": [since, logs]})["channels"]
    assert both == [answer, ask("POST", "/websocket/history", logs)]
    assert ask("GET", "/runs")["position"] == {"epoch": answer["epoch"], "seq": answer["seq"]}
