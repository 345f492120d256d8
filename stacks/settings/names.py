"""What names of other things in AWS or in the DNS look like: readers for settings, as in `values.py`."""

from __future__ import annotations

import re

from .values import matching

# A label of a host name: RFC 1123, section 2.1; in lower case, as browsers send it in `Origin`.
LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# IAM API reference, CreateRole and CreateUser; a comma may be in a name and separates names here.
_IAM_NAME = r"[A-Za-z0-9_+=.@-]{1,64}"

domain = matching(
    rf"(?=.{{1,253}}$){LABEL}(\.{LABEL})+",
    "is no host name",
    "the whole name in small letters and without wss://, e.g. ws.example.com",
)
certificate = matching(
    r"arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/[A-Za-z0-9-]{1,64}",
    "is no ARN of a certificate",
    "that of one which ACM has in the region of the stack, "
    "e.g. arn:aws:acm:eu-central-1:123456789012:certificate/12345678-1234-1234-1234-123456789012",
)
zone = matching(
    r"Z[A-Z0-9]{1,31}", "is no id of a hosted zone", "the one that Route 53 shows, e.g. Z0123456789ABCDEFGHIJ"
)
permissions_boundary = matching(
    r"[A-Za-z0-9_+=.@-]{1,128}|arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[!-~]{1,512}",
    "is no policy",
    "its name or ARN, e.g. developer-boundary",
)


def iam_names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if not re.fullmatch(_IAM_NAME, name):
            hint = "the name alone, which is the last part of the ARN" if name.startswith("arn:") else "e.g. my-backend"
            raise ValueError(f"has {name[:60]!r} in it; give names in IAM, separated by commas: {hint}")
    return names
