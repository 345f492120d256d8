"""What can be made to go wrong goes wrong, and only then."""

import asyncio
import json

import pytest

from local_gateway.faults import Faults
from local_gateway.limits import IDLE_TIMEOUT
from local_gateway.throttle import TokenBucket


async def connect(running):
    socket = await running.connect()
    await socket.send_str("hello")
    return socket, await socket.receive_str(timeout=60)


async def test_a_lost_disconnect_is_not_invoked(serve, recorded, eventually):
    faults = Faults(lost_disconnects=1.0)
    running = await serve(faults)
    lost, _ = await connect(running)
    await lost.close()
    faults.lost_disconnects = 0.0
    kept, kept_id = await connect(running)
    await kept.close()
    (event,) = await eventually(lambda: recorded("DISCONNECT"))
    assert event["requestContext"]["connectionId"] == kept_id


async def test_a_half_open_client_takes_posts_hears_nothing_and_ends_when_idle(serve, recorded, eventually):
    faults = Faults(half_open=1.0)
    running = await serve(faults)
    socket = await running.connect()
    (event,) = await eventually(recorded)
    connection_id = event["requestContext"]["connectionId"]
    assert (await running.call("POST", connection_id, b"x"))[0] == 200
    await socket.close()
    await eventually(lambda: not any(one.has_session for one in running.gateway.connections.all()))
    assert (await running.call("POST", connection_id, b"x"))[0] == 200
    assert recorded("DISCONNECT") == []
    running.gateway.clock.advance(IDLE_TIMEOUT + 1)
    assert (await running.call("POST", connection_id, b"x"))[0] == 410
    (event,) = await eventually(lambda: recorded("DISCONNECT"))
    assert event["requestContext"]["disconnectStatusCode"] == 1001


async def test_a_post_to_a_half_open_client_can_hang(serve, recorded, eventually):
    running = await serve(Faults(half_open=1.0, half_open_delay=600.0))
    await running.connect()
    (event,) = await eventually(recorded)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(running.call("POST", event["requestContext"]["connectionId"], b"x"), 0.2)


async def test_the_account_throttle_is_shared_by_posts_and_messages(serve, recorded):
    faults = Faults()
    running = await serve(faults)
    socket, connection_id = await connect(running)
    faults.throttle_account(rate=0.001, burst=2)
    statuses = [(await running.call("POST", connection_id, b"x"))[:2] for _ in range(3)]
    assert statuses == [(200, ""), (200, ""), (429, "LimitExceededException")]
    assert [await socket.receive_str(timeout=60) for _ in range(2)] == ["x", "x"]
    answer = await running.ask(socket, "hello")
    assert (answer["message"], answer["connectionId"]) == ("Too Many Requests", connection_id)
    assert (await running.refused()).status == 429


async def test_handshakes_are_throttled_alone(serve, recorded):
    running = await serve(Faults(handshakes=TokenBucket(rate=0.001, burst=2)))
    _, connection_id = await connect(running)
    await connect(running)
    assert (await running.refused()).status == 429
    assert (await running.call("POST", connection_id, b"x"))[0] == 200


async def test_a_stage_that_throttles_to_zero_refuses_every_handshake(serve, assembly, recorded):
    assembly.resources["Stage"]["Properties"]["DefaultRouteSettings"] = {"ThrottlingBurstLimit": 0}
    assert (await (await serve()).refused()).status == 429


async def test_messages_can_be_made_to_overtake_each_other(serve, recorded):
    running = await serve(Faults(reorder=0.3))
    socket = await running.connect()
    sent = [str(number) for number in range(20)]
    for text in sent:
        await socket.send_str(text)
    for _ in sent:
        await socket.receive_str(timeout=60)
    bodies = [event["body"] for event in recorded("MESSAGE")]
    assert sorted(bodies, key=int) == sent
    assert bodies != sent


async def test_slow_lambdas_and_cold_starts_take_the_time_that_was_asked_for(serve, assembly):
    assembly.function("Main", "def handler(event, context):\n    return {'statusCode': 200, 'body': '1'}")
    assembly.route("$default", "Main", is_two_way=True, TimeoutInMillis=200)
    faults = Faults(lambda_delay=0.5)
    running = await serve(faults)
    socket = await running.connect()
    assert (await running.ask(socket, "x"))["message"] == "Endpoint request timed out"
    faults.lambda_delay = 0.0
    assert await running.ask(socket, "x") == 1


async def test_the_command_line_sets_every_fault():
    from local_gateway.arguments import faults_of, parser

    line = "--lose-disconnects 0.1 --half-open 0.2 --half-open-delay 3 --post-errors 0.4 --throttle 50/20"
    line += " --throttle-handshakes --cold-start 1.5 --lambda-delay 0.6 --reorder 0.7 --seed 1"
    faults = faults_of(parser().parse_args(line.split()))
    plain = {name: value for name, value in vars(faults).items() if isinstance(value, float)}
    assert plain == {
        "lost_disconnects": 0.1,
        "half_open": 0.2,
        "half_open_delay": 3.0,
        "post_errors": 0.4,
        "cold_start": 1.5,
        "lambda_delay": 0.6,
        "reorder": 0.7,
    }
    assert (faults.account.rate, faults.account.burst, faults.handshakes.rate) == (50, 20, 500)
    default = faults_of(parser().parse_args(["--throttle"]))
    assert (default.account.rate, default.account.burst, default.handshakes) == (10_000, 5_000, None)


@pytest.mark.parametrize("wrong", ["--half-open 2", "--speed 0", "--env x", "--throttle fast", "--source nowhere"])
def test_a_wrong_value_is_one_sentence(wrong, capsys):
    from local_gateway.arguments import parser

    with pytest.raises(SystemExit) as error:
        parser().parse_args(wrong.split())
    assert error.value.code == 2
    assert json.dumps(wrong.split()[1])[1:-1] in capsys.readouterr().err.splitlines()[-1]
