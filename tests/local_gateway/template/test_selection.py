"""Route selection expressions, row by row of AWS's table."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_gateway.errors import TemplateError
from local_gateway.template.selection import SelectionExpression

BODY = '{"service":"chat","action":"join","data":{"room":"room1234"}}'


@pytest.mark.parametrize(
    ("expression", "key"),
    [
        ("$request.body.action", "join"),
        ("${request.body.action}", "join"),
        ("${request.body.service}/${request.body.action}", "chat/join"),
        ("${request.body.action}-${request.body.invalidPath}", "join-"),
        ("action", "action"),
        (r"\$default", "$default"),
        ("$request.body.data.room", "room1234"),
    ],
)
def test_the_table_of_the_documentation(expression, key):
    assert SelectionExpression(expression).evaluate(BODY) == key


@pytest.mark.parametrize(
    ("value", "key"),
    [(1, "1"), (1.5, "1.5"), (True, "true"), (None, ""), (["item1", "item2"], "[item1, item2]"), ("", "")],
)
def test_values_become_text(value, key):
    assert SelectionExpression("$request.body.action").evaluate(json.dumps({"action": value})) == key


def test_an_array_can_be_indexed():
    assert SelectionExpression("$request.body.list[1].name").evaluate('{"list":[0,{"name":"b"}]}') == "b"


@pytest.mark.parametrize("body", ["", "hello", "{", '"text"', "[1]", "[" * 100_000])
def test_what_is_no_object_goes_to_default(body):
    expression = SelectionExpression("$request.body.action")
    assert expression.select(body, {"$default", "join"}) == "$default"
    assert expression.select(body, {"join"}) is None


@given(action=st.text())
def test_a_message_goes_to_the_route_that_it_names_or_to_default(action):
    routes = {"$connect", "$disconnect", "$default", "join"}
    chosen = SelectionExpression("$request.body.action").select(json.dumps({"action": action}), routes)
    assert chosen == ("join" if action == "join" else "$default")


def test_a_variable_of_another_kind_of_api_is_refused():
    with pytest.raises(TemplateError, match=r"uses '\$context.path'"):
        SelectionExpression("$context.path")
