"""The history in the DynamoDB table: what its requests are, and what is made of their answers."""

import threading

import pytest

from broadcaster import RegistryError
from broadcaster.history import Position, Rewind
from broadcaster.history.dynamodb import DynamoDBHistory
from broadcaster.history.dynamodb_rows import MAX_BYTES, MAX_MESSAGES, block_of
from broadcaster.registries.dynamodb import DynamoDBRegistry
from tests.history.conftest import LIFETIME, PATIENT, REGION, DynamoDBPlace
from tests.history.test_stores import append, read, texts

REFUSED = (400, {"__type": "x#SomethingElse"})  # which nobody repeats


@pytest.fixture
def place(table, gate, dynamodb_client):
    place = DynamoDBPlace(table, gate.url, dynamodb_client)
    yield place
    place.close()


def lose_answer(gate, status=500):
    """Let one PutItem do its work, and not tell of it."""
    left = [1]

    def answer(operation, request):
        if operation == "PutItem" and left:
            left.pop()
            return request, lambda _: {"__type": "x#Lost"}
        return None

    serve = gate._serve

    def with_status(headers, body):
        its_status, sent = serve(headers, body)
        return (status if b"x#Lost" in sent else its_status), sent

    gate.answer, gate._serve = answer, with_status


def test_a_message_costs_one_request(place, gate):
    store = place.make()
    read(store)
    append(store, "first")
    gate.counted.clear()
    for number in range(20):
        append(store, number)
    assert gate.counted == {"PutItem": 20}
    gate.counted.clear()
    newest = read(store).newest
    assert gate.counted == {"Query": 1}
    assert read(store, since=newest).numbers == []
    assert read(store, rewind=Rewind(events=5)).numbers == [17, 18, 19, 20, 21]
    assert gate.counted == {"Query": 3}
    assert read(store, since=newest._replace(seq=1)).numbers == list(range(2, 22))
    assert gate.counted == {"Query": 5}


def test_a_success_whose_answer_was_lost_is_known_by_what_is_in_its_way(place, gate):
    store = place.make()
    first = append(store, "a")
    lose_answer(gate)
    assert append(store, "b") == Position(first.epoch, 2)
    assert append(store, "c") == Position(first.epoch, 3)
    assert read(store, rewind=Rewind(events=9)).texts == texts("a", "b", "c")


def test_a_repetition_is_found_although_others_went_on(place, gate):
    store, other = place.make(), place.make()
    epoch, _ = append(store, "a")
    lose_answer(gate, 400)
    with pytest.raises(RegistryError, match="store a message of channel 'logs'"):
        append(store, "b")
    assert append(other, "c") == Position(epoch, 3)
    assert append(store, "d") == Position(epoch, 4)
    assert append(store, "b") == Position(epoch, 2)
    assert append(store, "b") == Position(epoch, 2)
    assert append(store, "e") == Position(epoch, 5)
    assert read(store, rewind=Rewind(events=9)).texts == texts("a", "b", "c", "d", "e")


def test_a_repetition_of_what_was_never_stored_is_stored(place, gate):
    store, other = place.make(), place.make()
    epoch, _ = append(store, "a")
    gate.answer = lambda operation, request: REFUSED if operation == "PutItem" else None
    with pytest.raises(RegistryError):
        append(store, "b")
    gate.answer = lambda operation, request: None
    assert append(other, "c") == Position(epoch, 2)
    assert append(store, "b") == Position(epoch, 3)


def test_whoever_was_overtaken_goes_on_behind_the_others(place, gate):
    store, other = place.make(), place.make()
    epoch, _ = append(store, "a")
    for name in "bcde":
        append(other, name)
    gate.counted.clear()
    assert append(store, "f") == Position(epoch, 6)
    assert gate.counted == {"PutItem": 3, "Query": 1}
    # Then it looks first, for as long as there are others.
    append(other, "g")
    gate.counted.clear()
    assert append(store, "h") == Position(epoch, 8)
    assert append(store, "i") == Position(epoch, 9)
    assert append(store, "j") == Position(epoch, 10)
    assert gate.counted == {"PutItem": 3, "Query": 2}


def test_ending_what_has_no_epoch_writes_nothing(place, gate):
    store = place.make()
    store.end("logs")
    assert gate.counted == {"Query": 1}
    append(store, "a")
    store.end("logs")
    gate.counted.clear()
    store.end("logs")
    assert gate.counted == {"Query": 1}


def test_whoever_has_not_heard_of_an_end_is_told(place):
    store, other = place.make(), place.make()
    before = append(store, "a")
    other.end("logs")
    assert append(store, "b").epoch != before.epoch


@pytest.mark.parametrize("has_rows", [False, True])
def test_two_that_begin_an_epoch_at_once_agree(place, gate, has_rows):
    if has_rows:
        append(place.make(), "old")
        place.forget()
    both_have_looked = threading.Barrier(2, timeout=60)
    operations = []

    def answer(operation, request):
        operations.append(operation)
        if operation == "PutItem" and operations.count("PutItem") <= 2:
            both_have_looked.wait()

    gate.answer = answer
    found = []
    stores = [place.make(), place.make()]
    calls = [lambda: found.append(append(stores[0], "a")), lambda: found.append(read(stores[1]).newest)]
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gate.answer = lambda *_: None
    assert len({position.epoch for position in found}) == 1
    assert read(stores[1]).newest == Position(found[0].epoch, 1)
    assert read(stores[0], since=Position(found[0].epoch, 0)).texts == texts("a")


def test_rows_that_have_expired_are_readable_and_yet_an_epoch_is_over(place):
    store = place.make()
    before = [append(store, name) for name in "abc"][-1]
    place.wait(LIFETIME + 86_400 + 1)
    assert len(place.rows()) == 3
    newest = read(store, since=before).newest
    assert newest.epoch != before.epoch
    assert append(place.make(), "d") == Position(newest.epoch, 1)
    assert read(store, rewind=Rewind(events=99)).texts == texts("d")


def test_the_epoch_outlives_its_messages_by_a_day(place):
    store = place.make()
    before = [append(store, name) for name in "ab"][-1]
    place.wait(LIFETIME + 86_000)
    assert read(store, since=before).newest == before
    assert read(store, rewind=Rewind(events=9)).texts == []
    assert read(store, since=before._replace(seq=1)).texts == []
    assert append(store, "c") == Position(before.epoch, 3)


def test_an_epoch_ends_long_before_dynamodb_may_remove_its_newest_row(place):
    store = place.make()
    append(store, "a")
    [row] = place.rows()
    place.wait(int(row["expires"]["N"]) - place.true.now - 3_600)
    assert read(store).newest.epoch != block_of(row).epoch


def test_no_row_expires_before_the_one_before_it(place):
    patient, short = place.make(), place.make()
    short._lifetime = 60
    append(patient, "a")
    place.clocks[1].off = -300
    append(short, "b")
    append(patient, "c")
    expiries = [int(row["expires"]["N"]) for row in place.rows()]
    assert expiries == sorted(expiries)
    times = [block_of(row).at for row in place.rows()]
    assert times == sorted(times)


def test_those_who_wait_for_another_share_a_row(place, gate):
    store = place.make()
    epoch, _ = append(store, "first", keep=10_000)
    goes_on = threading.Event()

    def answer(operation, request):
        if operation == "PutItem":
            goes_on.wait(60)

    gate.answer = answer
    names = [f"m{number}" for number in range(2 * MAX_MESSAGES + 1)]
    threads = [
        threading.Thread(target=append, args=(store, name), kwargs={"events": 2, "keep": 10_000}) for name in names
    ]
    for thread in threads:
        thread.start()
    kept = store._channels["logs"]
    while len(kept.waiting) < len(names) - MAX_MESSAGES:
        pass
    gate.counted.clear()
    goes_on.set()
    for thread in threads:
        thread.join()
    assert gate.counted["PutItem"] <= 4
    found = read(store, since=Position(epoch, 0))
    assert found.numbers == list(range(1, len(names) + 2))
    assert sorted(found.texts) == sorted(texts("first", *names))
    for start in range(1, len(names), 5):  # wherever that is in a row
        assert read(store, since=Position(epoch, start)).numbers == found.numbers[start:]
        assert read(store, since=Position(epoch, start), limit=3).numbers == found.numbers[start : start + 3]
    assert read(store, rewind=Rewind(events=7)).numbers == found.numbers[-4:]


@pytest.mark.parametrize("is_stored", [False, True])
def test_one_who_is_interrupted_while_storing_for_others_leaves_them_their_messages(place, monkeypatch, is_stored):
    store = place.make()
    epoch, _ = append(store, "first")
    run = store._registry.run
    interrupted = []

    def interrupt(what, jobs):
        monkeypatch.setattr(store._registry, "run", run)
        if is_stored:
            run(what, jobs)
        raise KeyboardInterrupt

    def call(name):
        try:
            append(store, name)
        except KeyboardInterrupt:
            interrupted.append(name)

    kept = store._channels["logs"]
    threads = [threading.Thread(target=call, args=(name,), daemon=True) for name in "abc"]
    with kept.turn:
        for thread in threads:
            thread.start()
        while len(kept.waiting) < len(threads):
            pass
        monkeypatch.setattr(store._registry, "run", interrupt)
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert len(interrupted) == 1
    stored = ["first", *(name for name in "abc" if is_stored or name not in interrupted)]
    found = read(store, since=Position(epoch, 0))
    assert sorted(found.texts) == sorted(texts(*stored))
    assert found.numbers == list(range(1, len(stored) + 1))


def test_large_messages_do_not_share_a_row_that_would_be_too_large(place):
    store = place.make()
    message = b'"' + b"x" * 131_000 + b'"'
    threads = [
        threading.Thread(target=store.append, args=("logs", message), kwargs={"events": 1, "keep": 9, "token": name})
        for name in "abcdef"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(len(row["messages"]["S"]) <= MAX_BYTES for row in place.rows())
    assert read(store, rewind=Rewind(events=9)).numbers == [1, 2, 3, 4, 5, 6]


def test_more_than_a_megabyte_is_read_whole(place):
    store = place.make()
    epoch, _ = append(store, "first")
    for name in range(20):
        # Of which JSON within JSON makes twice as much.
        store.append("logs", b'"' + rb"\"" * 60_000 + b'"', events=1, keep=100, token=str(name))
    assert read(store, since=Position(epoch, 0)).numbers == list(range(1, 22))
    assert read(store, rewind=Rewind(events=99)).numbers == list(range(1, 22))


@pytest.mark.parametrize("has_ended", [False, True])
def test_what_is_appended_during_a_reading_is_not_in_it(place, gate, has_ended):
    store, other = place.make(), place.make()
    epoch, _ = [append(store, name) for name in "ab"][-1]

    def answer(operation, request):
        if operation == "Query" and ":first" in request["ExpressionAttributeValues"]:
            gate.answer = lambda *_: None
            if has_ended:
                other.end("logs")
            for name in "cde":
                append(other, name)

    gate.answer = answer
    assert read(store, since=Position(epoch, 0)) == (Position(epoch, 2), [1, 2], texts("a", "b"))
    assert read(store, rewind=Rewind(events=9)).texts == texts(*("cde" if has_ended else "abcde"))


@pytest.mark.parametrize("missing", [1, 3, 5])
def test_nothing_is_made_of_rows_among_which_one_is_missing(place, missing):
    store = place.make()
    epoch, _ = [append(store, name) for name in "abcdef"][-1]
    row = place.rows()[missing]
    place.client.delete_item(TableName=place.table, Key={name: row[name] for name in ("pk", "sk")})
    newest = Position(epoch, 5 if missing == 5 else 6)  # that the newest was there, nothing tells
    for how in ({"since": Position(epoch, 0)}, {"rewind": Rewind(events=9)}):
        found = read(store, **how)
        assert found.newest == newest
        assert found.numbers == ([1, 2, 3, 4, 5] if missing == 5 else [])
    assert read(store, since=Position(epoch, missing + 1)).numbers == list(range(missing + 2, newest.seq + 1))


def test_a_reading_of_several_pages_is_whole_and_begins_where_it_is_asked_to(place, gate):
    gate.answer = lambda operation, request: (
        ({**request, "Limit": min(request["Limit"], 7)}, lambda answer: answer) if operation == "Query" else None
    )
    store = place.make()
    epoch, _ = [append(store, name, events=2) for name in range(40)][-1]
    for after in (0, 6, 7, 20, 39):
        found = read(store, since=Position(epoch, after))
        assert (found.numbers, found.texts) == (list(range(after + 1, 41)), texts(*range(after, 40)))
        found = read(store, since=Position(epoch, after), limit=9)
        assert found.numbers == list(range(after + 1, 41))[:9]
    for events in (1, 13, 14, 15, 28, 79, 80, 99):
        first = max(0, 40 - (events + 1) // 2)
        assert read(store, rewind=Rewind(events=events)).texts == texts(*range(first, 40))
    gate.counted.clear()
    assert read(store, rewind=Rewind(events=28)).numbers == list(range(27, 41))
    assert gate.counted == {"Query": 2}
    read(store, since=Position(epoch, 20), limit=6)  # those before it may be in its row, and are read with it
    assert gate.counted == {"Query": 6}


def test_rewinding_by_time_returns_the_messages_of_that_time(place):
    store = place.make()
    for name in "abcd":
        append(store, name)
        place.wait(60)
    for seconds, names in ((59, ""), (61, "d"), (179, "cd"), (3_000, "abcd")):
        assert read(store, rewind=Rewind(seconds=seconds)).texts == texts(*names)


def test_boto3_carries_the_same_requests(table, dynamodb_client):
    registries = [DynamoDBRegistry(table, client=dynamodb_client, scope="a/b") for _ in range(2)]
    one, two = (DynamoDBHistory(registry, lifetime=LIFETIME) for registry in registries)
    epoch, _ = append(one, "a")
    append(two, "b")
    assert append(one, "c") == Position(epoch, 3)
    assert read(two, rewind=Rewind(events=9)).texts == texts("a", "b", "c")


def test_deployments_that_share_a_table_have_histories_of_their_own(table, dynamodb_url):
    registries = [
        DynamoDBRegistry(table, region=REGION, endpoint_url=dynamodb_url, scope=scope, patience=PATIENT)
        for scope in ("a/b", "a/c")
    ]
    one, two = (DynamoDBHistory(registry, lifetime=LIFETIME) for registry in registries)
    append(one, "a")
    assert read(two, rewind=Rewind(events=9)).texts == []
    for registry in registries:
        registry.close()


def test_without_the_right_to_put_the_error_says_so(place, gate):
    store = place.make()
    denied = (400, {"__type": "com.amazonaws.dynamodb.v20120810#AccessDeniedException"})
    gate.answer = lambda operation, request: denied if operation == "PutItem" else None
    with pytest.raises(RegistryError, match=r"store a message of channel 'logs'.*with history dynamodb:PutItem"):
        append(store, "a")


def test_whoever_is_always_overtaken_gives_up(place, gate):
    store = place.make()
    append(store, "a")
    [row] = place.rows()
    gate.answer = lambda operation, request: (
        (400, {"__type": "x#ConditionalCheckFailedException", "Item": row}) if operation == "PutItem" else None
    )
    with pytest.raises(RegistryError, match="other processes were faster 50 times"):
        append(store, "b")
