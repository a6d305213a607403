"""The door itself: what every kind of store does."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Protocol

from entrepot.kernel.objects.models import Checksums, Scheme, Stat, Stored


class OpenObject(Protocol):
    """One object, held so that what was stat'ed is what is read, whatever happens to its path."""

    @property
    def stat(self) -> Stat:
        """What the store said when it was opened."""
        ...

    def read(self, *, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """Yield bytes ``start`` to ``stop`` (exclusive, cut to the size) in pieces of 1 MiB.

        Raises ObjectChanged, before the last piece, if the bytes are no longer those of ``stat``.
        """
        ...

    async def close(self) -> None:
        """Let go of it; may be called twice."""
        ...


class ObjectStore(Protocol):
    """Bytes under paths. Every method raises Unavailable when the store doesn't answer in time."""

    scheme: ClassVar[Scheme]

    @property
    def folder(self) -> Path | None:
        """The folder that holds the files, where a FolderWriter may put some from another process."""
        ...

    def check_path(self, path: str) -> None:
        """Raise InvalidInput, in one sentence, for a path that could escape or that this store can't take."""
        ...

    async def put(
        self,
        path: str,
        pieces: AsyncIterator[bytes],
        *,
        content_type: str = "",
        expected: Checksums | None = None,
        replace: bool = True,
    ) -> Stored:
        """Store a stream, checksummed on the way; it is durable when this returns.

        Nothing is visible under ``path`` before it is whole. A failure, a failing iterator or a
        cancellation leaves what was there before. Raises ChecksumMismatch if the bytes are not the
        ``expected`` ones, and ObjectExists, with ``replace=False``, if something is there. (On S3,
        over 8 MiB, that is asked before the upload; a versioned bucket keeps both of two racing.)
        """
        ...

    async def take(
        self, path: str, file: Path, *, checksums: Checksums, content_type: str = "", replace: bool = True
    ) -> Stored:
        """Store a file of this machine that nobody changes any more and whose ``checksums`` are known.

        As ``put`` with them as ``expected``; a folder in the same file system only gives the file a further
        name and then trusts the checksums. The caller removes the file afterwards, which may be gone.
        """
        ...

    async def stat(self, path: str, *, version: str | None = None) -> Stat:
        """Tell size, etag, version and time; raises ObjectMissing."""
        ...

    async def open(self, path: str, *, version: str | None = None) -> OpenObject:
        """Hold an object for reading; raises ObjectMissing. The caller closes it."""
        ...

    def read(
        self, path: str, *, start: int = 0, stop: int | None = None, version: str | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield bytes ``start`` to ``stop`` (exclusive, cut to the size) in pieces of 1 MiB.

        Raises ObjectMissing, and ObjectChanged if the bytes change meanwhile.
        """
        ...

    async def checksums(self, path: str, *, version: str | None = None) -> tuple[Checksums, Stat]:
        """Read an object through; raises ObjectChanged if it is another one at the end."""
        ...

    async def delete(self, path: str, *, version: str | None = None) -> None:
        """Remove an object, or one version of it; one that isn't there is no error.

        Raises ObjectMissing for a version that this store can't have (a folder keeps none).
        """
        ...

    async def signed_url(self, path: str, *, version: str | None, filename: str, expires: int) -> str | None:
        """Make a URL that downloads the object under ``filename`` for ``expires`` seconds (S3 only).

        Asks the store nothing. ``expires`` is 1 to 604,800 (seven days), else ValueError.
        """
        ...

    async def sweep_temporary(self, older_than: timedelta) -> int:
        """Remove what puts of dead processes left and nobody has touched for so long; returns how many.

        On S3 that is the work of a lifecycle rule (AbortIncompleteMultipartUpload).
        """
        ...

    async def ready(self) -> None:
        """Raise Unavailable, in one sentence, if the store can't be used or doesn't answer in 5 s."""
        ...

    async def close(self) -> None:
        """Let go of threads and connections; may be called twice."""
        ...
