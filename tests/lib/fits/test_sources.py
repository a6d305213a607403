"""Bytes read from front to back: files, parts, and what gzip streams unpack to."""

import gzip
import io
import os
import random
import tracemalloc
import zlib
from pathlib import Path

import pytest

from entrepot.lib.fits import FileSource, FitsError, GzipSource, Source, headers_of, is_gzip, shown_name
from entrepot.lib.fits.sources import UNPACKED_ALWAYS, PartSource
from tests.services.frames import frames_folder

CONTENT = random.Random(1).randbytes(700_000)


def opened(folder: Path, content: bytes, name: str = "x") -> FileSource:
    path = folder / name
    path.write_bytes(content)
    return FileSource(path.open("rb"), name)


def made(kind: str, folder: Path) -> Source:
    """A source of the content, one way or another."""
    if kind == "file":
        return opened(folder, CONTENT)
    if kind == "part":
        outer = opened(folder, b"before" + CONTENT + b"behind")
        outer.skip(6)
        return PartSource(outer, len(CONTENT), "part")
    if kind == "gzip":
        return GzipSource(opened(folder, gzip.compress(CONTENT, 1)))
    outer = opened(folder, gzip.compress(b"before" + gzip.compress(CONTENT, 1) + b"behind", 1))
    unpacked = GzipSource(outer)
    unpacked.skip(6)
    return GzipSource(PartSource(unpacked, len(gzip.compress(CONTENT, 1)), "part"))


@pytest.mark.parametrize("kind", ["file", "part", "gzip", "gzip in a part of a gzip"])
@pytest.mark.parametrize("seed", range(5))
def test_reading_peeking_and_skipping(tmp_path: Path, kind: str, seed: int) -> None:
    source, at, chance = made(kind, tmp_path), 0, random.Random(seed)
    while at < len(CONTENT):
        size = chance.choice((0, 1, 80, 2880, 100_000, 400_000))
        step = chance.choice(("read", "peek", "skip"))
        if step == "read":
            assert source.read(size) == CONTENT[at : at + size]
        elif step == "peek":
            assert source.peek(size)[:size] == CONTENT[at : at + size]
            size = 0
        else:
            source.skip(size)
        at = min(at + size, len(CONTENT))
        assert source.position == at
    assert source.read(10) == source.peek(10) == b""
    source.skip(1 << 63)
    assert source.position == len(CONTENT)


def test_a_skip_past_the_end_ends_there(tmp_path: Path) -> None:
    for kind in ("file", "part", "gzip"):
        source = made(kind, tmp_path)
        source.skip(10**18)
        assert (source.position, source.read(1)) == (len(CONTENT), b"")


def test_members_follow_each_other_and_zeros_may_follow_them(tmp_path: Path) -> None:
    packed = b"".join(gzip.compress(part) for part in (b"one", b"", b"two")) + bytes(600_000)
    assert GzipSource(opened(tmp_path, packed)).read(100) == b"onetwo"


WHOLE = gzip.compress(CONTENT[:5000], 1, mtime=0)


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        *((WHOLE[:cut], "truncated") for cut in (2, 9, 10, 11, 2000, len(WHOLE) - 8, len(WHOLE) - 1)),
        (WHOLE[:-8] + bytes(4) + WHOLE[-4:], "damaged"),
        (WHOLE[:-4] + bytes(4), "damaged"),
        (WHOLE[:100] + b"\xff" * 50 + WHOLE[150:], "damaged"),
        (b"\x1f\x8b\x09" + WHOLE[3:], "damaged"),
        (WHOLE + b"more", "something else follows"),
        (WHOLE + bytes(100) + b"more", "something else follows"),
        (WHOLE + b"\x1f", "truncated"),
        (b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * 900_000, "truncated"),
    ],
)
def test_what_isnt_a_whole_gzip_stream(tmp_path: Path, packed: bytes, reason: str) -> None:
    source = opened(tmp_path, packed, "x.fits.gz")
    assert is_gzip(source)
    with pytest.raises(FitsError, match=rf"^x\.fits\.gz .*{reason}.*\.$"):
        GzipSource(source).skip(1 << 63)


def test_a_bomb_is_given_up_before_it_goes_off(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, wbits=31)
    first = packer.compress(bytes(1 << 26)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(1 << 26)) + packer.flush(zlib.Z_FULL_FLUSH)
    source = GzipSource(opened(tmp_path, first + again * 200))
    tracemalloc.start()
    with pytest.raises(FitsError, match="unpacks to over 1 GiB and 200 times its size"):
        source.skip(1 << 63)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
    assert source.position < UNPACKED_ALWAYS * 2


def test_blank_frames_may_shrink_a_thousandfold(tmp_path: Path) -> None:
    source = GzipSource(opened(tmp_path, gzip.compress(bytes(1 << 27), 9)))
    source.skip(1 << 63)
    assert source.position == 1 << 27


def test_headers_from_a_gzip_stream_are_those_of_the_file(tmp_path: Path) -> None:
    for path in frames_folder().glob("*.fits*"):
        plain = FileSource(path.open("rb"), "x")
        packed = GzipSource(opened(tmp_path, gzip.compress(path.read_bytes(), 1)))
        assert list(headers_of(packed)) == list(headers_of(plain))


@pytest.mark.parametrize("truncated_ok", [True, False])
def test_a_stream_that_ends_early(tmp_path: Path, truncated_ok: bool) -> None:
    frame = (frames_folder() / "coj1m011-kb05-20150219-0125-e90.fits").read_bytes()
    headers = headers_of(
        GzipSource(opened(tmp_path, gzip.compress(frame[:-8000], 1))), truncated_ok=truncated_ok
    )
    assert next(headers)["SITEID"] == "coj"
    if truncated_ok:
        assert list(headers) == []
    else:
        with pytest.raises(FitsError, match="truncated: the data of HDU 0 should end at byte 109,660"):
            next(headers)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("x.fits", "x.fits"),
        ("two\nlines", r"'two\nlines'"),
        ("\udcff", r"'\udcff'"),
        ("é" * 80, "é" * 80),
        ("é" * 81, "é" * 79 + "…"),
    ],
)
def test_names_in_sentences(name: str, shown: str) -> None:
    assert shown_name(name) == shown
    assert len(shown_name(os.fsdecode(b"\xff" * 255))) <= 80


def test_a_part_of_a_part_counts_the_files_bytes(tmp_path: Path) -> None:
    file = opened(tmp_path, CONTENT)
    part = PartSource(PartSource(file, 1000, "x"), 10, "y")
    part.read(5)
    assert (part.position, part.origin) == (5, file.origin)
    assert 5 <= part.origin <= io.DEFAULT_BUFFER_SIZE
