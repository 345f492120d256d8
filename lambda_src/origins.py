"""From where a browser may connect: the origins that the stack was deployed with, if it was with any."""

import os

VARIABLE = "ALLOWED_ORIGINS"  # as browsers send them, separated by commas


def is_allowed(origins: frozenset[str]) -> bool:
    """Say whether a handshake with these `Origin` headers may connect.

    Where origins are listed, one without any is refused too. Every browser sends one, so only programs can lack it; and
    a program that belongs there can send the header like any other.
    """
    allowed = os.environ.get(VARIABLE)
    return not allowed or (len(origins) == 1 and origins.issubset(allowed.split(",")))
