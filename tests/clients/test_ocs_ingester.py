"""ocs-ingester 3.2.0 with ocs-archive 0.5.0 files real frames, on the folder store and on S3 (issue C1)."""

import hashlib
import json
from pathlib import Path

import httpx
import pytest

from tests.clients.conftest import Ingester
from tests.services.frames import frames_folder
from tests.services.house import Server

pytestmark = pytest.mark.slow

NAMES = (
    "coj1m011-kb05-20150219-0125-e90.fits",
    "coj1m011-kb05-20150219-0125-e90.fits.fz",
    "cpt1m010-kb70-20151219-0073-e10.fits.fz",
    "cpt1m012-fl10-20151216-0073-e00.fits.fz",
)
PDF = "cptnrs03-fa13-20150219-0001-e92-summary.pdf"
PICTURE = "tfn0m419-sq32-20240426-0097-e91-small.jpg"

PDF_METADATA = {
    "PROPID": "calib",
    "DATE-OBS": "2015-02-19T04:05:06.123",
    "DAY-OBS": "20150219",
    "INSTRUME": "fa13",
    "SITEID": "cpt",
    "TELID": "nrs",
    "OBSTYPE": "TARGET",
    "BLKUID": 1234,
    "RLEVEL": 92,
    "EXPTIME": 10.0,
}
PICTURE_METADATA = {
    "frame_basename": "tfn0m419-sq32-20240426-0097-e91",
    "PROPID": "calib",
    "DATE-OBS": "2024-04-26T22:10:00.000",
    "DAY-OBS": "20240426",
    "INSTRUME": "sq32",
    "SITEID": "tfn",
    "TELID": "0m4a",
    "OBSTYPE": "EXPOSE",
    "BLKUID": 99,
    "RLEVEL": 91,
}


def test_frames_come_back_byte_for_byte(ingester: Ingester, server: Server, operator: str) -> None:
    for path in (frames_folder() / name for name in NAMES):
        before = ingester.ingest(path, "--check-only")
        assert (before.returncode, before.stdout.strip()) == (1, "False"), before.stderr

        first = ingester.ingest(path)
        assert first.returncode == 0, first.stderr
        url = first.stdout.strip()
        assert url.startswith(f"{server.url}/archive/files/")
        assert _download(url, operator) == path.read_bytes()

        again = ingester.ingest(path)
        assert again.returncode == 0
        assert "already exists" in again.stdout + again.stderr

        after = ingester.ingest(path, "--check-only")
        assert (after.returncode, after.stdout.strip()) == (0, "True")
    versions = _get(f"{server.url}/archive/versions/", operator)
    assert versions["count"] == len(NAMES)


def test_both_forms_of_an_exposure_are_versions_of_one_frame(
    ingester: Ingester, server: Server, operator: str
) -> None:
    plain, packed = (frames_folder() / name for name in NAMES[:2])
    urls = [ingester.ingest(path).stdout.strip() for path in (plain, packed)]
    found = _get(f"{server.url}/archive/frames/?basename_exact=coj1m011-kb05-20150219-0125-e90", operator)
    assert found["count"] == 1
    assert [one["url"] for one in found["results"][0]["version_set"]] == urls[::-1]
    assert _download(urls[0], operator) == plain.read_bytes()
    assert _download(urls[1], operator) == packed.read_bytes()


def test_a_document_with_metadata(ingester: Ingester, server: Server, operator: str) -> None:
    path = frames_folder() / PDF
    done = ingester.ingest_with_metadata(path, json.dumps(PDF_METADATA))
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["filename"] == PDF
    assert _download(record["url"], operator) == path.read_bytes()
    found = _get(f"{server.url}/archive/frames/{record['frameid']}/", operator)
    assert (found["basename"], found["reduction_level"]) == (PDF.removesuffix(".pdf"), 92)
    again = ingester.ingest_with_metadata(path, json.dumps(PDF_METADATA))
    assert "already exists" in json.loads(again.stdout)["refused"]


def test_a_thumbnail_waits_for_its_frame(ingester: Ingester, server: Server, operator: str) -> None:
    path = frames_folder() / PICTURE
    for _ in range(2):  # the same again is an update
        done = ingester.ingest_with_metadata(path, json.dumps(PICTURE_METADATA), "small")
        assert done.returncode == 0, done.stderr
        record = json.loads(done.stdout)
        listed = _get(f"{server.url}/archive/thumbnails/?size=small", operator)["results"]
        assert [one["basename"] for one in listed] == [PICTURE.removesuffix(".jpg")]
        assert record["thumbnail_id"] == listed[0]["id"]
        assert _download(listed[0]["url"], operator) == path.read_bytes()
    frames = _get(f"{server.url}/archive/frames/", operator)
    assert frames["count"] == 0, "a frame without a file is in no list"


def test_checksums_are_taken_of_what_the_client_stored(
    ingester: Ingester, server: Server, operator: str, tmp_path: Path
) -> None:
    path = frames_folder() / NAMES[0]
    assert ingester.ingest(path).returncode == 0
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    with httpx.Client() as client:
        for _ in range(100):
            version = _get(f"{server.url}/archive/versions/?md5={md5}", operator)["results"][0]
            if version["state"] != "unchecked":
                break
            client.get(f"{server.url}/health")
    assert version["state"] == "checked"
    assert version["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert version["size"] == path.stat().st_size


def _get(url: str, token: str) -> dict:
    answer = httpx.get(url, headers={"Authorization": f"Token {token}"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def _download(url: str, token: str) -> bytes:
    answer = httpx.get(url, headers={"Authorization": f"Token {token}"})
    assert answer.status_code == 200, answer.text
    return answer.content
