"""What the texts tell people to install."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Nobody owns this name on an index yet: whoever takes it would own the machine of who follows the text.
UNPUBLISHED = re.compile(
    r"(pip|uv|poetry|pipx) +(install|add)\b[^\n`]*[\"' ]apigw-broadcaster\b|install apigw-broadcaster\b"
)


def test_no_text_installs_the_library_by_a_name_that_is_on_no_index():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    files = [ROOT / name for name in listed.decode().split("\0") if name.endswith((".py", ".md", ".toml", ".txt"))]
    assert len(files) > 100
    for file in files:
        if file != Path(__file__) and file.exists():
            found = UNPUBLISHED.search(file.read_text("utf-8"))
            assert found is None, f"{file.relative_to(ROOT)}: {found[0]}"


def test_such_a_text_would_be_found():
    for text in ('pip install "apigw-broadcaster[redis]"', "pip install apigw-broadcaster", "uv add apigw-broadcaster"):
        assert UNPUBLISHED.search(text)
    assert not UNPUBLISHED.search('pip install "path/to/apigw-broadcaster[redis]"')
