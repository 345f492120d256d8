"""What a process that has just begun costs: importing, the first message, and memory for 100,000 targets.

Every figure is of a process of its own, from the kernel's account of it after its end.
"""

import argparse
import os
import re
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple

from .contenders import ROOT, environment
from .rows import Row, show
from .sink import HOW_TO_GET, Sink, missing, pin, running

_IMPORT = "import broadcaster"
_FIRST_MESSAGE = """
from broadcaster import init_broadcaster, register_connection, broadcast_admin_event
init_broadcaster(endpoint_url="{url}/now", region="us-east-1")
register_connection("L0SM9cOFvHcCIhw=")
result = broadcast_admin_event({{"type": "run_started"}})
if result != {{"sent": 1, "failed": 0, "stale": 0}}:
    raise SystemExit(str(result))
"""


class Cost(NamedTuple):
    """What a process took from its first instruction to its end: milliseconds of CPU, MB of memory at most."""

    cpu: float
    memory: float
    output: str


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer processes")
    options = parser.parse_args()
    if gone := missing():
        print(f"{' and '.join(gone)} not found; {HOW_TO_GET}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, running(Path(folder)) as sink:
        show(measure(sink, Path(folder), is_quick=options.quick))
    return 0


def measure(sink: Sink, folder: Path, *, is_quick: bool) -> list[Row]:
    """Return the rows about processes that have just begun."""
    bundle = folder / "bundle.pem"
    bundle.write_bytes(sink.authority.read_bytes() + _public_authorities())
    from_file = {"AWS_CA_BUNDLE": str(bundle)}
    from_folder = {"SSL_CERT_DIR": str(_indexed(bundle, folder / "authorities"))}
    times, targets = (5, 20_000) if is_quick else (21, 100_000)
    first_message = _FIRST_MESSAGE.format(url=sink.url)
    processes = {
        "bare": ("pass", {}),
        "import": (_IMPORT, {}),
        "first": (first_message, from_folder),
        "first, file": (first_message, from_file),
    }
    costs: dict[str, list[Cost]] = {name: [] for name in processes}
    for number in range(-1, times):
        for name, (code, variables) in processes.items():
            cost = _run(["-c", code], **variables)
            if number >= 0:  # the first ones have written the bytecode
                costs[name].append(cost)
    cpu = {name: sorted(cost.cpu for cost in each) for name, each in costs.items()}
    before = sink.requests()
    many = _run(["-m", "bench.many_targets", str(targets), f"{sink.url}/now"], **from_file)
    sent = sink.requests() - before
    if sent != targets:
        raise RuntimeError(f"of {targets} messages nginx has read {sent}")
    after_import = median(cost.memory for cost in costs["import"])
    importing = median(cpu["import"]) - median(cpu["bare"])
    return [
        Row(
            "import broadcaster, CPU over a bare interpreter",
            importing,
            "ms",
            20,
            12,
            note=f"by the cheapest {cpu['import'][0] - cpu['bare'][0]:.1f}; the bare one {median(cpu['bare']):.0f}",
        ),
        Row(
            "first message from a fresh process, CPU of all of it",
            median(cpu["first"]),
            "ms",
            110,
            80,
            note=f"{cpu['first'][0]:.0f} to {cpu['first'][-1]:.0f}, with the authorities in the system's folder;"
            f" {median(cpu['first, file']):.0f} with them in an AWS_CA_BUNDLE of {bundle.stat().st_size // 1000} KB",
        ),
        Row(
            f"memory for {targets:,} targets in one broadcast, peak",
            many.memory,
            "MB",
            80,
            50,
            note=f"registry and all; {after_import:.0f} of it after the import alone",
        ),
        Row(
            "ids read from the registry and not answered yet, at most",
            float(many.output),
            "",
            20_000,
            12_000,
            note=f"of {targets:,}, read in pages of 1,000",
        ),
    ]


def _run(arguments: list[str], **variables: str) -> Cost:
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment() | variables,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: pin(last=False),
    )
    output = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{arguments[0]} has failed; its error is above")
    return Cost((usage.ru_utime + usage.ru_stime) * 1e3, usage.ru_maxrss / 1024, output)


def _indexed(bundle: Path, folder: Path) -> Path:
    """Make a folder of a bundle's certificates such as Debian's /etc/ssl/certs, one file each, found by its hash."""
    folder.mkdir()
    certificates = re.findall(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", bundle.read_text(), re.DOTALL)
    for number, certificate in enumerate(certificates):
        (folder / f"{number}.pem").write_text(certificate)
    subprocess.run(["openssl", "rehash", folder], check=True)
    return folder


def _public_authorities() -> bytes:
    """Return the bundle that clients trust usually."""
    bundle = ssl.get_default_verify_paths().cafile
    if bundle is None:
        import botocore

        bundle = str(Path(botocore.__file__).with_name("cacert.pem"))
    return Path(bundle).read_bytes()
