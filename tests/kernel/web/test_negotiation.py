from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.kernel.errors import NotAcceptable, NotFound
from entrepot.kernel.web import choose, negotiate
from entrepot.kernel.web.negotiation import accepts_coding

JSON, HTML, CSV = "application/json", "text/html", "text/csv"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("*", JSON),
        ("application/json", JSON),
        ("Application/JSON", JSON),
        (BROWSER, HTML),
        ("text/html, application/json", JSON),
        ("text/html, application/json;q=0.9", HTML),
        ("text/*", HTML),
        ("text/*;q=0.5, */*;q=0.1", HTML),
        ("text/html;q=0, text/*", CSV),
        ("*/*, application/json;q=0", HTML),
        ("application/json; charset=utf-8", JSON),
        ("text/csv;header=present, text/html;q=0.1", HTML),
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", HTML),
        ("image/png", None),
        ("application/json;q=0", None),
        ("application/json;q=0.000, image/png", None),
        ("nonsense", JSON),
        ("*/json", JSON),
        ("application/json;q=2", JSON),
        (";;;,,,", JSON),
        ("nonsense, text/csv", CSV),
        ('text/csv;x="a,b;q=1", text/html;q=0.5', HTML),
        ("text/html;q=0.5;q=0.1, text/csv;q=0.3", CSV),
    ],
)
def test_choices(accept, chosen) -> None:
    assert choose(accept, [JSON, HTML, CSV]) == chosen


def test_parameters_of_what_is_offered() -> None:
    offered = ["text/csv;header=absent", "text/csv;header=present"]
    assert choose("text/csv;header=present", offered) == offered[1]
    assert choose("text/csv;q=0.5, text/csv;header=present", offered) == offered[1]
    assert choose("text/csv", offered) == offered[0]


def test_nothing_offered() -> None:
    assert choose(None, []) is None


FORMATS = {"json": JSON, "api": HTML}


@pytest.mark.parametrize(
    ("accept", "wanted", "chosen"),
    [
        (None, None, JSON),
        (BROWSER, None, HTML),
        (BROWSER, "json", JSON),
        ("*/*", "api", HTML),
        (None, "", JSON),
    ],
)
def test_formats_by_name(accept, wanted, chosen) -> None:
    assert negotiate(accept, FORMATS, wanted=wanted) == chosen


@pytest.mark.parametrize(
    ("accept", "wanted", "error"),
    [(None, "xml", NotFound), (JSON, "api", NotAcceptable), ("image/png", None, NotAcceptable)],
)
def test_what_can_not_be_given(accept, wanted, error) -> None:
    with pytest.raises(error):
        negotiate(accept, FORMATS, wanted=wanted)


TYPES = ["a", "b"]
MEDIA = st.tuples(st.sampled_from(TYPES), st.sampled_from(TYPES), st.sampled_from(["", ";v=1", ";v=2"]))
RANGES = st.one_of(
    MEDIA,
    st.tuples(st.sampled_from(TYPES), st.just("*"), st.just("")),
    st.just(("*", "*", "")),
)
WEIGHT = st.sampled_from(["", ";q=0", ";q=0.3", ";q=0.300", ";q=0.7", ";q=1", ";q=1.0"])


def slow_choice(
    elements: list[tuple[tuple[str, str, str], str]], offered: list[tuple[str, str, str]]
) -> str | None:
    """RFC 9110's words one by one: the most specific range decides about a type; the best type wins."""
    scored = []
    for place, (type_, subtype, parameter) in enumerate(offered):
        named = []
        for (range_type, range_subtype, range_parameter), weight in elements:
            if (
                range_type in ("*", type_)
                and range_subtype in ("*", subtype)
                and range_parameter in ("", parameter)
            ):
                specificity = (range_type != "*") + (range_subtype != "*") + (range_parameter != "")
                named.append((specificity, Fraction(weight[3:] or "1")))
        quality = max(named)[1] if named else Fraction(0)
        if quality:
            scored.append((-quality, place))
    return "/".join(offered[min(scored)[1]][:2]) + offered[min(scored)[1]][2] if scored else None


@given(
    st.lists(st.tuples(RANGES, WEIGHT), min_size=1, max_size=6),
    st.lists(MEDIA, max_size=5),
    st.sampled_from([",", " , "]),
)
def test_against_the_definition(elements, offered, comma) -> None:
    accept = comma.join(
        f"{type_}/{subtype}{parameter}{weight}" for (type_, subtype, parameter), weight in elements
    )
    types = [f"{type_}/{subtype}{parameter}" for type_, subtype, parameter in offered]
    assert choose(accept, types) == slow_choice(elements, offered)


@given(st.text(max_size=200))
def test_any_text_is_harmless(accept) -> None:
    assert choose(accept, [JSON, HTML]) in (JSON, HTML, None)


@pytest.mark.parametrize(
    "accept", ["a" * 100_000, '"' * 100_000, ";q=" * 30_000, "a/b;c=d" + " ;" * 50_000, ", " * 50_000]
)
def test_huge_headers_are_quick(accept) -> None:
    import time

    began = time.perf_counter()
    choose(accept, [JSON, HTML])
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        (None, False),
        (b"", False),
        (b"gzip", True),
        (b"br, GZIP;q=0.5", True),
        (b"*", True),
        (b"gzip;q=0", False),
        (b"*, gzip; q=0.0", False),
        (b"br", False),
        (b"\xff", False),
    ],
)
def test_codings(header, accepted) -> None:
    assert accepts_coding(header, "gzip") is accepted
