"""Files that stay where they are: registered, read through links and changes, and never touched."""

import hashlib
import os
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from entrepot.kernel.errors import InvalidInput
from entrepot.kernel.objects import ObjectMissing
from entrepot.modules.archive.posted import read_frame
from entrepot.modules.archive.service.ingest import Filed
from entrepot.modules.archive.service.intake import Intake, Outcome, Verdict
from entrepot.modules.archive.service.local_files import local_file
from entrepot.modules.archive.service.own_door import AlreadyThere, Placed, leave_in_place, register
from entrepot.modules.archive.service.records import Rules, read_record
from entrepot.modules.archive.service.roots import InPlace, open_object, remove_object
from entrepot.modules.archive.settings import ArchiveSettings
from tests.modules.archive.frames import posted
from tests.modules.archive.ingest_cli.holdings import (
    downloads_of,
    frame_bytes,
    frames_of,
    objects_of,
    outcomes,
    staff_of,
    versions_of,
)
from tests.services.house import House, OpenHouse

ROOTS = "ENTREPOT_ARCHIVE_ROOTS"
NAME = "a-b-c-d-e00.fits"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that files may be registered in, with one file."""
    folder = tmp_path / "frames"
    (folder / "night").mkdir(parents=True)
    (folder / "night" / NAME).write_bytes(frame_bytes(1))
    return folder


@pytest.fixture
def rooted(house: House, root: Path) -> House:
    """A house that has the root in its settings."""
    another = root.with_name("another")
    another.mkdir()
    return House(house.environ | {ROOTS: f"{another}, {root}"})


async def _take_in(opened: OpenHouse, *paths: Path, in_place: bool = True) -> dict[str, Outcome]:
    told: list[Outcome] = []
    check = partial(read_frame, settings=ArchiveSettings())
    intake = Intake(opened.context, check=check, tell=told.append, jobs=2, given={}, in_place=in_place)
    await intake.run(paths)
    return {one.path.name: one for one in told if one.verdict is not Verdict.PASSED_OVER}


async def _download(opened: OpenHouse, name: str = "a-b-c-d-e00") -> tuple[int, bytes, str]:
    """Download a frame's newest version: the status, the bytes, and the reason if there are none."""
    version = (await frames_of(opened))[name]["version_set"][0]
    answer = await opened.client.get(version["url"], headers=await staff_of(opened))
    failed = answer.status_code >= 400
    return answer.status_code, b"" if failed else answer.content, answer.text if failed else ""


def _state(folder: Path) -> dict[str, tuple[object, ...]]:
    """Give all that a program could change of a folder and what is in it, but for the times of reading."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (status.st_ino, status.st_mode, status.st_mtime_ns, status.st_ctime_ns, content)
    return found


async def test_the_command_registers_and_never_touches(house: House, root: Path) -> None:
    before = _state(root)
    run = partial(house.command, "ingest", "--in-place", **{ROOTS: str(root)})

    dry = run("--dry-run", str(root))
    assert "1 would be registered in place (1 new frame, 0 new versions)" in dry.stdout, dry.stderr
    done = run(str(root))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 registered in place (1 new frame, 0 new versions), 0 already there" in done.stdout
    again = outcomes(run(str(root), "--json").stdout)
    assert again[NAME]["outcome"] == "already there"

    assert _state(root) == before
    assert objects_of(house) == []
    more = {ROOTS: str(root), "ENTREPOT_ARCHIVE_REDIRECT_DOWNLOADS": "true"}
    async with house.open(**more) as opened:
        md5 = hashlib.md5(frame_bytes(1)).hexdigest()
        assert await downloads_of(opened) == {f"{NAME} {md5}": frame_bytes(1)}
        [version] = await versions_of(opened)
        assert (version["state"], version["key"]) == ("checked", md5)
        assert (await _take_in(opened, root, in_place=False))[NAME].verdict is Verdict.ALREADY
    assert objects_of(house) == []


@pytest.mark.parametrize("in_place", [False, True], ids=["copied", "in place"])
async def test_versions_of_one_basename_keep_their_bytes(rooted: House, root: Path, in_place: bool) -> None:
    (root / "later").mkdir()
    (root / "later" / NAME).write_bytes(frame_bytes(2))
    (root / "later" / "copy.fits").symlink_to(root / "night" / NAME)
    async with rooted.open() as opened:
        first = await _take_in(opened, root / "night", in_place=in_place)
        second = await _take_in(opened, root / "later", in_place=in_place)
        assert first[NAME].verdict is Verdict.NEW_FRAME
        assert second[NAME].verdict is Verdict.NEW_VERSION
        assert second["copy.fits"].verdict is Verdict.ALREADY
        expected = {f"{NAME} {hashlib.md5(frame_bytes(n)).hexdigest()}": frame_bytes(n) for n in (1, 2)}
        assert await downloads_of(opened) == expected
    assert len(objects_of(rooted)) == (0 if in_place else 2)


async def test_what_cant_be_registered_in_place(rooted: House, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.fits"
    outside.write_bytes(frame_bytes(2))
    beside = root.with_name("frames-and-more")
    beside.mkdir()
    (beside / "sibling.fits").write_bytes(frame_bytes(3))
    (root / "led-out.fits").symlink_to(outside)
    (root / "line\nbreak").mkdir()
    (root / "line\nbreak" / "below-a-line.fits").write_bytes(frame_bytes(4))
    undecodable = root / os.fsdecode(b"\xff")
    undecodable.mkdir()
    (undecodable / "below-bytes.fits").write_bytes(frame_bytes(5))
    deep = root
    for _ in range(11):
        deep = deep / ("d" * 240)
        deep.mkdir()
    (deep / "deep.fits").write_bytes(frame_bytes(6))
    os.mkfifo(root / "pipe.fits")
    reasons = {
        "outside.fits": f"below none of the folders of {ROOTS}",
        "sibling.fits": f"below none of the folders of {ROOTS}",
        "led-out.fits": f"below none of the folders of {ROOTS}",
        "below-a-line.fits": "line break",
        "below-bytes.fits": "aren't UTF-8",
        "deep.fits": "with paths of up to 2,500",
        "pipe.fits": "isn't a regular file",
    }
    async with rooted.open() as opened:
        told = await _take_in(opened, root, outside, beside)
        assert told.pop(NAME).verdict is Verdict.NEW_FRAME
        assert told.keys() == reasons.keys()
        for name, reason in reasons.items():
            assert told[name].verdict is Verdict.REFUSED, name
            assert reason in str(told[name].reason), name
            assert str(told[name].reason).isprintable()
        assert list(await frames_of(opened)) == ["a-b-c-d-e00"]


@pytest.mark.parametrize("mode", ["embedded"])
@pytest.mark.parametrize(
    ("roots", "sentence"),
    [
        ("", "No files can be registered in place: ENTREPOT_ARCHIVE_ROOTS names no folder"),
        ("/no/such/folder", "ENTREPOT_ARCHIVE_ROOTS names '/no/such/folder', which isn't a folder."),
        ("frames", "isn't a folder written in full"),
    ],
)
def test_without_roots_the_command_ends_with_a_sentence(
    house: House, root: Path, roots: str, sentence: str
) -> None:
    done = house.command("ingest", "--in-place", str(root), **{ROOTS: roots})
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def _write_other(path: Path) -> None:
    path.write_bytes(frame_bytes(2))


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _lead_out(path: Path) -> None:
    outside = path.parents[2] / "outside.fits"
    outside.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(outside)


def _lead_out_by_folder(path: Path) -> None:
    path.parent.rename(path.parents[2] / "outside")
    path.parent.symlink_to(path.parents[2] / "outside")


def _make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGED = "was changed where it lies"
OUTSIDE = "lies outside the folders that are read in place"
VANISHED = "isn't any more where it was registered"


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        (_write_other, 410, CHANGED),
        (_flip, 410, CHANGED),
        (partial(os.truncate, length=2880), 410, CHANGED),
        (_lead_out, 410, OUTSIDE),
        (_lead_out_by_folder, 410, OUTSIDE),
        (Path.unlink, 404, VANISHED),
        (_make_folder, 404, VANISHED),
    ],
    ids=["other", "flipped", "cut", "link out", "folder link out", "gone", "folder"],
)
async def test_other_bytes_are_never_given(
    rooted: House, root: Path, change: Callable[[Path], None], status: int, reason: str
) -> None:
    path = root / "night" / NAME
    async with rooted.open() as opened:
        await _take_in(opened, path)
        assert await _download(opened) == (200, frame_bytes(1), "")
        change(path)
        for _ in range(2):  # the second time by what the first has noted
            given, _, text = await _download(opened)
            assert given == status
            assert reason in text
            assert str(root) not in text


def _touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def _copy_over(path: Path) -> None:
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    copy.rename(path)


def _move_and_link(path: Path) -> None:
    moved = path.parents[1] / "moved"
    path.parent.rename(moved)
    path.parent.symlink_to(moved)


def _change_and_restore(path: Path) -> None:
    path.write_bytes(b"other")
    path.write_bytes(frame_bytes(1))


@pytest.mark.parametrize("change", [_touch, _copy_over, _move_and_link, _change_and_restore])
async def test_the_same_bytes_are_given_whatever_was_done_to_the_file(
    rooted: House, root: Path, change: Callable[[Path], None]
) -> None:
    path = root / "night" / NAME
    async with rooted.open() as opened:
        await _take_in(opened, path)
        change(path)
        assert await _download(opened) == (200, frame_bytes(1), "")


async def test_a_root_that_is_taken_out_of_the_settings(rooted: House, house: House, root: Path) -> None:
    async with rooted.open() as opened:
        await _take_in(opened, root)
    for roots in ("", str(root / "night" / ".." / ".." / "frames" / "night"), str(root.parent / "absent")):
        async with house.open(**{ROOTS: roots}) as opened:
            status, _, text = await _download(opened)
            if roots.endswith("night"):
                assert status == 200
            else:
                assert status == 410
                assert OUTSIDE in text


async def test_a_file_that_was_overwritten_and_registered_again(rooted: House, root: Path) -> None:
    path = root / "night" / NAME
    async with rooted.open() as opened:
        await _take_in(opened, path)
        path.write_bytes(frame_bytes(2))
        assert (await _take_in(opened, path))[NAME].verdict is Verdict.NEW_VERSION
        assert await _download(opened) == (200, frame_bytes(2), "")
        older = (await frames_of(opened))["a-b-c-d-e00"]["version_set"][1]
        answer = await opened.client.get(older["url"], headers=await staff_of(opened))
        assert answer.status_code == 410
        assert CHANGED in answer.text


async def _left(path: Path) -> Placed:
    file = await local_file(path)
    version = {"key": file.checksums.md5, "md5": file.checksums.md5, "extension": ".fits"}
    record = read_record(path, Rules()) | {"version_set": [version]}
    return leave_in_place(read_frame(record, ArchiveSettings()), file.checksums, InPlace(str(path), "mark"))


async def test_nothing_removes_a_file_in_place(rooted: House, root: Path) -> None:
    path = root / "night" / NAME
    other = root / "night" / "other.fits"
    other.write_bytes(frame_bytes(1))
    async with rooted.open() as opened:
        before = _state(root)
        [first] = await register(opened.context, [await _left(path)])
        [second] = await register(opened.context, [await _left(other)])
        assert isinstance(first, Filed)
        assert isinstance(second, AlreadyThere)  # what is refused so is withdrawn from the store
        await remove_object(opened.context, str(path), None)
        with pytest.raises(InvalidInput, match="starts with a slash"):
            await opened.context.objects.delete(str(path))
        with pytest.raises(ObjectMissing, match=VANISHED):
            await open_object(opened.context, str(root / "night" / "absent.fits"), None)
        await opened.context.objects.sweep_temporary(timedelta(0))
        assert _state(root) == before


async def test_no_client_registers_in_place(rooted: House, root: Path) -> None:
    async with rooted.open() as opened:
        body = posted("posted", site_id="/", instrument_id="etc")
        answer = await opened.client.post("/archive/frames/", json=body, headers=await opened.staff())
        assert answer.status_code == 400
        assert "starts with a slash" in answer.text
