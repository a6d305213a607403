"""Tars and gzip streams, good and hostile."""

import gzip
import io
import tarfile
import zlib
from collections.abc import Callable
from functools import cache


def packed(content: bytes) -> bytes:
    """Pack by gzip, the same way every time."""
    return gzip.compress(content, 1, mtime=0)


def tar(*files: tuple[str, bytes], kind: int = tarfile.PAX_FORMAT) -> bytes:
    """Make a tar of files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as made:
        for name, content in files:
            add(made, name, content)
    return buffer.getvalue()


def add(made: tarfile.TarFile, name: str, content: bytes = b"", **members: object) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for member, value in members.items():
        setattr(info, member, value)
    made.addfile(info, io.BytesIO(content))


def tar_with(build: Callable[[tarfile.TarFile], None]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as made:
        build(made)
    return buffer.getvalue()


def resummed(header: bytes, start: int, field: bytes) -> bytes:
    """Change a field of a tar's first header and make its sum right again."""
    changed = bytearray(header)
    changed[start : start + len(field)] = field
    changed[148:156] = b" " * 8
    changed[148:156] = b"%06o\0 " % sum(changed[:512])
    return bytes(changed)


@cache
def bomb(count: int = 64) -> bytes:
    """Give a gzip stream of zeros that unpacks to ``count`` times 64 MiB, a thousand times its size."""
    packer = zlib.compressobj(9, wbits=31)
    start = packer.compress(bytes(1 << 26)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(1 << 26)) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + again * (count - 1)
