"""How a deployment's name stands in keys, so that deployments that share a store share no list.

A module of its own because the Lambda's bundle takes it too.
"""

from ...errors import ConfigurationError

_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:/-")


def encode_scope(scope: str) -> str:
    """Return the scope as it stands in keys: but for `A-Z a-z 0-9 _ . : / -`, the bytes of its UTF-8 as `%20`.

    Raises:
        ConfigurationError: it is empty, very long, or has something in it that cannot be printed.
    """
    if not isinstance(scope, str) or not 1 <= len(scope) <= 400 or not scope.isprintable():
        raise ConfigurationError(
            f"scope {scope!r:.120} cannot tell deployments apart; give 1 to 400 characters, e.g. 'abc123xyz/production'"
        )
    return "".join(
        character if character in _CHARACTERS else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in scope
    )
