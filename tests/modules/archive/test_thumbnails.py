"""Thumbnails: filed, listed, shown with their frames (contract §2.12)."""

from typing import Any

import pytest

from tests.modules.archive.door import FRAMES, NOBODY, THUMBNAILS, VERSIONS, Door
from tests.modules.archive.frames import posted, version

pytestmark = pytest.mark.asyncio(loop_scope="module")


def picture(frame: str, size: str = "small", **changes: Any) -> dict[str, Any]:
    name = changes.pop("basename", f"{frame}-{size}")
    return posted(name, frame_basename=frame, size=size, version_set=[version(name, ".jpg")], **changes)


async def file_picture(door: Door, body: dict[str, Any]) -> dict[str, Any]:
    answer = await door.post(THUMBNAILS, body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_the_answer_holds_the_frame_and_the_picture(door: Door, name: str) -> None:
    frame = await door.file(name)
    found = await file_picture(door, picture(name))
    new = version(f"{name}-small")
    assert list(found) == ["id", "frame", "size", "basename", "url", "key", "extension"]
    assert found["frame"] == frame
    assert (found["size"], found["basename"], found["extension"]) == ("small", f"{name}-small", ".jpg")
    assert found["key"] == new["key"]
    assert found["url"] == f"http://archive.test/archive/files/{new['key']}/{name}-small.jpg"
    shown = (await door.get(f"{THUMBNAILS}{found['id']}/")).json()
    assert list(shown) == ["id", "frame", "size", "basename", "extension", "key", "url"]
    assert shown == {name: found[name] for name in shown} | {"frame": frame["id"]}


async def test_frames_show_their_pictures_when_asked(door: Door, name: str) -> None:
    frame = await door.file(name)
    numbers = [(await file_picture(door, picture(name, size)))["id"] for size in ("small", "large")]
    detail = (await door.get(f"{FRAMES}{frame['id']}/?include_thumbnails=true")).json()
    assert [one["id"] for one in detail["thumbnails"]] == numbers
    shown = [(await door.get(f"{THUMBNAILS}{number}/")).json() for number in numbers]
    assert detail["thumbnails"] == shown
    listed = (await door.page(f"basename_exact={name}&include_thumbnails=TRUE"))["results"][0]
    assert listed == detail
    assert "thumbnails" not in await door.detail(frame["id"])


async def test_an_unknown_frame_is_made_and_stays_out_of_lists_until_its_file_comes(
    door: Door, name: str
) -> None:
    found = await file_picture(
        door, picture(name, target_name="M 33", related_frame_filenames=[f"{name}-flat"])
    )
    frame = found["frame"]
    assert (frame["basename"], frame["target_name"], frame["version_set"]) == (name, "M 33", [])
    assert len(frame["related_frames"]) == 1
    assert await door.names(f"basename_exact={name}") == []
    assert (await door.detail(frame["id"]))["url"] is None
    filed = await door.file(name)
    assert filed["id"] == frame["id"]
    listed = (await door.page(f"basename_exact={name}&include_thumbnails=true"))["results"]
    assert [one["id"] for one in listed[0]["thumbnails"]] == [found["id"]]


async def test_the_same_basename_again_replaces_the_picture(door: Door, name: str) -> None:
    frame = await door.file(name)
    first = await file_picture(door, picture(name))
    again = picture(name) | {"size": "medium", "version_set": [version(f"{name} again", ".png")]}
    second = await file_picture(door, again)
    assert second["id"] == first["id"]
    assert (second["size"], second["extension"]) == ("medium", ".png")
    page = (await door.get(THUMBNAILS, frame_basename=name)).json()
    assert [one["key"] for one in page["results"]] == [again["version_set"][0]["key"]]
    assert (await door.detail(frame["id"])) == (await door.page(f"basename_exact={name}"))["results"][0]
    same = await file_picture(door, again)
    assert same == second
    moved = await file_picture(door, again | {"frame_basename": f"{name}-other"})
    assert moved["id"] == first["id"]
    assert moved["frame"]["basename"] == f"{name}-other"


async def test_a_picture_leaves_its_frame_as_it_is_and_is_no_version(door: Door, name: str) -> None:
    frame = await door.file(name)
    body = picture(name, target_name="other", proposal_id="OTHER", headers={"X": 1}, area=None)
    body["related_frame_filenames"] = [f"{name}-flat"]
    await file_picture(door, body)
    assert await door.detail(frame["id"]) == (await door.page(f"basename_exact={name}"))["results"][0]
    assert (await door.detail(frame["id"]))["target_name"] == "M 31"
    assert (await door.get(f"{FRAMES}{frame['id']}/headers/")).json()["data"]["NAXIS1"] == 100
    assert (await door.get(VERSIONS, md5=body["version_set"][0]["md5"])).json()["count"] == 0


async def test_filters(door: Door, name: str) -> None:
    pictures: dict[str, int] = {}
    for number, size in enumerate(("small", "medium", "large")):
        basename = f"{name}-{number}"
        await door.file(
            basename, proposal_id=f"P-{number}", observation_id=77_000 + number, request_id=88_000 + number
        )
        pictures[size] = (await file_picture(door, picture(basename, size)))["id"]

    async def found(**params: Any) -> set[int]:
        page = (await door.get(THUMBNAILS, **params)).json()
        assert page["count"] == len(page["results"])
        return {one["id"] for one in page["results"]} & set(pictures.values())

    small, medium, large = pictures.values()
    assert await found(limit=1000) == {small, medium, large}
    assert await found(frame_basename=f"{name}-1") == {medium}
    assert await found(frame_basename=name) == set()
    assert await found(proposal_id="P-2") == {large}
    assert await found(proposal_id="p-2") == set()
    assert await found(observation_id="0077000.0") == {small}
    assert await found(observation_id="77000.5") == set()
    assert await found(observation_id="9" * 40) == set()
    assert await found(request_id=88_002) == {large}
    assert await found(size="medium", limit=1000) == {medium}
    assert await found(size="medium", request_id=88_002) == set()
    assert await found(size="", frame_basename="", observation_id=" ", limit=1000) == {small, medium, large}


async def test_bad_filters_are_named(door: Door) -> None:
    for query, said in [
        ("size=huge", {"size": ["Select a valid choice. huge is not one of the available choices."]}),
        ("size=Small", {"size": ["Select a valid choice. Small is not one of the available choices."]}),
        ("observation_id=x", {"observation_id": ["Enter a number."]}),
        ("request_id=NaN", {"request_id": ["Enter a number."]}),
        ("frame_basename=%00", {"frame_basename": ["Null characters are not allowed."]}),
        ("proposal_id=%00", {"proposal_id": ["Null characters are not allowed."]}),
        ("size=%00", {"size": ["Null characters are not allowed."]}),
    ]:
        answer = await door.client.get(f"{THUMBNAILS}?{query}")
        assert (answer.status_code, answer.json()) == (400, said)
    both = await door.client.get(f"{THUMBNAILS}?size=x&request_id=y")
    assert set(both.json()) == {"size", "request_id"}


async def test_pages_hold_each_picture_once(door: Door, name: str) -> None:
    for number in range(7):
        await file_picture(door, picture(name, basename=f"{name}-{number}", proposal_id=f"PAGES-{name}"))
    url, ids = f"{THUMBNAILS}?limit=3&proposal_id=PAGES-{name}", list[int]()
    while url:
        page = (await door.get(url, NOBODY)).json()
        assert (page["count"], page["count_estimated"]) == (7, False)
        ids += [one["id"] for one in page["results"]]
        url = page["next"]
    assert len(ids) == 7
    assert ids == sorted(ids, reverse=True)


async def test_what_is_not_there_is_404(door: Door) -> None:
    for number in (0, 10**9, 10**18, 10**30):
        answer = await door.get(f"{THUMBNAILS}{number}/")
        assert (answer.status_code, answer.json()) == (
            404,
            {"detail": "No Thumbnail matches the given query."},
        )


async def test_what_the_store_cannot_file_is_refused(door: Door, name: str) -> None:
    answer = await door.post(THUMBNAILS, picture(name, site_id=".."))
    assert answer.status_code == 400
    assert (await door.get(THUMBNAILS, frame_basename=name)).json()["count"] == 0
    assert await door.names(f"basename={name}") == []
