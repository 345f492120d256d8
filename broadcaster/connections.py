"""Connection ids: opaque, but they come from browsers and end up in a URL."""

from .errors import InvalidArgumentError

# Every id seen is URL-safe base64 of 11 bytes: 15 characters and one `=`. AWS documents no length, so there is room.
MIN_CONNECTION_ID_LENGTH = 8  # without the `=`
MAX_CONNECTION_ID_LENGTH = 64
_ID_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


def check_connection_id(connection_id: object) -> str:
    """Return `connection_id` if it has the form of one: 8 to 64 of `A-Z a-z 0-9 _ -`, then at most two `=`.

    Nothing in it can change the path of a URL. Whether there is such a connection only API Gateway knows.

    Raises:
        InvalidArgumentError: it has not.
    """
    if not isinstance(connection_id, str):
        raise InvalidArgumentError(
            f"a connection id is text like 'L0SM9cOFvHcCIhw=', not {type(connection_id).__name__}"
        )
    bare = connection_id[:-2] + connection_id[-2:].rstrip("=")
    if not (MIN_CONNECTION_ID_LENGTH <= len(bare) <= MAX_CONNECTION_ID_LENGTH and _ID_CHARACTERS.issuperset(bare)):
        raise InvalidArgumentError(
            f"{connection_id[:80]!r} is not a connection id; they look like 'L0SM9cOFvHcCIhw=': "
            f"{MIN_CONNECTION_ID_LENGTH} to {MAX_CONNECTION_ID_LENGTH} of A-Z a-z 0-9 _ -, then at most two ="
        )
    return connection_id
