from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.kernel.errors import RangeNotSatisfiable
from entrepot.kernel.web import ByteRange, parse_ranges


def spans(header: str, size: int) -> list[tuple[int, int]]:
    return [(part.start, part.stop) for part in parse_ranges(header, size)]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", [(0, 1)]),
        ("bytes=0-99", [(0, 100)]),
        ("bytes=0-1000", [(0, 100)]),
        ("bytes=99-", [(99, 100)]),
        ("bytes=-1", [(99, 100)]),
        ("bytes=-1000", [(0, 100)]),
        ("Bytes=5-6", [(5, 7)]),
        (" bytes=5-6 ", [(5, 7)]),
        ("bytes=0-1, 50-51", [(0, 2), (50, 52)]),
        ("bytes=50-51,0-1", [(50, 52), (0, 2)]),
        ("bytes=0-1,,50-51,", [(0, 2), (50, 52)]),
        ("bytes=0-5,5-9", [(0, 10)]),
        ("bytes=5-9,0-4", [(0, 10)]),
        ("bytes=0-1,200-300", [(0, 2)]),
        ("bytes=-0,0-1", [(0, 2)]),
        ("bytes=0-0,-1", [(0, 1), (99, 100)]),
        ("bytes=" + ",".join(f"{n}-{n}" for n in range(0, 32, 2)), [(n, n + 1) for n in range(0, 32, 2)]),
    ],
)
def test_ranges_of_a_hundred_bytes(header, expected) -> None:
    assert spans(header, 100) == expected


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=1-0",
        "bytes=0-1,5-2",
        "bytes=0-1;2-3",
        "bytes=+1-2",
        "bytes=1.5-2",
        "bytes=0x1-2",
        "bytes=٣-٤",
        "bytes =0-1",
        "items=0-1",
        "none",
        "bytes=0-1-2",
        "bytes=" + "9" * 30 + "-",
        "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 34, 2)),
        "bytes=0-,0-",
        "bytes=" + ",".join(["0-50"] * 16),
        "bytes=0-" + ",0-" * 1000,
    ],
)
def test_what_is_answered_with_the_whole(header) -> None:
    assert spans(header, 100) == []


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=200-300,400-"])
def test_unsatisfiable(header) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        parse_ranges(header, 100)
    assert caught.value.headers["Content-Range"] == "bytes */100"


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-0", "bytes=-1"])
def test_nothing_has_no_ranges(header) -> None:
    with pytest.raises(RangeNotSatisfiable):
        parse_ranges(header, 0)


def test_content_range() -> None:
    assert ByteRange(5, 10).content_range(100) == "bytes 5-9/100"


SPEC = st.one_of(
    st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: f"{pair[0]}-{pair[1]}"),
    st.integers(0, 60).map(lambda first: f"{first}-"),
    st.integers(0, 60).map(lambda last: f"-{last}"),
)


def wanted_bytes(specs: list[str], size: int) -> set[int] | None:
    """The definition, byte by byte; None for a malformed set."""
    wanted: set[int] = set()
    for spec in specs:
        first, _, last = spec.partition("-")
        if first and last and int(last) < int(first):
            return None
        for at in range(size):
            if not first:
                inside = at >= size - int(last)
            else:
                inside = at >= int(first) and (not last or at <= int(last))
            if inside:
                wanted.add(at)
    return wanted


@given(st.lists(SPEC, min_size=1, max_size=20), st.integers(0, 50))
def test_against_the_definition(specs, size) -> None:
    wanted = wanted_bytes(specs, size)
    try:
        parts = parse_ranges("bytes=" + ",".join(specs), size)
    except RangeNotSatisfiable:
        assert wanted == set()
        return
    if not parts:
        asked_too_much = len(specs) > 16 or len(specs) > 1
        assert wanted is None or asked_too_much
        return
    covered = [at for part in parts for at in range(part.start, part.stop)]
    assert len(covered) == len(set(covered))
    assert set(covered) == wanted


@given(st.text(max_size=40), st.integers(0, 100))
def test_any_text_is_harmless(text, size) -> None:
    for header in (text, "bytes=" + text):
        try:
            for part in parse_ranges(header, size):
                assert 0 <= part.start < part.stop <= size
        except RangeNotSatisfiable:
            pass
