"""Statements that write any number of rows in one go, and lists of values as one parameter.

The text of such a statement is always the same, however many rows or values there are: it is compiled once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, FromClause, String, Table, any_, column, func, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from entrepot.kernel.db.prepared import Driver, Form, bound, compile_form, named

__all__ = ["EVERY_ARRAY", "RowSource", "WriteRows", "among", "insert_rows", "values_among"]

T = TypeVar("T")
SMALL = 8
"""So many rows are put into the driver's form within a millisecond; more of them in a thread."""
ROWS = "rows"
EVERY_ARRAY = (
    "SELECT $1::bigint[], $2::integer[], $3::smallint[], $4::float8[], $5::boolean[], $6::varchar[], "
    "$7::timestamptz[], $8::date[]"
)
"""PostgreSQL's arrays of all types that columns have."""


_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class _Many(TypeDecorator[Sequence[Any]]):
    """A list of values as one parameter: an array in PostgreSQL, JSON text in SQLite."""

    impl = String
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the parameter's form."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.ARRAY(self.item, dimensions=1))
        return dialect.type_descriptor(String())

    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> Any:
        """Write a list."""
        return value if value is None or dialect.name == "postgresql" else _json(list(value))


def values_among(dialect: str, name: str, item: TypeEngine[T]) -> FromClause:
    """Give the table, with one column ``value``, of a list of values that a run brings as ``name``."""
    many = named(name, _Many(item))
    if dialect == "postgresql":
        return func.unnest(many).table_valued(column("value", item)).render_derived()
    return func.json_each(many).table_valued(column("value", item))


def among(dialect: str, tested: ColumnElement[T], name: str) -> ColumnElement[bool]:
    """Give the condition that a column is among the values that a run brings as the list ``name``."""
    if dialect == "postgresql":
        return tested == any_(named(name, _Many(tested.type)))
    return tested.in_(select(values_among(dialect, name, tested.type).c.value))


@dataclass(frozen=True, slots=True)
class RowSource:
    """The values of a row in a statement: its columns, and the table that they are from, if any."""

    columns: Mapping[str, ColumnElement[Any]]
    table: FromClause | None


class WriteRows:
    """An INSERT or UPDATE of any number of rows, a single trip to the database.

    One row goes as parameters. Several go to PostgreSQL as an array for each column; SQLite runs the
    statement for each row, or with ``compact`` (for whole numbers and text) once, with the rows as JSON.
    ``statement`` makes it for a dialect; ``key`` is a column that no row has empty.
    """

    def __init__(
        self,
        columns: Mapping[str, TypeEngine[Any]],
        statement: Callable[[str, RowSource], Any],
        key: ColumnElement[Any],
        *,
        compact: bool = False,
    ) -> None:
        self._columns = columns
        self._statement = statement
        self._key = key
        self._compact = compact
        self._forms: dict[tuple[str, bool], Form] = {}

    async def run(
        self,
        driver: Driver,
        dialect: Dialect,
        items: Sequence[T],
        row_of: Callable[[T], Mapping[str, object]],
    ) -> int:
        """Write a row of each item; gives how many rows were written or changed."""
        if not items:
            return 0
        form = self._form(dialect, many=len(items) > 1)
        if len(items) == 1:
            row = row_of(items[0])
            return len(await driver.fetch(form.text, [bound(form, name, row) for name in form.names]))
        lay_out = self._layout(dialect)
        if len(items) <= SMALL:
            values = lay_out(form, list(map(row_of, items)))
        else:
            values = await asyncio.to_thread(lambda: lay_out(form, list(map(row_of, items))))
        if dialect.name == "sqlite" and not self._compact:
            return await driver.write(form.text, values)
        return len(await driver.fetch(form.text, values))

    def _form(self, dialect: Dialect, *, many: bool) -> Form:
        form = self._forms.get((dialect.name, many))
        if form is None:
            statement = self._statement(dialect.name, self._source(dialect.name, many=many))
            # SQLite gives no rows to what runs many times; it counts them itself.
            if not many or dialect.name == "postgresql" or self._compact:
                statement = statement.returning(self._key)
            form = self._forms[dialect.name, many] = compile_form(statement, dialect)
        return form

    def _source(self, dialect: str, *, many: bool) -> RowSource:
        if many and dialect == "postgresql":
            arrays = [named(name, _Many(kind)) for name, kind in self._columns.items()]
            parts = [column(name, kind) for name, kind in self._columns.items()]
            source = func.unnest(*arrays).table_valued(*parts).render_derived(name=ROWS)
            return RowSource(dict(source.c), source)
        if many and self._compact:
            value = func.json_each(named(ROWS, String())).table_valued("value")
            return RowSource(
                {
                    name: func.json_extract(value.c.value, f"$[{place}]", type_=kind)
                    for place, (name, kind) in enumerate(self._columns.items())
                },
                value,
            )
        return RowSource({name: named(name, kind) for name, kind in self._columns.items()}, None)

    def _layout(self, dialect: Dialect) -> Callable[[Form, Sequence[Mapping[str, object]]], list[Any]]:
        if dialect.name == "postgresql":
            return _as_columns
        if not self._compact:
            return _as_rows

        def as_json(form: Form, rows: Sequence[Mapping[str, object]]) -> list[Any]:
            text = self._as_json(dialect, rows)
            return [text if name == ROWS else form.fixed[name] for name in form.names]

        return as_json

    def _as_json(self, dialect: Dialect, rows: Sequence[Mapping[str, object]]) -> str:
        writers = {
            name: kind.dialect_impl(dialect).bind_processor(dialect) for name, kind in self._columns.items()
        }
        return _json(
            [[write(row[name]) if write else row[name] for name, write in writers.items()] for row in rows]
        )


def _as_rows(form: Form, rows: Sequence[Mapping[str, object]]) -> list[Any]:
    return [[bound(form, name, row) for name in form.names] for row in rows]


def _as_columns(form: Form, rows: Sequence[Mapping[str, object]]) -> list[Any]:
    return [
        form.fixed[name] if name in form.fixed else bound(form, name, {name: [row[name] for row in rows]})
        for name in form.names
    ]


def insert_rows(
    table: Table,
    *,
    only: Sequence[str] | None = None,
    conflict: Callable[[Any], Any] = lambda insert: insert,
    compact: bool = False,
) -> WriteRows:
    """Make the INSERT of rows of a table, with all its columns or ``only`` some.

    ``conflict`` adds what happens to rows that are there already; without it they raise Duplicate.
    """
    columns: dict[str, TypeEngine[Any]] = {
        one.name: one.type for one in table.c if only is None or one.name in only
    }

    def statement(dialect: str, source: RowSource) -> Any:
        insert: Any = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)
        if source.table is None:
            return conflict(insert.values(dict(source.columns)))
        # Without a condition, SQLite would take ON CONFLICT for a part of the query.
        rows = select(*source.columns.values()).select_from(source.table).where(literal_column("true"))
        return conflict(insert.from_select(list(source.columns), rows))

    return WriteRows(columns, statement, next(iter(table.primary_key)), compact=compact)
