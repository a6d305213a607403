"""Filing frames over HTTP (contract §5)."""

import pytest

from tests.modules.archive.frames import posted, version
from tests.services.house import OpenHouse

FRAMES = "/archive/frames/"


async def test_a_frame_is_filed_and_found(opened: OpenHouse) -> None:
    staff = await opened.staff()
    answer = await opened.client.post(FRAMES, json=posted("a-e00"), headers=staff)
    assert answer.status_code == 201, answer.text
    found = (await opened.client.get(FRAMES)).json()
    assert [one["basename"] for one in found["results"]] == ["a-e00"]
