"""Areas on the celestial sphere: footprints, what a query asks about, and how the two lie to each other."""

from .cover import Cover, cover
from .pieces import quad_has, quads_meet, quads_overlap
from .polygon import Footprint, footprint_from_geojson
from .position import parse_position
from .region import Region, parse_region
from .relations import covers, distance, intersects, within
from .sphere import PIECE_RADIUS, Box, GeometryError, Quad, Vector, cone_box, unit_vector

__all__ = [
    "PIECE_RADIUS",
    "Box",
    "Cover",
    "Footprint",
    "GeometryError",
    "Quad",
    "Region",
    "Vector",
    "cone_box",
    "cover",
    "covers",
    "distance",
    "footprint_from_geojson",
    "intersects",
    "parse_position",
    "parse_region",
    "quad_has",
    "quads_meet",
    "quads_overlap",
    "unit_vector",
    "within",
]
