"""A backend as small as can be: one of several workers that share a registry, named by BROADCASTER_REGISTRY.

`gunicorn tests.registries.worker:app`, or `python -m tests.registries.worker`, which prints its port.
"""

import json
import os

from broadcaster import Broadcaster, RegistryError

caster = Broadcaster("abc123xyz", region="us-east-1")


def app(environ, start_response):
    """POST a JSON object to /register, /broadcast, /expiring or /count; every answer names the worker."""
    asked = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or "{}")
    try:
        status, answer = "200 OK", ACTIONS[environ["PATH_INFO"]](asked)
    except RegistryError as error:
        status, answer = "503 Service Unavailable", str(error)
    body = json.dumps({"worker": os.getpid(), "answer": answer}).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


ACTIONS = {
    "/register": lambda asked: caster.register_connection(asked["connection_id"], channels=asked["channels"]),
    "/broadcast": lambda asked: caster.broadcast(asked["channel"], "log", asked["data"]),
    "/expiring": lambda asked: caster._registry.add(asked["connection_id"], ["forgotten"], lifetime=asked["seconds"]),
    "/count": lambda asked: caster._registry.count(),
}


if __name__ == "__main__":
    from wsgiref.simple_server import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_):
            pass

    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        print(server.server_port, flush=True)
        server.serve_forever()
