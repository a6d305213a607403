from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from entrepot.kernel.kept import Kept


class Pool:
    made = 0


class Other:
    pass


def maker(kind, log, *, fails: bool = False):
    @asynccontextmanager
    async def make():
        await asyncio.sleep(0)
        if fails:
            raise OSError("no such thing")
        log.append(f"made {kind.__name__}")
        yield kind()
        log.append(f"closed {kind.__name__}")

    return make


async def test_a_thing_is_made_once_and_closed_in_reverse() -> None:
    kept, log = Kept(), []
    found = await asyncio.gather(*(kept.get(Pool, maker(Pool, log)) for _ in range(5)))
    assert len(set(map(id, found))) == 1
    assert isinstance(await kept.get(Other, maker(Other, log)), Other)
    assert await kept.get(Pool, maker(Pool, log)) is found[0]
    assert log == ["made Pool", "made Other"]
    await kept.close()
    assert log[2:] == ["closed Other", "closed Pool"]


async def test_a_failure_is_tried_again() -> None:
    kept, log = Kept(), []
    with pytest.raises(OSError, match="no such thing"):
        await kept.get(Pool, maker(Pool, log, fails=True))
    assert isinstance(await kept.get(Pool, maker(Pool, log)), Pool)
    await kept.close()
    assert log == ["made Pool", "closed Pool"]


async def test_closing_with_nothing_kept() -> None:
    kept = Kept()
    await kept.close()
    await kept.close()
