"""A function's code as a folder on disk, and whether it has changed since it was last looked at."""

import os
import shutil
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import AssemblyError
from ..template.api import Function

# A look costs about 1 µs a file, before each event. Where that adds up, looks are made less often; how long it took is
# taken as CPU time, so that a busy machine does not put off the next one.
_QUICK_LOOK = 0.0005  # seconds
_LOOK_SHARE = 50  # times as long as it took, until the next look
_LONGEST_PAUSE = 0.5  # seconds, whatever it took


class Source:
    """The code of one function.

    A zip asset and inline code are unpacked below `workspace`. With `sources`, the function runs a copy of its asset
    in which every file that one of these folders also has, at the same place, is taken from there: so an edit takes
    effect without another synthesis, which is what it takes for a file that is new.

    Raises:
        AssemblyError: the asset is neither a folder nor a zip file.
    """

    def __init__(self, function: Function, workspace: Path, sources: Sequence[Path] = ()) -> None:
        self._sources = sources
        self._asset = _unpacked(function, workspace / "unpacked" / function.name)
        self.root = workspace / "running" / function.name if sources else self._asset
        self._files = self._scan()
        self._take_over(self._files)
        self._watched = self._paths()
        self._stamps = self._read_stamps()
        self._next_look = 0.0
        self.version = 1

    def look(self) -> int:
        """Return the code's version: one more each time that a file was found changed, added or removed."""
        began = time.monotonic()
        if began < self._next_look:
            return self.version
        cpu_began = time.thread_time()
        stamps = self._read_stamps()
        if stamps != self._stamps:
            files = self._scan()
            if files != self._files:
                self._take_over({name: file for name, file in files.items() if self._files.get(name) != file})
                self._files = files
                self.version += 1
            self._watched = self._paths()
            self._stamps = self._read_stamps()
        took = time.thread_time() - cpu_began
        if took > _QUICK_LOOK:
            self._next_look = began + min(took * _LOOK_SHARE, _LONGEST_PAUSE)
        return self.version

    def _paths(self) -> list[str]:
        """List what to look at: every file, and every folder, whose time changes when a file is added or removed."""
        folders = {str(path) for path in self._asset.rglob("*") if path.is_dir() and path.name != "__pycache__"}
        return [str(self._asset), *sorted(folders), *(path for path, _, _ in self._files.values())]

    def _read_stamps(self) -> list[int]:
        stamps = []
        for path in self._watched:
            try:
                stamps.append(os.stat(path).st_mtime_ns)  # noqa: PTH116 - runs before each event, and Path is slower
            except OSError:
                stamps.append(-1)
        return stamps

    def _scan(self) -> dict[str, tuple[str, int, int]]:
        """Return for each file of the asset where it is taken from, when that was changed, and its size."""
        found = {}
        for name in _files(self._asset):
            for folder in (*self._sources, self._asset):
                path = os.path.join(folder, name)  # noqa: PTH118 - runs before events, and Path is ten times slower
                try:
                    status = os.stat(path)  # noqa: PTH116
                except OSError:
                    continue
                found[name] = (path, status.st_mtime_ns, status.st_size)
                break
        return found

    def _take_over(self, files: dict[str, tuple[str, int, int]]) -> None:
        """Copy files to where they run, if that is not where they lie."""
        if self.root == self._asset:
            return
        for name, (path, _, _) in files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, self.root / name)


def _files(folder: Path) -> Iterator[str]:
    """List the names of a folder's files, relative to it, without bytecode."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(files):
            yield os.path.relpath(os.path.join(parent, name), folder)  # noqa: PTH118


def _unpacked(function: Function, target: Path) -> Path:
    if function.code is not None and function.code.is_dir():
        return function.code.resolve()
    target.mkdir(parents=True, exist_ok=True)
    if function.code is None:
        # AWS::Lambda::Function Code: the text of ZipFile becomes a file named index.
        (target / "index.py").write_text(function.inline_code or "", encoding="utf-8")
        return target
    try:
        with zipfile.ZipFile(function.code) as archive:
            archive.extractall(target)
    except (OSError, zipfile.BadZipFile) as error:
        raise AssemblyError(
            f"function {function.name} has its code in {function.code}, which is no folder and no zip file: {error}"
        ) from error
    return target
