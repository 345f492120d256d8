"""Nothing changes in the template unnoticed.

After a change that is meant, write the snapshot anew and read its diff: set UPDATE_SNAPSHOT to 1 in the environment and
run this file's tests.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

SNAPSHOT = Path(__file__).with_name("template.snapshot.json")


def test_the_template_is_as_in_the_snapshot(default_template):
    template = json.loads(json.dumps(default_template))
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            resource["Properties"]["Code"]["S3Key"] = "<hash of the asset>.zip"
    if os.environ.get("UPDATE_SNAPSHOT"):
        SNAPSHOT.write_text(json.dumps(template, indent=2) + "\n", encoding="utf-8", newline="\n")
    assert template == json.loads(SNAPSHOT.read_text("utf-8"))
