from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.history.choose import MAX_KEEP, MAX_LIFETIME
from stacks.errors import SettingsError
from stacks.settings import Settings, values
from stacks.settings.values import Quotas, Throttle

NAMES = list(Settings.__dataclass_fields__)


def test_without_context_the_settings_are_those_of_the_guide():
    assert Settings.from_context({}) == Settings(
        name="clearstar-websocket",
        description="Simple WebSocket for Clearstar Skills",
        stage="production",
        memory=256,
        timeout=10,
        concurrency=None,
        log_retention_days=14,
        access_logs=False,
        throttle=None,
        allowed_origins=(),
        backend_role=(),
        backend_user=(),
        permissions_boundary="",
        ipv6=False,
        domain="",
        certificate="",
        zone="",
        default_endpoint=True,
        monitoring=False,
        daily_budget=None,
        quotas=Quotas(10_000, 500),
        registry="backend",
        auth="signature",
        public_channels=(),
        point_in_time_recovery=False,
        keep_table=False,
        publish="",
        publish_concurrency=None,
        history=None,
        history_ttl=3_600,
    )


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("name", "a" * 56, "a" * 56),
        ("description", "Événements & co.", "Événements & co."),
        ("stage", "prod_1-a", "prod_1-a"),
        ("memory", "128", 128),
        ("memory", "10240", 10_240),
        ("memory", 512, 512),  # a number in cdk.json
        ("timeout", "29", 29),
        ("log_retention_days", "3653", 3653),
        ("access_logs", "true", True),
        ("access_logs", True, True),  # a boolean in cdk.json
        ("access_logs", "false", False),
        ("throttle", "100/200", Throttle(100, 200)),
        ("throttle", "0.5/1", Throttle(0.5, 1)),
        ("allowed_origins", "https://app.example.com", ("https://app.example.com",)),
        ("allowed_origins", "http://localhost:3000,https://a.b", ("http://localhost:3000", "https://a.b")),
        ("allowed_origins", ["https://a.b", "https://c.d:8443"], ("https://a.b", "https://c.d:8443")),  # in cdk.json
        ("allowed_origins", "http://[::1]:3000", ("http://[::1]:3000",)),
        ("allowed_origins", "https://*.preview.example.com:8443", ("https://*.preview.example.com:8443",)),
        ("concurrency", "1", 1),
        ("backend_role", "my-backend,other_role@x", ("my-backend", "other_role@x")),
        ("backend_user", "windows-server", ("windows-server",)),
        ("permissions_boundary", "developer-boundary", "developer-boundary"),
        ("permissions_boundary", "arn:aws:iam::123456789012:policy/a/b", "arn:aws:iam::123456789012:policy/a/b"),
        ("ipv6", "true", True),
        ("monitoring", "true", True),
        ("monitoring", "false", False),
        ("monitoring", "ops@example.com", "ops@example.com"),
        ("registry", "backend", "backend"),
        ("registry", "dynamodb", "dynamodb"),
    ],
)
def test_a_value_from_the_command_line_or_from_cdk_json_is_read(name, text, value):
    assert getattr(Settings.from_context({name: text}), name) == value


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("auth", "none", "none"),
        ("auth", "signature", "signature"),
        ("public_channels", "news", ("news",)),
        ("public_channels", "news,public-*", ("news", "public-*")),
        ("public_channels", ["a:b", "c/*"], ("a:b", "c/*")),
        ("point_in_time_recovery", "true", True),
        ("keep_table", True, True),
    ],
)
def test_a_value_about_the_table_or_the_signatures_is_read_beside_registry_dynamodb_alone(name, text, value):
    assert getattr(Settings.from_context({name: text, "registry": "dynamodb"}), name) == value
    for others in ({}, {"registry": "backend"}):
        with pytest.raises(SettingsError, match=f"^setting {name}=.* means nothing with registry=backend, .*give reg"):
            Settings.from_context({name: text, **others})


CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
DOMAIN = {"domain": "ws.example.com", "certificate": CERTIFICATE}


@pytest.mark.parametrize(
    ("others", "name", "text", "value"),
    [
        ({"certificate": CERTIFICATE}, "domain", "ws.example.com", "ws.example.com"),
        ({"domain": "ws.example.com"}, "certificate", CERTIFICATE, CERTIFICATE),
        (DOMAIN, "zone", "Z0123456789ABCDEFGHIJ", "Z0123456789ABCDEFGHIJ"),
        (DOMAIN, "default_endpoint", "false", False),
        ({"monitoring": "true"}, "daily_budget", "5", 5.0),
        ({"monitoring": "ops@example.com"}, "daily_budget", "0.50", 0.5),
        ({"monitoring": "true"}, "quotas", "2500/500", Quotas(2_500, 500)),
    ],
)
def test_a_value_about_the_domain_or_the_alarms_is_read_beside_what_it_needs_alone(others, name, text, value):
    assert getattr(Settings.from_context({name: text, **others}), name) == value
    with pytest.raises(SettingsError, match=f"^setting {name}=.*(means nothing without|needs a cert).*; give .* too"):
        Settings.from_context({name: text})


HISTORY = {"registry": "dynamodb", "publish": "https"}


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ('{"admin": 200, "run-*": 500, "*": 1}', {"admin": 200, "run-*": 500, "*": 1}),
        ({"a:b": 100_000}, {"a:b": 100_000}),  # an object in cdk.json
        ("{}", {}),  # ends what was kept before
    ],
)
def test_which_channels_have_a_history_is_read_beside_publish_alone(written, kept):
    assert Settings.from_context({"history": written, **HISTORY}).history == kept
    assert Settings(history=kept, registry="dynamodb", publish="https").history == kept
    with pytest.raises(SettingsError, match=r"^setting history=.* means nothing without publish; give publish=https"):
        Settings.from_context({"history": written, "registry": "dynamodb"})


def test_how_long_is_kept_is_read_beside_what_is_kept_alone():
    assert Settings.from_context({"history": '{"a": 1}', "history_ttl": "60", **HISTORY}).history_ttl == 60
    with pytest.raises(SettingsError, match=r'^setting history_ttl=.* means nothing without history; give history={"a'):
        Settings.from_context({"history_ttl": "60", **HISTORY})


def test_the_rules_for_a_history_are_the_librarys():
    assert (values.MOST_KEPT, values.LONGEST_KEPT) == (MAX_KEEP, MAX_LIFETIME)


def test_values_in_python_are_held_to_the_same_rules():
    given = Settings(memory=512, registry="dynamodb", public_channels=("news",), throttle=Throttle(0.5, 1))
    assert given == Settings.from_context(
        {"memory": "512", "registry": "dynamodb", "public_channels": "news", "throttle": "0.5/1"}
    )
    with pytest.raises(SettingsError, match=r"^setting memory=12 is no whole number of MB"):
        Settings(memory=12)
    with pytest.raises(SettingsError, match=r"^setting keep_table=True means nothing with registry=backend"):
        Settings(keep_table=True)


def test_public_channels_beside_an_open_door_are_refused():
    with pytest.raises(SettingsError, match=r"^setting public_channels='news' means nothing with auth=none"):
        Settings.from_context({"registry": "dynamodb", "auth": "none", "public_channels": "news"})


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("name", "a" * 57, "1 to 56 letters"),
        ("name", "1a", "a letter first"),
        ("name", "my_api", "hyphens"),
        ("name", "a\n", "e.g. clearstar-websocket"),
        ("description", "", "1 to 1024 characters"),
        ("description", "x" * 1025, "1 to 1024 characters"),
        ("stage", "prod/", "bare name"),
        ("stage", "$default", "e.g. production"),
        ("memory", "127", "from 128 to 10240"),
        ("memory", "10241", "from 128 to 10240"),
        ("memory", "256MB", "whole number of MB"),
        ("memory", "٢٥٦", "whole number of MB"),
        ("memory", True, "whole number of MB"),
        ("timeout", "30", "from 1 to 29"),
        ("timeout", "0", "from 1 to 29"),
        ("log_retention_days", "8", "5, 7, 14"),
        ("access_logs", "yes", "true nor false"),
        ("throttle", "100", "e.g. 100/200"),
        ("throttle", "0/200", "above zero"),
        ("throttle", "100/0", "above zero"),
        ("registry", "redis", "give backend"),
        ("registry", "DynamoDB", "or dynamodb"),
        ("auth", "pusher", "give signature"),
        ("history", "admin", "is no JSON object; give events"),
        ("history", '["admin"]', "is no JSON object; give events"),
        ("history", '{"admin": 0}', "1 to 100000 each"),
        ("history", '{"admin": 100001}', "1 to 100000 each"),
        ("history", '{"admin": true}', "'admin': True in it"),
        ("history", '{"a b": 5}', "'a b': 5 in it"),
        ("history", '{"a*b": 5}', "'a*b': 5 in it"),
        ("history", '{"": 5}', "'': 5 in it"),
        ("history", '{"%s": 5}' % ("x" * 201), "by channel or prefix"),
        ("history", str({"x" * 190 + str(n): 5 for n in range(8)}).replace("'", '"'), "room for 1500"),
        ("history_ttl", "604801", "1 to 604800"),
        ("public_channels", "*", "auth=none"),
        ("public_channels", "news,*", "auth=none"),
        ("public_channels", "", "e.g. news,public-*"),
        ("public_channels", "news, public", "separated by commas"),
        ("public_channels", "a*b", "with a star"),
        ("public_channels", "n\u0435ws", "names of channels"),  # a Cyrillic letter
        ("public_channels", "x" * 201, "names of channels"),
        ("public_channels", ",".join(["x" * 200] * 8), "room for 1500"),
        ("allowed_origins", "", "e.g. https://app.example.com"),
        ("allowed_origins", "*", "as browsers send them"),
        ("allowed_origins", "null", "as browsers send them"),
        ("allowed_origins", "app.example.com", "as browsers send them"),
        ("allowed_origins", "https://app.example.com/", "without a slash at the end"),
        ("allowed_origins", "https://App.example.com", "small letters"),
        ("allowed_origins", "https://app.example.com:443", "without the usual port"),
        ("allowed_origins", "https://a.b, https://c.d", "has ' https://c.d' in it"),
        ("allowed_origins", "https://*", "as browsers send them"),
        ("allowed_origins", "https://*.com", "as browsers send them"),
        ("allowed_origins", "https://*example.com", "as browsers send them"),
        ("allowed_origins", "https://a.*.example.com", "a star for the first of several labels"),
        ("allowed_origins", "https://*.*.example.com", "as browsers send them"),
        ("concurrency", "0", "from 1 to 100000"),
        ("concurrency", "some", "invocations at once"),
        ("backend_role", "", "names in IAM"),
        ("backend_role", "a, b", "has ' b' in it"),
        ("backend_role", "arn:aws:iam::123456789012:role/my-backend", "the last part of the ARN"),
        ("backend_user", "x" * 65, "e.g. my-backend"),
        ("permissions_boundary", "arn:aws:iam::1:policy/a", "its name or ARN"),
        ("permissions_boundary", "a b", "e.g. developer-boundary"),
        ("ipv6", "yes", "true nor false"),
        ("domain", "wss://ws.example.com", "without wss://"),
        ("domain", "localhost", "e.g. ws.example.com"),
        ("domain", "WS.example.com", "in small letters"),
        ("domain", "*.example.com", "e.g. ws.example.com"),
        ("domain", f"{'a' * 64}.example.com", "no host name"),
        ("certificate", "arn:aws:iam::123456789012:server-certificate/x", "which ACM has in the region"),
        ("zone", "example.com", "e.g. Z0123456789ABCDEFGHIJ"),
        ("monitoring", "yes", "nor a mail address"),
        ("monitoring", "a@b", "e.g. ops@example.com"),
        ("monitoring", f"{'a' * 250}@b.de", "e.g. ops@example.com"),
        ("daily_budget", "0", "above zero"),
        ("daily_budget", "$5", "US dollars a day"),
        ("daily_budget", "1e3", "e.g. 5 or 0.50"),
        ("quotas", "10000", "give both as the account has them"),
        ("quotas", "0/500", "e.g. 2500/500"),
        ("allowed_origins", "https://пример.рф", "as browsers send them"),
        ("allowed_origins", "https://a.b\n", "as browsers send them"),
    ],
)
def test_a_malformed_value_is_refused_with_its_name_itself_and_what_would_be_right(name, value, right):
    with pytest.raises(SettingsError) as refusal:
        Settings.from_context({name: value})
    text = str(refusal.value)
    assert text.startswith(f"setting {name}={value!r}"[:60])
    assert right in text
    assert "\n" not in text
    assert len(text) < 400


@pytest.mark.parametrize(
    ("name", "meant"), [("memry", "memory"), ("Stage", "stage"), ("log-retention-days", "log_retention_days")]
)
def test_an_unknown_setting_is_refused_with_the_one_that_was_probably_meant(name, meant):
    with pytest.raises(SettingsError, match=f"setting {name}='1' is unknown; did you mean {meant}\\?"):
        Settings.from_context({name: "1"})


def test_an_unknown_setting_that_is_like_no_other_is_refused_with_all_there_are():
    with pytest.raises(SettingsError) as refusal:
        Settings.from_context({"zzz": "1"})
    assert str(refusal.value) == f"setting zzz='1' is unknown; the settings are {', '.join(NAMES)}"


@pytest.mark.parametrize(
    "key",
    [
        "aws:cdk:bundling-stacks",
        "@aws-cdk/core:newStyleStackSynthesis",
        "availability-zones:account=123456789012:region=eu-central-1",
        "cli-telemetry",
        "acknowledged-issue-numbers",
    ],
)
def test_context_of_the_cdk_itself_is_no_setting(key):
    assert Settings.from_context({key: ["**"]}) == Settings()


@given(name=st.sampled_from(NAMES), value=st.text() | st.integers() | st.floats() | st.none() | st.lists(st.text()))
def test_any_value_gives_settings_or_a_refusal_of_one_line(name, value):
    refusal = None
    try:
        settings = Settings.from_context({name: value})
    except SettingsError as error:
        refusal = str(error)
    if refusal is None:
        assert getattr(settings, name) is not None
    else:
        assert refusal.startswith(f"setting {name}=")
        assert len(refusal.splitlines()) == 1


@pytest.mark.parametrize("name", ["name", "stage", "backend_role", "permissions_boundary"])
def test_a_value_that_is_not_there_is_not_taken_for_text(name):
    """As of an environment variable that is not set."""
    for make in (lambda: Settings(**{name: None}), lambda: Settings.from_context({name: None})):
        with pytest.raises(SettingsError, match=f"^setting {name}=None has no value; give one"):
            make()
