"""Files that the old client put into the store come back byte-identical, or not at all (contract §6)."""

import asyncio
import hashlib
import os
import random
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio

from tests.modules.archive.door import NOBODY, THUMBNAILS, VERSIONS, Door
from tests.modules.archive.frames import posted, version
from tests.modules.archive.old_client import OldClient, Put
from tests.services.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 2**20
FOLDER = "ogg/sq33/20250304/raw"


def noise(name: str, size: int) -> bytes:
    return random.Random(name).randbytes(size)


@pytest.fixture
def client(shared_house: House) -> OldClient:
    return OldClient.of(shared_house)


async def put(client: OldClient, name: str, content: bytes, extension: str = ".fits") -> Put:
    return await asyncio.to_thread(client.put, f"{FOLDER}/{name}{extension}", content)


async def ingest(
    door: Door, client: OldClient, name: str, content: bytes, extension: str = ".fits", **changes: Any
) -> str:
    """Put a file into the store and file it, as the old client does; gives the URL."""
    there = await put(client, name, content, extension)
    frame = await door.file(name, version_set=[there.version(extension)], **changes)
    return frame["url"]


async def fetch(door: Door, url: str, method: str = "GET", **headers: str) -> httpx.Response:
    return await door.client.request(method, url, headers=headers)


async def checked(door: Door, md5: str) -> dict[str, Any]:
    """Give what is known of a version when all background work is done."""
    await door.house.context.jobs.drain()
    (one,) = (await door.get(VERSIONS, md5=md5)).json()["results"]
    return one


@pytest.mark.parametrize("size", [0, 1, 1000, MIB - 1, MIB, MIB + 1, 3 * MIB + 17])
async def test_the_bytes_come_back(door: Door, client: OldClient, name: str, size: int) -> None:
    content = noise(name, size)
    url = await ingest(door, client, name, content)
    answer = await fetch(door, url)
    assert answer.status_code == 200
    assert answer.content == content
    assert answer.headers["content-length"] == str(size)
    assert answer.headers["etag"] == f'"{hashlib.md5(content).hexdigest()}"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-type"] == "image/fits"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}.fits"'
    assert "last-modified" in answer.headers
    head = await fetch(door, url, "HEAD")
    same = {header: value for header, value in answer.headers.items() if header != "x-request-id"}
    assert {header: head.headers.get(header) for header in same} == same
    assert (head.status_code, head.content) == (200, b"")


LARGE = noise("large", 2 * MIB + 100)
RANGES = [
    ("bytes=0-0", 0, 1), ("bytes=0-", 0, None), ("bytes=5-9", 5, 10), ("bytes=-1", -1, None),
    ("bytes=-2097253", 0, None), (f"bytes={MIB - 3}-{MIB + 3}", MIB - 3, MIB + 4),
    ("bytes=2097251-9999999", 2097251, None),
    (f"bytes={MIB}-{2 * MIB - 1}", MIB, 2 * MIB), ("BYTES=1-2", 1, 3), ("bytes= 1-2 ", 1, 3),
]  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def large(door: Door, shared_house: House) -> str:
    return await ingest(door, OldClient.of(shared_house), "large", LARGE)


@pytest.mark.parametrize(("asked", "start", "stop"), RANGES)
async def test_a_range(door: Door, large: str, asked: str, start: int, stop: int | None) -> None:
    expected = LARGE[start:stop]
    answer = await fetch(door, large, Range=asked)
    assert answer.status_code == 206
    assert answer.content == expected
    first = start % len(LARGE)
    last = first + len(expected) - 1
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(LARGE)}"
    assert answer.headers["content-length"] == str(len(expected))
    assert (await fetch(door, large, "HEAD", Range=asked)).headers["content-length"] == str(len(LARGE))


async def test_several_ranges_come_as_parts(door: Door, large: str) -> None:
    answer = await fetch(door, large, Range=f"bytes=0-9,{MIB - 5}-{MIB + 4},-10")
    assert answer.status_code == 206
    assert len(answer.content) == int(answer.headers["content-length"])
    match = re.fullmatch("multipart/byteranges; boundary=(.+)", answer.headers["content-type"])
    assert match is not None
    parts = answer.content.split(f"\r\n--{match[1]}".encode())
    assert parts[-1] == b"--\r\n"
    bodies = [part.partition(b"\r\n\r\n")[2] for part in parts[1:-1]]
    assert bodies == [LARGE[:10], LARGE[MIB - 5 : MIB + 5], LARGE[-10:]]


@pytest.mark.parametrize(
    "asked", ["bytes=2097252-", "bytes=99999999999-", "bytes=-0", "bytes=9999999-9999999"]
)
async def test_a_range_outside_is_416(door: Door, large: str, asked: str) -> None:
    answer = await fetch(door, large, Range=asked)
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(LARGE)}"
    assert list(answer.json()) == ["detail"]


@pytest.mark.parametrize(
    "asked", ["bytes=", "bytes=x", "bytes=5-1", "lines=0-1", "0-1", "bytes=1-2,x", "bytes=--1"]
)
async def test_a_range_that_is_none_is_ignored(door: Door, large: str, asked: str) -> None:
    answer = await fetch(door, large, Range=asked)
    assert (answer.status_code, answer.content) == (200, LARGE)


ETAG = f'"{hashlib.md5(LARGE).hexdigest()}"'
CONDITIONS: list[tuple[Mapping[str, str], int]] = [
    ({"If-None-Match": ETAG}, 304),
    ({"If-None-Match": f'"x", W/{ETAG}'}, 304),
    ({"If-None-Match": "*"}, 304),
    ({"If-None-Match": ETAG, "Range": "bytes=0-1"}, 304),
    ({"If-None-Match": '"x"'}, 200),
    ({"If-Match": ETAG}, 200),
    ({"If-Match": ETAG, "Range": "bytes=0-1"}, 206),
    ({"If-Match": "*"}, 200),
    ({"If-Match": '"x"'}, 412),
    ({"If-Match": f"W/{ETAG}"}, 412),
    ({"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 304),
    ({"If-Modified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"}, 200),
    ({"If-Modified-Since": "yesterday"}, 200),
    ({"If-Unmodified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"}, 412),
    ({"If-Unmodified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 200),
    ({"If-Range": ETAG, "Range": "bytes=0-1"}, 206),
    ({"If-Range": '"x"', "Range": "bytes=0-1"}, 200),
    ({"If-Range": f"W/{ETAG}", "Range": "bytes=0-1"}, 200),
    ({"If-Range": "Sat, 01 Jan 2000 00:00:00 GMT", "Range": "bytes=0-1"}, 200),
    ({"If-Range": ETAG}, 200),
]


@pytest.mark.parametrize(("headers", "status"), CONDITIONS)
async def test_conditions(door: Door, large: str, headers: Mapping[str, str], status: int) -> None:
    answer = await fetch(door, large, **headers)
    assert answer.status_code == status
    assert answer.headers["etag"] == ETAG
    assert answer.headers["cache-control"] == "private, no-cache"
    varies = {part.strip() for part in answer.headers["vary"].split(",")}
    assert varies == {"Authorization", "X-Charon-API-Token", "Origin"}
    if status == 200:
        assert answer.content == LARGE
    elif status == 206:
        assert answer.content == LARGE[:2]
    elif status == 304:
        assert answer.content == b""
        assert "last-modified" in answer.headers
    whole = await fetch(door, large, "HEAD", **headers)
    assert whole.status_code == (200 if status == 206 else status)


async def test_the_date_of_an_answer_serves_if_range(door: Door, large: str) -> None:
    date = (await fetch(door, large, "HEAD")).headers["last-modified"]
    answer = await fetch(door, large, **{"If-Range": date, "Range": "bytes=2-3"})
    assert (answer.status_code, answer.content) == (206, LARGE[2:4])


async def test_checksums_are_taken_in_the_background(door: Door, client: OldClient, name: str) -> None:
    content = noise(name, MIB + 5)
    await ingest(door, client, name, content)
    one = await checked(door, hashlib.md5(content).hexdigest())
    assert (one["state"], one["size"]) == ("checked", len(content))
    assert one["crc32"] == f"{zlib.crc32(content):08x}"
    assert one["sha256"] == hashlib.sha256(content).hexdigest()
    assert one["checked"] >= one["created"]


async def test_a_file_that_is_not_there_is_404_and_found_when_it_comes(
    door: Door, client: OldClient, name: str
) -> None:
    content = noise(name, 100)
    there = await put(client, name, content)
    await asyncio.to_thread(client.remove, there)
    url = (await door.file(name, version_set=[there.version(".fits")]))["url"]
    assert (await checked(door, there.md5))["state"] == "missing"
    for method in ("GET", "HEAD"):
        assert (await fetch(door, url, method)).status_code == 404
    assert list((await fetch(door, url)).json()) == ["detail"]
    assert (await door.names(f"basename_exact={name}")) == [name]
    if not client.in_bucket:  # a bucket gives another VersionId each time
        await put(client, name, content)
        assert (await fetch(door, url)).content == content
        assert (await checked(door, there.md5))["state"] == "checked"


async def test_bytes_that_are_not_those_announced_are_never_given(
    door: Door, client: OldClient, name: str
) -> None:
    there = await put(client, name, b"other bytes than announced")
    announced = {**version(name), "key": there.key}
    url = (await door.file(name, version_set=[announced]))["url"]
    for _ in range(2):
        for method, headers in [("GET", {}), ("HEAD", {}), ("GET", {"Range": "bytes=0-1"})]:
            answer = await fetch(door, url, method, **headers)
            assert answer.status_code == 410
            assert "etag" not in answer.headers
        assert (await checked(door, announced["md5"]))["state"] == "mismatch"


async def test_an_older_version_that_was_overwritten_is_gone_from_a_folder_and_stays_in_a_bucket(
    door: Door, client: OldClient, name: str
) -> None:
    old, new = noise(f"{name} old", 1000), noise(f"{name} new", 1000)
    first = await ingest(door, client, name, old)
    assert (await fetch(door, first)).content == old
    second = await ingest(door, client, name, new)
    assert first != second
    detail = (await door.page(f"basename_exact={name}"))["results"][0]
    assert [one["url"] for one in detail["version_set"]] == [second, first]
    for _ in range(2):
        assert (await fetch(door, second)).content == new
        answer = await fetch(door, first)
        if client.in_bucket:
            assert (answer.status_code, answer.content) == (200, old)
            assert answer.headers["etag"] == f'"{hashlib.md5(old).hexdigest()}"'
        else:
            assert answer.status_code == 410
            assert "overwritten" in answer.json()["detail"]
        await door.house.context.jobs.drain()
    if not client.in_bucket:  # the bytes are back, but the catalogue says that the path is the newer one's
        await put(client, name, old)
        assert (await fetch(door, first)).status_code == 410
        assert (await fetch(door, second)).status_code == 410


async def test_a_file_overwritten_without_being_filed_is_gone(
    door: Door, client: OldClient, name: str
) -> None:
    content = noise(name, 5000)
    url = await ingest(door, client, name, content)
    await door.house.context.jobs.drain()
    assert (await fetch(door, url)).content == content
    other = await put(client, name, noise(f"{name} other", 5000))
    answer = await fetch(door, url)
    if client.in_bucket:
        assert answer.content == content
        await asyncio.to_thread(client.remove, other)
        assert (await fetch(door, url)).content == content
        return
    assert answer.status_code == 410
    await put(client, name, content)
    again = await fetch(door, url)
    assert (again.status_code, again.content) == (200, content)


async def test_a_file_is_served_after_a_touch_that_changed_nothing(
    door: Door, client: OldClient, name: str
) -> None:
    content = noise(name, 5000)
    url = await ingest(door, client, name, content)
    await door.house.context.jobs.drain()
    if not client.in_bucket:
        os.utime(client.folder / FOLDER / f"{name}.fits", (1, 1))
    for _ in range(2):
        assert (await fetch(door, url)).content == content


async def test_versions_of_other_extensions_lie_side_by_side(
    door: Door, client: OldClient, name: str
) -> None:
    contents = {extension: noise(name + extension, 50) for extension in (".fits", ".fits.fz", ".pdf")}
    for extension, content in contents.items():
        await ingest(door, client, name, content, extension)
    detail = (await door.page(f"basename_exact={name}"))["results"][0]
    assert detail["filename"] == f"{name}.pdf"
    types = {".fits": "image/fits", ".fits.fz": "image/fits", ".pdf": "application/pdf"}
    for one in detail["version_set"]:
        answer = await fetch(door, one["url"])
        assert answer.content == contents[one["extension"]]
        assert answer.headers["content-type"] == types[one["extension"]]


@pytest.mark.parametrize(
    ("extension", "media_type"),
    [
        (".tar.gz", "application/gzip"), (".fits.fz", "image/fits"), (".FITS", "image/fits"),
        (".xyz", "application/octet-stream"), (".a.b.pdf", "application/pdf"),
        (".x<>y", "application/octet-stream"), (".html", "application/octet-stream"),
    ],
)  # fmt: skip
async def test_media_types(door: Door, client: OldClient, name: str, extension: str, media_type: str) -> None:
    url = await ingest(door, client, name, name.encode(), extension)
    answer = await fetch(door, url)
    assert (answer.headers["content-type"], answer.text) == (media_type, name)
    assert answer.headers["x-content-type-options"] == "nosniff"


PLACES: list[tuple[str, str, str, dict[str, Any]]] = [
    ("ogg/sq33/20250304/raw/", "", ".fits", {"reduction_level": 0}),
    ("ogg/sq33/20250304/processed/", "", ".fits", {"reduction_level": 91}),
    ("ogg/sq33/20250304/processed/", "", ".fits.fz", {"reduction_level": -1}),
    ("ogg/sq33/bpm/", "", ".fits.fz", {"configuration_type": "BPM"}),
    ("ogg/sq33/bpm/", "", ".fits.fz", {"headers": {"EXTNAME": "BPM"}}),
    ("ogg/sq33/bpm/", "-bpm-full", ".fits.fz", {}),
    ("ogg/sq33/bpm/", "_bpm", ".fits.fz", {}),
    ("ogg/sq33/20250304/raw/", "-bpm", ".fits", {"configuration_type": "BPM"}),
    ("ogg/sq33/20250304/raw/", "-bpms", ".fits.fz", {}),
    ("ogg/sq33/20250304/thumbnails/", "", ".jpg", {}),
    ("sq33/20250304/raw/", "", ".fits", {"site_id": ""}),
    ("ogg/20250304/raw/", "", ".fits", {"instrument_id": ""}),
    ("ogg/a/b/20250304/raw/", "", ".fits", {"instrument_id": "a/b"}),
]


@pytest.mark.parametrize(("folder", "ending", "extension", "changes"), PLACES)
async def test_files_are_where_the_old_client_puts_them(
    door: Door,
    client: OldClient,
    name: str,
    folder: str,
    ending: str,
    extension: str,
    changes: dict[str, Any],
) -> None:
    basename = f"place{zlib.crc32(name.encode())}{ending}"
    path = f"{folder}{basename}{extension}"
    there = await asyncio.to_thread(client.put, path, basename.encode())
    frame = await door.file(basename, **changes, version_set=[there.version(extension)])
    answer = await fetch(door, frame["url"])
    assert (answer.status_code, answer.text) == (200, basename)


ODD_NAMES = [
    "with space", "per%cent %2F %", "quo\"te 'n'", "semi;colon,comma=", "plus+and&hash#what?",
    "tilde~caret^pipe|", "brackets[{(<>)}]", "\u03a9 Centauri \U0001f52d", "e\u0301 decomposed \u00e9",
    "-dash", "@:$!*`", "\u202eright to left", "x" * 240,
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD_NAMES)
async def test_odd_names(door: Door, client: OldClient, odd: str) -> None:
    content = noise(odd, 300)
    url = await ingest(door, client, odd, content)
    assert url.isascii()
    assert not re.search(r"[\s\"<>#?]", url)
    answer = await fetch(door, url)
    assert (answer.status_code, answer.content) == (200, content)
    disposition = answer.headers["content-disposition"]
    assert disposition.isascii()
    assert disposition.startswith('attachment; filename="')
    assert (await door.page("site_id=ogg&limit=1000"))["results"]
    found = [one for one in (await door.page("limit=1000"))["results"] if one["basename"] == odd]
    assert found[0]["url"] == url


async def test_only_the_key_with_its_own_name_is_a_file(door: Door, client: OldClient, name: str) -> None:
    url = await ingest(door, client, name, b"content")
    base, _, _ = url.rpartition("/")
    others = [
        f"{base}/{name}.fits.fz", f"{base}/{name}", f"{base}/x.fits", f"{base}/{name.upper()}.fits",
        f"{base}0/{name}.fits", f"{base}/", base, f"{base}/{name}.fits/", f"{base}/..%2F{name}.fits",
    ]  # fmt: skip
    for other in others:
        assert (await fetch(door, other)).status_code == 404, other


@pytest.mark.parametrize("shared_house", ["embedded"], indirect=True)
async def test_a_key_with_a_slash_is_a_key(door: Door, client: OldClient, name: str) -> None:
    there = await put(client, name, b"content of a key with a slash")
    frame = await door.file(name, version_set=[{**there.version(".fits"), "key": f"a/b%2F../{name}"}])
    assert "a%2Fb%252F..%2F" in frame["url"]
    assert (await fetch(door, frame["url"])).content == there.content


async def test_a_picture_is_downloaded_and_its_older_key_is_gone(
    door: Door, client: OldClient, name: str
) -> None:
    await door.file(name)
    path = f"ogg/sq33/20250304/thumbnails/{name}-small.jpg"
    urls: list[str] = []
    for content in (b"first", b"second"):
        there = await asyncio.to_thread(client.put, path, content)
        changes = {"frame_basename": name, "size": "small", "version_set": [there.version(".jpg")]}
        answer = await door.post(THUMBNAILS, posted(f"{name}-small", **changes))
        urls.append(answer.json()["url"])
        for _ in range(2):
            shown = await fetch(door, urls[-1])
            assert (shown.status_code, shown.content) == (200, content)
            assert shown.headers["content-type"] == "image/jpeg"
    assert (await fetch(door, urls[0])).status_code == 404
    if not client.in_bucket:
        await asyncio.to_thread(client.put, path, b"unannounced")
        assert (await fetch(door, urls[1])).status_code == 410


@pytest.mark.parametrize("shared_house", ["embedded"], indirect=True)
async def test_nothing_outside_of_the_folder_is_given(door: Door, client: OldClient, name: str) -> None:
    outside = client.folder.parent / "outside.txt"
    outside.write_bytes(b"secret")
    md5 = hashlib.md5(b"secret").hexdigest()
    (client.folder / FOLDER).mkdir(parents=True, exist_ok=True)
    for number, target in enumerate((outside, Path("/etc/hostname"))):
        (client.folder / FOLDER / f"{name}-{number}.fits").symlink_to(target)
        there = {"key": f"{name}{number}", "md5": md5 if number == 0 else "0" * 32, "extension": ".fits"}
        url = (await door.file(f"{name}-{number}", version_set=[there]))["url"]
        answer = await fetch(door, url)
        assert answer.status_code == 404
        assert b"secret" not in answer.content
        assert (await checked(door, there["md5"]))["state"] == "missing"
    folder = client.folder / FOLDER / f"{name}.fits"
    folder.mkdir()
    url = (await door.file(name))["url"]
    assert (await fetch(door, url)).status_code == 404


@pytest.mark.parametrize("shared_house", ["embedded"], indirect=True)
async def test_a_link_inside_the_folder_is_followed(door: Door, client: OldClient, name: str) -> None:
    real = await asyncio.to_thread(client.put, f"elsewhere/{name}", b"linked")
    (client.folder / FOLDER).mkdir(parents=True, exist_ok=True)
    (client.folder / FOLDER / f"{name}.fits").symlink_to(client.folder / real.path)
    url = (await door.file(name, version_set=[real.version(".fits")]))["url"]
    assert (await fetch(door, url)).content == b"linked"


async def test_downloads_at_once(door: Door, client: OldClient, large: str) -> None:
    answers = await asyncio.gather(*(fetch(door, large, Range=f"bytes={at}-{at + MIB}") for at in range(20)))
    assert all(answer.content == LARGE[at : at + MIB + 1] for at, answer in enumerate(answers))


async def test_a_bucket_gives_a_signed_url_where_the_setting_says_so(
    door: Door, client: OldClient, shared_house: House
) -> None:
    name = "signed \u00e9 & #1"
    old, new = noise("signed old", 2000), noise("signed new", 2000)
    urls = [await ingest(door, client, name, content) for content in (old, new)]
    hidden = await ingest(door, client, "signed-hidden", b"hidden", public_date=None)
    async with shared_house.open(ENTREPOT_ARCHIVE_REDIRECT_DOWNLOADS="true") as redirecting:

        async def ask(url: str, method: str = "GET") -> httpx.Response:
            path = urlsplit(url)._replace(scheme="", netloc="").geturl()
            return await redirecting.client.request(method, path, headers=NOBODY)

        assert (await ask(hidden)).status_code == 404
        if not client.in_bucket:
            assert ((await ask(urls[1])).status_code, (await ask(urls[1])).content) == (200, new)
            assert (await ask(urls[0])).status_code == 410
            return
        for url, content in zip(urls, (old, new), strict=True):
            answer = await ask(url)
            assert answer.status_code == 302
            assert answer.headers["cache-control"] == "no-store"
            location = answer.headers["location"]
            assert location.startswith(client.environ["ENTREPOT_S3_ENDPOINT"])
            async with httpx.AsyncClient() as browser:
                got = await browser.get(location)
            assert (got.status_code, got.content) == (200, content)
            assert "signed" in got.headers["content-disposition"]
            # A signed URL is for one method, so what is asked by HEAD is answered here.
            assert (await ask(url, "HEAD")).headers["content-length"] == str(len(content))


@pytest.mark.parametrize("shared_house", ["scaled"], indirect=True)
async def test_an_object_that_came_in_parts_is_proved_by_its_bytes(
    door: Door, client: OldClient, name: str
) -> None:
    content = noise(name, 5 * MIB + 3)
    there = await asyncio.to_thread(client.put_in_parts, f"{FOLDER}/{name}.fits", content, 5 * MIB)
    for md5, status in ((there.md5, 200), ("f" * 32, 410)):
        basename = name if status == 200 else f"{name}-wrong"
        if status == 410:
            there = await asyncio.to_thread(
                client.put_in_parts, f"{FOLDER}/{basename}.fits", content, 5 * MIB
            )
        frame = await door.file(basename, version_set=[{"key": there.key, "md5": md5, "extension": ".fits"}])
        answer = await fetch(door, frame["url"])
        assert answer.status_code == status
        if status == 200:
            assert answer.content == content
            assert (await checked(door, md5))["sha256"] == hashlib.sha256(content).hexdigest()
