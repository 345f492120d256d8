"""From where a browser may connect: the origins that the stack was deployed with, if it was with any."""

import os

VARIABLE = "ALLOWED_ORIGINS"  # as browsers send them, separated by commas; a star stands for one label of the host

_LABEL = "abcdefghijklmnopqrstuvwxyz0123456789-"


def is_allowed(origins: frozenset[str]) -> bool:
    """Say whether a handshake with these `Origin` headers may connect.

    Where origins are listed, one without any is refused too. Every browser sends one, so only programs can lack it; and
    a program that belongs there can send the header like any other.
    """
    allowed = os.environ.get(VARIABLE)
    if not allowed:
        return True
    return len(origins) == 1 and any(_matches(origin, one) for origin in origins for one in allowed.split(","))


def _matches(origin: str, allowed: str) -> bool:
    before, star, after = allowed.partition("*")
    if not star:
        return origin == allowed
    label = origin[len(before) : len(origin) - len(after)]
    return label.strip(_LABEL) == "" != label and origin == before + label + after
