"""Credentials are the ones that botocore would use, and a refresh is honoured."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import botocore.session
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broadcaster.aws.choose import find_region
from broadcaster.aws.credentials import CredentialSource
from broadcaster.errors import ConfigurationError

VARIABLES = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_PROFILE"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An AWS set-up of the test's own: files in `tmp_path`, nothing in the environment, no instance metadata."""
    for name in [*VARIABLES, "AWS_DEFAULT_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return tmp_path


def write_profile(home, name, key):
    with (home / "credentials").open("a") as file:
        file.write(f"[{name}]\naws_access_key_id = {key}\naws_secret_access_key = secret-of-{key}\n")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.fixed_dictionaries({}, optional={name: st.sampled_from(["", "one", "two"]) for name in VARIABLES}))
def test_the_environment_is_read_as_botocore_reads_it(home, environment):
    (home / "credentials").write_text("")
    for name in ("default", "one", "two"):
        write_profile(home, name, f"key-of-{name}")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            theirs = botocore.session.Session().get_credentials().get_frozen_credentials()[:3]
        except botocore.exceptions.BotoCoreError:
            with pytest.raises(ConfigurationError):
                CredentialSource().read()
        else:
            assert tuple(CredentialSource().read()) == theirs


def test_keys_in_the_environment_need_no_botocore():
    code = (
        "import sys; from broadcaster.aws.credentials import CredentialSource; "
        "print(CredentialSource({'AWS_ACCESS_KEY_ID': 'a', 'AWS_SECRET_ACCESS_KEY': 'b'}).read().access_key, "
        "'botocore' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "a False\n"
    )


def test_a_change_in_the_environment_is_seen():
    environment = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "c"}
    source = CredentialSource(environment)
    assert source.read() == ("a", "b", "c")
    environment["AWS_SESSION_TOKEN"] = "d"
    assert source.read() == ("a", "b", "d")


def test_credentials_that_expire_are_fetched_again(home):
    """A credential process hands out keys that are as good as expired, so botocore asks it at each reading."""
    counter = home / "asked"
    script = home / "process.py"
    script.write_text(
        "import datetime, json, pathlib, sys\n"
        f"counter = pathlib.Path({str(counter)!r})\n"
        "asked = len(counter.read_text()) + 1 if counter.exists() else 1\n"
        "counter.write_text('x' * asked)\n"
        "soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=60)\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'key{asked}', 'SecretAccessKey': 's', 'SessionToken': 't',"
        " 'Expiration': soon.isoformat()}))\n"
    )
    (home / "config").write_text(f"[default]\ncredential_process = {sys.executable} {script}\n")
    source = CredentialSource()
    keys = [source.read().access_key for _ in range(3)]
    assert len(set(keys)) > 1
    assert keys == sorted(keys)


def test_a_rewritten_file_is_read_when_asked_for(home):
    write_profile(home, "default", "old")
    source = CredentialSource()
    assert source.read().access_key == "old"
    (home / "credentials").unlink()
    write_profile(home, "default", "new")
    assert source.read().access_key == "old"
    assert source.read(anew=True).access_key == "new"
    assert source.read().access_key == "new"


def test_no_credentials_at_all_is_said_with_what_would_help(home):
    with pytest.raises(ConfigurationError, match="no AWS credentials found; attach the stack's backend policy"):
        CredentialSource().read()


def test_half_of_the_keys_is_said():
    with pytest.raises(ConfigurationError, match="AWS_SECRET_ACCESS_KEY is not"):
        CredentialSource({"AWS_ACCESS_KEY_ID": "a"}).read()


def test_a_profile_that_does_not_exist_is_named(home, monkeypatch):
    (home / "credentials").write_text("[work]\naws_access_key_id = a\n")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    for read in (CredentialSource().read, find_region):
        with pytest.raises(ConfigurationError) as caught:
            read()
        said = "AWS_PROFILE names the profile 'nobody', which is neither in "
        assert f"{said}{home / 'config'} nor {home / 'credentials'} (there: work); correct" in str(caught.value)


def test_the_variable_that_botocore_obeys_is_named(home, monkeypatch):
    (home / "config").write_text("[profile work]\nregion = eu-west-3\n")
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setenv("AWS_DEFAULT_PROFILE", "nobody")
    with pytest.raises(ConfigurationError, match="AWS_DEFAULT_PROFILE names the profile 'nobody'"):
        CredentialSource().read()


def test_errors_hold_no_secret(home):
    (home / "credentials").write_text(json.dumps({"not": "an ini file"}))
    with pytest.raises(ConfigurationError):
        CredentialSource().read()


@pytest.mark.parametrize("name", VARIABLES[:4])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r\nX-Injected: 1", " ", "\0", "é"])
def test_what_no_key_has_is_refused_and_not_shown(name, ending):
    environment = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "hush", name: "topsecret" + ending}
    with pytest.raises(ConfigurationError, match=f"the variable {name} has") as caught:
        CredentialSource(environment).read()
    assert "topsecret" not in str(caught.value)


def test_what_no_key_has_is_refused_from_a_file_too(home):
    (home / "credentials").write_text(
        "[default]\naws_access_key_id = AKID\naws_secret_access_key = s\naws_session_token = hush hush\n"
    )
    with pytest.raises(ConfigurationError, match=r"the session token that boto3 finds .*credentials") as caught:
        CredentialSource().read()
    assert "hush" not in str(caught.value)


def test_a_refusal_to_hand_out_credentials_says_who_refused(home, monkeypatch, start_sts):
    """A role that may not be assumed, as boto3 asks for it; AWS's answer is a real one."""
    (home / "credentials").write_text("[base]\naws_access_key_id = AKID\naws_secret_access_key = s\n")
    (home / "config").write_text(
        "[default]\nrole_arn = arn:aws:iam::123456789012:role/backend\nsource_profile = base\nregion = us-east-1\n"
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", start_sts)
    with pytest.raises(ConfigurationError, match="AssumeRole was refused with AccessDenied: User x may not") as caught:
        CredentialSource().read()
    assert "AKID" not in str(caught.value)


@pytest.fixture
def start_sts():
    """The URL of a server that refuses every AssumeRole."""

    class Refuse(BaseHTTPRequestHandler):
        def do_POST(self):
            body = (
                b'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
                b"<Code>AccessDenied</Code><Message>User x may not</Message></Error></ErrorResponse>"
            )
            self.send_response(403)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuse) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_same_credentials_are_the_same_object_and_cost_no_new_one(home, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    source = CredentialSource()
    assert source.read() is source.read()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "c")
    assert source.read().secret_key == "c"
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(ConfigurationError, match="no AWS credentials found"):
        source.read()
