"""The files in a tar, one after the other, from a stream (POSIX.1-2017, pax; GNU tar's long names)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .cards import FitsError
from .sources import PartSource, Source, shown_name

BLOCK = 512
MAX_MEMBERS = 100_000
MAX_EXTENDED_BYTES = 1 << 20
"""Most bytes of a member's extended header."""

_OCTAL = re.compile(rb"[ ]*([0-7]*)[ \0]*")
_REGULAR = (b"0", b"\0", b"7")
_LINKS, _DEVICES, _FOLDER, _SPARSE = (b"1", b"2"), (b"3", b"4", b"6"), b"5", b"S"
_LONG_NAME, _LONG_LINK, _EXTENDED, _GLOBAL = b"L", b"K", b"x", b"g"
_LARGEST = 1 << 63


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file in a tar."""

    name: str
    sparse: bool
    content: Source
    """Its bytes, until the next member is asked for."""


@dataclass(slots=True)
class _Extended:
    """What headers before a member's own say of it."""

    name: bytes | None = None
    size: int | None = None
    sparse: bool = False


def members(source: Source) -> Iterator[Member]:
    """Go through the regular files of a tar; folders and links are passed over.

    Nothing is unpacked to disk, and names are names. Raises `FitsError` for what isn't a tar, is damaged or
    ends early, for devices, for names that lead out of the folder in which it would be unpacked, and for
    more than 100,000 members.
    """
    for _ in range(MAX_MEMBERS):
        extended, header = _member_header(source)
        if header is None:
            return
        kind = header[156:157]
        # Whatever their headers say, these have no data.
        bare = kind in (*_LINKS, *_DEVICES, _FOLDER)
        size = 0 if bare else _number(source, header[124:136]) if extended.size is None else extended.size
        name = _text(extended.name if extended.name is not None else _plain_name(header))
        _check_name(source, name, kind)
        sparse = extended.sparse or kind == _SPARSE
        if kind == _SPARSE:
            _skip_map(source, header)
        end = source.position + size
        if kind in (*_REGULAR, _SPARSE) and not name.endswith("/"):
            what = f"{source.name}, member {shown_name(name)}"
            yield Member(name, sparse, PartSource(source, size, what))
        source.skip(end - source.position)
        if source.position < end:
            raise _truncated(source)
        source.skip(-size % BLOCK)
    raise FitsError(f"{source.name} has more than {MAX_MEMBERS:,} members, which is the most that is read.")


def _member_header(source: Source) -> tuple[_Extended, bytes | None]:
    """Read up to the next member's own header; None at the end of the tar."""
    extended = _Extended()
    while True:
        header = _header(source)
        kind = header[156:157] if header else b""
        if header is None or kind not in (_EXTENDED, _GLOBAL, _LONG_NAME, _LONG_LINK):
            return extended, header
        size = _number(source, header[124:136])
        if size > MAX_EXTENDED_BYTES:
            raise FitsError(
                f"{source.name} has an extended header of {size:,} bytes; at most "
                f"{MAX_EXTENDED_BYTES:,} are read."
            )
        content = source.read(size)
        if len(content) < size:
            raise _truncated(source)
        source.skip(-size % BLOCK)
        if kind == _LONG_NAME:
            extended.name = content.partition(b"\0")[0]
        elif kind == _EXTENDED:
            _read_extended(source, content, extended)


def _header(source: Source) -> bytes | None:
    first = source.position == 0
    header = source.read(BLOCK)
    if not header and first:
        raise FitsError(f"{source.name} isn't a tar: it is empty.")
    if header == bytes(BLOCK) and not first:
        return None
    if len(header) == BLOCK and _is_sound(header):
        return header
    if first:
        raise FitsError(f"{source.name} isn't a tar: it doesn't begin with a member's header.")
    if len(header) < BLOCK:
        raise _truncated(source)
    raise FitsError(f"{source.name} is damaged: at byte {source.position - BLOCK:,} there is no header.")


def _is_sound(header: bytes) -> bool:
    match = _OCTAL.fullmatch(header[148:156])
    total = sum(header) - sum(header[148:156]) + 8 * 32
    return match is not None and match[1] != b"" and int(match[1], 8) == total


def _read_extended(source: Source, content: bytes, extended: _Extended) -> None:
    """Read pax records, ``<length> <key>=<value>`` and a newline, of which few matter here."""
    at = 0
    while at < len(content) and content[at]:
        digits, space, _ = content[at : at + 20].partition(b" ")
        length = int(digits) if digits.isdigit() and space else 0
        record = content[at : at + length]
        key, equals, value = record[len(digits) + 1 : -1].partition(b"=")
        if not equals or len(record) < length or record[-1:] != b"\n":
            raise FitsError(f"{source.name} is damaged: an extended header can't be read.")
        at += length
        if key == b"path":
            extended.name = value
        elif key == b"size":
            extended.size = _decimal(source, value)
        elif key.startswith(b"GNU.sparse."):
            extended.sparse = True


def _decimal(source: Source, value: bytes) -> int:
    if not value.isdigit() or len(value) > 19 or int(value) >= _LARGEST:
        raise FitsError(f"{source.name} is damaged: a member's size can't be read.")
    return int(value)


def _number(source: Source, field: bytes) -> int:
    """Read a size: octal digits, or a binary number behind a byte of 0x80."""
    if field[:1] == b"\x80":
        size = int.from_bytes(field[1:])
    else:
        match = _OCTAL.fullmatch(field)
        size = int(match[1] or b"0", 8) if match else _LARGEST
    if size >= _LARGEST:
        raise FitsError(f"{source.name} is damaged: a member's size can't be read.")
    return size


def _plain_name(header: bytes) -> bytes:
    name, prefix = header[:100].partition(b"\0")[0], header[345:500].partition(b"\0")[0]
    return prefix + b"/" + name if prefix and header[257:263] == b"ustar\0" else name


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")


def _check_name(source: Source, name: str, kind: bytes) -> None:
    if name.startswith("/") or ".." in name.split("/"):
        raise FitsError(
            f"{source.name} has a member named {shown_name(name)}, which leads out of the folder "
            "that it is unpacked in."
        )
    if kind in _DEVICES:
        raise FitsError(f"{source.name} has a member that is a device or a pipe: {shown_name(name)}.")


def _skip_map(source: Source, header: bytes) -> None:
    """Go over the blocks that continue the map of GNU tar's sparse file."""
    more = header[482:483]
    while more not in (b"\0", b""):
        more = source.read(BLOCK)[504:505]


def _truncated(source: Source) -> FitsError:
    return FitsError(f"{source.name} is truncated: it ends at byte {source.position:,}, within a member.")
