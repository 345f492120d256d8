"""Pusher's own server SDKs, unmodified, publish to WebSocket clients; what they get back is what they know."""

import json
import shutil
import subprocess
from pathlib import Path

import pusher
import pytest

from tests.publishing.conftest import KEY, TOKEN

HERE = Path(__file__).parent


@pytest.fixture
def python_sdk(system):
    sdk = pusher.Pusher(**KEY, host=system.host, port=system.port, ssl=False, timeout=60)
    yield sdk
    sdk._pusher_client.http.session.close()


@pytest.fixture
def node_sdk(system, install_node_modules):
    """Calls methods of the SDK for Node.js, each a name with arguments; returns what each came to."""
    install_node_modules(HERE)

    def call(*calls, **options):
        settings = {"appId": KEY["app_id"], "key": KEY["key"], "secret": KEY["secret"], "useTLS": False}
        given = {**settings, "host": system.host, "port": system.port, "calls": calls, **options}
        done = subprocess.run(
            ["node", HERE / "publish.mjs", json.dumps(given)], capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return call


def test_the_python_sdk_triggers_an_event(python_sdk, subscribed):
    client = subscribed("run-1")
    assert python_sdk.trigger("run-1", "step", {"n": 1, "ü": ["€"]}) == {}
    assert client.hear() == [("run-1", "step", {"n": 1, "ü": ["€"]})]
    assert python_sdk.trigger(["run-1", "run-2"], "step", "no JSON") == {}
    assert client.hear() == [("run-1", "step", "no JSON")]


def test_the_python_sdk_triggers_a_batch(python_sdk, subscribed):
    client = subscribed("run-3", "admin")
    batch = [{"channel": "run-3", "name": f"e{number}", "data": {"n": number}} for number in range(3)]
    assert python_sdk.trigger_batch([*batch, {"channel": "admin", "name": "end", "data": 7}]) == {}
    assert client.hear() == [("run-3", f"e{number}", {"n": number}) for number in range(3)]
    assert client.hear() == [("admin", "end", 7)]


def test_the_python_sdk_asks_for_channels(python_sdk, subscribed):
    _first, _second = subscribed("run-4"), subscribed("run-4", "run-5")
    told = python_sdk.channels_info(prefix_filter="run-", attributes=["subscription_count"])["channels"]
    assert (told["run-4"], told["run-5"]) == ({"subscription_count": 2}, {"subscription_count": 1})
    assert python_sdk.channel_info("run-4", ["subscription_count"]) == {"occupied": True, "subscription_count": 2}
    assert python_sdk.channel_info("run-nobody") == {"occupied": False}


def test_the_python_sdk_raises_the_errors_that_it_has(python_sdk, system):
    with pytest.raises(pusher.errors.PusherBadRequest, match="pusher:"):
        python_sdk.trigger("run-1", "pusher:error", {})
    with pytest.raises(pusher.errors.PusherBadRequest, match="user_count"):
        python_sdk.channels_info(attributes=["user_count"])
    other = pusher.Pusher(**{**KEY, "secret": "wrong"}, host=system.host, port=system.port, ssl=False)
    with pytest.raises(pusher.errors.PusherBadAuth, match="check key"):
        other.trigger("run-1", "step", {})
    elsewhere = pusher.Pusher(**{**KEY, "app_id": "1025"}, host=system.host, port=system.port, ssl=False)
    with pytest.raises(pusher.errors.PusherForbidden, match="another app"):
        elsewhere.trigger("run-1", "step", {})
    for sdk in (other, elsewhere):
        sdk._pusher_client.http.session.close()


def test_the_sdk_for_node_does_all_that(node_sdk, subscribed):
    client = subscribed("run-6", "admin")
    batch = [{"channel": "run-6", "name": name, "data": {"of": name}} for name in ("first", "second")]
    results = node_sdk(
        ["trigger", "run-6", "step", {"n": 1, "ü": "€"}],
        ["triggerBatch", batch],
        ["trigger", ["admin", "run-7"], "end", "text"],
        ["get", {"path": "/channels", "params": {"filter_by_prefix": "run-6", "info": "subscription_count"}}],
        ["trigger", "run-6", "pusher:error", {}],
    )
    assert [result["status"] for result in results] == [200, 200, 200, 200, 400]
    assert client.hear() == [("run-6", "step", {"n": 1, "ü": "€"})]
    assert client.hear() == [("run-6", "first", {"of": "first"}), ("run-6", "second", {"of": "second"})]
    assert client.hear() == [("admin", "end", "text")]
    assert results[3]["body"] == {"channels": {"run-6": {"subscription_count": 1}}}
    assert "pusher:" in results[4]["body"]["error"]


def test_the_sdk_for_node_with_another_secret_is_refused(node_sdk):
    [result] = node_sdk(["trigger", "run-6", "step", {}], secret="wrong")
    assert result["status"] == 401


def test_curl_publishes_with_the_token(system, subscribed):
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("there is no curl here")
    client = subscribed("admin")
    data = json.dumps({"channel": "admin", "event": "admin_event", "data": {"n": 1}})
    command = [curl, "-sS", f"{system.url}publish", "-H", f"authorization: Bearer {TOKEN}", "-d", data]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    assert json.loads(done.stdout) == {"sent": 1, "failed": 0, "stale": 0}
    assert client.hear() == [("admin", "admin_event", {"n": 1})]
