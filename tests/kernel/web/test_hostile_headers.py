"""What reads headers takes a time that grows with their length alone, whatever stands in them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_network
from time import thread_time

import pytest

from entrepot.kernel.errors import EntrepotError
from entrepot.kernel.web import ETag, choose, content_disposition, evaluate, parse_ranges
from entrepot.kernel.web.conditional import parse_etags, range_holds
from entrepot.kernel.web.cors import NAMES
from entrepot.kernel.web.files import MEDIA_TYPE
from entrepot.kernel.web.forwarded import ForwardedMiddleware
from entrepot.kernel.web.negotiation import accepts_coding
from entrepot.kernel.web.observe import SANE_ID

SIZE = 100_000
MOST = 0.02
"""Seconds of processor time, the best of a few; what is quadratic takes seconds to minutes."""


def forwarded(name: bytes) -> Callable[[str], object]:
    edge = ForwardedMiddleware(lambda *_: None, trusted=[ip_network("127.0.0.1")])

    def settle(text: str) -> None:
        headers = [(b"host", b"h"), (name, text.encode("latin-1"))]
        edge._settle({"scheme": "http", "client": ("127.0.0.1", 1), "headers": headers})

    return settle


READERS: dict[str, tuple[Callable[[str], object], list[tuple[str, str, str]]]] = {
    # a reader, and what it is given: a beginning, what is repeated, an end
    "if-none-match": (
        lambda text: evaluate("GET", {"if-none-match": text}, ETag("z"), None),
        [
            ('"a",', " ", "x"),
            ("", "\t", '"'),
            ('"', "a", ""),
            ("", ",", "x"),
            ("", '"",', "x"),
            ('"a"', " ", "x"),
        ],
    ),
    "if-range": (
        lambda text: range_holds(text, ETag("z"), None),
        [("", " ", "x"), ("W/", '"', ""), ("", "a", "")],
    ),
    "range": (
        lambda text: parse_ranges(text, 1000),
        [
            ("bytes=", "0", "-"),
            ("bytes=", "0-0,", "x"),
            ("bytes=", " ", "x"),
            ("bytes=", "-", ""),
            ("bytes=", ",", ""),
        ],
    ),
    "accept": (
        lambda text: choose(text, ["application/json", "text/html"]),
        [
            ("", '"\\', ""),
            ("", '"\\', "x"),
            ("a/b;c=", '"\\', "\n"),
            ("a/b;q=", '"', ""),
            ("a/b", " ", "x"),
            ("a/b", ";c=d", "x"),
            ("a/b;", " ", "x"),
            ("a/b", ';a="', ""),
            ("", "a", ""),
            ("", "a/", ""),
            ("", ",", ""),
        ],
    ),
    "accept-encoding": (
        lambda text: accepts_coding(text.encode("latin-1"), "gzip"),
        [("gzip;q=0", " ", "x"), ("gzip;", " ", "q"), ("gzip;q=0.", "0", "x"), ("", ",", "")],
    ),
    "forwarded": (
        forwarded(b"forwarded"),
        [("for=1", " ", "x"), ("", " ", "x"), ('for="', "\\", ""), ("for=", "a", '"'), ("", "a", "")],
    ),
    "x-forwarded-for": (forwarded(b"x-forwarded-for"), [("", " ", "x"), ("", "[", ""), ("", ":", "")]),
    "x-forwarded-host": (forwarded(b"x-forwarded-host"), [("", "a", "/"), ("[", ":", ""), ("a:", "0", "")]),
    "x-forwarded-prefix": (
        forwarded(b"x-forwarded-prefix"),
        [("", "/a", "?"), ("", "/", "?"), ("/", "a", "?")],
    ),
    "x-request-id": (lambda text: SANE_ID.fullmatch(text.encode("latin-1")), [("", "a", "!"), ("", "-", "")]),
    "access-control-request-headers": (
        lambda text: NAMES.fullmatch(text.encode("latin-1")),
        [("a", " ", "!"), ("", "\t", "!"), ("", "a,", "!"), ("", "a , ", "!"), ("", "a", "!")],
    ),
    "content-type": (
        MEDIA_TYPE.fullmatch,
        [("a/b; ", " ", "\n"), ("a/b", "\t", "x"), ("", "a", ""), ("a/b;", "c", "\n")],
    ),
    "content-disposition": (content_disposition, [("", " ", ""), ("", ".", ""), ("", "/", "")]),
}
CASES = [(name, *case) for name, (_, cases) in READERS.items() for case in cases]


def seconds(read: Callable[[str], object], text: str) -> float:
    began = thread_time()
    with suppress(EntrepotError):
        read(text)
    return thread_time() - began


@pytest.mark.parametrize(("name", "begin", "repeated", "end"), CASES)
def test_no_header_takes_long(name: str, begin: str, repeated: str, end: str) -> None:
    read, _ = READERS[name]
    text = begin + repeated * (SIZE // len(repeated)) + end
    most = 10 * MOST if name == "content-disposition" else MOST  # a name is ours, and goes by characters
    assert any(seconds(read, text) < most for _ in range(5))


def test_a_list_of_tags_is_read_up_to_8_kib() -> None:
    fits = '"a",' + " " * (8192 - 7) + '"b"'
    assert parse_etags(fits) == (ETag("a"), ETag("b"))
    assert parse_etags(fits + " ") == ()
    assert parse_etags("*" + " " * 8192) == ()
