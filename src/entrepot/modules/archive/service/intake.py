"""Many files at once through our own door: read, skipped by checksum or filed, and each told of."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar, cast

from entrepot.kernel.errors import EntrepotError, InvalidInput
from entrepot.kernel.objects import ChecksumMismatch, Checksums
from entrepot.kernel.process import ProcessContext
from entrepot.lib.fits import Card, FitsError
from entrepot.modules.archive.models import PostedFrame
from entrepot.modules.archive.service.ingest import Filed
from entrepot.modules.archive.service.local_files import CHANGED, LocalFile, refuse_changed
from entrepot.modules.archive.service.own_door import (
    AlreadyThere,
    Placed,
    known_names,
    known_sums,
    leave_in_place,
    path_for,
    place_all,
    place_taken,
    register,
)
from entrepot.modules.archive.service.readers import Lent, Readers, Reading
from entrepot.modules.archive.service.records import rules_of, split_name
from entrepot.modules.archive.service.roots import Roots
from entrepot.modules.archive.service.walking import Found, size_of, walk
from entrepot.modules.archive.settings import ArchiveSettings

__all__ = ["Intake", "Outcome", "Verdict"]

BATCH = 64
"""Most files that go through together."""
BATCH_OF_JOB = 8
"""Files that go through together when one is in hand."""
HELD = 128 << 20
"""Bytes of small files that are held at the same time."""
SMALL = 8 << 20
"""Bytes up to which a file is held from the first reading to the store."""
LEFTOVER = timedelta(hours=1)
LOOKED_AT = 256
"""Paths that are looked at before a batch goes on its way, however few of them are files."""

Answer = TypeVar("Answer")


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


@dataclass(slots=True)
class Hand:
    """A file in hand, and what is known of it after each step."""

    path: Path
    extension: str = ""
    resolved: str = ""
    """Where a file in place lies, without links."""
    file: LocalFile = field(init=False)
    posted: PostedFrame = field(init=False)
    to: str = ""
    """The path that its bytes get in the store."""
    placed: Placed = field(init=False)

    @property
    def sums(self) -> Checksums:
        """The checksums of its bytes."""
        return self.file.checksums


class Intake:
    """One run over files and folders; ``tell`` hears of every outcome, in the order in which they are known.

    ``check`` reads the JSON of a frame as it is read when a client posts it. ``given`` are cards that are
    put over the files' own. Files go through in batches, ``jobs`` of them at the same time, and as many files
    at most are sent to a store over the network at the same time. With ``in_place``
    the files stay where they are, below one of the roots, and are only registered. A dry run writes nothing,
    and judges by the catalogue as it is.
    """

    def __init__(
        self,
        process: ProcessContext,
        *,
        check: Callable[[object], PostedFrame],
        tell: Callable[[Outcome], None],
        jobs: int,
        given: Mapping[str, Card],
        in_place: bool = False,
        dry_run: bool = False,
    ) -> None:
        self._process = process
        self._check = check
        self._tell = tell
        self._jobs = jobs
        self._in_place = in_place
        self._dry_run = dry_run
        self.stopped = False
        """Whether `stop` was called."""
        self._room, self._puts = asyncio.Semaphore(jobs), asyncio.Semaphore(jobs)
        kept = not (in_place or dry_run or process.objects.folder is None)
        self._hold = min(SMALL, HELD // jobs) if kept else 0
        self.rules = rules_of(process.settings.section("archive", ArchiveSettings), given)
        """How files are read."""
        self._readers = Readers(min(jobs, os.cpu_count() or 1), self.rules)

    def stop(self) -> None:
        """Take no further file; those in hand are finished."""
        self.stopped = True

    async def run(self, paths: Iterable[Path]) -> None:
        """Go through files and folders; raises Unavailable when the store or the catalogue fails.

        Raises SettingsError for files in place where no roots are set.
        """
        if self._in_place:
            await asyncio.to_thread((await Roots.of(self._process)).require)
        elif not self._dry_run:
            await self._process.objects.ready()
            await self._process.objects.sweep_temporary(LEFTOVER)
        most = min(BATCH, BATCH_OF_JOB * self._jobs)
        batches = _batches(walk(paths, self.rules), most, HELD // self._jobs)
        try:
            async with self._readers, asyncio.TaskGroup() as group:
                await self._spread(batches, group)
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _spread(self, batches: Iterator[Sequence[Found]], group: asyncio.TaskGroup) -> None:
        while True:
            await self._room.acquire()
            batch = () if self.stopped else await asyncio.to_thread(next, batches, ())
            if self.stopped or not batch:
                return
            group.create_task(self._through(batch))

    async def _through(self, batch: Sequence[Found]) -> None:
        """Take a batch from step to step; a file that comes to its end is told of and goes no further."""
        try:
            hands = await self._located(self._taken_up(batch))
            if hands:
                hands = await self._read(hands)
            if hands and self._dry_run:
                await self._foretell(hands)
            elif hands:
                await self._register(await self._rest(hands))
        finally:
            self._room.release()

    async def _read(self, hands: Sequence[Hand]) -> Sequence[Hand]:
        """Read files in a child process, which also puts them into a folder."""
        async with self._readers.lend() as reader:
            hands = await self._described(await self._summed(hands, reader))
            if hands and self._hold:
                files = [(hand.posted, hand.file, hand.to) for hand in hands]
                hands = self._placed(hands, await place_taken(self._process, reader, files))
        return hands

    async def _rest(self, hands: Sequence[Hand]) -> Sequence[Hand]:
        """Bring files where they are to be, unless they are there."""
        if self._in_place:
            return await self._left(hands)
        if self._hold:
            return hands
        files = [(hand.posted, hand.file) for hand in hands]
        return self._placed(hands, await place_all(self._process, files, self._puts))

    # The steps; each gives those files that go on ---------------------------------------------------

    def _taken_up(self, batch: Sequence[Found]) -> list[Hand]:
        """Pass over what is to be, and look at the names of the others."""
        hands: list[Hand] = []
        for found in batch:
            if found.passed_over:
                self._tell(Outcome(found.path, Verdict.PASSED_OVER))
                continue
            hand = Hand(found.path)
            try:
                if found.trouble:
                    raise InvalidInput(found.trouble)
                _, hand.extension = split_name(found.path.name, self.rules)
            except (InvalidInput, FitsError) as error:
                self._refuse(hand, error)
            else:
                hands.append(hand)
        return hands

    async def _located(self, hands: Sequence[Hand]) -> Sequence[Hand]:
        """Find out where files in place lie, and whether they may be read there."""
        if not self._in_place:
            return hands
        roots = await Roots.of(self._process)
        located: list[Hand] = []
        for hand, hand.resolved in self._sound(hands, await roots.resolve([hand.path for hand in hands])):
            located.append(hand)
        return located

    async def _summed(self, hands: Sequence[Hand], reader: Lent) -> list[tuple[Hand, Reading]]:
        """Take the checksums, and skip those whose bytes are there."""
        readings = await reader.take([hand.path for hand in hands], hold=self._hold)
        read = list(self._sound(hands, readings))
        known = await known_sums(self._process, [reading.file.checksums.md5 for _, reading in read])
        summed: list[tuple[Hand, Reading]] = []
        for (hand, reading), there in zip(read, known, strict=True):
            hand.file = reading.file
            if there:
                self._tell_already(hand)
            else:
                summed.append((hand, reading))
        return summed

    async def _described(self, read: Sequence[tuple[Hand, Reading]]) -> list[Hand]:
        """Look at the records."""
        hands, records = [hand for hand, _ in read], [reading.record for _, reading in read]
        described: list[Hand] = []
        for hand, hand.posted in self._sound(hands, list(map(self._checked, hands, records))):
            described.append(hand)
        return described

    def _checked(self, hand: Hand, record: dict[str, object] | InvalidInput) -> PostedFrame | EntrepotError:
        if isinstance(record, InvalidInput):
            return record
        version = {"key": hand.sums.md5, "md5": hand.sums.md5, "extension": hand.extension}
        try:
            posted = self._check(record | {"version_set": [version]})
            if not self._in_place:
                hand.to = path_for(self._process, posted)
        except InvalidInput as error:
            return error
        return posted

    def _placed(self, hands: Sequence[Hand], answers: Sequence[Placed | EntrepotError]) -> list[Hand]:
        placed: list[Hand] = []
        for hand, hand.placed in self._sound(hands, answers):
            placed.append(hand)
        return placed

    async def _left(self, hands: Sequence[Hand]) -> list[Hand]:
        """Leave files where they are, sure that their paths still lead to the bytes that were read."""
        roots = await Roots.of(self._process)
        marks = await roots.mark([hand.resolved for hand in hands])
        files = [replace(hand.file, path=Path(hand.resolved)) for hand in hands]
        changes = await asyncio.to_thread(refuse_changed, files)
        left: list[Hand] = []
        answers = [
            change if change is not None else mark for mark, change in zip(marks, changes, strict=True)
        ]
        for hand, found in self._sound(hands, answers):
            hand.placed = leave_in_place(hand.posted, hand.sums, found)
            left.append(hand)
        return left

    async def _foretell(self, hands: Sequence[Hand]) -> None:
        """Say what would become of files."""
        filed = await known_names(self._process, [hand.posted.basename for hand in hands])
        for hand, there in zip(hands, filed, strict=True):
            verdict = Verdict.NEW_VERSION if there else Verdict.NEW_FRAME
            filename = hand.posted.basename + hand.extension
            self._tell(Outcome(hand.path, verdict, hand.sums.size, hand.sums.md5, filename))

    async def _register(self, hands: Sequence[Hand]) -> None:
        """Write the rows of files."""
        results = await register(self._process, [hand.placed for hand in hands]) if hands else ()
        for hand, result in self._sound(hands, results):
            self._tell_filed(hand, result)

    # What is told -----------------------------------------------------------------------------------

    def _sound(
        self, hands: Sequence[Hand], answers: Sequence[Answer | EntrepotError]
    ) -> Iterator[tuple[Hand, Answer]]:
        """Tell of those whose answer is a failure, and give the others."""
        for hand, answer in zip(hands, answers, strict=True):
            if isinstance(answer, AlreadyThere):
                self._tell_already(hand)
            elif isinstance(answer, EntrepotError):
                self._refuse(hand, answer)
            else:
                yield hand, answer

    def _refuse(self, hand: Hand, error: Exception) -> None:
        reason = _sentence(error, self.rules.keywords)
        self._tell(Outcome(hand.path, Verdict.REFUSED, size_of(hand.path), reason=reason))

    def _tell_already(self, hand: Hand) -> None:
        self._tell(Outcome(hand.path, Verdict.ALREADY, hand.sums.size, hand.sums.md5, hand.path.name))

    def _tell_filed(self, hand: Hand, filed: Filed) -> None:
        verdict = Verdict.NEW_FRAME if len(filed.frame.versions) == 1 else Verdict.NEW_VERSION
        sums, name = hand.sums, hand.placed.filename
        self._tell(Outcome(hand.path, verdict, sums.size, sums.md5, name, filed.frame.id))


def _batches(found: Iterable[Found], most: int, heaviest: int) -> Iterator[Sequence[Found]]:
    """Gather ``most`` files, or fewer that are ``heaviest`` bytes together; only the last may be larger."""
    batch: list[Found] = []
    files, size = 0, 0
    for one in found:
        batch.append(one)
        if not (one.passed_over or one.trouble):
            files, size = files + 1, size + size_of(one.path)
        if files >= most or size >= heaviest or len(batch) >= LOOKED_AT:
            yield batch
            batch, files, size = [], 0, 0
    if batch:
        yield batch


def _sentence(error: Exception, cards: Mapping[str, str]) -> str:
    """Say why in one sentence, fields under the names of their cards."""
    if isinstance(error, ChecksumMismatch):
        return CHANGED
    if not isinstance(error, InvalidInput) or not error.fields:
        return str(error)
    return " ".join(f"{cards.get(name, name)}: {text}" for name, text in _leaves(error.fields))


def _leaves(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        for item in cast("list[object]", value if isinstance(value, list) else [value]):
            if isinstance(item, Mapping):
                yield from _leaves(cast("Mapping[str, Any]", item))
            else:
                yield name, str(item)
