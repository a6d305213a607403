"""What an archive needs to know of a FITS file: its headers, and the piece of sky that it shows.

Importing this costs a few milliseconds: astropy is loaded when the first footprint is asked for.
Generated frames live in `entrepot.lib.fits.starfield`, which needs numpy.
"""

from .cards import Card, FitsError
from .description import describe
from .field import footprint
from .headers import headers_of, read_headers
from .sources import FileSource, GzipSource, Source, is_gzip, shown_name
from .tar import Member, members

__all__ = [
    "Card",
    "FileSource",
    "FitsError",
    "GzipSource",
    "Member",
    "Source",
    "describe",
    "footprint",
    "headers_of",
    "is_gzip",
    "members",
    "read_headers",
    "shown_name",
]
