"""Made-up frames."""

import io
import time

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from entrepot.lib.fits import FitsError, footprint, read_headers
from entrepot.lib.fits.starfield import star_field

CARDS = {
    "SITEID": "ogg",
    "OBJECT": "O'Neill's star",
    "EXPTIME": 30.0,
    "BLKUID": 42,
    "TINY": 1e-7,
    "DONE": True,
    "NOTHING": None,
}


def opened(data):
    with fits.open(io.BytesIO(data)) as hdus:
        hdus.verify("exception")
        return hdus[0].header, hdus[0].data


def test_the_cards_come_back(tmp_path):
    path = tmp_path / "field.fits"
    path.write_bytes(star_field(CARDS, seed=1, centre=(10.0, 20.0)))
    header = read_headers(path)[0]
    assert {key: header[key] for key in CARDS} == CARDS
    assert path.stat().st_size <= 150_000
    theirs, data = opened(path.read_bytes())
    assert theirs["OBJECT"] == CARDS["OBJECT"]
    assert (data.shape, data.dtype) == ((256, 256), np.dtype("u2"))


@pytest.mark.parametrize(
    ("ra", "dec"), [(0.0, 0.0), (359.999, 45.0), (123.4, 89.99), (-10.0, -90.0), (370.0, 5.0)]
)
def test_the_world_coordinates_are_those_asked_for(ra, dec):
    header, _ = opened(star_field({}, seed=1, centre=(ra, dec), scale=2.0, rotation=90.0, shape=(20, 30)))
    world = WCS(header)
    assert (
        world.pixel_to_world(14.5, 9.5)
        .separation(type(world.pixel_to_world(0, 0))(ra, dec, unit="deg"))
        .arcsec
        < 1e-6
    )
    assert abs(world.proj_plane_pixel_scales()[0].to_value("arcsec") - 2.0) < 1e-9
    assert footprint(dict(header)) is not None


def test_up_points_along_the_rotation():
    header, _ = opened(star_field({}, seed=1, centre=(50.0, 10.0), rotation=30.0))
    world = WCS(header)
    middle, above = world.pixel_to_world(127.5, 127.5), world.pixel_to_world(127.5, 137.5)
    assert middle.position_angle(above).deg == pytest.approx(30.0, abs=1e-3)
    east = world.pixel_to_world(117.5, 127.5)
    assert middle.position_angle(east).deg == pytest.approx(120.0, abs=1e-3)


def test_the_same_seed_gives_the_same_bytes():
    one, same, other = (star_field(CARDS, seed=seed, centre=(1.0, 2.0)) for seed in (5, 5, 6))
    assert one == same
    assert one != other


def test_stars_stand_out_of_the_noise():
    _, data = opened(star_field({}, seed=3, centre=(1.0, 2.0), stars=150))
    noise = np.sqrt(150 + 8**2)
    assert np.median(data) == pytest.approx(1150, abs=10)
    bright = data > 1150 + 8 * noise
    assert 100 < bright.sum() < 6_000
    assert data.max() > 3_000


@pytest.mark.parametrize(
    ("kind", "median", "spread"),
    [({"sky": 0.0}, 1000, 8.0), ({"sky": 12.0}, 1012, 8.72), ({"sky": 30_000.0}, 31_000, 173.4)],
    ids=["bias", "dark", "flat"],
)
def test_calibrations_have_neither_stars_nor_a_position(kind, median, spread):
    header, data = opened(star_field({"OBSTYPE": "BIAS"}, seed=2, stars=0, **kind))
    assert "CTYPE1" not in header
    assert footprint(dict(header)) is None
    assert np.median(data) == pytest.approx(median, abs=3)
    assert data.std() == pytest.approx(spread, rel=0.05)


def test_a_flat_is_darker_in_the_corners():
    _, data = opened(star_field({}, seed=2, stars=0, sky=30_000.0, vignetting=0.2))
    assert data[:8, :8].mean() == pytest.approx(1000 + 0.8 * 30_000, rel=0.02)
    assert data[124:132, 124:132].mean() == pytest.approx(31_000, rel=0.02)


def test_counts_end_at_16_bits():
    _, data = opened(star_field({}, seed=2, stars=0, sky=90_000.0, shape=(3, 5)))
    assert data.tolist() == [[65535] * 5] * 3


@pytest.mark.parametrize(
    ("cards", "options", "says"),
    [
        ({"NAXIS1": 5}, {}, "makes these cards itself: NAXIS1"),
        ({"CTYPE1": "x"}, {"centre": (1.0, 2.0)}, "CTYPE1"),
        ({"toolongkey": 5}, {}, "FITS keyword"),
        ({"lower": 5}, {}, "FITS keyword"),
        ({"": 5}, {}, "FITS keyword"),
        ({"TEXT": "x" * 69}, {}, "TEXT needs up to 68"),
        ({"TEXT": "Ω"}, {}, "TEXT needs up to 68 printable ASCII"),
        ({"TEXT": "a\nb"}, {}, "printable"),
        ({"BAD": float("nan")}, {}, "finite"),
        ({}, {"shape": (0, 5)}, "at least one row"),
        ({}, {"stars": -1}, "at least one row"),
        ({}, {"scale": 0.0}, "scale"),
        ({}, {"centre": (0.0, 91.0)}, "Dec from -90 to 90"),
        ({}, {"centre": (float("nan"), 0.0)}, "Dec from -90 to 90"),
    ],
)
def test_what_makes_no_frame_is_refused(cards, options, says):
    with pytest.raises(FitsError, match=says):
        star_field(cards, seed=1, **options)


def test_a_position_isnt_taken_from_cards_of_a_frame_without_one():
    header, _ = opened(star_field({"CTYPE1": "LINEAR"}, seed=1, shape=(4, 4)))
    assert header["CTYPE1"] == "LINEAR"


def test_a_frame_takes_milliseconds():
    durations = []
    for seed in range(12):
        started = time.perf_counter()
        star_field(CARDS, seed=seed, centre=(10.0, 20.0))
        durations.append(time.perf_counter() - started)
    assert min(durations) < 0.015
