"""The client completes an API id as the library does, in every region that botocore knows."""

import json
import shutil
import subprocess
from pathlib import Path

import botocore
import pytest

from broadcaster.aws.partitions import domain_of

ADDRESS = Path(__file__).parents[2] / "client" / "src" / "address.js"
PARTITIONS = json.loads((Path(botocore.__file__).parent / "data/partitions.json").read_text("utf-8"))["partitions"]
REGIONS = [name for partition in PARTITIONS for name in partition["regions"] if not name.endswith("-global")]


def test_every_region_has_the_same_address_for_the_browser_and_for_the_backend():
    node = shutil.which("node")
    if node is None:
        pytest.skip("node was not found; install Node 20 or newer")
    program = (
        f"import {{ address }} from {json.dumps(ADDRESS.as_uri())};"
        f"console.log(JSON.stringify({json.dumps(REGIONS)}.map((region) => address('a1b2c3d4e5', region))));"
    )
    done = subprocess.run(
        [node, "--input-type=module", "--eval", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(done.stdout) == [
        f"wss://a1b2c3d4e5.execute-api.{region}.{domain_of(region)}/production" for region in REGIONS
    ]
