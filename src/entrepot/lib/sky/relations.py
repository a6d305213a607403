"""How a footprint lies to a region or a position."""

from __future__ import annotations

import math

from .cover import Cover
from .pieces import border_within, distance_squared, quad_has, quads_meet, quads_overlap
from .region import Region
from .sphere import Vector


def covers(cover: Cover, region: Region) -> bool:
    """Say whether all of a region lies in a footprint, borders included."""
    return all(any(quad_has(quad, point) for quad in cover.inside) for point in region.points) and not any(
        quads_overlap(quad, piece) for piece in region.pieces for quad in cover.outside
    )


def intersects(cover: Cover, region: Region) -> bool:
    """Say whether a region and a footprint share a point, be it of their borders."""
    return any(quads_meet(quad, piece) for piece in region.pieces for quad in cover.inside)


def within(cover: Cover, centre: Vector, radius: float) -> bool:
    """Say whether a footprint comes as near to a position as a radius of 0 to 90 degrees."""
    angle = math.radians(radius)
    chord, sine = 2.0 * math.sin(angle / 2.0), math.sin(angle)
    return any(
        quad_has(quad, centre) or border_within(quad, centre, chord * chord, sine * sine)
        for quad in cover.inside
    )


def distance(cover: Cover, centre: Vector) -> float:
    """Give the degrees from a position to the nearest point of a footprint, 0 inside, ∞ if it has no area."""
    if any(quad_has(quad, centre) for quad in cover.inside):
        return 0.0
    square = min((distance_squared(quad, centre) for quad in cover.inside), default=math.inf)
    if square == math.inf:
        return math.inf
    return math.degrees(2.0 * math.asin(min(1.0, math.sqrt(square) / 2.0)))
