"""An API made of one handler, for tests that have no template."""

import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..errors import AssemblyError
from ..template.api import Function, Route, WebSocketApi
from ..template.intrinsics import Deployment
from ..template.selection import SelectionExpression
from .deployed_code import deployed_code

_ACCOUNT = "123456789012"
_LIFECYCLE = ("$connect", "$disconnect")
DEPLOYED = "broadcaster"
EVERY_ROUTE = ("$connect", "$disconnect", "$default")


def api_of_handler(
    handler: str | Callable[[Any, Any], Any] | None = None,
    *,
    source: str | None = None,
    routes: Iterable[str] = EVERY_ROUTE,
    stage: str = "production",
    region: str = "us-east-1",
    timeout: float = 10.0,
    memory: int = 256,
    root: Path,
) -> WebSocketApi:
    """Make an API whose routes all lead to one function; each but `$connect` and `$disconnect` has a route response.

    Args:
        handler: `folder/module.function`, where the folder is what a deployment would upload; or a function, which is
            taken out of its module and run by itself, so it imports what it needs in its body; or "broadcaster", the
            handler that this library deploys.
        source: in place of `handler`, the text of a module that defines `handler`.
        timeout: of the function, in seconds: up to 900.
        memory: of the function, in MB: 128 to 10,240. Both limits are Lambda's:
            https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
        root: what a relative folder starts from.

    Raises:
        AssemblyError: there is no such handler, it cannot be run by itself, or Lambda has no such time or memory.
    """
    if not isinstance(timeout, int | float) or not 0 < timeout <= 900:
        raise AssemblyError(f"timeout is {timeout!r}; give seconds, more than 0 and up to 900")
    if not isinstance(memory, int) or not 128 <= memory <= 10_240:
        raise AssemblyError(f"memory is {memory!r}; give MB, 128 to 10240")
    code = None
    if source is not None:
        name, text = "index.handler", textwrap.dedent(source)
    elif callable(handler):
        name, text = f"index.{handler.__name__}", _text_of(handler)
    else:
        code, name = _found("handler.handler", deployed_code()) if handler == DEPLOYED else _found(handler or "", root)
        text = None
    function = Function(
        name="handler",
        arn=f"arn:aws:lambda:{region}:{_ACCOUNT}:function:handler",
        handler=name,
        runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
        timeout=timeout,
        memory=memory,
        environment={},
        code=code,
        inline_code=text,
    )
    return WebSocketApi(
        api_id="local12345",
        name="handler",
        stage=stage,
        deployment=Deployment("local", region, _ACCOUNT),
        selection=SelectionExpression("$request.body.action"),
        routes={key: Route(key, function, is_two_way=key not in _LIFECYCLE) for key in routes},
    )


def _text_of(handler: Callable[[Any, Any], Any]) -> str:
    """Return the source of one function, which has to be whole by itself."""
    name = handler.__name__
    if not inspect.isfunction(handler) or not name.isidentifier():
        raise AssemblyError(f"handler {name} is no function that was written with def; give one, or its source")
    outside = inspect.getclosurevars(handler)
    used = sorted({*outside.globals, *outside.nonlocals})
    if used:
        raise AssemblyError(
            f"handler {name} uses {', '.join(used)} from outside; it runs in a process of its own, so import or define"
            " that in its body, or give a file as folder/module.function"
        )
    try:
        return textwrap.dedent(inspect.getsource(handler))
    except OSError:
        raise AssemblyError(f"handler {name} has no source to be read; give it as source=") from None


def _found(handler: str, root: Path) -> tuple[Path, str]:
    """Find the folder and the name in it, for Lambda, of `folder/module.function`."""
    folder, _, name = handler.rpartition("/")
    module, _, function = name.rpartition(".")
    if function == "py":
        right = handler.removesuffix("py") + "handler"
        raise AssemblyError(f"handler {handler!r} is a file; name the function in it, e.g. {right!r}")
    if not module or not function:
        raise AssemblyError(f"handler {handler!r} is not of the form folder/module.function, e.g. 'src/app.handler'")
    path = root / folder
    if not (path / f"{module}.py").is_file() and not (path / module / "__init__.py").is_file():
        raise AssemblyError(f"handler {handler!r} needs a file {path / f'{module}.py'}, which does not exist")
    return path, name
