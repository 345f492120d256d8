"""The test tool: the gateway in a thread of its own, with clients, a clock to move and faults to set."""

from ..errors import GatewayError
from ..faults import Faults
from .client import Client, ClientClosedError, Closed, HandshakeRefusedError, Message
from .gateway import LocalGateway

__all__ = [
    "Client",
    "ClientClosedError",
    "Closed",
    "Faults",
    "GatewayError",
    "HandshakeRefusedError",
    "LocalGateway",
    "Message",
]
