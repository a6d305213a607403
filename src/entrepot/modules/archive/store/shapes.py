"""The statements of a search, built once for each shape that a search can have and given values afterwards.

Building a statement costs more than running it, so only what changes its text belongs to the shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    String,
    and_,
    false,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
)  # fmt: skip
from sqlalchemy import (
    cast as sql_cast,
)
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from entrepot.kernel.db import AnySelect, Double, Id, Prepared, named
from entrepot.modules.archive.models import Condition, FrameQuery, Operator, PlaceKind, Sight
from entrepot.modules.archive.store.sky import EVER, Window, boxed, indexed, place_values, tested
from entrepot.modules.archive.tables import document, frame, relation

__all__ = [
    "Shape",
    "count_statement",
    "detail_statement",
    "first_and_last",
    "nearby_statement",
    "page_statement",
    "shape_of",
    "values_of",
    "visible",
]

KEPT = 512
"""Shapes whose statements are kept."""
ESCAPE = "/"


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides the text of a search's statements; each condition with how many values it has."""

    conditions: tuple[tuple[str, Operator, int], ...]
    places: tuple[PlaceKind, ...]
    order: tuple[tuple[str, bool], ...]
    backwards: bool
    continued: bool
    offset: bool
    public: bool | None
    nothing: bool
    everything: bool
    projects: int


def shape_of(query: FrameQuery, sight: Sight) -> Shape:
    """Tell the shape of a search."""
    return Shape(
        conditions=tuple((one.column, one.operator, len(_many(one))) for one in query.conditions),
        places=tuple(place.kind for place in query.places),
        order=query.order,
        backwards=query.backwards,
        continued=query.after is not None,
        offset=query.offset > 0,
        public=query.public,
        nothing=query.nothing,
        everything=sight.everything,
        projects=len(_padded(sight.projects)),
    )


def values_of(query: FrameQuery, sight: Sight, window: Window = EVER) -> dict[str, object]:
    """Give the values of a search under the names that its statements have for them.

    A search of the sky finds what was observed within the ``window``.
    """
    values: dict[str, object] = {"now": sight.now, "most": query.limit + 1, "offset": query.offset}
    values |= place_values(query.places, window)
    values |= {f"project_{place}": key for place, key in enumerate(_padded(sight.projects))}
    for number, one in enumerate(query.conditions):
        values |= {f"value_{number}_{place}": value for place, value in enumerate(_many(one))}
    values |= {f"after_{place}": value for place, value in enumerate(query.after or ())}
    return values


def _many(condition: Condition) -> Sequence[object]:
    value = condition.value
    if condition.operator in ("in", "not in"):
        return cast("tuple[object, ...]", value)
    if condition.operator == "has":
        text = str(value)
        for special in (ESCAPE, "%", "_"):
            text = text.replace(special, ESCAPE + special)
        return (f"%{text}%",)
    return (value,)


def _padded(projects: frozenset[str]) -> Sequence[str]:
    """Order the projects, the last repeated up to a power of two, so that there are few shapes."""
    keys = sorted(projects)
    return keys + keys[-1:] * ((1 << (len(keys) - 1).bit_length()) - len(keys)) if keys else ()


def visible(sight: Sight, table: Any = frame) -> ColumnElement[bool]:
    """Tell which frames a caller may see: the one rule, asked by every door (contract §3.4)."""
    return _visible(
        table, sight.everything, literal(sight.now, table.c.public_date.type), sorted(sight.projects)
    )


def _visible(
    table: Any, everything: bool, now: ColumnElement[Any], projects: Sequence[Any]
) -> ColumnElement[bool]:
    dated = table.c.observation_date.is_not(None)
    if everything:
        return dated
    public = table.c.public_date < now
    if not projects:
        return and_(dated, public)
    return and_(dated, or_(public, table.c.proposal_id.in_(projects)))


def _now() -> ColumnElement[Any]:
    return named("now", frame.c.public_date.type)


def _projects(shape: Shape) -> list[ColumnElement[Any]]:
    return [named(f"project_{place}", frame.c.proposal_id.type) for place in range(shape.projects)]


def _seen(shape: Shape, table: Any = frame) -> ColumnElement[bool]:
    return _visible(table, shape.everything, _now(), _projects(shape))


OPERATORS: Mapping[str, Callable[[ColumnElement[Any], Sequence[Any]], ColumnElement[bool]]] = {
    "eq": lambda column, values: column == values[0],
    "ge": lambda column, values: column >= values[0],
    "le": lambda column, values: column <= values[0],
    "has": lambda column, values: column.like(values[0], escape=ESCAPE),
    "in": lambda column, values: column.in_(values),
    "not in": lambda column, values: column.not_in(values),
    "is empty": lambda column, _: column == literal("", column.type),
}


def _holds(
    number: int, column_name: str, operator: Operator, count: int, *, hidden: bool
) -> ColumnElement[bool]:
    column: ColumnElement[Any] = frame.c[column_name]
    values = [named(f"value_{number}_{place}", column.type) for place in range(count)]
    return OPERATORS[operator](_hidden(column) if hidden else column, values)


def _hidden(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Keep SQLite from going by an index on a column: it doesn't know how few rows the sky index finds."""
    plus: custom_op[Any] = custom_op("+")
    return UnaryExpression(column, operator=plus, type_=column.type)


RARE = frozenset(("basename", "observation_id", "request_id"))
"""Columns of which one value has few frames."""


def _public(shape: Shape) -> Iterable[ColumnElement[bool]]:
    if shape.public is not False:
        return
    if shape.everything or not shape.projects:
        yield or_(frame.c.public_date.is_(None), frame.c.public_date >= _now())
    else:
        yield frame.c.proposal_id.in_(_projects(shape))


def _matching(shape: Shape, dialect: str, *, listed: bool) -> ColumnElement[bool]:
    if shape.nothing:
        return false()
    by_place = dialect == "sqlite" and listed and bool(shape.places)
    return and_(
        *((indexed(dialect),) if listed and shape.places else ()),
        _seen(shape),
        *((frame.c.has_version.is_(true()),) if listed else ()),
        *(
            _holds(number, *condition, hidden=by_place and condition[0] not in RARE)
            for number, condition in enumerate(shape.conditions)
        ),
        *_public(shape),
        *(tested(number, kind, dialect) for number, kind in enumerate(shape.places)),
    )


def _sort_key(name: str) -> ColumnElement[Any]:
    """Give what a column is sorted by; no value sorts as the largest, as PostgreSQL has it."""
    column = frame.c[name]
    return func.coalesce(column, literal(math.inf, Double)) if name == "exposure_time" else column


def _behind(keys: Sequence[tuple[ColumnElement[Any], bool]]) -> ColumnElement[bool]:
    """Tell which rows come after the row that ``after_…`` are the sort values and id of."""
    values = [named(f"after_{place}", key.type) for place, (key, _) in enumerate(keys)]
    directions = {down for _, down in keys}
    if len(directions) == 1:
        here, there = tuple_(*(key for key, _ in keys)), tuple_(*values)
        return here < there if directions.pop() else here > there
    alternatives: list[ColumnElement[bool]] = []
    for position, ((key, down), value) in enumerate(zip(keys, values, strict=True)):
        same = [earlier == reached for (earlier, _), reached in zip(keys[:position], values, strict=False)]
        alternatives.append(and_(*same, key < value if down else key > value))
    return or_(*alternatives)


@lru_cache(maxsize=KEPT)
def page_statement(shape: Shape) -> Prepared[*tuple[Any, ...]]:
    """Give the statement of a page: id, document, related ids and sort values, a row more than the limit.

    In a search of the sky each row ends with how many frames are found in all.
    """
    return Prepared(lambda dialect: _page(shape, dialect))


def _page(shape: Shape, dialect: str) -> AnySelect:
    keys = [(_sort_key(name), down != shape.backwards) for name, down in shape.order]
    keys.append((frame.c.id, keys[-1][1]))
    matching = select(
        frame.c.id, *(key.label(f"sort_{number}") for number, (key, _) in enumerate(keys[:-1]))
    ).where(_matching(shape, dialect, listed=True))
    if shape.continued:
        matching = matching.where(_behind(keys))
    totals: list[ColumnElement[int]] = []
    if shape.places:
        # What the sky index finds is sorted; no planner shall go by another index that has the order.
        found = matching.cte("found").prefix_with("MATERIALIZED")
        matching = select(*found.c)
        totals = [select(func.count()).select_from(found).scalar_subquery()]
        sorts = [column for column in found.c if column.name != "id"]
        keys = [(column, down) for column, (_, down) in zip((*sorts, found.c.id), keys, strict=True)]
    matching = matching.order_by(*(key.desc() if down else key.asc() for key, down in keys))
    matching = matching.limit(named("most", Integer()))
    if shape.offset:
        matching = matching.offset(named("offset", Id()))
    page = matching.subquery("page")
    sorts = [column for column in page.c if column.name != "id"]
    ways = [down for _, down in keys]
    return (
        select(page.c.id, document.c.document, _related(shape, page.c.id), *sorts, *totals)
        .select_from(page.join(document, document.c.frame_id == page.c.id))
        .order_by(
            *(
                column.desc() if down else column.asc()
                for column, down in zip((*sorts, page.c.id), ways, strict=True)
            )
        )
    )


def _related(shape: Shape, frame_id: ColumnElement[int]) -> ColumnElement[str]:
    """Give the ids of related frames that the caller may see, as text between commas."""
    other = frame.alias("other")
    return (
        select(func.aggregate_strings(sql_cast(relation.c.related_id, String), ","))
        .select_from(relation.join(other, other.c.id == relation.c.related_id))
        .where(relation.c.frame_id == frame_id, _seen(shape, other))
        .scalar_subquery()
        .label("related")
    )


@lru_cache(maxsize=KEPT)
def detail_statement(shape: Shape) -> Prepared[*tuple[Any, ...]]:
    """Give the statement of one frame, whose id is ``frame``: id, document and related ids."""
    one = (
        select(frame.c.id, document.c.document, _related(shape, frame.c.id))
        .select_from(frame.join(document, document.c.frame_id == frame.c.id))
        .where(frame.c.id == named("frame", Id()))
    )
    return Prepared(lambda dialect: one.where(_matching(shape, dialect, listed=False)))


@lru_cache(maxsize=KEPT)
def count_statement(shape: Shape, *, bounded: bool) -> Prepared[int]:
    """Give the statement that counts what a search finds, with ``bounded`` up to ``most_counted``."""
    return Prepared(lambda dialect: _count(shape, dialect, bounded=bounded))


def _count(shape: Shape, dialect: str, *, bounded: bool) -> Select[int]:
    found = select(literal(1)).select_from(frame).where(_matching(shape, dialect, listed=True))
    if bounded:
        found = found.limit(named("most_counted", Integer()))
    return select(func.count()).select_from(found.subquery())


@lru_cache(maxsize=2)
def nearby_statement() -> Prepared[int]:
    """Give the statement that counts, up to ``most_nearby``, what the index has of a search's first place."""

    def near(dialect: str) -> Select[int]:
        found = select(literal(1)).where(boxed(dialect)).limit(named("most_nearby", Integer()))
        return select(func.count()).select_from(found.subquery())

    return Prepared(near)


# One by one, because SQLite takes only a single end from an index.
_dates = select(
    *(
        select(end(frame.c.observation_date)).scalar_subquery().label(name)
        for name, end in (("first", func.min), ("last", func.max))
    )
)
first_and_last: Prepared[datetime | None, datetime | None] = Prepared(lambda _: _dates)
