"""The code of the Lambda that this library deploys, put together without the CDK, for tests that have no template."""

import atexit
import shutil
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from ..errors import AssemblyError

_WHERE_INSTALLED = "broadcaster_stacks"  # the package that has the folder lambda_src beside it, in the wheel
_CLONE = Path(__file__).parents[2]


@cache
def deployed_code() -> Path:
    """Return a folder with that code, which is removed at the end of the process.

    Raises:
        AssemblyError: it is not where an installation or a clone has it.
    """
    installed, library = find_spec(_WHERE_INSTALLED), find_spec("broadcaster")
    stacks = Path(installed.origin).parent if installed is not None and installed.origin is not None else _CLONE
    if not (stacks / "lambda_src" / "handler.py").is_file() or library is None or library.origin is None:
        raise AssemblyError(
            f"handler 'broadcaster' needs this library's package and {stacks / 'lambda_src'}; install all of it"
        )
    folder = Path(tempfile.mkdtemp(prefix="local-gateway-code-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _copy(stacks / "lambda_src", folder)
    _copy(Path(library.origin).parent, folder / "broadcaster", without="__init__.py")
    return folder


def _copy(source: Path, target: Path, *, without: str = "") -> None:
    """Copy Python files; the library's go without `__init__.py`, as deployed: importing a module imports no other."""
    for path in source.rglob("*.py"):
        if path.name != without:
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
