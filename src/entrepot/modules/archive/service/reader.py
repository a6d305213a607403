"""A child process that reads foreign files: requests come in, records go out, under limits of its own.

It is started afresh (``python -m``), so that it holds nothing of its parent's, and imports little.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from entrepot.lib.fits import FitsError
from entrepot.modules.archive.service.records import Rules, read_record

__all__ = ["LENGTH", "main"]

LENGTH = 8
"""Bytes, big-endian, that say how long the JSON after them is."""
MEMORY = 2 << 30
"""Bytes of address space."""


def main() -> None:
    """Read files until the parent closes the line; the first message is the rules and the time limit."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    _limit(resource.RLIMIT_AS, MEMORY)
    _limit(resource.RLIMIT_CORE, 0)
    first = _receive(sys.stdin.buffer)
    if first is None:
        return
    rules = Rules(**first["rules"])
    _send(answers, {})
    while (request := _receive(sys.stdin.buffer)) is not None:
        # The parent ends a child that takes too long; this is for a child whose parent is dead.
        signal.alarm(int(first["seconds"]) + 10)
        _send(answers, _answer(Path(request["path"]), rules))
        signal.alarm(0)


def _limit(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    with suppress(OSError, ValueError):  # not every system has every limit
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _answer(path: Path, rules: Rules) -> dict[str, object]:
    try:
        return {"record": read_record(path, rules)}
    except FitsError as error:
        return {"refused": str(error)}
    except OSError as error:
        return {"refused": f"It can't be read: {error.strerror or error}."}
    except MemoryError:
        return {"refused": f"Reading its headers takes more than {MEMORY >> 30} GiB of memory."}


def _receive(line: BinaryIO) -> Any:
    length = line.read(LENGTH)
    return json.loads(line.read(int.from_bytes(length))) if len(length) == LENGTH else None


def _send(line: BinaryIO, message: object) -> None:
    text = json.dumps(message, allow_nan=False).encode()
    line.write(len(text).to_bytes(LENGTH) + text)
    line.flush()


if __name__ == "__main__":
    main()
