"""The plain tangent projection worked out here, beside wcslib's."""

import math
import random
from collections.abc import Mapping

import pytest

from entrepot.lib.fits import _astropy, footprint
from entrepot.lib.fits.cards import Card
from entrepot.lib.fits.tangent import is_tangent, tangent_positions
from entrepot.lib.fits.wcs_cards import wcs_cards

PLAIN: Mapping[str, Card] = {
    "NAXIS": 2,
    "NAXIS1": 2000,
    "NAXIS2": 1000,
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRPIX1": 900.0,
    "CRPIX2": 300.0,
    "CRVAL1": 359.9,
    "CRVAL2": -70.0,
    "CD1_1": -0.001,
    "CD2_2": 0.001,
}
WITHOUT_CD = {key: value for key, value in PLAIN.items() if not key.startswith("CD")}


def _vector(position: tuple[float, float]) -> tuple[float, float, float]:
    ra, dec = map(math.radians, position)
    return math.cos(dec) * math.cos(ra), math.cos(dec) * math.sin(ra), math.sin(dec)


def _scaled(chance: random.Random, form: str) -> dict[str, Card]:
    """Give the cards of a scale from micro-degrees to a tenth of a degree, turned by any angle."""
    scale, turn = 10 ** chance.uniform(-6, -1), chance.uniform(0, 360)
    sine, cosine = math.sin(math.radians(turn)), math.cos(math.radians(turn))
    forms: dict[str, dict[str, Card]] = {
        "CD": {
            "CD1_1": -scale * cosine,
            "CD1_2": scale * sine,
            "CD2_1": scale * sine,
            "CD2_2": scale * cosine,
        },
        "part of CD": {"CD1_1": -scale, "CD2_2": scale},
        "PC": {
            "CDELT1": -scale,
            "CDELT2": 1.1 * scale,
            "PC1_1": cosine,
            "PC1_2": -sine,
            "PC2_1": sine,
            "PC2_2": cosine,
        },
        "CDELT": {"CDELT1": -scale, "CDELT2": scale},
        "CROTA": {"CDELT1": -scale, "CDELT2": 1.3 * scale, "CROTA2": turn},
    }
    return forms[form]


@pytest.mark.parametrize("form", ["CD", "part of CD", "PC", "CDELT", "CROTA"])
@pytest.mark.parametrize("swapped", [False, True], ids=["RA first", "Dec first"])
def test_positions_are_wcslibs(form: str, *, swapped: bool) -> None:
    chance = random.Random(form)
    for _ in range(60):
        centre = chance.uniform(-360, 720), chance.choice([chance.uniform(-89.99, 89.99), 0.0, 89.999])
        axes = [("RA---TAN", centre[0]), ("DEC--TAN", centre[1])][:: -1 if swapped else 1]
        header: dict[str, Card] = dict(WITHOUT_CD) | _scaled(chance, form)
        for axis, (kind, value) in enumerate(axes, 1):
            header |= {
                f"CTYPE{axis}": kind,
                f"CRVAL{axis}": value,
                f"CRPIX{axis}": chance.uniform(-500, 3000),
            }
        if chance.random() < 0.5:
            header["LATPOLE"] = chance.uniform(-90, 90)
        cards = wcs_cards(header)
        assert cards is not None
        assert is_tangent(cards) is not (swapped and form == "CROTA")
        if not is_tangent(cards):
            continue
        pixels = [(chance.uniform(-10, 3000), chance.uniform(-10, 3000)) for _ in range(5)]
        reference = _astropy.sky_positions(cards, pixels)
        assert reference is not None
        for one, other in zip(tangent_positions(cards, pixels), reference, strict=True):
            assert math.dist(_vector(one), _vector(other)) < 1e-14


@pytest.mark.parametrize(
    "more",
    [
        {"CRVAL2": 90.0},
        {"CRVAL2": -90.0},
        {"LONPOLE": 170.0},
        {"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN"},
        {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"},
        {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-7},
        {"PV1_1": 1.0, "PV1_7": 1e-5},
        {"PV2_1": 0.5},
        {"CUNIT1": "arcsec", "CUNIT2": "arcsec"},
        {"CD1_1": 0.0},
        {"CD1_1": 0.001, "CD1_2": 0.001, "CD2_1": 0.001},
    ],
    ids=lambda more: " ".join(more),
)
def test_what_is_left_to_wcslib(more: Mapping[str, Card]) -> None:
    cards = wcs_cards({**PLAIN, **more})
    assert cards is not None
    assert not is_tangent(cards)


def test_a_footprint_is_the_four_corners() -> None:
    ring = footprint(PLAIN)
    assert ring is not None
    cards = wcs_cards(PLAIN)
    assert cards is not None
    corners = _astropy.sky_positions(cards, [(0.5, 0.5), (0.5, 1000.5), (2000.5, 1000.5), (2000.5, 0.5)])
    assert corners is not None
    for one, other in zip(ring, corners, strict=True):
        assert math.dist(_vector(one), _vector(other)) < 1e-14
        assert 0 <= one[0] < 360
