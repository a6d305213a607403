"""Positions in the plain tangent projection, without the second that loading astropy takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

_Cards: TypeAlias = Mapping[str, str | float]
_Positions: TypeAlias = list[tuple[float, float]]
_Matrix: TypeAlias = tuple[tuple[float, float], tuple[float, float]]

_PLACES = {"1_1": 1.0, "1_2": 0.0, "2_1": 0.0, "2_2": 1.0}
_MORE = ("PV", "A_", "B_", "CUNIT", "LONPOLE", "CROTA1")


def is_tangent(cards: _Cards) -> bool:
    """Tell whether cards that `wcs_cards` has chosen are those of a plain tangent projection.

    That is: RA---TAN and DEC--TAN in degrees, of the present equinox, not about a pole of the sky, with
    neither distortion nor parameters. Straight lines of pixels are great circles in it.
    """
    axes = (cards["CTYPE1"], cards["CTYPE2"])
    if sorted(map(str, axes)) != ["DEC--TAN", "RA---TAN"] or any(card.startswith(_MORE) for card in cards):
        return False
    swapped = axes[0] == "DEC--TAN"
    declination = float(cards["CRVAL1" if swapped else "CRVAL2"])
    return abs(declination) < 90.0 and not (swapped and "CROTA2" in cards) and _matrix(cards) is not None


def tangent_positions(cards: _Cards, pixels: Sequence[tuple[float, float]]) -> _Positions:
    """Give (RA, Dec) in degrees of pixel positions, by cards for which `is_tangent` holds.

    Calabretta & Greisen 2002 (A&A 395, 1077), section 5.1.3, put together with the rotation of section 2.4.
    """
    matrix = _matrix(cards)
    assert matrix is not None  # noqa: S101 - is_tangent has seen it
    longitude = 1 if cards["CTYPE1"] == "RA---TAN" else 2
    (a, b), (c, d) = matrix if longitude == 1 else matrix[::-1]
    ra, dec = float(cards[f"CRVAL{longitude}"]), math.radians(float(cards[f"CRVAL{3 - longitude}"]))
    x0, y0 = float(cards["CRPIX1"]), float(cards["CRPIX2"])
    sine, cosine = math.sin(dec), math.cos(dec)
    positions: _Positions = []
    for x, y in pixels:
        east = math.radians(a * (x - x0) + b * (y - y0))
        north = math.radians(c * (x - x0) + d * (y - y0))
        ahead = cosine - north * sine
        up = math.atan2(sine + north * cosine, math.hypot(east, ahead))
        positions.append((ra + math.degrees(math.atan2(east, ahead)), math.degrees(up)))
    return positions


def _matrix(cards: _Cards) -> _Matrix | None:
    """Give degrees per pixel, of both axes; None if the matrix has no inverse."""
    if any(card.startswith(("CD1_", "CD2_")) for card in cards):
        at = {place: float(cards.get(f"CD{place}", 0.0)) for place in _PLACES}
    else:
        scale = {axis: float(cards[f"CDELT{axis}"]) for axis in "12"}
        if not scale["1"] or not scale["2"]:
            return None
        turned = _turned(cards, scale["2"] / scale["1"])
        at = {place: scale[place[0]] * value for place, value in turned.items()}
    if not math.isfinite(sum(at.values())) or at["1_1"] * at["2_2"] == at["1_2"] * at["2_1"]:
        return None
    return (at["1_1"], at["1_2"]), (at["2_1"], at["2_2"])


def _turned(cards: _Cards, ratio: float) -> Mapping[str, float]:
    """Give the PC matrix; CROTA2 is an older way to write it (section 6.1 of paper I, equation 189)."""
    if "CROTA2" not in cards:
        return {place: float(cards.get(f"PC{place}", default)) for place, default in _PLACES.items()}
    turn = math.radians(float(cards["CROTA2"]))
    sine, cosine = math.sin(turn), math.cos(turn)
    return {"1_1": cosine, "1_2": -sine * ratio, "2_1": sine / ratio, "2_2": cosine}
