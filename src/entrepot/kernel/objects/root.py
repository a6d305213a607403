"""A folder on disk and nothing outside it: every way in resolves links, checks, then walks without them."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

TEMPORARY = ".entrepot"
"""The hidden folder below the root in which files are written before they get their name."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# non-blocking, so that a pipe put there meanwhile can't hold the thread; it means nothing to a file
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class OutsideRootError(OSError):
    """A link leads out of the root, or into the folder of unfinished files."""


class NotAFileError(OSError):
    """What is there is not a regular file."""


class Root:
    """The folder that a store keeps its files in."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(os.path.realpath(folder))

    def locate(self, path: str) -> Path:
        """Resolve a stored path to an existing regular file; raises OSError and the two above."""
        target = Path(os.path.realpath(self.folder / path, strict=True))
        self._parts(target)
        if not stat.S_ISREG(target.lstat().st_mode):
            raise NotAFileError
        return target

    def open_file(self, path: str) -> int:
        """Open a regular file for reading and return its descriptor; raises as ``locate`` does."""
        target = self.locate(path)
        with self._walk(self._parts(target.parent)) as parent:
            descriptor = os.open(target.name, _FILE, dir_fd=parent)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise NotAFileError
        return descriptor

    @contextmanager
    def parent_of(self, path: str, *, make: bool = False) -> Generator[int]:
        """Give a descriptor of the folder that ``path`` is in; ``make`` it, durably, where it is missing."""
        # not strict: what doesn't exist yet has no links in it
        target = Path(os.path.realpath((self.folder / path).parent))
        with self._walk(self._parts(target), make=make) as descriptor:
            yield descriptor

    @contextmanager
    def temporary(self) -> Generator[int]:
        """Give a descriptor of the folder of unfinished files, made if missing."""
        with self._walk((TEMPORARY,), make=True) as descriptor:
            yield descriptor

    def _parts(self, target: Path) -> tuple[str, ...]:
        if not target.is_relative_to(self.folder):
            raise OutsideRootError
        parts = target.relative_to(self.folder).parts
        if parts[:1] == (TEMPORARY,):
            raise OutsideRootError
        return parts

    @contextmanager
    def _walk(self, parts: tuple[str, ...], *, make: bool = False) -> Generator[int]:
        """Step down from the root; a part that has become a link since it was resolved is an OSError."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in parts:
                below = _step(descriptor, part, make=make)
                os.close(descriptor)
                descriptor = below
            yield descriptor
        finally:
            os.close(descriptor)


def _step(folder: int, name: str, *, make: bool) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except FileNotFoundError:
        if not make:
            raise
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=folder)
    os.fsync(folder)
    return os.open(name, _FOLDER, dir_fd=folder)
