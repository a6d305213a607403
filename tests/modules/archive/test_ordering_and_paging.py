"""The order of lists, both styles of paging, and counts that are honest (contract §2.1)."""

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import pytest_asyncio

from tests.modules.archive.door import FRAMES, NOBODY, VERSIONS, Door, names
from tests.services.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

COUNT = 37
SITE = "site_id=pag"
Row = dict[str, Any]


def _frame(number: int) -> Row:
    """Give a frame that ties with others in every column, and has no value in some."""
    return {
        "site_id": "pag",
        "observation_date": f"2025-03-{1 + number // 9:02}T00:00:00.{number // 3 % 2}",
        "observation_day": "20250301",
        "primary_optical_element": ("", "rp", "R", "\u00df", "\U0001f52d", "\ufb01")[number % 6],
        "configuration_type": ("EXPOSE", "BIAS", "DARK")[number % 3],
        "proposal_id": ("b", "B", "a", "")[number % 4],
        "instrument_id": ("fa16", "fa1", "FA2")[number // 2 % 3],
        "target_name": ("m31", "M 31", "", "Ω")[number // 3 % 4],
        "reduction_level": (0, 91, -1)[number % 3],
        "exposure_time": (None, 0.0, 30.5, -1.0, 1e308)[number % 5],
        "public_date": "2025-03-01",
        "observation_id": number,
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def filed(door: Door) -> list[Row]:
    for number in range(COUNT):
        await door.file(f"{number * 7 % COUNT:02}{'aAzZ'[number % 4]}-frame", **_frame(number))
    rows = (await door.page(f"{SITE}&limit=1000"))["results"]
    assert len(rows) == COUNT
    return rows


def in_order(rows: list[Row], ordering: str) -> list[str]:
    """Sort as the contract has it: text by code point, no value as the largest, ids break ties."""
    parts = [part for part in ordering.split(",") if part] or ["-observation_date"]
    found = sorted(rows, key=lambda row: row["id"], reverse=parts[-1].startswith("-"))
    for part in reversed(parts):
        found.sort(key=sort_key(part.removeprefix("-")), reverse=part.startswith("-"))
    return names({"results": found})


def sort_key(column: str) -> Callable[[Row], Any]:
    def key(row: Row) -> Any:
        value = row[column]
        if column == "observation_date":
            return datetime.fromisoformat(value)
        return math.inf if value is None else value

    return key


COLUMNS = (
    "id", "basename", "observation_date", "primary_optical_element", "configuration_type", "proposal_id",
    "instrument_id", "target_name", "reduction_level", "exposure_time",
)  # fmt: skip
ORDERINGS = [
    *COLUMNS,
    *(f"-{column}" for column in COLUMNS),
    "",
    "target_name,-exposure_time",
    "-exposure_time,configuration_type,-observation_date",
    "-reduction_level,-proposal_id",
    "configuration_type,exposure_time,primary_optical_element",
]


async def follow(door: Door, page: dict[str, Any], link: str) -> list[dict[str, Any]]:
    """Give the pages that a link leads to, one after the other."""
    pages: list[dict[str, Any]] = []
    while page[link] is not None:
        assert len(pages) < 1000
        answer = await door.get(page[link])
        assert answer.status_code == 200, answer.text
        page = answer.json()
        pages.append(page)
    return pages


def joined(pages: list[dict[str, Any]]) -> list[str]:
    return [name for page in pages for name in names(page)]


@pytest.mark.parametrize("ordering", ORDERINGS)
async def test_all_pages_together_are_the_list_in_its_order(
    door: Door, filed: list[Row], ordering: str
) -> None:
    expected = in_order(filed, ordering)
    assert await door.names(f"{SITE}&limit=1000&ordering={ordering}") == expected
    for style in ("offset", "cursor"):
        first = await door.page(f"{SITE}&limit=7&ordering={ordering}&pagination_style={style}")
        assert first["previous"] is None
        onwards = [first, *await follow(door, first, "next")]
        assert joined(onwards) == expected, style
        assert [len(page["results"]) for page in onwards] == [7, 7, 7, 7, 7, 2], style
        back = await follow(door, onwards[-1], "previous")
        assert joined(back[::-1]) == expected[: -len(onwards[-1]["results"])], style
        assert [page["results"] for page in back[::-1]] == [page["results"] for page in onwards[:-1]], style


async def test_turning_round_in_the_middle_shows_the_same_pages(door: Door, filed: list[Row]) -> None:
    expected = in_order(filed, "")
    page = await door.page(f"{SITE}&limit=5&pagination_style=cursor")
    at = 0
    for link, step in [("next", 5), ("next", 5), ("previous", -5), ("next", 5), ("previous", -5)] * 3:
        if page[link] is None:
            continue
        page = (await door.get(page[link])).json()
        at += step
        assert names(page) == expected[at : at + 5]


async def test_names_that_cannot_be_ordered_by_are_dropped(door: Door, filed: list[Row]) -> None:
    for given, meant in [
        ("nope", ""), ("nope,-basename", "-basename"), ("created", ""), ("basename;drop table", ""),
        ("--basename", ""), (",,basename,", "basename"), (" basename ", "basename"), ("BASENAME", ""),
        ("basename,-basename", "basename"), ("-", ""), ("site_id", ""), ("id,nope,-id", "id"),
        ("document", ""), ("%00", ""), ("Ω", ""), ("basename," * 500, "basename"),
    ]:  # fmt: skip
        assert await door.names(f"{SITE}&limit=1000&ordering={given}") == in_order(filed, meant), given


async def test_links_keep_the_callers_parameters_sorted_and_write_the_limit(door: Door) -> None:
    query = f"{SITE}&ordering=-id&unknown=b%20r%26&target_name=m&OBSTYPE=&offset=3&limit=4"
    page = await door.page(query)
    parameters = parse_qsl(urlsplit(page["next"]).query, keep_blank_values=True)
    assert parameters == [
        ("OBSTYPE", ""), ("limit", "4"), ("offset", "7"), ("ordering", "-id"), ("site_id", "pag"),
        ("target_name", "m"), ("unknown", "b r&"),
    ]  # fmt: skip
    assert page["next"].startswith("http://archive.test/archive/frames/?")
    previous = dict(parse_qsl(urlsplit(page["previous"]).query))
    assert previous["limit"] == "4"
    assert "offset" not in previous
    default = await door.page(f"{SITE}&limit=junk&pagination_style=cursor")
    assert default["next"] is None
    repeated = await door.page("include_configuration_type=BIAS&include_configuration_type=DARK&limit=1")
    found = parse_qsl(urlsplit(repeated["next"]).query)
    assert [value for name, value in found if name == "include_configuration_type"] == ["BIAS", "DARK"]


async def test_the_envelope_of_a_cursor_has_no_count(door: Door) -> None:
    assert list(await door.page("pagination_style=cursor")) == ["next", "previous", "results"]
    assert "count" in await door.page("pagination_style=CURSOR")
    assert "count" in await door.page("cursor=abc")


async def test_cursor_pages_visit_each_frame_once_while_others_come_in(door: Door) -> None:
    async def come_in(number: int, moment: str) -> None:
        changes = {"site_id": "mov", "observation_date": moment, "observation_day": "20250301"}
        await door.file(f"moving-{number}", **changes)

    for number in range(12):  # all at the same moment
        await come_in(number, "2025-03-05T00:00:00")
    before = {f"moving-{number}" for number in range(12)}
    page = await door.page("site_id=mov&limit=3&pagination_style=cursor")
    seen, fresh = names(page), 100
    while page["next"]:
        for moment in ("2025-03-04", "2025-03-05", "2025-03-06"):
            if fresh < 110:
                await come_in(fresh, moment)
                fresh += 1
        page = (await door.get(page["next"])).json()
        seen += names(page)
    assert len(seen) == len(set(seen))
    assert before <= set(seen)
    back = joined((await follow(door, page, "previous"))[::-1]) + names(page)
    assert back == await door.names("site_id=mov&limit=1000")


async def test_a_cursor_stands_where_its_row_was_when_that_row_has_moved(door: Door) -> None:
    for number in range(4):
        await door.file(
            f"wander-{number}",
            site_id="wan",
            observation_date=f"2025-03-0{number + 1}",
            observation_day="20250301",
        )
    page = await door.page("site_id=wan&limit=2&pagination_style=cursor")
    assert names(page) == ["wander-3", "wander-2"]
    await door.file(
        "wander-2", site_id="wan", observation_date="2025-02-01", observation_day="20250301", version_set=[]
    )
    assert names((await door.get(page["next"])).json()) == ["wander-1", "wander-0"]


async def test_a_bad_cursor_is_404(door: Door, shared_house: House) -> None:
    page = await door.page(f"{SITE}&limit=5&pagination_style=cursor")
    good = dict(parse_qsl(urlsplit(page["next"]).query))["cursor"]
    async with shared_house.open(ENTREPOT_SECRET_KEY="another secret key, also long") as other:
        answer = await other.client.get(page["next"])
        assert answer.status_code == 404
    changed = good[:-1] + ("A" if good[-1] != "A" else "B")
    bad = [
        "x", "-", good[:-1], good[1:], good[:20], changed, good + good, good.swapcase(), "A" * 5000, "%00",
        "\u03a9", "bz0x", "cD0yMDI1", "%ff", "=", "null", "[]", "....", good + "%0a=%0a", "+",
    ]  # fmt: skip
    for token in bad:
        answer = await door.get(f"{FRAMES}?{SITE}&limit=5&pagination_style=cursor&cursor={token}")
        if answer.status_code == 200:  # base64 has spellings that mean the same bytes
            assert names(answer.json()) == names((await door.get(page["next"])).json()), token
            continue
        assert (answer.status_code, answer.json()) == (404, {"detail": "Invalid cursor"}), token
    for ordering in ("basename", "observation_date", "-observation_date,id"):
        query = f"{SITE}&pagination_style=cursor&ordering={ordering}&cursor={good}"
        answer = await door.get(f"{FRAMES}?{query}")
        assert (answer.status_code, answer.json()) == (404, {"detail": "Invalid cursor"}), ordering


@pytest.mark.parametrize("path", [FRAMES, VERSIONS])
async def test_limit_and_offset_that_are_none_mean_the_default(
    door: Door, shared_house: House, path: str
) -> None:
    who = await door.house.staff()
    sizes = {"ENTREPOT_ARCHIVE_PAGE_DEFAULT": "4", "ENTREPOT_ARCHIVE_PAGE_MAX": "6"}
    async with shared_house.open(**sizes) as small:
        for limit, rows in [
            ("", 4), ("0", 4), ("-1", 4), ("x", 4), ("1.5", 4), ("1e1", 4), ("0x2", 4), ("٢", 4), ("%00", 4),
            ("1", 1), ("6", 6), ("7", 6), ("10000", 6), ("9" * 18, 6), ("%202%20", 2), ("9" * 400, 6),
            ("0" * 40 + "3", 3),
        ]:  # fmt: skip
            page = (await small.client.get(f"{path}?limit={limit}", headers=who)).json()
            assert len(page["results"]) == rows, limit
            assert dict(parse_qsl(urlsplit(page["next"]).query))["limit"] == str(rows)
        first = (await small.client.get(path, headers=who)).json()["results"]
        for offset in ["", "0", "-1", "x", "1.5", "%00"]:
            page = (await small.client.get(f"{path}?offset={offset}", headers=who)).json()
            assert page["results"] == first, offset
            assert page["previous"] is None


@pytest.mark.parametrize("offset", [COUNT, COUNT + 1, 10**6, 2**31, 2**63 - 1, 10**18, 10**400])
async def test_behind_the_end_is_an_empty_page_with_the_count(door: Door, offset: int) -> None:
    page = await door.page(f"{SITE}&limit=10&offset={offset}")
    assert (page["results"], page["next"], page["count"]) == ([], None, COUNT)
    assert page["previous"] is not None
    assert page["count_estimated"] is False


NARROW = [
    "observation_id=3", "BLKUID=3", "request_id=777", "basename_exact=00a-frame",
    "start=2025-03-01&end=2025-03-08", "start=2025-03-01&end=2025-05-03&proposal_id=a",
    "start=2025-03-01&end=2025-05-03&PROPID=b", "start=2025-02-01&end=2025-04-05&target_name_exact=m31",
]  # fmt: skip
WIDE = [
    "", "start=2025-03-01", "end=2025-03-08", "start=2025-03-01&end=2025-03-08T00:00:01",
    "start=2025-03-01&end=2025-05-03", "start=2025-02-01&end=2025-04-05T00:00:01&proposal_id=a",
    "start=2025-03-01&end=2025-05-03&target_name=m31", "ordering=basename",
]  # fmt: skip


async def test_counts_are_exact_or_say_that_they_are_not(door: Door, shared_house: House) -> None:
    who = await door.house.staff()
    async with shared_house.open(ENTREPOT_ARCHIVE_COUNT_EXACT_TO="5") as small:

        async def page(query: str, headers: Any = who) -> dict[str, Any]:
            return (await small.client.get(f"{FRAMES}?site_id=pag&{query}", headers=headers)).json()

        async def total(query: str) -> int:
            return len((await page(f"{query}&limit=1000"))["results"])

        for query in NARROW:
            found = await page(f"{query}&limit=1")
            assert (found["count"], found["count_estimated"]) == (await total(query), False), query
        for query in WIDE:
            found = await page(f"{query}&limit=1")
            assert found["count_estimated"] is (await total(query) > 5), query
            assert found["count"] == min(await total(query), 6), query
            forced = await page(f"{query}&limit=1&force_count")
            assert (forced["count"], forced["count_estimated"]) == (await total(query), False), query
        anonymous = await page("limit=1&force_count=true", NOBODY)
        assert (anonymous["count"], anonymous["count_estimated"]) == (6, True)


async def test_pages_are_whole_and_links_right_where_the_count_is_a_lower_bound(
    door: Door, shared_house: House, filed: list[Row]
) -> None:
    who = await door.house.staff()
    async with shared_house.open(ENTREPOT_ARCHIVE_COUNT_EXACT_TO="2") as small:
        for limit in (1, 6, COUNT - 1, COUNT, COUNT + 1):
            url: str | None = f"{FRAMES}?{SITE}&limit={limit}"
            seen: list[str] = []
            while url:
                page = (await small.client.get(url, headers=who)).json()
                seen += names(page)
                url = page["next"]
                assert len(seen) + bool(url) <= page["count"] <= COUNT
                assert page["count"] == COUNT or page["count_estimated"]
            assert seen == in_order(filed, "")
        assert page["count_estimated"] is False
        beyond = (await small.client.get(f"{FRAMES}?{SITE}&offset=500", headers=who)).json()
        assert (beyond["count"], beyond["count_estimated"], beyond["next"]) == (3, True, None)
