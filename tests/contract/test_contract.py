"""What every language's library does alike, as data: the Python library is held to it here.

Each file is a list of cases: what is given, and under `expected` what comes of it, or `error` with its class and text.
The names of settings are Python's; another language writes them in its own way (`apiId: 'x'` for `api_id='x'`).
`node_broadcaster/tests/contract.test.js` holds the Node.js library to the same files.

After a change that is wanted, `python -m tests.contract.test_contract` writes what the Python library does now into the
files, for the other languages to follow.
"""

import json
from math import inf
from pathlib import Path
from typing import NamedTuple

import pytest

from broadcaster.authorization import subscription_signature
from broadcaster.channels import check_channel
from broadcaster.connections import check_connection_id
from broadcaster.endpoint import resolve_endpoint, scope_of
from broadcaster.errors import BroadcasterError, RefusedError
from broadcaster.messages import MessageEncoder
from broadcaster.registries import dynamodb_rows
from broadcaster.registries.redis_keys import Keys
from broadcaster.sending.fan_out import FanOut
from broadcaster.sending.pace import Pace
from broadcaster.signing import ConnectionSigner, Credentials, sign_request
from broadcaster.subscription_secret import SubscriptionSecret

HERE = Path(__file__).parent
encode = MessageEncoder().message
URL = "https://abc123xyz.execute-api.us-east-1.amazonaws.com/production"


def fill(case, answer):
    """Return the case with what the library makes of it."""
    try:
        return {**case, "expected": answer(case)}
    except BroadcasterError as error:
        return {**case, "error": [type(error).__name__, str(error)]}


def read(name):
    return json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))


def cases(name):
    given = read(name)
    return pytest.mark.parametrize("case", given, ids=[str(number) for number in range(len(given))])


def given_of(case):
    return {key: value for key, value in case.items() if key not in ("expected", "error")}


def hold(case, answer):
    assert fill(given_of(case), answer) == case


# ---------------------------------------------------------------------------------------------------------------- names


def check_name(case):
    value = case["value"] if "value" in case else case["repeat"] * case["times"] + case.get("then", "")
    match case["kind"]:
        case "connection_id":
            check_connection_id(value)
        case "channel":
            check_channel(value)
        case "event":
            encode("admin", value, None)
        case "secret":
            SubscriptionSecret(value)
    return "accepted"


@cases("names")
def test_names(case):
    hold(case, check_name)


# ------------------------------------------------------------------------------------------------------------ envelopes


def encode_case(case):
    """Return the message, with its id, which is another one each time, made into zeros; of a long one its length."""
    length = case.get("data_of_length")
    data = case["data"] if length is None else case.get("character", "x") * length
    text = encode(case["channel"], case["event"], data).decode()
    envelope = json.loads(text)
    assert int(envelope["id"], 16) > 1 << 80
    text = text.replace(envelope["id"], "0" * 21)
    return text if length is None else f"{len(text.encode())} bytes"


@cases("envelopes")
def test_envelopes(case):
    hold(case, encode_case)


# ----------------------------------------------------------------------------------------------------------- signatures


def sign_case(case):
    if "request" in case:
        given = dict(case["request"])
        credentials = Credentials(**given.pop("credentials"))
        return sign_request(credentials, **{**given, "body": given["body"].encode()})
    given = dict(case["connections"])
    ids = given.pop("ids")
    signer = ConnectionSigner(
        **{**given, "credentials": Credentials(**given["credentials"]), "body": given["body"].encode()}
    )
    return {connection_id: _read(signer.head(connection_id)) for connection_id in ids}


def _read(head):
    request_line, *lines = head.decode().removesuffix("\r\n\r\n").split("\r\n")
    method, path, _ = request_line.split(" ")
    return {"method": method, "path": path, "headers": dict(sorted(line.split(": ", 1) for line in lines))}


@cases("signatures")
def test_signatures(case):
    hold(case, sign_case)


def subscribe_case(case):
    return subscription_signature(case["secret"], case["connection_id"], case["channel"])


@cases("subscriptions")
def test_subscriptions(case):
    hold(case, subscribe_case)


# ------------------------------------------------------------------------------------------------------------ endpoints


AWS_VARIABLES = (
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_REGION",
    "WEBSOCKET_API_ID",
    "WEBSOCKET_STAGE",
)


def endpoint_case(case):
    with pytest.MonkeyPatch.context() as patch:
        for name in AWS_VARIABLES:
            patch.delenv(name, raising=False)
        for name, value in case.get("environment", {}).items():
            patch.setenv(name, value)
        endpoint = resolve_endpoint(**case["settings"])
    found = {"url": endpoint.url, "authority": endpoint.authority, "port": endpoint.port, "region": endpoint.region}
    return {**found, "scope": scope_of(endpoint)}


@cases("endpoints")
def test_endpoints(case):
    hold(case, endpoint_case)


# ------------------------------------------------------------------------------------------------------------- outcomes


class Answer(NamedTuple):
    status: int
    headers: dict
    body: bytes


def fan_out_case(case):
    """Play the answers of each connection in turn, the last one for ever, on a clock of the case's own.

    Up to `in_flight` posts are made before the first of them is answered.
    """
    plan = FanOut(
        iter(case["pages"]),
        url=URL,
        pace=Pace(inf),
        deadline=case.get("deadline", 15.0),
        attempts=case.get("attempts", 3),
        concurrency=case.get("concurrency", 256),
        random=lambda: 0.5,
        renew=lambda headers: case.get("renew", False),
    )
    now, posts, in_flight, answered = 0.0, {}, [], 0
    while not plan.is_done:
        if now >= plan.deadline:
            plan.give_up(now, in_flight)
            break
        if answered == case.get("cannot_connect_after"):
            plan.cannot_connect("connection refused")
            answered += 1
            continue
        connection_id = plan.take(now) if len(in_flight) < case.get("in_flight", 1) else None
        if connection_id is not None:
            in_flight.append(connection_id)
            posts[connection_id] = posts.get(connection_id, 0) + 1
        elif in_flight:
            connection_id = in_flight.pop(0)
            answered += 1
            answers = case["answers"][connection_id]
            _tell(plan, connection_id, answers[min(posts[connection_id], len(answers)) - 1], now)
        else:
            now = plan.wake_at(now)
    try:
        result = plan.result()
    except RefusedError as error:
        return {"refused": str(error), "posts": posts}
    failures = sorted([failure.connection_id, failure.reason, failure.status] for failure in result.failures)
    return {**result, "failures": failures, "stale_ids": plan.take_stale(), "posts": posts, "ended_at": round(now, 6)}


def _tell(plan, connection_id, answer, now):
    match answer:
        case "lost":
            plan.lost(connection_id, "reset", now)
        case "timed out":
            plan.lost(connection_id, "no answer within 3 s", now, timed_out=True)
        case "lost on kept":
            plan.lost_on_kept(connection_id, "closed", now)
        case _:
            answer = Answer(answer["status"], answer.get("headers", {}), answer.get("body", "").encode())
            plan.answered(connection_id, answer, now)


@cases("outcomes")
def test_outcomes(case):
    hold(case, fan_out_case)


# ----------------------------------------------------------------------------------------------------------- registries


def layout_case(case):
    if "redis" in case:
        given = case["redis"]
        keys = Keys("broadcaster", given.get("scope"))
        return list(keys.channel(given["channel"])) if "channel" in given else keys.connection(given["connection_id"])
    given = case["dynamodb"]
    connection_id, channels = given["connection_id"], given["channels"]
    start = dynamodb_rows.start_of(given["scope"]) if "scope" in given else ""
    return {
        "puts": dynamodb_rows.puts(connection_id, channels, now=given["now"], lifetime=given["lifetime"], start=start),
        "deletes": list(dynamodb_rows.deletes(connection_id, channels, start=start)),
        "listeners": [dynamodb_rows.listeners_query(channel, now=given["now"], start=start) for channel in channels],
        "shard": dynamodb_rows.shard_query(10, now=given["now"], start=start),
        "channels": dynamodb_rows.channels_query(connection_id, start=start),
    }


@cases("registries")
def test_registries(case):
    hold(case, layout_case)


# -------------------------------------------------------------------------------------------------------------- writing

ANSWERS = {
    "names": check_name,
    "envelopes": encode_case,
    "signatures": sign_case,
    "subscriptions": subscribe_case,
    "endpoints": endpoint_case,
    "outcomes": fan_out_case,
    "registries": layout_case,
}


def write(name, given):
    """Write a file with a case on each line."""
    lines = [json.dumps(fill(case, ANSWERS[name])) for case in given]
    (HERE / f"{name}.json").write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    for name in ANSWERS:
        write(name, [given_of(case) for case in read(name)])
