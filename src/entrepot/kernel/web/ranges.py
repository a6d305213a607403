"""Byte ranges (RFC 9110 §14): what a Range header asks of so many bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from entrepot.kernel.errors import RangeNotSatisfiable

__all__ = ["MOST_RANGES", "ByteRange", "parse_ranges"]

MOST_RANGES = 16
RANGE_SET = re.compile(r"bytes=(.*)", re.IGNORECASE)
RANGE = re.compile(r"([0-9]{1,19})-([0-9]{0,19})|-([0-9]{1,19})")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from ``start`` up to, but without, ``stop``."""

    start: int
    stop: int

    def content_range(self, size: int) -> str:
        """Give the Content-Range of this part of ``size`` bytes."""
        return f"bytes {self.start}-{self.stop - 1}/{size}"


def parse_ranges(header: str, size: int) -> tuple[ByteRange, ...]:
    """Tell which bytes of ``size`` a Range header asks for; empty means: answer with the whole.

    The whole is also the answer to another unit, a malformed set, more than 16 ranges, and ranges
    that ask for more than the whole together. Overlapping and adjacent ranges become one. Raises
    RangeNotSatisfiable, with its Content-Range, when no range lies within the bytes.
    """
    given = RANGE_SET.fullmatch(header.strip())
    specs = [spec for part in given[1].split(",") if (spec := part.strip())] if given else []
    matches = [RANGE.fullmatch(spec) for spec in specs[: MOST_RANGES + 1]]
    if not 0 < len(specs) <= MOST_RANGES:
        return ()
    found: list[ByteRange] = []
    for match in matches:
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            return ()
        part = _within(match, size)
        if part.start < part.stop:
            found.append(part)
    if not found:
        raise RangeNotSatisfiable(
            f"The range lies outside of the {size} bytes there are.",
            where="Range",
            headers={"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"},
        )
    asked = sum(part.stop - part.start for part in found)
    return _merged(found) if asked <= size else ()


def _within(match: re.Match[str], size: int) -> ByteRange:
    first, last, suffix = match.groups()
    if suffix is not None:
        return ByteRange(max(0, size - int(suffix)), size)
    return ByteRange(int(first), min(int(last) + 1, size) if last else size)


def _merged(parts: list[ByteRange]) -> tuple[ByteRange, ...]:
    """Join ranges that overlap or touch; the order asked for stays if there are none."""
    merged: list[ByteRange] = []
    for part in sorted(parts, key=lambda part: part.start):
        if merged and part.start <= merged[-1].stop:
            merged[-1] = ByteRange(merged[-1].start, max(merged[-1].stop, part.stop))
        else:
            merged.append(part)
    return tuple(parts if len(merged) == len(parts) else merged)
