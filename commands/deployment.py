"""`dev.py synth`, `bootstrap`, `diff`, `deploy` and `destroy`: the CDK CLI, and what it does not say."""

import argparse
import json
import subprocess
from collections.abc import Mapping

from .set_up import CDK, LOGS, PYTHON, ROOT, Stop, call, environment, set_up


def synth(options: argparse.Namespace, arguments: list[str]) -> int:
    """Print the CloudFormation template, which is also in cdk.out."""
    set_up("deploy")
    return call([*CDK, "synth", *settings_of(options), *arguments])


def bootstrap(options: argparse.Namespace, arguments: list[str]) -> int:
    """Prepare account and region for the CDK, once."""
    return cdk("bootstrap", options, arguments)


def diff(options: argparse.Namespace, arguments: list[str]) -> int:
    """Show what `deploy` would change."""
    return cdk("diff", options, arguments)


def deploy(options: argparse.Namespace, arguments: list[str]) -> int:
    """Deploy the stack and print its outputs as lines to paste."""
    LOGS.mkdir(exist_ok=True)
    file = options.outputs_file.absolute() if options.outputs_file else LOGS / "outputs.json"
    file.unlink(missing_ok=True)  # not the outputs of another time
    code = cdk("deploy", options, ["--outputs-file", str(file), *arguments])
    if code == 0 and file.exists():
        for stack, outputs in json.loads(file.read_text("utf-8")).items():
            print(f"\n{stack}\n{lines_to_paste(outputs)}")
    return code


def destroy(options: argparse.Namespace, arguments: list[str]) -> int:
    """Remove the stack; says before if it cannot be, because its policy is still attached to somebody."""
    prepare(options)
    command = [*CDK, "list", *options_of_cdk(options)]
    listed = subprocess.run(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True, check=False)
    if listed.returncode:
        return listed.returncode
    if complaint := ask_account("attached", options, *listed.stdout.split()):
        raise Stop(complaint)
    return cdk("destroy", options, arguments)


def prepare(options: argparse.Namespace) -> None:
    """Set up what a deployment needs; raise Stop where there are no credentials, before seconds have passed."""
    set_up("deploy")
    if complaint := ask_account("credentials", options):
        raise Stop(complaint)


def cdk(command: str, options: argparse.Namespace, arguments: list[str]) -> int:
    """Run a command of the CDK CLI that needs an account; return its exit code."""
    prepare(options)
    code = call([*CDK, command, *options_of_cdk(options), *arguments])
    if code and command != "bootstrap" and (complaint := ask_account("bootstrap", options)):
        raise Stop(complaint)
    return code


def ask_account(question: str, options: argparse.Namespace, *arguments: str) -> str:
    """Return what is wrong with the account, or nothing; commands/aws_account.py has the questions."""
    command = [PYTHON, "-m", "commands.aws_account", question, options.profile or "", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True, check=False).stdout


def options_of_cdk(options: argparse.Namespace) -> list[str]:
    """Return the options that dev.py reads and the CDK CLI gets too."""
    profile = ["--profile", options.profile] if options.profile else []
    return [*profile, *settings_of(options)]


def settings_of(options: argparse.Namespace) -> list[str]:
    """Return the settings of the stack as options of the CDK CLI."""
    return [word for setting in options.context for word in ("--context", setting)]


def lines_to_paste(outputs: Mapping[str, str]) -> str:
    """Return the outputs of a stack as variables for the front end and for the backend."""
    front_end = [outputs[key] for key in ("NextPublicPusherKey", "NextPublicPusherCluster") if key in outputs]
    variables = {
        "WEBSOCKET_API_ID": "ApiId",
        "WEBSOCKET_STAGE": "Stage",
        "AWS_REGION": "Region",
        "BROADCASTER_REGISTRY": "RegistryUrl",
        "BROADCASTER_SECRET": "SubscriptionSecretArn",
    }
    if "DomainTarget" in outputs:  # without it the library posts to AWS's own host name, which may not answer
        variables["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"] = "ConnectionsUrl"
    backend = [f"{variable}={outputs[key]}" for variable, key in variables.items() if key in outputs]
    publishing = []
    if "PublishUrl" in outputs:
        show = "aws secretsmanager get-secret-value --query SecretString --output text --secret-id"
        publishing = ["", "For backends in other languages; what the secrets hold tells", f"{show} ARN:"]
        variables = {
            "PUBLISH_URL": "PublishUrl",
            "PUBLISH_KEY_ARN": "PublishKeyArn",
            "PUBLISH_TOKEN_ARN": "PublishTokenArn",
        }
        publishing += [f"{variable}={outputs[key]}" for variable, key in variables.items() if key in outputs]
    return "\n".join(
        [
            "",
            "For the front end, in .env.local:",
            *front_end,
            "",
            f"For the backend, whose role or user needs the policy {outputs.get('BackendPolicyArn', '')}:",
            *backend,
            *publishing,
        ]
    )
