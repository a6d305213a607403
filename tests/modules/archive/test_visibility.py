"""Who sees which frame, at every door (contract §3.4)."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from entrepot.kernel.identity import Role, Scope, add_token, add_user, disable_user, remove_member, set_role
from tests.modules.archive.door import FRAMES, NOBODY, THUMBNAILS, VERSIONS, Door, Headers, names
from tests.modules.archive.frames import posted, version
from tests.modules.archive.old_client import OldClient, Put
from tests.services.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY = {"observation_day": "20250304", "site_id": "vis", "proposal_id": "OURS"}
DATES = {"public": "2025-04-01", "future": "2999-01-01", "never": None, "unfiled": "2025-04-01"}
KINDS = (*DATES, "placeholder")

INSIDERS = ("member", "staff", "admin")
VALID = ("anonymous", "user", "member", "other-member", "staff", "admin")
INVALID = ("disabled", "expired", "unknown", "malformed")


def sees(identity: str, kind: str) -> bool:
    """Tell whether somebody may see a frame of a kind; ``unfiled`` has no version, and is in no list."""
    if kind == "placeholder":
        return False
    return kind in ("public", "unfiled") or identity in INSIDERS


@dataclass(frozen=True)
class Scene:
    """What the tests look at: frames by kind, all related to ``hub``, and callers by name."""

    ids: dict[str, int]
    files: dict[str, str]
    pictures: dict[str, tuple[int, str]]
    callers: dict[str, Headers]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(door: Door, shared_house: House) -> Scene:
    client = OldClient.of(shared_house)
    ids: dict[str, int] = {}
    files: dict[str, str] = {}
    pictures: dict[str, tuple[int, str]] = {}
    for kind, public in DATES.items():
        put = await asyncio.to_thread(client.put, f"vis/sq33/20250304/raw/{kind}.fits", kind.encode())
        versions = [] if kind == "unfiled" else [put.version(".fits")]
        frame = await door.file(kind, **DAY, public_date=public, version_set=versions)
        ids[kind] = frame["id"]
        if versions:
            files[kind] = frame["url"]
        pictures[kind] = await _picture(door, client, kind)
    hub = await door.file("hub", **DAY, public_date="2025-04-01", related_frame_filenames=list(KINDS))
    await door.file("never", **DAY, public_date=None, related_frame_filenames=["future"], version_set=[])
    ids["hub"] = hub["id"]
    (ids["placeholder"],) = set(hub["related_frames"]) - set(ids.values())
    return Scene(ids, files, pictures, await _callers(door))


async def _picture(door: Door, client: OldClient, kind: str) -> tuple[int, str]:
    path = f"vis/sq33/20250304/thumbnails/{kind}-small.jpg"
    put: Put = await asyncio.to_thread(client.put, path, f"picture of {kind}".encode())
    body = posted(
        f"{kind}-small", **DAY, frame_basename=kind, size="small", version_set=[put.version(".jpg")]
    )
    answer = await door.post(THUMBNAILS, body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"], answer.json()["url"]


async def _callers(door: Door) -> dict[str, Headers]:
    account, database = door.house.account, door.house.context.database
    disabled = await account("disabled", Role.STAFF, projects=("OURS",))
    await disable_user(database, "disabled")
    await add_user(database, "expired", Role.STAFF)
    soon = datetime.now(UTC) + timedelta(milliseconds=60)
    issued = await add_token(database, "expired", name="short", scope=Scope.WRITE, expires=soon)
    await asyncio.sleep(0.1)
    return {
        "anonymous": NOBODY,
        "user": await account("user"),
        "member": await account("member", projects=("OURS", "MORE")),
        "other-member": await account("other-member", projects=("ours", "THEIRS", "OURS2")),
        "staff": await account("staff", Role.STAFF),
        "admin": await account("admin", Role.ADMIN, scope=Scope.READ),
        "disabled": disabled,
        "expired": {"Authorization": f"Token {issued.secret}"},
        "unknown": {"Authorization": f"Bearer {'0' * 40}"},
        "malformed": {"Authorization": "Token"},
    }


def related_to_hub(identity: str) -> list[str]:
    return [kind for kind in KINDS if sees(identity, kind)]


@pytest.mark.parametrize("identity", VALID)
async def test_lists_and_counts(door: Door, scene: Scene, identity: str) -> None:
    who = scene.callers[identity]
    listed = {kind for kind in DATES if kind != "unfiled" and sees(identity, kind)} | {"hub"}
    page = await door.page("site_id=vis&include_thumbnails=true", who)
    assert set(names(page)) == listed
    assert (page["count"], page["count_estimated"]) == (len(listed), False)
    one = await door.page("site_id=vis&limit=1&force_count", who)
    assert one["count"] == len(listed)
    assert (await door.page("pagination_style=cursor&site_id=vis", who))["results"]
    for row in page["results"]:
        assert row["id"] == scene.ids[row["basename"]]
        if row["basename"] != "hub":
            assert [picture["id"] for picture in row["thumbnails"]] == [scene.pictures[row["basename"]][0]]
    related = {row["basename"]: row["related_frames"] for row in page["results"]}
    assert related["hub"] == sorted(scene.ids[kind] for kind in related_to_hub(identity))
    assert related["public"] == [scene.ids["hub"]]
    if "never" in related:
        assert related["never"] == sorted([scene.ids["hub"], scene.ids["future"]])


@pytest.mark.parametrize("identity", VALID)
async def test_searching_for_what_is_hidden_finds_nothing(door: Door, scene: Scene, identity: str) -> None:
    who = scene.callers[identity]
    for kind in ("future", "never", "placeholder", "unfiled"):
        page = await door.page(f"basename_exact={kind}&force_count", who)
        expected = kind not in ("unfiled", "placeholder") and sees(identity, kind)
        assert page["count"] == len(page["results"]) == int(expected), kind


@pytest.mark.parametrize("identity", VALID)
@pytest.mark.parametrize("part", ["", "headers/", "related/"])
async def test_details_headers_and_related(door: Door, scene: Scene, identity: str, part: str) -> None:
    who = scene.callers[identity]
    for kind in KINDS:
        for method in ("GET", "HEAD"):
            answer = await door.client.request(method, f"{FRAMES}{scene.ids[kind]}/{part}", headers=who)
            assert answer.status_code == (200 if sees(identity, kind) else 404), (kind, method)
        if answer.status_code == 404:
            hidden = await door.get(f"{FRAMES}{scene.ids[kind]}/{part}", who)
            assert hidden.json() == {"detail": "No Frame matches the given query."}


@pytest.mark.parametrize("identity", VALID)
async def test_related_frames_hide_what_the_caller_may_not_see(
    door: Door, scene: Scene, identity: str
) -> None:
    who = scene.callers[identity]
    found = (await door.get(f"{FRAMES}{scene.ids['hub']}/related/", who)).json()
    assert {one["basename"] for one in found} == set(related_to_hub(identity))
    visible = {scene.ids[kind] for kind in (*KINDS, "hub") if kind == "hub" or sees(identity, kind)}
    for one in found:
        assert scene.ids["hub"] in one["related_frames"]
        assert set(one["related_frames"]) <= visible
        assert ("url" in one) is (one["basename"] != "unfiled")
    detail = await door.detail(scene.ids["hub"], who)
    assert detail["related_frames"] == sorted(scene.ids[kind] for kind in related_to_hub(identity))


@pytest.mark.parametrize("identity", VALID)
async def test_thumbnails(door: Door, scene: Scene, identity: str) -> None:
    who = scene.callers[identity]
    visible = {scene.pictures[kind][0] for kind in DATES if sees(identity, kind)}
    page = (await door.get(THUMBNAILS, who)).json()
    assert {one["id"] for one in page["results"]} == visible
    assert page["count"] == len(visible)
    for kind in DATES:
        number, _ = scene.pictures[kind]
        answer = await door.get(f"{THUMBNAILS}{number}/", who)
        assert answer.status_code == (200 if sees(identity, kind) else 404), kind
        named = (await door.get(THUMBNAILS, who, frame_basename=kind)).json()
        assert named["count"] == int(sees(identity, kind)), kind


ASKED: list[dict[str, Any]] = [
    {"method": "GET"},
    {"method": "HEAD"},
    {"method": "GET", "headers": {"Range": "bytes=0-1"}},
    {"method": "GET", "headers": {"If-None-Match": "*"}},
    {"method": "GET", "headers": {"If-Match": '"x"'}},
]


@pytest.mark.parametrize("identity", VALID)
async def test_files(door: Door, scene: Scene, identity: str) -> None:
    who = scene.callers[identity]
    files = scene.files | {f"{kind} picture": url for kind, (_, url) in scene.pictures.items()}
    for kind, url in files.items():
        visible = sees(identity, kind.removesuffix(" picture"))
        for asked, status in zip(ASKED, (200, 200, 206, 304, 412), strict=True):
            answer = await door.client.request(
                asked["method"], url, headers={**who, **asked.get("headers", {})}
            )
            assert answer.status_code == (status if visible else 404), (kind, asked)
            if not visible:
                assert asked["method"] == "HEAD" or answer.json() == {"detail": "Not found."}
                assert "etag" not in answer.headers
        if visible:
            content = f"picture of {kind.removesuffix(' picture')}" if kind.endswith("picture") else kind
            assert (await door.get(url, who)).text == content


@pytest.mark.parametrize("identity", INVALID)
async def test_credentials_that_are_not_valid_are_refused_even_where_anybody_may_read(
    door: Door, scene: Scene, identity: str
) -> None:
    who = scene.callers[identity]
    frame, picture = scene.ids["public"], scene.pictures["public"]
    paths = [
        FRAMES, f"{FRAMES}{frame}/", f"{FRAMES}{frame}/headers/", f"{FRAMES}{frame}/related/", THUMBNAILS,
        f"{THUMBNAILS}{picture[0]}/", VERSIONS, "/archive/profile/", scene.files["public"], picture[1],
    ]  # fmt: skip
    for path in paths:
        answer = await door.client.get(path, headers=who)
        assert answer.status_code == 401, path
        assert answer.headers["WWW-Authenticate"] == "Token"
        assert list(answer.json()) == ["detail"]
    filed = await door.post(FRAMES, posted("not-by-them"), who)
    assert filed.status_code == 401
    assert await door.names("basename_exact=not-by-them") == []


WRITERS = [("anonymous", 401), ("user", 403), ("member", 403), ("other-member", 403), ("admin", 403)]


@pytest.mark.parametrize(("identity", "status"), WRITERS)
@pytest.mark.parametrize("path", [FRAMES, THUMBNAILS])
async def test_only_staff_with_a_token_that_may_write_files(
    door: Door, scene: Scene, identity: str, status: int, path: str
) -> None:
    who = scene.callers[identity]  # the admin's token is for reading
    said = {
        401: "Authentication credentials were not provided.",
        403: "You do not have permission to perform this action.",
    }
    body = posted("refused", frame_basename="refused", size="small")
    for content in (body, {"basename": 1}, []):
        answer = await door.post(path, content, who)
        assert (answer.status_code, answer.json()) == (status, {"detail": said[status]})
    for answer in [
        await door.client.post(path, content=b"{", headers={**who, "Content-Type": "application/json"}),
        await door.client.post(path, content=b"x", headers={**who, "Content-Type": "image/fits"}),
    ]:
        assert answer.status_code == status
    assert await door.names("basename_exact=refused") == []


async def test_staff_and_admins_file_and_a_reading_token_of_staff_does_not(door: Door, name: str) -> None:
    database = door.house.context.database
    for role in (Role.STAFF, Role.ADMIN):
        username = f"{role}-{name}"
        may = await door.house.account(username, role)
        answer = await door.post(FRAMES, posted(username), may)
        assert answer.status_code == 201
        issued = await add_token(database, username, name="reader", scope=Scope.READ)
        reader = {"Authorization": f"Token {issued.secret}"}
        again = posted(username, version_set=[version(f"{username} again")])
        assert (await door.post(FRAMES, again, reader)).status_code == 403
        assert len((await door.detail(answer.json()["id"]))["version_set"]) == 1
        assert (await door.get(VERSIONS, reader)).status_code == 200


@pytest.mark.parametrize(("identity", "status"), [*WRITERS[:4], ("staff", 200), ("admin", 200)])
async def test_versions_are_for_staff(door: Door, scene: Scene, identity: str, status: int) -> None:
    version_id = (await door.detail(scene.ids["public"]))["version_set"][0]["id"]
    for path in (VERSIONS, f"{VERSIONS}{version_id}/", f"{VERSIONS}?md5=x"):
        assert (await door.get(path, scene.callers[identity])).status_code == status


async def test_a_frame_becomes_public_by_itself(door: Door, name: str) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=0.6)
    frame = await door.file(name, **DAY, public_date=moment.isoformat())
    assert (await door.get(f"{FRAMES}{frame['id']}/", NOBODY)).status_code == 404
    await asyncio.sleep((moment - datetime.now(UTC)).total_seconds() + 0.02)
    assert (await door.get(f"{FRAMES}{frame['id']}/", NOBODY)).status_code == 200


async def test_leaving_a_project_and_losing_a_role_count_from_the_next_request(door: Door, name: str) -> None:
    database = door.house.context.database
    frame = await door.file(name, **DAY, public_date=None)
    path = f"{FRAMES}{frame['id']}/"
    member = await door.house.account(f"m-{name}", projects=("OURS",))
    staff = await door.house.account(f"s-{name}", Role.STAFF)
    assert [(await door.get(path, who)).status_code for who in (member, staff)] == [200, 200]
    await remove_member(database, "OURS", f"m-{name}")
    await set_role(database, f"s-{name}", Role.USER)
    assert [(await door.get(path, who)).status_code for who in (member, staff)] == [404, 404]
