"""Our own `NamedTuple` makes what typing's makes."""

import inspect
import pickle
import typing

import pytest

from broadcaster.cheap_typing import NamedTuple


class Ours(NamedTuple):
    """A tuple."""

    name: str
    port: int = 443

    @property
    def authority(self) -> str:
        return f"{self.name}:{self.port}"

    def __repr__(self) -> str:
        return "short"


class Theirs(typing.NamedTuple):
    """A tuple."""

    name: str
    port: int = 443

    @property
    def authority(self) -> str:
        return f"{self.name}:{self.port}"

    def __repr__(self) -> str:
        return "short"


@pytest.mark.parametrize(
    "look",
    [
        lambda made: made._fields,
        lambda made: made._field_defaults,
        lambda made: made.__doc__,
        lambda made: made.__module__,
        lambda made: typing.get_type_hints(made),
        lambda made: str(inspect.signature(made)),
        lambda made: made("a").authority,
        lambda made: repr(made("a")),
        lambda made: made("a", port=1)._replace(name="b") == ("b", 1),
        lambda made: made.__mro__[1:],
    ],
)
def test_it_makes_what_the_one_of_typing_makes(look):
    assert look(Ours) == look(Theirs)


def test_its_tuples_survive_pickling():
    from broadcaster import Failure

    failure = Failure("a", "slow", 429)
    restored = pickle.loads(pickle.dumps(failure))  # noqa: S301
    assert restored == failure
    assert type(restored) is Failure


def test_a_required_field_is_required():
    with pytest.raises(TypeError, match="name"):
        Ours(port=1)
