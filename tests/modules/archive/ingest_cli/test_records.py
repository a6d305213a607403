"""What is read from headers and a name, by the contract's rules."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from entrepot.kernel.errors import InvalidInput, SettingsError
from entrepot.kernel.settings import load_settings
from entrepot.lib.fits import Card, FitsError
from entrepot.modules.archive.posted import read_frame
from entrepot.modules.archive.service.records import Rules, record_of, rules_of
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


def _mapped(cards: dict[str, Card], name: str = NAME, **changes: Any) -> dict[str, Any]:
    return record_of([cards], name, ".fits", rules_of(ArchiveSettings(**changes), {}))


@pytest.mark.parametrize(
    ("key", "field", "value"),
    [
        ("proposal_id_key", "proposal_id", "P-2"),
        ("observation_date_key", "observation_date", "2026-01-02T03:04:05"),
        ("observation_day_key", "observation_day", "20260102"),
        ("instrument_id_key", "instrument_id", "zz01"),
        ("site_id_key", "site_id", "zzz"),
        ("telescope_id_key", "telescope_id", "9m9z"),
        ("configuration_type_key", "configuration_type", "GUIDE"),
        ("observation_id_key", "observation_id", 42),
        ("request_id_key", "request_id", 43),
        ("reduction_level_key", "reduction_level", 44),
        ("exposure_time_key", "exposure_time", 4.5),
        ("primary_optical_element_key", "primary_optical_element", "zs"),
        ("target_name_key", "target_name", "M 33"),
        ("public_date_key", "public_date", "2026-02-02T00:00:00"),
    ],
)
def test_other_cards_can_be_mapped(key: str, field: str, value: Card) -> None:
    own = ArchiveSettings().model_dump()[key][0]
    cards = {name: card for name, card in CARDS.items() if name != own} | {"OTHER": value}
    assert _mapped(cards, **{key: "OTHER"})[field] == value
    assert _mapped(cards, **{key: f"{own}, THIRD, OTHER"})[field] == value
    before = _mapped(CARDS | {"OTHER": value}, **{key: f"{own},OTHER"})
    assert (before[field] == value) is (own not in CARDS)


def test_the_rest_of_the_mapping() -> None:
    assert _mapped(CARDS | {"MADEOF": "a.fits"}, related_frame_keys="MADEOF")["related_frame_filenames"] == [
        "a"
    ]
    catalog = _mapped(CARDS, "x_cat", catalog_target_frame_key="OF", related_frame_keys="OF")
    assert (catalog["headers"]["OF"], catalog["related_frame_filenames"]) == ("x", ["x"])
    cards = CARDS | {
        "OBJECT": "none of it",
        "BLKUID": "none of it",
        "SECRET": 1,
        "GROUP": "NONE",
        "CONF": "NONE",
    }
    record = _mapped(
        cards,
        null_header_values="None of it",
        header_blacklist="SECRET",
        requestgroup_id_key="GROUP",
        configuration_id_key="CONF",
    )
    assert record["target_name"] == ""
    assert record["observation_id"] is None
    assert "SECRET" not in record["headers"]
    assert record["headers"]["GROUP"] is record["headers"]["CONF"] is None
    placed = CARDS | {"SIZE": 36.0, "ALPHA": "01:00:00", "DELTA": "10:00:00"}
    assert _mapped(placed)["area"] is None
    assert _mapped(placed, radius_key="SIZE", ra_key="ALPHA", dec_key="DELTA")["area"] is not None


def test_other_cards_can_be_required() -> None:
    cards = {name: card for name, card in CARDS.items() if name not in ("PROPID", "BLKUID", "TELID")}
    with pytest.raises(FitsError, match="lacks TELID, PROPID"):
        _mapped(cards, required_headers="INSTRUME, TELID, PROPID")
    record = _mapped(cards, required_headers="INSTRUME")
    assert (record["proposal_id"], record["observation_id"], record["telescope_id"]) == ("", None, "")
    for lacking in ("DATE-OBS", "OBSTYPE"):
        with pytest.raises(FitsError, match=f"{lacking} has no value"):
            _mapped(
                {name: card for name, card in CARDS.items() if name != lacking},
                "x",
                required_headers="INSTRUME",
            )


@pytest.mark.parametrize(
    "setting",
    [
        {"site_id_key": ","},
        {"site_id_key": "SI\x07TE"},
        {"related_frame_keys": "x" * 81},
        {"file_classes": ".fits"},
        {"file_classes": "fits=fits"},
        {"file_classes": ".=fits"},
        {"file_classes": ".a/b=fits"},
        {"file_classes": ".x=FITS"},
        {"file_classes": ".x=picture"},
        {"file_classes": ".x=fits,.x=tar"},
        {"file_classes": f".{'x' * 20}=fits"},
    ],
)
def test_a_bad_setting_is_told_in_one_sentence(setting: dict[str, str]) -> None:
    [(name, value)] = setting.items()
    variable = f"ENTREPOT_ARCHIVE_{name.upper()}"
    with pytest.raises(SettingsError) as refused:
        load_settings({"archive": ArchiveSettings}, {variable: value})
    said = str(refused.value)
    assert said.startswith(f"{variable} is not right: ")
    assert said.endswith(".")
    assert said.isprintable()
    assert len(said) < 400


def test_the_rules_go_to_the_children_as_json() -> None:
    settings = ArchiveSettings(file_classes=".h5=described, .gif=refused", site_id_key="A,B")
    rules = rules_of(settings, {"OBJECT": "given"})
    assert rules_of(ArchiveSettings(), {}) == Rules(**_kept(rules_of(ArchiveSettings(), {})))
    again = Rules(**json.loads(json.dumps(asdict(rules))))
    assert json.dumps(asdict(again)) == json.dumps(asdict(rules))
    assert "B" in str(again.alternatives)
    assert again.classes[".h5"] == "described"
    assert ".gif" not in again.classes


def _kept(rules: Rules) -> dict[str, Any]:
    """What a facility that sets nothing has, of which only four are in the settings alone."""
    names = ("calibration_types", "public_proposals", "private_proposals", "private_name_parts")
    return {name: getattr(rules, name) for name in names}


def test_a_square_about_a_position_is_a_footprint_too() -> None:
    record = _record(RADIUS=36.0, RA="01:00:00", DEC="10:00:00")
    ring = record["area"]["coordinates"][0]
    assert len(ring) == 5
    assert all(abs(dec - 10.0) == pytest.approx(0.01) for _, dec in ring)
    assert _record()["area"] is None


@pytest.mark.parametrize(
    "cards",
    [
        {f"K{number:06d}": "x" * 60 for number in range(20_000)},
        {"HISTORY": "", "LONG": "x" * (1 << 20)},
        {"LONG": '"' * (1 << 19)},
    ],
    ids=["many", "long", "quotes"],
)
def test_cards_that_would_hold_up_the_server_are_refused(cards: dict[str, Card]) -> None:
    assert _record(LONG="x" * 900_000)["headers"]["LONG"]
    with pytest.raises(FitsError, match="more than 1,048,576 characters"):
        _record(**cards)


@pytest.mark.parametrize("card", [{"OBJECT": True}, {"EXPTIME": "long"}, {"L1PUBDAT": "soon"}])
def test_a_bad_value_is_named_when_the_record_is_checked(card: dict[str, Card]) -> None:
    with pytest.raises(InvalidInput):
        read_frame(_record(**card), ArchiveSettings())
