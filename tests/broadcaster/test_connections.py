import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.connections import check_connection_id
from broadcaster.errors import InvalidArgumentError


@pytest.mark.parametrize("connection_id", ["L0SM9cOFvHcCIhw=", "BFaT_fALIAMCKug=", "abcdefgh", "x" * 64 + "=="])
def test_ids_as_api_gateway_makes_them_pass_with_room_for_other_lengths(connection_id):
    assert check_connection_id(connection_id) == connection_id


@given(st.binary(min_size=6, max_size=48))
def test_url_safe_base64_passes(value):
    connection_id = base64.urlsafe_b64encode(value).decode()
    assert check_connection_id(connection_id) == connection_id


@pytest.mark.parametrize(
    "connection_id",
    ["", "-", "====", "a" * 128, "x" * 65, "abcdefg", "L0SM9cOF=HcCIhw=", "=L0SM9cOFvHcCIhw", "L0SM9cOFvHcCIhw==="],
)
def test_what_api_gateway_would_call_invalid_is_refused_before_it_is_kept_for_two_hours(connection_id):
    with pytest.raises(InvalidArgumentError, match="8 to 64 of"):
        check_connection_id(connection_id)


@pytest.mark.parametrize(
    "connection_id",
    [
        "../@connections/other=",
        "L0SM9cOFv/Cw=",
        "L0SM9cOFv?cw=",
        "L0SM9cOFv#cw=",
        "L0SM9cOFvHcCIhw%3D",
        "L0SM9cOF\r\nX: y",
        None,
        7,
        b"L0SM9cOFvHcCIhw=",
    ],
)
def test_anything_that_could_change_a_url_is_refused(connection_id):
    with pytest.raises(InvalidArgumentError):
        check_connection_id(connection_id)


@given(st.text())
def test_what_passes_is_inert_in_a_path(value):
    try:
        check_connection_id(value)
    except InvalidArgumentError:
        return
    assert value.isascii()
    assert not set(value) & set("/?#%\\. \r\n\t@:&;")
