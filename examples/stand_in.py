"""DynamoDB and Secrets Manager on this machine, with the table and the secrets of a stack that was synthesized.

`python -m examples.stand_in --assembly cdk.out` prints seven lines and serves until it is ended; nothing is kept:

AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:PORT            for the Lambda and for the backend
AWS_ENDPOINT_URL_SECRETS_MANAGER=http://127.0.0.1:PORT
REGISTRY_TABLE=…                                           for the Lambda: python -m local_gateway --env NAME=VALUE
REGISTRY_SCOPE=local                                       what the keys of this list begin with
SUBSCRIPTION_SECRET=arn:…                                  empty where the stack has no secret
BROADCASTER_REGISTRY=dynamodb://…?region=…&scope=local     for the backend's environment
BROADCASTER_SECRET=arn:…

With publish=https or bearer in the stack there are besides, for the Lambda:

PUBLISH_KEY=arn:…                                          what it holds is the variable PUBLISH_KEY_TEXT, or made up
PUBLISH_BEARER=arn:…                                       what it holds is the variable PUBLISH_TOKEN, or made up

It is moto, which checks no signature and forgets no expired row; what the real services refuse it may accept. Because
it checks none, it answers AWS clients on this machine alone and no web page: the secret would be anybody's to read.
"""

import argparse
import json
import logging
import os
import secrets
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

TABLE = "AWS::DynamoDB::Table"
SECRET = "AWS::SecretsManager::Secret"  # noqa: S105 - a type of resource
FUNCTION = "AWS::Lambda::Function"
SIGNING = "SUBSCRIPTION_SECRET"  # what a function knows the secret by that nothing else says the use of
SCOPE = "local"  # whatever API id the backend is given, and the one of the local gateway
TARGETS = ("DynamoDB_20120810.", "secretsmanager.")  # how the X-Amz-Target of the two services begins

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class WrongAssembly(Exception):
    """What was given is no assembly with a table, in a sentence."""


def one_at_a_time(application: Application) -> Application:
    """Let a WSGI application answer one request after the other, so that a write with a condition is one step.

    As DynamoDB's are; moto looks at the condition first, and two of the same moment would both be met.
    """
    lock = threading.Lock()

    def answer(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        with lock:
            return list(application(environ, start_response))

    return answer


class ClientsOnly:
    """Refuses with 403 what a web page may have sent, before moto sees it; a WSGI application around moto's.

    A page of any site can send requests to a port of its visitor's machine, and moto allows each origin to read the
    answers. A host name that the page's owner has pointed at 127.0.0.1 makes them requests of the same origin, which
    have the foreign name in `Host`.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        reason = self.find_reason(environ)
        if reason is None:
            return self._application(environ, without_cors(start_response))
        text = json.dumps({"__type": "AccessDeniedException", "message": reason}).encode()
        headers = [("Content-Type", "application/x-amz-json-1.0"), ("Content-Length", str(len(text)))]
        start_response("403 Forbidden", headers)
        return [text]

    @staticmethod
    def find_reason(environ: Environ) -> str | None:
        """Return why a request is refused, or None."""
        port = environ["SERVER_PORT"]
        if environ.get("HTTP_HOST") not in (f"127.0.0.1:{port}", f"localhost:{port}"):
            return f"the Host header is not 127.0.0.1:{port}; use the address that was printed"
        if any(name in environ for name in ("HTTP_ORIGIN", "HTTP_REFERER", "HTTP_SEC_FETCH_SITE")):
            return "the request comes from a web page; only AWS clients are answered"
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if environ["REQUEST_METHOD"] != "POST" or environ["PATH_INFO"] != "/" or not target.startswith(TARGETS):
            return "this is no call of DynamoDB or Secrets Manager: POST / with X-Amz-Target"
        return None


def without_cors(start_response: StartResponse) -> StartResponse:
    """Take out what allows other origins to read an answer."""

    def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        kept = [header for header in headers if not header[0].lower().startswith("access-control-")]
        return start_response(status, kept, *rest)

    return start


class Resources(NamedTuple):
    """A table's name and properties, and the name of each secret by the variable that tells a function its ARN."""

    table: str
    properties: dict[str, Any]
    secrets: dict[str, str]


def find_resources(assembly: Path) -> Resources:
    """Return what the stack has that the stand-in can have.

    Raises:
        WrongAssembly: that is no table.
    """
    tables: dict[str, dict[str, Any]] = {}
    named: dict[str, str] = {}
    for path in sorted(assembly.glob("*.template.json")):
        try:
            resources = json.loads(path.read_text("utf-8"))["Resources"]
        except ValueError:
            raise WrongAssembly(f"{path} is not JSON; write it anew with: cdk synth -c registry=dynamodb") from None
        told = dict(find_references(resources))
        for logical_id, resource in resources.items():
            name = f"{path.name.removesuffix('.template.json')}-{logical_id}"
            if resource["Type"] == TABLE:
                tables[name] = resource["Properties"]
            elif resource["Type"] == SECRET:
                named[told.get(logical_id, SIGNING)] = name
    if not tables:
        raise WrongAssembly(f"{assembly} has no stack with a table; write it with: cdk synth -c registry=dynamodb")
    table, properties = tables.popitem()
    return Resources(table, properties, named)


def find_references(resources: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a variable of a function refers to, with the variable's name."""
    for resource in resources.values():
        if resource["Type"] == FUNCTION:
            for variable, value in resource["Properties"].get("Environment", {}).get("Variables", {}).items():
                if isinstance(value, dict) and "Ref" in value:
                    yield value["Ref"], variable


def make_resources(found: Resources, url: str, region: str) -> dict[str, str]:
    """Make the table and the secrets in the stand-in; return the secrets' ARNs by variable."""
    session = boto3.Session("local", "local", region_name=region)
    dynamodb = session.client("dynamodb", endpoint_url=url)
    dynamodb.create_table(
        TableName=found.table,
        **{key: found.properties[key] for key in ("AttributeDefinitions", "KeySchema", "BillingMode")},
    )
    if expiry := found.properties.get("TimeToLiveSpecification"):  # nothing expires here, but `doctor` looks at it
        dynamodb.update_time_to_live(TableName=found.table, TimeToLiveSpecification=expiry)
    made_up = {"app_id": "1", "key": "local", "secret": secrets.token_hex(32)}
    texts = {
        "PUBLISH_KEY": os.environ.get("PUBLISH_KEY_TEXT") or json.dumps(made_up),
        "PUBLISH_BEARER": os.environ.get("PUBLISH_TOKEN") or secrets.token_hex(32),
    }
    manager = session.client("secretsmanager", endpoint_url=url)
    return {
        variable: manager.create_secret(Name=name, SecretString=texts.get(variable) or secrets.token_hex(32))["ARN"]
        for variable, name in found.secrets.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assembly", type=Path, default=Path("cdk.out"), help="folder that 'cdk synth' wrote")
    parser.add_argument("--region", default="us-east-1", help="default: %(default)s")
    options = parser.parse_args()
    try:
        found = find_resources(options.assembly)
    except WrongAssembly as error:
        print(error, file=sys.stderr)
        return 1
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line for each request
    application = ClientsOnly(one_at_a_time(DomainDispatcherApplication(create_backend_app)))
    server = make_server("127.0.0.1", 0, application, threaded=True)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    url = f"http://127.0.0.1:{server.server_port}"
    arns = make_resources(found, url, options.region)
    signing = arns.pop(SIGNING, "")
    print(f"AWS_ENDPOINT_URL_DYNAMODB={url}")
    print(f"AWS_ENDPOINT_URL_SECRETS_MANAGER={url}")
    print(f"REGISTRY_TABLE={found.table}")
    print(f"REGISTRY_SCOPE={SCOPE}")
    print(f"SUBSCRIPTION_SECRET={signing}")
    print(f"BROADCASTER_REGISTRY=dynamodb://{found.table}?region={options.region}&scope={SCOPE}")
    print(f"BROADCASTER_SECRET={signing}", flush=True)
    for variable, arn in arns.items():
        print(f"{variable}={arn}", flush=True)
    try:
        serving.join()
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
