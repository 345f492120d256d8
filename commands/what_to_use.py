"""What `dev.py run` prints when all of it is up: the addresses, and lines to paste."""

from collections.abc import Mapping

TEXT = """
  dashboard    {url}/#{user}
  WebSocket    {websocket}
  backend      {url}

Watch with     npx wscat -c {websocket}
{then}
Send an event  {post}/runs -d '{{"run_name":"My Workflow"}}'

For a front end, in .env.local:
NEXT_PUBLIC_PUSHER_KEY={websocket}
NEXT_PUBLIC_PUSHER_CLUSTER={region}

For a backend of your own, in its environment, as long as this runs:
{for_backend}

Ctrl-C ends all of it.
"""

# By who registers connections.
THEN = {
    "backend": """\
  then say     {{"action":"subscribe","channel":"admin"}}
Register it    {post}/websocket/register -d '{{"connection_id":"the id that wscat showed"}}'""",
    "dynamodb": """\
  then say     {{"action":"connection_id"}}
Sign for it    {post}/websocket/auth -d '{{"connection_id":"the id","channel":"admin"}}'
  then say     {{"action":"subscribe","channel":"admin","auth":"the signature"}}""",
}


def what_to_use(
    *, url: str, websocket: str, region: str, password: str, registry: str, for_backend: Mapping[str, str]
) -> str:
    """Return the text; `url` is the example backend's."""
    user = f"demo:{password}"
    post = f"curl -u {user} -H 'content-type: application/json' {url}"
    return TEXT.format(
        url=url,
        websocket=websocket,
        region=region,
        user=user,
        post=post,
        then=THEN[registry].format(post=post),
        for_backend="\n".join(f"{name}={value}" for name, value in for_backend.items()),
    )
