"""What is read from headers and a name, by the contract's rules."""

import json
from typing import Any

import pytest

from entrepot.kernel.errors import InvalidInput
from entrepot.lib.fits import Card, FitsError
from entrepot.modules.archive.posted import read_frame
from entrepot.modules.archive.service.records import Rules, record_of, rules_of, split_name
from entrepot.modules.archive.settings import ArchiveSettings
from tests.modules.archive.ingest_cli.holdings import CARDS

NAME = "ogg0m404-sq33-20250304-0001-e00"


def _record(
    name: str = NAME, extension: str = ".fits", given: dict[str, Card] | None = None, **cards: Card
) -> dict[str, Any]:
    changed = {key.replace("_", "-"): value for key, value in cards.items()}
    rules = rules_of(ArchiveSettings(), given or {})
    return record_of([CARDS | changed], name, extension, rules)


def _without(*keywords: str, name: str = NAME, extension: str = ".fits") -> dict[str, Any]:
    cards = {key: value for key, value in CARDS.items() if key not in keywords}
    return record_of([cards], name, extension, rules_of(ArchiveSettings(), {}))


def test_a_record_is_what_a_client_posts() -> None:
    record = _record()
    md5 = "0" * 32
    version = {"key": md5, "md5": md5, "extension": ".fits"}
    posted = read_frame(json.loads(json.dumps(record)) | {"version_set": [version]}, ArchiveSettings())
    assert posted.basename == NAME
    assert posted.values["request_id"] == 777


@pytest.mark.parametrize(
    ("name", "parts"),
    [("a.fits", ("a", ".fits")), ("a-b_c.fits.fz", ("a-b_c", ".fits.fz"))],
)
def test_names(name: str, parts: tuple[str, str]) -> None:
    assert split_name(name) == parts


@pytest.mark.parametrize("name", [".fits", "a.b.fits", "a", "a.FITS", "a.fits.gz", "a.pdf", "a.fits.", ""])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(FitsError):
        split_name(name)


@pytest.mark.parametrize(
    "keyword", ["PROPID", "DATE-OBS", "INSTRUME", "SITEID", "TELID", "OBSTYPE", "BLKUID"]
)
def test_required_cards(keyword: str) -> None:
    with pytest.raises(FitsError, match=keyword):
        _without(keyword)


@pytest.mark.parametrize(
    ("date", "day"),
    [("2025-03-04T05:06:07", "20250304"), ("2025-03-04 05:06:07", "20250304"), ("2025-03-04", "20250304")],
)
def test_the_day_is_that_of_the_date_where_it_is_missing(date: str, day: str) -> None:
    assert _record(DATE_OBS=date, DAY_OBS="N/A")["observation_day"] == day
    assert _without("DAY-OBS")["observation_day"] == "20250304"


@pytest.mark.parametrize("null", ["N/A", "UNSPECIFIED", "UNKNOWN", " UNKNOWN "])
def test_what_says_that_there_is_no_value(null: str) -> None:
    record = _record(OBJECT=null, BLKUID=null, REQNUM=null, EXPTIME=null, TRACKNUM=null, NOTES=null)
    assert record["target_name"] == ""
    assert record["observation_id"] is None
    assert record["request_id"] is None
    assert record["exposure_time"] is None
    assert record["headers"]["TRACKNUM"] is None
    assert record["headers"]["NOTES"] == ""


@pytest.mark.parametrize(
    ("value", "number"), [("NONE", None), ("00None1", None), ("0000296263", "0000296263")]
)
def test_numbers_that_contain_none(value: str, number: str | None) -> None:
    record = _record(BLKUID=value, MOLUID="NONE", OBJECT="NONE")
    assert record["observation_id"] == number
    assert record["headers"]["MOLUID"] is None
    assert record["target_name"] == "NONE"


def test_commentary_is_left_out() -> None:
    headers = _record(HISTORY="x", COMMENT="y")["headers"]
    assert headers.keys().isdisjoint({"HISTORY", "COMMENT", ""})


@pytest.mark.parametrize(
    ("value", "related"),
    [
        ("bias", ["bias"]),
        ("bias.fits", ["bias"]),
        ("bias.fits.fz", ["bias"]),
        ("/data/bias.tar.gz", ["bias"]),
        ("N/A", []),
        ("UNKNOWN", []),
        ("NONE", []),
        ("", []),
        (".fits", []),
        (None, []),
    ],
)
@pytest.mark.parametrize("keyword", ["L1IDBIAS", "TARFILE", "GUIDETAR"])
def test_related_frames(keyword: str, value: Card, related: list[str]) -> None:
    record = _record(**{keyword: value})
    assert record["related_frame_filenames"] == related


def test_a_catalog_belongs_to_its_frame() -> None:
    record = _record(name=f"{NAME[:-3]}e91_cat")
    assert record["configuration_type"] == "CATALOG"
    assert record["related_frame_filenames"] == [f"{NAME[:-3]}e91"]
    assert _record(name="x_cat", L1IDCAT="y.fits")["related_frame_filenames"] == ["y"]


@pytest.mark.parametrize("extension", [".fits", ".fits.fz"])
@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("a-b-c-d-e91", 91),
        ("a-b-c-d-e00", 0),
        ("a-b-c-d-e10_cat", 10),
        ("plain", 0),
        ("x9", 0),
        ("a-b-c-d-e٣٤", 0),
    ],
)
def test_the_level_is_in_the_name_where_it_is_missing(name: str, extension: str, level: int) -> None:
    assert _without("RLEVEL", name=name, extension=extension)["reduction_level"] == level
    assert _record(name=name, extension=extension, RLEVEL=41)["reduction_level"] == 41


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ogg-sq33-20250304-0001-e00", "EXPOSE"),
        ("ogg-en12-20250304-0001-e00", "SPECTRUM"),
        ("ogg-sq33-20250304-0001-b00", "BIAS"),
        ("ogg-sq33-20250304-0001-d00", "DARK"),
        ("ogg-sq33-20250304-0001-f00", "SKYFLAT"),
        ("ogg-sq33-20250304-0001-g00", "GUIDE"),
        ("ogg-sq33-20250304-0001-s00", "STANDARD"),
        ("ogg-sq33-20250304-0001-w00", "LAMPFLAT"),
        ("ogg-sq33-20250304-0001-x00", "EXPERIMENTAL"),
        ("ogg-sq33-20250304-0001-a00", "ARC"),
        ("ogg-sq33-20250304-bias-bin1x1", "BIAS"),
        ("ogg-sq33-20250304-bpm-bin1x1", "BPM"),
        ("trace-sq33", "TRACE"),
        ("arc-sq33", "ARC"),
    ],
)
def test_an_unknown_type_is_told_by_the_name(name: str, kind: str) -> None:
    assert _record(name=name, OBSTYPE="UNKNOWN")["configuration_type"] == kind
    assert _record(name=name, OBSTYPE="GUIDE")["configuration_type"] == "GUIDE"


def test_types_of_the_echelle_spectrographs() -> None:
    assert _record(OBSTYPE="N/A", ENCID="igla")["configuration_type"] == "TARGET"
    name = f"{NAME[:-3]}a00"
    assert _record(name=name, OBSTYPE="N/A", TELID="igla")["configuration_type"] == "DOUBLE"


@pytest.mark.parametrize("name", ["plain", "a-b-c-d", "a-b-c-d-q00", "a-b-c-d-"])
def test_a_type_that_nothing_tells(name: str) -> None:
    with pytest.raises(FitsError, match="OBSTYPE"):
        _record(name=name, OBSTYPE="UNKNOWN")


@pytest.mark.parametrize(
    ("cards", "name", "public"),
    [
        ({}, NAME, "2026-03-04T05:06:07.890000"),
        ({"OBSTYPE": "DARK", "PROPID": "LCOEngineering"}, NAME, "2025-03-04T05:06:07.890"),
        ({"PROPID": "2025calib-1"}, NAME, "2025-03-04T05:06:07.890"),
        ({"PROPID": "LCOEngineering-2"}, NAME, "3023-07-06T05:06:07.890000"),
        ({}, f"{NAME[:-3]}x00", "3023-07-06T05:06:07.890000"),
        ({"L1PUBDAT": "2025-05-05T00:00:00"}, NAME, "2025-05-05T00:00:00"),
        ({"L1PUBDAT": "N/A", "OBSTYPE": "BIAS"}, NAME, "2025-03-04T05:06:07.890"),
        ({"DATE-OBS": "9999-12-31T00:00:00"}, NAME, None),
    ],
)
def test_public_dates(cards: dict[str, Card], name: str, public: str | None) -> None:
    record = record_of([CARDS | cards], name, ".fits", rules_of(ArchiveSettings(), {}))
    assert record["public_date"] == public


def test_a_facility_sets_who_sees_what_when() -> None:
    settings = ArchiveSettings(
        days_until_public=10,
        calibration_types=("GUIDE",),
        public_proposals=("OPEN",),
        private_proposals=("SHUT",),
        private_name_parts=("-0001-",),
    )

    def public(name: str = "x", **cards: Card) -> str:
        date = record_of([CARDS | cards], name, ".fits", rules_of(settings, {}))["public_date"]
        return str(date)[:10]

    assert public() == "2025-03-14"
    assert public(OBSTYPE="BIAS") == "2025-03-14"
    assert public(OBSTYPE="GUIDE") == "2025-03-04"
    assert public(PROPID="OPEN-1") == "2025-03-04"
    assert public(PROPID="SHUT-1") == public(name=NAME) == "3023-07-06"


def test_given_cards_go_over_those_of_every_hdu() -> None:
    rules = rules_of(ArchiveSettings(), {"PROPID": "GIVEN", "OBSTYPE": "DARK"})
    record = record_of([{"SIMPLE": True}, {**CARDS, "EXTNAME": "SCI"}], NAME, ".fits", rules)
    assert record["proposal_id"] == "GIVEN"
    assert record["configuration_type"] == "DARK"
    assert record["headers"]["EXTNAME"] == "SCI"
    assert record["headers"]["PROPID"] == "GIVEN"


def test_other_cards_can_be_mapped() -> None:
    keywords = dict(Rules().keywords) | {"target_name": "TARGET", "site_id": "SITE"}
    record = record_of([{**CARDS, "TARGET": "M 33", "SITE": "lsc"}], NAME, ".fits", Rules(keywords=keywords))
    assert (record["target_name"], record["site_id"]) == ("M 33", "lsc")


def test_a_square_about_a_position_is_a_footprint_too() -> None:
    record = _record(RADIUS=36.0, RA="01:00:00", DEC="10:00:00")
    ring = record["area"]["coordinates"][0]
    assert len(ring) == 5
    assert all(abs(dec - 10.0) == pytest.approx(0.01) for _, dec in ring)
    assert _record()["area"] is None


@pytest.mark.parametrize("card", [{"OBJECT": True}, {"EXPTIME": "long"}, {"L1PUBDAT": "soon"}])
def test_a_bad_value_is_named_when_the_record_is_checked(card: dict[str, Card]) -> None:
    with pytest.raises(InvalidInput):
        read_frame(_record(**card), ArchiveSettings())
