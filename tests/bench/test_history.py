"""The bench of history: its stand-in for DynamoDB does what DynamoDB does, and its figures are figures."""

from bench import history, table
from broadcaster import MemoryRegistry
from broadcaster.history.dynamodb_rows import Entry, following, key_of, newest_query, put, query_from


def test_the_stand_in_refuses_a_second_row_at_a_place_and_shows_the_first():
    key = key_of("a/b#", "logs")
    first = put(key, following(None, [Entry("{}", 1, 9, "a")], epoch="e", now=0, lifetime=60))
    second = put(key, following(None, [Entry("{}", 1, 9, "b")], epoch="f", now=0, lifetime=60))
    assert table.answer("PutItem", first) == (200, {})
    status, refusal = table.answer("PutItem", second)
    assert (status, refusal["Item"]) == (400, first["Item"])
    for query in (newest_query(key), query_from(key, 1, limit=5)):
        status, answer = table.answer("Query", query)
        assert (status, answer["Items"]) == (200, [{key: first["Item"][key] for key in answer["Items"][0]}])


def test_one_worker_needs_no_more_than_a_request_for_a_message():
    assert 0 < history.requests(1, 1.0) < 1.1


def test_reading_is_measured():
    ms, megabytes = history.reading(MemoryRegistry())
    assert ms > 0
    assert megabytes > 0
