"""What an archive needs to know of a FITS file: its headers, and the piece of sky that it shows.

Importing this costs a few milliseconds: astropy is loaded when the first footprint is asked for.
Generated frames live in `entrepot.lib.fits.starfield`, which needs numpy.
"""

from .cards import Card, FitsError
from .description import describe
from .field import footprint
from .headers import read_headers

__all__ = ["Card", "FitsError", "describe", "footprint", "read_headers"]
