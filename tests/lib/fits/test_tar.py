"""The members of tars; the standard library writes them and is the judge."""

import io
import random
import struct
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrepot.lib.fits import FileSource, FitsError, GzipSource, members
from entrepot.lib.fits.tar import MAX_EXTENDED_BYTES

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def info(name: str, content: bytes = b"", **changes: object) -> tuple[tarfile.TarInfo, bytes]:
    made = tarfile.TarInfo(name)
    made.size = len(content)
    for member, value in changes.items():
        setattr(made, member, value)
    return made, content


def tar(*files: tuple[tarfile.TarInfo, bytes], kind: int = tarfile.PAX_FORMAT, **more: object) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind, **more) as made:
        for one, content in files:
            made.addfile(one, io.BytesIO(content))
    return buffer.getvalue()


def resummed(content: bytes, start: int, field: bytes) -> bytes:
    changed = bytearray(content)
    changed[start : start + len(field)] = field
    changed[148:156] = b" " * 8
    changed[148:156] = b"%06o\0 " % sum(changed[:512])
    return bytes(changed)


def read(folder: Path, content: bytes) -> list[tuple[str, bytes]]:
    path = folder / "x.tar"
    path.write_bytes(content)
    with path.open("rb") as file:
        return [(one.name, one.content.read(1 << 30)) for one in members(FileSource(file, "x.tar"))]


@pytest.mark.parametrize("kind", FORMATS)
def test_members_as_the_standard_library_writes_them(tmp_path: Path, kind: int) -> None:
    files = [
        info("a.fits", b"a" * 1000),
        info("folder", type=tarfile.DIRTYPE),
        info("folder/empty.txt"),
        info(f"{'deep/' * 18}b.fits", b"b" * 512),
        info(f"{'d' * 90}/{'e' * 90}", b"c"),
        info("link.fits", type=tarfile.SYMTYPE, linkname="a.fits"),
        info("hard.fits", type=tarfile.LNKTYPE, linkname="a.fits"),
        info("last", b"last"),
    ]
    expected = [(one.name, content) for one, content in files if one.isreg()]
    assert read(tmp_path, tar(*files, kind=kind)) == expected


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_foreign_names(tmp_path: Path, kind: int) -> None:
    names = [f"{'x' * 300}.fits", f"{'long/' * 500}y", "Ωmega/ü.fits"]
    assert [name for name, _ in read(tmp_path, tar(*map(info, names), kind=kind))] == names


def test_members_need_not_be_read(tmp_path: Path) -> None:
    files = [info(f"{number}", b"x" * number) for number in range(0, 3000, 500)]
    (tmp_path / "x.tar").write_bytes(tar(*files))
    with (tmp_path / "x.tar").open("rb") as file:
        source = FileSource(file, "x.tar")
        for number, one in enumerate(members(source)):
            if number % 2:
                assert len(one.content.read(100)) == min(number * 500, 100)
    assert number == 5


def test_large_sizes_are_binary_and_skipping_them_takes_no_memory(tmp_path: Path) -> None:
    size = 9 << 30
    header = resummed(tarfile.TarInfo("large").tobuf(), 124, b"\x80" + size.to_bytes(11))
    path = tmp_path / "large.tar"
    with path.open("wb") as file:
        file.write(header)
        file.seek(512 + size)
        file.write(tar(info("b.fits", b"b")))
    tracemalloc.start()
    with path.open("rb") as file:
        assert [one.name for one in members(FileSource(file, "large.tar"))] == ["large", "b.fits"]
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_many_members_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "many.tar"
    one = tarfile.TarInfo("x").tobuf()
    path.write_bytes(one * 20_000 + bytes(1024))
    tracemalloc.start()
    with path.open("rb") as file:
        assert sum(1 for _ in members(FileSource(file, "many.tar"))) == 20_000
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_sparse_members_are_told_and_skipped(tmp_path: Path) -> None:
    plain = tar(info("after.fits", b"after"))
    entry = b"%011o\0%011o\0" % (0, 512)
    old = resummed(tarfile.TarInfo("old.fits").tobuf(), 156, b"S")
    old = resummed(old, 124, b"%011o\0" % 512)
    old = resummed(old, 386, (entry * 4) + b"\1")
    more = (entry * 21).ljust(504, b"\0") + b"\0" * 8
    pax = tar(info("GNUSparseFile.0/new.fits", b"n" * 512, pax_headers={"GNU.sparse.major": "1"}))
    pax = pax[: pax.rindex(b"n" * 512) + 512]
    path = tmp_path / "x.tar"
    path.write_bytes(old + more + b"o" * 512 + pax + plain)
    with path.open("rb") as file:
        found = [(one.name, one.sparse) for one in members(FileSource(file, "x.tar"))]
    assert found == [("old.fits", True), ("GNUSparseFile.0/new.fits", True), ("after.fits", False)]


WHOLE = tar(info("x.fits", b"x" * 1000), kind=tarfile.USTAR_FORMAT)
PAX = resummed(resummed(tarfile.TarInfo("pax").tobuf(), 156, b"x"), 124, b"%011o\0" % 512)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "isn't a tar: it is empty"),
        (b"x" * 511, "isn't a tar"),
        (b"x" * 5120, "isn't a tar"),
        (bytes(10240), "isn't a tar"),
        (WHOLE[:511], "isn't a tar"),
        (WHOLE[:512], "truncated"),
        (WHOLE[:1511], "truncated"),
        (WHOLE[:1536], "truncated"),
        (WHOLE[:1600], "truncated"),
        (WHOLE[:1536] + b"y" * 512, "damaged: at byte 1,536"),
        (resummed(WHOLE, 124, b"\xff" * 12), "size can't be read"),
        (resummed(WHOLE, 124, b"\x80" + b"\xff" * 11), "size can't be read"),
        (resummed(WHOLE, 124, b"1_0\0"), "size can't be read"),
        (resummed(WHOLE, 124, b"77777777777\0"), "truncated"),
        (resummed(WHOLE, 156, b"3"), "device"),
        (resummed(WHOLE, 156, b"4"), "device"),
        (resummed(WHOLE, 156, b"6"), "device"),
        (resummed(WHOLE, 0, b"/x.fits"), "leads out of the folder"),
        (resummed(WHOLE, 0, b"a/../../x.fits"), "leads out of the folder"),
        (resummed(WHOLE, 0, b"..\0"), "leads out of the folder"),
        (resummed(PAX, 124, b"%011o\0" % (MAX_EXTENDED_BYTES + 1)), "extended header of 1,048,577 bytes"),
        (resummed(PAX, 156, b"L"), "truncated"),
        (PAX + b"x" * 512, "extended header can't be read"),
        (PAX + b"99999999999999999999999999 path=x\n".ljust(512, b"\0"), "extended header can't be read"),
        (PAX + b"600 path=x\n".ljust(512, b"\0"), "extended header can't be read"),
        (PAX + b"10 path=x".ljust(512, b"\0"), "extended header can't be read"),
        (PAX + b"11 size=-1\n".ljust(512, b"\0") + WHOLE, "size can't be read"),
        (PAX + f"{29} size={'9' * 20}\n".encode().ljust(512, b"\0") + WHOLE, "size can't be read"),
        (PAX + b"14 path=../x\n".replace(b"14", b"13").ljust(512, b"\0") + WHOLE, "leads out of the folder"),
    ],
)
def test_what_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(FitsError) as refused:
        read(tmp_path, content)
    said = str(refused.value)
    assert reason in said
    assert said.startswith("x.tar")
    assert said.endswith(".")
    assert said.isprintable()
    assert len(said) < 300


def test_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrepot.lib.fits.tar.MAX_MEMBERS", 10)
    with pytest.raises(FitsError, match="more than 10 members"):
        read(tmp_path, tar(*(info(str(number)) for number in range(11))))


def test_a_name_cant_break_the_sentence(tmp_path: Path) -> None:
    with pytest.raises(FitsError) as refused:
        read(tmp_path, tar(info("../two\nlines" + "x" * 500)))
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 300


@given(seed=st.integers(0, 10**9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_damaged_tars_are_read_or_refused(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    files = [info(f"{number}.fits", b"x" * chance.randrange(2000)) for number in range(4)]
    damaged = bytearray(tar(*files, info("l" * 200), kind=chance.choice(FORMATS[1:])))
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(damaged))
        damaged[at : at + chance.choice((1, 1, 8))] = struct.pack("<Q", chance.getrandbits(64))[
            : chance.choice((1, 8))
        ]
    if chance.random() < 0.3:
        damaged = resummed(bytes(damaged), chance.randrange(500), bytes([chance.getrandbits(8)]))
    if chance.random() < 0.3:
        damaged = damaged[: chance.randrange(len(damaged))]
    reason = "."
    try:
        read(tmp_path, bytes(damaged))
    except FitsError as refused:
        reason = str(refused)
    assert reason.endswith(".")


def test_a_tar_can_be_read_from_a_gzip_stream(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    with tarfile.open(path, "w:gz") as made:
        for one, content in (info("a", b"a" * 100_000), info("b", b"b")):
            made.addfile(one, io.BytesIO(content))
    with path.open("rb") as file:
        source = GzipSource(FileSource(file, "x.tar.gz"))
        assert [(one.name, one.content.read(3)) for one in members(source)] == [("a", b"aaa"), ("b", b"b")]
