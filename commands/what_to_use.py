"""What `dev.py run` prints when all of it is up: the addresses, and lines to paste."""

import shlex
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
{for_others}
Ctrl-C ends all of it.
"""

# With --publish. The host and the port are given apart, as the SDKs take them.
FOR_OTHERS = """
For other languages, over HTTP:
  curl {url}publish -H 'authorization: Bearer {token}' -d '{{"channel":"admin","event":"admin_event","data":{{"n":1}}}}'
or a stock Pusher server SDK with:
  app id       {key[app_id]}
  key          {key[key]}
  secret       {key[secret]}
  host         {host}
  port         {port}, without TLS
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
    *,
    url: str,
    websocket: str,
    region: str,
    password: str,
    registry: str,
    for_backend: Mapping[str, str],
    publishing: tuple[str, Mapping[str, str], str] | None = None,
) -> str:
    """Return the text.

    Args:
        url: of the example backend.
        publishing: where other languages publish, with which key, and with which token.
    """
    user = f"demo:{password}"
    post = f"curl -u {user} -H 'content-type: application/json' {url}"
    return TEXT.format(
        url=url,
        websocket=websocket,
        region=region,
        user=user,
        post=post,
        then=THEN[registry].format(post=post),
        for_others=for_others(*publishing) if publishing else "",
        for_backend="\n".join(f"{name}={shlex.quote(value)}" for name, value in for_backend.items()),
    )


def for_others(url: str, key: Mapping[str, str], token: str) -> str:
    host, _, port = url.removeprefix("http://").removesuffix("/").rpartition(":")
    return FOR_OTHERS.format(url=url, key=key, token=token, host=host, port=port)
