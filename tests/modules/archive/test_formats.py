"""The form of answers: slashes, suffixes, Accept, pages for people, HEAD, CORS and failures (contract §2)."""

import json
from html.parser import HTMLParser

import httpx
import pytest
import pytest_asyncio

from tests.modules.archive.door import FRAMES, NOBODY, Door
from tests.modules.archive.frames import posted

pytestmark = pytest.mark.asyncio(loop_scope="module")

HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
NASTY = "<script>alert(1)<&\"'>"


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def frame(door: Door) -> int:
    plain = await door.file("plain", target_name="Ω Cen")
    headers = {NASTY: f"{NASTY} </pre> http://x.org/a?b&c<"}
    await door.file(NASTY, target_name=NASTY, headers=headers)
    return plain["id"]


REDIRECTED = [
    "frames", "frames/{}", "frames/{}/headers", "frames/{}/related", "versions", "versions/1", "thumbnails",
    "thumbnails/1", "profile", "health", "api-token-auth", "revoke_token",
]  # fmt: skip
STATUSES = {"GET": 301, "HEAD": 301, "POST": 308, "PUT": 308, "PATCH": 308, "DELETE": 308}


@pytest.mark.parametrize("path", REDIRECTED)
async def test_without_its_slash_a_path_leads_to_the_one_with_it(door: Door, frame: int, path: str) -> None:
    bare = "/archive/" + path.format(frame)
    last = bare.rpartition("/")[2]
    for method, status in STATUSES.items():
        for query, kept in [("", ""), ("?limit=1&x=%2F", "?limit=1&x=%2F")]:
            answer = await door.client.request(method, bare + query, follow_redirects=False)
            assert (answer.status_code, answer.headers["location"]) == (status, f"./{last}/{kept}"), method


async def test_a_post_without_the_slash_keeps_its_body(door: Door) -> None:
    who = await door.house.staff()
    answer = await door.client.post(
        "/archive/frames", json=posted("followed"), headers=who, follow_redirects=True
    )
    assert answer.status_code == 201
    assert await door.names("basename_exact=followed") == ["followed"]


async def test_json_by_suffix_and_by_name(door: Door, frame: int) -> None:
    for path in ["frames", "frames/{}", "frames/{}/headers", "frames/{}/related", "versions", "thumbnails"]:
        bare = "/archive/" + path.format(frame)
        whole = await door.get(f"{bare}/")
        assert whole.status_code == 200
        for other in (f"{bare}.json", f"{bare}/?format=json"):
            answer = await door.get(other)
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/json"
            assert answer.json() == whole.json()
        with_html = await door.get(f"{bare}.json", HTML | await door.house.staff())
        assert with_html.headers["content-type"] == "application/json"


async def test_links_of_a_suffixed_list_keep_the_suffix(door: Door) -> None:
    page = (await door.get("/archive/frames.json?limit=1")).json()
    assert page["next"].startswith("http://archive.test/archive/frames.json?")
    assert (await door.get(page["next"])).status_code == 200


async def test_an_unknown_format_is_404_and_an_accept_that_fits_nothing_406(door: Door, frame: int) -> None:
    who = await door.house.staff()
    for path in ("frames/", f"frames/{frame}/", f"frames/{frame}/headers/", "versions/", "profile/", ""):
        for name in ("xml", "JSON", "html", "csv", "%00"):
            answer = await door.client.get(f"/archive/{path}?format={name}", headers=who)
            assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."}), (path, name)
        for accept in ("image/png", "text/csv, image/*;q=0.5", "application/json;q=0, text/html;q=0"):
            answer = await door.client.get(f"/archive/{path}", headers={**who, "Accept": accept})
            assert answer.status_code == 406, (path, accept)
            assert list(answer.json()) == ["detail"]
    refused = await door.client.post(FRAMES, json=posted("x406"), headers={**who, "Accept": "image/png"})
    assert refused.status_code == 406
    assert await door.names("basename_exact=x406") == []  # asked before anything was done
    answer = await door.client.get(f"{FRAMES}?format=api", headers={**who, "Accept": "application/json"})
    assert answer.status_code == 406


CHOSEN = [
    (None, "json"), ("*/*", "json"), ("application/json", "json"), ("application/*", "json"),
    ("application/json; indent=4", "json"),
    ("text/html", "html"), ("text/*", "html"), (HTML["Accept"], "html"),
    ("text/html;q=0.5, application/json", "json"),
    ("text/html, application/json;q=0.9", "html"), ("*/*;q=0.1, text/html", "html"), ("nonsense", "json"),
]  # fmt: skip


@pytest.mark.parametrize(("accept", "form"), CHOSEN)
async def test_accept_chooses(door: Door, accept: str | None, form: str) -> None:
    headers = {} if accept is None else {"Accept": accept}
    request = door.client.build_request("GET", FRAMES, headers=headers)
    if accept is None:
        del request.headers["Accept"]
    answer = await door.client.send(request)
    assert answer.status_code == 200
    expected = {"json": "application/json", "html": "text/html; charset=utf-8"}[form]
    assert answer.headers["content-type"] == expected
    assert {"accept", "origin"} <= varies(answer)


def varies(answer: httpx.Response) -> set[str]:
    return {part.strip().lower() for part in answer.headers["vary"].split(",")}


async def test_answers_are_kept_by_the_caller_alone(door: Door, frame: int) -> None:
    paths = [
        "", "frames/", "frames.json", "frames/{}/", "frames/{}/headers/", "frames/{}/related/", "versions/",
        "thumbnails/", "profile/",
    ]  # fmt: skip
    for path in paths:
        for headers in (NOBODY, HTML):
            who = await door.house.staff()
            answer = await door.client.get("/archive/" + path.format(frame), headers={**who, **headers})
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "private, no-cache", path
            assert {"accept", "authorization", "x-charon-api-token"} <= varies(answer), path


async def test_failures_are_not_kept(door: Door) -> None:
    for method, path in [
        ("GET", f"{FRAMES}999999/"), ("GET", "/archive/nonsense/"), ("GET", f"{FRAMES}?start=x"),
        ("GET", "/archive/versions/"), ("DELETE", FRAMES), ("GET", "/archive/files/no/such"),
    ]:  # fmt: skip
        answer = await door.client.request(method, path)
        assert answer.status_code >= 400
        assert answer.headers["cache-control"] == "private, no-store", path


class Page(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.shown = ""
        self._in_answer = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._in_answer = self._in_answer or tag == "pre"
        self.links += [value or "" for name, value in attrs if name == "href"]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        self._in_answer = self._in_answer and tag != "pre"

    def handle_data(self, data: str) -> None:
        self.shown += data if self._in_answer else ""


async def test_a_page_shows_the_same_answer_with_links_and_nothing_of_it_runs(door: Door) -> None:
    nasty = (await door.page(f"target_name_exact={NASTY.replace('&', '%26')}"))["results"][0]
    for path in [
        FRAMES, f"{FRAMES}?format=api&x={NASTY}", f"{FRAMES}{nasty['id']}/",
        f"{FRAMES}{nasty['id']}/headers/", f"{FRAMES}{nasty['id']}/related/", "/archive/",
        "/archive/profile/", "/archive/thumbnails/",
    ]:  # fmt: skip
        answer = await door.client.get(path, headers=HTML)
        assert answer.status_code == 200
        page = Page(answer.text)
        assert "script" not in page.tags
        plain = (await door.client.get(path.replace("format=api&", ""))).json()
        assert json.loads(page.shown) == plain
        assert all(link.startswith(("/", "http://archive.test/", "http://x.org/")) for link in page.links)
    listed = Page((await door.client.get(FRAMES, headers=HTML)).text)
    assert nasty["url"] in listed.links


async def test_a_post_from_a_browser_is_answered_with_a_page(door: Door) -> None:
    who = await door.house.staff()
    answer = await door.client.post(FRAMES, json=posted("by-browser"), headers={**who, **HTML})
    assert answer.status_code == 201
    assert json.loads(Page(answer.text).shown)["basename"] == "by-browser"


async def test_json_is_compact_and_not_escaped(door: Door, frame: int) -> None:
    content = (await door.client.get(f"{FRAMES}{frame}/")).content
    assert "Ω Cen".encode() in content
    assert b'": ' not in content
    assert b"\x01" not in content
    assert b"\x02" not in content


async def test_head_has_the_head_of_get(door: Door, frame: int) -> None:
    paths = [
        "", "frames/", "frames.json", "frames/{}/", "frames/{}.json", "frames/{}/headers/",
        "frames/{}/related/", "versions/", "thumbnails/", "profile/", "health/",
    ]  # fmt: skip
    who = await door.house.staff()
    await door.house.context.jobs.drain()  # what a check finds out is in the answers
    for path in paths:
        url = "/archive/" + path.format(frame)
        get, head = [await door.client.request(method, url, headers=who) for method in ("GET", "HEAD")]
        assert get.status_code == head.status_code == 200
        assert head.content == b""
        for name in ("content-length", "content-type", "vary"):
            assert head.headers[name] == get.headers[name], (path, name)


async def test_other_origins_may_read_everything_and_send_no_cookies(door: Door, frame: int) -> None:
    origin = {"Origin": "https://elsewhere.example"}
    url = (await door.detail(frame))["url"]
    answers = [
        await door.client.get(FRAMES, headers=origin),
        await door.client.get(f"{FRAMES}999999/", headers=origin),
        await door.client.get(f"{FRAMES}?start=x", headers=origin),
        await door.client.get("/archive/versions/", headers=origin),
        await door.client.post(FRAMES, headers=origin),
        await door.client.put(FRAMES, headers=origin),
        await door.client.get("/archive/nonsense", headers=origin),
        await door.client.get("/archive/%zz", headers=origin),
        await door.client.get(url, headers=origin),
        await door.client.get("/archive/frames", headers=origin),
    ]
    assert {answer.status_code for answer in answers} >= {200, 301, 400, 401, 404, 405}
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
        exposed = answer.headers["access-control-expose-headers"].lower().split(", ")
        assert {"etag", "content-range", "content-length", "location"} <= set(exposed)
    assert "access-control-allow-origin" not in (await door.client.get(FRAMES)).headers


async def test_a_preflight(door: Door) -> None:
    for path in ("/archive/frames/", "/archive/frames/1/", "/archive/api-token-auth/", "/archive/files/a/b"):
        asked = {
            "Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, content-type",
        }  # fmt: skip
        answer = await door.client.options(path, headers=asked)
        assert answer.status_code == 200
        methods = set(answer.headers["access-control-allow-methods"].split(", "))
        assert {"DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT"} <= methods
        allowed = set(answer.headers["access-control-allow-headers"].split(", "))
        assert {"accept", "authorization", "content-type", "user-agent"} <= allowed
        assert {"x-csrftoken", "x-requested-with"} <= allowed
        assert answer.headers["access-control-max-age"] == "86400"
        assert answer.headers["access-control-allow-origin"] == "*"


async def test_answers_keep_browsers_from_guessing_and_framing(door: Door) -> None:
    asked = [(FRAMES, NOBODY), (FRAMES, HTML), (f"{FRAMES}999999/", NOBODY), ("/archive/x", NOBODY)]
    for path, headers in asked:
        answer = await door.client.get(path, headers=headers)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["x-request-id"]


async def test_failures_are_json_whatever_is_accepted(door: Door) -> None:
    for headers in (NOBODY, HTML):
        for method, path, status in [
            ("GET", f"{FRAMES}999999/", 404), ("GET", "/archive/nonsense/", 404), ("DELETE", FRAMES, 405),
            ("GET", f"{FRAMES}?start=x", 400), ("POST", FRAMES, 401), ("GET", "/archive/versions/", 401),
            ("GET", "/archive/%", 400),
        ]:  # fmt: skip
            answer = await door.client.request(method, path, headers=headers)
            assert answer.status_code == status, (method, path)
            assert answer.headers["content-type"] == "application/json"
            assert isinstance(answer.json(), dict)


async def test_urls_follow_the_base_that_the_caller_came_in_by(door: Door, frame: int) -> None:
    answer = await door.client.get(f"{FRAMES}{frame}/", headers={"Host": "other.example:8443"})
    assert answer.json()["url"].startswith("http://other.example:8443/archive/files/")
    page = (await door.client.get(f"{FRAMES}?limit=1", headers={"Host": "other.example"})).json()
    assert page["next"].startswith("http://other.example/archive/frames/?")
    assert page["results"][0]["version_set"][0]["url"].startswith("http://other.example/archive/")
