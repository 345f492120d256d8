"""Starts ministack, the emulator of AWS, with what it lacks for this stack; runs in an environment of its own.

The port is in GATEWAY_PORT. With AUTH=true it asks IAM about every request, as AWS does.
"""

import os

from ministack import app
from ministack.core.iam_evaluator import pin_request_origin
from ministack.services import apigateway, secretsmanager
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as RESOURCES

ORIGIN = f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}"
STAGE = RESOURCES["AWS::ApiGatewayV2::Stage"].copy()
SECRET = RESOURCES["AWS::SecretsManager::Secret"].copy()


def create_route_response(_logical_id, properties, _stack_name):
    """Make a route answer: the emulator's API can, its CloudFormation does not know the resource."""
    api_id, _, route_id = properties["RouteId"].partition("/")  # its `Ref` of a route names the API too
    key = {"routeResponseKey": properties["RouteResponseKey"]}
    status, _headers, body = apigateway._create_route_response(api_id, route_id, key)
    if status != 201:
        raise ValueError(body)
    return properties["RouteId"], {}


def create_stage(logical_id, properties, stack_name):
    tell_lambdas(properties)
    return STAGE["create"](logical_id, properties, stack_name)


def update_stage(physical_id, old, new, stack_name, logical_id=None):
    tell_lambdas(new)
    return STAGE["update"](physical_id, old, new, stack_name, logical_id)


def tell_lambdas(stage):
    """Tell the Lambdas where the stage's connections are: AWS's own address, by which they find it, is not here."""
    path = f"_aws/execute-api/{stage['ApiId']}/{stage['StageName']}"
    os.environ["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"] = f"{ORIGIN}/{path}"


def create_secret(logical_id, properties, stack_name):
    """Name a secret by its ARN, as AWS's `Ref` does and as IAM needs it; the emulator names it by its name."""
    _name, attributes = SECRET["create"](logical_id, properties, stack_name)
    return attributes["Arn"], attributes


def update_secret(arn, old, new, stack_name, logical_id=None):
    _name, attributes = SECRET["update"](secretsmanager._resolve(arn)[0], old, new, stack_name, logical_id)
    return arn, attributes


def delete_secret(arn, properties):
    SECRET["delete"](secretsmanager._resolve(arn)[0], properties)


RESOURCES["AWS::ApiGatewayV2::RouteResponse"] = {"create": create_route_response, "delete": lambda *_: None}
RESOURCES["AWS::ApiGatewayV2::Stage"].update(create=create_stage, update=update_stage)
RESOURCES["AWS::SecretsManager::Secret"].update(create=create_secret, update=update_secret, delete=delete_secret)
# The bucket of `cdk bootstrap` refuses what did not come through TLS, which on loopback nothing does.
app.pin_request_origin = lambda address, _is_tls: pin_request_origin(address, True)
app.main()
