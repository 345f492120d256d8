"""Event data as JSON: what Python's own encoder knows, the few types that backends use beside it, and a user's own."""

import sys

from .cheap_typing import TYPE_CHECKING, Any
from .compact_json import make_writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PATH_LENGTH = 200  # characters of a path in an error

# What has two readings, and nobody can know which one is meant.
_CHOICES = {
    "Decimal": "send float(value), which may round it, or str(value), which browsers get as text",
    "bytes": "send value.decode() if it is text, or base64.b64encode(value).decode()",
    "bytearray": "send value.decode() if it is text, or base64.b64encode(value).decode()",
}


class DataEncoder:
    """Writes data as compact JSON. Thread-safe, and free of locks.

    Beside what `json` writes: `datetime` and `date` as ISO 8601, `UUID` as text, an `Enum` as its value, a dataclass as
    an object of its fields, a pydantic model as its `model_dump(mode="json")`.

    Args:
        encoder: gets every other object and returns what to write instead, or raises TypeError; as the `default` of
            `json.dumps`.
    """

    def __init__(self, encoder: "Callable[[Any], Any] | None" = None) -> None:
        self._encoder = encoder
        self._write = make_writer(self._default)

    def __call__(self, data: object) -> str:
        """Return `data` as JSON, which may have halves of surrogate pairs in it.

        Raises:
            ValueError: it cannot be written; the text names the place, like `data.items[3].price`, and no value of it.
        """
        try:
            return self._write(data)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(self._explain(data, error)) from error

    def _default(self, value: object) -> object:
        """Return what to write instead of an object that `json` does not know.

        Raises:
            TypeError: nobody knows.
        """
        # By the modules that are loaded: a type of one that is not cannot be here, and importing it would cost.
        loaded = sys.modules
        if "datetime" in loaded and isinstance(value, loaded["datetime"].date):  # a datetime is a date too
            return value.isoformat()
        if "uuid" in loaded and isinstance(value, loaded["uuid"].UUID):
            return str(value)
        if "enum" in loaded and isinstance(value, loaded["enum"].Enum):
            return value.value
        kind = type(value)
        if hasattr(kind, "model_dump") and hasattr(kind, "__pydantic_core_schema__"):
            return value.model_dump(mode="json")  # type: ignore[attr-defined]
        if hasattr(kind, "__dataclass_fields__"):
            return {name: getattr(value, name) for name in _fields(value)}
        if self._encoder is not None:
            return self._encoder(value)
        choice = _CHOICES.get(kind.__name__) or "convert it, or say how with init_broadcaster(encoder=…)"
        raise TypeError(f"is of type {kind.__name__}, which JSON does not know; {choice}")

    def _explain(self, data: object, error: Exception) -> str:
        try:
            for path, wrong in self._faults(data, "data", ()):
                return f"{path if len(path) <= _PATH_LENGTH else '…' + path[-_PATH_LENGTH:]} {wrong}"
        except RecursionError:
            return "data is nested too deeply"
        return f"data: {error}"

    def _faults(self, value: object, path: str, holders: "tuple[int, ...]") -> "Iterator[tuple[str, str]]":
        """Yield where something cannot be written, and why; walks as the encoder does."""
        if value is None or isinstance(value, str | int):
            return
        if id(value) in holders:
            yield path, "holds itself"
        elif isinstance(value, float):
            if value != value or value in (float("inf"), float("-inf")):
                yield path, f"is {value!r}, a number that JSON does not know; send None or text"
        elif isinstance(value, dict):
            for key, inner in value.items():
                if key is not None and not isinstance(key, str | int | float):
                    yield path, f"has a key of type {type(key).__name__}; keys of an object are text"
                yield from self._faults(inner, _member(path, key), (*holders, id(value)))
        elif isinstance(value, list | tuple):
            for at, inner in enumerate(value):
                yield from self._faults(inner, f"{path}[{at}]", (*holders, id(value)))
        else:
            try:
                instead = self._default(value)
            except (TypeError, ValueError) as error:
                yield path, str(error)
            else:
                yield from self._faults(instead, path, (*holders, id(value)))


def _fields(value: object) -> "list[str]":
    from dataclasses import fields  # already loaded: somebody made a dataclass

    return [field.name for field in fields(value)]  # type: ignore[arg-type]


def _member(path: str, key: object) -> str:
    return f"{path}.{key}" if isinstance(key, str) and key.isidentifier() else f"{path}[{key!r:.40}]"
