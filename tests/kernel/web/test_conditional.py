from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.kernel.web import ETag, Verdict, conditions, evaluate, http_date
from entrepot.kernel.web.conditional import parse_etags, parse_http_date, range_holds

MODIFIED = datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)
SAME, BEFORE, AFTER = (http_date(MODIFIED + timedelta(seconds=n)) for n in (0, -1, 1))
STRONG, WEAK = ETag("a"), ETag("a", weak=True)
PROCEED, NOT_MODIFIED, FAILED = Verdict.PROCEED, Verdict.NOT_MODIFIED, Verdict.FAILED


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ('"a"', (ETag("a"),)),
        ('W/"a"', (ETag("a", weak=True),)),
        ('"a", W/"b" ,"c,d"', (ETag("a"), ETag("b", weak=True), ETag("c,d"))),
        ('""', (ETag(""),)),
        (',"a",,', (ETag("a"),)),
        ("*", "*"),
        (" * ", "*"),
        ("", ()),
        ("a", ()),
        ('"a', ()),
        ('"a" "b"', ()),
        ('w/"a"', ()),
        ('"a", b', ()),
        ('*, "a"', ()),
    ],
)
def test_etag_lists(header, tags) -> None:
    assert parse_etags(header) == tags


@pytest.mark.parametrize("value", ['a"b', "a b", "a\n", "a\x7f", "\u20ac"])
def test_what_can_not_be_a_tag(value) -> None:
    with pytest.raises(ValueError, match="entity tag"):
        ETag(value)


@pytest.mark.parametrize(
    ("method", "headers", "etag", "verdict"),
    [
        ("GET", {}, STRONG, PROCEED),
        ("GET", {"if-none-match": '"a"'}, STRONG, NOT_MODIFIED),
        ("HEAD", {"if-none-match": '"a"'}, STRONG, NOT_MODIFIED),
        ("GET", {"if-none-match": 'W/"a"'}, STRONG, NOT_MODIFIED),
        ("GET", {"if-none-match": '"x", "a"'}, WEAK, NOT_MODIFIED),
        ("GET", {"if-none-match": '"b"'}, STRONG, PROCEED),
        ("GET", {"if-none-match": "*"}, STRONG, NOT_MODIFIED),
        ("GET", {"if-none-match": "*"}, None, NOT_MODIFIED),
        ("GET", {"if-none-match": '"a"'}, None, PROCEED),
        ("PUT", {"if-none-match": "*"}, STRONG, FAILED),
        ("PUT", {"if-none-match": '"b"'}, STRONG, PROCEED),
        ("PUT", {"if-match": '"a"'}, STRONG, PROCEED),
        ("PUT", {"if-match": '"b"'}, STRONG, FAILED),
        ("PUT", {"if-match": 'W/"a"'}, STRONG, FAILED),
        ("PUT", {"if-match": '"a"'}, WEAK, FAILED),
        ("PUT", {"if-match": "*"}, STRONG, PROCEED),
        ("PUT", {"if-match": "nonsense"}, STRONG, FAILED),
        ("GET", {"if-modified-since": SAME}, STRONG, NOT_MODIFIED),
        ("GET", {"if-modified-since": AFTER}, None, NOT_MODIFIED),
        ("GET", {"if-modified-since": BEFORE}, STRONG, PROCEED),
        ("GET", {"if-modified-since": "nonsense"}, STRONG, PROCEED),
        ("POST", {"if-modified-since": SAME}, STRONG, PROCEED),
        ("GET", {"if-unmodified-since": SAME}, STRONG, PROCEED),
        ("GET", {"if-unmodified-since": BEFORE}, STRONG, FAILED),
        ("PUT", {"if-unmodified-since": "nonsense"}, STRONG, PROCEED),
        # precedence: tags before dates, If-Match before If-None-Match
        ("GET", {"if-none-match": '"b"', "if-modified-since": SAME}, STRONG, PROCEED),
        ("GET", {"if-match": '"a"', "if-unmodified-since": BEFORE}, STRONG, PROCEED),
        ("GET", {"if-match": '"b"', "if-none-match": '"a"'}, STRONG, FAILED),
        ("GET", {"if-match": '"a"', "if-none-match": '"a"'}, STRONG, NOT_MODIFIED),
        ("GET", {"if-unmodified-since": SAME, "if-modified-since": SAME}, STRONG, NOT_MODIFIED),
    ],
)
def test_conditions(method, headers, etag, verdict) -> None:
    assert evaluate(method, headers, etag, MODIFIED) is verdict


@pytest.mark.parametrize(
    ("headers", "verdict"),
    [
        ({"if-match": "*"}, FAILED),
        ({"if-none-match": "*"}, PROCEED),
        ({"if-match": '"a"'}, FAILED),
        ({}, PROCEED),
    ],
)
def test_what_does_not_exist_yet(headers, verdict) -> None:
    assert evaluate("PUT", headers, None, None, exists=False) is verdict


def test_dates_are_ignored_without_one() -> None:
    assert (
        evaluate("GET", {"if-modified-since": SAME, "if-unmodified-since": BEFORE}, STRONG, None) is PROCEED
    )


@pytest.mark.parametrize(
    ("if_range", "etag", "modified", "holds"),
    [
        (None, STRONG, MODIFIED, True),
        ('"a"', STRONG, MODIFIED, True),
        (' "a" ', STRONG, MODIFIED, True),
        ('"b"', STRONG, MODIFIED, False),
        ('W/"a"', STRONG, MODIFIED, False),
        ('W/"a"', WEAK, MODIFIED, False),
        ('"a"', WEAK, MODIFIED, False),
        ('"a"', None, MODIFIED, False),
        ('"a", "b"', STRONG, MODIFIED, False),
        (SAME, STRONG, MODIFIED, True),
        (AFTER, STRONG, MODIFIED, False),
        (BEFORE, STRONG, MODIFIED, False),
        (SAME, STRONG, None, False),
        ("nonsense", STRONG, MODIFIED, False),
        ("", STRONG, MODIFIED, False),
    ],
)
def test_if_range(if_range, etag, modified, holds) -> None:
    assert range_holds(if_range, etag, modified) is holds


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("Sunday, 06-Nov-94 08:49:37 GMT", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("Sun Nov  6 08:49:37 1994", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("Sun, 06 Nov 1994 08:49:37 +0100", datetime(1994, 11, 6, 7, 49, 37, tzinfo=UTC)),
        ("", None),
        ("0", None),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 99999 08:49:37 GMT", None),
        ("Fri, 31 Dec 9999 23:00:00 -2300", None),
    ],
)
def test_http_dates(text, moment) -> None:
    assert parse_http_date(text) == moment


@given(
    st.datetimes(
        min_value=datetime(1000, 1, 2),  # noqa: DTZ001 - Hypothesis adds the zone
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=9))]),
    )
)
def test_dates_come_back_to_the_second(moment) -> None:
    assert parse_http_date(http_date(moment)) == moment.astimezone(UTC).replace(microsecond=0)


@given(st.text(max_size=60))
def test_any_text_is_harmless(text) -> None:
    parse_http_date(text)
    headers = dict.fromkeys(("if-match", "if-none-match", "if-modified-since", "if-unmodified-since"), text)
    assert evaluate("GET", headers, STRONG, MODIFIED) in Verdict
    range_holds(text, STRONG, MODIFIED)


def test_lines_of_a_list_are_joined() -> None:
    headers = [
        (b"if-none-match", b'"a"'),
        (b"host", b"h"),
        (b"if-none-match", b'"b"'),
        (b"range", b"bytes=0-1"),
    ]
    assert conditions({"headers": headers}) == {"if-none-match": '"a", "b"', "range": "bytes=0-1"}
