"""Settings by channel: by its whole name, or by what it begins with."""

from collections.abc import Mapping

from .channels import check_channel
from .cheap_typing import Any
from .errors import ConfigurationError, InvalidArgumentError

_MOST_KEPT = 10_000


class ChannelMap:
    """Looks up the value for a channel: that of its name, else that of the longest prefix, like `logs*`, that fits.

    Args:
        name: of the setting, for errors.
        values: by channel name, or prefix with a `*` at the end; `*` alone is for every other channel.

    Raises:
        ConfigurationError: a key is neither.
    """

    def __init__(self, name: str, values: "Mapping[str, Any]") -> None:
        self._values: dict[str, Any] = {}
        self._prefixes: list[tuple[str, Any]] = []
        for key, value in values.items():
            prefix = key[:-1] if isinstance(key, str) and key.endswith("*") else None
            try:
                check_channel(prefix or "x" if prefix is not None else key)
            except InvalidArgumentError as error:
                raise ConfigurationError(
                    f"{name} has the key {key!r:.80}, which is neither a channel nor a prefix like 'logs*': {error}"
                ) from error
            if prefix is None:
                self._values[key] = value
            else:
                self._prefixes.append((prefix, value))
        self._prefixes.sort(key=lambda each: -len(each[0]))
        self._found: dict[str, Any] = {}

    def get(self, channel: str) -> "Any":
        """Return the channel's value, or None if no key is for it. Looked up once for each channel."""
        if channel in self._values:
            return self._values[channel]
        try:
            return self._found[channel]
        except KeyError:
            pass
        value = next((value for prefix, value in self._prefixes if channel.startswith(prefix)), None)
        if len(self._found) >= _MOST_KEPT:
            self._found.clear()
        self._found[channel] = value
        return value
