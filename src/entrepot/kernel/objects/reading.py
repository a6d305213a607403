"""Reading an open object through, the same way for every store."""

from __future__ import annotations

from entrepot.kernel.objects.digest import Digest
from entrepot.kernel.objects.models import Checksums
from entrepot.kernel.objects.store import OpenObject
from entrepot.kernel.objects.threads import Threads


async def checksums_of(opened: OpenObject, threads: Threads) -> Checksums:
    """Take the checksums of an open object in a thread; raises ObjectChanged."""
    digest = Digest()
    async for piece in opened.read():
        await threads.run(digest.feed, piece)
    return digest.result()
