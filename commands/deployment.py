"""`dev.py synth` and `dev.py deploy`."""

import argparse
import json

from .set_up import CDK, LOGS, call, set_up


def synth(_: argparse.Namespace, arguments: list[str]) -> int:
    """Print the CloudFormation template, which is also in cdk.out."""
    set_up("deploy")
    return call([*CDK, "synth", *arguments])


def deploy(_: argparse.Namespace, arguments: list[str]) -> int:
    """Deploy with the AWS credentials of the environment and print the outputs as lines to paste."""
    set_up("deploy")
    LOGS.mkdir(exist_ok=True)
    file = LOGS / "outputs.json"
    code = call([*CDK, "deploy", "--outputs-file", file, *arguments])
    if code:
        return code
    for stack, outputs in json.loads(file.read_text()).items():
        print(f"""
{stack}

For the front end, in .env.local:
{outputs["NextPublicPusherKey"]}
{outputs["NextPublicPusherCluster"]}

For the backend, whose role or user needs the policy {outputs["BackendPolicyArn"]}:
WEBSOCKET_API_ID={outputs["ApiId"]}
WEBSOCKET_STAGE={outputs["Stage"]}
AWS_REGION={outputs["Region"]}""")
        for output, variable in (
            ("RegistryUrl", "BROADCASTER_REGISTRY"),
            ("SubscriptionSecretArn", "BROADCASTER_SECRET"),
        ):
            if output in outputs:
                print(f"{variable}={outputs[output]}")
    return 0
