"""Channel names. The Lambda holds browsers to the same rule, so this module is part of its bundle too."""

from .errors import InvalidArgumentError

MAX_CHANNEL_LENGTH = 200
MAX_CHANNELS = 100  # of one connection, unless a setting says otherwise
_MOST_KEPT = 1_000
_right: set[str] = set()  # names that were found right: those of a process are few, and each is looked at often
_CHANNEL_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-=@,.;:/")


def too_many_channels(connection_id: str, count: int, max_channels: int) -> InvalidArgumentError:
    """Return the error of a connection that would listen to more channels than one may."""
    return InvalidArgumentError(
        f"connection {connection_id!r:.80} would listen to {count} channels, and {max_channels} is the most for one; "
        "send what belongs together on one channel, or raise max_channels"
    )


def check_channel(channel: object) -> str:
    """Return `channel` if it is a channel name: 1 to 200 of `A-Z a-z 0-9 _ - = @ , . ; : /`.

    Raises:
        InvalidArgumentError: it is not.
    """
    if channel.__class__ is str and channel in _right:
        return channel
    if not isinstance(channel, str):
        raise InvalidArgumentError(f"a channel name is text, not {type(channel).__name__}")
    if not 1 <= len(channel) <= MAX_CHANNEL_LENGTH:
        raise InvalidArgumentError(
            f"a channel name has 1 to {MAX_CHANNEL_LENGTH} characters, this one has {len(channel)}"
        )
    if not _CHANNEL_CHARACTERS.issuperset(channel):
        bad = next(character for character in channel if character not in _CHANNEL_CHARACTERS)
        raise InvalidArgumentError(f"channel {channel!r} has {bad!r} in it; allowed are A-Z a-z 0-9 _ - = @ , . ; : /")
    if len(_right) < _MOST_KEPT:
        _right.add(channel)
    return channel
