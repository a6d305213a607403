"""How many statements a call sends to the database: few, and as many for a long page as for a short one."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.modules.archive.door import FRAMES, NOBODY, THUMBNAILS, VERSIONS, Door
from tests.modules.archive.frames import posted, version

pytestmark = pytest.mark.asyncio(loop_scope="module")

FRAMES_FILED = 110
COUNTED: ContextVar[bool] = ContextVar("counted", default=False)
"""Whether what runs is the call that is being counted; jobs that it woke run in a context of their own."""


class Statements(list[str]):
    """The statements of both pools: what cursors execute, and the transactions of the writer."""

    def __init__(self, reader: AsyncEngine, writer: AsyncEngine) -> None:
        super().__init__()
        for engine in (reader.sync_engine, writer.sync_engine):
            event.listen(engine, "before_cursor_execute", self._execute)
        event.listen(writer.sync_engine, "commit", lambda _: self._add("COMMIT"))
        event.listen(writer.sync_engine, "rollback", lambda _: self._add("ROLLBACK"))
        if writer.dialect.name == "postgresql":  # for SQLite the BEGIN is a statement of ours
            event.listen(writer.sync_engine, "begin", lambda _: self._add("BEGIN"))

    def _execute(self, _: object, __: object, statement: str, *___: object) -> None:
        self._add(" ".join(statement.split())[:60])

    def _add(self, statement: str) -> None:
        if COUNTED.get():
            self.append(statement)

    @contextmanager
    def at_most(self, most: int, what: object = "") -> Iterator[None]:
        self.clear()
        token = COUNTED.set(True)
        try:
            yield
        finally:
            COUNTED.reset(token)
        assert 0 < len(self) <= most, (what, *self)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def statements(door: Door) -> AsyncIterator[Statements]:
    for number in range(FRAMES_FILED):
        related = [f"counted-{number - 1}", "counted-master"] if number else []
        changes = {"related_frame_filenames": related, "observation_id": number}
        await door.file(f"counted-{number}", **changes)
        for size in ("small", "large"):
            name = f"counted-{number}-{size}"
            body = posted(name, frame_basename=f"counted-{number}", version_set=[version(name, ".jpg")])
            body["size"] = size
            assert (await door.post(THUMBNAILS, body)).status_code == 201
    database = door.house.context.database
    yield Statements(database.reader, database.writer)


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
    door: Door, statements: Statements, callers: dict[str, Any], identity: str
) -> None:
    for query, most in LISTS:
        assert most <= 4
        with statements.at_most(most, query):
            long = await door.page(query, callers[identity])
        many = list(statements)
        assert len(long["results"]) >= 60
        short = query.replace("limit=100", "limit=2", 1)
        with statements.at_most(most + ("limit=1000" in query or "offset" in query), short):
            await door.page(short, callers[identity])
        assert len(many) <= len(statements)


async def test_a_detail_takes_at_most_three(
    door: Door, statements: Statements, callers: dict[str, Any]
) -> None:
    frame = (await door.page("basename_exact=counted-50"))["results"][0]["id"]
    for identity, who in callers.items():
        signed_in = identity != "anonymous"
        for path, most in [
            (f"{FRAMES}{frame}/", 1), (f"{FRAMES}{frame}/?include_thumbnails=true", 2),
            (f"{FRAMES}{frame}/headers/", 1), (f"{FRAMES}{10**9}/", 1),
        ]:  # fmt: skip
            with statements.at_most(most + signed_in, (identity, path)):
                await door.get(path, who)
        with statements.at_most(5, identity):
            await door.get(f"{FRAMES}{frame}/related/", who)


async def test_related_frames_take_as_many_for_many_as_for_few(door: Door, statements: Statements) -> None:
    await door.file("counted-master", configuration_type="BIAS")
    master = (await door.page("basename_exact=counted-master"))["results"][0]["id"]
    with statements.at_most(5):
        found = await door.get(f"{FRAMES}{master}/related/", NOBODY)
    assert len(found.json()) == FRAMES_FILED - 1


async def test_posting_a_frame_takes_at_most_eight(door: Door, statements: Statements) -> None:
    with statements.at_most(8):
        answer = await door.post(FRAMES, posted("counted-post"))
    assert answer.status_code == 201
    many = [f"counted-{number}" for number in range(60)]
    with statements.at_most(9):
        answer = await door.post(FRAMES, posted("counted-related", related_frame_filenames=many))
    assert len(answer.json()["related_frames"]) == 60
    unknown = [f"counted-unknown-{number}" for number in range(60)]
    with statements.at_most(10):
        answer = await door.post(FRAMES, posted("counted-unknown", related_frame_filenames=unknown))
    assert len(answer.json()["related_frames"]) == 60
    again = posted("counted-related", version_set=[version("again")], related_frame_filenames=many)
    with statements.at_most(12):
        assert (await door.post(FRAMES, again)).status_code == 201


async def test_a_refused_post_takes_few(door: Door, statements: Statements) -> None:
    with statements.at_most(1):
        assert (await door.post(FRAMES, {"basename": 1})).status_code == 400
    with statements.at_most(4):
        assert (await door.post(FRAMES, posted("counted-0"))).status_code == 400
    assert statements[-1] == "ROLLBACK"
    with pytest.raises(AssertionError), statements.at_most(1):
        assert (await door.post(FRAMES, {}, NOBODY)).status_code == 401
    assert statements == []  # nobody isn't looked up


async def test_other_lists_and_files_take_few(
    door: Door, statements: Statements, callers: dict[str, Any]
) -> None:
    who = callers["staff"]
    url = (await door.page("basename_exact=counted-5"))["results"][0]["url"]
    for path, most in [
        (f"{VERSIONS}?limit=100", 3), (f"{VERSIONS}?md5={version('counted-5')['md5']}", 3),
        (f"{VERSIONS}1/", 2), (f"{THUMBNAILS}?limit=100", 3), (f"{THUMBNAILS}1/", 3), (url, 2), ("/archive/profile/", 1),
    ]:  # fmt: skip
        with statements.at_most(most, path):
            await door.get(path, who)
