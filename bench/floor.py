"""The statements of a request, captured from the service and replayed through the bare driver."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

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


def _note(step: Step) -> None:
    trace = _tracing.get()
    if trace is not None:
        trace.append(step)


def _watch(engine: Engine, *, writes: bool) -> None:
    @event.listens_for(engine, "before_cursor_execute")
    def executed(
        connection: Connection, cursor: Any, statement: str, values: Any, context: Any, executemany: bool
    ) -> None:
        _note(Step(statement, values, writes, executemany))

    if not writes:
        return

    @event.listens_for(engine, "commit")
    def committed(connection: Connection) -> None:
        _note(Step(COMMIT, writes=True))

    # In SQLite the service sends BEGIN as a statement, which is captured as one.
    if engine.dialect.name != "sqlite":

        @event.listens_for(engine, "begin")
        def begun(connection: Connection) -> None:
            _note(Step(BEGIN, writes=True))


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
        _watch(context.database.reader.sync_engine, writes=False)
        _watch(context.database.writer.sync_engine, writes=True)
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
            if step.text == BEGIN:
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
