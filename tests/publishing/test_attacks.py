"""Requests that somebody without the key could make of those they have seen, over HTTP: none reaches a subscriber."""

import http.client
import json
import time

import pytest

from publishing.signature import Key
from tests.lambda_src.publishing.conftest import query_of, sign
from tests.publishing.conftest import KEY

APP = Key(KEY["app_id"], KEY["key"], KEY["secret"])
PATH = f"/apps/{APP.app_id}/events"
BODY = json.dumps({"name": "attack", "channel": "run-9", "data": "1"}).encode()
FOR_BEARER = json.dumps({"channel": "run-9", "event": "attack", "data": 1}).encode()


def signed(body=BODY, path=PATH, **signing):
    return query_of(sign("POST", path, body, **{"key": APP, "at": int(time.time()), **signing}))


ATTACKS = {
    "unsigned": lambda: (PATH, BODY, 401),
    "another app's key": lambda: (f"{PATH}?{signed(key=Key('1024', 'other', 'another-secret' * 3))}", BODY, 401),
    "our key's name, another secret": lambda: (f"{PATH}?{signed(key=APP._replace(secret='x' * 64))}", BODY, 401),
    "another app's path": lambda: (f"/apps/7/events?{signed(path='/apps/7/events')}", BODY, 403),
    "a changed body": lambda: (f"{PATH}?{signed(b'{}')}", BODY, 401),
    "a body that is not signed": lambda: (f"{PATH}?{signed(leave_out=('body_md5',))}", BODY, 401),
    "a parameter twice": lambda: (f"{PATH}?{signed(b'{}')}&body_md5={'0' * 32}", BODY, 401),
    "eleven minutes ago": lambda: (f"{PATH}?{signed(at=int(time.time()) - 660)}", BODY, 401),
    "in eleven minutes": lambda: (f"{PATH}?{signed(at=int(time.time()) + 660)}", BODY, 401),
    "another path's signature": lambda: (f"{PATH}?{signed(path=f'/apps/{APP.app_id}/batch_events')}", BODY, 401),
    "an encoded path": lambda: (f"/apps/{APP.app_id}/%65vents?{signed(path='/apps/1024/%2565vents')}", BODY, 401),
    "seven megabytes": lambda: (f"{PATH}?{signed(BODY + b' ' * 7_000_000)}", BODY + b" " * 7_000_000, 413),
    "no token": lambda: ("/publish", FOR_BEARER, 401),
    "a token in the query": lambda: (f"/publish?authorization=Bearer%20{KEY['secret']}", FOR_BEARER, 401),
}


def post(system, target, body):
    connection = http.client.HTTPConnection(system.host, system.port, timeout=60)
    try:
        connection.request("POST", target, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_reaches_nobody(system, subscribed, attack):
    client = subscribed("run-9")
    target, body, status = ATTACKS[attack]()
    found, answer = post(system, target, body)
    assert found == status
    assert KEY["secret"].encode() not in answer
    # What comes next is the first that the subscriber hears.
    proof = json.dumps({"name": "proof", "channel": "run-9", "data": json.dumps(attack)}).encode()
    assert post(system, f"{PATH}?{signed(proof)}", proof) == (200, b"{}")
    assert client.hear() == [("run-9", "proof", attack)]


def test_a_replay_is_answered_and_reaches_nobody(system, subscribed):
    client = subscribed("run-9")
    target = f"{PATH}?{signed()}"
    assert [post(system, target, BODY) for _ in range(3)] == [(200, b"{}")] * 3
    proof = json.dumps({"name": "proof", "channel": "run-9", "data": "2"}).encode()
    post(system, f"{PATH}?{signed(proof)}", proof)
    assert [client.hear(), client.hear()] == [[("run-9", "attack", 1)], [("run-9", "proof", 2)]]
