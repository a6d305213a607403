"""A file on its way into a folder: unseen until it is whole and on disk, and gone if that fails."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from contextlib import suppress
from datetime import timedelta

from entrepot.kernel.objects.digest import Digest, require_same
from entrepot.kernel.objects.models import Checksums
from entrepot.kernel.objects.root import Root


class Incoming:
    """One file being written; all its methods block and belong into a thread."""

    def __init__(self, root: Root, path: str) -> None:
        self._root = root
        self._path = path
        self._digest = Digest()
        self._name = ""
        self._descriptor = -1

    def create(self) -> None:
        """Make the temporary file and hold its lock, which says to a sweep that its writer lives."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with self._root.temporary() as folder:
            while self._descriptor < 0:
                name = f"{secrets.token_hex(16)}.part"
                descriptor = os.open(name, flags, 0o666, dir_fd=folder)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if os.fstat(descriptor).st_nlink:
                    self._name, self._descriptor = name, descriptor
                else:  # swept between the two calls
                    os.close(descriptor)

    def write(self, piece: bytes) -> None:
        """Append bytes."""
        self._digest.feed(piece)
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def commit(self, *, expected: Checksums | None, replace: bool) -> tuple[Checksums, os.stat_result]:
        """Give the file its name once it is on disk, and return when that is on disk too.

        Raises ChecksumMismatch, FileExistsError (only if not ``replace``) and OSError.
        """
        checksums = self._digest.result()
        require_same(expected, checksums)
        os.fsync(self._descriptor)
        name = self._path.rpartition("/")[2]
        with self._root.temporary() as source, self._root.parent_of(self._path, make=True) as target:
            if replace:
                os.rename(self._name, name, src_dir_fd=source, dst_dir_fd=target)
            else:
                os.link(self._name, name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
                os.unlink(self._name, dir_fd=source)
            self._name = ""
            os.fsync(target)
        return checksums, os.fstat(self._descriptor)

    def discard(self) -> None:
        """Let go of the file, and remove it unless it was committed."""
        if self._name:
            with self._root.temporary() as folder, suppress(FileNotFoundError):
                os.unlink(self._name, dir_fd=folder)
            self._name = ""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def sweep(root: Root, older_than: timedelta) -> int:
    """Remove temporary files that nobody writes and that are older than that; returns how many."""
    limit = time.time() - older_than.total_seconds()
    with root.temporary() as folder, os.scandir(folder) as entries:
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
