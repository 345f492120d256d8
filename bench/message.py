"""What all senders of the bench send: the same keys, bodies and connection ids."""

import time

from broadcaster.signing import ConnectionSigner, Credentials

ACCESS_KEY = "ASIAIOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # noqa: S105 - AWS's own example
# Temporary credentials, which every role has, come with a token of about this length.
TOKEN = ("IQoJb3JpZ2luX2VjEXAMPLE" * 40)[:900]
CREDENTIALS = Credentials(ACCESS_KEY, SECRET_KEY, TOKEN)
REGION = "us-east-1"


def body(size: int) -> bytes:
    """Return a message of so many bytes."""
    return b'{"channel":"admin","event":"admin_event","data":{"text":"'.ljust(size - 3, b"x") + b'"}}'


def connection_ids(count: int) -> list[str]:
    """Return so many ids that look like API Gateway's."""
    return [f"L0SM9c{number:09d}=" for number in range(count)]


def path(stage: str, connection_id: str) -> str:
    """Return the path of a post, as it is sent."""
    return f"/{stage}/@connections/{connection_id.replace('=', '%3D')}"


class HeaderSigner:
    """This project's signing for clients that want a mapping of headers and not the bytes of a request."""

    def __init__(self, host: str, stage: str, body: bytes) -> None:
        self._signer = ConnectionSigner(
            CREDENTIALS, host=host, region=REGION, base_path=f"/{stage}", method="POST", body=body, now=time.time()
        )
        lines = self._signer.head("x").decode().split("\r\n")[1:-2]
        self._headers = dict(line.split(": ", 1) for line in lines)
        del self._headers["Content-Length"], self._headers["Host"]

    def request(self, connection_id: str) -> bytes:
        """Return the bytes of a post to this connection up to its body."""
        return self._signer.head(connection_id)

    def headers(self, connection_id: str) -> dict[str, str]:
        """Return the headers of a post to this connection, but for Host and Content-Length."""
        head = self._signer.head(connection_id)
        at = head.rindex(b"Authorization: ") + 15
        return {**self._headers, "Authorization": head[at : head.index(b"\r\n", at)].decode()}
