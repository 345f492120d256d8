"""The commands that need an AWS account: without credentials, in a fresh account, and before a removal that would fail.

A stand-in for AWS, moto, has the account. Whether a deployment works is not asked here.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

ROOT = Path(__file__).parents[2]
POLICY = {
    "Type": "AWS::IAM::ManagedPolicy",
    "Properties": {
        "Roles": ["in-the-template"],
        "PolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "execute-api:ManageConnections", "Resource": "*"}],
        },
    },
}
SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def environment(tmp_path, checkout):
    """That of somebody who has never used AWS."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    # jsii would unpack the CDK anew into an empty home; that takes longer than all the rest.
    cache = Path(clean.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return {**clean, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(cache), "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture
def account(environment):
    """A fresh account: a session for it, whose variables `environment` has too."""
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        environment |= {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{int(process.stdout.readline())}",
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "eu-west-3",
        }
        session = boto3.Session("AKIAEXAMPLE", "secret", region_name="eu-west-3")
        yield lambda service: session.client(service, endpoint_url=environment["AWS_ENDPOINT_URL"])
        process.stdin.close()


def dev(environment, *arguments):
    command = [sys.executable, "dev.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110)


@pytest.mark.parametrize("command", ["bootstrap", "diff", "deploy", "destroy"])
def test_without_credentials_it_is_one_sentence_that_says_how_to_log_in(environment, command):
    done = dev(environment, command)
    assert done.returncode == 1
    assert done.stderr.startswith("dev.py: no AWS credentials were found. Log in, e.g. `aws sso login`")
    assert done.stderr.count("\n") == 1


def test_a_profile_that_does_not_exist_is_named(environment):
    done = dev(environment, "deploy", "--profile", "nobody")
    assert done.returncode == 1
    assert done.stderr.startswith("dev.py: The config profile (nobody) could not be found. Log in")
    assert done.stderr.count("\n") == 1


def test_in_a_fresh_account_it_says_what_to_type(environment, account):
    done = dev(environment, "deploy", "--require-approval", "never")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "dev.py: account 123456789012 has not been prepared for the CDK in eu-west-3, which it needs once. "
        "Type: python3 dev.py bootstrap"
    )


@pytest.mark.timeout(300)  # the CDK CLI runs three times
def test_a_policy_that_is_still_attached_is_told_before_the_removal_begins(environment, account):
    iam, cloudformation = account("iam"), account("cloudformation")
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    for role in ("in-the-template", "backend"):
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)
    iam.create_user(UserName="server")
    stack = "clearstar-websocket"
    cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps({"Resources": {"Policy": POLICY}}))
    (resource,) = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    arn = resource["PhysicalResourceId"]
    iam.attach_role_policy(RoleName="backend", PolicyArn=arn)
    iam.attach_user_policy(UserName="server", PolicyArn=arn)

    done = dev(environment, "destroy", "--force")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-3:] == [
        "dev.py: a policy of the stack is still attached, and CloudFormation cannot remove it. "
        "Detach it, then try again:",
        f"  aws iam detach-role-policy --role-name backend --policy-arn {arn}",
        f"  aws iam detach-user-policy --user-name server --policy-arn {arn}",
    ]
    assert cloudformation.describe_stacks(StackName=stack)["Stacks"]

    iam.detach_role_policy(RoleName="backend", PolicyArn=arn)
    iam.detach_user_policy(UserName="server", PolicyArn=arn)
    done = dev(environment, "destroy", "--force")
    assert done.returncode == 0, done.stdout + done.stderr
    with pytest.raises(cloudformation.exceptions.ClientError, match="does not exist"):
        cloudformation.describe_stacks(StackName=stack)
