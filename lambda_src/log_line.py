"""One line of JSON per event on standard output, where Lambda picks it up for CloudWatch Logs."""

import json
import sys


def write(fields: dict[str, object]) -> None:
    """Print `fields`, without those that are None, as one line; raise nothing.

    One write for the whole line: Lambda makes a log event of each.
    """
    try:
        line = json.dumps({name: value for name, value in fields.items() if value is not None})
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except Exception:  # noqa: S110 - a client's answer matters more than the line about it
        pass
