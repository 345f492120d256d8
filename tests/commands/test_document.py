"""docs/operating.md: every command in it is one, with options that exist."""

import re
import shlex
from pathlib import Path

from broadcaster.commands.main import make_parser

TEXT = (Path(__file__).parents[2] / "docs" / "operating.md").read_text("utf-8")


def test_every_command_is_one():
    lines = re.findall(r"^    (?:.*\| )?(?:broadcaster|python3? -m broadcaster) (.*)$", TEXT, re.MULTILINE)
    for line in lines:
        make_parser().parse_args(shlex.split(line.partition(" | ")[0], comments=True))
    assert len(lines) >= 4


def test_every_command_is_in_the_table():
    named = set(re.findall(r"^\| `(\w+)[^`]*` \|", TEXT.partition("## From a terminal")[2].split("\n##")[0], re.M))
    [action] = [each for each in make_parser()._actions if each.choices]
    assert named == set(action.choices)
