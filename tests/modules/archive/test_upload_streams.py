"""Uploads that stall, break off, come in crowds or find no room; and how much memory they take."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator

import pytest
from starlette.types import Message

from entrepot.kernel.identity import Role
from entrepot.modules.archive.service import upload
from tests.modules.archive.door import Door, Headers
from tests.modules.archive.uploads import download, fits, holdings, piece, put, raw_put, spooled, uploaded
from tests.services.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 2**20
FOREVER = 60.0
GONE: Message = {"type": "http.disconnect"}


async def staff(door: Door, name: str) -> Headers:
    """Give somebody of staff; every opening of a house needs its own."""
    return await door.house.account(f"staff-{name[-8:]}", Role.STAFF)


async def messages(*given: Message, pause: float = 0.0) -> AsyncIterator[Message]:
    """Give messages, then nothing for a long time."""
    for message in given:
        await asyncio.sleep(pause)
        yield message
    await asyncio.sleep(FOREVER)


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "3000000"}], ids=["chunked", "declared"])
@pytest.mark.parametrize("parts", [0, 1, 3])
async def test_a_client_that_goes_leaves_nothing(
    door: Door, shared_house: House, name: str, parts: int, headers: Headers
) -> None:
    before = await holdings(shared_house, door)
    given = [piece(b"x" * 1_000_000) for _ in range(parts)]
    who = await door.house.staff()
    status, _, _ = await raw_put(door.app, f"{name}.fits", who, messages(*given, GONE), headers)
    assert status == 400
    assert await holdings(shared_house, door) == before
    assert before[2] == []


@pytest.mark.parametrize("declared", [2879, 2881, 10**9])
async def test_a_body_that_is_not_as_long_as_announced(
    door: Door, shared_house: House, name: str, declared: int
) -> None:
    before = await holdings(shared_house, door)
    whole = messages(piece(fits()[:2880], more=False))
    headers = {"Content-Length": str(declared)}
    status, _, body = await raw_put(door.app, f"{name}.fits", await door.house.staff(), whole, headers)
    assert status == 400
    assert b"2,880 bytes" in body
    assert await holdings(shared_house, door) == before


async def test_an_upload_that_is_cancelled_leaves_nothing(door: Door, shared_house: House, name: str) -> None:
    before = await holdings(shared_house, door)
    who = await door.house.staff()
    given = messages(piece(fits(MIB)))
    task = asyncio.create_task(raw_put(door.app, f"{name}.fits", who, given))
    await until(lambda: len(spooled(door)) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await holdings(shared_house, door) == before


async def until(is_so) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110 - what is waited for is on a disk
            await asyncio.sleep(0.01)


async def test_a_stalled_upload_is_given_up(shared_house: House, name: str) -> None:
    async with shared_house.open(ENTREPOT_ARCHIVE_UPLOAD_STALL="0.2") as house:
        door = Door(house)
        who = await staff(door, name)
        content = fits()
        slow = [piece(content[start : start + 1000]) for start in range(0, len(content), 1000)]
        end = piece(b"", more=False)
        status, _, _ = await raw_put(door.app, f"{name}.fits", who, messages(*slow, end, pause=0.05))
        assert status == 201
        status, _, body = await raw_put(door.app, f"{name}.fits", who, messages(*slow))
        assert status == 408
        assert b"0.2 s" in body
        assert spooled(door) == []


async def test_so_many_uploads_at_once_and_no_more(
    shared_house: House, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "WAIT_SECONDS", 0.3)
    async with shared_house.open(ENTREPOT_ARCHIVE_UPLOADS="2") as house:
        door = Door(house)
        who = await staff(door, name)
        go_on = asyncio.Event()

        async def held() -> AsyncIterator[bytes]:
            yield fits()
            await go_on.wait()

        first = [asyncio.create_task(put(door, f"{name}-{n}.fits", held(), who=who)) for n in range(2)]
        await until(lambda: len(spooled(door)) == 2)
        crowded = await put(door, f"{name}-2.fits", fits(), who=who)
        assert crowded.status_code == 503
        assert int(crowded.headers["retry-after"]) > 0
        waiting = asyncio.create_task(put(door, f"{name}-3.fits", fits(), who=who))
        await asyncio.sleep(0.05)
        go_on.set()
        answers = [await task for task in (*first, waiting)]
        assert [answer.status_code for answer in answers] == [201, 201, 201], [one.text for one in answers]
        assert spooled(door) == []


async def test_no_room_is_said_before_the_body_is_read(shared_house: House, name: str) -> None:
    async with shared_house.open(ENTREPOT_ARCHIVE_UPLOAD_MAX=str(2**50)) as house:
        door = Door(house)
        who = await staff(door, name)
        headers = {"Content-Length": str(2**50)}
        status, _, body = await raw_put(door.app, f"{name}.fits", who, messages(), headers)
        assert (status, b"no room" in body) == (507, True)
        assert spooled(door) == []


async def big_file(size: int) -> AsyncIterator[bytes]:
    """Give a large frame in small pieces."""
    yield fits(2880, NAXIS1=size)[:2880]
    for _ in range(-(-size // 2880) // 20):
        yield bytes(2880 * 20)
    yield bytes(2880 * (-(-size // 2880) % 20))


async def test_memory_is_flat_whatever_the_size(door: Door, shared_house: House, name: str) -> None:
    await uploaded(door, f"{name}-before.fits", fits())
    coming_in = 0

    async def watched() -> AsyncIterator[bytes]:
        nonlocal coming_in
        async for content in big_file(30_000_000):
            yield content
        coming_in = tracemalloc.get_traced_memory()[1]

    tracemalloc.start()
    try:
        answer = await put(door, f"{name}.fits", watched())
        in_all = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.status_code == 201, answer.text
    assert coming_in < 8 * MIB
    # An upload to S3 holds some parts of 16 MiB, whatever the size.
    assert in_all < (8 if "ENTREPOT_STORE_URL" not in shared_house.environ else 64) * MIB
    assert len(await download(door, answer.json()["version_set"][0])) > 30_000_000


async def test_an_object_without_a_row_is_taken_over(
    door: Door, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a process leaves that was killed between the store and the catalogue."""
    content = fits()
    with monkeypatch.context() as patch:

        async def killed(*_: object) -> None:
            raise ConnectionResetError

        patch.setattr(upload, "register", killed)
        assert (await put(door, f"{name}.fits", content)).status_code == 500
    frame = await uploaded(door, f"{name}.fits", content)
    assert await download(door, frame["version_set"][0]) == content


async def test_the_readers_live_as_long_as_the_process(shared_house: House, name: str) -> None:
    async with shared_house.open() as house:
        door = Door(house)
        who = await staff(door, name)
        assert (await put(door, f"{name}-1.fits", fits(), who=who)).status_code == 201
        first = await upload.UploadDoor.of(house.context)
        assert (await put(door, f"{name}-2.fits", fits(), who=who)).status_code == 201
        assert await upload.UploadDoor.of(house.context) is first
