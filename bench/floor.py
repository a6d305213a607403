"""The statements of a request, captured where the service hands them to the driver, and replayed."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import aiosqlite
import asyncpg
import httpx
from asyncpg.prepared_stmt import PreparedStatement
from sqlalchemy import event

from entrepot.app import create_app, load
from entrepot.kernel.context import ProcessContext
from entrepot.kernel.db import Database


@dataclass(frozen=True, slots=True)
class Step:
    """One statement, BEGIN or COMMIT, and whether it went to the writer."""

    text: str
    values: Any = ()
    writes: bool = False
    many: bool = False


Trace = list[Step]
BEGIN, COMMIT = "BEGIN", "COMMIT"

_tracing: ContextVar[Trace | None] = ContextVar("tracing", default=None)
_writers: WeakSet[Any] = WeakSet()


def _note(connection: Any, text: str, values: Any = (), *, many: bool = False) -> None:
    trace = _tracing.get()
    if trace is not None:
        trace.append(Step(text, values, connection in _writers, many))


def watch_drivers() -> None:
    """Have both drivers note what is sent through them while a trace is taken; for this process only."""
    trip, simple = aiosqlite.Connection._execute, asyncpg.Connection.execute
    query, many = asyncpg.Connection._execute, asyncpg.Connection._executemany
    fetch = PreparedStatement.fetch

    async def watched_trip(self: Any, call: Callable[..., Any], *values: Any, **options: Any) -> Any:
        if call.__name__ in ("execute", "executemany", "_execute_fetchall"):
            _note(self, *values, many=call.__name__ == "executemany")
        elif call.__name__ == "commit":
            _note(self, COMMIT)
        return await trip(self, call, *values, **options)

    async def watched_simple(self: Any, text: str, *values: Any, **options: Any) -> Any:
        if not values:
            _note(self, text.rstrip(";"))
        return await simple(self, text, *values, **options)

    async def watched_query(self: Any, text: str, values: Any, *more: Any, **options: Any) -> Any:
        _note(self, text, values)
        return await query(self, text, values, *more, **options)

    async def watched_many(self: Any, text: str, values: Any, *more: Any, **options: Any) -> Any:
        kept = list(values)
        _note(self, text, kept, many=True)
        return await many(self, text, kept, *more, **options)

    async def watched_fetch(self: Any, *values: Any, **options: Any) -> Any:
        _note(self._connection, self.get_query(), values)
        return await fetch(self, *values, **options)

    aiosqlite.Connection._execute = watched_trip
    asyncpg.Connection.execute, asyncpg.Connection._execute = watched_simple, watched_query
    asyncpg.Connection._executemany, PreparedStatement.fetch = watched_many, watched_fetch


async def _tell_writers(database: Database) -> None:
    """Note which of the driver's connections are the writer's, also of those to come."""

    @event.listens_for(database.writer.sync_engine, "connect")
    def connected(connection: Any, record: object) -> None:
        _writers.add(connection.driver_connection)

    await database.writer.dispose()


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
    """Run the application in this process."""
    app = create_app(load(settings))
    async with app.router.lifespan_context(app):
        context: ProcessContext = app.state.context
        await _tell_writers(context.database)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield Service(client, context)


class BareDriver:
    """The driver's own connections: opened and set up by the service's pools, used without SQLAlchemy."""

    def __init__(self, reader: Any, writer: Any) -> None:
        self._reader = reader
        self._writer = writer

    async def seconds(self, trace: Trace) -> float:
        """Time a replay."""
        began = time.perf_counter()
        await self.replay(trace)
        return time.perf_counter() - began

    async def replay(self, trace: Trace) -> None:
        """Run the statements and fetch what they give."""
        raise NotImplementedError


class BareSqlite(BareDriver):
    """aiosqlite: each call is one trip to the connection's thread."""

    async def replay(self, trace: Trace) -> None:
        for step in trace:
            connection = self._writer if step.writes else self._reader
            if step.text == COMMIT:
                await connection.commit()
            elif step.many:
                await connection.executemany(step.text, step.values)
            else:
                await connection.execute_fetchall(step.text, step.values)


class BarePostgresql(BareDriver):
    """asyncpg: ``fetch`` prepares a statement at its first use and keeps it."""

    async def replay(self, trace: Trace) -> None:
        transaction: Any = None
        for step in trace:
            connection = self._writer if step.writes else self._reader
            if step.text.startswith(BEGIN):
                transaction = connection.transaction()
                await transaction.start()
            elif step.text == COMMIT:
                await transaction.commit()
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
