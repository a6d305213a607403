"""The outline of frames on the sky; astropy's full transformation is the judge."""

import math
import random
import time
import warnings

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.lib.fits import describe, footprint, read_headers
from tests.services.frames import frames_folder


def tan(ra=150.0, dec=20.0, scale=1e-4, width=2000, height=1000, **cards):
    """The header of an image in the tangent plane, east to the left; other cards as they are given."""
    header = {
        "SIMPLE": True,
        "NAXIS": 2,
        "NAXIS1": width,
        "NAXIS2": height,
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRPIX1": width / 2,
        "CRPIX2": height / 2,
        "CRVAL1": ra,
        "CRVAL2": dec,
        "CD1_1": -scale,
        "CD1_2": 0.0,
        "CD2_1": 0.0,
        "CD2_2": scale,
    }
    return header | cards


def without(header, *prefixes):
    return {keyword: value for keyword, value in header.items() if not keyword.startswith(prefixes)}


def retyped(header, kind, system=("RA--", "DEC-")):
    return header | {"CTYPE1": f"{system[0]}-{kind}", "CTYPE2": f"{system[1]}-{kind}"}


def world(header):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return WCS(fits.Header([(key, value) for key, value in header.items() if value is not None]))


def vectors(positions):
    ra, dec = np.radians(np.asarray(positions, dtype=float)).T
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def edge_pixels(width, height, steps):
    corners = np.array([(0.5, 0.5), (0.5, height + 0.5), (width + 0.5, height + 0.5), (width + 0.5, 0.5)])
    parts = np.linspace(0, 1, steps, endpoint=False)[:, None]
    return np.concatenate(
        [a + (b - a) * parts for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)]
    )


def true_edge(header, steps):
    return world(header).all_pix2world(edge_pixels(header["NAXIS1"], header["NAXIS2"], steps), 1)


def off_the_outline(outline, positions):
    """The greatest distance of positions from the nearest arc of an outline, in degrees."""
    corners, points = vectors(outline), vectors(positions)
    following = np.roll(corners, -1, axis=0)
    poles = np.cross(corners, following - corners)
    poles /= np.linalg.norm(poles, axis=1)[:, None]
    across = np.abs(points @ poles.T)
    middles = corners + following
    middles /= np.linalg.norm(middles, axis=1)[:, None]
    reach = np.linalg.norm(corners - middles, axis=1) * 1.001
    across[np.linalg.norm(points[:, None, :] - middles, axis=2) > reach] = np.inf
    return math.degrees(across.min(axis=1).max())


def apart(one, two):
    return np.degrees(np.linalg.norm(vectors(one) - vectors(two), axis=1))


ROTATED = {"CD1_1": -8e-5, "CD1_2": 6e-5, "CD2_1": 6e-5, "CD2_2": 8e-5}
SIP = {"A_ORDER": 3, "B_ORDER": 2, "A_2_0": 4e-6, "A_1_2": 2e-9, "B_2_0": -6e-6, "B_1_1": 3e-6, "AP_ORDER": 1}
TPV = {"PV1_0": 0.0, "PV1_1": 1.0, "PV1_4": 0.02, "PV1_7": 0.5, "PV2_1": 1.001, "PV2_5": -0.01, "PV2_10": 0.3}
NO_MATRIX = without(tan(), "CD")

SKIES = {
    "plain": tan(),
    "rotated": tan(**ROTATED),
    "mirrored": tan(CD1_1=1e-4),
    "one pixel": tan(width=1, height=1),
    "one row": tan(width=3000, height=1),
    "far from the reference": tan(CRPIX1=-9000.0, CRPIX2=12000.0),
    "no fourth of a matrix": without(tan(), "CD1_2", "CD2_1"),
    "RA 0": tan(ra=0.01),
    "RA 0 from the other side": tan(ra=359.99),
    "RA below 0": tan(ra=-20.0),
    "pole in a corner": tan(ra=10.0, dec=89.95),
    "pole in the middle": tan(ra=200.0, dec=90.0),
    "south pole": tan(ra=200.0, dec=-89.99, **ROTATED),
    "SIP": retyped(tan(**SIP), "TAN-SIP"),
    "SIP, rotated": retyped(tan(**SIP, **ROTATED), "TAN-SIP"),
    "SIP and SCAMP": retyped(tan(**SIP, **TPV), "TAN-SIP"),
    "SIP without saying so": tan(**SIP),
    "SIP of degree 1": retyped(tan(A_ORDER=1, B_ORDER=1, A_1_0=0.1), "TAN-SIP"),
    "TPV": retyped(tan(**TPV), "TPV"),
    "TPV and SIP": retyped(tan(**TPV, **SIP), "TPV"),
    "SCAMP's TAN": tan(**TPV),
    "SCAMP's TAN with SIP": tan(**TPV, **SIP),
    "PC and CDELT": NO_MATRIX
    | {"PC1_1": 0.8, "PC1_2": -0.6, "PC2_1": 0.6, "PC2_2": 0.8, "CDELT1": -1e-4, "CDELT2": 1e-4},
    "CDELT": NO_MATRIX | {"CDELT1": -1e-4, "CDELT2": 2e-4},
    "CROTA": NO_MATRIX | {"CDELT1": -1e-4, "CDELT2": 2e-4, "CROTA2": 30.0},
    "CD beside CDELT and CROTA": tan(CDELT1=1.0, CDELT2=1.0, CROTA2=77.0, **ROTATED),
    "units": tan(CUNIT1="deg", CUNIT2="deg"),
    "axes swapped": tan(CTYPE1="DEC--TAN", CTYPE2="RA---TAN", CRVAL1=20.0, CRVAL2=150.0),
    "LONPOLE": tan(LONPOLE=150.0),
    "cylindrical": retyped(tan(dec=0.0, ra=30.0, scale=0.01), "CAR"),
    "wide": tan(scale=0.02),
    "wide, distorted": retyped(tan(scale=0.02, **SIP), "TAN-SIP"),
    "wide, equal areas": retyped(tan(scale=0.02, dec=60.0), "ZEA"),
    "J2000": tan(RADESYS="FK5", EQUINOX=2000.0),
    "other cards of no use": tan(CD3_3=None, CTYPE1A="LINEAR", AP_1_0=None, MJD_OBS=None, EQUINOX="unknown"),
}


@pytest.mark.parametrize("header", SKIES.values(), ids=SKIES.keys())
def test_the_outline_follows_the_edges_of_the_pixels(header):
    outline = footprint(header)
    assert outline is not None
    assert all(0 <= ra < 360 and -90 <= dec <= 90 for ra, dec in outline)

    corners = true_edge(header, 1)
    longitude = world(header).wcs.lng
    corners, edge = (x[:, [longitude, 1 - longitude]] for x in (corners, true_edge(header, 40)))
    found = [int(np.argmin(apart(outline, [corner] * len(outline)))) for corner in corners]
    assert found == sorted(found)
    assert found[0] == 0
    assert apart([outline[k] for k in found], corners).max() < 1e-10

    sides = apart(edge, np.roll(edge, -1, axis=0)).reshape(4, 40).sum(axis=1)
    pixel = min(sides / ([header["NAXIS2"], header["NAXIS1"]] * 2))
    assert off_the_outline(outline, edge) < 1.05 * pixel
    assert 4 <= len(outline) <= 32


@pytest.mark.parametrize("name", ["plain", "rotated", "RA 0", "pole in the middle", "wide", "CROTA"])
def test_straight_edges_get_no_vertices_but_the_corners(name):
    assert len(footprint(SKIES[name])) == 4


@pytest.mark.parametrize("name", ["SIP", "TPV", "wide, distorted", "wide, equal areas"])
def test_bent_edges_get_more(name):
    assert len(footprint(SKIES[name])) > 4


def test_a_cylindrical_map_follows_its_parallels():
    header = retyped(tan(dec=0.0, ra=30.0, scale=0.03), "CAR")
    outline = footprint(header)
    top = [dec for _, dec in outline if dec > 14]
    assert len(top) == 9
    assert max(top) - min(top) < 1e-9


def test_a_third_coordinate_without_pixels_is_passed_over():
    third = {"WCSAXES": 3, "CTYPE3": "WAVE", "CRVAL3": None, "CRPIX3": 1.0, "CD3_3": 1.0, "PC3_1": 4.0}
    assert footprint(tan(**third)) == footprint(tan())


@pytest.mark.parametrize("units", [("arcsec", 3600), ("ARCMIN", 60), ("degree", 1), ("DEG", 1), ("", 1)])
def test_other_units_mean_the_same(units):
    name, factor = units
    cards = {key: tan()[key] * factor for key in ("CRVAL1", "CRVAL2", "CD1_1", "CD2_2")}
    found = footprint(tan(CUNIT1=name, CUNIT2=name, **cards))
    assert apart(found, footprint(tan())).max() < 1e-10


@pytest.mark.parametrize(
    ("cards", "frame"),
    [
        ({"RADESYS": "FK4", "EQUINOX": 1950.0}, {"frame": "fk4", "equinox": "B1950"}),
        ({"RADECSYS": "FK4", "EQUINOX": "B1950"}, {"frame": "fk4", "equinox": "B1950"}),
        ({"EQUINOX": 1950.0}, {"frame": "fk4", "equinox": "B1950"}),
        ({"RADESYS": "FK5", "EQUINOX": 2024.5}, {"frame": "fk5", "equinox": "J2024.5"}),
        ({"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"}, {"frame": "galactic"}),
        ({"RADESYS": "ICRS", "EQUINOX": 1950.0}, {"frame": "icrs"}),
        ({"RADESYS": "GAPPT"}, {"frame": "icrs"}),
        ({"RADESYS": None, "EQUINOX": None}, {"frame": "icrs"}),
    ],
)
def test_positions_are_icrs(cards, frame):
    corners = true_edge(tan(), 1)
    sky = SkyCoord(corners[:, 0], corners[:, 1], unit="deg", **frame).icrs
    assert apart(footprint(tan(**cards)), np.stack([sky.ra.deg, sky.dec.deg], axis=1)).max() < 1e-9


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"SIMPLE": True, "NAXIS": 0},
        without(tan(), "CTYPE"),
        without(tan(), "NAXIS1"),
        without(tan(), "CRVAL2"),
        without(tan(), "CRPIX1"),
        without(tan(), "CD"),
        without(tan(), "CD") | {"PC1_1": 1.0, "PC2_2": 1.0},
        without(tan(), "CD") | {"CDELT1": 1e-4},
        tan(NAXIS=1),
        tan(NAXIS=3, NAXIS3=1),
        tan(NAXIS=3, NAXIS3=40),
        tan(NAXIS1=0),
        tan(NAXIS1=True),
        tan(NAXIS1="2000"),
        tan(NAXIS2=-5),
        tan(NAXIS2=None),
        tan(XTENSION="BINTABLE"),
        tan(CTYPE1="LINEAR", CTYPE2="LINEAR"),
        tan(CTYPE1="WAVE", CTYPE2="DEC--TAN"),
        tan(CTYPE1=None),
        tan(CTYPE1=5, CTYPE2=7),
        tan(CTYPE2="RA---TAN"),
        tan(CTYPE2="DEC--CAR"),
        retyped(tan(), "XYZ"),
        retyped(tan(), "TAB"),
        tan(CTYPE1="HPLN-TAN", CTYPE2="HPLT-TAN"),
        tan(CRVAL1=None),
        tan(CRVAL1="150.0"),
        tan(CD1_2=None),
        tan(CRVAL2=91.0),
        tan(CD1_1=0.0, CD1_2=0.0),
        tan(CD1_1=0.0, CD2_2=0.0),
        tan(CD1_1=1e300),
        tan(CD1_1=-1e-30, CD2_2=1e-30),
        tan(CUNIT1="furlong"),
        tan(CUNIT1=None),
        retyped(tan(A_ORDER=2, A_2_0=1e-6), "TAN-SIP"),
        retyped(tan(A_ORDER=2, B_ORDER=50_000), "TAN-SIP"),
        retyped(tan(**SIP, A_0_2=None), "TAN-SIP"),
        retyped(tan(scale=0.18, ra=180.0, dec=0.0, width=2000), "CAR"),  # the whole sky
        retyped(
            tan(scale=0.18, ra=180.0, dec=0.0, width=1500, height=20), "CAR"
        ),  # a belt, more than half round
        retyped(tan(scale=0.18, width=2000), "AIT"),
        retyped(tan(scale=0.18, width=2000, height=2000), "SIN"),
        retyped(tan(scale=0.1, dec=90.0, width=2000, height=2000), "ZEA"),
    ],
)
def test_without_a_plain_piece_of_sky_there_is_no_outline(header):
    assert footprint(header) is None


@given(seed=st.integers(0, 10**9))
@settings(deadline=None, max_examples=60)
def test_no_header_makes_it_fail(seed):
    source = random.Random(seed)
    keywords = [
        *retyped(tan(**SIP, **TPV), "TPV"),
        "CDELT1",
        "PC1_1",
        "CROTA2",
        "LONPOLE",
        "RADESYS",
        "EQUINOX",
        "RADIUS",
    ]
    values = [
        None,
        True,
        "",
        "RA---CAR",
        "FK4",
        "GLON-AIT",
        0,
        -1,
        2,
        9,
        1e300,
        -1e300,
        1e-300,
        91.0,
        10**40,
        "1950",
    ]
    header = retyped(
        tan(), source.choice(["TAN", "TPV", "TAN-SIP", "CAR", "SIN", "AIT", "ZPN", "HPX", "COP", "SZP"])
    )
    header |= {source.choice(keywords): source.choice(values) for _ in range(source.randrange(5))}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outline = footprint(header)
    assert outline is None or all(0 <= ra < 360 and -90 <= dec <= 90 for ra, dec in outline)


# A radius about a position ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ra", "dec", "degrees"),
    [
        ("12:25:03.844", "+12:53:13.04", (186.26601666666667, 12.886955555555556)),
        ("12 25 03.844", "-12 53 13.04", (186.26601666666667, -12.886955555555556)),
        ("00:00:00", "-00:30:00", (0.0, -0.5)),
        ("12:30", "12:30", (187.5, 12.5)),
        (" 12.5 ", "-7.25", (187.5, -7.25)),
        (12.5, 60, (187.5, 60.0)),
        (24, 0, (0.0, 0.0)),
    ],
)
def test_a_radius_makes_a_square_about_a_position(ra, dec, degrees):
    outline = footprint({"RADIUS": 36.0, "RA": ra, "DEC": dec})
    across = 0.01 / math.cos(math.radians(degrees[1]))
    west, east, south, north = degrees[0] - across, degrees[0] + across, degrees[1] - 0.01, degrees[1] + 0.01
    expected = [(west, south), (west, north), (east, north), (east, south)]
    assert np.allclose(outline, [(ra % 360, dec) for ra, dec in expected], rtol=0, atol=1e-12)


def test_a_radius_goes_before_world_coordinates():
    assert footprint(tan(RADIUS=36.0, RA=1.0, DEC=0.0)) == footprint({"RADIUS": 36.0, "RA": 1.0, "DEC": 0.0})


def test_its_cards_may_have_other_names():
    header = {"RADIUS": 1.0, "RA": 2.0, "DEC": 3.0, "FIELD": 36.0, "CAT-RA": 1.0, "CAT-DEC": 0.0}
    expected = footprint({"RADIUS": 36.0, "RA": 1.0, "DEC": 0.0})
    assert footprint(header, radius="FIELD", ra="CAT-RA", dec="CAT-DEC") == expected


@pytest.mark.parametrize(
    "cards",
    [
        {"RADIUS": None},
        {"RADIUS": 0.0},
        {"RADIUS": -5.0},
        {"RADIUS": 324_000.0},
        {"RADIUS": "36"},
        {"RADIUS": True},
        {"RA": "N/A"},
        {"RA": None},
        {"RA": 186.4},
        {"RA": "25:00:00"},
        {"RA": "nan"},
        {"RA": "12:75:00"},
        {"DEC": 90.5},
        {"DEC": "UNKNOWN"},
        {"DEC": False},
    ],
)
def test_a_radius_that_cant_be_used_is_passed_over(cards):
    header = {"RADIUS": 36.0, "RA": 1.0, "DEC": 0.0} | cards
    assert footprint(header) is None
    assert footprint(tan() | header) == footprint(tan())


@pytest.mark.parametrize(
    ("dec", "radius"),
    [(90, 0.1), (-90, 5.0), (89.95, 0.1), (-89.5, 0.2), (85.0, 3.0), (0, 60.0), (45, 44.9), (10, 85.0)],
)
def test_near_a_pole_an_octagon_holds_the_circle(dec, radius):
    outline = footprint({"RADIUS": radius * 3600, "RA": 3.0, "DEC": dec})
    assert len(outline) == 8
    centre = SkyCoord(45.0, dec, unit="deg")
    corners = SkyCoord([ra for ra, _ in outline], [dec for _, dec in outline], unit="deg")
    reach = math.degrees(math.atan(math.tan(math.radians(radius)) / math.cos(math.pi / 8)))
    assert corners.separation(centre).deg == pytest.approx(reach, rel=1e-9)

    circle = centre.directional_offset_by(
        np.arange(0, 360, 7.5) * centre.ra.unit, 0.999 * radius * centre.ra.unit
    )
    sides = np.cross(vectors(outline), np.roll(vectors(outline), -1, axis=0)) @ circle.cartesian.xyz.value
    assert (sides < 0).all() or (sides > 0).all()


# Files -----------------------------------------------------------------------------------------


def test_real_frames_have_the_outline_that_astropy_gives():
    outlines = {}
    for path in sorted(frames_folder().glob("*.fits*")):
        header = describe(read_headers(path), ["PROPID", "DATE-OBS", "INSTRUME", "SITEID"])
        outlines[path.name] = outline = footprint(header)
        if "NAXIS3" in header:
            assert outline is None
        else:
            with warnings.catch_warnings(), fits.open(path) as hdus:
                warnings.simplefilter("ignore")
                expected = WCS(hdus[-1].header).all_pix2world(
                    edge_pixels(header["NAXIS1"], header["NAXIS2"], 1), 1
                )
            assert apart(outline, expected).max() < 1e-10
    assert sum(outline is not None for outline in outlines.values()) >= 3
    name = "coj1m011-kb05-20150219-0125-e90.fits"
    assert outlines[name] == outlines[f"{name}.fz"]


def test_a_small_file_takes_milliseconds():
    path = frames_folder() / "coj1m011-kb05-20150219-0125-e90.fits"
    durations = []
    for _ in range(12):
        started = time.perf_counter()
        assert footprint(describe(read_headers(path), ["SITEID"]))
        durations.append(time.perf_counter() - started)
    assert min(durations) < 0.010
