"""Every filter of the list of frames, in both spellings and in every form of its values (contract §2.1)."""

from typing import Any

import pytest
import pytest_asyncio

from tests.modules.archive.door import FRAMES, NOBODY, Door, assert_one_sentence_each
from tests.modules.archive.frames import version

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLAIN: dict[str, Any] = {
    "observation_date": "2025-03-01T00:00:00",
    "observation_day": "20250301",
    "public_date": "2025-04-01T00:00:00",
    "proposal_id": "PROP-1",
    "instrument_id": "fa16",
    "target_name": "M 31",
    "site_id": "cpt",
    "telescope_id": "1m0a",
    "primary_optical_element": "rp",
    "configuration_type": "EXPOSE",
    "exposure_time": 30.0,
    "reduction_level": 0,
    "observation_id": 1001,
    "request_id": 2001,
    "headers": {"SIMPLE": True, "USERID": "ada"},
}

CATALOGUE: dict[str, dict[str, Any]] = {
    "plain": {},
    "next-day": {"observation_date": "2025-03-02T12:30:45", "observation_day": "2025-03-02"},
    "later": {"observation_date": "2025-03-09T00:00:00.500000+02:00", "observation_day": "20250308"},
    "proposal": {"proposal_id": "prop-1"},
    "instrument": {"instrument_id": "sq33"},
    "site": {"site_id": "ogg"},
    "telescope": {"telescope_id": "0m4a"},
    "element": {"primary_optical_element": "B*100%_"},
    "bias": {"configuration_type": "BIAS"},
    "spectrum": {"configuration_type": "SPECTRUM"},
    "long": {"exposure_time": 600.5},
    "no-exposure": {"exposure_time": None},
    "reduced": {"reduction_level": 91},
    "observation": {"observation_id": 531},
    "no-ids": {"observation_id": None, "request_id": None},
    "request": {"request_id": 2**31 - 1},
    "embargoed": {"public_date": "2999-01-01T00:00:00.000001Z"},
    "never-public": {"public_date": None},
    "untargeted": {"target_name": ""},
    "greek": {"target_name": "Ω Centauri"},
    "accented": {"target_name": "Étoile d'Ébène"},
    "wild": {"target_name": r"100%_\x/[a-z]*"},
    "Name_With%25Odd\u00c9": {"headers": {"USERID": "Zoe"}},
}
EVERYTHING = frozenset(CATALOGUE)


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def filed(door: Door) -> None:
    for basename, changes in CATALOGUE.items():
        await door.file(basename, **{**PLAIN, **changes})
    await door.file("no-version", **PLAIN, version_set=[])
    await door.file("not-dated", **{**PLAIN, "observation_date": None})
    await door.file("names-another", **{**PLAIN, "site_id": "zzz"}, related_frame_filenames=["placeholder"])


def short(value: object) -> str | None:
    """Give the id of a parameter; a set has its elements in any order."""
    return str(value)[:40] if isinstance(value, str) else None


async def found(door: Door, query: str) -> frozenset[str]:
    names = await door.names(f"limit=1000&{query}")
    assert len(names) == len(set(names))
    return frozenset(names) - {"names-another"}


async def test_without_filters_everything_dated_with_a_version_is_listed(door: Door) -> None:
    names = await door.names("limit=1000")
    assert set(names) == EVERYTHING | {"names-another"}


DATED = EVERYTHING - {"next-day", "later"}
MIDNIGHT = [
    "2025-03-02",
    "2025-03-02T00:00",
    "2025-03-02 00:00",
    "2025-03-02 00:00:00",
    "2025-03-02%2000:00:00.0",
    "2025-03-02T00:00:00.000000",
    "2025-03-02T00:00:00Z",
    "2025-03-02T00:00:00%2B00:00",
    "2025-03-02 02:00:00%2B02:00",
    "2025-03-02 02:00:00+02:00",
    "2025-03-02T02:00:00.000+02:00",
    "2025-03-01T19:00-05:00",
    "03/02/2025",
    "03/02/2025 00:00",
    "03/02/2025 00:00:00",
    "20250302",
    "%20 2025-03-02 %20",
]


@pytest.mark.parametrize("text", MIDNIGHT)
async def test_start_takes_every_form_of_a_moment(door: Door, text: str) -> None:
    assert await found(door, f"start={text}") == {"next-day", "later"}


@pytest.mark.parametrize("text", MIDNIGHT)
async def test_end_takes_every_form_of_a_moment(door: Door, text: str) -> None:
    assert await found(door, f"end={text}") == DATED


EXACT: list[tuple[str, set[str] | frozenset[str]]] = [
    ("start=2025-03-02T12:30:45", {"next-day", "later"}),
    ("start=2025-03-02T12:30:45.000001", {"later"}),
    ("end=2025-03-02T12:30:45", EVERYTHING - {"later"}),
    ("end=2025-03-02T12:30:44.999999", DATED),
    ("start=2025-03-02&end=2025-03-03", {"next-day"}),
    ("start=2025-03-09&end=2025-03-01", set()),
    ("start=&end=2025-03-02", DATED),
    ("start=2025-03-02&end=", {"next-day", "later"}),
    ("start=03/02/2025&end=2025-03-03T00:00:00%2B01:00", {"next-day"}),
    ("start=2025-03-02T00:00:00Z&end=2025-03-03 00:00", {"next-day"}),
    ("start=0001-01-01&end=9999-12-31T23:59:59.999999Z", EVERYTHING),
    ("DATE_OBS=2025-03-08T22:00:00.500Z", {"later"}),
    ("DATE_OBS=2025-03-08 22:00:00.5", {"later"}),
    ("DATE_OBS=2025-03-08T22:00:00", set()),
    ("DAY_OBS=2025-03-02", {"next-day"}),
    ("dayobs=2025-03-02", {"next-day"}),
    ("dayobs=03/08/2025", {"later"}),
    ("DAY_OBS=20250308", {"later"}),
    ("L1PUBDAT=2999-01-01T00:00:00.000001", {"embargoed"}),
    ("L1PUBDAT=2999-01-01", set()),
]


@pytest.mark.parametrize(("query", "expected"), EXACT)
async def test_moments_and_days_are_exact(door: Door, query: str, expected: set[str]) -> None:
    assert await found(door, query) == expected


BAD_MOMENTS = [
    "yesterday", "2025-13-01", "2025-02-30", "2025-03-02T25:00", "13/01/2025", "2025", "1",
    "2025-03-02T00:00:00+25:00", "2025-03-02x00:00", "2025-03-02-05:00", "2025-03-02%2B05:00", "2025/03/02",
    "10000-01-01", "0001-01-01T00:00:00%2B01:00", "9999-12-31T23:59:59-01:00", "2025-03-02T00:00:00ZZ",
    "2025-W10-1", "NaN", "-1", "%00", "2025-03-02%00", "٢٠٢٥-٠٣-٠٢", "'", "{}", "9" * 400,
]  # fmt: skip


@pytest.mark.parametrize("parameter", ["start", "end", "DATE_OBS", "L1PUBDAT"])
async def test_a_bad_moment_is_named(door: Door, parameter: str) -> None:
    for text in BAD_MOMENTS:
        answer = await door.client.get(f"{FRAMES}?{parameter}={text}")
        said = "Null characters are not allowed." if "%00" in text else "Enter a valid date/time."
        assert (answer.status_code, answer.json()) == (400, {parameter: [said]}), text


@pytest.mark.parametrize("parameter", ["DAY_OBS", "dayobs"])
async def test_a_bad_day_is_named(door: Door, parameter: str) -> None:
    for text in ["today", "2025-02-29", "13/01/2025", "2025-3-2", "2025-03-02T00:00", "2025-W10-1", "1", "-"]:
        answer = await door.client.get(f"{FRAMES}?{parameter}={text}")
        assert (answer.status_code, answer.json()) == (400, {parameter: ["Enter a valid date."]}), text


TEXTS: list[tuple[tuple[str, ...], str, set[str] | frozenset[str]]] = [
    (("proposal_id", "PROPID"), "prop-1", {"proposal"}),
    (("proposal_id", "PROPID"), "PROP", set()),
    (("instrument_id", "INSTRUME"), "sq33", {"instrument"}),
    (("instrument_id", "INSTRUME"), "SQ33", set()),
    (("site_id", "SITEID"), "ogg", {"site"}),
    (("site_id", "SITEID"), "OGG", set()),
    (("site_id", "SITEID"), "%20ogg%20", {"site"}),
    (("telescope_id", "TELID"), "0m4a", {"telescope"}),
    (("telescope_id", "TELID"), "0m", set()),
    (("primary_optical_element", "FILTER"), "B*100%25_", {"element"}),
    (("primary_optical_element", "FILTER"), "B%25", set()),
    (("configuration_type", "OBSTYPE"), "BIAS", {"bias"}),
    (("configuration_type", "OBSTYPE"), "NO-SUCH-TYPE", set()),
    (("configuration_type", "OBSTYPE"), "bias", set()),
    (("basename",), "NEXT-DAY", {"next-day"}),
    (("basename",), "name_with%2525odd\u00e9", {"Name_With%25Odd\u00c9"}),
    (("basename",), "_", {"Name_With%25Odd\u00c9"}),
    (("basename",), "%25", {"Name_With%25Odd\u00c9"}),
    (("basename",), "h%2525o", {"Name_With%25Odd\u00c9"}),
    (("basename",), "x" * 60_000, set()),
    (("basename_exact",), "next-day", {"next-day"}),
    (("basename_exact",), "Next-Day", set()),
    (("basename_exact",), "next", set()),
    (("target_name",), "centauri", {"greek"}),
    (("target_name",), "Ω CEN", {"greek"}),
    (("target_name",), "o centauri", {"greek"}),
    (("target_name",), "ETOILE D'EBENE", {"accented"}),
    (("target_name",), "étoile", {"accented"}),
    (("target_name",), "%25_%5C", {"wild"}),
    (("target_name",), "[a-z]*", {"wild"}),
    (("target_name",), "[a-y]*", set()),
    (("target_name",), "x" * 60_000, set()),
    (("target_name_exact",), "Ω Centauri", {"greek"}),
    (("target_name_exact",), "Ω centauri", set()),
    (("target_name_exact",), "M 31", EVERYTHING - {"untargeted", "greek", "accented", "wild"}),
    (("target_name_exact",), "m 31", set()),
    (("OBJECT",), "ω CENTAURI", {"greek"}),
    (("OBJECT",), "O Centauri", set()),
    (("OBJECT",), "éBène", {"accented"}),
    (("OBJECT",), "ebene", set()),
    (("OBJECT",), "100%25_", {"wild"}),
    (("empty_target_name",), "true", {"untargeted"}),
    (("empty_target_name",), "false", {"untargeted"}),
    (("submitter",), "Zoe", {"Name_With%25Odd\u00c9"}),
    (("submitter",), "Zoë", {"Name_With%25Odd\u00c9"}),
    (("submitter",), "zoe", set()),
]


@pytest.mark.parametrize(("parameters", "text", "expected"), TEXTS, ids=short)
async def test_text_filters(door: Door, parameters: tuple[str, ...], text: str, expected: set[str]) -> None:
    for parameter in parameters:
        assert await found(door, f"{parameter}={text}") == expected, parameter


TEXT_PARAMETERS = [
    "basename", "basename_exact", "target_name", "target_name_exact", "OBJECT", "proposal_id", "PROPID",
    "instrument_id", "INSTRUME", "site_id", "SITEID", "telescope_id", "TELID", "primary_optical_element",
    "FILTER", "configuration_type", "OBSTYPE", "submitter",
]  # fmt: skip


async def test_nul_in_a_text_is_refused_by_name(door: Door) -> None:
    for parameter in TEXT_PARAMETERS:
        answer = await door.client.get(f"{FRAMES}?{parameter}=a%00b")
        assert answer.status_code == 400, parameter
        assert answer.json() == {parameter: ["Null characters are not allowed."]}


EMPTY_MEANS_NONE = [
    *TEXT_PARAMETERS, "start", "end", "DATE_OBS", "DAY_OBS", "dayobs", "L1PUBDAT", "empty_target_name",
    "exposure_time", "EXPTIME", "reduction_level", "RLEVEL", "observation_id", "BLKUID", "request_id",
    "REQNUM", "public", "exclude_calibrations", "ordering", "limit", "offset", "force_count",
    "include_related_frames", "include_thumbnails", "pagination_style", "cursor", "format",
]  # fmt: skip


async def test_an_empty_value_is_no_filter(door: Door) -> None:
    for parameter in EMPTY_MEANS_NONE:
        page = await door.page(f"{parameter}=")
        assert len(page["results"]) == len(EVERYTHING) + 1, parameter
    together = await door.page("&".join(f"{parameter}=" for parameter in EMPTY_MEANS_NONE))
    assert len(together["results"]) == len(EVERYTHING) + 1


async def test_of_a_repeated_parameter_the_last_value_counts(door: Door) -> None:
    assert await found(door, "site_id=nowhere&site_id=ogg") == {"site"}
    assert await found(door, "observation_id=nonsense&observation_id=531") == {"observation"}
    assert await found(door, "start=2025-03-09&start=") == EVERYTHING


async def test_filters_combine_with_and_also_the_two_spellings_of_one(door: Door) -> None:
    assert await found(door, "site_id=ogg&OBSTYPE=EXPOSE&RLEVEL=0") == {"site"}
    assert await found(door, "site_id=ogg&instrument_id=sq33") == set()
    assert await found(door, "site_id=ogg&SITEID=cpt") == set()


IGNORED = [
    "id=1", "observation_date=2025-03-02", "observation_day=x", "public_date=x", "created=x", "size=small",
    "site_id__in=ogg", "SITE_ID=ogg", "Site_id=ogg", "=", "&&&", "a=b=c",
]  # fmt: skip


async def test_unknown_parameters_and_columns_that_are_no_filters_are_ignored(door: Door) -> None:
    for query in IGNORED:
        assert await found(door, query) == EVERYTHING, query


NUMBERS: list[tuple[tuple[str, ...], str, set[str] | frozenset[str]]] = [
    (("exposure_time", "EXPTIME"), "30.1", {"long"}),
    (("exposure_time", "EXPTIME"), "600.5", {"long"}),
    (("exposure_time", "EXPTIME"), "6.005e2", {"long"}),
    (("exposure_time", "EXPTIME"), "600.51", set()),
    (("exposure_time", "EXPTIME"), "-1", EVERYTHING - {"no-exposure"}),
    (("exposure_time", "EXPTIME"), "1e999", set()),
    (("exposure_time", "EXPTIME"), "-1e999", EVERYTHING - {"no-exposure"}),
    (("reduction_level", "RLEVEL"), "91", {"reduced"}),
    (("reduction_level", "RLEVEL"), "0091", {"reduced"}),
    (("reduction_level", "RLEVEL"), "91.00", {"reduced"}),
    (("reduction_level", "RLEVEL"), "00", EVERYTHING - {"reduced"}),
    (("reduction_level", "RLEVEL"), "90.5", set()),
    (("reduction_level", "RLEVEL"), "-1", set()),
    (("reduction_level", "RLEVEL"), "32768", set()),
    (("reduction_level", "RLEVEL"), "1e999999999", set()),
    (("observation_id", "BLKUID"), "000531", {"observation"}),
    (("observation_id", "BLKUID"), "531.0", {"observation"}),
    (("observation_id", "BLKUID"), "%2B531", {"observation"}),
    (("observation_id", "BLKUID"), "5.31e2", {"observation"}),
    (("observation_id", "BLKUID"), "531.5", set()),
    (("observation_id", "BLKUID"), "9223372036854775808", set()),
    (("observation_id", "BLKUID"), "9" * 300, set()),
    (("request_id", "REQNUM"), "2147483647", {"request"}),
    (("request_id", "REQNUM"), "2147483648", set()),
    (("request_id", "REQNUM"), "1e-999999999", set()),
]


@pytest.mark.parametrize(("parameters", "text", "expected"), NUMBERS, ids=short)
async def test_number_filters(door: Door, parameters: tuple[str, ...], text: str, expected: set[str]) -> None:
    for parameter in parameters:
        assert await found(door, f"{parameter}={text}") == expected, parameter


NUMBER_PARAMETERS = ["exposure_time", "EXPTIME", "reduction_level", "RLEVEL", "observation_id", "BLKUID",
                     "request_id", "REQNUM"]  # fmt: skip


async def test_a_bad_number_is_named(door: Door) -> None:
    for parameter in NUMBER_PARAMETERS:
        for text in ["x", "1x", "0x10", "1,5", "NaN", "sNaN", "inf", "-Infinity", "--1", "1e", "{}", "true"]:
            answer = await door.client.get(f"{FRAMES}?{parameter}={text}")
            assert answer.status_code == 400, (parameter, text)
            assert answer.json() == {parameter: ["Enter a number."]}, text


CHOICES: list[tuple[str, set[str] | frozenset[str]]] = [
    ("include_configuration_type=BIAS", {"bias"}),
    ("include_configuration_type=BIAS&include_configuration_type=SPECTRUM", {"bias", "spectrum"}),
    ("include_configuration_type=DARK", set()),
    ("exclude_configuration_type=EXPOSE", {"bias", "spectrum"}),
    ("exclude_OBSTYPE=EXPOSE&exclude_OBSTYPE=BIAS", {"spectrum"}),
    ("exclude_configuration_type=EXPOSE&exclude_OBSTYPE=SPECTRUM", {"bias"}),
    ("include_configuration_type=BIAS&exclude_configuration_type=BIAS", set()),
    ("exclude_calibrations=true", EVERYTHING - {"bias"}),
    ("exclude_calibrations=True", EVERYTHING - {"bias"}),
    ("exclude_calibrations=TRUE", EVERYTHING - {"bias"}),
    ("exclude_calibrations=1", EVERYTHING - {"bias"}),
    ("exclude_calibrations=false", EVERYTHING),
    ("exclude_calibrations=0", EVERYTHING),
    ("exclude_calibrations=yes", EVERYTHING),
]


@pytest.mark.parametrize(("query", "expected"), CHOICES)
async def test_choices_and_booleans(door: Door, query: str, expected: set[str]) -> None:
    assert await found(door, query) == expected


@pytest.mark.parametrize(
    "parameter", ["include_configuration_type", "exclude_configuration_type", "exclude_OBSTYPE"]
)
async def test_a_choice_outside_the_list_is_named(door: Door, parameter: str) -> None:
    for text in ["NOPE", "", "bias", "BIAS,DARK", "BIAS "]:
        answer = await door.client.get(FRAMES, params=[(parameter, "BIAS"), (parameter, text)])
        said = f"Select a valid choice. {text} is not one of the available choices."
        assert (answer.status_code, answer.json()) == (400, {parameter: [said]}), text


async def test_every_bad_parameter_is_named_at_once(door: Door) -> None:
    answer = await door.client.get(f"{FRAMES}?start=x&observation_id=y&include_configuration_type=z&RLEVEL=1")
    assert answer.status_code == 400
    assert_one_sentence_each(answer.json())
    assert set(answer.json()) == {"start", "observation_id", "include_configuration_type"}


async def test_public_false_leaves_what_is_not_public_and_anonymous_with_nothing(door: Door) -> None:
    assert await found(door, "public=false") == {"embargoed", "never-public"}
    assert await found(door, "public=true") == EVERYTHING
    assert await found(door, "public=maybe") == EVERYTHING
    assert await door.names("public=false", NOBODY) == []
    assert await door.names("public=0", NOBODY) == []


async def test_public_false_gives_members_the_frames_of_their_projects(door: Door) -> None:
    member = await door.house.account("member-of-prop", projects=("prop-1", "unheard-of"))
    stranger = await door.house.account("member-of-nothing")
    assert await door.names("public=false", member) == ["proposal"]
    assert await door.names("public=false", stranger) == []
    assert set(await door.names("public=true&limit=1000", stranger)) == (
        EVERYTHING - {"embargoed", "never-public"} | {"names-another"}
    )


async def test_the_filters_hold_for_a_detail_too(door: Door) -> None:
    frame = (await door.page("basename_exact=site"))["results"][0]["id"]
    assert (await door.get(f"{FRAMES}{frame}/?site_id=ogg&start=2025-03-01")).status_code == 200
    for query in ["site_id=cpt", "public=false", "observation_id=1.5"]:
        answer = await door.get(f"{FRAMES}{frame}/?{query}")
        assert answer.status_code == 404
        assert answer.json() == {"detail": "No Frame matches the given query."}
    assert (await door.get(f"{FRAMES}{frame}/?start=nonsense")).status_code == 400


async def test_a_frame_in_a_list_has_its_keys_in_the_order_of_the_contract(door: Door) -> None:
    page = await door.page("basename_exact=later")
    assert list(page) == ["count", "next", "previous", "results", "count_estimated"]
    (frame,) = page["results"]
    versions = frame["version_set"]
    expected = {
        "id": frame["id"], "basename": "later", "observation_date": "2025-03-08T22:00:00.500000Z",
        "observation_day": "2025-03-08", "proposal_id": "PROP-1", "instrument_id": "fa16",
        "target_name": "M 31", "reduction_level": 0, "site_id": "cpt", "telescope_id": "1m0a",
        "exposure_time": 30.0, "primary_optical_element": "rp", "public_date": "2025-04-01T00:00:00Z",
        "configuration_type": "EXPOSE", "observation_id": 1001, "request_id": 2001, "version_set": versions,
        "url": versions[0]["url"], "filename": "later.fits",
        "DATE_OBS": "2025-03-08T22:00:00.500000Z", "DAY_OBS": "2025-03-08", "PROPID": "PROP-1",
        "INSTRUME": "fa16", "OBJECT": "M 31", "RLEVEL": 0, "SITEID": "cpt", "TELID": "1m0a", "EXPTIME": 30.0,
        "FILTER": "rp", "L1PUBDAT": "2025-04-01T00:00:00Z", "OBSTYPE": "EXPOSE", "BLKUID": 1001,
        "REQNUM": 2001,
        "area": {
            "type": "Polygon",
            "coordinates": [[[10.69, 41.26], [10.69, 41.27], [10.66, 41.27], [10.66, 41.26], [10.69, 41.26]]],
        },
        "related_frames": [],
    }  # fmt: skip
    assert frame == expected
    assert list(frame) == list(expected)
    assert list(versions[0]) == ["id", "key", "md5", "extension", "url", "created"]
    assert {name: versions[0][name] for name in ("key", "md5", "extension")} == version("later")


async def test_options_add_and_remove_keys(door: Door) -> None:
    for text, there in [("false", False), ("FALSE", False), ("true", True), ("no", True), ("0", True)]:
        (frame,) = (await door.page(f"basename_exact=plain&include_related_frames={text}"))["results"]
        assert ("related_frames" in frame) is there, text
    for text, there in [("true", True), ("TRUE", True), ("1", False), ("yes", False), ("false", False)]:
        (frame,) = (await door.page(f"basename_exact=plain&include_thumbnails={text}"))["results"]
        assert (frame.get("thumbnails") == []) is there, text
    (frame,) = (await door.page("basename_exact=plain&include_thumbnails=true"))["results"]
    keys = list(frame)
    assert keys[keys.index("filename") + 1] == "thumbnails"


async def test_what_a_web_client_sends_with_many_empty_parameters_works(door: Door) -> None:
    query = (
        "reduction_level=&proposal_id=&primary_optical_element=&site_id=ogg&telescope_id=&instrument_id="
        "&configuration_type=&basename=&target_name=&exposure_time=&start=2025-02-01 00:00"
        "&end=2025-03-10 00:00&id=&covers=&intersects=&observation_id=&request_id=&public=&ordering=-basename"
        "&limit=20&offset=0"
    )
    assert await door.names(query) == ["site"]
