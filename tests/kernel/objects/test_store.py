"""What every store does, whatever it is made of."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrepot.kernel.objects import (
    PIECE,
    ChecksumMismatch,
    ObjectChanged,
    ObjectExists,
    ObjectMissing,
    ObjectStore,
)
from tests.kernel.objects.streams import MIB, collect, failing, noise, stream, sums

PATH = "tst/kb01/20260101/raw/frame.fits"
LARGE = noise(18 * MIB + 12345)
"""Large enough for an upload in two parts."""


class DiskError(Exception):
    pass


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 8 * MIB - 1, 8 * MIB, len(LARGE)])
async def test_what_goes_in_comes_out(store: ObjectStore, size: int) -> None:
    content = LARGE[:size]
    before = datetime.now(UTC) - timedelta(seconds=2)
    stored = await store.put(PATH, stream(content), content_type="image/fits")
    assert stored.checksums == sums(content)
    assert stored.stat.size == size
    assert before <= stored.stat.modified <= datetime.now(UTC) + timedelta(seconds=2)
    assert await store.stat(PATH) == stored.stat
    assert await collect(store.read(PATH)) == content
    assert await store.checksums(PATH) == (sums(content), stored.stat)


@pytest.mark.parametrize("size", [1, 1000, 3 * MIB, 100 * MIB])
async def test_the_pieces_that_come_in_may_have_any_size(store: ObjectStore, size: int) -> None:
    content = LARGE[:5_000] if size == 1 else LARGE[: 10 * MIB + 1]
    assert (await store.put(PATH, stream(content, size))).checksums == sums(content)
    assert await collect(store.read(PATH)) == content


async def test_empty_pieces_are_nothing(store: ObjectStore) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"", b"ab", b"", b"c", b""):
            yield piece

    await store.put(PATH, pieces())
    assert await collect(store.read(PATH)) == b"abc"


async def test_what_is_read_comes_in_pieces_of_a_mebibyte(store: ObjectStore) -> None:
    await store.put(PATH, stream(LARGE))
    sizes = [len(piece) async for piece in store.read(PATH)]
    assert sizes == [PIECE] * 18 + [12345]


async def test_what_is_missing_is_said_to_be(store: ObjectStore) -> None:
    for path in (PATH, "tst", "a"):
        with pytest.raises(ObjectMissing):
            await store.stat(path)
        with pytest.raises(ObjectMissing):
            await store.open(path)
        with pytest.raises(ObjectMissing):
            await collect(store.read(path))
        with pytest.raises(ObjectMissing):
            await collect(store.read(path, start=5, stop=5))
        with pytest.raises(ObjectMissing):
            await store.checksums(path)


async def test_a_version_that_was_never_there_is_missing(store: ObjectStore) -> None:
    await store.put(PATH, stream(b"content"))
    for version in (
        "900150983cd24fb0d6963f7d28e17f72",
        "a&b=c d",
        "null",
        "",
        "a\nb",
        "é",
        "\ud800",
        "x" * 2000,
    ):
        with pytest.raises(ObjectMissing):
            await store.stat(PATH, version=version)
        with pytest.raises(ObjectMissing):
            await collect(store.read(PATH, version=version))
    assert await collect(store.read(PATH)) == b"content"


async def test_deletion_is_idempotent(store: ObjectStore) -> None:
    await store.put(PATH, stream(b"content"))
    await store.put(PATH + ".fz", stream(b"other"))
    await store.delete(PATH)
    await store.delete(PATH)
    await store.delete("never/there")
    with pytest.raises(ObjectMissing):
        await store.stat(PATH)
    assert await collect(store.read(PATH + ".fz")) == b"other"


async def test_a_put_replaces_and_the_etag_tells(store: ObjectStore) -> None:
    first = await store.put(PATH, stream(b"first"))
    second = await store.put(PATH, stream(b"second"))
    assert first.stat.etag != second.stat.etag
    assert await collect(store.read(PATH)) == b"second"


@pytest.mark.parametrize("size", [7, 9 * MIB])
async def test_a_put_that_is_not_to_replace_doesnt(store: ObjectStore, size: int) -> None:
    await store.put(PATH, stream(LARGE[:size]), replace=False)
    with pytest.raises(ObjectExists):
        await store.put(PATH, stream(LARGE[1 : size + 1]), replace=False)
    assert await collect(store.read(PATH)) == LARGE[:size]


async def test_of_many_puts_that_are_not_to_replace_one_wins(store: ObjectStore) -> None:
    contents = [f"content {number}".encode() for number in range(8)]
    outcomes = await asyncio.gather(
        *(store.put(PATH, stream(content), replace=False) for content in contents), return_exceptions=True
    )
    won = [
        content
        for content, outcome in zip(contents, outcomes, strict=True)
        if not isinstance(outcome, ObjectExists)
    ]
    assert len(won) == 1
    assert await collect(store.read(PATH)) == won[0]


@pytest.mark.parametrize("size", [0, 10, 9 * MIB])
async def test_bytes_as_announced_are_taken(store: ObjectStore, size: int) -> None:
    stored = await store.put(PATH, stream(LARGE[:size]), expected=sums(LARGE[:size]))
    assert stored.checksums == sums(LARGE[:size])


@pytest.mark.parametrize("size", [0, 10, 9 * MIB, len(LARGE)])
@pytest.mark.parametrize("difference", [b"!", None])
async def test_other_bytes_than_announced_are_refused(
    store: ObjectStore, size: int, difference: bytes | None
) -> None:
    await store.put(PATH, stream(b"before"))
    expected = sums(LARGE[:size] + b"!" if difference else b"x" + LARGE[1:size] + b"")
    if size == 0 and difference is None:
        expected = sums(b"something")
    with pytest.raises(ChecksumMismatch, match="md5 is "):
        await store.put(PATH, stream(LARGE[:size]), expected=expected)
    assert await collect(store.read(PATH)) == b"before"


@pytest.mark.parametrize("sent", [0, 3 * MIB, 17 * MIB])
@pytest.mark.parametrize("failure", [DiskError("midway"), FileNotFoundError(2, "gone"), OSError(28, "full")])
async def test_a_failing_stream_leaves_nothing_and_its_failure_comes_through(
    store: ObjectStore, sent: int, failure: Exception
) -> None:
    with pytest.raises(type(failure)) as raised:
        await store.put(PATH, failing(LARGE[:sent], failure))
    assert raised.value is failure
    with pytest.raises(ObjectMissing):
        await store.stat(PATH)


@pytest.mark.parametrize("sent", [0, 3 * MIB, 17 * MIB])
async def test_a_cancelled_put_leaves_what_was_before(store: ObjectStore, sent: int) -> None:
    await store.put(PATH, stream(b"before"))
    midway = asyncio.Event()

    async def hanging() -> AsyncIterator[bytes]:
        async for piece in stream(LARGE[:sent]):
            yield piece
        midway.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(store.put(PATH, hanging()))
    await midway.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await collect(store.read(PATH)) == b"before"


async def test_a_put_can_be_cancelled_at_any_moment(store: ObjectStore) -> None:
    content = LARGE[: 9 * MIB]
    for delay in (0, 0.001, 0.005, 0.02, 0.05, 0.1):
        task = asyncio.create_task(store.put(PATH, stream(content)))
        await asyncio.sleep(delay)
        task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        try:
            found = await collect(store.read(PATH))
        except ObjectMissing:
            assert isinstance(outcome, asyncio.CancelledError)
        else:
            assert found == content


async def test_nothing_is_visible_before_it_is_whole(store: ObjectStore) -> None:
    async def watched() -> AsyncIterator[bytes]:
        async for piece in stream(LARGE):
            with pytest.raises(ObjectMissing):
                await store.stat(PATH)
            yield piece

    await store.put(PATH, watched())
    assert await collect(store.read(PATH)) == LARGE


async def test_many_at_once(store: ObjectStore) -> None:
    contents = {f"many/{number}": noise(3 * MIB + number, number) for number in range(20)}
    await asyncio.gather(*(store.put(path, stream(content)) for path, content in contents.items()))
    found = await asyncio.gather(*(collect(store.read(path)) for path in contents))
    assert found == list(contents.values())


async def test_more_slow_uploads_than_threads_dont_stop_the_readers(store: ObjectStore) -> None:
    await store.put(PATH, stream(b"content"))
    go_on = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"slow"
        await go_on.wait()

    uploads = [asyncio.create_task(store.put(f"slow/{number}", slow())) for number in range(40)]
    async with asyncio.timeout(20):
        assert await collect(store.read(PATH)) == b"content"
        go_on.set()
        await asyncio.gather(*uploads)
    assert await collect(store.read("slow/39")) == b"slow"


async def test_what_was_opened_is_what_is_read(store: ObjectStore) -> None:
    stored = await store.put(PATH, stream(LARGE))
    opened = await store.open(PATH)
    assert opened.stat == stored.stat
    assert await collect(opened.read(start=MIB, stop=2 * MIB + 1)) == LARGE[MIB : 2 * MIB + 1]
    assert await collect(opened.read()) == LARGE
    assert await collect(opened.read(start=len(LARGE))) == b""
    await store.put(PATH, stream(noise(len(LARGE), 1)))
    if store.scheme == "file":  # the old file, still open
        assert await collect(opened.read()) == LARGE
    else:
        with pytest.raises(ObjectChanged):
            await collect(opened.read())
    await opened.close()
    await opened.close()


async def test_an_object_replaced_while_it_is_checked_is_noticed(store: ObjectStore) -> None:
    contents = {len(LARGE): LARGE, 5: b"small"}
    noticed = False
    for attempt in range(30):
        await store.put(PATH, stream(LARGE))
        checking = asyncio.create_task(store.checksums(PATH))
        await asyncio.sleep(0.003 * attempt)
        await store.put(PATH, stream(b"small"))
        (outcome,) = await asyncio.gather(checking, return_exceptions=True)
        noticed = isinstance(outcome, ObjectChanged)
        if noticed:
            break
        checksums, stat = outcome  # before or after, and never half and half
        assert checksums == sums(contents[stat.size])
    assert noticed


async def test_a_reader_may_stop_midway(store: ObjectStore) -> None:
    await store.put(PATH, stream(LARGE))
    pieces = store.read(PATH)
    assert await anext(pieces) == LARGE[:MIB]
    await pieces.aclose()
    await store.delete(PATH)


@pytest.mark.parametrize(("start", "stop"), [(-1, None), (-5, -1), (3, 2), (0, -1)])
async def test_a_range_that_makes_no_sense_is_a_mistake(
    store: ObjectStore, start: int, stop: int | None
) -> None:
    await store.put(PATH, stream(b"content"))
    with pytest.raises(ValueError, match="a range runs"):
        await collect(store.read(PATH, start=start, stop=stop))


async def test_the_store_is_ready(store: ObjectStore) -> None:
    await store.ready()
    await store.ready()


async def test_closing_twice(store: ObjectStore) -> None:
    await store.put(PATH, stream(b"content"))
    await store.close()
    await store.close()


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, None), (0, 0), (6, None), (7, None), (8, 9), (3, 5), (3, 100), (0, 7), (6, 7), (5, 5)],
)
async def test_ranges(store: ObjectStore, start: int, stop: int | None) -> None:
    await store.put(PATH, stream(b"content"))
    assert await collect(store.read(PATH, start=start, stop=stop)) == b"content"[start:stop]


@st.composite
def spans(draw: st.DrawFn) -> tuple[int, int, int | None]:
    """A size of up to 2.5 MiB, mostly near a border of pieces, and a range in it or beyond."""
    near = st.sampled_from([0, MIB, 2 * MIB, 2 * MIB + MIB // 2]).flatmap(
        lambda border: st.integers(-2, 2).map(lambda step: max(0, border + step))
    )
    size = draw(st.one_of(near, st.integers(0, 3000)))
    start = draw(st.one_of(near, st.integers(0, size + 2)))
    stop = draw(st.one_of(st.none(), st.integers(start, start + 3), near.filter(lambda end: end >= start)))
    return size, start, stop


SPANS = noise(3 * MIB, 2)
anything = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


async def check_span(store: ObjectStore, size: int, start: int, stop: int | None) -> None:
    content = SPANS[:size]
    await store.put(PATH, stream(content))
    pieces = [piece async for piece in store.read(PATH, start=start, stop=stop)]
    assert b"".join(pieces) == content[start:stop]
    assert all(0 < len(piece) <= PIECE for piece in pieces)
    opened = await store.open(PATH)
    assert await collect(opened.read(start=start, stop=stop)) == content[start:stop]
    await opened.close()


@anything
@given(span=spans())
async def test_any_range_of_any_file(folder_store: ObjectStore, span: tuple[int, int, int | None]) -> None:
    await check_span(folder_store, *span)


@anything
@given(span=spans())
async def test_any_range_in_memory(memory_store: ObjectStore, span: tuple[int, int, int | None]) -> None:
    await check_span(memory_store, *span)
