"""Connection, request and message ids in API Gateway's form."""

import base64
import os
import re

# Every real id seen is 11 bytes as URL-safe base64: 16 characters that end in "=". AWS does not document the length.
_ID = re.compile(r"[A-Za-z0-9_-]{15}=")


def new_id() -> str:
    """Make a fresh id of 16 characters, the last one `=`."""
    return base64.urlsafe_b64encode(os.urandom(11)).decode("ascii")


def is_id(value: str) -> bool:
    """Tell whether `value` could be a connection id; anything else is answered with 400, not 410."""
    return _ID.fullmatch(value) is not None
