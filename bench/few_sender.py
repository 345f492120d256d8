"""The process of one sender of `few`: reads `[viewers, broadcasts]` line by line, and tells the seconds of CPU."""

import asyncio
import json
import secrets
import sys
import time
from collections.abc import Callable
from math import inf
from typing import Any

from broadcaster import Broadcaster, MemoryRegistry, Registry
from broadcaster.aio import AsyncBroadcaster

from .message import REGION, connection_ids
from .sink import VIEWERS, pin
from .worker import cpu

DATA = {
    "text": "Fetched 120 rows of the price list from the warehouse",
    "thread_id": "6f1c2d3e-8a90-4b7e-a1d2-0c9f5e6b7a81",
    "level": "info",
    "timestamp": "2026-11-22T21:00:00.123Z",
}
Send = Callable[[str, int], None]  # channel, times


def main() -> None:
    """Serve until the end of the input. Arguments: face and registry, the endpoint's URL, Redis's URL."""
    kind, url, redis = sys.argv[1:]
    face, _, registry = kind.partition(" ")
    pin(last=False)
    send = {"sync": _sync, "history": _with_history, "asyncio": _asyncio, "boto3": _boto3, "publish": _publish}[face](
        registry, url, redis
    )
    for line in sys.stdin:
        viewers, count = json.loads(line)
        before = cpu()
        send(f"viewers-{viewers}", count)
        print(json.dumps(cpu() - before), flush=True)


def _registry(kind: str, redis: str) -> Registry | str:
    if kind == "dynamodb":
        return f"dynamodb://connections?region={REGION}"
    registry: Registry = MemoryRegistry()
    if kind == "redis":
        from broadcaster.registries.redis import RedisRegistry

        registry = RedisRegistry(redis, prefix=secrets.token_hex(4))
    for viewers in VIEWERS:
        for connection_id in connection_ids(viewers):
            registry.add(connection_id, [f"viewers-{viewers}"])
    return registry


def _with_history(registry: str, url: str, redis: str) -> Send:
    return _sync(registry, url, redis, {"viewers-*": 2_000})


def _sync(registry: str, url: str, redis: str, history: dict[str, int] | None = None) -> Send:
    caster = Broadcaster(
        endpoint_url=url, region=REGION, registry=_registry(registry, redis), rate=inf, history=history
    )

    def send(channel: str, times: int) -> None:
        expected = _expected(channel)
        for _ in range(times):
            if caster.broadcast(channel, "log", DATA) != expected:
                raise RuntimeError(f"not everybody on {channel} was reached")

    return send


def _asyncio(registry: str, url: str, redis: str) -> Send:
    caster = AsyncBroadcaster(endpoint_url=url, region=REGION, registry=_registry(registry, redis), rate=inf)
    loop = asyncio.new_event_loop()

    async def send_all(channel: str, times: int) -> None:
        expected = _expected(channel)
        for _ in range(times):
            if await caster.broadcast(channel, "log", DATA) != expected:
                raise RuntimeError(f"not everybody on {channel} was reached")

    return lambda channel, times: loop.run_until_complete(send_all(channel, times))


def _publish(registry: str, url: str, redis: str) -> Send:
    caster = Broadcaster(endpoint_url=url, region=REGION, registry=_registry(registry, redis), rate=inf)

    def send(channel: str, times: int) -> None:
        before = caster.publisher_stats().events
        for number in range(times):
            caster.publish(channel, "log", DATA)
            if number % 10 == 9:
                time.sleep(0.01)  # a thousand a second
        if not caster.flush(10.0) or caster.publisher_stats().events != before + times:
            raise RuntimeError(f"not everybody on {channel} was reached: {caster.publisher_stats()}")

    return send


def _boto3(registry: str, url: str, _: str) -> Send:
    import boto3

    posts = boto3.client("apigatewaymanagementapi", endpoint_url=url, region_name=REGION)
    table: Any = boto3.client("dynamodb", region_name=REGION) if registry == "dynamodb" else None

    def query(channel: str) -> list[str]:
        answer = table.query(
            TableName="connections",
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": f"deployment#channel#{channel}"}},
            ConsistentRead=True,
        )
        return [row["sk"]["S"] for row in answer["Items"]]

    def send(channel: str, times: int) -> None:
        known = connection_ids(_expected(channel)["sent"])
        for _ in range(times):
            viewers = known if table is None else [*query(channel), *query("*")]
            body = json.dumps({"channel": channel, "event": "log", "data": DATA, "id": secrets.token_hex(8)}).encode()
            if len(viewers) != len(known):
                raise RuntimeError(f"not everybody on {channel} was found")
            for connection_id in viewers:
                posts.post_to_connection(ConnectionId=connection_id, Data=body)

    return send


def _expected(channel: str) -> dict[str, int]:
    return {"sent": int(channel.rpartition("-")[2]), "failed": 0, "stale": 0}


if __name__ == "__main__":
    main()
