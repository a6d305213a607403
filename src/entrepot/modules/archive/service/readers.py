"""Reading foreign files in child processes, so that one which crashes or hangs its reader harms no other."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from entrepot.kernel.errors import InvalidInput, Unavailable
from entrepot.modules.archive.service.reader import LENGTH
from entrepot.modules.archive.service.records import Rules

__all__ = ["Readers"]

START_SECONDS = 60.0
LEAVE_SECONDS = 5.0
TRIES = 2
"""A reader may die of something else than the file that it has in hand: once is no proof."""


class Readers:
    """As many child processes as are needed, at most ``count``; use it as a context."""

    def __init__(self, count: int, rules: Rules, *, seconds: float = 60.0) -> None:
        self._seconds = seconds
        self._idle: asyncio.LifoQueue[_Reader] = asyncio.LifoQueue()
        self._all = [_Reader(rules, seconds) for _ in range(count)]

    async def __aenter__(self) -> Self:
        for reader in self._all:
            self._idle.put_nowait(reader)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(reader.leave() for reader in self._all))

    async def read(self, path: Path) -> dict[str, object]:
        """Give a file's record (see `record_of`).

        Raises InvalidInput, in one sentence, for a file that can't be read, takes longer than the limit
        or kills two readers; Unavailable if no reader can be started.
        """
        cause = ""
        for _ in range(TRIES):
            reader = await self._idle.get()
            try:
                answer = await reader.ask(path)
            except TimeoutError:
                raise InvalidInput(f"Reading its headers took longer than {self._seconds:g} s.") from None
            except ReaderDiedError as death:
                cause = str(death)
            else:
                if "refused" in answer:
                    raise InvalidInput(answer["refused"])
                return answer["record"]
            finally:
                self._idle.put_nowait(reader)
        raise InvalidInput(f"The process that read its headers died of it ({cause}).")


class ReaderDiedError(Exception):
    """The child process ended before it answered; the text says how."""


class _Reader:
    """One child process, started when it is first needed and again after its death."""

    def __init__(self, rules: Rules, seconds: float) -> None:
        self._first = {"rules": asdict(rules), "seconds": seconds}
        self._seconds = seconds
        self._process: Process | None = None

    async def ask(self, path: Path) -> dict[str, Any]:
        """Have a file read; raises TimeoutError and ReaderDiedError, after which the process is gone."""
        process = self._process or await self._start()
        try:
            async with asyncio.timeout(self._seconds):
                return await _exchange(process, {"path": os.fspath(path)})
        except (TimeoutError, asyncio.CancelledError):
            await self._kill()
            raise
        except (EOFError, OSError) as error:
            cause = await _end_of(process)
            await self._kill()
            raise ReaderDiedError(cause) from error

    async def _start(self) -> Process:
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "entrepot.modules.archive.service.reader",
            stdin=PIPE, stdout=PIPE, stderr=DEVNULL, start_new_session=True,
            env=_environ(),
        )  # fmt: skip
        try:
            async with asyncio.timeout(START_SECONDS):
                await _exchange(process, self._first)
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


def _environ() -> dict[str, str]:
    """Give what a child gets of the environment: no keys to the store, no threads without use."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ENTREPOT_", "AWS_"))}
    return kept | {"OPENBLAS_NUM_THREADS": "1"}


async def _exchange(process: Process, message: object) -> dict[str, Any]:
    """Send a message and wait for the answer; raises EOFError and OSError if the process is gone."""
    assert process.stdin is not None  # noqa: S101 - both are pipes
    assert process.stdout is not None  # noqa: S101
    text = json.dumps(message).encode()
    process.stdin.write(len(text).to_bytes(LENGTH) + text)
    await process.stdin.drain()
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
