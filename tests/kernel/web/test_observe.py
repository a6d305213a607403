from __future__ import annotations

import re

import pytest
import structlog
from fastapi import APIRouter, FastAPI, Request
from structlog.contextvars import get_contextvars
from structlog.testing import capture_logs

from entrepot.kernel.errors import NotFound
from entrepot.kernel.metrics import render_metrics
from entrepot.kernel.web import PiecesResponse, request_id
from entrepot.kernel.web.observe import logged_target


def figure(name: str, **labels: str) -> float:
    """Read one figure as Prometheus would."""
    for line in render_metrics()[0].decode().splitlines():
        if line.startswith(name) and all(f'{key}="{value}"' in line for key, value in labels.items()):
            return float(line.rpartition(" ")[2])
    return 0.0


@pytest.fixture
def app(edge) -> FastAPI:
    app = edge()
    router = APIRouter(prefix="/frames")

    @router.get("/{key:segment}/")
    async def frame(key: str, request: Request) -> dict[str, str]:
        structlog.get_logger().info("inside")
        return {"key": key, "id": request_id(request.scope)}

    @router.get("/shared/{share_token:segment}/")
    async def shared(share_token: str) -> str:
        return "here"

    app.include_router(router, prefix="/archive")

    @app.get("/missing")
    async def missing() -> None:
        raise NotFound("It isn't there.")

    @app.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError

    return app


@pytest.mark.parametrize("sent", ["a", "A-b_c.9", "x" * 64])
async def test_sane_id_is_kept(app, client, sent) -> None:
    answer = await client(app).get("/archive/frames/1/", headers={"X-Request-ID": sent})
    assert answer.headers.get_list("x-request-id") == [sent]
    assert answer.json()["id"] == sent


@pytest.mark.parametrize("sent", [None, "", "x" * 65, "a b", "a\tb", "é", "a;b", "{}"])
async def test_other_ids_are_replaced(app, call, sent) -> None:
    headers = [(b"host", b"h")] + ([] if sent is None else [(b"x-request-id", sent.encode())])
    first = await call(app, b"/archive/frames/1/", headers=headers)
    second = await call(app, b"/archive/frames/1/", headers=headers)
    ids = [first.header("x-request-id"), second.header("x-request-id")]
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in ids)
    assert ids[0] != ids[1]


@pytest.mark.parametrize("path", ["/archive/frames/1/", "/missing", "/broken", "/nowhere"])
async def test_each_line_of_a_request_has_its_id(app, client, path) -> None:
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        await client(app).get(path, headers={"X-Request-ID": "abc"})
    assert {line["request_id"] for line in lines} == {"abc"}
    assert lines[-1]["event"] == "request"
    assert get_contextvars() == {}


async def test_the_access_line(app, client) -> None:
    with capture_logs() as lines:
        answer = await client(app).get("/archive/frames/a%2Fb/?limit=5")
    line = lines[-1]
    assert line["method"] == "GET"
    assert line["path"] == "/archive/frames/a%2Fb/?limit=5"
    assert line["status"] == 200
    assert line["bytes"] == len(answer.content)
    assert line["client"] == "127.0.0.1"
    assert 0 < line["ms"] < 10_000
    assert len([one for one in lines if one["event"] == "request"]) == 1


@pytest.mark.parametrize(
    ("query", "logged"),
    [
        ("token=abc", "token=***"),
        ("a=1&auth_token=abc&b=2", "a=1&auth_token=***&b=2"),
        ("PASSWORD=abc", "PASSWORD=***"),
        ("X-Amz-Signature=abc&X-Amz-Credential=k", "X-Amz-Signature=***&X-Amz-Credential=***"),
        ("tok%65n=abc", "tok%65n=***"),
        ("client_secret=abc=def", "client_secret=***"),
        ("token", "token"),
        ("tokens=abc;token=abc", "tokens=***"),
        ("basename=x%26token%3Dy", "basename=x%26token%3Dy"),
        ("q=é\n", "q=%C3%83%C2%A9%0A"),
    ],
)
def test_secrets_in_queries_are_masked(query, logged) -> None:
    scope = {"type": "http", "path": "/p", "query_string": query.encode()}
    assert logged_target(scope) == f"/p?{logged}"


async def test_secrets_in_paths_are_masked(app, client) -> None:
    with capture_logs() as lines:
        answer = await client(app).get("/archive/frames/shared/s3cr3t/")
    assert answer.status_code == 200
    assert lines[-1]["path"] == "/archive/frames/shared/{share_token}/"


async def test_a_path_can_not_break_the_line(app, call) -> None:
    with capture_logs() as lines:
        await call(app, b"/a%zz", path="/a\r\n\x1b[31m")
    assert lines[-1]["path"] == "/a%0D%0A%1B%5B31m"


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/archive/frames/1/", "/archive/frames/{key}/", "2xx"),
        ("/missing", "/missing", "4xx"),
        ("/broken", "/broken", "5xx"),
        ("/nowhere/at/all", "unmatched", "4xx"),
    ],
)
async def test_requests_are_counted_by_route(app, client, path, route, status) -> None:
    def count() -> float:
        return figure("entrepot_http_requests_total", method="GET", route=route, status=status)

    before = count()
    await client(app).get(path)
    assert count() == before + 1
    assert path == route or f'"{path}"' not in render_metrics()[0].decode()


async def test_bytes_durations_and_requests_in_flight(app, client) -> None:
    labels = {"method": "GET", "route": "/archive/frames/{key}/"}
    sent = figure("entrepot_http_response_bytes_total", **labels)
    took = figure("entrepot_http_request_seconds_count", **labels)
    flying = figure("entrepot_http_requests_in_flight")
    answer = await client(app).get("/archive/frames/1/")
    assert figure("entrepot_http_response_bytes_total", **labels) == sent + len(answer.content)
    assert figure("entrepot_http_request_seconds_count", **labels) == took + 1
    assert figure("entrepot_http_requests_in_flight") == flying


async def test_made_up_methods_are_one_series(app, call) -> None:
    for number in range(3):
        await call(app, b"/missing", method=f"MADE{number}")
    text = render_metrics()[0].decode()
    assert "MADE" not in text
    assert 'method="OTHER"' in text


async def test_a_client_that_left_is_noted(edge, call) -> None:
    app = edge()

    @app.get("/stream")
    async def stream() -> None:
        async def pieces():
            while True:
                yield b"x"

        return PiecesResponse(pieces())

    with capture_logs() as lines:
        await call(app, b"/stream", gone_after=3)
    assert lines[-1]["gone"] is True
    assert lines[-1]["route" if "route" in lines[-1] else "path"] == "/stream"


async def test_two_apps_share_a_process(edge, client) -> None:
    one, two = edge(), edge()
    assert (await client(one).get("/")).status_code == 404
    assert (await client(two).get("/")).status_code == 404
