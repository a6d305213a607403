"""Our own door: a file's bytes go into the store under a path of their own, then its frame is filed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from entrepot.kernel.db import WriteSession
from entrepot.kernel.errors import Conflict, EntrepotError, InvalidInput
from entrepot.kernel.objects import Checksums, ObjectExists, Stored
from entrepot.kernel.process import ProcessContext
from entrepot.modules.archive.models import Frame, PostedFrame
from entrepot.modules.archive.service.download import media_type
from entrepot.modules.archive.service.filing import own_path
from entrepot.modules.archive.service.ingest import Filed, NewFile, file_frames
from entrepot.modules.archive.service.local_files import LocalFile
from entrepot.modules.archive.service.readers import Lent
from entrepot.modules.archive.service.roots import InPlace, remove_object
from entrepot.modules.archive.service.visibility import of_the_service
from entrepot.modules.archive.store import files as store

__all__ = [
    "AlreadyThere", "Placed", "known_names", "known_sums", "leave_in_place", "path_for", "place", "place_all",
    "place_taken", "placed_at", "register",
]  # fmt: skip


THERE = "A version has these bytes already."


class AlreadyThere(Conflict):
    """A version has these bytes already."""

    code = "already_there"


@dataclass(frozen=True, slots=True)
class Placed:
    """A frame whose new version lies where it is served from; what is missing is its rows."""

    posted: PostedFrame
    file: NewFile

    @property
    def filename(self) -> str:
        """The name under which the file is downloaded."""
        return self.posted.basename + self.file.version.extension


async def known_sums(process: ProcessContext, md5s: Sequence[str]) -> list[bool]:
    """Tell of each MD5 sum whether a version has it."""
    async with process.database.read_newest() as session:
        known = await store.known_md5s(session, md5s)
    return [md5 in known for md5 in md5s]


async def known_names(process: ProcessContext, basenames: Sequence[str]) -> list[bool]:
    """Tell of each basename whether a frame with versions has it."""
    async with process.database.read_newest() as session:
        filed = await store.filed_names(session, basenames)
    return [basename in filed for basename in basenames]


def path_for(process: ProcessContext, posted: PostedFrame) -> str:
    """Give the path of a frame's one version; raises InvalidInput for one that the store can't take."""
    frame = replace(Frame(0, posted.basename), **cast("dict[str, Any]", dict(posted.values)))
    path = own_path(frame, posted.versions[0].extension, posted.versions[0].md5)
    process.objects.check_path(path)
    return path


async def place(
    process: ProcessContext,
    posted: PostedFrame,
    checksums: Checksums,
    pieces: Callable[[], AsyncIterator[bytes]],
) -> Placed | None:
    """Put the bytes of a frame's one version into the store; ``pieces`` gives them, twice if need be.

    None if a version has them meanwhile. Raises ChecksumMismatch for other bytes than those announced,
    InvalidInput for a name that the store can't take, Unavailable, and what ``pieces`` raises.
    """
    announced = posted.versions[0]
    path = path_for(process, posted)
    media = media_type(posted.basename + announced.extension)
    put = partial(process.objects.put, path, content_type=media, expected=checksums)
    try:
        stored = await put(pieces(), replace=False)
    except ObjectExists:
        # Another process has just put it, or one that was killed before it wrote the rows.
        if (await known_sums(process, [announced.md5]))[0]:
            return None
        stored = await put(pieces(), replace=True)
    return placed_at(posted, path, stored)


async def place_all(
    process: ProcessContext, files: Sequence[tuple[PostedFrame, LocalFile]], room: asyncio.Semaphore
) -> list[Placed | EntrepotError]:
    """Put files of this machine into the store, as many at a time as there is ``room`` for.

    What is wrong with one stops no other. Answers are as `place` has them, AlreadyThere for its None;
    raises Unavailable.
    """

    async def place_one(posted: PostedFrame, file: LocalFile) -> Placed | EntrepotError:
        async with room:
            try:
                placed = await place(process, posted, file.checksums, file.pieces)
            except (InvalidInput, Conflict) as error:
                return error
        return placed or AlreadyThere(THERE)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(place_one(posted, file)) for posted, file in files]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


async def place_taken(
    process: ProcessContext, reader: Lent, files: Sequence[tuple[PostedFrame, LocalFile, str]]
) -> list[Placed | EntrepotError]:
    """Have the process that took files put them into the store's folder, under the paths beside them.

    Answers are as those of `place_all`.
    """
    assert process.objects.folder is not None  # noqa: S101 - only a folder is written by others
    stored = await reader.put(process.objects.folder, [(file, path) for _, file, path in files])
    results: list[Placed | EntrepotError] = []
    for (posted, file, path), answer in zip(files, stored, strict=True):
        if isinstance(answer, Stored):
            results.append(placed_at(posted, path, answer))
        elif answer is None or isinstance(answer, ObjectExists):
            results += await place_all(process, [(posted, file)], asyncio.Semaphore(1))
        else:
            results.append(answer)
    return results


def placed_at(posted: PostedFrame, path: str, stored: Stored) -> Placed:
    """Say where the bytes of a frame's one version lie."""
    kept = stored.stat.version
    version = replace(posted.versions[0], key=kept or stored.checksums.md5)
    file = NewFile(version, path, kept, stored.checksums, stored.stat.etag)
    return Placed(replace(posted, versions=(version,)), file)


def leave_in_place(posted: PostedFrame, checksums: Checksums, found: InPlace) -> Placed:
    """Say that the bytes of a frame's one version stay where they are."""
    return Placed(posted, NewFile(posted.versions[0], found.path, None, checksums, found.etag))


async def register(process: ProcessContext, placed: Sequence[Placed]) -> list[Filed | EntrepotError]:
    """File placed frames in one transaction; give each one's frame, or why the catalogue refuses it.

    AlreadyThere is such a reason. The object of what is refused is removed, unless it is, or may soon be,
    that of another process's version: in a folder, two that file the same bytes put them under one path.
    """
    results = await _file_all(process, placed)
    for one, result in zip(placed, results, strict=True):
        ours_alone = one.file.store_version is not None or isinstance(result, AlreadyThere | InvalidInput)
        if isinstance(result, EntrepotError) and ours_alone:
            await _withdraw(process, one)
    return results


async def _file_all(process: ProcessContext, placed: Sequence[Placed]) -> list[Filed | EntrepotError]:
    items = [(one.posted, partial(_file_of, one)) for one in placed]

    async def work(session: WriteSession) -> list[Filed | InvalidInput]:
        return await file_frames(session, items)

    try:
        return [_meaning(result) for result in await process.database.transact(work)]
    except Conflict as error:
        if len(placed) == 1:
            return [error]
        return [(await _file_all(process, [one]))[0] for one in placed]


def _file_of(placed: Placed, _: Frame) -> list[NewFile]:
    return [placed.file]


def _meaning(result: Filed | InvalidInput) -> Filed | EntrepotError:
    known = isinstance(result, InvalidInput) and "md5" in str(result.fields.get("version_set"))
    return AlreadyThere(THERE) if known else result


async def _withdraw(process: ProcessContext, placed: Placed) -> None:
    file = placed.file
    if file.store_version is None and await _is_owned(process, placed):
        return
    await remove_object(process, file.path, file.store_version)


async def _is_owned(process: ProcessContext, placed: Placed) -> bool:
    """Tell whether a version's bytes lie where these were put: somebody was faster with the same file."""
    async with process.database.read_newest() as session:
        key = placed.file.version.key
        found = await store.find_file(session, key, placed.filename, of_the_service())
    return found is not None and found.path == placed.file.path
