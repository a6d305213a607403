"""A file on its way into a folder: unseen until it is whole and on disk, and gone if that fails."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import timedelta
from pathlib import Path

from entrepot.kernel.objects.digest import Digest, require_same
from entrepot.kernel.objects.errors import ChecksumMismatch
from entrepot.kernel.objects.models import Checksums
from entrepot.kernel.objects.root import Root


class Part:
    """A file without a name of its own yet; all its methods block and belong into a thread.

    ``folder`` opens the folder in which it is written, and gives its descriptor.
    """

    def __init__(self, folder: Callable[[], AbstractContextManager[int]]) -> None:
        self._folder = folder
        self._digest = Digest()
        self.name = ""
        self._descriptor = -1

    def create(self) -> None:
        """Make the temporary file and hold its lock, which says to a sweep that its writer lives."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with self._folder() as folder:
            while self._descriptor < 0:
                name = f"{secrets.token_hex(16)}.part"
                descriptor = os.open(name, flags, 0o666, dir_fd=folder)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if os.fstat(descriptor).st_nlink:
                    self.name, self._descriptor = name, descriptor
                else:  # swept between the two calls
                    os.close(descriptor)

    def write(self, piece: bytes) -> None:
        """Append bytes."""
        self._digest.feed(piece)
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def checksums(self) -> Checksums:
        """Give the checksums of what was written so far."""
        return self._digest.result()

    def discard(self) -> None:
        """Let go of the file, and remove it unless it has got a name elsewhere."""
        try:
            if self.name:
                with suppress(FileNotFoundError), self._folder() as folder:
                    os.unlink(self.name, dir_fd=folder)
                self.name = ""
        finally:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1


class Incoming(Part):
    """A file on its way to ``path`` below the root."""

    def __init__(self, root: Root, path: str) -> None:
        super().__init__(root.temporary)
        self._root = root
        self._path = path

    def commit(self, *, expected: Checksums | None, replace: bool) -> tuple[Checksums, os.stat_result]:
        """Give the file its name once it is on disk, and return when that is on disk too.

        Raises ChecksumMismatch, FileExistsError (only if not ``replace``) and OSError.
        """
        checksums = self.checksums()
        require_same(expected, checksums)
        os.fsync(self._descriptor)
        name = self._path.rpartition("/")[2]
        with self._root.temporary() as source, self._root.parent_of(self._path, make=True) as target:
            if replace:
                os.rename(self.name, name, src_dir_fd=source, dst_dir_fd=target)
            else:
                os.link(self.name, name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
                os.unlink(self.name, dir_fd=source)
            self.name = ""
            os.fsync(target)
        return checksums, os.fstat(self._descriptor)


def take_over(root: Root, path: str, file: Path, *, size: int, replace: bool) -> os.stat_result | None:
    """Give a file of this machine the name ``path`` below the root, and return when that is on disk.

    With ``replace`` it loses its old name. None if it lies in another file system. Raises
    ChecksumMismatch if it isn't a file of that ``size``, FileExistsError and OSError as a commit does.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size != size:
            raise ChecksumMismatch("The file is not the one whose checksums were taken.")
        os.fsync(descriptor)
        with root.parent_of(path, make=True) as target:
            if not _name(file, target, path.rpartition("/")[2], replace=replace):
                return None
            os.fsync(target)
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _name(file: Path, folder: int, name: str, *, replace: bool) -> bool:
    try:
        if replace:
            os.rename(file, name, dst_dir_fd=folder)
        else:
            os.link(file, name, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.EXDEV:
            return False
        raise
    return True


def sweep(opened: Callable[[], AbstractContextManager[int]], older_than: timedelta) -> int:
    """Remove the parts in a folder that nobody writes and that are older than that; returns how many."""
    limit = time.time() - older_than.total_seconds()
    with opened() as folder, os.scandir(folder) as entries:
        return sum(_sweep_one(folder, entry.name, limit) for entry in list(entries))


def _sweep_one(folder: int, name: str, limit: float) -> bool:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
    except OSError:  # gone meanwhile, or nothing that a put made
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        old = os.fstat(descriptor).st_mtime <= limit
        if old:
            os.unlink(name, dir_fd=folder)
    except (BlockingIOError, FileNotFoundError, IsADirectoryError, PermissionError):
        return False
    else:
        return old
    finally:
        os.close(descriptor)
