"""Play the whole path by itself: connect, subscribe, register, broadcast, and see the event arrive.

`python -m examples.tour --websocket ws://… --backend http://…`, with the backend's `DEMO_PASSWORD` in the environment,
shows frames as wscat does and ends with 0 when the event has arrived; otherwise it says which step failed and ends
with 1.
"""

import argparse
import asyncio
import json
import os
import sys
from typing import Any

import aiohttp

PATIENCE = 15  # seconds for one step


class StepFailed(Exception):
    """What was expected of a step, and what happened instead."""


async def tour(websocket_url: str, backend_url: str, registry: str) -> None:
    # The jar takes cookies of bare addresses too, such as 127.0.0.1.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        credentials = {"user": "demo", "password": os.environ.get("DEMO_PASSWORD", "")}
        await post(session, f"{backend_url}/session", credentials)

        print(f"connecting to {websocket_url}")
        async with session.ws_connect(websocket_url) as socket:
            if registry == "backend":
                await subscribe_and_register(session, socket, backend_url)
            else:
                await subscribe_with_signature(session, socket, backend_url)

            print("starting a run, which the backend broadcasts")
            result = await post(session, f"{backend_url}/runs", {"run_name": "My Workflow"})
            event = await hear(socket, None)
            data = event.get("data")
            if event.get("event") != "admin_event" or not isinstance(data, dict) or data.get("type") != "run_started":
                raise StepFailed(f"expected the event run_started, got {event}")
            print(result)
            if result != {"sent": 1, "failed": 0, "stale": 0}:
                raise StepFailed("expected one connection to be reached and none to be lost")


async def subscribe_and_register(
    session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse, backend_url: str
) -> None:
    await say(socket, {"action": "subscribe", "channel": "admin"})
    hello = await hear(socket, "connection_id")
    await hear(socket, "subscription_succeeded")

    connection_id = str(hello.get("connection_id"))
    print(f"registering {connection_id} with the backend")
    await post(session, f"{backend_url}/websocket/register", {"connection_id": connection_id})


async def subscribe_with_signature(
    session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse, backend_url: str
) -> None:
    await say(socket, {"action": "connection_id"})
    hello = await hear(socket, "connection_id")

    connection_id = str(hello.get("connection_id"))
    print(f"asking the backend to let {connection_id} subscribe")
    subscription = {"connection_id": connection_id, "channel": "admin"}
    answer = await post(session, f"{backend_url}/websocket/auth", subscription)
    await say(socket, {"action": "subscribe", "channel": "admin", "auth": str(answer.get("auth"))})
    await hear(socket, "subscription_succeeded")


async def say(socket: aiohttp.ClientWebSocketResponse, frame: dict[str, str]) -> None:
    text = json.dumps(frame)
    print(f"> {text}")
    await socket.send_str(text)


async def hear(socket: aiohttp.ClientWebSocketResponse, type_: str | None) -> dict[str, Any]:
    try:
        message = await socket.receive(PATIENCE)
    except TimeoutError:
        raise StepFailed(f"no frame within {PATIENCE} s, expected {type_ or 'the event'}") from None
    if message.type is not aiohttp.WSMsgType.TEXT:
        raise StepFailed(f"the connection was closed, expected {type_ or 'the event'}")
    print(f"< {message.data}")
    frame = parse(message.data, "the frame")
    if type_ is not None and frame.get("type") != type_:
        raise StepFailed(f"expected a frame of type {type_}")
    return frame


def parse(text: str, name: str) -> dict[str, Any]:
    """Return the JSON object that a text is, or say which text is none."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise StepFailed(f"expected {name} to be a JSON object, got {text[:200]!r}")
    return value


async def post(session: aiohttp.ClientSession, url: str, body: dict[str, str]) -> dict[str, Any]:
    """Return what the backend answers, an empty object for an answer without a body."""
    async with session.post(url, json=body, timeout=aiohttp.ClientTimeout(PATIENCE)) as answer:
        text = await answer.text()
        if not answer.ok:
            raise StepFailed(f"POST {url} was answered with {answer.status}: {text[:500]}")
        return parse(text or "{}", f"the answer of {url}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--websocket", required=True, metavar="URL")
    parser.add_argument("--backend", required=True, metavar="URL")
    parser.add_argument("--registry", choices=("backend", "dynamodb"), default="backend", help="default: %(default)s")
    options = parser.parse_args()
    try:
        asyncio.run(tour(options.websocket, options.backend, options.registry))
    except (StepFailed, aiohttp.ClientError, TimeoutError) as error:
        print(f"failed: {str(error) or type(error).__name__}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
