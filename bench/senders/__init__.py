"""The ways to send that are compared. Each is a class `Sender` in a module of its own, made in a process of its own."""

from typing import Protocol


class Sender(Protocol):
    """One way to send.

    Made with the address of the sink (`https://localhost:8443`) and the path of the authority to trust.
    """

    def send(self, stage: str, body: bytes, connection_ids: list[str]) -> None:
        """Post the body to each of the connections; raise if an answer is not a 200."""

    def close(self) -> None:
        """Close the connections."""
