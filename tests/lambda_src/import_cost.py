"""Print what importing the Lambda's handler costs in CPU time, over a bare interpreter; and what its first push adds.

    python tests/lambda_src/import_cost.py [path of a python, e.g. of 3.12]

The bundle is laid out as it is deployed. Without bytecode is the truth of a cold start: the deployed bundle has none
and its folder is read-only, so every cold start compiles the sources.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIBRARY_MODULES = ("channels", "errors", "http1", "signing")
RUNS = 41
MEASURE = """
import sys, time
sys.path.insert(0, sys.argv[1])
start = time.process_time_ns()
import handler
imported = time.process_time_ns()
import connection_push
from kept_connection import KeptConnection
KeptConnection("https", "localhost", 443)
prepared = time.process_time_ns()
print((imported - start) / 1e6, (prepared - imported) / 1e6)
"""


def lay_out_bundle(folder: Path) -> Path:
    """Copy what the function's bundle consists of into `folder`, in the places where the bundle has it."""
    for source in (ROOT / "lambda_src").glob("*.py"):
        shutil.copy(source, folder)
    (folder / "broadcaster").mkdir()
    for name in LIBRARY_MODULES:
        shutil.copy(ROOT / "broadcaster" / f"{name}.py", folder / "broadcaster")
    return folder


def main() -> None:
    """Measure both ways and print the median and the least of several runs, in ms."""
    python = sys.argv[1] if len(sys.argv) > 1 else sys.executable
    with tempfile.TemporaryDirectory() as temporary:
        bundle = lay_out_bundle(Path(temporary))
        for title, options in (("without bytecode", ["-B"]), ("with bytecode", [])):
            command = [python, "-I", *options, "-c", MEASURE, str(bundle)]
            runs = [subprocess.check_output(command, text=True).split() for _ in range(RUNS)]
            for step, column in (("import handler", 0), ("set up the first push over TLS", 1)):
                ms = [float(figures[column]) for figures in runs]
                print(f"{title}, {step}: median {statistics.median(ms):.1f} ms, least {min(ms):.1f} ms of CPU")


if __name__ == "__main__":
    main()
