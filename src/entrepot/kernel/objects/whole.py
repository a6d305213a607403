"""Small files into a folder, many at once: each as safe as one put alone, for fewer waits for the disk."""

from __future__ import annotations

import fcntl
import os
import secrets
import sys
from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from entrepot.kernel.objects.models import Whole
from entrepot.kernel.objects.root import Root

SYNCS = 8
"""Waits for the disk at the same time; it does them together."""

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC

Results = dict[int, os.stat_result | OSError]


@dataclass(slots=True)
class _Part:
    """A temporary file; its name is empty once it has its own."""

    name: str
    descriptor: int


def put_whole(root: Root, objects: Sequence[Whole]) -> list[os.stat_result | OSError]:
    """Write files that aren't there yet (blocks); give for each what the system says of it, or why it failed.

    All are on disk under their names when this returns, and none is seen before it is whole. FileExistsError
    is given for those whose place is taken.
    """
    results: Results = {}
    with root.temporary() as temporary, _parts(temporary) as parts, ThreadPoolExecutor(SYNCS) as pool:
        for index, one in enumerate(objects):
            try:
                parts[index] = _create(temporary)
                _write(parts[index], one.content)
            except OSError as error:
                results[index] = error
        _sync(pool, {index: [part.descriptor] for index, part in parts.items()}, results)
        with ExitStack() as stack:
            folders: dict[int, list[int]] = {}
            for indices in _by_folder(objects, parts.keys() - results.keys()):
                try:
                    folder = stack.enter_context(root.parent_of(objects[indices[0]].path, make=True))
                except OSError as error:
                    results.update(dict.fromkeys(indices, error))
                else:
                    named = {index: (objects[index].path, parts[index]) for index in indices}
                    folders |= _name_all(temporary, folder, named, results)
            _sync(pool, folders, results)
    return [results[index] for index in range(len(objects))]


@contextmanager
def _parts(temporary: int) -> Generator[dict[int, _Part]]:
    """Hold temporary files; at the end all are closed, and those without a name of their own are gone."""
    parts: dict[int, _Part] = {}
    try:
        yield parts
    finally:
        for part in parts.values():
            if part.name:
                with suppress(OSError):  # a sweep removes it
                    os.unlink(part.name, dir_fd=temporary)
            os.close(part.descriptor)


def _create(temporary: int) -> _Part:
    while True:
        name = f"{secrets.token_hex(16)}.part"
        descriptor = os.open(name, _NEW, 0o666, dir_fd=temporary)
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # says to a sweep that its writer lives
        if os.fstat(descriptor).st_nlink:
            return _Part(name, descriptor)
        os.close(descriptor)  # swept between the two calls


def _write(part: _Part, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(part.descriptor, rest) :]
    if sys.platform == "linux":
        # The disk begins with it while the next are written, so that there is less to wait for.
        os.posix_fadvise(part.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _sync(pool: ThreadPoolExecutor, files: Mapping[int, Sequence[int]], results: Results) -> None:
    """Wait until files, or the folders of some, are on disk, and note for which that fails."""
    descriptors = sorted({one for those in files.values() for one in those})
    failures = dict(zip(descriptors, pool.map(_synced, descriptors), strict=True))
    for index, those in files.items():
        failed = next((failures[one] for one in those if failures[one]), None)
        if failed is not None:
            results[index] = failed


def _synced(descriptor: int) -> OSError | None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        return error
    return None


def _by_folder(objects: Sequence[Whole], indices: Iterable[int]) -> Iterable[list[int]]:
    """Group objects by the folder that they are to lie in."""
    groups: dict[str, list[int]] = {}
    for index in sorted(indices):
        groups.setdefault(objects[index].path.rpartition("/")[0], []).append(index)
    return groups.values()


def _name_all(
    temporary: int, folder: int, files: Mapping[int, tuple[str, _Part]], results: Results
) -> dict[int, list[int]]:
    """Give files their names in a folder; gives of each that has one the folder, which is to be synced."""
    named: dict[int, list[int]] = {}
    for index, (path, part) in files.items():
        try:
            name = path.rpartition("/")[2]
            os.link(part.name, name, src_dir_fd=temporary, dst_dir_fd=folder, follow_symlinks=False)
            os.unlink(part.name, dir_fd=temporary)
            part.name = ""
            results[index] = os.fstat(part.descriptor)
        except OSError as error:
            results[index] = error
        else:
            named[index] = [folder]
    return named
