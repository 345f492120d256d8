"""docs/architecture.md names folders, modules and functions; they exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


def test_every_path_that_the_page_names_is_there():
    named = set(re.findall(r"`([a-z_0-9/]+(?:/|\.py))`", PAGE))
    assert len(named) > 30
    places = [ROOT, ROOT / "broadcaster", ROOT / "local_gateway"]
    assert {path for path in named if not any((place / path).exists() for place in places)} == set()


def test_every_folder_of_the_library_is_on_the_page():
    folders = {
        path.parent.relative_to(ROOT / "broadcaster").as_posix() + "/"
        for path in (ROOT / "broadcaster").rglob("__init__.py")
    } - {"./"}
    assert {folder for folder in folders if f"`{folder}`" not in PAGE} == set()
