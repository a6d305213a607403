"""The cards of a header that place a two-dimensional image on the sky, free of contradictions."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Literal, TypeAlias

from .cards import Card, number

_Distortion: TypeAlias = Literal["SIP", "TPV", "none"]

_TEXT = re.compile(r"C(?:TYPE|UNIT)[12]")
_NUMBER = re.compile(
    r"C(?:RPIX|RVAL|DELT|ROTA)[12]|(?:CD|PC)[12]_[12]|PV[12]_\d{1,2}|[AB]_(?:ORDER|\d_\d)|LONPOLE|LATPOLE"
)
_POLYNOMIAL = re.compile(r"PV[12]_(?:[5-9]|\d\d)")  # up to 4 they are parameters of the plain projection
_REFERENCE = frozenset({"CTYPE1", "CTYPE2", "CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2"})
_HIGHEST_SIP_ORDER = 9  # the convention has one digit for a power


def wcs_cards(header: Mapping[str, Card]) -> dict[str, str | float] | None:
    """Choose the cards that make the world coordinates of axes 1 and 2.

    They are few, which makes the difference between 1 ms and 30 when they are read; and what readers
    settle with a warning is settled here the same way: a CD matrix goes before PC and CDELT; of two
    distortions the type decides (Shupe et al. 2012, Proc. SPIE 8451, section 7); degrees in any
    spelling are the default unit. None if a reference or the scale is missing, if a card that matters
    has no usable value, and for a projection that is a table in another HDU.
    """
    keywords = [key for key in header if _NUMBER.fullmatch(key) or _TEXT.fullmatch(key)]
    distortion = _distortion(header, keywords)
    cards: dict[str, str | float] = {}
    for keyword in _without_superseded(keywords, distortion):
        value = _text(header[keyword]) if _TEXT.fullmatch(keyword) else number(header, keyword)
        if value is None:
            return None
        cards[keyword] = value
    if not _is_complete(cards) or (distortion == "SIP" and not _has_both_orders(cards)):
        return None
    return _with_standard_names(cards, distortion) | _reference_system(header)


def is_icrs(cards: Mapping[str, str | float]) -> bool:
    """Tell whether chosen cards give ICRS positions, or J2000 ones, which differ by 0.03 arcsec."""
    galactic = str(cards["CTYPE1"]).startswith(("GLON", "GLAT"))
    system, equinox = cards.get("RADESYS"), cards.get("EQUINOX", 2000.0)
    return not galactic and (system == "ICRS" or (system in ("FK5", None) and equinox == 2000.0))


def _distortion(header: Mapping[str, Card], keywords: Collection[str]) -> _Distortion:
    """Tell which polynomials go with a tangent projection; SCAMP once wrote TPV's under the type TAN."""
    types = [str(header.get(f"CTYPE{axis}")).strip().upper() for axis in (1, 2)]
    orders = [number(header, keyword) for keyword in ("A_ORDER", "B_ORDER")]
    sip = any(order is not None and order > 1 for order in orders)
    tpv = _has_polynomial(keywords)
    if all(kind.endswith("-TAN-SIP") for kind in types):
        return "SIP" if sip else "TPV" if tpv else "none"
    if all(kind.endswith("-TAN") for kind in types):
        return "TPV" if tpv else "SIP" if sip else "none"
    return "SIP" if sip and all(kind.endswith("-SIP") for kind in types) else "none"


def _without_superseded(keywords: Collection[str], distortion: _Distortion) -> list[str]:
    """Leave out the cards that others take the place of."""
    losers: tuple[str, ...] = () if distortion == "SIP" else ("A_", "B_")
    if distortion == "SIP" and _has_polynomial(keywords):
        losers += ("PV",)
    if _has_matrix(keywords, "CD"):
        losers += ("CDELT", "PC", "CROTA")
    elif _has_matrix(keywords, "PC"):
        losers += ("CROTA",)
    return [keyword for keyword in keywords if not keyword.startswith(losers)]


def _has_polynomial(keywords: Collection[str]) -> bool:
    return any(_POLYNOMIAL.fullmatch(keyword) for keyword in keywords)


def _has_matrix(keywords: Collection[str], kind: str) -> bool:
    return any(keyword[:3] in (f"{kind}1", f"{kind}2") for keyword in keywords)


def _is_complete(cards: Mapping[str, str | float]) -> bool:
    scaled = cards.keys() >= {"CDELT1", "CDELT2"} or _has_matrix(cards, "CD")
    return (
        scaled and cards.keys() >= _REFERENCE and "-TAB" not in f"{cards['CTYPE1']}{cards['CTYPE2']}".upper()
    )


def _has_both_orders(cards: Mapping[str, str | float]) -> bool:
    orders = [float(cards.get(keyword, 0)) for keyword in ("A_ORDER", "B_ORDER")]
    return all(1 < order <= _HIGHEST_SIP_ORDER for order in orders)


def _with_standard_names(cards: Mapping[str, str | float], distortion: _Distortion) -> dict[str, str | float]:
    """Spell types and units as the standard does."""
    named = dict(cards)
    for axis in "12":
        unit = str(named.pop(f"CUNIT{axis}", "")).lower()
        if unit and not unit.startswith("deg"):
            named[f"CUNIT{axis}"] = unit
        kind = str(cards[f"CTYPE{axis}"]).upper().removesuffix("-SIP")
        named[f"CTYPE{axis}"] = {"SIP": f"{kind}-SIP", "TPV": f"{kind[:-3]}TPV", "none": kind}[distortion]
    return named


def _reference_system(header: Mapping[str, Card]) -> dict[str, str | float]:
    """Read the frame that RA and Dec are in; an equinox may be written J2000.0."""
    cards: dict[str, str | float] = {}
    if system := _text(header.get("RADESYS")) or _text(header.get("RADECSYS")):
        cards["RADESYS"] = system.upper()
    if match := re.fullmatch(r"[JB]?\s*(\d{4}(?:\.\d*)?)", str(header.get("EQUINOX")).strip()):
        cards["EQUINOX"] = float(match[1])
    return cards


def _text(value: Card) -> str | None:
    return value.strip() if isinstance(value, str) else None
