"""The settings of publishing, checked and with their defaults filled in."""

from collections.abc import Callable, Mapping

from ..channel_map import ChannelMap
from ..cheap_typing import NamedTuple
from ..errors import ConfigurationError
from ..sending.defaults import DEFAULT_TIMEOUT

DEFAULT_WINDOW = 0.1  # seconds
DEFAULT_QUEUE = 10_000  # events
DEFAULT_MAX_AGE = 30.0  # seconds
MOST_BYTES = 33_554_432  # that wait, beside `queue`: 32 MB


class PublishingSettings(NamedTuple):
    """What a publisher is to keep to.

    Attributes:
        window: returns the seconds for which the events of a channel wait for others, to share a message.
        queue: events that wait at most.
        max_age: seconds after which an event that was not sent is dropped.
        strict: whether what is wrong with an event is raised, and not only counted and logged.
        timeout: seconds that `publish` takes at most on AWS Lambda, where it sends before it returns.
    """

    window: Callable[[str], float]
    queue: int = DEFAULT_QUEUE
    max_age: float = DEFAULT_MAX_AGE
    strict: bool = False
    timeout: float = DEFAULT_TIMEOUT


def check_publishing(
    *,
    window: float | Mapping[str, float] | None = None,
    queue: int | None = None,
    max_age: float | None = None,
    strict: bool = False,
    timeout: float | None = None,
) -> PublishingSettings:
    """Return the settings.

    Raises:
        ConfigurationError: one makes no sense.
    """
    by_channel = window if isinstance(window, Mapping) else {"*": DEFAULT_WINDOW if window is None else window}
    for key, seconds in by_channel.items():
        if not _is_number(seconds) or not 0 <= seconds <= 60:
            where = f" of {key!r:.80}" if isinstance(window, Mapping) else ""
            raise ConfigurationError(f"window{where} is {seconds!r}; give seconds from 0 to 60")
    windows = ChannelMap("window", by_channel)
    queue = DEFAULT_QUEUE if queue is None else queue
    if not isinstance(queue, int) or isinstance(queue, bool) or queue < 1:
        raise ConfigurationError(f"queue {queue!r} is not a whole number of events from 1 up")
    max_age = DEFAULT_MAX_AGE if max_age is None else max_age
    if not _is_number(max_age) or not max_age > 0:
        raise ConfigurationError(f"max_age {max_age!r} is not a number of seconds above 0")

    def window_of(channel: str) -> float:
        found = windows.get(channel)
        return DEFAULT_WINDOW if found is None else found

    return PublishingSettings(window_of, queue, max_age, bool(strict), DEFAULT_TIMEOUT if timeout is None else timeout)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
