"""What can go wrong, one class for each thing that a caller can do about it.

    BroadcasterError
    ├── ConfigurationError     fix the settings: API id, region, stage, endpoint, credentials; or call init_broadcaster
    ├── InvalidArgumentError   fix the call: a malformed channel name or connection id
    ├── MessageError           change the message: too large, or not JSON
    ├── RegistryError          look at the registry: it could not be read or written
    ├── RefusedError           look at access or the address: API Gateway refuses everybody, or cannot be found; or so
    │                          does Secrets Manager when subscriptions are to be signed
    ├── UnavailableError       try again later: API Gateway gave no answer about the connection that it was asked about,
    │                          or this machine has no file descriptor or thread left
    └── ClosedError            make a new broadcaster: this one was closed

What happens to a message for a single connection (gone, slow, throttled) is data in the `BroadcastResult`, never an
exception.
"""

from .cheap_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .results import BroadcastResult


class BroadcasterError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigurationError(BroadcasterError):
    """A setting is missing or malformed; the text names it, its value and what would be right."""


class InvalidArgumentError(BroadcasterError, ValueError):
    """A channel name, an event name or a connection id is malformed. Nothing was sent or registered."""


class MessageError(BroadcasterError, ValueError):
    """The message cannot be sent to anybody: it is too large or cannot be written as JSON. Nothing was sent."""


class RegistryError(BroadcasterError):
    """The registry of connections could not be read or written; the cause is chained.

    Attributes:
        result: of a broadcast, when a part of the list was read and sent to before this happened; else None, and then
            nothing was sent.
    """

    result: "BroadcastResult | None" = None


class RefusedError(BroadcasterError):
    """API Gateway refuses every connection alike (403) or cannot be reached, or Secrets Manager does.

    The text says what to check.
    """


class UnavailableError(BroadcasterError):
    """What was asked for could not be done now, and may be in a moment; the text says what stood in the way.

    API Gateway could not be brought to answer a question about one connection, or this machine had no file descriptor
    or thread left to send with. The next call tries afresh; nothing has to be restarted.
    """


class ClosedError(BroadcasterError):
    """The broadcaster was closed before this call."""
