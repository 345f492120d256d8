"""What the answer to a request about one connection says."""

from datetime import datetime

from .cheap_typing import TYPE_CHECKING, NamedTuple
from .errors import InvalidArgumentError, UnavailableError

if TYPE_CHECKING:
    from .sending.sender import Reply


class ConnectionInfo(NamedTuple):
    """What API Gateway knows of a connection that is there.

    Attributes:
        connected_at: when it was established, with its time zone.
        last_active_at: when something was last sent on it, in either direction.
        source_ip: the address that it comes from.
        user_agent: of the browser; empty for a client that sends none.
    """

    connected_at: datetime
    last_active_at: datetime
    source_ip: str
    user_agent: str


def is_there(reply: "Reply", connection_id: str) -> bool:
    """Tell from the answer whether the connection was there.

    Raises:
        InvalidArgumentError: the id is none of API Gateway's.
        UnavailableError: the answer does not tell, or there was none.
    """
    if reply.status is not None and 200 <= reply.status < 300:
        return True
    if reply.status == 410:
        return False
    if reply.status == 400:
        raise InvalidArgumentError(f"API Gateway knows no ids like {connection_id!r} ({reply.reason})")
    raise UnavailableError(f"whether {connection_id} is there could not be found out: {reply.reason}; try again later")


def read_info(reply: "Reply", connection_id: str) -> ConnectionInfo:
    """Return what the answer to GET says.

    Raises:
        UnavailableError: it is no description of a connection.
    """
    import json

    try:
        content = json.loads(reply.body)
        identity = content["identity"]
        return ConnectionInfo(
            datetime.fromisoformat(content["connectedAt"]),
            datetime.fromisoformat(content["lastActiveAt"]),
            identity.get("sourceIp", ""),
            identity.get("userAgent", ""),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnavailableError(f"the answer about {connection_id} is no description of a connection") from error
