"""The object store over one of obstore's: what S3 and memory share."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from entrepot.kernel.errors import InvalidInput, Unavailable
from entrepot.kernel.objects.bucket import Bucket
from entrepot.kernel.objects.errors import ObjectChanged
from entrepot.kernel.objects.feed import Feed, FeedStoppedError
from entrepot.kernel.objects.models import Checksums, Stat, Stored
from entrepot.kernel.objects.paths import LONGEST_PATH, check_object_path, shown
from entrepot.kernel.objects.pieces import PIECE, check_span, pieces_of, regrouped
from entrepot.kernel.objects.reading import checksums_of
from entrepot.kernel.objects.threads import Threads, finished, settled

if TYPE_CHECKING:
    from obstore import Attributes, GetResult

_THREADS = 32
_UPLOADS = 16


class RemoteStore:
    """Objects in a bucket; the kinds of store are subclasses."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._threads = Threads("bucket", _THREADS)
        # apart, because an upload holds its thread for as long as the client takes to send
        self._uploads = Threads("uploads", _UPLOADS)

    @property
    def folder(self) -> None:
        """See ObjectStore."""
        return

    def check_path(self, path: str) -> None:
        """See ObjectStore."""
        check_object_path(path, longest=LONGEST_PATH - len(self._bucket.prefix.encode()))

    def _check_version(self, path: str, version: str | None) -> None:
        """Raise ObjectMissing for a version that this store can't have."""

    async def put(
        self,
        path: str,
        pieces: AsyncIterator[bytes],
        *,
        content_type: str = "",
        expected: Checksums | None = None,
        replace: bool = True,
    ) -> Stored:
        """See ObjectStore. A cancellation during the last request may find the object whole."""
        self.check_path(path)
        attributes = _attributes(content_type)
        feed = Feed(expected)
        upload = self._uploads.start(
            self._bucket.upload,
            path,
            iter(feed),
            digest=feed.digest,
            size=expected and expected.size,
            attributes=attributes,
            replace=replace,
        )
        upload.add_done_callback(feed.abandon)
        try:
            async with aclosing(regrouped(pieces)) as grouped:
                async for piece in grouped:
                    await feed.send(piece)
            await feed.end()
        except FeedStoppedError:
            return await upload  # raises what ended it
        except BaseException:
            feed.stop()
            await settled(upload)
            raise
        return await finished(upload)

    async def take(
        self, path: str, file: Path, *, checksums: Checksums, content_type: str = "", replace: bool = True
    ) -> Stored:
        """See ObjectStore."""
        pieces = pieces_of(file, self._threads)
        return await self.put(path, pieces, content_type=content_type, expected=checksums, replace=replace)

    async def stat(self, path: str, *, version: str | None = None) -> Stat:
        """See ObjectStore."""
        self.check_path(path)
        self._check_version(path, version)
        return await self._threads.run(self._bucket.stat, path, version)

    async def open(self, path: str, *, version: str | None = None) -> RemoteObject:
        """See ObjectStore."""
        return RemoteObject(self, path, version, await self.stat(path, version=version))

    async def read(
        self,
        path: str,
        *,
        start: int = 0,
        stop: int | None = None,
        version: str | None = None,
        etag: str | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """See ObjectStore; with ``etag``, raises ObjectChanged if that is not the object's."""
        self.check_path(path)
        self._check_version(path, version)
        check_span(start, stop)
        if start == stop:
            await self.stat(path, version=version)
            return
        download = self._bucket.download
        result = await self._threads.run(download, path, start, stop, version, etag)
        if result is not None:
            async with aclosing(regrouped(self._streamed(path, result))) as grouped:
                async for piece in grouped:
                    yield piece

    async def _streamed(self, path: str, result: GetResult) -> AsyncGenerator[bytes, None]:
        start, stop = result.range
        left = stop - start
        stream = iter(result.stream(PIECE))
        while left > 0 and (piece := await self._threads.run(self._bucket.next_piece, path, stream)):
            left -= len(piece)
            yield piece
        if left:
            raise Unavailable(f"{self._bucket.name} broke off while {shown(path)} was being read.")

    async def checksums(self, path: str, *, version: str | None = None) -> tuple[Checksums, Stat]:
        """See ObjectStore."""
        opened = await self.open(path, version=version)
        checksums = await checksums_of(opened, self._threads)
        if await self.stat(path, version=version) != opened.stat:
            raise ObjectChanged(f"The object {shown(path)} changed while it was being read; try again.")
        return checksums, opened.stat

    async def delete(self, path: str, *, version: str | None = None) -> None:
        """See ObjectStore."""
        self.check_path(path)
        self._check_version(path, version)
        await self._threads.run(self._bucket.delete, path)

    async def sweep_temporary(self, older_than: timedelta) -> int:
        """See ObjectStore."""
        return 0

    async def close(self) -> None:
        """See ObjectStore."""
        self._threads.close()
        self._uploads.close()


def _attributes(content_type: str) -> Attributes:
    if not (content_type.isascii() and content_type.isprintable()):
        raise InvalidInput(f"{shown(content_type)} is no media type; one is written as in image/fits.")
    return {"Content-Type": content_type} if content_type else {}


class RemoteObject:
    """An object as it was when it was opened."""

    def __init__(self, store: RemoteStore, path: str, version: str | None, stat: Stat) -> None:
        self._store = store
        self._path = path
        self._version = version
        self.stat: Final = stat

    async def read(self, *, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """See OpenObject."""
        check_span(start, stop)
        end = self.stat.size if stop is None else min(stop, self.stat.size)
        if start >= end:
            return
        whole = self._store.read(
            self._path, start=start, stop=end, version=self._version, etag=self.stat.etag
        )
        async with aclosing(whole) as pieces:
            async for piece in pieces:
                yield piece

    async def close(self) -> None:
        """See OpenObject."""
