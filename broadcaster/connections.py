"""Connection ids: opaque, but they come from browsers and end up in a URL."""

from .errors import InvalidArgumentError

# Every id seen is 16 characters of URL-safe base64. AWS documents no length, so there is room for longer ones.
MAX_CONNECTION_ID_LENGTH = 128
_ID_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-=")


def check_connection_id(connection_id: object) -> str:
    """Return `connection_id` if nothing in it can change the path of a URL: 1 to 128 of `A-Z a-z 0-9 _ - =`.

    Raises:
        InvalidArgumentError: it is not such an id.
    """
    if not isinstance(connection_id, str):
        raise InvalidArgumentError(
            f"a connection id is text like 'L0SM9cOFvHcCIhw=', not {type(connection_id).__name__}"
        )
    if not 1 <= len(connection_id) <= MAX_CONNECTION_ID_LENGTH or not _ID_CHARACTERS.issuperset(connection_id):
        raise InvalidArgumentError(
            f"{connection_id[:80]!r} is not a connection id; they look like 'L0SM9cOFvHcCIhw=' "
            f"(1 to {MAX_CONNECTION_ID_LENGTH} of A-Z a-z 0-9 _ - =)"
        )
    return connection_id
