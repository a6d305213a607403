"""A position as people write it: degrees, or sexagesimal."""

from __future__ import annotations

import math
import re

from .sphere import GeometryError

_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_DECIMAL = re.compile(rf"[+-]?{_NUMBER}(?:e[+-]?[0-9]+)?", re.IGNORECASE)
_SEXAGESIMAL = re.compile(
    rf"(?P<sign>[+-]?)\s*(?P<first>{_NUMBER})\s*(?P<unit>[hd°:\s])\s*"
    rf"(?:(?P<minutes>{_NUMBER})\s*(?:[m'′:\s]\s*(?:(?P<seconds>{_NUMBER})\s*(?:s|\"|″|'')?)?)?)?",
    re.IGNORECASE,
)
_MAX_TEXT = 100


def parse_position(text: str) -> tuple[float, float]:
    """Read "RA,DEC" and give both in degrees.

    Each is a number of degrees (83.63,22.01) or sexagesimal (05:34:31.9,+22:00:52; 05 34 31.9,
    -05 23 28; 5h34m31.9s,+22d00m52s), where an RA counts hours unless it says d. Raises
    `GeometryError` for anything else, and for a Dec beyond ±90.
    """
    parts = text.replace("−", "-").split(",") if len(text) <= _MAX_TEXT else []
    if len(parts) != 2:
        raise _not_a_position()
    ra, dec = _angle(parts[0], is_ra=True), _angle(parts[1], is_ra=False)
    if not math.isfinite(ra):
        raise GeometryError("A right ascension must be a finite number of degrees.")
    if not abs(dec) <= 90.0:
        raise GeometryError("A declination must lie between -90 and 90 degrees.")
    return ra, dec


def _not_a_position() -> GeometryError:
    return GeometryError("A position must be RA,DEC, such as 83.63,22.01 (degrees) or 05:34:31.9,+22:00:52.")


def _angle(text: str, *, is_ra: bool) -> float:
    text = text.strip()
    if _DECIMAL.fullmatch(text):
        return float(text)
    found = _SEXAGESIMAL.fullmatch(text)
    if found is None or (found["unit"] in "hH" and not is_ra):
        raise _not_a_position()
    whole, minutes, seconds = (float(found[name] or 0.0) for name in ("first", "minutes", "seconds"))
    if any("." in (found[name] or "") and found[later] for name, later in _FINER):
        raise _not_a_position()
    if minutes >= 60.0 or seconds >= 60.0:
        raise GeometryError("The minutes and seconds of a sexagesimal angle must be less than 60.")
    in_hours = is_ra and found["unit"] not in "dD°"
    angle = (whole + minutes / 60.0 + seconds / 3600.0) * (15.0 if in_hours else 1.0)
    if in_hours and angle > 360.0:
        raise GeometryError("A right ascension in hours must be 24 hours at most.")
    return math.copysign(angle, -1.0 if found["sign"] == "-" else 1.0)


_FINER = (("first", "minutes"), ("minutes", "seconds"))
