"""Filing many frames that come line by line; under an idempotency key, each line exactly once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import cast

from entrepot.kernel.db import Duplicate, WriteSession
from entrepot.kernel.errors import Conflict, EntrepotError, InvalidInput, TooLarge, Unavailable
from entrepot.kernel.jobs import Job
from entrepot.kernel.process import ProcessContext
from entrepot.modules.archive.documents import BASE, Json, dumps, frame_answer, render_object
from entrepot.modules.archive.models import PostedFrame
from entrepot.modules.archive.posted import parse_json, read_frame
from entrepot.modules.archive.service.checks import CHECKSUM_JOB
from entrepot.modules.archive.service.ingest import Filed, file_frames, files_in_store
from entrepot.modules.archive.service.lines import Line, Lines
from entrepot.modules.archive.settings import ArchiveSettings
from entrepot.modules.archive.store import bulk as store

__all__ = ["BulkFiling", "Key", "Result", "prune_job"]

BATCH_LINES = 200
BATCH_BYTES = 4 * 2**20
HOUR = 3600.0
FOUND = 1000
PRUNED_AT_ONCE = 50
CONTENDED = (
    "Others keep changing this frame; send this line again, under another Idempotency-Key if it had one."
)


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key of a user."""

    user_id: int
    text: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a line: the frame (201) or what is wrong, as JSON with ``BASE`` for the base of URLs."""

    number: int
    status: int
    content: Json
    repeated: bool = False
    """It was filed by an earlier request with the same key."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a line isn't filed. The failure itself would keep alive all that was at hand when it was raised."""

    status: int
    content: Json


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line as it was read: a frame, why it isn't one, or None for a blank line."""

    line: Line
    read: PostedFrame | _Refusal | None
    digest: str


class _Overtaken(Exception):
    """Another request with the same key has filed these lines."""


class BulkFiling:
    """Files the lines of one request.

    With ``brief``, results have of a frame just its id and URL.
    """

    def __init__(self, process: ProcessContext, *, key: Key | None, brief: bool) -> None:
        self._process = process
        self._settings = process.settings.section("archive", ArchiveSettings)
        self._key = key
        self._brief = brief

    @property
    def has_key(self) -> bool:
        """Whether the lines can be sent again without being filed twice."""
        return self._key is not None

    async def results(self, lines: Lines) -> AsyncGenerator[list[Result]]:
        """Give the results of all lines but the blank ones, in order, some at a time when they are committed.

        Raises Conflict for other lines than those that came under the key before, RequestTimeout when lines
        fail to come, and Unavailable; what was given by then stays.
        """
        may_be_there = self._key is not None
        while True:
            if may_be_there and (batch := await self._stored(lines.number)):
                async for results in self._repeated(batch, lines):
                    yield results
                continue
            taken = await lines.take(BATCH_LINES, BATCH_BYTES)
            if not taken:
                return
            may_be_there = False
            try:
                async for results in self._filed(await asyncio.to_thread(self._entries, taken, lines.limit)):
                    yield results
            except _Overtaken as overtaken:
                lines.put_back(line for line in taken if line.number >= overtaken.args[0])
                may_be_there = True

    # Lines that were filed before ------------------------------------------------------------------

    async def _stored(self, number: int) -> store.Batch | None:
        if self._key is None:
            return None
        async with self._process.database.read_newest() as session:
            return await store.batch_at(session, self._key.user_id, self._key.text, number)

    async def _repeated(self, batch: store.Batch, lines: Lines) -> AsyncGenerator[list[Result]]:
        """Give the earlier results of the lines of a batch, as far as they come again."""
        results = await asyncio.to_thread(self._unpacked, batch)
        digests = batch.digests
        while digests and (taken := await lines.take(min(BATCH_LINES, len(digests)), BATCH_BYTES)):
            await asyncio.to_thread(_require_same, taken, digests)
            digests = digests[len(taken) :]
            yield [results[line.number] for line in taken if line.number in results]

    def _unpacked(self, batch: store.Batch) -> dict[int, Result]:
        results: dict[int, Result] = {}
        for text in filter(None, batch.results().split("\n")):
            number, status, content = text.split(" ", 2)
            shown = _shortened(content) if self._brief and status == "201" else Json(content)
            results[int(number)] = Result(int(number), int(status), shown, repeated=True)
        return results

    # Lines that are new ----------------------------------------------------------------------------

    def _entries(self, lines: Sequence[Line], limit: int) -> list[_Entry]:
        return [_Entry(line, self._read(line, limit), line.digest if self._key else "") for line in lines]

    def _read(self, line: Line, limit: int) -> PostedFrame | _Refusal | None:
        if line.long:
            return _refusal(TooLarge(f"The line is longer than the {limit:,} bytes that are taken here."))
        if not line.text.strip():
            return None
        try:
            return read_frame(parse_json(line.text), self._settings)
        except EntrepotError as error:
            return _refusal(error)

    async def _filed(self, entries: Sequence[_Entry]) -> AsyncGenerator[list[Result]]:
        """File lines in one transaction, or where others are too much in the way of that, in smaller ones."""
        try:
            results = await self._process.database.transact(partial(self._work, entries))
        except Conflict:
            for part in _parts(entries):
                async for some in self._filed(part):
                    yield some
        else:
            yield results

    async def _work(self, entries: Sequence[_Entry], session: WriteSession) -> list[Result]:
        batch = await self._claimed(entries, session)
        frames = [entry.read for entry in entries if isinstance(entry.read, PostedFrame)]
        filed = await file_frames(session, [(one, files_in_store(self._process, one)) for one in frames])
        results, packed = await asyncio.to_thread(self._rendered, entries, filed)
        if batch is not None:
            await store.save_results(session, batch, packed)
        new = [
            version.id
            for posted, one in zip(frames, filed, strict=True)
            if isinstance(one, Filed)
            for version in one.frame.versions[: len(posted.versions)]
        ]
        session.after_commit.append(lambda: self._process.jobs.wake(CHECKSUM_JOB, new))
        return results

    async def _claimed(self, entries: Sequence[_Entry], session: WriteSession) -> int | None:
        """Claim lines for this request, if they have a key; gives the batch's id."""
        if self._key is None:
            return None
        first, digests = entries[0].line.number, [entry.digest for entry in entries]
        try:
            return await store.add_batch(
                session, self._key.user_id, self._key.text, first, digests, datetime.now(UTC)
            )
        except Duplicate as error:
            raise _Overtaken(first) from error

    def _rendered(
        self, entries: Sequence[_Entry], filed: Sequence[Filed | InvalidInput]
    ) -> tuple[list[Result], bytes]:
        """Write the results, and with a key also what is kept of them."""
        outcomes = (_refusal(one) if isinstance(one, InvalidInput) else one for one in filed)
        full: list[Result] = []
        for entry in entries:
            if entry.read is not None:
                outcome = next(outcomes) if isinstance(entry.read, PostedFrame) else entry.read
                full.append(_result(entry.line.number, outcome, brief=self._brief and self._key is None))
        if self._key is None:
            return full, b""
        packed = store.pack("\n".join(f"{one.number} {one.status} {one.content}" for one in full))
        if not self._brief:
            return full, packed
        return [
            replace(one, content=_shortened(one.content)) if one.status == CREATED else one for one in full
        ], packed


CREATED = 201


def _refusal(error: EntrepotError) -> _Refusal:
    fields = error.fields if isinstance(error, InvalidInput) else None
    content = dumps(fields or {"detail": error.detail})
    # Half characters can't be sent, nor kept.
    return _Refusal(error.status, Json(content.encode(errors="replace").decode()))


def _result(number: int, outcome: Filed | _Refusal, *, brief: bool) -> Result:
    if isinstance(outcome, _Refusal):
        return Result(number, outcome.status, outcome.content)
    answer = frame_answer(outcome.frame, outcome.related, BASE)
    return Result(number, CREATED, _shortened(answer) if brief else answer)


def _shortened(answer: str) -> Json:
    """Give of a frame just its id and URL."""
    members = cast("dict[str, object]", json.loads(answer, strict=False))
    url = members.get("url")
    # An URL has no character that JSON would write otherwise, but for the mark in it.
    return render_object({"id": members["id"], "url": Json(f'"{url}"') if url else None})


def _parts(entries: Sequence[_Entry]) -> Sequence[Sequence[_Entry]]:
    """Give halves of lines that can't be filed together; a single one is refused."""
    half = len(entries) // 2
    if half:
        return entries[:half], entries[half:]
    [entry] = entries
    if not isinstance(entry.read, PostedFrame):
        raise Unavailable("The database is too busy just now.")
    return ([replace(entry, read=_refusal(Conflict(CONTENDED)))],)


def _require_same(lines: Sequence[Line], digests: Sequence[str]) -> None:
    for line, digest in zip(lines, digests, strict=False):
        if line.digest != digest:
            raise Conflict(
                f"Line {line.number} isn't the one that came under this Idempotency-Key before; "
                "send other lines under another key."
            )


def prune_job(process: ProcessContext) -> Job:
    """Make the job that forgets what was filed under idempotency keys, hourly and in batches."""
    days = process.settings.section("archive", ArchiveSettings).bulk_kept_days

    async def due() -> Sequence[int]:
        async with process.database.read() as session:
            return await store.oldest_before(session, datetime.now(UTC) - timedelta(days=days), FOUND)

    async def run(ids: Sequence[int]) -> None:
        async def work(session: WriteSession) -> None:
            await store.delete_batches(session, ids)

        await process.database.transact(work)

    return Job("archive.prune-bulk", run, due, every=HOUR, batch=PRUNED_AT_ONCE)
