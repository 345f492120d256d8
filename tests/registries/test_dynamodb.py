import os
import random
import socket
import threading
import traceback

import pytest

from broadcaster import ConfigurationError, InvalidArgumentError, RegistryError
from broadcaster.aws.retries import AwsError, Patience, Time
from broadcaster.registries.dynamodb import DynamoDBRegistry

REGION = "us-east-1"
PATIENT = Patience(attempt=60, total=60)


class Waiting:
    """Time that passes only by waiting."""

    def __init__(self):
        self.now = 0.0
        self.pauses = []

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds

    @property
    def patience(self):
        # An attempt may take a minute of the real time of a busy machine, which this clock does not show.
        return Patience(time=Time(clock=lambda: self.now, sleep=self.sleep, chance=random.Random(7).random))


@pytest.fixture
def waiting():
    return Waiting()


@pytest.fixture(params=["own client", "boto3"])
def registry(request, table, gate, clock, waiting):
    """A registry whose requests pass the gate."""
    options = {"region": REGION, "endpoint_url": gate.url}
    if request.param == "boto3":
        options = {"client": request.getfixturevalue("gate_client")}
    registry = DynamoDBRegistry(table, clock=clock, patience=waiting.patience, **options)
    yield registry
    registry.close()


@pytest.fixture
def own(table, gate):
    """The same in real time, with a client of its own."""
    registry = DynamoDBRegistry(table, region=REGION, endpoint_url=gate.url, patience=PATIENT)
    yield registry
    registry.close()


def listening(registry, channel="admin"):
    return sorted(connection_id for page in registry.pages(channel) for connection_id in page)


def error(code, message="no", status=400):
    return status, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message}


THROTTLED = error("ProvisionedThroughputExceededException", "The level of configured provisioned throughput …")


# What each operation costs


def cost(gate, work):
    gate.counted.clear()
    work()
    return dict(gate.counted)


def test_each_operation_takes_the_requests_that_are_documented(registry, gate):
    assert cost(gate, lambda: registry.add("a=", ["admin"])) == {"Query": 1, "BatchWriteItem": 1}
    assert cost(gate, lambda: registry.add("a=", [f"channel-{number}" for number in range(11)])) == {
        "Query": 1,
        "BatchWriteItem": 1,
    }
    assert cost(gate, lambda: registry.add("b=")) == {"BatchWriteItem": 1}
    assert cost(gate, lambda: listening(registry)) == {"Query": 2}
    assert cost(gate, lambda: registry.remove(["a="])) == {"Query": 1, "BatchWriteItem": 1}
    assert cost(gate, lambda: registry.remove(["unknown="])) == {"Query": 1}
    assert cost(gate, registry.count) == {"Query": 16}


def test_many_are_removed_with_one_query_each_and_batches_of_25_rows(registry, gate):
    for number in range(30):
        registry.add(f"{number}=", ["admin"])
    assert cost(gate, lambda: registry.remove([f"{number}=" for number in range(30)])) == {
        "Query": 30,
        "BatchWriteItem": 4,
    }
    assert registry.count() == 0


def test_nothing_is_ever_scanned_and_every_read_is_consistent(registry, gate):
    registry.add("a=", ["admin"])
    registry.add("a=")
    listening(registry)
    registry.count()
    registry.remove(["a="])
    assert {operation for operation, _ in gate.requests} == {"Query", "BatchWriteItem"}
    assert all(request["ConsistentRead"] for operation, request in gate.requests if operation == "Query")


def test_a_registration_is_two_rows_that_say_when_they_expire(registry, table, dynamodb_client, clock):
    registry.add("L0SM9cOFvHcCIhw=", ["admin"], lifetime=7_500)
    registry.add("L0SM9cOFvHcCIhw=", lifetime=7_499.2)
    rows = dynamodb_client.scan(TableName=table)["Items"]
    expires = {"N": str(int(clock.now) + 7_500)}
    assert sorted(rows, key=lambda row: (row["pk"]["S"], row["sk"]["S"])) == [
        {"pk": {"S": "channel#*"}, "sk": {"S": "L0SM9cOFvHcCIhw="}, "expires": expires},
        {"pk": {"S": "channel#admin"}, "sk": {"S": "L0SM9cOFvHcCIhw="}, "expires": expires},
        {"pk": {"S": "connections#2"}, "sk": {"S": "L0SM9cOFvHcCIhw=#*"}, "expires": expires},
        {"pk": {"S": "connections#2"}, "sk": {"S": "L0SM9cOFvHcCIhw=#admin"}, "expires": expires},
    ]


def test_both_lists_are_asked_for_before_either_is_answered(own, gate):
    both = threading.Barrier(2)

    def answer(operation, request):
        both.wait(50)
        return 200, {"Items": []}

    gate.answer = answer
    assert listening(own) == []


# Deployments


def scoped(registry, scope="abc123xyz/production"):
    registry.take_defaults(scope=scope, max_channels=100)
    return registry


def test_the_keys_of_a_deployment_begin_with_its_api_and_stage(registry, table, dynamodb_client):
    scoped(registry).add("L0SM9cOFvHcCIhw=", ["admin"])
    scoped(registry).add("L0SM9cOFvHcCIhw=")
    rows = dynamodb_client.scan(TableName=table)["Items"]
    assert {(row["pk"]["S"], row["sk"]["S"]) for row in rows} == {
        ("abc123xyz/production#channel#*", "L0SM9cOFvHcCIhw="),
        ("abc123xyz/production#channel#admin", "L0SM9cOFvHcCIhw="),
        ("abc123xyz/production#connections#2", "L0SM9cOFvHcCIhw=#*"),
        ("abc123xyz/production#connections#2", "L0SM9cOFvHcCIhw=#admin"),
    }


def test_what_could_be_taken_for_a_part_of_another_key_is_encoded(table, gate, dynamodb_client):
    registry = DynamoDBRegistry(
        table, region=REGION, endpoint_url=gate.url, scope="[::1]:80/a#channel", patience=PATIENT
    )
    registry.add("a=")
    registry.close()
    keys = {row["pk"]["S"] for row in dynamodb_client.scan(TableName=table)["Items"]}
    assert keys == {"%5B::1%5D:80/a%23channel#channel#*", "%5B::1%5D:80/a%23channel#connections#8"}


def test_a_registry_is_of_one_deployment_unless_it_was_told_which(table):
    registry = scoped(DynamoDBRegistry(table, region=REGION))
    scoped(registry)
    with pytest.raises(ConfigurationError, match="keeps the connections of abc123xyz/production already"):
        scoped(registry, "other1/production")
    told = DynamoDBRegistry(table, region=REGION, scope="shared")
    scoped(scoped(told, "one/production"), "two/production")


def test_rows_from_before_are_read_and_removed_for_one_life_of_a_connection(registry, gate, clock):
    registry.add("old=", ["admin"])
    registry.add("older=", None)
    scoped(registry).add("new=", ["admin"])
    assert listening(registry) == ["new=", "old=", "older="]
    registry.remove(["old=", "older=", "new="])
    assert listening(registry) == []
    clock.now += 2 * 3600 + 10 * 60
    assert cost(gate, lambda: listening(registry)) == {"Query": 2}
    assert cost(gate, lambda: registry.remove(["unknown="])) == {"Query": 1}


def test_an_old_list_that_was_empty_is_looked_at_again_only_a_minute_later(registry, gate, clock):
    scoped(registry)
    assert cost(gate, lambda: listening(registry)) == {"Query": 4}
    assert cost(gate, lambda: listening(registry)) == {"Query": 2}
    assert cost(gate, lambda: listening(registry, "logs")) == {"Query": 3}
    clock.now += 60
    assert cost(gate, lambda: listening(registry)) == {"Query": 4}


def test_a_connection_adds_up_to_so_many_channels_and_no_more(registry, table, dynamodb_client):
    registry.take_defaults(scope="abc123xyz/production", max_channels=3)
    registry.add("a=", ["one", "two"])
    registry.add("a=")
    with pytest.raises(InvalidArgumentError, match=r"'a=' would listen to 4 channels, and 3 is the most"):
        registry.add("a=", ["three", "four"])
    registry.add("a=", ["two", "three"])
    assert listening(registry, "four") == listening(registry, "three") == ["a="]
    assert len(dynamodb_client.scan(TableName=table)["Items"]) == 8


# Where DynamoDB is not well


def test_rows_that_were_not_processed_are_written_again(registry, gate, table, waiting):
    """Each batch has only its first two rows processed, as under throttling."""

    def answer(operation, request):
        if operation != "BatchWriteItem":
            return None
        writes = request["RequestItems"][table]
        passed = {**request, "RequestItems": {table: writes[:2]}}
        left = {table: writes[2:]} if writes[2:] else {}
        return passed, lambda sent: {**sent, "UnprocessedItems": left}

    gate.answer = answer
    names = [f"channel-{number}" for number in range(5)]
    registry.add("a=", names)
    assert all(listening(registry, name) == ["a="] for name in names)
    registry.remove(["a="])
    assert all(listening(registry, name) == [] for name in names)
    assert registry.count() == 0
    assert len(waiting.pauses) == 8


def test_rows_that_are_never_processed_are_an_error(registry, gate, waiting):
    gate.answer = lambda operation, request: (200, {"UnprocessedItems": request["RequestItems"]})
    with pytest.raises(RegistryError, match="left a part of BatchWriteItem undone"):
        registry.add("a=")
    assert 2.5 < waiting.now <= 5


@pytest.mark.parametrize(
    "trouble",
    [THROTTLED, error("ThrottlingException"), error("RequestLimitExceeded"), error("InternalServerError", status=500)],
    ids=lambda trouble: trouble[1]["__type"].partition("#")[2],
)
def test_throttling_and_unwellness_are_survived(registry, gate, waiting, trouble):
    turns = {"left": 0}

    def answer(operation, request):
        turns["left"] -= 1
        return trouble if turns["left"] >= 0 else None

    gate.answer = answer
    for work in (lambda: registry.add("a=", ["admin"]), lambda: listening(registry), lambda: registry.remove(["a="])):
        turns["left"] = 4
        work()
    assert registry.count() == 0
    assert len(waiting.pauses) == 12
    assert max(waiting.pauses) <= 1.0


def test_throttling_without_end_is_an_error_with_its_cause(registry, gate, waiting):
    gate.answer = lambda operation, request: THROTTLED
    with pytest.raises(RegistryError, match="in 5 seconds of trying") as raised:
        listening(registry)
    assert isinstance(raised.value.__cause__, AwsError)
    gate.answer = lambda operation, request: None
    assert listening(registry) == []


def test_removing_many_takes_no_longer_than_removing_one_while_dynamodb_is_unwell(registry, gate, waiting):
    gate.answer = lambda operation, request: THROTTLED
    with pytest.raises(RegistryError, match="could not remove 100 connections, in 5 seconds of trying"):
        registry.remove([f"connection-{number}=" for number in range(300)])
    assert waiting.now <= 6


def test_a_page_in_the_middle_that_fails_raises_after_those_before_it(registry, gate):
    # Behind every place where a broadcast may begin, so that the first page is yielded as it is.
    rows = [{"sk": {"S": f"zzz{number:04}="}} for number in range(1_000)]

    def answer(operation, request):
        if request["ExpressionAttributeValues"][":pk"]["S"] == "channel#*":
            return 200, {"Items": []}
        if "ExclusiveStartKey" in request:
            return error("AccessDeniedException")
        return 200, {"Items": rows, "LastEvaluatedKey": {"pk": {"S": "channel#admin"}, "sk": rows[-1]["sk"]}}

    gate.answer = answer
    pages = registry.pages("admin")
    assert len(next(pages)) == 1_000
    with pytest.raises(RegistryError):
        next(pages)


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("ResourceNotFoundException", "The stack makes the table with -c registry=dynamodb"),
        ("AccessDeniedException", "dynamodb:Query and dynamodb:BatchWriteItem"),
        ("ExpiredTokenException", "dynamodb:Query and dynamodb:BatchWriteItem"),
        ("ValidationException", "could not count the connections"),
    ],
)
def test_what_waiting_does_not_cure_is_an_error_at_once_that_says_what_to_check(registry, gate, waiting, code, hint):
    gate.answer = lambda operation, request: error(code)
    with pytest.raises(RegistryError) as raised:
        registry.count()
    assert hint in str(raised.value)
    assert repr(registry) in str(raised.value)
    assert waiting.pauses == []


def test_one_that_cannot_be_reached_is_given_up(table, waiting):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        registry = DynamoDBRegistry(table, region=REGION, endpoint_url=url, patience=waiting.patience)
        with pytest.raises(
            RegistryError, match=r"could not register connection 'a=', in 5 seconds of trying: .* refused"
        ):
            registry.add("a=")
        registry.close()


def test_no_credentials_and_no_region_are_settings_to_fix(table, monkeypatch, tmp_path, gate):
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(ConfigurationError, match="region=us-east-1"):
        DynamoDBRegistry(table, endpoint_url=gate.url).count()
    with pytest.raises(ConfigurationError, match="no AWS credentials"):
        DynamoDBRegistry(table, region=REGION, endpoint_url=gate.url).add("a=")
    assert not gate.requests


def test_no_secret_key_is_ever_shown(registry, gate):
    gate.answer = lambda operation, request: error("AccessDeniedException")
    with pytest.raises(RegistryError) as raised:
        registry.add("a=")
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "secret"
    assert "secret" not in "".join(traceback.format_exception_only(raised.value))


# Clients


def test_a_client_that_is_passed_in_is_used_and_left_open(table, gate, gate_client):
    registry = DynamoDBRegistry(table, client=gate_client)
    registry.add("a=")
    registry.close()
    assert listening(registry) == ["a="]
    assert gate.counted == {"BatchWriteItem": 1, "Query": 2}


def test_it_may_be_used_again_after_it_was_closed(own):
    own.add("a=")
    own.close()
    assert listening(own) == ["a="]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_it_may_be_used_on_both_sides_of_a_fork(own):
    own.add("a=")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for number in range(5):
                own.add(f"child-{number}=")
            code = 0
        finally:
            os._exit(code)
    for number in range(5):
        own.add(f"parent-{number}=")
    assert os.waitpid(child, 0)[1] == 0
    assert own.count() == len(listening(own)) == 11


@pytest.mark.parametrize("table", ["", "ab", "a b c", "a" * 256, "arn:aws:dynamodb", None])
def test_what_cannot_be_a_table_is_refused(table):
    with pytest.raises(ConfigurationError, match="no name of a DynamoDB table"):
        DynamoDBRegistry(table)
