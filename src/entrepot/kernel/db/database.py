"""Connections to the catalogue: reads without a transaction, writes as units of work."""

from __future__ import annotations

import asyncio
import time
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

from entrepot.kernel.db.prepared import Driver, PostgresqlDriver, Prepared, Rows, SqliteDriver
from entrepot.kernel.db.rows import EVERY_ARRAY, WriteRows
from entrepot.kernel.errors import Conflict, SettingsError, Unavailable

__all__ = ["Database", "Duplicate", "ReadSession", "WriteSession", "translated"]

T = TypeVar("T")
Columns = TypeVarTuple("Columns")

log = structlog.stdlib.get_logger(__name__)

LOCK_WAIT = 30.0
"""Seconds that a writer waits for another to finish."""
STATEMENT_LIMIT = 30.0
"""Seconds that one statement may run."""
INTERRUPTED = "interrupted"
"""What SQLite says when it was stopped."""
CONNECT_LIMIT = 10.0
IDLE_LIMIT = 1800.0
"""Seconds after which a connection that nobody used is replaced."""
WITHOUT_TRANSACTIONS: Mapping[str, Any] = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
"""For engines whose transactions are the driver's, or that have none."""
LONGEST_KEPT = 2**18
"""Bytes of a statement that asyncpg keeps prepared; those that search the sky are longer than its 15 kB."""
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


def _driver_of(connection: AsyncConnection) -> Driver:
    held = connection.sync_connection
    driver: Any = held.connection.driver_connection if held else None
    return SqliteDriver(driver) if connection.dialect.name == "sqlite" else PostgresqlDriver(driver)


class ReadSession:
    """Statements on one connection, each its own transaction; it can't write."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._driver = _driver_of(connection)

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._connection.dialect.name

    async def _told(self, act: Callable[[Driver], Awaitable[T]]) -> T:
        """Have the driver do something; raises DBAPIError for its errors, as SQLAlchemy does."""
        driver = self._driver
        try:
            return await act(driver)
        except driver.errors as error:
            if driver.lost:
                await self._connection.invalidate()
            kind = IntegrityError if isinstance(error, driver.integrity_errors) else DBAPIError
            raise kind("a prepared statement", None, error, connection_invalidated=driver.lost) from error

    async def _run(self, statement: Prepared[*Columns], values: Mapping[str, object]) -> Rows[*Columns]:
        dialect = self._connection.dialect
        return await self._told(lambda driver: statement.run(driver, dialect, values))

    async def rows(self, statement: Prepared[*Columns], values: Mapping[str, object]) -> Rows[*Columns]:
        """Run a prepared statement and give all rows."""
        with translated(), self._stopped_after(STATEMENT_LIMIT):
            return await self._run(statement, values)

    async def row(
        self, statement: Prepared[*Columns], values: Mapping[str, object]
    ) -> tuple[*Columns] | None:
        """Run a prepared statement and give its first row, or None."""
        found = await self.rows(statement, values)
        return found[0] if found else None

    async def all(
        self, statement: TypedReturnsRows[*Columns], values: Mapping[str, object] | None = None
    ) -> Sequence[Row[*Columns]]:
        """Give all rows."""
        with translated(), self._stopped_after(STATEMENT_LIMIT):
            return (await self._connection.execute(statement, values)).all()

    async def first(
        self, statement: TypedReturnsRows[*Columns], values: Mapping[str, object] | None = None
    ) -> Row[*Columns] | None:
        """Give the first row, or None."""
        with translated(), self._stopped_after(STATEMENT_LIMIT):
            return (await self._connection.execute(statement, values)).first()

    async def scalar(
        self, statement: TypedReturnsRows[T], values: Mapping[str, object] | None = None
    ) -> T | None:
        """Give the first value of the first row, or None."""
        with translated(), self._stopped_after(STATEMENT_LIMIT):
            return (await self._connection.execute(statement, values)).scalar()

    async def value_within(
        self, statement: Prepared[T], values: Mapping[str, object], seconds: float
    ) -> T | None:
        """Give a value, or None if the database needs longer than ``seconds`` for it.

        The statement is stopped then; use it as the session's last.
        """
        try:
            with self._stopped_after(seconds):
                async with asyncio.timeout(None if self.dialect == "sqlite" else seconds):
                    found = await self._run(statement, values)
        except TimeoutError:
            return None
        except DBAPIError as error:
            if INTERRUPTED in str(error.orig):
                return None
            raise _meaning(error) from error
        return found[0][0] if found else None

    @contextmanager
    def _stopped_after(self, seconds: float) -> Generator[None]:
        """Have SQLite stop what it does after so many seconds; PostgreSQL has a limit of its own."""
        driver = self._driver
        if not isinstance(driver, SqliteDriver):
            yield
            return
        stopper = asyncio.get_running_loop().call_later(seconds, driver.interrupt)
        try:
            yield
        finally:
            stopper.cancel()


class WriteSession(ReadSession):
    """A unit of work: its statements are committed together, or none of them."""

    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__(connection)
        self.after_commit: list[Callable[[], None]] = []
        """What leaves with the commit; each is called once, after it, and must not wait."""

    async def begin(self) -> None:
        """Begin the transaction."""
        await self._told(lambda driver: driver.begin())

    async def commit(self) -> None:
        """Make it last."""
        await self._told(lambda driver: driver.commit())

    async def undo(self) -> None:
        """Take back what wasn't committed; a connection that can't is thrown away."""
        if self._connection.invalidated:
            return
        try:
            await self._told(lambda driver: driver.rollback())
        except (DBAPIError, OSError):
            await self._connection.invalidate()

    async def execute(
        self,
        statement: Executable,
        values: Mapping[str, object] | Sequence[Mapping[str, object]] | None = None,
    ) -> CursorResult[Any]:
        """Run a statement that changes rows, or one for each of a sequence of ``values``."""
        with translated():
            return await self._connection.execute(statement, values)

    async def write(
        self, statement: WriteRows, items: Sequence[T], row_of: Callable[[T], Mapping[str, object]]
    ) -> int:
        """Write a row of each item in one go; gives how many rows were written or changed.

        ``row_of`` may run in a thread. Raises Duplicate for rows that a constraint refuses.
        """
        dialect = self._connection.dialect
        with translated(), self._stopped_after(STATEMENT_LIMIT):
            return await self._told(lambda driver: statement.run(driver, dialect, items, row_of))

    def collided(self) -> Exception:
        """Give what to raise when another writer changed what this unit of work had read."""
        return _Collision()


class _Kept:
    """Connections that stay open between uses: SQLAlchemy's pool costs more than the query that follows.

    At most ``size`` are out at once; the one that came back last goes out first.
    """

    def __init__(self, engine: AsyncEngine, size: int) -> None:
        self._engine = engine
        self._room = asyncio.Semaphore(size)
        self._idle: list[tuple[AsyncConnection, float]] = []

    async def take(self) -> AsyncConnection:
        """Give a connection; raises TimeoutError of SQLAlchemy's pool when none comes free."""
        await self._find_room()
        try:
            while self._idle:
                connection, since = self._idle.pop()
                if time.monotonic() - since < IDLE_LIMIT and not _driver_of(connection).lost:
                    return connection
                await connection.close()
            return await self._engine.connect()
        except BaseException:
            self._room.release()
            raise

    async def _find_room(self) -> None:
        try:
            async with asyncio.timeout(LOCK_WAIT if self._room.locked() else None):
                await self._room.acquire()
        except TimeoutError as error:
            raise PoolTimeout("No connection came free.") from error

    async def give_back(self, connection: AsyncConnection) -> None:
        """Take a connection back, whatever was done with it."""
        try:
            # SQLAlchemy believes to be in a transaction when it has run a statement; the driver isn't.
            if connection.in_transaction():
                await connection.rollback()
            if connection.invalidated or _driver_of(connection).lost:
                await connection.close()
            else:
                self._idle.append((connection, time.monotonic()))
        finally:
            self._room.release()

    async def close(self) -> None:
        """Close those that nobody uses."""
        while self._idle:
            await self._idle.pop()[0].close()


class Database:
    """The catalogue's pools: readers that can't write, and writers (in SQLite, one)."""

    def __init__(self, url: str, *, pool: int = 8) -> None:
        self.url = _driver_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        make = _sqlite_engine if self.is_sqlite else _postgresql_engine
        self.reader = make(self.url, pool, writes=False)
        self.writer = make(self.url, pool, writes=True)
        self._readers = _Kept(self.reader, pool)
        self._units = make(self.url, pool, writes=True, whole=False)
        self._writers = _Kept(self._units, 1 if self.is_sqlite else pool)

    @property
    def file(self) -> Path | None:
        """The SQLite file, or None."""
        return Path(self.url.database or "") if self.is_sqlite else None

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[ReadSession]:
        """Open a session that reads."""
        with translated():
            connection = await self._readers.take()
        try:
            yield ReadSession(connection)
        finally:
            await self._readers.give_back(connection)

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
            connection = await self._writers.take()
        session = WriteSession(connection)
        try:
            with translated():
                await session.begin()
            result = await work(session)
            with translated():
                await session.commit()
        except BaseException:
            await asyncio.shield(session.undo())
            raise
        finally:
            await self._writers.give_back(connection)
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
        await self._readers.close()
        await self._writers.close()
        await self._units.dispose()
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


def _sqlite_engine(url: URL, pool: int, *, writes: bool, whole: bool = True) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=1 if writes else pool,
        max_overflow=0,
        pool_timeout=LOCK_WAIT,
        pool_reset_on_return="rollback" if writes and whole else None,
        connect_args={"timeout": LOCK_WAIT},
        **({} if writes and whole else WITHOUT_TRANSACTIONS),
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

    if writes and whole:

        @event.listens_for(engine.sync_engine, "begin")
        def begin(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgresql_engine(url: URL, pool: int, *, writes: bool, whole: bool = True) -> AsyncEngine:
    limit = str(int(STATEMENT_LIMIT * 1000))
    session = {"application_name": "entrepot", "statement_timeout": limit, "jit": "off"}
    session |= {"lock_timeout": limit} if writes else {"default_transaction_read_only": "on"}
    engine = create_async_engine(
        url,
        pool_size=pool,
        max_overflow=0,
        pool_timeout=LOCK_WAIT,
        pool_recycle=1800,
        pool_reset_on_return="rollback" if writes and whole else None,
        connect_args={
            "timeout": CONNECT_LIMIT,
            "server_settings": session,
            "max_cacheable_statement_size": LONGEST_KEPT,
        },
        **({} if writes and whole else WITHOUT_TRANSACTIONS),
    )

    if writes:

        @event.listens_for(engine.sync_engine, "connect")
        def learn(connection: Any, _record: object) -> None:  # pyright: ignore[reportUnusedFunction]
            # The driver asks what an array is when it first meets one; better here than in a transaction.
            connection.run_async(_learn_arrays)

    return engine


async def _learn_arrays(driver: Any) -> None:
    await driver.prepare(EVERY_ARRAY)


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
        log.info("the catalogue refuses a row", reason=str(error.orig))
        return Duplicate("This is there already, or what it belongs to is not.")
    if state in RETRIED:
        return _Collision()
    if state == CANCELLED or INTERRUPTED in str(error.orig):
        return Unavailable("The catalogue needed too long for this; please narrow the search.")
    if error.connection_invalidated or state.startswith(UNREACHABLE) or "locked" in str(error.orig):
        log.error("the database can't be reached", error=str(error.orig))
        return Unavailable("The database doesn't answer; please try again.")
    if error.statement is None or any(sign in str(error.orig) for sign in UNUSABLE):
        log.error("the database can't be used", error=str(error.orig))
        return Unavailable("The database can't be used; the log says why.")
    return error
