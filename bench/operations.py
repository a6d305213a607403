"""The archive's operations as requests, each kind with the statements that it makes."""

import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import delete, select

from client import request_bytes
from entrepot.kernel.db import Database
from entrepot.kernel.identity import Role, Scope, add_member, add_token, add_user
from entrepot.modules.archive.tables import frame
from floor import Service, Trace
from sky_survey import PROPOSALS, SITES, Survey, posted_body

LISTS = 24
LIST_SPAN = timedelta(days=7)
LIST_LIMIT = 100
PLACES = 60
DETAILS = 200
MEMBER_OF = PROPOSALS[::8]
RELATED = 2
DELETED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Call:
    """A request, as both the service in this process and the server get it."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""
    status: int = 200

    def raw(self) -> bytes:
        """Write it out."""
        return request_bytes(self.method, self.target, self.headers, self.body)


@dataclass(frozen=True, slots=True)
class Operation:
    """Requests to send to the server, and the statements of such requests to replay."""

    name: str
    calls: Sequence[Call]
    traces: Sequence[Trace]
    writes: bool = False
    """Each request and each replay works a single time, and wakes a job."""

    @property
    def statements(self) -> int:
        """Count the statements of a request, BEGIN and COMMIT included: the most that any of them has."""
        return max(map(len, self.traces))


@dataclass(frozen=True, slots=True)
class People:
    """The headers of who asks: a member of some projects, and somebody of the staff."""

    reader: Mapping[str, str]
    operator: Mapping[str, str]


async def make_people(database: Database) -> People:
    """Add two accounts with a token each."""
    run = secrets.token_hex(4)
    found: list[Mapping[str, str]] = []
    for name, role in ((f"reader-{run}", Role.USER), (f"operator-{run}", Role.STAFF)):
        await add_user(database, name, role)
        if role is Role.USER:
            for project in MEMBER_OF:
                await add_member(database, project, name)
        issued = await add_token(database, name, name="bench", scope=Scope.WRITE)
        found.append({"Authorization": f"Token {issued.secret}"})
    return People(*found)


class Maker:
    """Makes operations for a catalogue; their statements are captured from the service in this process."""

    def __init__(self, survey: Survey, service: Service, people: People) -> None:
        self._survey = survey
        self._service = service
        self._people = people
        self._chance = random.Random(11)
        self._run = secrets.token_hex(4)
        self.posted: list[str] = []
        """The basenames of all frames that these operations file."""

    async def lists(self) -> Operation:
        """Make lists of 100 by site and week, all of them full."""
        calls: list[Call] = []
        traces: list[Trace] = []
        while len(calls) < LISTS:
            call = self._list()
            trace, answer = await self._captured(call)
            if len(answer["results"]) == LIST_LIMIT:
                calls.append(call)
                traces.append(trace)
        return Operation("list", calls, traces)

    def _list(self) -> Call:
        spare = (self._survey.last - self._survey.first - LIST_SPAN).total_seconds()
        start = self._survey.first + timedelta(seconds=self._chance.uniform(0, max(spare, 0)))
        query = {
            "site_id": self._chance.choice(SITES),
            "start": f"{start:%Y-%m-%d %H:%M}",
            "end": f"{start + LIST_SPAN:%Y-%m-%d %H:%M}",
            "limit": str(LIST_LIMIT),
        }
        return Call("GET", f"/archive/frames/?{urlencode(query)}", self._people.reader)

    async def points(self) -> Operation:
        """Make searches for what covers a point, each with a full page of 100."""
        return await self._places("point", lambda ra, dec: {"covers": f"POINT({ra} {dec})"})

    async def cones(self) -> Operation:
        """Make cone searches, each with a full page of 100."""
        return await self._places("cone", lambda ra, dec: {"position": f"{ra},{dec}", "radius": "0.05"})

    async def crowds(self) -> Operation:
        """Make searches for what covers a point of the field that a tenth of all frames show."""
        ra, dec = self._survey.fields[0]
        shifts = [(step % 5 - 2) / 100 for step in range(PLACES)]
        calls = [_place({"covers": f"POINT({ra} {dec + shift})"}, self._people.operator) for shift in shifts]
        return Operation("crowd", calls, [(await self._captured(call))[0] for call in calls])

    async def _places(self, name: str, query: Callable[[float, float], Mapping[str, str]]) -> Operation:
        calls: list[Call] = []
        traces: list[Trace] = []
        for ra, dec in self._survey.fields[1:]:
            call = _place(query(round(ra, 6), round(dec, 6)), self._people.operator)
            trace, answer = await self._captured(call)
            if len(answer["results"]) == LIST_LIMIT:
                calls.append(call)
                traces.append(trace)
            if len(calls) == PLACES:
                break
        return Operation(name, calls, traces)

    async def details(self) -> Operation:
        """Make details of frames that the reader may see, from all over the catalogue."""
        numbers = self._chance.sample(
            range(1, self._survey.frames + 1), min(3 * DETAILS, self._survey.frames)
        )
        may_see = (frame.c.public_date < self._survey.last) | frame.c.proposal_id.in_(MEMBER_OF)
        async with self._service.context.database.read() as session:
            rows = await session.all(
                select(frame.c.id).where(frame.c.id.in_(numbers), may_see).limit(DETAILS)
            )
        calls = [Call("GET", f"/archive/frames/{row[0]}/", self._people.reader) for row in rows]
        return Operation("detail", calls, [(await self._captured(call))[0] for call in calls])

    async def posts(self, count: int, *, related: bool) -> Operation:
        """Make posts of new frames, some to send and others whose statements are replayed."""
        known = await self._newest(RELATED) if related else []
        captured = [self._post(known) for _ in range(count)]
        traces = [(await self._captured(call))[0] for call in captured]
        await self._take_back()
        sent = [self._post(known) for _ in range(count)]
        return Operation("post_related" if related else "post", sent, traces, writes=True)

    async def _newest(self, count: int) -> list[str]:
        async with self._service.context.database.read() as session:
            rows = await session.all(select(frame.c.basename).order_by(frame.c.id.desc()).limit(count))
        return [row[0] for row in rows]

    def _post(self, related: Sequence[str]) -> Call:
        place = len(self.posted) + 1
        made = self._survey.frame(self._survey.frames + place, self._survey.last + timedelta(seconds=place))
        made = replace(made, basename=f"{made.basename}-{self._run}")
        self.posted.append(made.basename)
        body = posted_body(made, secrets.token_hex(16), related)
        return Call("POST", "/archive/frames/", self._people.operator, body, 201)

    async def _take_back(self) -> None:
        """Delete the captured posts, so that a replay can insert the very same rows.

        Numbers are never given twice, so the server's own posts don't meet them.
        """
        await self._service.context.jobs.drain()
        await delete_frames(self._service.context.database, self.posted)

    async def _captured(self, call: Call) -> tuple[Trace, Any]:
        return await self._service.trace(
            call.method, call.target, call.headers, call.body, status=call.status
        )


def _place(query: Mapping[str, str], who: Mapping[str, str]) -> Call:
    return Call("GET", f"/archive/frames/?{urlencode({**query, 'limit': str(LIST_LIMIT)})}", who)


async def delete_frames(database: Database, basenames: Sequence[str]) -> None:
    """Delete frames with all that belongs to them."""
    for start in range(0, len(basenames), DELETED_AT_ONCE):
        some = basenames[start : start + DELETED_AT_ONCE]
        async with database.writer.begin() as connection:
            await connection.execute(delete(frame).where(frame.c.basename.in_(some)))
