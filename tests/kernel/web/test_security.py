from __future__ import annotations

import pytest
from fastapi import FastAPI, Response

EXPECTED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


@pytest.fixture
def app(edge) -> FastAPI:
    app = edge()
    app.add_api_route("/plain", lambda: Response(b"ok"))
    app.add_api_route("/own", lambda: Response(b"ok", headers={"X-Frame-Options": "SAMEORIGIN"}))

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError

    return app


@pytest.mark.parametrize("path", ["/plain", "/broken", "/nowhere"])
async def test_every_answer_has_them(app, client, path) -> None:
    answer = await client(app).get(path)
    assert {name: answer.headers.get(name) for name in EXPECTED} == EXPECTED


async def test_an_answers_own_headers_stay(app, client) -> None:
    answer = await client(app).get("/own")
    assert answer.headers.get_list("x-frame-options") == ["SAMEORIGIN"]
    assert answer.headers["referrer-policy"] == "same-origin"


async def test_a_response_sent_twice_does_not_collect_headers(edge, client) -> None:
    app, shared = edge(), Response(b"ok")
    app.add_api_route("/", lambda: shared)
    await client(app).get("/")
    answer = await client(app).get("/")
    assert [len(answer.headers.get_list(name)) for name in (*EXPECTED, "x-request-id", "vary")] == [1] * 6
