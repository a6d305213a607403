"""Which header describes a frame, and where its sky comes from."""

import pytest

from entrepot.lib.fits import FitsError, describe, footprint

SKY = {
    "XTENSION": "IMAGE",
    "NAXIS": 2,
    "NAXIS1": 100,
    "NAXIS2": 50,
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRPIX1": 50.0,
    "CRPIX2": 25.0,
    "CRVAL1": 10.0,
    "CRVAL2": 20.0,
    "CD1_1": -1e-4,
    "CD2_2": 1e-4,
}
PRIMARY = {"SIMPLE": True, "NAXIS": 0, "SITEID": "ogg", "OBJECT": "M 31"}


def test_the_first_hdu_with_all_cards_wins():
    headers = [{"A": 1}, {"A": 2, "B": 2}, {"A": 3, "B": 3}]
    assert describe(headers, ["A", "B"]) == {"A": 2, "B": 2}


def test_a_card_without_a_value_is_there():
    assert describe([{"A": None}], ["A"]) == {"A": None}


def test_without_required_cards_it_is_the_first():
    assert describe([{"X": 1}, {"A": 2}], []) == {"X": 1}


def test_the_missing_cards_of_the_best_hdu_are_named():
    with pytest.raises(FitsError, match=r"^No HDU has all the required cards: HDU 1 lacks B, C\.$"):
        describe([{"X": 1}, {"A": 1}, {"D": 1}], ["A", "B", "C"])


def test_no_hdus_at_all():
    with pytest.raises(FitsError, match="no HDU"):
        describe([], ["A"])


def test_the_sky_of_the_first_detector_is_that_of_the_frame():
    second = {**SKY, "CRVAL1": 11.0, "EXTNAME": "CCD2"}
    headers = [PRIMARY, {**SKY, "EXTNAME": "CCD1", "OBJECT": "x"}, second]
    description = describe(headers, ["SITEID"])
    assert description == {**PRIMARY, **SKY}
    assert footprint(description) == footprint(SKY)
    assert headers[0] == PRIMARY


def test_a_chosen_hdu_with_a_sky_of_its_own_keeps_it():
    own = {**SKY, "CRVAL1": 99.0, "SITEID": "ogg"}
    assert describe([{"NAXIS": 0}, SKY, own], ["SITEID"]) == own


@pytest.mark.parametrize(
    "other",
    [
        {**SKY, "XTENSION": "BINTABLE"},
        {**SKY, "NAXIS": 3, "NAXIS3": 5},
        {**SKY, "CTYPE1": "LINEAR"},
        {**SKY, "CTYPE2": None},
        {**SKY, "NAXIS1": 0},
        {key: value for key, value in SKY.items() if key != "CTYPE1"},
    ],
)
def test_an_hdu_that_shows_no_sky_lends_none(other):
    assert describe([PRIMARY, other], ["SITEID"]) == PRIMARY
    assert footprint(describe([PRIMARY, other, SKY], ["SITEID"])) == footprint(SKY)


def test_the_old_geometry_goes_when_another_comes():
    chosen = {
        "NAXIS": 3,
        "NAXIS1": 4,
        "NAXIS2": 5,
        "NAXIS3": 6,
        "CRPIX3": 1.0,
        "CTYPE1": "WAVE",
        "SITEID": "ogg",
    }
    assert describe([chosen, SKY], ["SITEID"]) == {"SITEID": "ogg", **SKY}
