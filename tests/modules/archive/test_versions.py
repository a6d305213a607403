"""The list of versions, from which the old client tells what is there already (contract §2.11)."""

import pytest

from entrepot.kernel.identity import Role
from tests.modules.archive.door import NOBODY, VERSIONS, Door
from tests.modules.archive.frames import version

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_version_has_the_contracts_keys_and_what_is_known_of_its_bytes(door: Door, name: str) -> None:
    frame = await door.file(name)
    found = (await door.get(VERSIONS, md5=version(name)["md5"])).json()
    assert list(found) == ["count", "next", "previous", "results", "count_estimated"]
    assert (found["count"], found["next"], found["count_estimated"]) == (1, None, False)
    (one,) = found["results"]
    first = frame["version_set"][0]
    assert list(one)[:6] == ["id", "created", "key", "md5", "extension", "url"]
    assert {key: one[key] for key in list(one)[:6]} == first
    assert set(list(one)[6:]) == {"frame", "size", "crc32", "sha256", "state", "checked"}
    assert one["frame"] == frame["id"]
    answer = await door.get(f"{VERSIONS}{one['id']}/")
    assert answer.status_code == 200
    assert answer.json()["md5"] == first["md5"]


async def test_md5_is_a_filter(door: Door, name: str) -> None:
    for number in range(3):
        await door.file(f"{name}-{number}")
    wanted = version(f"{name}-1")["md5"]
    for text in (wanted, wanted.upper(), f" {wanted} "):
        assert (await door.get(VERSIONS, md5=text)).json()["count"] == 1
    for text in (wanted[:-1], wanted + "0", "0" * 32, "%", "x", version(name)["key"] + "x"):
        found = (await door.get(VERSIONS, md5=text)).json()
        assert (found["count"], found["results"]) == (0, [])
    for text in ("", " "):
        assert (await door.get(VERSIONS, md5=text)).json()["count"] >= 3
    twice = await door.get(f"{VERSIONS}?md5={'0' * 32}&md5={wanted}")
    assert twice.json()["count"] == 1


async def test_versions_of_hidden_frames_count_too(door: Door, name: str) -> None:
    """The old client must learn that a file is there, whether or not its frame is in any list."""
    await door.file(name, observation_date=None, public_date=None)
    assert (await door.get(VERSIONS, md5=version(name)["md5"])).json()["count"] == 1


async def test_newest_first_with_exact_counts_and_pages(door: Door, name: str) -> None:
    for number in range(5):
        await door.file(f"{name}-{number}")
    total = (await door.get(VERSIONS, limit=1)).json()["count"]
    url, ids = f"{VERSIONS}?limit=3", list[int]()
    while url:
        page = (await door.get(url)).json()
        assert (page["count"], page["count_estimated"]) == (total, False)
        ids += [one["id"] for one in page["results"]]
        url = page["next"]
    assert len(ids) == total
    assert ids == sorted(ids, reverse=True)
    assert page["previous"] is not None
    behind = (await door.get(VERSIONS, offset=total + 7)).json()
    assert (behind["count"], behind["results"], behind["next"]) == (total, [], None)


async def test_what_is_not_there_is_404_and_who_is_not_staff_learns_nothing(door: Door, name: str) -> None:
    frame = await door.file(name)
    there, missing = frame["version_set"][0]["id"], 10**9
    for number, status in ((there, 200), (missing, 404), (10**30, 404)):
        answer = await door.get(f"{VERSIONS}{number}/")
        assert answer.status_code == status
    assert answer.json() == {"detail": "No Version matches the given query."}
    user = await door.house.account(f"user-{name}", projects=("PROP-1",))
    admin = await door.house.account(f"admin-{name}", Role.ADMIN)
    for who, status in ((NOBODY, 401), (user, 403), (admin, 200)):
        answers = {(await door.get(f"{VERSIONS}{number}/", who)).status_code for number in (there, missing)}
        assert answers == ({status} if status != 200 else {200, 404})
        assert (await door.get(VERSIONS, who, md5="x")).status_code == status
