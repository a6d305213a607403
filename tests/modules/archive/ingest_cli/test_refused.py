"""Files that can't be filed: each with its reason, and none of them in the way of the others."""

import json
import os
from pathlib import Path

import pytest

from tests.modules.archive.ingest_cli.holdings import frame_bytes, frames_of, objects_of, outcomes
from tests.services.house import House

GOOD = frame_bytes(1)

BAD: dict[str, tuple[bytes, str]] = {
    "truncated.fits": (GOOD[: len(GOOD) - 2880], "truncated"),
    "headless.fits": (GOOD[:1000], "truncated"),
    "garbage.fits": (bytes(range(256)) * 30, "isn't a FITS file"),
    "zero-length.fits": (b"", "it is empty"),
    "dotted.name.fits": (GOOD, "dot before .fits"),
    "missing.fits": (frame_bytes(2, without=("PROPID", "DATE-OBS")), "lacks PROPID, DATE-OBS"),
    "long-site.fits": (
        frame_bytes(3, SITEID="lcogt"),
        "SITEID: Ensure this field has no more than 3 characters.",
    ),
    "long-telescope.fits": (frame_bytes(4, TELID="0m4abc"), "TELID: Ensure this field has no more than 4"),
    "odd-type.fits": (frame_bytes(5, OBSTYPE="NOPE"), 'OBSTYPE: "NOPE" is not a valid choice.'),
    "no-type.fits": (frame_bytes(6, OBSTYPE="UNKNOWN"), "OBSTYPE has no value"),
    "bad-date.fits": (frame_bytes(7, DATE_OBS="04/03/25"), "DATE-OBS: Datetime has wrong format."),
    "no-date.fits": (frame_bytes(8, DATE_OBS=None), "DATE-OBS has no value"),
    "bad-day.fits": (frame_bytes(9, DAY_OBS="yesterday"), "DAY-OBS: Date has wrong format."),
    "bad-block.fits": (frame_bytes(10, BLKUID="twelve"), "BLKUID: A valid integer is required."),
    "bad-level.fits": (frame_bytes(11, RLEVEL=70000), "RLEVEL: Ensure this value is less than"),
    "up.fits": (frame_bytes(12, SITEID="..", INSTRUME="x"), "can't be stored"),
    "name\nwith\nlines.fits": (frame_bytes(13), "basename: Control characters"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with bad files between good ones."""
    folder = tmp_path / "in"
    (folder / "below" / "deeper").mkdir(parents=True)
    for name, (content, _) in BAD.items():
        (folder / name).write_bytes(content)
    (folder / "a-good-one.fits").write_bytes(GOOD)
    (folder / "below" / "deeper" / "z-good-one.fits").write_bytes(frame_bytes(100))
    (folder / "locked.fits").write_bytes(frame_bytes(103))
    (folder / "locked.fits").chmod(0)
    os.mkfifo(folder / "pipe.fits")
    (folder / "loop.fits").symlink_to("loop.fits")
    (folder / "unreadable.fits").symlink_to("/proc/self/mem")
    (folder / "below" / "again").symlink_to("..")
    (folder / "notes.txt").write_text("not FITS")
    (folder / ".hidden.fits").write_bytes(frame_bytes(101))
    (folder / ".snapshot").mkdir()
    (folder / ".snapshot" / "old.fits").write_bytes(frame_bytes(102))
    return folder


@pytest.mark.parametrize("mode", ["embedded"])
async def test_each_has_its_reason_and_the_good_ones_are_filed(
    house: House, folder: Path, tmp_path: Path
) -> None:
    reasons = {name: reason for name, (_, reason) in BAD.items()} | {
        "pipe.fits": "isn't a regular file",
        "loop.fits": "can't be read: Too many levels of symbolic links",
        "unreadable.fits": "can't be read: Input/output error",
        "absent.fits": "There is no such file",
        "notes.txt": "Files named .txt aren't filed; these are: .fits, ",
        ".hidden.fits": "begins with a dot",
    }
    good = {"a-good-one.fits", "z-good-one.fits"}
    if os.geteuid() == 0:  # to whom nothing is forbidden
        good.add("locked.fits")
    else:
        reasons["locked.fits"] = "can't be read: Permission denied"
    named = [str(folder / name) for name in ("absent.fits", "notes.txt", ".hidden.fits")]
    report = tmp_path / "report.jsonl"
    foretold = outcomes(house.command("ingest", str(folder), *named, "--json", "--dry-run").stdout)
    done = house.command("ingest", str(folder), *named, "--json", "--report", str(report))

    assert done.returncode == 1, done.stderr
    told = outcomes(done.stdout)
    assert told.keys() == reasons.keys() | good
    for name, reason in reasons.items():
        assert told[name]["outcome"] == "refused", name
        assert reason in told[name]["reason"], name
        assert "\n" not in told[name]["reason"], name
        assert foretold[name]["reason"] == told[name]["reason"]
    summary = f"{len(good)} filed ({len(good)} new frames, 0 new versions), 0 already there"
    assert f"{summary}, {len(reasons)} refused, 4 passed over" in done.stderr
    assert f"… and {len(reasons) - 20} more" in done.stderr
    reported = [json.loads(line) for line in report.read_text().splitlines()]
    assert {Path(line["path"]).name for line in reported} == reasons.keys()
    async with house.open() as opened:
        assert (await frames_of(opened)).keys() == {name.partition(".")[0] for name in good}
    assert len(objects_of(house)) == len(good)
