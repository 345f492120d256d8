"""docs/local-gateway.md names tests, options and faults; they exist."""

import argparse
import re
from dataclasses import fields
from pathlib import Path

from local_gateway.arguments import parser
from local_gateway.faults import Faults

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "local-gateway.md").read_text(encoding="utf-8")


def test_every_test_that_the_page_names_exists():
    tests = "\n".join(path.read_text(encoding="utf-8") for path in HERE.rglob("test_*.py"))
    files = {path.stem for path in HERE.rglob("test_*.py")}
    named = set(re.findall(r"`(?:\w+: )?(test_[a-z0-9_]+)", PAGE)) | set(re.findall(r"`(test_\w+): ", PAGE))
    assert len(named) > 30
    for name in named:
        assert name in files or f"def {name}" in tests, name


def test_every_option_and_fault_is_on_the_page():
    options = {
        option
        for action in parser()._actions
        if not isinstance(action, argparse._HelpAction)
        for option in action.option_strings
    }
    assert {option for option in options if f"`{option}" not in PAGE} == set()
    assert "`throttle_account(" in PAGE
    assert "`throttle_handshakes(" in PAGE
    given = {field.name for field in fields(Faults)} - {"account", "handshakes"}
    assert {name for name in given if f"`{name}`" not in PAGE} == set()
