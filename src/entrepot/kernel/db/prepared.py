"""Statements that are compiled once and then go straight to the driver.

SQLAlchemy's part in one execution costs several times what a small statement itself does, and with SQLite
it takes four trips to the connection's thread where the driver needs one.
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Generic, Protocol, TypeVar, TypeVarTuple, cast

import aiosqlite
from sqlalchemy import BindParameter, bindparam
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.selectable import TypedReturnsRows
from sqlalchemy.types import TypeEngine

__all__ = ["Driver", "Form", "PostgresqlDriver", "Prepared", "SqliteDriver", "bound", "compile_form", "named"]

T = TypeVar("T")
Columns = TypeVarTuple("Columns")
Process = Callable[[Any], Any]

FLOAT8 = 701
"""PostgreSQL's number of the type that our floating-point columns have; other types don't ask for it."""


def named(name: str, kind: TypeEngine[T]) -> BindParameter[T]:
    """Give the place of a value that each run of a prepared statement brings under this name."""
    return bindparam(name, None, type_=kind)


Rows = Sequence[tuple[*Columns]]
Errors = tuple[type[Exception], ...]


class _Asyncpg(Protocol):
    """What we need of asyncpg, which has no types."""

    PostgresError: type[Exception]
    InterfaceError: type[Exception]
    IntegrityConstraintViolationError: type[Exception]


_asyncpg = cast("_Asyncpg", import_module("asyncpg"))


class Driver(ABC):
    """A connection of a driver, as far as statements and transactions need it."""

    errors: ClassVar[Errors]
    integrity_errors: ClassVar[Errors]
    """What is raised for a row that a constraint refuses."""

    @property
    def lost(self) -> bool:
        """Whether the connection is of no more use."""
        return False

    @abstractmethod
    async def fetch(self, text: str, values: Sequence[object]) -> Sequence[Sequence[Any]]:
        """Run a statement and give all its rows."""

    @abstractmethod
    async def write(self, text: str, rows: Sequence[Sequence[object]]) -> int:
        """Run a statement for each of the rows of values; give how many rows of the table that changed.

        With PostgreSQL it runs once and takes arrays: ``rows`` are its columns then.
        """

    @abstractmethod
    async def begin(self) -> None:
        """Begin a transaction that writes."""

    @abstractmethod
    async def commit(self) -> None:
        """Commit it."""

    @abstractmethod
    async def rollback(self) -> None:
        """Roll it back, if there is one."""


class SqliteDriver(Driver):
    """aiosqlite: one trip to the connection's thread for each call."""

    errors = (sqlite3.Error,)
    integrity_errors = (sqlite3.IntegrityError,)

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    def interrupt(self) -> None:
        """Stop the statement that runs, if one does."""
        # aiosqlite's own interrupt() would have to be awaited.
        interrupt: Callable[[], None] = getattr(self._connection, "_conn").interrupt  # noqa: B009
        interrupt()

    async def fetch(self, text: str, values: Sequence[object]) -> Sequence[Sequence[Any]]:
        """See Driver."""
        return cast("Sequence[Sequence[Any]]", await self._connection.execute_fetchall(text, values))

    async def write(self, text: str, rows: Sequence[Sequence[object]]) -> int:
        """See Driver."""
        cursor = await self._connection.executemany(text, rows)
        return max(0, cursor.rowcount)

    async def begin(self) -> None:
        """See Driver."""
        await self._connection.execute_fetchall("BEGIN IMMEDIATE", ())

    async def commit(self) -> None:
        """See Driver."""
        await self._connection.commit()

    async def rollback(self) -> None:
        """See Driver."""
        await self._connection.rollback()


class PostgresqlDriver(Driver):
    """asyncpg, which prepares a statement at its first use and keeps it."""

    errors = (_asyncpg.PostgresError, _asyncpg.InterfaceError)
    integrity_errors = (_asyncpg.IntegrityConstraintViolationError,)

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @property
    def lost(self) -> bool:
        """See Driver."""
        return bool(self._connection.is_closed())

    async def fetch(self, text: str, values: Sequence[object]) -> Sequence[Sequence[Any]]:
        """See Driver."""
        return cast("Sequence[Sequence[Any]]", await self._connection.fetch(text, *values))

    async def write(self, text: str, rows: Sequence[Sequence[object]]) -> int:
        """See Driver."""
        return len(await self.fetch(text, rows))

    async def begin(self) -> None:
        """See Driver."""
        await self._connection.execute("BEGIN")

    async def commit(self) -> None:
        """See Driver."""
        await self._connection.execute("COMMIT")

    async def rollback(self) -> None:
        """See Driver."""
        if self._connection.is_in_transaction():
            await self._connection.execute("ROLLBACK")


@dataclass(frozen=True, slots=True)
class Form:
    """A statement in the words of one database."""

    text: str
    names: tuple[str, ...]
    fixed: Mapping[str, object]
    binds: Mapping[str, Process]
    results: tuple[tuple[int, Process], ...]


class Prepared(Generic[*Columns]):
    """A statement for many runs, all of whose values are ``named`` or fixed; nothing in it expands.

    ``statement`` makes it for a dialect, ``sqlite`` or ``postgresql``.
    """

    def __init__(self, statement: Callable[[str], TypedReturnsRows[*Columns]]) -> None:
        self._statement = statement
        self._forms: dict[str, Form] = {}

    async def run(self, driver: Driver, dialect: Dialect, values: Mapping[str, object]) -> Rows[*Columns]:
        """Run it; gives all rows. ``values`` may have more than is named."""
        form = self._forms.get(dialect.name)
        if form is None:
            form = self._forms[dialect.name] = compile_form(self._statement(dialect.name), dialect)
        rows = await driver.fetch(form.text, [bound(form, name, values) for name in form.names])
        if form.results:
            rows = [_converted(row, form.results) for row in rows]
        return cast("Rows[*Columns]", rows)


def bound(form: Form, name: str, values: Mapping[str, object]) -> object:
    """Give what the driver gets in one place of a statement."""
    if name in form.fixed:
        return form.fixed[name]
    process = form.binds.get(name)
    return process(values[name]) if process else values[name]


def _converted(row: Sequence[Any], results: Sequence[tuple[int, Process]]) -> tuple[Any, ...]:
    values = list(row)
    for place, process in results:
        values[place] = process(values[place])
    return tuple(values)


def compile_form(statement: TypedReturnsRows[*tuple[Any, ...]], dialect: Dialect) -> Form:
    """Write a statement in the words of a database."""
    compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    fixed: dict[str, object] = {}
    binds: dict[str, Process] = {}
    for name, bind in cast("Mapping[str, BindParameter[Any]]", compiled.binds).items():
        process = bind.type.dialect_impl(dialect).bind_processor(dialect)
        if bind.unique:
            fixed[name] = process(bind.value) if process else bind.value
        elif process:
            binds[name] = process
    results: list[tuple[int, Process]] = []
    for place, column in enumerate(statement.exported_columns):
        process = column.type.dialect_impl(dialect).result_processor(dialect, FLOAT8)
        if process:
            results.append((place, process))
    names = tuple(compiled.positiontup or ())
    return Form(compiled.string, names, fixed, binds, tuple(results))
