"""A child process that reads foreign files: requests come in, answers go out, under limits of its own.

It is started afresh (``python -m``), so that it holds nothing of its parent's, and imports little. The
first message is the rules. Every other one asks for the same of some files, each of which may take so many
``seconds``, and is answered by a message for each of them in their order; empty ones between them say
that it goes on.

- ``read``: what a client would post of a file.
- ``take``: its checksums too; files of at most ``hold`` bytes are held until the next such message.
- ``put``: what was taken goes into the folder of a store.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from entrepot.kernel.errors import EntrepotError, InvalidInput
from entrepot.kernel.objects import FolderWriter, Stored, Whole
from entrepot.lib.fits import FitsError
from entrepot.modules.archive.service.local_files import (
    CHANGED,
    LocalFile,
    pieces_of,
    read_through,
    read_whole,
    refuse_changed,
)
from entrepot.modules.archive.service.records import Rules, read_record

__all__ = ["COLLECTED", "LENGTH", "main"]

LENGTH = 8
"""Bytes, big-endian, that say how long the JSON after them is."""
COLLECTED = (50_000, 20, 100)
"""When garbage is collected, here and in the command that reads by such processes."""
MEMORY = 2 << 30
"""Bytes of address space."""
SOON = 0.05
"""Seconds that an answer may wait for others to go with it."""
TOGETHER = 1 << 20
"""Bytes of answers that go together."""
SIGN = 32
"""Pieces of a file after which it is said that it goes on."""

Message = Mapping[str, Any]


def main() -> None:
    """Answer until the parent closes the line."""
    # Cards are many small things that live as long as a batch; the default looks through them all the time.
    gc.freeze()
    gc.set_threshold(*COLLECTED)
    line = os.fdopen(os.dup(1), "wb", buffering=TOGETHER)
    os.dup2(2, 1)  # what a library prints must not get between the answers
    _limit(resource.RLIMIT_AS, MEMORY)
    _limit(resource.RLIMIT_CORE, 0)
    first = _receive(sys.stdin.buffer)
    if first is None:
        return
    answers = Answers(line)
    reader = Reader(Rules(**first["rules"]), answers.alive)
    answers.send({})
    answers.end()
    while (request := _receive(sys.stdin.buffer)) is not None:
        answers.begin(request["seconds"])
        for answer in reader.answers(request):
            answers.send(answer)
        answers.end()


def _limit(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    with suppress(OSError, ValueError):  # not every system has every limit
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _receive(line: BinaryIO) -> Any:
    length = line.read(LENGTH)
    return json.loads(line.read(int.from_bytes(length))) if len(length) == LENGTH else None


class Answers:
    """The line to the parent."""

    def __init__(self, line: BinaryIO) -> None:
        self._line = line
        self._seconds = 0
        self._flushed = time.monotonic()

    def begin(self, seconds: float) -> None:
        """End the process if nothing is sent for ``seconds`` and some more.

        The parent ends a child that takes too long; this is for a child whose parent is dead.
        """
        self._seconds = int(seconds) + 10
        signal.alarm(self._seconds)

    def end(self) -> None:
        """Send what waits, and wait for the parent."""
        self.flush()
        signal.alarm(0)

    def send(self, message: Message) -> None:
        """Send a message, soon if not at once."""
        text = json.dumps(message, allow_nan=False).encode()
        self._line.write(len(text).to_bytes(LENGTH) + text)
        if time.monotonic() - self._flushed > SOON:
            self.flush()

    def alive(self) -> None:
        """Say that it goes on."""
        self.send({})
        self.flush()

    def flush(self) -> None:
        """Send what waits."""
        self._line.flush()
        self._flushed = time.monotonic()
        signal.alarm(self._seconds)


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that was taken, with its bytes if they are held."""

    file: LocalFile
    content: bytes | None


class Reader:
    """Does what is asked, and calls ``alive`` while it takes long."""

    def __init__(self, rules: Rules, alive: Callable[[], None]) -> None:
        self._rules = rules
        self._alive = alive
        self._taken: dict[str, Taken] = {}

    def answers(self, request: Message) -> Iterator[Message]:
        """Do what is asked of some files."""
        files: Sequence[Message] = request["files"]
        match request["do"]:
            case "read":
                return map(self._read, files)
            case "take":
                self._taken.clear()
                return (self._take(file, request["hold"]) for file in files)
            case _:
                return self._put(FolderWriter(Path(request["folder"])), files)

    def _read(self, file: Message) -> Message:
        rules = replace(self._rules, given={**self._rules.given, **file["given"]})
        try:
            return {"record": read_record(Path(file["path"]), rules, name=file["name"])}
        except FitsError as error:
            return {"refused": str(error)}
        except OSError as error:
            return {"refused": f"It can't be read: {error.strerror or error}."}
        except MemoryError:
            return {"refused": f"Reading its headers takes more than {MEMORY >> 30} GiB of memory."}

    def _take(self, file: Message, hold: int) -> Message:
        path = Path(file["path"])
        try:
            taken = self._summed(path, hold)
        except InvalidInput as error:
            return {"failed": error.detail}
        self._taken[file["path"]] = taken
        record = self._read(file)
        if any(refuse_changed([taken.file])):
            return {"failed": CHANGED}
        return {"sums": astuple(taken.file.checksums), "identity": taken.file.identity, **record}

    def _summed(self, path: Path, hold: int) -> Taken:
        if (whole := read_whole(path, hold)) is not None:
            return Taken(*whole)
        for found in read_through(path):
            if found is not None:
                return Taken(found, None)
            self._alive()
        raise InvalidInput(CHANGED)

    def _put(self, writer: FolderWriter, files: Sequence[Message]) -> Iterator[Message]:
        held: dict[str, Whole] = {}
        for one in files:
            taken = self._taken.get(one["path"])
            if taken is not None and taken.content is not None:
                held[one["path"]] = Whole(one["to"], taken.content, taken.file.checksums)
        try:
            stored = dict(zip(held, writer.put_all(list(held.values())), strict=True))
        except EntrepotError as error:
            stored = dict.fromkeys(held, error)
        for one in files:
            taken = self._taken.pop(one["path"], None)
            if taken is None:
                yield {"lost": True}
            else:
                yield _outcome(stored.get(one["path"]) or self._streamed(writer, one["to"], taken.file))

    def _streamed(self, writer: FolderWriter, to: str, file: LocalFile) -> Stored | EntrepotError:
        try:
            return writer.put(to, self._pieces(file), file.checksums)
        except EntrepotError as error:
            return error

    def _pieces(self, file: LocalFile) -> Iterator[bytes]:
        for number, piece in enumerate(pieces_of(file)):
            if number % SIGN == SIGN - 1:
                self._alive()
            yield piece


def _outcome(stored: Stored | EntrepotError) -> Message:
    if isinstance(stored, EntrepotError):
        return {"error": stored.code, "detail": stored.detail}
    stat = stored.stat
    return {"size": stat.size, "etag": stat.etag, "modified": stat.modified.timestamp()}


if __name__ == "__main__":
    main()
