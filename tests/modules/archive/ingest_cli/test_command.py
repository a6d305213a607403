"""The command as people run it, on SQLite with a folder and on PostgreSQL with S3."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from entrepot.lib.fits.starfield import star_field
from tests.modules.archive.ingest_cli.holdings import (
    CARDS,
    CENTRE,
    downloads_of,
    frame_bytes,
    frames_of,
    multi_extension,
    objects_of,
    outcomes,
    staff_of,
    versions_of,
)
from tests.services.frames import frames_folder
from tests.services.house import House


async def test_the_real_frames_come_back_byte_identical_and_are_skipped_next_time(house: House) -> None:
    folder = frames_folder()
    files = sorted(path for path in folder.iterdir() if path.name.endswith((".fits", ".fits.fz")))
    assert len(files) >= 4

    dry = house.command("ingest", str(folder), "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert f"{len(files)} would be filed" in dry.stdout
    assert objects_of(house) == []
    first = house.command("ingest", str(folder))
    assert first.returncode == 0, first.stderr
    assert f"{len(files)} filed" in first.stdout
    assert "0 refused, 2 passed over" in first.stdout
    again = house.command("ingest", str(folder), "--json")
    assert again.returncode == 0, again.stderr
    assert {line["outcome"] for line in outcomes(again.stdout).values()} == {"already there"}
    assert f"0 filed (0 new frames, 0 new versions), {len(files)} already there" in again.stderr

    async with house.open() as opened:
        expected = {
            f"{path.name} {hashlib.md5(path.read_bytes()).hexdigest()}": path.read_bytes() for path in files
        }
        assert await downloads_of(opened) == expected
        assert {version["state"] for version in await versions_of(opened)} == {"checked"}
    assert len(objects_of(house)) == len(files)


async def test_what_the_catalogue_gets_of_a_file(house: House, tmp_path: Path) -> None:
    frame = frame_bytes(1, L1IDBIAS="bias_sq33.fits.fz", L1IDDARK="N/A", USERID="ada")
    (tmp_path / "ogg0m404-sq33-20250304-0001-e00.fits").write_bytes(frame)
    (tmp_path / "several.fits").write_bytes(multi_extension(2))
    (tmp_path / "bias_sq33.fits").write_bytes(frame_bytes(3, OBSTYPE="BIAS"))
    done = house.command("ingest", str(tmp_path / "several.fits"), str(tmp_path), "--json")
    assert done.returncode == 0, done.stderr

    async with house.open() as opened:
        frames = await frames_of(opened)
        one = frames["ogg0m404-sq33-20250304-0001-e00"]
        expected = {
            "observation_date": "2025-03-04T05:06:07.890000Z",
            "observation_day": "2025-03-04",
            "proposal_id": "PROP-1",
            "instrument_id": "sq33",
            "target_name": "M 31",
            "reduction_level": 0,
            "site_id": "ogg",
            "telescope_id": "0m4a",
            "exposure_time": 30.0,
            "primary_optical_element": "rp",
            "public_date": "2026-03-04T05:06:07.890000Z",
            "configuration_type": "EXPOSE",
            "observation_id": 123456,
            "request_id": 777,
            "filename": "ogg0m404-sq33-20250304-0001-e00.fits",
        }
        assert {name: one[name] for name in expected} == expected
        assert one["related_frames"] == [frames["bias_sq33"]["id"]]
        assert frames["bias_sq33"]["public_date"] == one["observation_date"]
        ring = one["area"]["coordinates"][0]
        assert ring[0] == ring[-1]
        assert all(abs(ra - 10.68) < 0.01 and abs(dec - 41.27) < 0.01 for ra, dec in ring)
        assert frames["several"]["area"] is not None
        version = one["version_set"][0]
        assert version["md5"] == hashlib.md5(frame).hexdigest()
        assert (version["key"] == version["md5"]) is ("ENTREPOT_STORE_URL" not in house.environ)
        answer = await opened.client.get(
            f"/archive/frames/{one['id']}/headers/", headers=await staff_of(opened)
        )
        headers = answer.json()["data"]
        assert headers["L1IDBIAS"] == "bias_sq33"
        assert headers["L1IDDARK"] == ""


async def test_versions_of_one_frame_and_copies_of_one_file(house: House, tmp_path: Path) -> None:
    first, second = tmp_path / "one", tmp_path / "two"
    first.mkdir()
    second.mkdir()
    (first / "a-b-c-d-e00.fits").write_bytes(frame_bytes(1))
    (second / "a-b-c-d-e00.fits").write_bytes(frame_bytes(2))
    shutil.copy(first / "a-b-c-d-e00.fits", second / "other-name.fits")
    told = outcomes(house.command("ingest", str(first), "--json").stdout)
    assert told["a-b-c-d-e00.fits"]["outcome"] == "new frame"

    foretold = outcomes(house.command("ingest", str(second), "--json", "--dry-run").stdout)
    told = outcomes(house.command("ingest", str(second), "--json").stdout)
    for run in (foretold, told):
        assert run["a-b-c-d-e00.fits"]["outcome"] == "new version"
        assert run["other-name.fits"]["outcome"] == "already there"

    async with house.open() as opened:
        frames = await frames_of(opened)
        assert list(frames) == ["a-b-c-d-e00"]
        assert len(frames["a-b-c-d-e00"]["version_set"]) == 2
        assert sorted((await downloads_of(opened)).values()) == sorted([frame_bytes(1), frame_bytes(2)])


async def test_a_file_too_large_to_be_held(house: House, tmp_path: Path) -> None:
    large = star_field(CARDS, seed=1, centre=CENTRE, shape=(1050, 1050), stars=0)
    assert len(large) > 2 * 2**20  # what 64 jobs hold of each file
    (tmp_path / "large.fits").write_bytes(large)
    (tmp_path / "small.fits").write_bytes(frame_bytes(2))
    done = house.command("ingest", str(tmp_path), "--jobs", "64")
    assert done.returncode == 0, done.stdout + done.stderr
    async with house.open() as opened:
        assert set((await downloads_of(opened)).values()) == {large, frame_bytes(2)}
        assert {version["state"] for version in await versions_of(opened)} == {"checked"}
    assert len(objects_of(house)) == 2


@pytest.mark.parametrize("mode", ["embedded"])
async def test_cards_can_be_set(house: House, tmp_path: Path) -> None:
    lacking = frame_bytes(1, without=("PROPID", "BLKUID"), SITEID="lcogt")
    (tmp_path / "lacking.fits").write_bytes(lacking)
    refused = house.command("ingest", str(tmp_path), "--report", str(tmp_path / "report"))
    assert refused.returncode == 1
    [line] = [json.loads(text) for text in (tmp_path / "report").read_text().splitlines()]
    assert line["outcome"] == "refused"
    assert "PROPID, BLKUID" in line["reason"]
    assert line["reason"] in refused.stdout

    given = ("--set", "propid=2015", "--set", "BLKUID=N/A", "--set", "SITEID='ogg'", "--set", "EXPTIME=1.5E1")
    done = house.command("ingest", str(tmp_path), *given)
    assert done.returncode == 0, done.stdout + done.stderr

    async with house.open() as opened:
        frame = (await frames_of(opened))["lacking"]
        assert frame["proposal_id"] == "2015"
        assert frame["observation_id"] is None
        assert frame["site_id"] == "ogg"
        assert frame["exposure_time"] == 15.0
        assert await downloads_of(opened) == {f"lacking.fits {hashlib.md5(lacking).hexdigest()}": lacking}


@pytest.mark.parametrize("mode", ["embedded"])
@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--set", "PROPID", "x"],
        ["--set", "too-long-a-keyword=1", "x"],
        ["--set", "OBJECT=a\nb", "x"],
        ["--jobs", "0", "x"],
        ["--report", "no/such/folder/report", "x"],
    ],
)
def test_bad_usage(house: House, arguments: list[str]) -> None:
    done = house.command("ingest", *arguments)
    assert done.returncode == 2
    assert done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("mode", ["embedded"])
def test_a_store_that_doesnt_answer_is_one_sentence(house: House, tmp_path: Path) -> None:
    (tmp_path / "a.fits").write_bytes(frame_bytes(1))
    dead = {
        "ENTREPOT_STORE_URL": "s3://bucket",
        "ENTREPOT_S3_ENDPOINT": "http://127.0.0.1:9",
        "ENTREPOT_S3_ACCESS_KEY_ID": "a",
        "ENTREPOT_S3_SECRET_ACCESS_KEY": "b",
    }
    done = house.command("ingest", str(tmp_path), **dead)
    assert done.returncode == 1
    assert done.stderr == "The bucket 'bucket' doesn't answer.\n"
    assert done.stdout == ""
