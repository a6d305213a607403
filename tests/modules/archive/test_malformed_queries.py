"""Queries and paths that are junk in every way: never a failure of ours, and always the contract's shape."""

import json
from collections.abc import Sequence

import pytest
import pytest_asyncio

from entrepot.modules.archive.query import FILTERS
from entrepot.modules.archive.routes.frames import OPTIONS
from tests.modules.archive.door import Door, RawAnswer, assert_one_sentence_each, raw_request

pytestmark = pytest.mark.asyncio(loop_scope="module")

JUNK = [
    b"", b"%", b"%z", b"%zz", b"%00", b"a%00b", b"%ff", b"\xff\xfe", b"%c3%28", b"%ed%a0%80", b"%u1234",
    b"%F0%9F%94%AD", "Ω".encode(), b"'", b"%27%20OR%201=1--", b"\\", b"[]", b"{}", b"<script>", b"null",
    b"-0", b"-1", b"1.5", b"1e400", b"NaN", b"Infinity", b"0x1F", b"9" * 30, b"-" + b"9" * 400,
    b"9" * 5000, b"1" * 20_000, b"x" * 60_000, b"%2e%2e%2f", b"%0d%0aX: y", b"a b", b"+", b"%2B", b"%25",
    b"_%25_", b"true", b"false", b"json", b"api", b"2025-03-04", b"2025-03-04T00:00:00 99:99", b"0000-00-00",
    b"10/10/10", b"POINT(1 2)", b"a,b,c", b",,,", b"-", b"&", b"=", b";", b"#", b"%E2%80%A8", b"\xc2\x85",
]  # fmt: skip
PARAMETERS = [*FILTERS, *OPTIONS, "md5", "frame_basename", "size", "covers", "id", "", "\x00", "a[]", "Ω"]
assert len(PARAMETERS) * len(JUNK) > 200  # what the issue asks for


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def frame_id(door: Door) -> int:
    frame = await door.file("something-to-find", related_frame_filenames=["something-else"])
    await door.file("something-else")
    return frame["id"]


async def send(
    door: Door, path: bytes, query: bytes = b"", method: str = "GET", *, staff: bool = True, **headers: str
) -> RawAnswer:
    who = {**(await door.house.staff() if staff else {}), **headers}
    given = [(name.lower().encode(), value.encode("latin-1")) for name, value in who.items()]
    return await raw_request(door.app, method, path, query, headers=given)


def assert_well_formed(answer: RawAnswer, allowed: Sequence[int], what: object) -> None:
    assert answer.status in allowed, (what, answer.status, answer.body[:300])
    if answer.status in (301, 308):
        assert answer.headers["location"].startswith("./")
        assert answer.headers["location"].isascii()
    elif "text/html" in answer.headers["content-type"]:
        answer.body.decode("utf-8")
        assert answer.status == 200
    else:
        assert answer.headers["content-type"] == "application/json"
        found = json.loads(answer.body.decode("utf-8"), parse_constant=pytest.fail)
        if answer.status >= 400:
            assert_one_sentence_each(found)
    for value in answer.headers.values():
        assert value.isprintable()


async def test_junk_in_every_parameter(door: Door) -> None:
    for number, parameter in enumerate(PARAMETERS):
        for junk in JUNK[number % 2 :: 2]:
            query = parameter.encode() + b"=" + junk
            answer = await send(door, b"/archive/frames/", query, staff=False)
            assert_well_formed(answer, (200, 400, 404), query[:100])


TAKEN = {
    "frames/{}/": [
        "start",
        "DAY_OBS",
        "basename",
        "observation_id",
        "include_configuration_type",
        "format",
        "x",
    ],
    "versions/": ["md5", "limit", "offset", "format"],
    "thumbnails/": [
        "frame_basename",
        "proposal_id",
        "observation_id",
        "request_id",
        "size",
        "limit",
        "offset",
    ],
}


@pytest.mark.parametrize("path", TAKEN)
async def test_junk_in_the_parameters_of_others(door: Door, frame_id: int, path: str) -> None:
    where = b"/archive/" + path.format(frame_id).encode()
    for parameter in TAKEN[path]:
        for junk in JUNK:
            query = parameter.encode() + b"=" + junk
            assert_well_formed(await send(door, where, query), (200, 400, 404), (path, query[:100]))


async def test_junk_in_a_cursor_is_an_invalid_cursor(door: Door) -> None:
    for junk in JUNK:
        answer = await send(door, b"/archive/frames/", b"pagination_style=cursor&cursor=" + junk)
        assert_well_formed(answer, (200,) if junk in (b"", b"&") else (404,), junk[:100])


QUERIES = [
    b"&" * 5000, b"=" * 5000, b"a" * 60_000, b"a=b&" * 10_000, b"site_id=x&" * 5000, b"?", b"??",
    b"%", b"\x00",
    b"\xff=\xff", b"ordering=" + b"id," * 20_000, b"exclude_OBSTYPE=BIAS&" * 5000, b"limit=1&limit=x&limit=2",
    b"include_configuration_type=BIAS&" * 200, b"format=json&format=nonsense", b"offset=1e5&limit=-5",
    b"start=2025-03-04&end=x&DAY_OBS=y&RLEVEL=z&exclude_configuration_type=w&L1PUBDAT=v",
    b"pagination_style=cursor&cursor=&offset=5&limit=1&ordering=,-,",
    b"basename=%5C%25%5C_/%5C%5C&target_name=////&OBJECT=%25%25%25",
    b"site_id%00=x", b"site_id\xff=x", b"[site_id]=x", b"site_id[]=x", b"site_id=x;instrument_id=y",
]  # fmt: skip


async def test_junk_queries(door: Door) -> None:
    for path in (b"/archive/frames/", b"/archive/thumbnails/", b"/archive/versions/", b"/archive/"):
        for query in QUERIES:
            for html in (False, True):
                accept = {"Accept": "text/html"} if html else {}
                answer = await send(door, path, query, **accept)
                assert_well_formed(answer, (200, 400, 404), (path, query[:100]))


IDS = [
    b"0", b"00", b"-1", b"+1", b"1.5", b"1e3", b"0x1", b"1_0", b"9" * 18, b"9" * 19, b"9" * 30, b"9" * 400,
    b"9" * 5000, b"1" * 60_000, b"abc", b"None", b"null", b"%31%00", b"%00", b"%ff", b"\xff", b"%", b"%zz",
    b"%3", b"%2e%2e", b"..", b".", b"...", b"%2F", b"1%2F", b"%252F", b" ", b"%20", b"1%20", b"1;x=1",
    b"1,2", b"*", b"~",
    b"%D9%A1", "\u0661".encode(), b"%EF%BC%91", b"'", b"%27", b"<b>", b"{id}", b"[1]", b"(1)",
    b"\x00", b"\x01", b"\x7f", b"1.jsonx", b".json", b"1.JSON", b"1.json.json", b"abc.json",
    b"aggregate", b"zip", b"headers", b"-", b"@", b":",
    b"a" * 20_000, b"\\", b"1\\2", b"%5C", b"%0a", b"1%0d%0aX: y",
]  # fmt: skip
PARTS = [
    b"",
    b"/",
    b"/headers/",
    b"/related/",
    b"/headers",
    b"/related.json",
    b"/nonsense/",
    b"//",
    b"/.",
    b"/../",
]
assert len(IDS) * len(PARTS) > 200


@pytest.mark.parametrize("collection", ["frames", "versions", "thumbnails"])
async def test_junk_ids(door: Door, collection: str) -> None:
    for number in IDS:
        for part in PARTS:
            path = f"/archive/{collection}/".encode() + number + part
            assert_well_formed(await send(door, path), (400, 404, 301), path[:100])


async def test_an_id_that_is_none_is_not_found_in_the_contracts_words(door: Door) -> None:
    for collection, kind in [("frames", "Frame"), ("versions", "Version"), ("thumbnails", "Thumbnail")]:
        for number, said in [
            ("999", f"No {kind} matches the given query."), ("0", f"No {kind} matches the given query."),
            ("9" * 30, f"No {kind} matches the given query."), ("abc", "Not found."), ("1.5", "Not found."),
            ("-1", "Not found."), ("9" * 5000, f"No {kind} matches the given query."),
            ("%D9%A1", "Not found."),
        ]:  # fmt: skip
            for ending in ("/", ".json"):
                answer = await send(door, f"/archive/{collection}/{number}{ending}".encode())
                assert (answer.status, json.loads(answer.body)) == (404, {"detail": said}), (
                    collection,
                    number,
                )
    for part in ("headers", "related"):
        for number, said in [("9" * 30, "No Frame matches the given query."), ("abc", "Not found.")]:
            answer = await send(door, f"/archive/frames/{number}/{part}/".encode())
            assert (answer.status, json.loads(answer.body)) == (404, {"detail": said})


KEYS = [*IDS, b"a%2Fb", b"%2E%2E%2F%2E%2E%2Fetc%2Fpasswd", b"k" * 1025, b"%E2%80%A8", b"0" * 32]


FILENAMES = [b"something-to-find.fits", b"..", b"%2e%2e%2fx", b"%00", b"%ff", b"%", b"", b"a/b"]


async def test_junk_files(door: Door) -> None:
    for key in KEYS:
        for name in (
            b"something-to-find.fits",
            b"..",
            b"%2e%2e%2fx",
            b"%00",
            b"%ff",
            b"%",
            b"",
            b"a/b",
            b"\xff",
            b"*",
        ):
            path = b"/archive/files/" + key + b"/" + name
            for method in ("GET", "HEAD"):
                answer = await send(door, path, b"x=y", method, Range="bytes=0-1")
                assert_well_formed(answer, (400, 404), path[:100])


PATHS = [
    b"/archive", b"/archive//", b"//archive/frames/", b"/archive/frames//", b"/archive//frames/",
    b"/archive/./frames/", b"/archive/frames/%2e/", b"/archive/frames%2F", b"/archive%2Fframes/",
    b"/archive/FRAMES/", b"/archive/frames.xml", b"/archive/frames.api", b"/archive/frames/.json",
    b"/archive/files/", b"/archive/files/x", b"/archive/admin/", b"/archive/nonsense", b"/archive/%",
    b"/archive/%zz/", b"/archive/%00", b"/archive/\xff", b"/archive/" + b"a/" * 20_000, b"/archive/frames/?x",
    b"/archive/frames/#x", b"/archive/frames/ ", b"/archive/frames/1/2/3/", b"/archive/api-token-auth",
    b"/archive/versions", b"/archive/.", b"/archive/..", b"/archive/../archive/frames/",
    b"/archive/openapi.json",
]  # fmt: skip
METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "FOO", "get", ""]


async def test_junk_paths_and_methods(door: Door) -> None:
    for path in PATHS:
        for method in METHODS:
            answer = await send(door, path, method=method)
            assert answer.status < 500, (method, path[:100])
            if path.startswith(b"/archive/") and answer.status >= 400:
                assert_well_formed(answer, (400, 404, 405), (method, path[:100]))


async def test_methods_that_a_resource_does_not_take(door: Door, frame_id: int) -> None:
    resources = [
        "frames/", f"frames/{frame_id}/", f"frames/{frame_id}/headers/", f"frames/{frame_id}/related/",
        "versions/", "thumbnails/", "versions/1/", "thumbnails/1/", "", "profile/", "health/",
        "revoke_token/", "api-token-auth/", "files/a/b",
    ]  # fmt: skip
    posts = {"frames/", "thumbnails/", "revoke_token/", "api-token-auth/"}
    for resource in resources:
        for method in METHODS[4:]:
            answer = await send(door, f"/archive/{resource}".encode(), method=method)
            assert_well_formed(answer, (405,), (method, resource))
            assert ("POST" in answer.headers["allow"]) is (resource in posts), resource
            assert ("GET" in answer.headers["allow"]) is (resource != "revoke_token/"), resource


HEADERS: list[dict[str, str]] = [
    *({"Accept": junk} for junk in (
        "", "*", "x", ",", ";;;", "*/*;q=2", "a/b;q=" + "9" * 1000, "\xff", "," * 10_000, "text/*;q=0.1",
    )),
    *({"Authorization": junk} for junk in (
        "", " ", "Token", "Token a b", "token \xff", "Basic", "Basic !", "Basic \xff", "Digest x",
        "x" * 50_000,
    )),
    {"Host": "a b"}, {"Host": "\xff"}, {"X-Request-ID": "\xff"}, {"Cookie": "\xff=;;"}, {"Origin": "\xff"},
    {"X-Charon-API-token": "\xff"}, {"Range": "bytes=x"}, {"If-None-Match": '"'}, {"Content-Type": "\xff"},
    {"X-Forwarded-For": "x"}, {"Forwarded": "for=;;"}, {"Accept-Encoding": ";q="}, {"Content-Length": "x"},
]  # fmt: skip


async def test_junk_headers(door: Door) -> None:
    for headers in HEADERS:
        for path in (b"/archive/frames/", b"/archive/frames/1/", b"/archive/profile/", b"/archive/files/a/b"):
            answer = await send(door, path, staff=False, **headers)
            assert_well_formed(answer, (200, 400, 401, 404, 406), (path, headers))


async def test_the_list_is_as_it_was(door: Door) -> None:
    assert set(await door.names()) == {"something-to-find", "something-else"}
