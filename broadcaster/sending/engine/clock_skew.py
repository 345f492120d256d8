"""How far this machine's clock is off, from what a server says of its own."""

from collections.abc import Mapping

# AWS accepts signatures that are up to five minutes off; below this a difference is not why one was refused.
_TOLERATED = 240.0  # seconds
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def server_offset(headers: Mapping[str, str], now: float) -> float:
    """Return by how many seconds the server's clock is ahead of `now`; 0 if it is about right or not known."""
    date = parse_http_date(headers.get("date", ""))
    return date - now if date is not None and abs(date - now) > _TOLERATED else 0.0


def parse_http_date(text: str) -> float | None:
    """Return the seconds since the epoch of a date like `Sun, 22 Nov 2026 21:00:00 GMT`; None if it is another form.

    Written out, because the standard library's parser imports the email package.
    """
    parts = text.replace(":", " ").split()
    if len(parts) != 8 or parts[2] not in _MONTHS or parts[7] != "GMT":
        return None
    from calendar import timegm

    try:
        day, year, hour, minute, second = (int(parts[at]) for at in (1, 3, 4, 5, 6))
        return float(timegm((year, _MONTHS.index(parts[2]) + 1, day, hour, minute, second)))
    except (ValueError, OverflowError):
        return None
