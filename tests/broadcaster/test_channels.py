import pytest

from broadcaster.channels import check_channel
from broadcaster.errors import InvalidArgumentError


@pytest.mark.parametrize("channel", ["a", "private-run_1=@,.;:/", "x" * 200])
def test_channel_names_of_the_documented_form_pass(channel):
    assert check_channel(channel) == channel


@pytest.mark.parametrize("channel", ["", "x" * 201, "a b", "ä", "a\n", "a#b", "\u0430dmin", None, 7, b"admin"])
def test_other_channel_names_are_refused(channel):
    with pytest.raises(InvalidArgumentError):
        check_channel(channel)
