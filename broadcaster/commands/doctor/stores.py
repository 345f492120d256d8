"""The list of connections: reachable, of a kind that fits, and kept by a server that forgets nothing of it."""

import time

from ...aws.retries import AwsError
from ...errors import BroadcasterError, RegistryError
from ...registries import Registry
from ...registries.dynamodb import DynamoDBRegistry
from ...registries.lists.entries import Entry
from ...registries.memory import MemoryRegistry
from ...registries.redis import RedisRegistry
from ...registries.redis_keys import Script
from .finding import Finding, bad, good, split_advice
from .workers import find_workers

_INFO = Script("return redis.call('INFO')")
_OLDEST_REDIS = 5


def look_at_registry(registry: Registry) -> tuple[list[Entry], list[Finding]]:
    """Return who is registered, and what was found of the registry."""
    if isinstance(registry, MemoryRegistry):
        return [], [_judge_memory()]
    began = time.monotonic()
    try:
        entries = registry.entries() if isinstance(registry, RedisRegistry | DynamoDBRegistry) else []
        seconds = time.monotonic() - began
        reached = good("registry", f"{registry!r} answers in {seconds * 1000:.0f} ms, and serves any number of workers")
        return entries, [reached, *_look_closer(registry)]
    except BroadcasterError as error:
        text, _, advice = str(error).partition(". " if isinstance(registry, DynamoDBRegistry) else "; ")
        return [], [bad("registry", text, advice or "check BROADCASTER_REGISTRY or --registry, and that it is up")]


def _judge_memory() -> Finding:
    sign = find_workers()
    if sign:
        return bad(
            "registry",
            f"memory, and {sign}: each worker has a list of its own, and an event reaches some browsers only",
            "give all workers one list: BROADCASTER_REGISTRY=redis://host:6379/0 or dynamodb://table?region=…; or run "
            "one worker",
        )
    return good("registry", "memory, which fits a backend of one process; nobody else sees who is registered")


def _look_closer(registry: Registry) -> list[Finding]:
    if isinstance(registry, RedisRegistry):
        return _judge_redis(_info(registry))
    if isinstance(registry, DynamoDBRegistry):
        return _judge_table(registry)
    return []


def _info(registry: RedisRegistry) -> dict[str, str]:
    try:
        text = registry.call("look at the server", _INFO, [])
    except RegistryError:  # hosted ones may refuse it
        return {}
    lines = (text.decode() if isinstance(text, bytes) else str(text)).splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _judge_redis(info: dict[str, str]) -> list[Finding]:
    if not info:
        return [good("Redis", "lets nobody look at its settings (INFO); nothing was found out about eviction")]
    return [_judge_role(info), _judge_eviction(info), _judge_persistence(info)]


def _judge_role(info: dict[str, str]) -> Finding:
    version = info.get("redis_version", "0")
    major = version.partition(".")[0]
    if major.isdecimal() and int(major) < _OLDEST_REDIS:
        return bad("Redis", f"version {version} is too old", f"use version {_OLDEST_REDIS} or newer, or Valkey")
    if info.get("role") == "slave" and info.get("slave_read_only", "1") != "0":
        return bad("Redis", "is a replica, which takes no registrations", "give the primary's address")
    return good("Redis", f"version {version}, {'primary' if info.get('role') == 'master' else 'writable'}")


def _judge_eviction(info: dict[str, str]) -> Finding:
    policy, most = info.get("maxmemory_policy", "noeviction"), int(info.get("maxmemory", "0"))
    if policy == "noeviction" or not most:
        return good("eviction", f"none ({policy}{'' if most else ', without a limit of memory'})")
    return bad(
        "eviction",
        f"{policy} at {most:,} bytes: when the memory is full, Redis drops lists of connections, and nobody notices",
        "set maxmemory-policy to noeviction, in redis.conf or the parameter group, or use a Redis of its own",
    )


def _judge_persistence(info: dict[str, str]) -> Finding:
    failed = [name for name in ("rdb_last_bgsave_status", "aof_last_write_status") if info.get(name) == "err"]
    if failed:
        return bad(
            "persistence",
            f"the last attempt to write to disk failed ({failed[0]}), and Redis may refuse all writes",
            "look at Redis' log, its disk and the rights on its folder",
        )
    if info.get("aof_enabled") == "1":
        return good("persistence", "append-only file")
    return good("persistence", "snapshots or none: what a restart forgets, browsers register again")


def _judge_table(registry: DynamoDBRegistry) -> list[Finding]:
    try:
        table = registry.describe("DescribeTable")["Table"]
        lifetime = registry.describe("DescribeTimeToLive")["TimeToLiveDescription"]
    except RegistryError as error:
        if isinstance(error.__cause__, AwsError) and error.__cause__.code == "AccessDeniedException":
            return [good("table", "not looked at: that takes dynamodb:DescribeTable, which sending does not need")]
        return [split_advice("table", error)]
    types = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}
    keys = [(each["AttributeName"], each["KeyType"], types[each["AttributeName"]]) for each in table["KeySchema"]]
    if keys != [("pk", "HASH", "S"), ("sk", "RANGE", "S")]:
        return [
            bad(
                "table",
                f"its keys are {', '.join(name for name, *_ in keys)}",
                "use the stack's table (-c registry=dynamodb), whose keys are pk and sk, both text",
            )
        ]
    found = [good("table", "its keys are pk and sk")]
    if lifetime.get("TimeToLiveStatus") in ("ENABLED", "ENABLING") and lifetime.get("AttributeName") == "expires":
        return [*found, good("time to live", "expired rows are removed, by expires")]
    return [
        *found,
        bad(
            "time to live",
            "it is not enabled on expires: rows of connections that are gone stay for ever, and are read every time",
            "aws dynamodb update-time-to-live --table-name … --time-to-live-specification "
            "Enabled=true,AttributeName=expires",
        ),
    ]
