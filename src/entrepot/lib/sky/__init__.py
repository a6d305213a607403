"""Areas on the celestial sphere."""

from .polygon import Footprint, GeometryError, footprint_from_geojson

__all__ = ["Footprint", "GeometryError", "footprint_from_geojson"]
