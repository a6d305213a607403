"""How many statements a call sends to the database: few, and as many for a long page as for a short one."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio

from tests.modules.archive.door import FRAMES, NOBODY, THUMBNAILS, VERSIONS, Door
from tests.modules.archive.frames import posted, version
from tests.modules.archive.wire import Statements, traced_postgresql, traced_sqlite
from tests.services.house import House, OpenHouse

pytestmark = pytest.mark.asyncio(loop_scope="module")

FRAMES_FILED = 110


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def statements() -> Statements:
    return Statements()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def traced(door: Door, shared_house: House, statements: Statements) -> AsyncIterator[Door]:
    """A second server on the same catalogue, whose statements are written down; the first runs the jobs."""
    for number in range(FRAMES_FILED):
        related = [f"counted-{number - 1}", "counted-master"] if number else []
        await door.file(f"counted-{number}", related_frame_filenames=related, observation_id=number)
        for size in ("small", "large"):
            name = f"counted-{number}-{size}"
            body = posted(name, frame_basename=f"counted-{number}", version_set=[version(name, ".jpg")])
            body["size"] = size
            assert (await door.post(THUMBNAILS, body)).status_code == 201
    async with AsyncExitStack() as stack:
        url = shared_house.environ.get("ENTREPOT_DATABASE_URL")
        if url is None:
            with traced_sqlite(statements):
                second = await _second(door, await stack.enter_async_context(shared_house.open()))
            yield second
            return
        way = await stack.enter_async_context(traced_postgresql(url, statements))
        opened = await stack.enter_async_context(shared_house.open(ENTREPOT_DATABASE_URL=way))
        yield await _second(door, opened)


async def _second(first: Door, opened: OpenHouse) -> Door:
    """Give the door of a second server whose connections stand: new ones ask who the database is."""
    opened.tokens |= first.house.tokens
    await Door(opened).file("counted-first", version_set=[])  # which wakes no job
    await Door(opened).page()
    return Door(opened)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def callers(door: Door) -> dict[str, Any]:
    return {
        "anonymous": NOBODY,
        "member": await door.house.account("counting-member", projects=("PROP-1", "PROP-2", "PROP-3")),
        "staff": await door.house.staff(),
    }


LISTS = [
    ("limit=100", 3), ("limit=100&force_count", 3), ("limit=100&pagination_style=cursor", 2),
    ("limit=100&include_thumbnails=true", 4), ("limit=100&include_related_frames=false", 3),
    ("limit=100&site_id=ogg&start=2025-03-01&end=2025-03-08&target_name=m&exclude_calibrations=true", 3),
    ("limit=100&ordering=-exposure_time,basename", 3), ("limit=1000", 2), ("limit=100&offset=50", 2),
]  # fmt: skip


@pytest.mark.parametrize("identity", ["anonymous", "member", "staff"])
async def test_a_list_takes_at_most_four_whatever_its_length(
    traced: Door, statements: Statements, callers: dict[str, Any], identity: str
) -> None:
    for query, most in LISTS:
        assert most <= 4
        async with statements.at_most(most, query):
            long = await traced.page(query, callers[identity])
        assert statements
        many = list(statements)
        assert len(long["results"]) >= 60
        short = query.replace("limit=100", "limit=2", 1)
        async with statements.at_most(most + ("limit=1000" in query or "offset" in query), short):
            await traced.page(short, callers[identity])
        assert len(many) <= len(statements)


async def test_a_detail_takes_at_most_three(
    traced: Door, statements: Statements, callers: dict[str, Any]
) -> None:
    frame = (await traced.page("basename_exact=counted-50"))["results"][0]["id"]
    for identity, who in callers.items():
        signed_in = identity != "anonymous"
        for path, most in [
            (f"{FRAMES}{frame}/", 1), (f"{FRAMES}{frame}/?include_thumbnails=true", 2),
            (f"{FRAMES}{frame}/headers/", 1), (f"{FRAMES}{10**9}/", 1),
        ]:  # fmt: skip
            async with statements.at_most(most + signed_in, (identity, path)):
                await traced.get(path, who)
        async with statements.at_most(5, identity):
            await traced.get(f"{FRAMES}{frame}/related/", who)


async def test_related_frames_take_as_many_for_many_as_for_few(traced: Door, statements: Statements) -> None:
    await traced.file("counted-master", configuration_type="BIAS")
    master = (await traced.page("basename_exact=counted-master"))["results"][0]["id"]
    async with statements.at_most(5):
        found = await traced.get(f"{FRAMES}{master}/related/", NOBODY)
    assert len(found.json()) == FRAMES_FILED - 1


async def test_posting_a_frame_takes_at_most_eight(traced: Door, statements: Statements) -> None:
    async with statements.at_most(8):
        answer = await traced.post(FRAMES, posted("counted-post"))
    assert answer.status_code == 201
    assert any(statement.startswith("BEGIN") for statement in statements)
    assert statements[-1].startswith("COMMIT")
    many = [f"counted-{number}" for number in range(60)]
    async with statements.at_most(9):
        answer = await traced.post(FRAMES, posted("counted-related", related_frame_filenames=many))
    assert len(answer.json()["related_frames"]) == 60
    unknown = [f"counted-unknown-{number}" for number in range(60)]
    async with statements.at_most(10):
        answer = await traced.post(FRAMES, posted("counted-unknown", related_frame_filenames=unknown))
    assert len(answer.json()["related_frames"]) == 60
    again = posted("counted-related", version_set=[version("again")], related_frame_filenames=many)
    async with statements.at_most(12):
        assert (await traced.post(FRAMES, again)).status_code == 201


async def test_a_refused_post_takes_few(traced: Door, statements: Statements) -> None:
    async with statements.at_most(1):
        assert (await traced.post(FRAMES, {"basename": 1})).status_code == 400
    async with statements.at_most(4):
        assert (await traced.post(FRAMES, posted("counted-0"))).status_code == 400
    assert statements[-1].startswith("ROLLBACK")
    async with statements.at_most(0):  # nobody isn't looked up
        assert (await traced.post(FRAMES, {}, NOBODY)).status_code == 401


async def test_other_lists_and_files_take_few(
    traced: Door, statements: Statements, callers: dict[str, Any]
) -> None:
    who = callers["staff"]
    url = (await traced.page("basename_exact=counted-5"))["results"][0]["url"]
    for path, most in [
        (f"{VERSIONS}?limit=100", 3), (f"{VERSIONS}?md5={version('counted-5')['md5']}", 3),
        (f"{VERSIONS}1/", 2), (f"{THUMBNAILS}?limit=100", 3), (f"{THUMBNAILS}1/", 3), (url, 2),
        ("/archive/profile/", 1),
    ]:  # fmt: skip
        async with statements.at_most(most, path):
            await traced.get(path, who)
