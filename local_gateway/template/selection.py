"""Which route a message goes to: evaluation of a route selection expression.

The forms are those of AWS's table: `$request.body.action`, `${request.body.service}/${request.body.action}`,
`${request.body.action}-beta`, a constant, and `\\$default`, where the backslash makes the dollar an ordinary character.
"""

import json
import re
from collections.abc import Collection

from ..errors import TemplateError

_TOKEN = re.compile(r"\\\$|\$\{([^}]*)\}|\$([A-Za-z0-9_.\[\]]+)|\$")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_BODY = "request.body"

# Not matchable by a message: AWS keeps them for the lifecycle. What happens when a client names one is not documented;
# here it is no match, so the message goes to $default (inferred).
LIFECYCLE_ROUTES = frozenset({"$connect", "$disconnect"})
DEFAULT_ROUTE = "$default"


class SelectionExpression:
    """A parsed expression.

    Raises:
        TemplateError: a variable is not `request.body` or below it.
    """

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self._parts: list[str | list[str | int]] = []  # constants, and paths into the body
        end = 0
        for match in _TOKEN.finditer(expression):
            self._parts.append(expression[end : match.start()])
            end = match.end()
            if match[0] == "\\$":
                self._parts.append("$")
                continue
            variable = match[1] if match[1] is not None else match[2]
            if variable is None or (variable != _BODY and not variable.startswith((f"{_BODY}.", f"{_BODY}["))):
                raise TemplateError(
                    f"route selection expression {expression!r} uses {match[0]!r};"
                    " a WebSocket API knows $request.body.{path} alone"
                )
            self._parts.append([int(index) if index else name for name, index in _STEP.findall(variable[len(_BODY) :])])
        self._parts.append(expression[end:])

    def evaluate(self, body: str) -> str | None:
        """Return the route key that `body` names, or `None` when the body is no JSON and the expression needs it."""
        if all(isinstance(part, str) for part in self._parts):
            return "".join(str(part) for part in self._parts)
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            return None
        return "".join(part if isinstance(part, str) else _text(_look_up(document, part)) for part in self._parts)

    def select(self, body: str, routes: Collection[str]) -> str | None:
        """Choose the key of the route for a message: the named one, else `$default` if it exists, else `None`."""
        key = self.evaluate(body)
        if key is not None and key in routes and key not in LIFECYCLE_ROUTES:
            return key
        return DEFAULT_ROUTE if DEFAULT_ROUTE in routes else None


def _look_up(document: object, path: list[str | int]) -> object:
    """Return the value at `path`, or `None` when there is none."""
    for step in path:
        if isinstance(step, str) and isinstance(document, dict):
            document = document.get(step)
        elif isinstance(step, int) and isinstance(document, list) and step < len(document):
            document = document[step]
        else:
            return None
    return document


def _text(value: object) -> str:
    """Write a value as the service prints it into a route key: a missing one is empty, a list is `[item1, item2]`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, dict):  # inferred from the list's form: both are how Java prints its collections
        return f"{{{', '.join(f'{name}={_text(item)}' for name, item in value.items())}}}"
    return str(value)
