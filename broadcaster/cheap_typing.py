"""What type hints need at run time, without importing typing, which costs as much as all of `import broadcaster`.

Type checkers are shown the real ones, and take `TYPE_CHECKING` for true by its name. What is only in hints that are
text, or below `if TYPE_CHECKING:`, need not be here. This module is part of the Lambda's bundle too.
"""

import sys
from collections import namedtuple

TYPE_CHECKING = False


class _Maker(type):
    """Makes of a class with annotated fields the named tuple of these fields, with its defaults and methods."""

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, object]) -> type:
        if not bases:
            return super().__new__(cls, name, bases, body)
        annotations: dict[str, object] = body.get("__annotations__", {})  # type: ignore[assignment]
        fields = list(annotations)
        defaults = [body.pop(field) for field in fields if field in body]
        made = namedtuple(name, fields, defaults=defaults, module=str(body["__module__"]))  # type: ignore[misc]
        made.__new__.__annotations__ = annotations
        for key, value in body.items():
            setattr(made, key, value)
        return made


class _NamedTuple(metaclass=_Maker):
    """Base of the classes that are to become named tuples."""


if TYPE_CHECKING:
    from typing import Any as Any
    from typing import Final as Final
    from typing import NamedTuple as NamedTuple
    from typing import NoReturn as NoReturn
    from typing import Protocol as Protocol
else:
    Any = Final = NoReturn = Protocol = object
    if sys.version_info >= (3, 14):
        # There a class has its annotations only after it was made, and what makes them costs less in typing.
        from typing import NamedTuple
    else:
        NamedTuple = _NamedTuple
