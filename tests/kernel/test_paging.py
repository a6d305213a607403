"""Page sizes, offsets and the tokens of keyset paging."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.kernel.paging import FARTHEST, read_limit, read_offset, read_token, write_token

places = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4),
)


@given(places, st.binary(min_size=1, max_size=200))
def test_a_token_comes_back_as_the_place(place, secret: bytes) -> None:
    assert read_token(write_token(place, secret), secret) == place


@given(places, st.integers(0, 10**6), st.sampled_from("ABCxyz019-_"))
def test_a_changed_token_is_refused(place, position: int, letter: str) -> None:
    token = write_token(place, b"secret")
    position %= len(token) - 1  # the last letter may have bits that say nothing
    changed = token[:position] + letter + token[position + 1 :]
    if changed != token:
        with pytest.raises(ValueError):
            read_token(changed, b"secret")


@pytest.mark.parametrize("token", ["", "x", "é", "A" * 15, "A" * 16, "=" * 16, "\x00", "a b", "\ud800"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(ValueError):
        read_token(token, b"secret")


def test_another_secret_signs_otherwise() -> None:
    with pytest.raises(ValueError):
        read_token(write_token([1], b"secret"), b"other")


@pytest.mark.parametrize(
    ("text", "limit"),
    [("", 100), ("0", 100), ("-1", 100), ("x", 100), ("1.5", 100), ("7", 7), (" 7 ", 7), ("1001", 1000),
     ("9" * 5000, 1000), ("٣", 100)],
)  # fmt: skip
def test_limits(text: str, limit: int) -> None:
    assert read_limit(text, default=100, most=1000) == limit


@pytest.mark.parametrize(
    ("text", "offset"), [("", 0), ("-3", 0), ("x", 0), ("12", 12), ("0012", 12), ("9" * 5000, FARTHEST)]
)
def test_offsets(text: str, offset: int) -> None:
    assert read_offset(text) == offset
