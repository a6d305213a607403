"""Column types and expressions that mean the same in both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Column, Float, Integer, MetaData, Row, Select, String, literal
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

__all__ = ["AnyRow", "AnySelect", "Double", "Id", "Text", "Timestamp", "metadata", "next_id"]

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every table of every room; each room's ``tables.py`` adds its own."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Id(TypeDecorator[int]):
    """A 64-bit row number (SQLite's rowid is one already, and must be called INTEGER)."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Give SQLite its INTEGER."""
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else BigInteger())


class Text(TypeDecorator[str]):
    """Text compared and sorted by code point."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Give PostgreSQL the collation "C", which is what SQLite does anyway."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.TEXT(collation="C"))
        return dialect.type_descriptor(String())


class Timestamp(TypeDecorator[datetime]):
    """A moment with a zone: ``timestamptz`` in PostgreSQL, microseconds since 1970 (UTC) in SQLite."""

    impl = postgresql.TIMESTAMP(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column's form."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(BigInteger())
        return dialect.type_descriptor(postgresql.TIMESTAMP(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | int | None:
        """Write a moment."""
        if value is None or dialect.name != "sqlite":
            return value
        return (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: datetime | int | None, dialect: Dialect) -> datetime | None:
        """Read a moment, in UTC."""
        if isinstance(value, int):
            return EPOCH + value * MICROSECOND
        if value is not None and value.tzinfo is None:
            # asyncpg keeps the first moment of year 1 as -infinity, and gives it back without a zone.
            return value.replace(tzinfo=UTC)
        return value if value is None else value.astimezone(UTC)


AnyRow = Row[*tuple[Any, ...]]
"""A row of whatever columns."""
AnySelect = Select[*tuple[Any, ...]]
"""A query for whatever columns."""
Double = Float(53)
"""A 64-bit floating-point number."""


class next_id(FunctionElement[int]):  # noqa: N801 - it reads as a function in SQL expressions
    """The number that a table's next row should take; numbers are never given twice.

    PostgreSQL draws it from the column's sequence. SQLite computes it from ``sqlite_sequence``, which is
    safe only inside a write transaction; ``ahead`` counts on for a further row of the same statement.
    """

    name = "next_id"
    inherit_cache = True
    type = Id()

    def __init__(self, column: Column[int], ahead: int = 0) -> None:
        super().__init__(
            literal(column.table.name, String()), literal(column.name, String()), literal(ahead, Integer())
        )


@compiles(next_id, "postgresql")
def _next_in_postgresql(element: next_id, compiler: SQLCompiler, **kw: Any) -> str:
    table, column = (compiler.process(clause, **kw) for clause in list(element.clauses)[:2])
    return f"nextval(pg_get_serial_sequence({table}, {column}))"


@compiles(next_id, "sqlite")
def _next_in_sqlite(element: next_id, compiler: SQLCompiler, **kw: Any) -> str:
    table, _, ahead = element.clauses
    name, count = compiler.process(table, **kw), compiler.process(ahead, **kw)
    return f"coalesce((SELECT seq FROM sqlite_sequence WHERE name = {name}), 0) + 1 + {count}"  # noqa: S608 - compiled parts
