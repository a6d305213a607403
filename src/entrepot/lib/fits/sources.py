"""Bytes that are read once, from front to back: of a file, unpacked from gzip, or a part of either."""

from __future__ import annotations

import os
import zlib
from abc import ABC, abstractmethod
from typing import BinaryIO

from .cards import FitsError

GZIP_MAGIC = b"\x1f\x8b"
UNPACKED_ALWAYS = 1 << 30
"""Bytes that any gzip stream may unpack to; blank frames shrink a thousandfold."""
UNPACKED_RATIO = 200
"""How many times its packed size a gzip stream may unpack to beyond that."""

_PIECE = 1 << 18
_LONGEST_NAME = 80
_GZIP = 16 + zlib.MAX_WBITS


def shown_name(name: str) -> str:
    """Write a file's name so that it can stand in a sentence, whatever is in it."""
    name = name if name.isprintable() else ascii(name)
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


class Source(ABC):
    """Bytes to be read once; ``position`` counts those that were read or skipped."""

    def __init__(self, name: str) -> None:
        self.name = name
        """What sentences call it."""
        self.position = 0
        self._ahead = b""

    @property
    def origin(self) -> int:
        """How many bytes of the file underneath have been gone over."""
        return self.position + len(self._ahead)

    @abstractmethod
    def _next(self, size: int) -> bytes:
        """Give at least one byte and at most so many; none at the end."""

    def read(self, size: int) -> bytes:
        """Give so many bytes, fewer only at the end."""
        found = self.peek(size)[:size]
        self._ahead = self._ahead[len(found) :]
        self.position += len(found)
        return found

    def peek(self, size: int) -> bytes:
        """Give the next bytes, at least so many unless the end comes before, without reading on."""
        pieces, have = [self._ahead], len(self._ahead)
        while have < size and (piece := self._next(size - have)):
            pieces.append(piece)
            have += len(piece)
        self._ahead = b"".join(pieces)
        return self._ahead

    def skip(self, size: int) -> None:
        """Go on by so many bytes, or to the end if that comes first."""
        while size > 0 and (piece := self.read(min(size, _PIECE))):
            size -= len(piece)


class FileSource(Source):
    """A file that can be sought in."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        super().__init__(name)
        self._file = file
        self.size = os.fstat(file.fileno()).st_size

    def _next(self, size: int) -> bytes:
        return self._file.read(size)

    def skip(self, size: int) -> None:
        """Go on by so many bytes, or to the end if that comes first."""
        left = size - len(self.read(min(size, len(self._ahead))))
        if left > 0:
            self.position = max(min(self.position + left, self.size), self.position)
            self._file.seek(self.position)


class PartSource(Source):
    """So many bytes of another source from where it stands."""

    def __init__(self, outer: Source, size: int, name: str) -> None:
        super().__init__(name)
        self._outer = outer
        self._left = size

    @property
    def origin(self) -> int:
        """How many bytes of the file underneath have been gone over."""
        return self._outer.origin

    def _next(self, size: int) -> bytes:
        piece = self._outer.read(min(size, self._left))
        self._left -= len(piece)
        return piece

    def skip(self, size: int) -> None:
        """Go on by so many bytes, or to the end if that comes first."""
        left = size - len(self.read(min(size, len(self._ahead))))
        before = self._outer.position
        self._outer.skip(min(left, self._left))
        self.position += self._outer.position - before
        self._left -= self._outer.position - before


class GzipSource(Source):
    """What a gzip stream unpacks to, its members one after the other (RFC 1952).

    Reading raises `FitsError` if the stream is damaged or ends early, or unpacks to more than
    ``UNPACKED_ALWAYS`` bytes and ``UNPACKED_RATIO`` times what was read of the file, also when one such
    stream is inside another. It takes little memory.
    """

    def __init__(self, packed: Source) -> None:
        super().__init__(packed.name)
        self._packed = packed
        self._inflate = zlib.decompressobj(_GZIP)
        self._input = b""
        self._unpacked = 0

    @property
    def origin(self) -> int:
        """How many bytes of the file underneath have been gone over."""
        return self._packed.origin

    def _next(self, size: int) -> bytes:
        while True:
            if self._inflate.eof and not self._begin_member():
                return b""
            packed = self._input or self._packed.read(_PIECE)
            try:
                found = self._inflate.decompress(packed, min(size, _PIECE))
            except zlib.error:
                raise FitsError(
                    f"{self.name} is damaged: its gzip stream can't be unpacked from byte "
                    f"{self._packed.position - len(packed):,} on."
                ) from None
            self._input = self._inflate.unconsumed_tail
            if found:
                self._count(len(found))
                return found
            if not packed and not self._inflate.eof:
                raise FitsError(f"{self.name} is truncated: its gzip stream ends before its end.")

    def _begin_member(self) -> bool:
        """Go to the next member, over zero bytes that fill a tape's block; False at the end."""
        rest = self._inflate.unused_data
        while not (rest := rest.lstrip(b"\0")):
            if not (rest := self._packed.read(_PIECE)):
                return False
        if rest[:1] != GZIP_MAGIC[:1]:
            raise FitsError(f"{self.name} is damaged: something else follows its gzip stream.")
        self._inflate, self._input = zlib.decompressobj(_GZIP), rest
        return True

    def _count(self, more: int) -> None:
        self._unpacked += more
        if self._unpacked > UNPACKED_ALWAYS + UNPACKED_RATIO * self.origin:
            raise FitsError(
                f"{self.name} unpacks to over {UNPACKED_ALWAYS >> 30} GiB and {UNPACKED_RATIO} times its "
                "size, which no frame does."
            )


def is_gzip(source: Source) -> bool:
    """Tell by its first bytes whether a source is a gzip stream."""
    return source.peek(2)[:2] == GZIP_MAGIC
