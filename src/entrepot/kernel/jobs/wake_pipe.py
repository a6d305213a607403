"""The pipe by which other processes of this machine wake the one that runs the jobs.

A wake-up is one line of JSON, short enough that the system writes it in one piece.
"""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from select import PIPE_BUF

import structlog
from pydantic import BaseModel, ValidationError

__all__ = ["WakePipe", "write_wake"]

IDS_A_LINE = (PIPE_BUF - 256) // 21  # an id has at most 20 digits and a comma; a name has at most 200 bytes
READ_SIZE = 65536  # what a pipe holds

log = structlog.stdlib.get_logger(__name__)


class _Wake(BaseModel):
    job: str
    ids: list[int]


def write_wake(path: Path, name: str, ids: Sequence[int]) -> bool:
    """Wake the process that reads the pipe, without waiting; False if there is none or it doesn't keep up."""
    try:
        pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        for start in range(0, len(ids), IDS_A_LINE):
            wake = {"job": name, "ids": list(ids[start : start + IDS_A_LINE])}
            os.write(pipe, json.dumps(wake, separators=(",", ":")).encode() + b"\n")
    except OSError:
        return False
    finally:
        os.close(pipe)
    return True


class WakePipe:
    """The reading end; ``woken`` is called with each wake-up."""

    def __init__(self, path: Path, woken: Callable[[str, Sequence[int]], None]) -> None:
        self.path = path
        self._woken = woken
        self._ends: tuple[int, int] | None = None
        self._rest = b""

    def open(self) -> None:
        """Make the pipe and read it from now on; where the file system has none, the sweep does it all."""
        try:
            self._make()
            reading = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            log.warning("jobs can't be woken by other processes", pipe=str(self.path), error=str(error))
            return
        # Our own writing end: without one, the pipe would read as ended after each writer.
        self._ends = reading, os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        asyncio.get_running_loop().add_reader(reading, self._read)

    def close(self) -> None:
        """Read no more; writers see from now on that nobody listens."""
        if self._ends:
            asyncio.get_running_loop().remove_reader(self._ends[0])
            for end in self._ends:
                os.close(end)
        self._ends = None

    def _make(self) -> None:
        if self.path.exists() and not stat.S_ISFIFO(self.path.stat().st_mode):
            self.path.unlink()
        if not self.path.exists():
            os.mkfifo(self.path, 0o600)

    def _read(self) -> None:
        if self._ends is None:
            return
        try:
            piece = os.read(self._ends[0], READ_SIZE)
        except BlockingIOError:
            return
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._wake(line)

    def _wake(self, line: bytes) -> None:
        try:
            wake = _Wake.model_validate_json(line)
        except ValidationError:
            log.warning("a wake-up can't be read", line=line[:200])
        else:
            self._woken(wake.job, wake.ids)
