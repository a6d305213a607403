from __future__ import annotations

import json
from urllib.parse import quote, unquote

import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st

from entrepot.kernel.errors import InvalidInput
from entrepot.kernel.web import base_url
from entrepot.kernel.web.raw_path import normal_path

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/", "/"),
        (b"", "/"),
        (b"/plain/path-1.fits", "/plain/path-1.fits"),
        (b"/a%2fb", "/a%2Fb"),
        (b"/%41%7e%2E", "/A~."),
        (b"/a%252Fb", "/a%252Fb"),
        (b"/a?x=1", "/a"),
        (b"/a(b)'c*;d=e,f:g@h!i$j&k+l", "/a(b)'c*;d=e,f:g@h!i$j&k+l"),
        (b'/a b"<>[]{}|\\^`', "/a%20b%22%3C%3E%5B%5D%7B%7D%7C%5C%5E%60"),
        (b"/\xc3\xa9", "/%C3%A9"),
        (b"/\xc3%a9", "/%C3%A9"),
        (b"//double//slash", "//double//slash"),
    ],
)
def test_normal_form(raw: bytes, path: str) -> None:
    assert normal_path(raw) == path


@pytest.mark.parametrize(
    "raw",
    [
        b"/a%",
        b"/a%4",
        b"/a%zz",
        b"/a%00b",
        b"/a\x00b",
        b"/a\nb",
        b"/a\x7fb",
        b"/a\tb",
        b"/a%ff",
        b"/\xff",
        b"/%c3/%a9",
        b"/%ed%a0%80",
        b"/a#b",
        b"relative",
        b"host:443",
        b"ftp://host/x",
    ],
)
def test_bad_paths(raw: bytes) -> None:
    with pytest.raises(InvalidInput):
        normal_path(raw)


@given(st.lists(TEXT, min_size=1))
def test_segments_come_back(segments: list[str]) -> None:
    raw = "".join("/" + quote(segment, safe="") for segment in segments)
    path = normal_path(raw.encode())
    assert [unquote(part) for part in path[1:].split("/")] == segments
    assert normal_path(path.encode()) == path


@given(st.binary())
def test_any_bytes_are_a_path_or_refused(raw: bytes) -> None:
    try:
        path = normal_path(b"/" + raw)
    except InvalidInput:
        return
    assert path.isascii()
    assert path.isprintable()
    assert "\0" not in unquote(path, errors="strict")


def with_items(app: FastAPI) -> FastAPI:
    async def item(key: str) -> dict[str, str]:
        return {"key": key}

    app.add_api_route("/items/{key:segment}/", item, methods=["GET"], name="item")
    return app


@pytest.mark.parametrize(
    ("segment", "key"),
    [
        (b"plain", "plain"),
        (b"a%2Fb", "a/b"),
        (b"a%252Fb", "a%2Fb"),
        (b"%C3%A9t%c3%a9", "été"),
        (b"%2e%2e", ".."),
        (b"a+b", "a+b"),
        (b"%E2%80%AE", "\u202e"),
        (b"a%0Ab", "a\nb"),
    ],
)
async def test_segment_is_decoded_once(edge, call, segment: bytes, key: str) -> None:
    answer = await call(with_items(edge()), b"/items/" + segment + b"/")
    assert answer.status == 200
    assert json.loads(answer.body) == {"key": key}


async def test_bare_slash_makes_another_segment(edge, call) -> None:
    assert (await call(with_items(edge()), b"/items/a/b/")).status == 404


def test_openapi_and_links_of_a_segment(edge) -> None:
    app = with_items(edge())
    description = app.openapi()["paths"]["/items/{key}/"]["get"]
    assert [(p["name"], p["in"], p["required"]) for p in description["parameters"]] == [("key", "path", True)]
    assert app.url_path_for("item", key="a/b é") == "/items/a%2Fb%20%C3%A9/"


async def test_bad_path_is_a_problem_with_all_headers(edge, call) -> None:
    headers = [(b"host", b"h"), (b"origin", b"https://elsewhere.example")]
    answer = await call(with_items(edge()), b"/items/%zz/", headers=headers)
    assert answer.status == 400
    assert answer.header("content-type") == "application/problem+json"
    assert answer.header("access-control-allow-origin") == "*"
    assert answer.header("x-frame-options") == "DENY"
    assert answer.header("x-request-id")


@pytest.mark.parametrize(
    ("target", "base"),
    [
        (b"http://other.example:81/where?x=1", "http://other.example:81"),
        (b"HTTP://other.example/where", "http://other.example"),
        (b"https://[2001:db8::1]/where", "http://[2001:db8::1]"),
    ],
)
async def test_absolute_form(edge, call, target: bytes, base: str) -> None:
    app = edge()

    @app.get("/where")
    async def where(request: Request) -> dict[str, str]:
        return {"base": base_url(request.scope), "host": request.headers["host"]}

    answer = await call(app, target)
    assert answer.status == 200
    assert base.encode() in answer.body


@pytest.mark.parametrize("target", [b"http:///where", b"http://a@b/where", b"http://a b/where"])
async def test_bad_absolute_form(edge, call, target: bytes) -> None:
    app = edge()
    app.add_api_route("/where", lambda: None)
    answer = await call(app, target)
    assert answer.status == 400


async def test_asterisk_form_only_for_options(edge, call) -> None:
    assert (await call(edge(), b"*", method="OPTIONS")).status == 404
    assert (await call(edge(), b"*", method="GET")).status == 400
