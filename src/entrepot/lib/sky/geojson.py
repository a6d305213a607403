"""Geometries as GeoJSON text (RFC 7946)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import cast

from .shapes import KINDS, Drawing, Position, refuse_depth
from .sphere import GeometryError


def draw_geojson(text: str, drawing: Drawing) -> None:
    """Read a geometry object, or a feature with one; raises `GeometryError` for anything else."""
    try:
        value: object = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        raise GeometryError("The geometry begins like GeoJSON, but isn't a JSON object.") from None
    except ValueError:
        raise GeometryError("A number in the geometry has too many digits.") from None
    value = _object(value)
    if value.get("type") == "Feature":
        value = _object(value.get("geometry"))
    _Reader(drawing).geometry(value, 0)


class _Reader:
    def __init__(self, drawing: Drawing) -> None:
        self._drawing = drawing
        self._readers: dict[object, Callable[[object], None]] = {
            "Point": lambda value: drawing.point(self._position(value)),
            "LineString": lambda value: drawing.line(self._line(value)),
            "Polygon": self._polygon,
            "MultiPoint": lambda value: self._each(value, lambda item: drawing.point(self._position(item))),
            "MultiLineString": lambda value: self._each(value, lambda item: drawing.line(self._line(item))),
            "MultiPolygon": lambda value: self._each(value, self._polygon),
        }

    def geometry(self, value: Mapping[object, object], depth: int) -> None:
        """Read one geometry object of any type."""
        refuse_depth(depth)
        kind = value.get("type")
        if kind == "GeometryCollection":
            self._each(value.get("geometries"), lambda item: self.geometry(_object(item), depth + 1))
        elif isinstance(kind, str) and kind in self._readers:
            self._readers[kind](value.get("coordinates"))
        else:
            raise GeometryError(f"A GeoJSON geometry's type must be one of {KINDS}, in GeoJSON's spelling.")

    def _each(self, value: object, read: Callable[[object], None]) -> None:
        for item in _array(value):
            read(item)

    def _polygon(self, value: object) -> None:
        self._drawing.polygon([self._line(ring) for ring in _array(value)])

    def _line(self, value: object) -> list[Position]:
        return [self._position(item) for item in _array(value)]

    def _position(self, value: object) -> Position:
        return self._drawing.position([_number(item) for item in _array(value)])


def _object(value: object) -> Mapping[object, object]:
    if not isinstance(value, dict):
        raise GeometryError("A GeoJSON geometry must be an object with a type and coordinates.")
    return cast("Mapping[object, object]", value)


def _array(value: object) -> list[object]:
    if not isinstance(value, list):
        raise GeometryError("A GeoJSON geometry's coordinates must be arrays of [RA, Dec] positions.")
    items = cast("list[object]", value)
    if not items:
        raise GeometryError("An empty geometry covers nothing: give one with at least one position.")
    return items


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise GeometryError("A coordinate must be a number of degrees.")
    try:
        return float(value)
    except OverflowError:
        raise GeometryError("A coordinate must be a finite number of degrees.") from None
