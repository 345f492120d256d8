"""Writes the CloudFormation template: `cdk synth` and `cdk deploy` run this file."""

import os
import sys


def main() -> int:
    # The Node that is running is fine for this project, and jsii's banner of twelve lines would bury what is wrong with
    # a setting. Set before the CDK is imported, which is when jsii starts Node.
    os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")
    try:
        from aws_cdk import App
    except ModuleNotFoundError:
        print(
            f"error: {sys.executable} has no aws-cdk-lib; run `python3 dev.py synth` once, which makes .venv, or "
            "install requirements/deploy.txt into the active environment",
            file=sys.stderr,
        )
        return 1

    from stacks.errors import StackError
    from stacks.settings import Settings

    # The CDK's own check of the template against its rules takes longer than the rest of the synthesis. The tests do
    # it, and run cfn-lint and cdk-nag besides.
    app = App(builtin_cloud_formation_validation=False)
    try:
        settings = Settings.from_context(app.node.get_all_context())
        # Importing the constructs takes seconds; a wrong setting is told without them.
        from stacks.websocket_stack import WebSocketStack

        WebSocketStack(app, settings.name, settings=settings)
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    app.synth()
    return 0


if __name__ == "__main__":
    sys.exit(main())
