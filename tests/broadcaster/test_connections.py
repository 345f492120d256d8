import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.connections import check_connection_id
from broadcaster.errors import InvalidArgumentError


@pytest.mark.parametrize("connection_id", ["L0SM9cOFvHcCIhw=", "BFaT_fALIAMCKug=", "a", "x" * 128])
def test_ids_as_api_gateway_makes_them_pass(connection_id):
    assert check_connection_id(connection_id) == connection_id


@pytest.mark.parametrize(
    "connection_id", ["", "x" * 129, "../@connections/other=", "a/b", "a?b", "a#b", "a%2Fb", "a\r\nX: y", None, 7, b"a"]
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
