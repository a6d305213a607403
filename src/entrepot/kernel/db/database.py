"""Connections to the catalogue: reads without a transaction, writes as units of work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple

import structlog
from sqlalchemy import CursorResult, Executable, Row, event, literal, select
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.sql.selectable import TypedReturnsRows

from entrepot.kernel.errors import Conflict, SettingsError, Unavailable

__all__ = ["Database", "Duplicate", "ReadSession", "WriteSession", "translated"]

T = TypeVar("T")
Columns = TypeVarTuple("Columns")

log = structlog.stdlib.get_logger(__name__)

LOCK_WAIT = 30.0
"""Seconds that a writer waits for another to finish."""
STATEMENT_LIMIT = 60.0
"""Seconds that PostgreSQL lets one statement run."""
CONNECT_LIMIT = 10.0
ATTEMPTS = 8
"""How often a unit of work is tried when others get in its way."""

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}

RETRIED = {"40001", "40P01", "55P03"}  # serialisation failure, deadlock, lock not available
_ping = select(literal(1))

CANCELLED = "57014"
UNUSABLE = ("unable to open", "not a database", "readonly", "malformed", "disk I/O error", "is full")
"""What SQLite says of a file that is at fault."""
UNREACHABLE = ("08", "57P", "53")  # connection, shutdown and resource classes


class Duplicate(Conflict):
    """A unique constraint or a foreign key refused a row."""

    code = "duplicate"


class _Collision(Exception):
    """Another writer was in the way; the unit of work is worth trying again."""


class ReadSession:
    """Statements on one connection, each its own transaction; it can't write."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._connection.dialect.name

    async def all(
        self, statement: TypedReturnsRows[*Columns], values: Mapping[str, object] | None = None
    ) -> Sequence[Row[*Columns]]:
        """Give all rows."""
        with translated():
            return (await self._connection.execute(statement, values)).all()

    async def first(
        self, statement: TypedReturnsRows[*Columns], values: Mapping[str, object] | None = None
    ) -> Row[*Columns] | None:
        """Give the first row, or None."""
        with translated():
            return (await self._connection.execute(statement, values)).first()

    async def scalar(
        self, statement: TypedReturnsRows[T], values: Mapping[str, object] | None = None
    ) -> T | None:
        """Give the first value of the first row, or None."""
        with translated():
            return (await self._connection.execute(statement, values)).scalar()

    async def scalar_within(self, statement: TypedReturnsRows[T], seconds: float) -> T | None:
        """Give a value, or None if the database needs longer than ``seconds`` for it.

        The statement is stopped then; use it as the session's last.
        """
        stopper: asyncio.TimerHandle | None = None
        if self.dialect == "sqlite":
            driver = (await self._connection.get_raw_connection()).driver_connection
            interrupt: Callable[[], None] = getattr(driver, "_conn").interrupt  # noqa: B009
            stopper = asyncio.get_running_loop().call_later(seconds, interrupt)
        try:
            async with asyncio.timeout(None if stopper else seconds):
                return (await self._connection.execute(statement)).scalar()
        except TimeoutError:
            return None
        except DBAPIError as error:
            if stopper and "interrupted" in str(error.orig):
                return None
            raise _meaning(error) from error
        finally:
            if stopper:
                stopper.cancel()


class WriteSession(ReadSession):
    """A unit of work: its statements are committed together, or none of them."""

    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__(connection)
        self.after_commit: list[Callable[[], None]] = []
        """What leaves with the commit; each is called once, after it, and must not wait."""

    async def execute(
        self,
        statement: Executable,
        values: Mapping[str, object] | Sequence[Mapping[str, object]] | None = None,
    ) -> CursorResult[Any]:
        """Run a statement that changes rows, or one for each of a sequence of ``values``."""
        with translated():
            return await self._connection.execute(statement, values)

    def collided(self) -> Exception:
        """Give what to raise when another writer changed what this unit of work had read."""
        return _Collision()


class Database:
    """The catalogue's pools: readers that can't write, and writers (in SQLite, one)."""

    def __init__(self, url: str, *, pool: int = 8) -> None:
        self.url = _driver_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        make = _sqlite_engine if self.is_sqlite else _postgresql_engine
        self.reader = make(self.url, pool, writes=False)
        self.writer = make(self.url, pool, writes=True)

    @property
    def file(self) -> Path | None:
        """The SQLite file, or None."""
        return Path(self.url.database or "") if self.is_sqlite else None

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[ReadSession]:
        """Open a session that reads."""
        with translated():
            connection = await self.reader.connect()
        try:
            yield ReadSession(connection)
        finally:
            await connection.close()

    @asynccontextmanager
    async def read_newest(self) -> AsyncGenerator[ReadSession]:
        """Open a session that sees all that is committed, also where ``read`` asks a replica."""
        async with self.read() as session:
            yield session

    async def transact(self, work: Callable[[WriteSession], Awaitable[T]]) -> T:
        """Run ``work`` as one transaction, committed when this returns.

        It is run again from the start when another writer got in its way, so it must do nothing outside
        the database except through ``after_commit``. Raises Conflict after eight tries.
        """
        for attempt in range(ATTEMPTS):
            try:
                return await self._once(work)
            except _Collision:
                await asyncio.sleep(0.005 * 2**attempt)
        raise Conflict("Others keep changing the same thing; please send the request again.")

    async def _once(self, work: Callable[[WriteSession], Awaitable[T]]) -> T:
        with translated():
            connection = await self.writer.connect()
        try:
            with translated():
                await connection.begin()
            session = WriteSession(connection)
            result = await work(session)
            with translated():
                await connection.commit()
        finally:
            await connection.close()
        for leave in session.after_commit:
            leave()
        return result

    async def ready(self) -> None:
        """Raise Unavailable unless the catalogue answers within 5 s."""
        try:
            async with asyncio.timeout(5), self.read() as session:
                await session.first(_ping)
        except TimeoutError as error:
            raise Unavailable("The database doesn't answer.") from error

    async def close(self) -> None:
        """Close all connections."""
        await self.reader.dispose()
        await self.writer.dispose()


def _driver_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except SQLAlchemyError as error:
        raise SettingsError(
            "ENTREPOT_DATABASE_URL is not a database URL; "
            "it looks like postgresql://user:password@host/name or sqlite:////folder/catalogue.sqlite.",
            where="ENTREPOT_DATABASE_URL",
        ) from error
    backend = parsed.drivername.partition("+")[0]
    if backend not in DRIVERS:
        raise SettingsError(
            f"ENTREPOT_DATABASE_URL asks for {backend}; the catalogue is in sqlite or postgresql.",
            where="ENTREPOT_DATABASE_URL",
        )
    return parsed.set(drivername=DRIVERS[backend])


def _sqlite_engine(url: URL, pool: int, *, writes: bool) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=1 if writes else pool,
        max_overflow=0,
        pool_timeout=LOCK_WAIT,
        pool_reset_on_return="rollback" if writes else None,
        connect_args={"timeout": LOCK_WAIT},
        isolation_level=None if writes else "AUTOCOMMIT",
    )

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: object) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "cache_size = -65536",
                       "mmap_size = 1073741824", "temp_store = MEMORY"):  # fmt: skip
            cursor.execute(f"PRAGMA {pragma}")
        if not writes:
            cursor.execute("PRAGMA query_only = ON")
        cursor.close()

    if writes:

        @event.listens_for(engine.sync_engine, "begin")
        def begin(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgresql_engine(url: URL, pool: int, *, writes: bool) -> AsyncEngine:
    limit = str(int(STATEMENT_LIMIT * 1000))
    session = {"application_name": "entrepot", "statement_timeout": limit, "jit": "off"}
    session |= {"lock_timeout": limit} if writes else {"default_transaction_read_only": "on"}
    return create_async_engine(
        url,
        pool_size=pool,
        max_overflow=0,
        pool_timeout=LOCK_WAIT,
        pool_recycle=1800,
        pool_reset_on_return="rollback" if writes else None,
        connect_args={"timeout": CONNECT_LIMIT, "server_settings": session},
        **({} if writes else {"isolation_level": "AUTOCOMMIT"}),
    )


@contextmanager
def translated() -> Generator[None]:
    """Turn what the drivers raise into the failures that people understand."""
    try:
        yield
    except PoolTimeout as error:
        raise Unavailable("The database is too busy just now; please try again.") from error
    except DBAPIError as error:
        raise _meaning(error) from error
    except (OSError, TimeoutError) as error:
        log.error("the database can't be reached", error=str(error))
        raise Unavailable("The database doesn't answer; please try again.") from error


def _meaning(error: DBAPIError) -> Exception:
    state = str(getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None) or "")
    if isinstance(error, IntegrityError):
        log.warning("the catalogue refuses a row", reason=str(error.orig))
        return Duplicate("This is there already, or what it belongs to is not.")
    if state in RETRIED:
        return _Collision()
    if state == CANCELLED:
        return Unavailable("The catalogue needed too long for this; please narrow the search.")
    if error.connection_invalidated or state.startswith(UNREACHABLE) or "locked" in str(error.orig):
        log.error("the database can't be reached", error=str(error.orig))
        return Unavailable("The database doesn't answer; please try again.")
    if error.statement is None or any(sign in str(error.orig) for sign in UNUSABLE):
        log.error("the database can't be used", error=str(error.orig))
        return Unavailable("The database can't be used; the log says why.")
    return error
