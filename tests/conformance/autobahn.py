"""Runs the Autobahn test suite against an echo function behind the local gateway, and prints the result as a table.

    .venv/bin/python tests/conformance/autobahn.py            every case that applies
    .venv/bin/python tests/conformance/autobahn.py '7.*'      those that match

The suite is the last one published and needs CPython 2.7: `python2.7` on PATH, or pyenv's. It is installed into
`.dev/autobahn` once. The exit code is 0 if no case fails, 1 if one does, 3 without CPython 2.7.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUITE = "autobahntestsuite==25.10.1"
INSTALLED = ROOT / ".dev" / "autobahn"
# zope is a namespace package of the old kind, which takes a site folder, not PYTHONPATH alone.
START = "import site, sys; site.addsitedir(sys.argv.pop(1)); from autobahntestsuite import wstest; wstest.run()"

sys.path.insert(0, str(ROOT))

# What API Gateway refuses, or does not offer.
EXCLUDED = {
    "binary frames, which are refused with 1003": ["1.2.*", "9.2.*", "9.4.*", "9.6.*", "9.8.*"],
    "frames of more than 32 KB, which are refused with 1009": ["1.1.6", "1.1.7", "1.1.8"],
    "messages of more than 128 KB or frames of more than 32 KB, refused with 1009": ["9.1.*", "9.3.*", "9.5.*"],
    "empty messages: an empty answer of a function is no frame (inferred)": ["1.1.1", "6.1.1", "6.1.2", "9.7.1"],
    "permessage-deflate, which API Gateway does not offer": ["12.*", "13.*"],
}
TITLES = {
    1: "Framing",
    2: "Pings and pongs",
    3: "Reserved bits",
    4: "Opcodes",
    5: "Fragmentation",
    6: "UTF-8",
    7: "Close handling",
    9: "Many messages",
    10: "Auto-fragmentation",
}
# What the suite calls each end of a case, of its messages and of its closing. "Non-strict" is about how early an
# invalid fragment is refused; "informational" has no right answer.
VERDICTS = {"OK": "passed", "NON-STRICT": "passed, not at the earliest moment", "INFORMATIONAL": "informational"}


def echo(event, context):
    """Answer a message with itself."""
    return {"statusCode": 200, "body": event.get("body")}


def find_python2() -> str | None:
    """Path of CPython 2.7 with pip, or `None`."""
    for python in _candidates():
        ran = subprocess.run([python, "-m", "pip", "--version"], capture_output=True, text=True, check=False)
        if ran.returncode == 0 and "python 2.7" in ran.stdout:
            return python
    return None


def _candidates() -> Iterator[str]:
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    yield from map(str, sorted(versions.glob("2.7.*/bin/python2.7"), reverse=True))
    if found := shutil.which("python2.7"):
        yield found


def install(python2: str) -> None:
    """Install the suite, if it is not."""
    if (INSTALLED / "autobahntestsuite").is_dir():
        return
    INSTALLED.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=INSTALLED.parent) as folder:
        command = [python2, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", folder, SUITE]
        subprocess.run(command, check=True, stdout=sys.stderr, stderr=subprocess.DEVNULL)
        shutil.copytree(folder, INSTALLED)


def run(python2: str, cases: Sequence[str]) -> dict[str, str]:
    """Run cases against a fresh gateway; for each, its verdict."""
    from local_gateway.testing import LocalGateway

    install(python2)
    # One message after the other: the suite wants its messages back in their order, which AWS does not promise.
    with LocalGateway(handler=echo, is_serial=True) as gateway, tempfile.TemporaryDirectory() as folder:
        spec = {
            "outdir": folder,
            "servers": [{"agent": "gateway", "url": gateway.websocket_url, "options": {"version": 18}}],
            "cases": list(cases),
            "exclude-cases": [pattern for patterns in EXCLUDED.values() for pattern in patterns],
            "exclude-agent-cases": {},
        }
        (Path(folder) / "spec.json").write_text(json.dumps(spec))
        command = [python2, "-c", START, str(INSTALLED), "-m", "fuzzingclient", "-s", "spec.json"]
        subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr)
        found = json.loads((Path(folder) / "index.json").read_text())["gateway"]
    return {
        case: VERDICTS.get(end["behavior"], "failed") if end["behaviorClose"] in VERDICTS else "failed"
        for case, end in found.items()
    }


def table(verdicts: Mapping[str, str]) -> str:
    """The verdicts, counted by group of cases, as Markdown."""
    columns = [*VERDICTS.values(), "failed"]
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for case, verdict in verdicts.items():
        counts[int(case.split(".")[0])][verdict] += 1
    rows = [["group", *columns], ["---"] * (len(columns) + 1)]
    rows += [
        [f"{number} {TITLES[number]}", *(str(counts[number][column]) for column in columns)]
        for number in sorted(counts)
    ]
    total = sum(counts.values(), Counter())
    rows.append([f"all {len(verdicts)}", *(str(total[column]) for column in columns)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main(cases: Sequence[str]) -> int:
    python2 = find_python2()
    if python2 is None:
        print(
            "the Autobahn test suite needs CPython 2.7 with pip, which is neither on PATH nor among pyenv's versions;"
            " install it, e.g. with `pyenv install 2.7.18`",
            file=sys.stderr,
        )
        return 3
    verdicts = run(python2, cases or ["*"])
    print(table(verdicts))
    failed = sorted(case for case, verdict in verdicts.items() if verdict == "failed")
    for case in failed:
        print(f"failed: {case}")
    return 1 if failed or not verdicts else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
