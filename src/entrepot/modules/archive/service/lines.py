"""A body cut into lines while it comes in, with memory for a few of them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from entrepot.kernel.errors import RequestTimeout

__all__ = ["Line", "Lines", "Pieces"]

LINGER = 0.2
"""Seconds for which lines wait for more of their kind."""
STALL = 300.0
"""Seconds without a line after which nothing more is expected."""


class Pieces(Protocol):
    """What gives a body piece by piece."""

    async def piece(self, seconds: float) -> bytes | None:
        """Give the next piece, an empty one at the end; None when nothing comes for so many seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its end; of one over the limit there is only the digest."""

    number: int
    text: bytes
    long: str = ""
    """The SHA-256, in hexadecimal, of a line that was over the limit."""

    @property
    def digest(self) -> str:
        """The SHA-256 in hexadecimal."""
        return self.long or sha256(self.text).hexdigest()


class Lines:
    """The lines of a body, the first of them number 1; they end in LF or CR LF.

    ``limit`` is the most bytes that a line may have.
    """

    def __init__(self, pieces: Pieces, limit: int) -> None:
        self._pieces = pieces
        self.limit = limit
        self._back: deque[Line] = deque()
        self._piece, self._at = b"", 0
        self._partial = bytearray()
        self._long = sha256()
        self._is_long = False
        self._number = 1
        self._ended = False

    @property
    def number(self) -> int:
        """The number of the next line."""
        return self._back[0].number if self._back else self._number

    async def take(self, most: int, size: int) -> list[Line]:
        """Give the next lines, none at the end: at most ``most`` and (but for a single one) ``size`` bytes.

        It gives fewer when no more have come within 0.2 s. Raises RequestTimeout when none comes for long.
        """
        taken: list[Line] = []
        end = 0.0
        while len(taken) < most:
            line = self._next()
            if line is not None:
                size -= len(line.text)
                if taken and size < 0:
                    self._back.appendleft(line)
                    break
                end = end or time.monotonic() + LINGER
                taken.append(line)
            elif self._ended or not await self._has_come(end):
                break
        return taken

    async def _has_come(self, end: float) -> bool:
        """Wait for the next piece until ``end``, or if that is 0, for as long as one may be expected."""
        piece = await self._pieces.piece(max(0.0, end - time.monotonic()) if end else STALL)
        if piece is None and not end:
            raise RequestTimeout(f"No line has come for {STALL:g} s.")
        if piece is not None:
            self._piece, self._at, self._ended = piece, 0, not piece
        return piece is not None

    def put_back(self, lines: Iterable[Line]) -> None:
        """Take lines back, to be given again."""
        self._back.extendleft(reversed(list(lines)))

    def _next(self) -> Line | None:
        """Give the next line, or None when more of the body is needed, or nothing is left of it."""
        if self._back:
            return self._back.popleft()
        place = self._piece.find(b"\n", self._at)
        if place >= 0:
            self._append(self._piece[self._at : place])
            self._at = place + 1
            return self._closed()
        self._append(self._piece[self._at :])
        self._piece, self._at = b"", 0
        return self._closed() if self._ended and (self._partial or self._is_long) else None

    def _append(self, part: bytes) -> None:
        self._partial += part
        # One more, as a CR may be the last.
        if self._is_long or len(self._partial) > self.limit + 1:
            self._is_long = True
            self._long.update(self._partial)
            self._partial.clear()

    def _closed(self) -> Line:
        text = bytes(self._partial).removesuffix(b"\r")
        if self._is_long or len(text) > self.limit:
            self._long.update(self._partial)
            line = Line(self._number, b"", self._long.hexdigest())
            self._is_long, self._long = False, sha256()
        else:
            line = Line(self._number, text)
        self._number += 1
        self._partial.clear()
        return line
