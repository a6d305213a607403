"""Many files at once through our own door: read, skipped by checksum or filed, and each told of."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from entrepot.kernel.errors import Conflict, EntrepotError, InvalidInput
from entrepot.kernel.objects import ChecksumMismatch
from entrepot.kernel.process import ProcessContext
from entrepot.lib.fits import Card, FitsError
from entrepot.modules.archive.models import Condition, FrameQuery, PostedFrame
from entrepot.modules.archive.service.ingest import Filed
from entrepot.modules.archive.service.own_door import (
    CHANGED,
    AlreadyThere,
    LocalFile,
    Placed,
    known_sums,
    local_file,
    path_for,
    place,
    register,
)
from entrepot.modules.archive.service.readers import Readers
from entrepot.modules.archive.service.records import KEYWORDS, rules_of, split_name
from entrepot.modules.archive.service.visibility import of_the_service
from entrepot.modules.archive.service.walking import Found, size_of, walk
from entrepot.modules.archive.settings import ArchiveSettings
from entrepot.modules.archive.store import search

__all__ = ["Intake", "Outcome", "Verdict"]

BATCH = 50
"""Most frames in a transaction."""
LINGER = 0.02
"""Seconds that a transaction waits for more frames to come."""
LOOKUP_LINGER = 0.002
LEFTOVER = timedelta(hours=1)
FOUND_AT_ONCE = 256

Question = TypeVar("Question")
Answer = TypeVar("Answer")
Item = TypeVar("Item")


class Verdict(StrEnum):
    """What became of a file."""

    NEW_FRAME = "new frame"
    NEW_VERSION = "new version"
    ALREADY = "already there"
    REFUSED = "refused"
    PASSED_OVER = "passed over"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file (in a dry run: would become), with the reason if it was refused."""

    path: Path
    verdict: Verdict
    size: int = 0
    md5: str | None = None
    filename: str | None = None
    frame: int | None = None
    reason: str | None = None


class Intake:
    """One run over files and folders; ``tell`` hears of every outcome, in the order in which they are known.

    ``check`` reads the JSON of a frame as it is read when a client posts it. At most ``jobs`` files are
    read and put into the store at the same time. ``given`` are cards that are put over the files' own. A
    dry run writes nothing, and judges by the catalogue as it is.
    """

    def __init__(
        self,
        process: ProcessContext,
        *,
        check: Callable[[object], PostedFrame],
        tell: Callable[[Outcome], None],
        jobs: int,
        given: Mapping[str, Card],
        dry_run: bool = False,
    ) -> None:
        self._process = process
        self._check = check
        self._tell = tell
        self._dry_run = dry_run
        self.stopped = False
        """Whether `stop` was called."""
        self._slots = asyncio.Semaphore(jobs)
        self._room = asyncio.Semaphore(jobs + 2 * BATCH)
        rules = rules_of(process.settings.section("archive", ArchiveSettings), given)
        self._readers = Readers(min(jobs, os.cpu_count() or 1), rules)
        self._is_known = Together(partial(known_sums, process), most=BATCH, linger=LOOKUP_LINGER)
        self._file = Together(partial(register, process), most=BATCH, linger=LINGER)

    def stop(self) -> None:
        """Take no further file; those in hand are finished."""
        self.stopped = True

    async def run(self, paths: Iterable[Path]) -> None:
        """Go through files and folders; raises Unavailable when the store or the catalogue fails."""
        if not self._dry_run:
            await self._process.objects.ready()
            await self._process.objects.sweep_temporary(LEFTOVER)
        try:
            async with self._readers, asyncio.TaskGroup() as group:
                await self._spread(walk(paths), group)
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _spread(self, found: Iterator[Found], group: asyncio.TaskGroup) -> None:
        while not self.stopped:
            some = await asyncio.to_thread(_take, found)
            if not some:
                return
            for one in some:
                await self._room.acquire()
                if self.stopped:
                    return
                group.create_task(self._one(one))

    async def _one(self, found: Found) -> None:
        try:
            outcome = await self._outcome(found)
            if outcome is not None:
                self._tell(outcome)
        finally:
            self._room.release()

    async def _outcome(self, found: Found) -> Outcome | None:
        """Deal with one path; None if the run was stopped before its turn."""
        if found.passed_over:
            return Outcome(found.path, Verdict.PASSED_OVER)
        try:
            if found.trouble:
                raise InvalidInput(found.trouble)
            split_name(found.path.name)
            return await self._taken_in(found.path)
        except (InvalidInput, Conflict, FitsError) as error:
            return Outcome(found.path, Verdict.REFUSED, size_of(found.path), reason=_sentence(error))

    async def _taken_in(self, path: Path) -> Outcome | None:
        async with self._slots:
            if self.stopped:
                return None
            file = await local_file(path)
            if await self._is_known(file.checksums.md5):
                return _already(file)
            posted = await self._posted(file)
            if self._dry_run:
                return await self._foretold(file, posted)
            placed = await place(self._process, posted, file.checksums, file.pieces)
            if placed is None:
                return _already(file)
        return _filed(file, placed, await self._file(placed))

    async def _posted(self, file: LocalFile) -> PostedFrame:
        record = await self._readers.read(file.path)
        md5 = file.checksums.md5
        _, extension = split_name(file.path.name)
        version = {"key": md5, "md5": md5, "extension": extension}
        return self._check(record | {"version_set": [version]})

    async def _foretold(self, file: LocalFile, posted: PostedFrame) -> Outcome:
        path_for(self._process, posted)
        query = FrameQuery(conditions=(Condition("basename", "eq", posted.basename),), limit=1)
        async with self._process.database.read() as session:
            there = await search.list_frames(session, query, of_the_service())
        verdict = Verdict.NEW_VERSION if there else Verdict.NEW_FRAME
        filename = posted.basename + posted.versions[0].extension
        return Outcome(file.path, verdict, file.checksums.size, file.checksums.md5, filename)


class Together(Generic[Question, Answer]):
    """Asks what is asked at the same time in one go.

    ``ask`` gets at most ``most`` questions and gives as many answers. A go begins when the one before it
    has ended, and after ``linger`` seconds unless it is full by then.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]],
        *,
        most: int,
        linger: float = 0.0,
    ) -> None:
        self._ask = ask
        self._most = most
        self._linger = linger
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._turn = asyncio.Lock()

    async def __call__(self, question: Question) -> Answer:
        """Give the answer to one question; when a go fails, one asker gets the failure, the others end."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        async with self._turn:
            while not answer.done():
                if len(self._waiting) < self._most:
                    await asyncio.sleep(self._linger)
                await self._go()
        return await answer

    async def _go(self) -> None:
        taken, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        try:
            answers = await self._ask([question for question, _ in taken])
            for (_, future), answer in zip(taken, answers, strict=True):
                future.set_result(answer)
        finally:
            for _, future in taken:
                future.cancel()  # nothing, for those that have their answers


def _take(found: Iterator[Item]) -> list[Item]:
    return list(itertools.islice(found, FOUND_AT_ONCE))


def _already(file: LocalFile) -> Outcome:
    return Outcome(file.path, Verdict.ALREADY, file.checksums.size, file.checksums.md5, file.path.name)


def _filed(file: LocalFile, placed: Placed, result: Filed | EntrepotError) -> Outcome:
    if isinstance(result, AlreadyThere):
        return _already(file)
    if isinstance(result, EntrepotError):
        raise result
    verdict = Verdict.NEW_FRAME if len(result.frame.versions) == 1 else Verdict.NEW_VERSION
    sums = file.checksums
    return Outcome(file.path, verdict, sums.size, sums.md5, placed.filename, result.frame.id)


def _sentence(error: Exception) -> str:
    """Say why in one sentence, fields under the names of their cards."""
    if isinstance(error, ChecksumMismatch):
        return CHANGED
    if not isinstance(error, InvalidInput) or not error.fields:
        return str(error)
    return " ".join(f"{KEYWORDS.get(name, name)}: {text}" for name, text in _leaves(error.fields))


def _leaves(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        for item in cast("list[object]", value if isinstance(value, list) else [value]):
            if isinstance(item, Mapping):
                yield from _leaves(cast("Mapping[str, Any]", item))
            else:
                yield name, str(item)
