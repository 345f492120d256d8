"""What is read from a template, and the sentence for each thing that cannot be served."""

import json

import pytest

from local_gateway.errors import AssemblyError, GatewayError, TemplateError
from local_gateway.template.api import read_api


@pytest.fixture(autouse=True)
def _routes(assembly):
    assembly.function("Main", "def handler(event, context): pass", Timeout=7, MemorySize=512)
    assembly.route("$default", "Main", is_two_way=True)
    assembly.route("chat", "Main")


def refusal(assembly, **options):
    with pytest.raises(GatewayError) as error:
        read_api(assembly.write(), **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_everything_that_is_served_comes_from_the_template(assembly):
    assembly.resources["Main"]["Properties"]["Environment"] = {
        "Variables": {
            "TABLE": {"Ref": "Table"},
            "URL": {"Fn::Sub": "https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}"},
            "FLAG": True,
        }
    }
    assembly.resources["Table"] = assembly.resource("AWS::DynamoDB::Table", TableName="connections")
    api = read_api(assembly.write())
    function = api.routes["chat"].function
    assert (api.stage, api.deployment.region, api.selection.expression) == ("live", "eu-west-3", "$request.body.action")
    assert {key: route.is_two_way for key, route in api.routes.items()} == {"$default": True, "chat": False}
    assert (function.name, function.handler, function.timeout, function.memory) == ("Chat-Main", "app.handler", 7, 512)
    assert function.environment == {
        "TABLE": "connections",
        "URL": f"https://{api.api_id}.execute-api.eu-west-3.amazonaws.com",
        "FLAG": "true",
    }
    assert function.code == assembly.asset("Main")
    assert api.warnings == ()


def test_a_synthesis_without_metadata_names_its_asset_in_the_listing(assembly):
    del assembly.resources["Main"]["Metadata"]
    folder = assembly.write()
    listing = {"files": {"main": {"source": {"path": "asset.main", "packaging": "zip"}}}}
    (folder / "Chat.assets.json").write_text(json.dumps(listing))
    assert read_api(folder).routes["chat"].function.code == assembly.asset("Main")


def test_a_single_template_will_do(assembly):
    template = assembly.write() / "Chat.template.json"
    assert read_api(template).api_id == read_api(template, region="us-east-1").api_id


def test_a_route_with_half_of_a_response_is_one_way(assembly):
    (response,) = (name for name in assembly.resources if name.endswith("Response"))
    del assembly.resources[response]
    assert not read_api(assembly.write()).routes["$default"].is_two_way


def test_a_missing_permission_is_warned_of(assembly):
    (permission,) = (name for name, one in assembly.resources.items() if "/*chat" in json.dumps(one.get("Properties")))
    del assembly.resources[permission]
    (warning,) = read_api(assembly.write()).warnings
    assert warning.startswith("route chat has no AWS::Lambda::Permission")


def test_a_template_without_a_websocket_api(assembly):
    assembly.resources["Api"]["Properties"]["ProtocolType"] = "HTTP"
    assert "has no WebSocket API (looked in Chat.template.json)" in refusal(assembly)


def test_a_template_with_two_takes_a_choice(assembly):
    assembly.resources["Second"] = dict(assembly.resources["Api"])
    said = refusal(assembly)
    assert "has 2 WebSocket APIs (Api in Chat.template.json, Second in Chat.template.json)" in said
    assert read_api(assembly.folder, api="Api").stage == "live"
    assert "has no WebSocket API 'Third'" in refusal(assembly, api="Third")


def test_two_stages_take_a_choice(assembly):
    assembly.resources["Other"] = assembly.resource(
        "AWS::ApiGatewayV2::Stage", ApiId={"Ref": "Api"}, StageName="test", AutoDeploy=False
    )
    assert "choose one with --stage NAME" in refusal(assembly)
    assert read_api(assembly.folder, stage="live").stage == "live"
    assert "neither AutoDeploy" in read_api(assembly.folder, stage="test").warnings[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"IntegrationType": "HTTP_PROXY", "IntegrationUri": "https://example.com"}, "integration of type HTTP_PROXY"),
        ({"IntegrationUri": "arn:aws:apigateway:x:sqs:path/y"}, "AWS_PROXY to a Lambda function alone"),
        ({"IntegrationUri": {"Fn::GetAtt": ["Nothing", "Arn"]}}, "'Nothing', which is no resource"),
        ({"IntegrationUri": {"Fn::Transform": {}}}, "Fn::Transform is an intrinsic function that only a deployment"),
    ],
)
def test_an_integration_that_is_not_known(assembly, change, said):
    assembly.route("odd", "Main", **change)
    assert said in refusal(assembly)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Runtime": "nodejs22.x"}, "has runtime nodejs22.x; the gateway runs python3.x alone"),
        ({"Code": {"S3Bucket": "b", "S3Key": "elsewhere.zip"}}, "elsewhere.zip, which the assembly does not hold"),
    ],
)
def test_a_function_that_cannot_be_run(assembly, change, said):
    assembly.resources["Main"]["Properties"].update(change)
    if "Code" in change:
        del assembly.resources["Main"]["Metadata"]
    assert said in refusal(assembly)


def test_a_missing_asset(assembly):
    assembly.resources["Main"]["Metadata"]["aws:asset:path"] = "asset.gone"
    assert "asset.gone, which does not exist; run 'cdk synth' again" in refusal(assembly)


def test_an_authorizer_is_not_passed_over(assembly):
    (route,) = (one for one in assembly.resources.values() if one["Properties"].get("RouteKey") == "chat")
    route["Properties"]["AuthorizationType"] = "CUSTOM"
    with pytest.raises(TemplateError, match="route chat has AuthorizationType CUSTOM"):
        read_api(assembly.write())


@pytest.mark.parametrize("content", [None, "", "not json", "[]"])
def test_what_is_no_assembly(tmp_path, content):
    path = tmp_path / "other.out"
    if content == "":
        path.mkdir()
    elif content is not None:
        path.write_text(content)
    with pytest.raises(AssemblyError):
        read_api(path)
