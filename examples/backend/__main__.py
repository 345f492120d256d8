"""`python -m examples.backend --port 0`: prints one line `backend http://127.0.0.1:PORT` and serves."""

import argparse
import os
import socket
import sys

import uvicorn

from . import login, simulation, traffic
from .app import app


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    parser.add_argument(
        "--simulate", type=float, default=0, metavar="SPEED", help="simulate runs from the start, e.g. 1"
    )
    options = parser.parse_args()
    port = options.port
    missing = [name for name in ("WEBSOCKET_API_ID", "AWS_REGION") if not os.environ.get(name)]
    if missing:
        print(f"{' and '.join(missing)} must be set: `python3 dev.py deploy` prints the lines", file=sys.stderr)
        return 1
    if not os.environ.get(login.PASSWORD):
        print(f"{login.PASSWORD} must be set: choose the password of the user {login.USER!r}", file=sys.stderr)
        return 1
    if not 0 <= options.simulate <= simulation.MAX_SPEED:
        print(f"--simulate {options.simulate:g} is not between 0 and {simulation.MAX_SPEED:g}", file=sys.stderr)
        return 1
    os.environ[traffic.SPEED] = str(options.simulate)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()  # whoever connects before the application is ready waits, and is not refused
    except OSError as error:
        print(f"port {port} cannot be used for the backend ({error.strerror}); give another one", file=sys.stderr)
        return 1
    config = uvicorn.Config(app, log_level="warning")
    print(f"backend http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(config).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
