"""docs/security.md says what the roles may do, and for how long what is accepted; both are compared with the code."""

from __future__ import annotations

import json
import re

import pytest


@pytest.fixture
def document(project) -> str:
    return (project / "docs" / "security.md").read_text("utf-8")


def test_the_statements_are_those_of_the_template(document, registering_template, properties):
    [statements] = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", document, re.DOTALL))
    [policy] = properties(registering_template, "AWS::IAM::Policy")
    assert policy["PolicyDocument"]["Statement"] == statements
    [policy] = properties(registering_template, "AWS::IAM::ManagedPolicy")
    statements[0]["Action"].append("dynamodb:PutItem")
    assert policy["PolicyDocument"]["Statement"][1:] == statements


def test_the_times_are_those_of_the_code(document):
    import signing_secret
    from broadcaster import secret_lifetime
    from broadcaster.registries import ENTRY_LIFETIME

    words = {300: "five minutes", 900: "fifteen minutes", 5: "five seconds", 7_500: "two hours and five minutes"}
    text = " ".join(document.split())
    for seconds in (
        secret_lifetime.KEEP_SECONDS,
        secret_lifetime.GRACE_SECONDS,
        signing_secret.PAUSE_SECONDS,
        ENTRY_LIFETIME,
    ):
        assert words[seconds] in text


def test_every_reason_of_a_refusal_is_named(document, project):
    sources = "".join(path.read_text("utf-8") for path in (project / "lambda_src").glob("*.py"))
    reasons = set(re.findall(r'RefusedError\(\s*"(\w+)"', sources)) | {"origin", "no_origin"}
    assert {"no_signature", "bad_signature"} < reasons
    assert all(f"`{reason}`" in document for reason in reasons)
