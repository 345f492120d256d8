"""DynamoDB and Secrets Manager on this machine, with the table and the secret of a stack that was synthesized.

`python -m examples.stand_in --assembly cdk.out` prints six lines and serves until it is ended; nothing is kept:

AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:PORT            for the Lambda and for the backend
AWS_ENDPOINT_URL_SECRETS_MANAGER=http://127.0.0.1:PORT
REGISTRY_TABLE=…                                           for the Lambda: python -m local_gateway --env NAME=VALUE
SUBSCRIPTION_SECRET=arn:…                                  empty where the stack has no secret
BROADCASTER_REGISTRY=dynamodb://…?region=…                 for the backend's environment
BROADCASTER_SECRET=arn:…

It is moto, which checks no signature and forgets no expired row; what the real services refuse it may accept.
"""

import argparse
import json
import logging
import secrets
import sys
import time
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

TABLE = "AWS::DynamoDB::Table"
SECRET = "AWS::SecretsManager::Secret"  # noqa: S105 - a type of resource


class WrongAssembly(Exception):
    """What was given is no assembly with a table, in a sentence."""


def find_resources(assembly: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the stack's table and, if it has one, its secret: by type, each with a name and its properties."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for path in sorted(assembly.glob("*.template.json")):
        for logical_id, resource in json.loads(path.read_text("utf-8"))["Resources"].items():
            if resource["Type"] in (TABLE, SECRET):
                name = f"{path.name.removesuffix('.template.json')}-{logical_id}"
                found[resource["Type"]] = (name, resource["Properties"])
    if TABLE not in found:
        raise WrongAssembly(f"{assembly} has no stack with a table; write it with: cdk synth -c registry=dynamodb")
    return found


def make_resources(found: dict[str, tuple[str, dict[str, Any]]], url: str, region: str) -> tuple[str, str]:
    """Make the table and the secret in the stand-in; return the table's name, and the secret's ARN or nothing."""
    session = boto3.Session("local", "local", region_name=region)
    name, properties = found[TABLE]
    dynamodb = session.client("dynamodb", endpoint_url=url)
    dynamodb.create_table(
        TableName=name, **{key: properties[key] for key in ("AttributeDefinitions", "KeySchema", "BillingMode")}
    )
    if SECRET not in found:
        return name, ""
    made_up = secrets.token_hex(32)
    manager = session.client("secretsmanager", endpoint_url=url)
    return name, manager.create_secret(Name=found[SECRET][0], SecretString=made_up)["ARN"]


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
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    url = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    table, secret = make_resources(found, url, options.region)
    print(f"AWS_ENDPOINT_URL_DYNAMODB={url}")
    print(f"AWS_ENDPOINT_URL_SECRETS_MANAGER={url}")
    print(f"REGISTRY_TABLE={table}")
    print(f"SUBSCRIPTION_SECRET={secret}")
    print(f"BROADCASTER_REGISTRY=dynamodb://{table}?region={options.region}")
    print(f"BROADCASTER_SECRET={secret}", flush=True)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
