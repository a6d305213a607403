"""The statements of a request, captured where the service hands them to the driver, and replayed."""

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import aiosqlite
import asyncpg
import httpx
from asyncpg.prepared_stmt import PreparedStatement

from entrepot.app import create_app, load
from entrepot.kernel.context import ProcessContext
from entrepot.kernel.db import Database


@dataclass(frozen=True, slots=True)
class Step:
    """One statement, BEGIN or COMMIT."""

    text: str
    values: Any = ()
    many: bool = False


Trace = list[Step]
BEGIN, COMMIT = "BEGIN", "COMMIT"

_tracing: ContextVar[Trace | None] = ContextVar("tracing", default=None)


def _note(text: str, values: Any = (), *, many: bool = False) -> None:
    trace = _tracing.get()
    if trace is not None:
        trace.append(Step(text, values, many))


async def _sqlite_trip(self: Any, call: Callable[..., Any], *values: Any, **options: Any) -> Any:
    if call.__name__ in ("execute", "executemany", "_execute_fetchall"):
        _note(*values, many=call.__name__ == "executemany")
    elif call.__name__ == "commit":
        _note(COMMIT)
    return await PLAIN["_sqlite_trip"](self, call, *values, **options)


async def _postgresql_execute(self: Any, text: str, *values: Any, **options: Any) -> Any:
    if not values:
        _note(text.rstrip(";"))
    return await PLAIN["_postgresql_execute"](self, text, *values, **options)


async def _postgresql_query(self: Any, text: str, values: Any, *more: Any, **options: Any) -> Any:
    _note(text, values)
    return await PLAIN["_postgresql_query"](self, text, values, *more, **options)


async def _postgresql_many(self: Any, text: str, values: Any, *more: Any, **options: Any) -> Any:
    kept = list(values)
    _note(text, kept, many=True)
    return await PLAIN["_postgresql_many"](self, text, kept, *more, **options)


async def _postgresql_prepared(self: Any, *values: Any, **options: Any) -> Any:
    _note(self.get_query(), values)
    return await PLAIN["_postgresql_prepared"](self, *values, **options)


WATCHED: Sequence[tuple[Any, str, Callable[..., Any]]] = (
    (aiosqlite.Connection, "_execute", _sqlite_trip),
    (asyncpg.Connection, "execute", _postgresql_execute),
    (asyncpg.Connection, "_execute", _postgresql_query),
    (asyncpg.Connection, "_executemany", _postgresql_many),
    (PreparedStatement, "fetch", _postgresql_prepared),
)
"""Where statements enter the drivers, and what notes them there while a trace is taken."""
PLAIN = {watched.__name__: getattr(place, name) for place, name, watched in WATCHED}


@contextmanager
def _watched_drivers() -> Iterator[None]:
    for place, name, watched in WATCHED:
        setattr(place, name, watched)
    try:
        yield
    finally:
        for place, name, watched in WATCHED:
            setattr(place, name, PLAIN[watched.__name__])


class Service:
    """The application in this process, its database watched."""

    def __init__(self, client: httpx.AsyncClient, context: ProcessContext) -> None:
        self.client = client
        self.context = context

    async def trace(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"", *, status: int = 200
    ) -> tuple[Trace, Any]:
        """Send a request; give its statements (not those of jobs that it wakes) and the JSON it answers."""
        more = {"Content-Type": "application/json"} if body else {}
        trace: Trace = []
        token = _tracing.set(trace)
        try:
            response = await self.client.request(method, target, headers={**headers, **more}, content=body)
        finally:
            _tracing.reset(token)
        if response.status_code != status:
            raise RuntimeError(f"{method} {target} answered {response.status_code}: {response.text[:500]}")
        return trace, response.json()


@asynccontextmanager
async def watched_service(settings: Mapping[str, str]) -> AsyncIterator[Service]:
    """Run the application in this process, with both drivers watched."""
    app = create_app(load(settings))
    with _watched_drivers():
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                yield Service(client, app.state.context)


class BareDriver:
    """The driver's own connections: opened and set up by the service's pools, used without SQLAlchemy."""

    def __init__(self, reader: Any, writer: Any) -> None:
        self._reader = reader
        self._writer = writer

    async def seconds(self, trace: Trace) -> float:
        """Time a replay; what stands between BEGIN and COMMIT goes to the writer."""
        began = time.perf_counter()
        connection = self._reader
        for step in trace:
            if step.text.startswith(BEGIN):
                connection = self._writer
            await self._replay(connection, step)
            if step.text == COMMIT:
                connection = self._reader
        return time.perf_counter() - began

    async def _replay(self, connection: Any, step: Step) -> None:
        """Run a statement and fetch what it gives."""
        raise NotImplementedError


class BareSqlite(BareDriver):
    """aiosqlite: each call is one trip to the connection's thread."""

    async def _replay(self, connection: Any, step: Step) -> None:
        if step.text == COMMIT:
            await connection.commit()
        elif step.many:
            await connection.executemany(step.text, step.values)
        else:
            await connection.execute_fetchall(step.text, step.values)


class BarePostgresql(BareDriver):
    """asyncpg: ``fetch`` prepares a statement at its first use and keeps it."""

    async def _replay(self, connection: Any, step: Step) -> None:
        if step.text.startswith((BEGIN, COMMIT)):
            await connection.execute(step.text)
        elif step.many:
            await connection.executemany(step.text, step.values)
        else:
            await connection.fetch(step.text, *step.values)


@asynccontextmanager
async def bare_driver(database: Database) -> AsyncIterator[BareDriver]:
    """Borrow one reader and one writer from the service's pools, as the driver made them."""
    async with database.reader.connect() as reader, database.writer.connect() as writer:
        raw = [(await one.get_raw_connection()).driver_connection for one in (reader, writer)]
        yield (BareSqlite if database.is_sqlite else BarePostgresql)(*raw)
