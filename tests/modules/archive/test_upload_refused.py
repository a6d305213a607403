"""Uploads that are refused: in one sentence, and with nothing left behind."""

import hashlib
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from entrepot.kernel.identity import Role
from tests.modules.archive.door import Door, assert_one_sentence_each, raw_request, sentences
from tests.modules.archive.uploads import CARDS, digest, fits, holdings, metadata, put, spooled
from tests.services.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

FITS = fits()
MIB = 2**20


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def _nothing_left(door: Door, shared_house: House) -> AsyncIterator[None]:
    """Every test here leaves the archive as it was."""
    before = await holdings(shared_house, door)
    yield
    assert await holdings(shared_house, door) == before
    assert before[2] == []


async def refused(door: Door, name: str, content: bytes, headers: dict[str, str | bytes], status: int) -> str:
    """Upload, insist on a refusal in one sentence, and give it."""
    answer = await put(door, name, content, headers)
    assert answer.status_code == status, answer.text
    assert_one_sentence_each(answer.json())
    return " ".join(sentences(answer.json()))


@pytest.mark.parametrize(
    ("header", "value", "said"),
    [
        ("Repr-Digest", digest(b"x"), "sha-256"),
        ("Content-Digest", digest(b"x", "md5"), "md5"),
        ("Repr-Digest", f"{digest(FITS)}, {digest(b'x', 'md5')}", "md5"),
        ("Content-MD5", digest(b"x", "md5")[5:-1], "Content-MD5"),
    ],
    ids=["sha-256", "md5", "the second", "Content-MD5"],
)
async def test_wrong_digests(door: Door, name: str, header: str, value: str, said: str) -> None:
    sentence = await refused(door, f"{name}.fits", FITS, {header: value}, 400)
    right = digest(FITS, "md5" if "md5" in said.lower() else "sha-256").partition("=")[2].strip(":")
    for part in (said, header, right, value.rpartition("=:")[2].strip(":")):
        assert part in sentence


UNREAD = [
    ({"Repr-Digest": "sha-256=xyz"}, 400),
    ({"Content-Digest": "sha-256=:AAAA:"}, 400),
    ({"Content-MD5": hashlib.md5(FITS).hexdigest()}, 400),
    ({"Content-Range": "bytes 0-99/200"}, 400),
    ({"Content-Encoding": "gzip"}, 415),
    ({"Content-Encoding": "identity, br"}, 415),
    ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
    ({"X-Entrepot-Metadata": ""}, 400),
    ({"X-Entrepot-Metadata": "{"}, 400),
    ({"X-Entrepot-Metadata": "[]"}, 400),
    ({"X-Entrepot-Metadata": '"OBJECT"'}, 400),
    ({"X-Entrepot-Metadata": "null"}, 400),
    ({"X-Entrepot-Metadata": '{"A": NaN}'}, 400),
    ({"X-Entrepot-Metadata": '{"A": 1e999}'}, 400),
    ({"X-Entrepot-Metadata": '{"A": [1]}'}, 400),
    ({"X-Entrepot-Metadata": '{"A": {"B": 1}}'}, 400),
    ({"X-Entrepot-Metadata": '{"A": 1, "A": 2}'}, 400),
    ({"X-Entrepot-Metadata": '{"": 1}'}, 400),
    ({"X-Entrepot-Metadata": '{"A": "\\u0000"}'}, 400),
    ({"X-Entrepot-Metadata": '{"A": "\\ud800"}'}, 400),
    ({"X-Entrepot-Metadata": '{"A": "\xff"}'.encode("latin-1")}, 400),
    ({"X-Entrepot-Metadata": "[" * 60_000}, 400),
    ({"X-Entrepot-Metadata": json.dumps({"A": "x" * 65_536})}, 400),
    ({"X-Entrepot-Metadata": '{"A": ' + "9" * 60_000 + "}"}, 400),
    ({"Accept": "image/fits"}, 406),
]


@pytest.mark.parametrize(("headers", "status"), UNREAD, ids=range(len(UNREAD)))
async def test_bad_headers_are_refused_before_the_body_is_read(
    door: Door, headers: dict[str, str | bytes], status: int
) -> None:
    async def body() -> AsyncIterator[bytes]:
        pytest.fail("the body was read")
        yield b""

    answer = await put(door, "x.fits", body(), headers)
    assert answer.status_code == status
    assert_one_sentence_each(answer.json())


async def test_metadata_comes_once(door: Door) -> None:
    twice = [(b"x-entrepot-metadata", b"{}"), (b"x-entrepot-metadata", b"{}")]
    staff = [(name.lower().encode(), value.encode()) for name, value in (await door.house.staff()).items()]
    answer = await raw_request(
        door.app, "PUT", b"/archive/upload/x.fits", headers=[*staff, *twice], body=FITS
    )
    assert answer.status == 400


async def test_who_may_not_upload_is_told_before_the_body_is_read(door: Door) -> None:
    async def body() -> AsyncIterator[bytes]:
        pytest.fail("the body was read")
        yield b""

    for who, status in (({}, 401), (await door.house.account("mere-user"), 403)):
        assert (await put(door, "x.fits", body(), who=who)).status_code == status


@pytest.mark.parametrize(
    "name",
    [
        ".fits", "..fits", "a/b.fits", "../x.fits", "/etc/x.fits", "a\\b.fits", "x.fits\n", "a\nb.fits",
        "a\x01.fits", "a\x7f.fits", "a\u2028b.fits", "a\u0085.fits", " x.fits", "x.fits ", "x", "x.",
        "x.txt.exe", "x.FITS", "x.y.fits", "x" * 300 + ".fits", "é" * 130 + ".fits", "x." + "y" * 50,
        "x.fits/",
        "x..fits", "x.fits.", ".entrepot",
    ],
)  # fmt: skip
async def test_bad_names_are_refused_before_the_body_is_read(door: Door, name: str) -> None:
    async def body() -> AsyncIterator[bytes]:
        pytest.fail("the body was read")
        yield b""

    answer = await put(door, name, body())
    assert answer.status_code == 400, answer.text
    assert_one_sentence_each(answer.json())


BAD_PATHS = [
    b"x%00.fits", b"%ff.fits", b"x%ZZ.fits", b"%", b"a%2Fb.fits", b"%2e%2e%2Fx.fits", b"%2Fetc%2Fx.fits",
    b"..", b".", b"%2E%2e", b"x%0d%0aLocation:%20y.fits",
]  # fmt: skip


@pytest.mark.parametrize("path", BAD_PATHS)
async def test_bad_raw_names(door: Door, path: bytes) -> None:
    staff = [(name.lower().encode(), value.encode()) for name, value in (await door.house.staff()).items()]
    answer = await raw_request(door.app, "PUT", b"/archive/upload/" + path, headers=staff, body=FITS)
    assert answer.status == 400
    assert_one_sentence_each(json.loads(answer.body))


NO_FRAMES = {
    "empty": b"",
    "text": b"not FITS at all",
    "zeros": bytes(28_800),
    "cut in its header": FITS[:1000],
    "cut in its data": FITS[:-100],
    "without cards": fits(without=("PROPID", "SITEID")),
    "with a bad date": fits(DATE_OBS="yesterday"),
    "with a bad type": fits(OBSTYPE="PARTY"),
    "with a bad number": fits(BLKUID="many"),
    "with endless data": fits(NAXIS1=10**15),
}


@pytest.mark.parametrize("kind", NO_FRAMES)
async def test_what_is_no_frame_is_refused(door: Door, kind: str) -> None:
    sentence = await refused(door, "no-frame.fits", NO_FRAMES[kind], {}, 400)
    assert ".part" not in sentence
    assert "spool" not in sentence


@pytest.mark.parametrize(
    ("name", "content"), [("x.pdf", b"no PDF"), ("x.jpg", b"no picture"), ("x.tar", b"no tar")]
)
async def test_other_files_that_are_refused(door: Door, name: str, content: bytes) -> None:
    sentence = await refused(door, name, content, dict(metadata(CARDS)), 400)
    assert name in sentence


@pytest.mark.parametrize("name", ["x.pdf", "x.jpg"])
@pytest.mark.parametrize("headers", [{}, {"X-Entrepot-Metadata": "{}"}], ids=["without", "empty"])
async def test_what_has_no_header_needs_cards_with_it(
    door: Door, name: str, headers: dict[str, str | bytes]
) -> None:
    async def body() -> AsyncIterator[bytes]:
        pytest.fail("the body was read")
        yield b""

    answer = await put(door, name, body(), headers)
    assert answer.status_code == 400
    [sentence] = sentences(answer.json())
    assert "X-Entrepot-Metadata" in sentence


async def test_cards_that_make_a_frame_bad(door: Door) -> None:
    for cards, field in (
        ({"OBSTYPE": "PARTY"}, "PARTY"),
        ({"DATE-OBS": ""}, "DATE-OBS"),
        ({"BLKUID": -1}, "0"),
    ):
        assert field in await refused(door, "x.fits", FITS, dict(metadata(cards)), 400)


@pytest.mark.parametrize("streamed", [False, True], ids=["declared", "streamed"])
async def test_a_file_over_the_limit(shared_house: House, streamed: bool) -> None:
    async with shared_house.open(ENTREPOT_ARCHIVE_UPLOAD_MAX=str(MIB)) as house:
        door = Door(house)
        staff = await house.account(f"limited-{streamed}", Role.STAFF)
        read = 0

        async def body() -> AsyncIterator[bytes]:
            nonlocal read
            for _ in range(100):
                read += 65_536
                yield b"x" * 65_536

        answer = await put(door, "x.fits", body() if streamed else b"x" * (MIB + 1), who=staff)
        assert answer.status_code == 413
        assert "1,048,576 bytes" in answer.json()["detail"]
        assert read <= MIB + 65_536
        assert spooled(door) == []


async def test_other_routes_keep_the_limit_of_the_service(door: Door) -> None:
    body = b" " * (4 * MIB + 1)
    for method, path in (
        ("PUT", "/archive/frames/"),
        ("POST", "/archive/upload/x.fits"),
        ("PUT", "/archive/uploads"),
    ):
        assert (await door.client.request(method, path, content=body)).status_code == 413, path
