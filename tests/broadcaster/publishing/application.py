"""A backend that publishes, for servers that fork: one event while it is loaded, and one for each request.

`ENDPOINT` names where to, `WINDOW` how long events wait.
"""

import os

from broadcaster import Broadcaster

VIEWER = "L0SM9cOFvHcCIhw="
caster = Broadcaster(
    endpoint_url=os.environ["ENDPOINT"], region="us-east-1", window=float(os.environ.get("WINDOW", "0.1"))
)
caster.register_connection(VIEWER)
caster.publish("logs", "log", ["loaded", os.getpid()])
caster.publish("logs", "log", ["waits", os.getpid()])


def app(environ, start_response):
    """Publish the path and the worker's process id, and answer that id."""
    caster.publish("logs", "log", [environ["PATH_INFO"], os.getpid()])
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
