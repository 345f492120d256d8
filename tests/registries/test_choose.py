import subprocess
import sys

import pytest

from broadcaster import Broadcaster, ConfigurationError, MemoryRegistry
from broadcaster.registries.choose import make_registry
from broadcaster.registries.dynamodb import DynamoDBRegistry
from broadcaster.registries.redis import RedisRegistry


@pytest.mark.parametrize(
    ("url", "kind", "shown"),
    [
        ("memory://", MemoryRegistry, None),
        ("redis://host", RedisRegistry, "RedisRegistry('redis://host:6379/0')"),
        ("redis://host:1/2?prefix=app", RedisRegistry, "RedisRegistry('redis://host:1/2')"),
        ("redis://host:1?db=2&scope=app", RedisRegistry, "RedisRegistry('redis://host:1/2')"),
        ("unix://:secret@/run/redis.sock", RedisRegistry, "RedisRegistry('unix:///run/redis.sock?db=0')"),
        (
            "redis+sentinel://:secret@a,[::1]:7/main/2",
            RedisRegistry,
            "RedisRegistry('redis+sentinel://a:26379,[::1]:7/main/2')",
        ),
        ("rediss://user:secret@host:1/2", RedisRegistry, "RedisRegistry('rediss://host:1/2')"),
        ("dynamodb://My-Table_1.x", DynamoDBRegistry, "DynamoDBRegistry('My-Table_1.x')"),
        ("dynamodb://table/?region=eu-west-3", DynamoDBRegistry, "DynamoDBRegistry('table', region='eu-west-3')"),
    ],
)
def test_a_url_makes_a_registry_that_its_maker_closes(url, kind, shown, monkeypatch):
    registry, is_owned = make_registry(url)
    assert is_owned
    assert type(registry) is kind
    assert shown in (None, repr(registry))
    registry.close()
    monkeypatch.setenv("BROADCASTER_REGISTRY", url)
    assert type(make_registry()[0]) is kind


def test_without_a_url_and_the_variable_it_is_in_memory(monkeypatch):
    monkeypatch.delenv("BROADCASTER_REGISTRY", raising=False)
    assert type(make_registry()[0]) is MemoryRegistry
    monkeypatch.setenv("BROADCASTER_REGISTRY", "")
    assert type(make_registry()[0]) is MemoryRegistry


def test_what_is_passed_in_wins_over_the_variable(monkeypatch):
    monkeypatch.setenv("BROADCASTER_REGISTRY", "nonsense")
    registry = MemoryRegistry()
    assert make_registry(registry) == (registry, False)
    with Broadcaster(endpoint_url="http://127.0.0.1:1/x", region="us-east-1", registry="memory://"):
        pass


@pytest.mark.parametrize("value", [0, -1, 1.5, "100", True])
def test_a_bound_on_channels_that_is_none_is_refused(value):
    with pytest.raises(ConfigurationError, match=f"max_channels is {value!r}"):
        Broadcaster("abc123xyz", region="us-east-1", max_channels=value)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("postgres://host", "'postgres'"),
        ("", "no URL"),
        ("host:6379", "no URL"),
        ("redis", "no URL"),
        ("redis:/host", "no URL"),
        ("memory://host", "'memory'"),
        (12, "is a int"),
        (object(), "is a object"),
    ],
)
def test_anything_else_is_refused_with_what_would_be_right(value, says):
    with pytest.raises(ConfigurationError) as error:
        make_registry(value)
    for part in (says, "redis://host:6379/0", "dynamodb://table-name?region=us-east-1", "memory://"):
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis://", "no host"),
        ("redis://:geheim@", "no host"),
        ("redis://:geheim@host:port", "no readable host and port"),
        ("redis://:gehe/im@host/0", "percent-encode"),
        ("redis://:gehe#im@host/0", "percent-encode"),
        ("redis://user:123?GEHEIM@h:6379/0", "'@' after its host"),
        ("redis://user:123/geheim@h:6379/0", "'@' after its host"),
        ("redis://host?prefix=geheim@host", "'@' after its host"),
        ("redis://:geheim@host?db=geheim", "'db'"),
        ("rediss://:geheim@host?ssl_min_version=geheim", "'ssl_min_version'"),
        ("redis://:geheim@host,/0", "no readable host"),
        ("unix://", "no host"),
        ("unix://:geheim@/run/r.sock?cluster=true", "cluster has a host"),
        ("redis+sentinel://:geheim@host", "names no service"),
        ("geheim://geheim@host", "no URL"),
        ("dynamodb://key:geheim@table", "neither user nor password"),
        ("dynamodb://table?regoin=geheim@x", "neither user nor password"),
        ("redis://:gehe?im@host/0", "percent-encode"),
        ("redis://:geheim@[host/0", "percent-encode"),
        ("redis://:geheim@host/geheim", "no database number"),
        ("redis://:geheim@host/-1", "no database number"),
        ("redis://:geheim@host?prefixx=a", "'prefixx'"),
        ("redis://:geheim@host?prefix={a}", "prefix '{a}'"),
        ("redis://:geheim@host?cluster=yes", "'true' nor 'false'"),
        ("redis://:geheim@host/1?cluster=true", "one database, 0"),
        ("redis://:geheim@host?ssl_ca_certs=ca.pem", "rediss://"),
        ("geheim://host", "give"),
        ("redis+geheim://host", "no URL"),
        ("dynamodb://", "no name of a DynamoDB table"),
        ("dynamodb://a/b", "no name of a DynamoDB table"),
        ("dynamodb://table?regoin=us-east-1", "'regoin'"),
    ],
)
def test_a_malformed_url_says_what_is_wrong_and_no_password(url, says):
    with pytest.raises(ConfigurationError) as error:
        make_registry(url)
    assert says in str(error.value)
    if not url.startswith("geheim://host"):
        assert "gehe" not in str(error.value).lower()
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None


WITHOUT = """
import sys
sys.modules[{name!r}] = None  # as if it were not installed
from broadcaster import Broadcaster, ConfigurationError
try:
    Broadcaster(endpoint_url="http://127.0.0.1:1/x", region="us-east-1", registry={url!r})
except ConfigurationError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("name", "url", "command"),
    [
        ("redis", "redis://host", 'pip install "redis>=6.4"'),
    ],
)
def test_a_missing_package_is_an_error_that_names_the_command(name, url, command):
    code = WITHOUT.format(name=name, url=url)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert command in done.stdout


@pytest.mark.parametrize("url", ["memory://", "redis://host", "dynamodb://table?region=us-east-1"])
def test_only_the_package_of_the_registry_that_is_made_is_imported(url):
    code = (
        "import sys; from broadcaster import Broadcaster\n"
        f"Broadcaster(endpoint_url='http://127.0.0.1:1/x', region='us-east-1', registry={url!r})\n"
        "print(*{'redis', 'boto3', 'botocore', 'asyncio'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    imported = set(done.stdout.split())
    assert imported - {"asyncio"} == ({"redis"} if url.startswith("redis") else set())
    assert url.startswith("redis") or not imported
