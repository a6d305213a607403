"""The part of the sky that a query asks about: positions, lines and areas, in pieces."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from .cover import box_of_area, decompose, without_repeats
from .geojson import draw_geojson
from .shapes import Drawing, Line, Polygon, Position, Shape
from .sphere import (
    PIECE_RADIUS,
    Box,
    GeometryError,
    Quad,
    Vector,
    arcs,
    box_around,
    common_box,
    joined,
    unit_vector,
)
from .sweep import Budget
from .wkt import draw_wkt

MAX_TEXT = 100_000
"""How many characters a geometry's text may have."""

_LONGEST_CHORD = 2.0 * math.sin(math.radians(PIECE_RADIUS))


@dataclass(frozen=True, slots=True)
class Region:
    """Pieces, which may be arcs and positions, all their distinct vertices, and the box that holds them."""

    pieces: tuple[Quad, ...]
    points: tuple[Vector, ...]
    box: Box

    @property
    def point(self) -> Vector | None:
        """The one position, when the region is just that."""
        return self.points[0] if len(self.points) == 1 else None


def parse_region(text: str) -> Region:
    """Read a geometry in degrees of RA and Dec, as WKT, EWKT or GeoJSON.

    Edges are great-circle arcs, the short way round; of the two parts of the sky that a polygon
    bounds, the smaller is meant. A polygon without area counts as its edges. Raises `GeometryError`
    for anything else, for what is empty, and for more than 10,000 positions or 100,000 characters.
    """
    if len(text) > MAX_TEXT:
        raise GeometryError(
            f"A geometry's text may have {MAX_TEXT:,} characters, and this has {len(text):,}."
        )
    drawing = Drawing()
    draw = draw_geojson if text.lstrip().startswith("{") else draw_wkt
    draw(text, drawing)
    budget = Budget()
    parts = [_part(shape, budget) for shape in drawing.shapes]
    pieces = dict.fromkeys(piece for quads, _ in parts for piece in quads)
    points = dict.fromkeys(vertex for piece in pieces for vertex in piece)
    return Region(tuple(pieces), tuple(points), common_box([box for _, box in parts]))


def _part(shape: Shape, budget: Budget) -> tuple[list[Quad], Box]:
    return _line(shape) if isinstance(shape, Line) else _area(shape, budget)


def _line(line: Line) -> tuple[list[Quad], Box]:
    vectors = _vectors(line.positions)
    edges = [(a, b) for a, b in pairwise(vectors) if a != b] or [(vectors[0], vectors[0])]
    return _thin(edges), box_around(edges)


def _area(polygon: Polygon, budget: Budget) -> tuple[list[Quad], Box]:
    rings = [without_repeats(_vectors(ring)) for ring in polygon.rings]
    inside, _ = decompose(rings, budget)
    if inside:
        return list(inside), box_of_area(rings, inside)
    edges = [edge for ring in rings for edge in arcs(ring)]
    if not edges:
        return _line(Line(polygon.rings[0][:1]))
    return _thin(edges), box_around(edges)


def _thin(edges: list[tuple[Vector, Vector]]) -> list[Quad]:
    """Give arcs as pieces, none longer than a piece may be."""
    quads: list[Quad] = []
    for a, b in edges:
        stops = [*joined(a, b, _LONGEST_CHORD), b]
        quads.extend((start, start, end, end) for start, end in pairwise(stops))
    return quads


def _vectors(positions: tuple[Position, ...]) -> list[Vector]:
    return [unit_vector(ra, dec) for ra, dec in positions]
