"""The endpoint of docs/history.md, as it stands there."""

import json
import re
from pathlib import Path

import pytest
from fastapi import HTTPException

import broadcaster
from broadcaster import MemoryRegistry

DOCUMENT = Path(__file__).parents[2].joinpath("docs", "history.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.usefixtures("aws_keys")


@pytest.fixture
def example(server):
    """The document's code as a module, whose broadcaster posts to a server on loopback."""
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    first, *others = blocks
    settings = f"endpoint_url={server.endpoint.url!r}, registry=MemoryRegistry(),"
    names = {"load_runs": lambda: ["run 7"], "MemoryRegistry": MemoryRegistry}
    exec(first.replace('"a1b2c3d4e5",', settings), names)  # noqa: S102 - it is ours
    exec("\n".join(others), names)  # noqa: S102
    yield names
    broadcaster.close_broadcaster()


def ask(example, **members):
    """Call the endpoint as the framework does, with members of JSON."""
    return example["history"](example["HistoryRequest"].model_validate(members))


def test_the_endpoint_answers_what_a_client_has_missed(example):
    snapshot = example["runs"]()
    assert snapshot["runs"] == ["run 7"]
    broadcaster.broadcast("admin", "event", {"step": 1})
    answer = ask(example, channel="admin", since=snapshot["position"])
    assert (answer["recovered"], answer["more"], answer["seq"]) == (True, False, 1)
    [message] = answer["messages"]
    assert message["data"] == {"step": 1}
    assert ask(example, channel="admin", rewind=5)["messages"] == [message]
    assert ask(example, channel="admin", rewind="5m")["messages"] == [message]


def test_the_document_shows_the_members_of_the_answer(example):
    [shown] = re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
    assert list(json.loads(shown)) == list(ask(example, channel="run-1"))


@pytest.mark.parametrize("members", [{"channel": "two words"}, {"channel": "admin", "since": {"epoch": "a"}}])
def test_a_request_that_means_nothing_is_answered_with_what_would_be_right(example, members):
    with pytest.raises(HTTPException, match=r"allowed are|give a position") as caught:
        ask(example, **members)
    assert caught.value.status_code == 400
