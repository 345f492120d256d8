"""A function's code as a folder on disk, and whether it has changed since it was last looked at."""

import os
import time
import zipfile
from pathlib import Path

from .errors import AssemblyError
from .template import Function

# A scan of a folder takes about 2 µs a file. It is repeated at most so often that it costs a fiftieth of the time.
_SCAN_SHARE = 50


class Source:
    """The code of one function.

    A zip asset and inline code are unpacked below `workspace`.

    Raises:
        AssemblyError: the asset is neither a folder nor a zip file.
    """

    def __init__(self, function: Function, workspace: Path) -> None:
        if function.code is not None and function.code.is_dir():
            self.root = function.code.resolve()
        else:
            self.root = workspace / function.name
            self.root.mkdir(parents=True, exist_ok=True)
            if function.code is None:
                # lambda's CloudFormation reference: the text becomes a file named index.
                (self.root / "index.py").write_text(function.inline_code or "", encoding="utf-8")
            else:
                try:
                    with zipfile.ZipFile(function.code) as archive:
                        archive.extractall(self.root)
                except (OSError, zipfile.BadZipFile) as error:
                    raise AssemblyError(
                        f"function {function.name} has its code in {function.code}, which is no folder"
                        f" and no zip file: {error}"
                    ) from error
        self._next_scan = 0.0
        self._state = self._scan()
        self.version = 1

    def look(self) -> int:
        """The code's version: one more each time that a file was found changed, added or removed."""
        now = time.monotonic()
        if now >= self._next_scan:
            state = self._scan()
            self._next_scan = time.monotonic() + (time.monotonic() - now) * _SCAN_SHARE
            if state != self._state:
                self._state = state
                self.version += 1
        return self.version

    def _scan(self) -> list[tuple[str, int, int]]:
        found = []
        for folder, folders, files in os.walk(self.root):
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            for name in sorted(files):
                path = os.path.join(folder, name)  # noqa: PTH118 - this loop runs before events, and Path is ten times slower
                try:
                    status = os.stat(path)  # noqa: PTH116
                except OSError:
                    continue
                found.append((path, status.st_mtime_ns, status.st_size))
        return found
