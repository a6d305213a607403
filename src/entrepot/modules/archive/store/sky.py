"""The sky in SQL: whose footprint covers, meets or comes near to a place.

Both databases find candidates by their boxes of unit vectors and time, and then test them exactly, before
any limit, by the formulas of `entrepot.lib.sky` on the corners that stand in the frame's row (or, where a
footprint isn't one convex piece, on its pieces). Frames whose ``sky_time`` is null match nothing.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, String, TextClause, and_, bindparam, text

from entrepot.kernel.db import Double, named
from entrepot.lib.sky import Cover, Vector
from entrepot.modules.archive.models import Frame, Place, PlaceKind
from entrepot.modules.archive.tables import CORNERS, SKY_BOX, frame, sky_index

__all__ = [
    "EVER",
    "Window",
    "boxed",
    "indexed",
    "piece_rows",
    "place_values",
    "sky_columns",
    "sky_time",
    "tested",
]

UNITS_A_DAY = 0.02 / 7300
"""So small that boxes are grouped by place first, and by time where many lie at one place."""
YEAR_2000 = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
UNITS_A_MICROSECOND = UNITS_A_DAY / 86_400e6

Point = tuple[str, str, str]
"""The names of a vector's components in SQL."""


@dataclass(frozen=True, slots=True)
class Window:
    """A span of `sky_time`, its end not included."""

    start: float
    end: float


EVER = Window(-1e9, 1e9)


def sky_time(moment: datetime) -> float:
    """Give a moment as the sky index has it: linear, 0 at the beginning of 2000."""
    return ((moment - YEAR_2000) // MICROSECOND) * UNITS_A_MICROSECOND


# What is kept of a footprint -----------------------------------------------------------------------


def sky_columns(one: Frame) -> dict[str, object]:
    """Give the columns of a frame that say where on the sky it is."""
    cover = one.cover
    whole = cover is not None and len(cover.inside) == 1 and not cover.outside
    corners: Sequence[float | None] = [None] * len(CORNERS)
    box: Sequence[float | None] = [None] * len(SKY_BOX)
    time = None
    if cover is not None and cover.box is not None:
        box = [side for ends in zip(cover.box.low, cover.box.high, strict=True) for side in ends]
        corners = _flat(cover.inside[0]) if whole else corners
        time = sky_time(one.observation_date) if one.observation_date else None
    values = dict(zip((*CORNERS, *SKY_BOX), (*corners, *box), strict=True))
    pieces = len(cover.inside) + len(cover.outside) if cover else 0
    return {
        "sky_pieces": pieces,
        **{f"sky_{name}": value for name, value in values.items()},
        "sky_time": time,
    }


def piece_rows(frame_id: int, cover: Cover | None) -> list[dict[str, object]]:
    """Give the rows of a footprint's pieces; none for one that is a single convex piece."""
    pieces = (*cover.inside, *cover.outside) if cover else ()
    if len(pieces) < 2 or cover is None:
        return []
    return [
        {
            "frame_id": frame_id,
            "number": number,
            "outside": number >= len(cover.inside),
            **dict(zip(CORNERS, _flat(one), strict=True)),
        }
        for number, one in enumerate(pieces)
    ]


def _flat(vectors: Iterable[Vector]) -> list[float]:
    return [component for vector in vectors for component in vector]


# What a search gives -------------------------------------------------------------------------------


def place_values(places: Sequence[Place], window: Window) -> dict[str, object]:
    """Give the values of the places of a search under the names that the conditions have for them."""
    if not places:
        return {}
    values: dict[str, object] = {"sky_from": window.start, "sky_until": window.end}
    sides = zip(places[0].box.low, places[0].box.high, strict=True)
    box = (side for ends in sides for side in ends)
    values |= {f"sky_{name}": side for name, side in zip(SKY_BOX, box, strict=True)}
    for number, place in enumerate(places):
        values |= {f"place_{number}_{name}": value for name, value in _place(place).items()}
    return values


def _place(place: Place) -> Mapping[str, object]:
    if place.pieces:
        pieces = json.dumps([_flat(one) for one in place.pieces])
        return {"pieces": pieces, "points": json.dumps(place.points)}
    x, y, z = place.centre
    angle = math.radians(place.radius)
    reach = 2 * math.sin(angle / 2)
    return {"x": x, "y": y, "z": z, "reach": reach * reach, "sine": math.sin(angle) * math.sin(angle)}


# The conditions ------------------------------------------------------------------------------------


def indexed(dialect: str) -> ColumnElement[bool]:
    """Give the condition by which the index finds candidates for the first place of a search.

    They are exactly those of the window whose box meets the place's; `tested` tells which are meant.
    """
    start, end = named("sky_from", Double), named("sky_until", Double)
    within = and_(frame.c.sky_time >= start, frame.c.sky_time < end)
    if dialect == "sqlite":
        return and_(sky_index.c.id == frame.c.id, boxed(dialect), within)
    return and_(boxed(dialect), within)


def boxed(dialect: str) -> ColumnElement[bool]:
    """Give the condition of the index alone, on `sky_index` in SQLite and on ``frame`` in PostgreSQL.

    It may let through what was observed within minutes of the window.
    """
    if dialect == "sqlite":
        entry = sky_index.c
        sides = [entry[f"{axis}0"] <= named(f"sky_{axis}1", Double) for axis in "xyz"]
        sides += [entry[f"{axis}1"] >= named(f"sky_{axis}0", Double) for axis in "xyz"]
        return and_(*sides, entry.t0 <= named("sky_until", Double), entry.t1 >= named("sky_from", Double))
    low, high = (", ".join(f"archive_frame.sky_{axis}{end}" for axis in "xyz") for end in "01")
    box = f"cube(ARRAY[{low}, archive_frame.sky_time], ARRAY[{high}, archive_frame.sky_time])"
    least, most = (", ".join(f":sky_{axis}{end}" for axis in "xyz") for end in "01")
    wanted = f"cube(ARRAY[{least}, :sky_from], ARRAY[{most}, :sky_until])"
    return and_(frame.c.sky_time.is_not(None), _condition(f"{box} && {wanted}"))


def tested(number: int, kind: PlaceKind, dialect: str) -> TextClause:
    """Give the exact condition of the place with that number."""
    here = _point(f":place_{number}_")
    if kind == "point":
        return _condition(_anywhere(lambda corners: _has(corners, here)))
    if kind == "cone":
        reach, sine = f":place_{number}_reach", f":place_{number}_sine"
        return _condition(_anywhere(lambda corners: _comes_near(corners, here, reach, sine)))
    pieces = f"WITH q AS MATERIALIZED ({_rows(f':place_{number}_pieces', CORNERS, dialect)})"
    if kind == "meets":
        one = _corners("q.")
        return _condition(
            _anywhere(lambda corners: f"EXISTS ({pieces} SELECT 1 FROM q WHERE {_meet(corners, one)})")
        )
    points = f"WITH p AS MATERIALIZED ({_rows(f':place_{number}_points', tuple('xyz'), dialect)})"
    inside = _anywhere(lambda corners: _has(corners, _point("p.")))
    around = _overlap(_corners("archive_piece."), _corners("q."))
    return _condition(
        f"NOT EXISTS ({points} SELECT 1 FROM p WHERE NOT {inside}) AND (archive_frame.sky_pieces = 1 "
        f"OR NOT EXISTS ({pieces} SELECT 1 FROM archive_piece, q "
        f"WHERE archive_piece.frame_id = archive_frame.id AND archive_piece.outside AND {around}))"
    )


def _condition(sql: str) -> TextClause:
    """Make a condition of SQL; what stands in it behind a colon is a value that the search brings."""
    kinds = {name: String() if name.endswith(("pieces", "points")) else Double for name in VALUE.findall(sql)}
    binds = [bindparam(name, None, type_=kind) for name, kind in kinds.items()]
    return text(f"({sql})").bindparams(*binds)


VALUE = re.compile(r"(?<!:):([a-z][a-z0-9_]*)")


def _anywhere(holds: Callable[[Sequence[Point]], str]) -> str:
    """Ask something of a footprint's convex pieces: whether it holds for any of them."""
    return (
        f"CASE WHEN archive_frame.sky_pieces = 1 THEN {holds(_corners('archive_frame.sky_'))} "
        "ELSE EXISTS (SELECT 1 FROM archive_piece WHERE archive_piece.frame_id = archive_frame.id "
        f"AND NOT archive_piece.outside AND {holds(_corners('archive_piece.'))}) END"
    )


def _rows(values: str, names: Sequence[str], dialect: str) -> str:
    """Give rows of numbers out of a JSON array of arrays."""
    if dialect == "sqlite":
        columns = ", ".join(
            f"json_extract(value, '$[{place}]') AS {name}" for place, name in enumerate(names)
        )
        return f"SELECT {columns} FROM json_each({values})"
    columns = ", ".join(
        f"CAST(value ->> {place} AS double precision) AS {name}" for place, name in enumerate(names)
    )
    return f"SELECT {columns} FROM jsonb_array_elements(CAST({values} AS jsonb))"


# The formulas of entrepot.lib.sky, in SQL ----------------------------------------------------------


def _point(prefix: str) -> Point:
    return f"{prefix}x", f"{prefix}y", f"{prefix}z"


def _corners(prefix: str) -> list[Point]:
    return [_point(prefix + corner) for corner in "abcd"]


def _edges(corners: Sequence[Point]) -> Iterator[tuple[Point, Point]]:
    return zip(corners, (*corners[1:], corners[0]), strict=True)


def _minus(one: Point, other: Point) -> Point:
    x, y, z = (f"({a} - {b})" for a, b in zip(one, other, strict=True))
    return x, y, z


def _dot(one: Point, other: Point) -> str:
    return "(" + " + ".join(f"{a} * {b}" for a, b in zip(one, other, strict=True)) + ")"


def _square(vector: Point) -> str:
    return _dot(vector, vector)


def _side(a: Point, b: Point, p: Point) -> str:
    """Write how far p is to the left of the edge from a to b, times the edge's length."""
    ux, uy, uz = _minus(b, a)
    wx, wy, wz = _minus(p, a)
    return (
        f"({a[0]} * ({uy} * {wz} - {uz} * {wy}) + {a[1]} * ({uz} * {wx} - {ux} * {wz})"
        f" + {a[2]} * ({ux} * {wy} - {uy} * {wx}))"
    )


def _has(corners: Sequence[Point], here: Point) -> str:
    left = (_is_left(a, b, here) for a, b in _edges(corners))
    return f"({' AND '.join(left)} AND {_dot(corners[0], here)} > 0)"


def _is_left(a: Point, b: Point, p: Point) -> str:
    """Write that p is left of an edge, or no farther from it than rounding can bring what lies on it."""
    side = _side(a, b, p)
    return f"({side} >= 0 OR {side} * {side} <= {TOLERANCE} * {_square(_minus(b, a))})"


def _is_clearly_left(a: Point, b: Point, p: Point) -> str:
    side = _side(a, b, p)
    return f"({side} > 0 AND {side} * {side} > {TOLERANCE} * {_square(_minus(b, a))})"


def _comes_near(corners: Sequence[Point], here: Point, reach: str, sine: str) -> str:
    to_corners = (f"{_square(_minus(here, corner))} <= {reach}" for corner in corners)
    to_edges = (_is_beside(a, b, here, sine) for a, b in _edges(corners))
    return f"({_has(corners, here)} OR {' OR '.join((*to_corners, *to_edges))})"


def _is_beside(a: Point, b: Point, here: Point, sine: str) -> str:
    length, side = _square(_minus(b, a)), _side(a, b, here)
    to_a, to_b = _dot(a, here), _dot(b, here)
    return (
        f"({length} > 0 AND {to_b} >= (1 - {length} / 2) * {to_a} AND {to_a} >= (1 - {length} / 2) * {to_b}"
        f" AND {side} * {side} <= {sine} * {length} * (1 - {length} / 4))"
    )


def _meet(one: Sequence[Point], other: Sequence[Point]) -> str:
    edges = [_any(_is_left(a, b, corner) for corner in corners) for a, b, corners in _facing(one, other)]
    return f"({' AND '.join(edges)} AND {_dot(one[0], other[0])} > -0.5)"


def _overlap(one: Sequence[Point], other: Sequence[Point]) -> str:
    edges = [
        # Equal corners make no edge.
        _any(
            (
                f"{_square(_minus(b, a))} = 0",
                *(_is_clearly_left(a, b, corner) for corner in corners),
            )
        )
        for a, b, corners in _facing(one, other)
    ]
    return f"({' AND '.join(edges)} AND {_dot(one[0], other[0])} > -0.5)"


def _facing(one: Sequence[Point], other: Sequence[Point]) -> Iterator[tuple[Point, Point, Sequence[Point]]]:
    """Give the edges of both, each with the corners of the other."""
    for edges, corners in ((one, other), (other, one)):
        for a, b in _edges(edges):
            yield a, b, corners


def _any(conditions: Iterable[str]) -> str:
    return f"({' OR '.join(conditions)})"


TOLERANCE = "1e-28"
