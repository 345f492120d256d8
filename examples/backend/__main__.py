"""`python -m examples.backend --port 0`: prints one line `backend http://127.0.0.1:PORT` and serves."""

import argparse
import os
import socket
import sys

import uvicorn

from .app import app


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    port = parser.parse_args().port
    missing = [name for name in ("WEBSOCKET_API_ID", "AWS_REGION") if not os.environ.get(name)]
    if missing:
        print(f"{' and '.join(missing)} must be set: `python3 dev.py deploy` prints the lines", file=sys.stderr)
        return 1
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        print(f"port {port} cannot be used for the backend ({error.strerror}); give another one", file=sys.stderr)
        return 1
    config = uvicorn.Config(app, log_level="warning")
    print(f"backend http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(config).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
