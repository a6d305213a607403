"""Reading foreign files in child processes, so that one which crashes or hangs its reader harms no other."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from entrepot.kernel.errors import EntrepotError, InvalidInput, Unavailable
from entrepot.kernel.objects import ChecksumMismatch, Checksums, ObjectExists, Stat, Stored
from entrepot.lib.fits import Card
from entrepot.modules.archive.service.local_files import LocalFile
from entrepot.modules.archive.service.reader import LENGTH
from entrepot.modules.archive.service.records import Rules

__all__ = ["Lent", "Readers", "Reading"]

START_SECONDS = 60.0
LEAVE_SECONDS = 5.0
PUT_SECONDS = 300.0
"""Seconds that the disk may take for some small files, or for 32 MiB of a large one."""
TRIES = 2
"""A reader may die of something else than the file that it has in hand: once is no proof."""

QUICK = {
    "OPENBLAS_NUM_THREADS": "1",
    # The memory of the files that are held is kept for the next ones, and not given back in between.
    "MALLOC_MMAP_THRESHOLD_": "67108864",
    "MALLOC_TRIM_THRESHOLD_": "134217728",
}
FAILURES = {kind.code: kind for kind in (InvalidInput, ChecksumMismatch, ObjectExists, Unavailable)}
"""What a child may say of a file that it was to put into the store."""

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader found in a file: what it is, and its record or why it has none."""

    file: LocalFile
    record: dict[str, object] | InvalidInput


class Readers:
    """As many child processes as are needed, at most ``count``; use it as a context.

    ``seconds`` is the time that one file's headers may take.
    """

    def __init__(self, count: int, rules: Rules, *, seconds: float = 60.0) -> None:
        self._seconds = seconds
        self._idle: asyncio.LifoQueue[_Reader] = asyncio.LifoQueue()
        self._all = [_Reader(rules) for _ in range(count)]

    async def __aenter__(self) -> Self:
        for reader in self._all:
            self._idle.put_nowait(reader)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(reader.leave() for reader in self._all))

    async def read(
        self, path: Path, *, name: str | None = None, given: Mapping[str, Card] | None = None
    ) -> dict[str, object]:
        """Give a file's record (see `read_record`).

        ``name`` is the name that the file has, where ``path`` has another; ``given`` are cards that are put
        over the file's own and those of the rules. Raises InvalidInput, in one sentence, for a file that
        can't be read, takes longer than the limit or kills two readers; Unavailable if no reader can be
        started.
        """
        async with self.lend() as lent:
            answer = await lent.answer({"do": "read"}, _request(path, name, given))
        return _record(answer)

    @asynccontextmanager
    async def lend(self) -> AsyncGenerator[Lent]:
        """Lend one of the child processes, for what goes on over several questions."""
        reader = await self._idle.get()
        try:
            yield Lent(reader, self._seconds)
        finally:
            self._idle.put_nowait(reader)


class Lent:
    """A child process that nobody else asks meanwhile."""

    def __init__(self, reader: _Reader, seconds: float) -> None:
        self._reader = reader
        self._seconds = seconds

    async def take(self, paths: Sequence[Path], *, hold: int) -> list[Reading | EntrepotError]:
        """Take the checksums of files and read their records; small ones are held to be put somewhere.

        ``hold`` is how many bytes these have at most. InvalidInput is given for a file that can't be read at
        all, takes too long or kills two readers; raises Unavailable if no reader can be started.
        """
        what = {"do": "take", "hold": hold}
        requests = [_request(path) for path in paths]
        try:
            answers = await self._reader.ask(what, requests, self._seconds)
        except (TimeoutError, ReaderDiedError):  # one by one, so that the one at fault is found
            return [await self._taken(path, what, one) for path, one in zip(paths, requests, strict=True)]
        return [_reading(path, answer) for path, answer in zip(paths, answers, strict=True)]

    async def _taken(self, path: Path, what: Answer, request: Answer) -> Reading | EntrepotError:
        try:
            return _reading(path, await self.answer(what, request))
        except InvalidInput as error:
            return error

    async def answer(self, what: Answer, request: Answer) -> Answer:
        """Have one file dealt with; raises InvalidInput if it takes too long or kills two readers."""
        cause = ""
        for _ in range(TRIES):
            try:
                [answer] = await self._reader.ask(what, [request], self._seconds)
            except TimeoutError:
                raise InvalidInput(f"Reading its headers took longer than {self._seconds:g} s.") from None
            except ReaderDiedError as death:
                cause = str(death)
            else:
                return answer
        raise InvalidInput(f"The process that read its headers died of it ({cause}).")

    async def put(
        self, folder: Path, files: Sequence[tuple[LocalFile, str]]
    ) -> list[Stored | EntrepotError | None]:
        """Put files that were taken last into the folder of a store, under the paths beside them.

        They are durable when this returns. InvalidInput, ChecksumMismatch and ObjectExists are answers, and
        None for a file that the process doesn't have any more. Raises Unavailable.
        """
        requests = [{"path": os.fspath(file.path), "to": path} for file, path in files]
        what = {"do": "put", "folder": os.fspath(folder)}
        try:
            answers = await self._reader.ask(what, requests, PUT_SECONDS)
        except (TimeoutError, ReaderDiedError):
            return [None] * len(files)
        return [_stored(file.checksums, answer) for (file, _), answer in zip(files, answers, strict=True)]


class ReaderDiedError(Exception):
    """The child process ended before it answered; the text says how."""


class _Reader:
    """One child process, started when it is first needed and again after its death."""

    def __init__(self, rules: Rules) -> None:
        self._first = {"rules": asdict(rules)}
        self._process: Process | None = None

    async def ask(self, what: Answer, files: Sequence[Answer], seconds: float) -> list[Answer]:
        """Have the same done with some files, each of which may take so long.

        Raises TimeoutError and ReaderDiedError, after which the process is gone.
        """
        process = self._process or await self._start()
        answers: list[Answer] = []
        try:
            async with asyncio.timeout(seconds) as limit:
                await _send(process, what | {"files": files, "seconds": seconds})
                while len(answers) < len(files):
                    if answer := await _receive(process):
                        answers.append(answer)
                    limit.reschedule(asyncio.get_running_loop().time() + seconds)
        except (TimeoutError, asyncio.CancelledError):
            await self._kill()
            raise
        except (EOFError, OSError) as error:
            cause = await _end_of(process)
            await self._kill()
            raise ReaderDiedError(cause) from error
        return answers

    async def _start(self) -> Process:
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "entrepot.modules.archive.service.reader",
            stdin=PIPE, stdout=PIPE, stderr=DEVNULL, start_new_session=True,
            env=_environ(),
        )  # fmt: skip
        try:
            async with asyncio.timeout(START_SECONDS):
                await _send(process, self._first)
                await _receive(process)
        except (EOFError, OSError) as error:
            await self._kill()
            raise Unavailable("The process that reads files doesn't start.") from error
        except asyncio.CancelledError:  # its answer is still to come, so it's of no use to anybody
            await self._kill()
            raise
        return process

    async def leave(self) -> None:
        """Let the process end by itself, or end it."""
        process = self._process
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await process.wait()
        except TimeoutError:
            await self._kill()
        self._process = None

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _request(path: Path, name: str | None = None, given: Mapping[str, Card] | None = None) -> Answer:
    return {"path": os.fspath(path), "name": name, "given": dict(given or {})}


def _record(answer: Answer) -> dict[str, object]:
    if "refused" in answer:
        raise InvalidInput(answer["refused"])
    return answer["record"]


def _reading(path: Path, answer: Answer) -> Reading | EntrepotError:
    if "failed" in answer:
        return InvalidInput(answer["failed"])
    file = LocalFile(path, Checksums(*answer["sums"]), tuple(answer["identity"]))
    return Reading(file, InvalidInput(answer["refused"]) if "refused" in answer else answer["record"])


def _stored(checksums: Checksums, answer: Answer) -> Stored | EntrepotError | None:
    """Say what came of a file; raises Unavailable."""
    if "lost" in answer:
        return None
    if "error" not in answer:
        modified = datetime.fromtimestamp(answer["modified"], UTC)
        return Stored(checksums, Stat(answer["size"], answer["etag"], None, modified))
    failure = FAILURES[answer["error"]](answer["detail"])
    if isinstance(failure, Unavailable):
        raise failure
    return failure


def _environ() -> dict[str, str]:
    """Give what a child gets of the environment: no keys to the store, and what makes it quick."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ENTREPOT_", "AWS_"))}
    return kept | QUICK


async def _send(process: Process, message: object) -> None:
    """Send a message; raises OSError if the process is gone."""
    assert process.stdin is not None  # noqa: S101 - it's a pipe
    text = json.dumps(message).encode()
    process.stdin.write(len(text).to_bytes(LENGTH) + text)
    await process.stdin.drain()


async def _receive(process: Process) -> Answer:
    """Wait for a message; raises EOFError and OSError if the process is gone."""
    assert process.stdout is not None  # noqa: S101 - it's a pipe
    length = int.from_bytes(await process.stdout.readexactly(LENGTH))
    return json.loads(await process.stdout.readexactly(length))


async def _end_of(process: Process) -> str:
    with suppress(TimeoutError):
        async with asyncio.timeout(LEAVE_SECONDS):
            await process.wait()
    code = process.returncode
    if code is None:
        return "it closed its line"
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
