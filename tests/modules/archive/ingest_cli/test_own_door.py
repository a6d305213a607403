"""Bytes into the store and rows into the catalogue, where several do it at once or die halfway."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot.kernel.errors import InvalidInput
from entrepot.kernel.objects import ChecksumMismatch
from entrepot.kernel.process import ProcessContext
from entrepot.modules.archive.models import PostedFrame
from entrepot.modules.archive.posted import read_frame
from entrepot.modules.archive.service.ingest import Filed
from entrepot.modules.archive.service.local_files import LocalFile, local_file
from entrepot.modules.archive.service.own_door import AlreadyThere, Placed, known_sums, place, register
from entrepot.modules.archive.service.records import Rules, read_record, split_name
from entrepot.modules.archive.settings import ArchiveSettings
from tests.modules.archive.ingest_cli.holdings import downloads_of, filed_names, frame_bytes, objects_of
from tests.services.house import House, OpenHouse

NAME = "a-b-c-d-e00.fits"


def _posted(file: LocalFile) -> PostedFrame:
    md5 = file.checksums.md5
    version = {"key": md5, "md5": md5, "extension": split_name(file.path.name, Rules())[1]}
    return read_frame(read_record(file.path, Rules()) | {"version_set": [version]}, ArchiveSettings())


async def _placed(process: ProcessContext, path: Path) -> Placed | None:
    file = await local_file(path)
    return await place(process, _posted(file), file.checksums, file.pieces)


async def _two(process: ProcessContext, one: Path, two: Path) -> list[Placed]:
    placed = [await _placed(process, one), await _placed(process, two)]
    return [one for one in placed if one is not None]


async def test_two_have_placed_the_same_file(house: House, opened: OpenHouse, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(frame_bytes(1))
    placed = await _two(opened.context, tmp_path / NAME, tmp_path / NAME)
    assert len(placed) == 2

    first, second = await register(opened.context, placed)

    assert isinstance(first, Filed)
    assert isinstance(second, AlreadyThere)
    assert list((await downloads_of(opened)).values()) == [frame_bytes(1)]
    assert len(objects_of(house)) == 1


async def test_two_have_placed_the_same_bytes_under_two_names(
    house: House, opened: OpenHouse, tmp_path: Path
) -> None:
    (tmp_path / NAME).write_bytes(frame_bytes(1))
    (tmp_path / "another.fits").write_bytes(frame_bytes(1))
    placed = await _two(opened.context, tmp_path / NAME, tmp_path / "another.fits")

    first, second = await register(opened.context, placed[:1]) + await register(opened.context, placed[1:])

    assert isinstance(first, Filed)
    assert isinstance(second, AlreadyThere)
    assert list((await downloads_of(opened)).values()) == [frame_bytes(1)]
    assert filed_names(house) == [NAME]


async def test_one_that_is_refused_harms_no_other_of_its_batch(
    house: House, opened: OpenHouse, tmp_path: Path
) -> None:
    for number, name in enumerate(("a.fits", "b.fits", "b.fits.fz", "d.fits")):
        (tmp_path / name).write_bytes(frame_bytes(number))
    (tmp_path / "c.fits").write_bytes(frame_bytes(0))
    names = sorted(path.name for path in tmp_path.glob("?.fits*"))
    placed = [await _placed(opened.context, tmp_path / name) for name in names]

    results = await register(opened.context, [one for one in placed if one is not None])

    assert [type(result) for result in results] == [Filed, Filed, Filed, AlreadyThere, Filed]
    assert filed_names(house) == ["a.fits", "b.fits", "b.fits.fz", "d.fits"]
    versions = [result.frame.versions for result in results if isinstance(result, Filed)]
    assert sorted(len(of_one) for of_one in versions) == [1, 1, 1, 2]


async def test_what_a_killed_run_left_in_the_store_is_taken_over(
    house: House, opened: OpenHouse, tmp_path: Path
) -> None:
    (tmp_path / NAME).write_bytes(frame_bytes(1))
    assert await _placed(opened.context, tmp_path / NAME) is not None

    placed = await _placed(opened.context, tmp_path / NAME)
    assert placed is not None
    [result] = await register(opened.context, [placed])

    assert isinstance(result, Filed)
    assert list((await downloads_of(opened)).values()) == [frame_bytes(1)]
    assert await _placed(opened.context, tmp_path / NAME) is None
    assert await known_sums(opened.context, ["0" * 32, placed.posted.versions[0].md5]) == [False, True]


def _write_more(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def _write_over(path: Path) -> None:
    path.write_bytes(frame_bytes(2))


def _replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(frame_bytes(2))
    other.rename(path)


def _cut(path: Path) -> None:
    os.truncate(path, 2880)


@pytest.mark.parametrize("change", [_write_more, _write_over, _replace, _cut, Path.unlink])
async def test_a_file_that_changes_after_its_checksums_were_taken(
    house: House, opened: OpenHouse, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    path = tmp_path / NAME
    path.write_bytes(frame_bytes(1))
    file = await local_file(path)
    posted = _posted(file)
    change(path)

    with pytest.raises(InvalidInput, match=r"changed while|can't be read"):
        await place(opened.context, posted, file.checksums, file.pieces)

    assert objects_of(house) == []


async def test_bytes_that_are_not_those_announced(house: House, opened: OpenHouse, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(frame_bytes(1))
    (tmp_path / "b.fits").write_bytes(frame_bytes(2))
    one, other = await local_file(tmp_path / NAME), await local_file(tmp_path / "b.fits")

    with pytest.raises(ChecksumMismatch):
        await place(opened.context, _posted(one), other.checksums, one.pieces)

    assert objects_of(house) == []
