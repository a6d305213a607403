"""Uploading files: what comes in is filed, and comes back as it was."""

import asyncio
import hashlib
import json

import pytest

from entrepot.kernel.identity import Role, Scope
from tests.modules.archive.door import NOBODY, Door
from tests.modules.archive.ingest_cli.holdings import objects_of
from tests.modules.archive.uploads import (
    CARDS,
    REAL,
    digest,
    download,
    fits,
    metadata,
    put,
    real_file,
    spooled,
    uploaded,
)
from tests.services.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("file", REAL)
async def test_real_files_come_back_as_they_were(door: Door, file: str) -> None:
    content, headers = real_file(file)
    answer = await put(door, file, content, headers)
    assert answer.status_code == 201, answer.text
    frame = answer.json()
    assert frame["filename"] == file
    assert answer.headers["location"] == f"http://archive.test/archive/frames/{frame['id']}/"
    assert await download(door, frame["version_set"][0]) == content
    shown = (await door.get(answer.headers["location"])).json()
    assert shown["version_set"][0]["md5"] == hashlib.md5(content).hexdigest()
    assert shown["instrument_id"]
    assert shown["public_date"]
    assert spooled(door) == []


async def test_it_answers_as_post_does(door: Door, name: str) -> None:
    posted = await door.file(f"{name}-posted")
    frame = await uploaded(door, f"{name}.fits", fits())
    assert list(frame) == list(posted)
    assert list(frame["version_set"][0]) == list(posted["version_set"][0])
    page = await put(door, f"{name}-page.fits", fits(), {"Accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (201, "text/html; charset=utf-8")


async def test_the_checksums_are_known_at_once(door: Door, name: str) -> None:
    content = fits()
    frame = await uploaded(door, f"{name}.fits", content)
    md5 = hashlib.md5(content).hexdigest()
    [version] = (await door.get("/archive/versions/", md5=md5)).json()["results"]
    assert version["id"] == frame["version_set"][0]["id"]
    assert (version["state"], version["size"]) == ("checked", len(content))
    assert version["sha256"] == hashlib.sha256(content).hexdigest()


async def test_cards_of_the_header_are_put_over_those_of_the_file(door: Door, name: str) -> None:
    content = fits(without=("PROPID",), OBJECT="M 31", REQNUM=7)
    cards = {"PROPID": "PROP-7", "OBJECT": "ω Cen", "EXPTIME": 1.5, "REQNUM": None, "CHECKED": True}
    plain = await uploaded(door, f"{name}.fits", content, metadata(cards))
    assert (plain["proposal_id"], plain["target_name"], plain["exposure_time"]) == ("PROP-7", "ω Cen", 1.5)
    assert plain["request_id"] is None
    headers = (await door.get(f"/archive/frames/{plain['id']}/headers/")).json()["data"]
    assert headers["CHECKED"] is True
    raw = json.dumps({"PROPID": "PROP-7", "OBJECT": "ω Cen"}, ensure_ascii=False).encode()
    utf8 = await put(door, f"{name}-8.fits", fits(without=("PROPID",)), {"X-Entrepot-Metadata": raw})
    assert utf8.json()["target_name"] == "ω Cen"


async def test_a_known_basename_gets_a_further_version(door: Door, name: str, shared_house: House) -> None:
    contents = [fits(OBJECT=f"M {number}") for number in (31, 32)] + [fits(DAY_OBS="20250305")]
    frames = [await uploaded(door, f"{name}.fits", content) for content in contents]
    assert len({frame["id"] for frame in frames}) == 1
    versions = frames[-1]["version_set"]
    assert len(versions) == 3
    assert [await download(door, version) for version in versions] == contents[::-1]
    assert len([path for path in set(objects_of(shared_house)) if f"/{name}." in path]) == 3


async def test_the_same_bytes_again_say_which_frame_has_them(door: Door, name: str) -> None:
    content = fits()
    first = await put(door, f"{name}.fits", content)
    for again in (f"{name}.fits", f"{name}-other.fits"):
        answer = await put(door, again, content)
        assert answer.status_code == 400
        assert answer.json() == {"version_set": [{"md5": ["version with this md5 already exists."]}]}
        assert answer.headers["location"] == first.headers["location"]
    assert spooled(door) == []


async def test_bytes_that_a_client_has_posted_are_known(door: Door, name: str) -> None:
    content = fits()
    md5 = hashlib.md5(content).hexdigest()
    frame = await door.file(name, version_set=[{"key": name, "md5": md5, "extension": ".fits"}])
    answer = await put(door, f"{name}.fits", content)
    assert answer.status_code == 400
    assert answer.headers["location"].endswith(f"/frames/{frame['id']}/")


async def test_of_the_same_file_at_once_one_is_filed(door: Door, name: str, shared_house: House) -> None:
    content = fits(3_000_000)
    answers = await asyncio.gather(*(put(door, f"{name}.fits", content) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 400, 400, 400, 400, 400]
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert len([path for path in objects_of(shared_house) if f"/{name}." in path]) == 1
    [frame] = [answer.json() for answer in answers if answer.status_code == 201]
    assert await download(door, frame["version_set"][0]) == content
    assert spooled(door) == []


async def test_different_files_of_a_name_at_once_are_versions(door: Door, name: str) -> None:
    contents = [fits() for _ in range(5)]
    answers = await asyncio.gather(*(put(door, f"{name}.fits", content) for content in contents))
    assert [answer.status_code for answer in answers] == [201] * 5
    frame = await door.detail(answers[0].json()["id"])
    assert len(frame["version_set"]) == 5
    assert {await download(door, version) for version in frame["version_set"]} == set(contents)


@pytest.mark.parametrize("algorithms", [("sha-256",), ("md5",), ("md5", "sha-256")])
@pytest.mark.parametrize("header", ["Repr-Digest", "Content-Digest"])
async def test_right_digests(door: Door, name: str, header: str, algorithms: tuple[str, ...]) -> None:
    content = fits()
    value = ", ".join([*(digest(content, one) for one in algorithms), "sha-512=:AAAA:"])
    md5 = {"Content-MD5": digest(content, "md5")[5:-1]}
    assert (await put(door, f"{name}.fits", content, {header: value, **md5})).status_code == 201


async def accounts(door: Door, name: str) -> dict[str, dict[str, str]]:
    """Make somebody of each kind."""
    house = door.house
    return {
        "nobody": dict(NOBODY),
        "a wrong token": {"Authorization": "Token 0123456789"},
        "a user": dict(await house.account(f"user-{name}", projects=("PROP-1",))),
        "staff who read": dict(await house.account(f"reader-{name}", Role.STAFF, scope=Scope.READ)),
        "staff": dict(await house.account(f"staff-{name}", Role.STAFF)),
        "an admin": dict(await house.account(f"admin-{name}", Role.ADMIN, scope=Scope.ADMIN)),
    }


async def test_who_may_upload(door: Door, name: str) -> None:
    found = {
        who: (await put(door, f"{name}-{number}.fits", fits(), who=headers)).status_code
        for number, (who, headers) in enumerate((await accounts(door, name[-8:])).items())
    }
    assert found == {
        "nobody": 401,
        "a wrong token": 401,
        "a user": 403,
        "staff who read": 403,
        "staff": 201,
        "an admin": 201,
    }


async def test_it_is_a_put(door: Door) -> None:
    for method in ("GET", "POST", "DELETE", "PATCH"):
        answer = await door.client.request(method, "/archive/upload/x.fits", headers=await door.house.staff())
        assert (answer.status_code, answer.headers["allow"]) == (405, "PUT")
    for path in (
        "/archive/upload/",
        "/archive/upload",
        "/archive/upload/a/x.fits",
        "/archive/upload/x.fits/",
    ):
        assert (await door.client.put(path, headers=await door.house.staff())).status_code == 404


async def test_scripts_of_other_origins_may_upload(door: Door) -> None:
    asked = "x-entrepot-metadata, repr-digest, content-md5, content-digest"
    answer = await door.client.options(
        "/archive/upload/x.fits",
        headers={
            "Origin": "https://elsewhere.example.org",
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": asked,
        },
    )
    assert answer.status_code == 200
    assert "PUT" in answer.headers["access-control-allow-methods"]
    assert set(asked.split(", ")) <= set(answer.headers["access-control-allow-headers"].split(", "))


async def test_described_files_need_no_more_than_the_header(door: Door, name: str) -> None:
    frame = await uploaded(door, f"{name}.pdf", b"%PDF-1.4\n" + name.encode(), metadata(CARDS))
    assert frame["filename"] == f"{name}.pdf"
    assert frame["observation_id"] == CARDS["BLKUID"]


@pytest.mark.parametrize(
    "basename",
    [
        "with spaces",
        "ω-Cen",
        "100%",
        "%2e%2e%2Fx",
        "a+b&c=d;e",
        "'\"`$(x)",
        "{name}",
        "x" * 200,
        "-",
        "~",
        "名前",
    ],
)
async def test_names_that_are_good(door: Door, basename: str) -> None:
    content = fits()
    frame = await uploaded(door, f"{basename}.fits", content)
    assert frame["basename"] == basename
    answer = await door.get(frame["url"])
    assert answer.content == content


@pytest.mark.parametrize("shared_house", ["embedded"], indirect=True)
async def test_a_key_that_is_taken_leaves_no_object(door: Door, shared_house: House, name: str) -> None:
    """In a folder the MD5 is the key too, which a client may have given to other bytes."""
    content = fits()
    taken = {"key": hashlib.md5(content).hexdigest(), "md5": "0" * 32, "extension": ".fits"}
    await door.file(f"{name}-other", version_set=[taken])
    before = objects_of(shared_house)
    answer = await put(door, f"{name}.fits", content)
    assert answer.status_code == 400
    assert answer.json() == {"version_set": [{"key": ["version with this key already exists."]}]}
    assert objects_of(shared_house) == before
