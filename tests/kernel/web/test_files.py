from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes

import pytest
from fastapi import FastAPI, Request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrepot.kernel.web import file_response, http_date

BODY = bytes(range(256)) * 4
MODIFIED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass
class Thing:
    content: bytes = BODY
    etag: str | None = "v1"
    modified: datetime | None = MODIFIED
    media_type: str = "image/fits"
    filename: str | None = "frame.fits"
    claimed: int | None = None

    @property
    def size(self) -> int:
        return len(self.content) if self.claimed is None else self.claimed

    async def open(self, start: int, stop: int) -> AsyncIterator[bytes]:
        for at in range(start, stop, 100):
            yield self.content[at : min(at + 100, stop)]


@pytest.fixture
def serve(edge):
    def make(thing: Thing, **options: object) -> FastAPI:
        app = edge()

        async def answer(request: Request) -> object:
            return file_response(request, thing, **options)

        app.add_api_route("/", answer, methods=["GET", "HEAD"])
        return app

    return make


async def test_whole(serve, client) -> None:
    answer = await client(serve(Thing(), headers={"Cache-Control": "no-cache"})).get("/")
    assert (answer.status_code, answer.content) == (200, BODY)
    assert answer.headers["content-length"] == "1024"
    assert answer.headers["content-type"] == "image/fits"
    assert answer.headers["etag"] == '"v1"'
    assert answer.headers["last-modified"] == "Sun, 01 Mar 2026 12:00:00 GMT"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-disposition"] == 'attachment; filename="frame.fits"'
    assert answer.headers["cache-control"] == "no-cache"


async def test_head_has_the_same_headers(serve, client) -> None:
    asks = client(serve(Thing()))
    whole, head = await asks.get("/"), await asks.head("/", headers={"Range": "bytes=0-1"})
    assert (head.status_code, head.content) == (200, b"")
    without_id = [
        {k: v for k, v in answer.headers.items() if k != "x-request-id"} for answer in (whole, head)
    ]
    assert without_id[0] == without_id[1]


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("bytes=0-0", 0, 1), ("bytes=100-299", 100, 300), ("bytes=-5", 1019, 1024), ("bytes=1000-", 1000, 1024)],
)
async def test_one_range(serve, client, asked, start, stop) -> None:
    answer = await client(serve(Thing())).get("/", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, BODY[start:stop])
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/1024"
    assert answer.headers["content-length"] == str(stop - start)
    assert answer.headers["content-type"] == "image/fits"
    assert answer.headers["etag"] == '"v1"'


async def test_several_ranges(serve, client) -> None:
    answer = await client(serve(Thing())).get("/", headers={"Range": "bytes=10-19,0-4,-3"})
    assert answer.status_code == 206
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert "content-range" not in answer.headers
    head = b"Content-Type: " + answer.headers["content-type"].encode() + b"\r\n\r\n"
    parts = message_from_bytes(head + answer.content).get_payload()
    found = [
        (part["Content-Range"], part.get_content_type(), part.get_payload(decode=True)) for part in parts
    ]
    assert found == [
        ("bytes 10-19/1024", "image/fits", BODY[10:20]),
        ("bytes 0-4/1024", "image/fits", BODY[0:5]),
        ("bytes 1021-1023/1024", "image/fits", BODY[1021:]),
    ]


async def test_outside(serve, client) -> None:
    answer = await client(serve(Thing())).get("/", headers={"Range": "bytes=1024-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */1024"
    assert answer.json()["code"] == "range_not_satisfiable"


@pytest.mark.parametrize("asked", ["bytes=5-1", "items=0-1", "bytes=0-,0-", "bytes=" + "0-1," * 20])
async def test_odd_ranges_give_the_whole(serve, client, asked) -> None:
    answer = await client(serve(Thing())).get("/", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, BODY)


@pytest.mark.parametrize(
    ("if_range", "status"),
    [
        ('"v1"', 206),
        ('"v2"', 200),
        ('W/"v1"', 200),
        (http_date(MODIFIED), 206),
        (http_date(MODIFIED - timedelta(days=1)), 200),
        ("nonsense", 200),
    ],
)
async def test_if_range(serve, client, if_range, status) -> None:
    answer = await client(serve(Thing())).get("/", headers={"Range": "bytes=0-1", "If-Range": if_range})
    assert answer.status_code == status
    assert answer.content == (BODY[:2] if status == 206 else BODY)


@pytest.mark.parametrize(
    "headers",
    [{"If-None-Match": '"v1"'}, {"If-None-Match": 'W/"v1"'}, {"If-Modified-Since": http_date(MODIFIED)}],
)
async def test_not_modified(serve, client, headers) -> None:
    app = serve(Thing(), headers={"Cache-Control": "no-cache"})
    answer = await client(app).get(
        "/", headers={**headers, "Range": "bytes=0-1", "Origin": "https://x.example"}
    )
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == '"v1"'
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert not {"content-length", "content-type", "content-disposition"} & set(answer.headers)


async def test_two_lines_of_tags_count_together(serve, client) -> None:
    answer = await client(serve(Thing())).get(
        "/", headers=[("If-None-Match", '"x"'), ("If-None-Match", '"v1"')]
    )
    assert answer.status_code == 304


async def test_precondition_failed(serve, client) -> None:
    answer = await client(serve(Thing())).get("/", headers={"If-Match": '"v2"'})
    assert answer.status_code == 412
    assert answer.headers["etag"] == '"v1"'


async def test_no_strong_tag_no_ranges(serve, client) -> None:
    answer = await client(serve(Thing(etag=None))).get("/", headers={"Range": "bytes=0-1"})
    assert (answer.status_code, answer.content) == (200, BODY)
    assert answer.headers["accept-ranges"] == "none"
    assert "etag" not in answer.headers


async def test_nothing_to_send(serve, client) -> None:
    asks = client(serve(Thing(content=b"")))
    answer = await asks.get("/")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")
    assert (await asks.get("/", headers={"Range": "bytes=0-"})).status_code == 416


@pytest.mark.parametrize(
    "media_type", ["", "nonsense", "a/b\r\nX-Evil: 1", "text/plain; x=\x00", "é/b", "text/html, text/plain"]
)
async def test_bad_media_types_say_nothing(serve, client, media_type) -> None:
    answer = await client(serve(Thing(media_type=media_type))).get("/")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "x-evil" not in answer.headers


async def test_names_do_not_break_headers(serve, client) -> None:
    answer = await client(serve(Thing(filename='a"\r\nX-Evil: 1'))).get("/")
    assert "x-evil" not in answer.headers
    assert answer.headers["content-disposition"].startswith("attachment; filename=")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 1100), st.integers(0, 1100)), min_size=1, max_size=5))
async def test_any_ranges_give_the_right_bytes(edge, call, pairs) -> None:
    app = edge()

    @app.get("/")
    async def answer(request: Request) -> object:
        return file_response(request, Thing())

    asked = ",".join(f"{min(pair)}-{max(pair)}" for pair in pairs).encode()
    got = await call(app, headers=[(b"host", b"h"), (b"range", b"bytes=" + asked)])
    assert int(got.header("content-length")) == len(got.body) or got.status == 416
    if got.status == 200:
        assert got.body == BODY
    elif got.status == 206 and (where := got.header("content-range")):
        first, last = map(int, where.removeprefix("bytes ").partition("/")[0].split("-"))
        assert got.body == BODY[first : last + 1]
    elif got.status == 206:
        head = b"Content-Type: " + got.header("content-type").encode() + b"\r\n\r\n"
        for part in message_from_bytes(head + got.body).get_payload():
            first, last = map(int, part["Content-Range"].removeprefix("bytes ").partition("/")[0].split("-"))
            assert part.get_payload(decode=True) == BODY[first : last + 1]


async def test_a_source_that_is_too_short_breaks_the_answer(serve, call) -> None:
    assert not (await call(serve(Thing(claimed=len(BODY) + 1)))).complete
