"""The blocking calls to obstore, and what their failures mean.

They are blocking on purpose, in threads of ours: the asynchronous ones now and then finish while
the interpreter ends, which aborts the process
(https://github.com/PyO3/pyo3-async-runtimes/issues/40), and leave a cancelled upload's parts.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    GenericError,
    PreconditionError,
    UnauthenticatedError,
)

from entrepot.kernel.errors import TooLarge, Unavailable
from entrepot.kernel.objects.digest import Digest
from entrepot.kernel.objects.errors import ObjectChanged, ObjectExists, ObjectMissing
from entrepot.kernel.objects.models import Checksums, Stat, Stored
from entrepot.kernel.objects.paths import shown
from entrepot.kernel.objects.pieces import PIECE

if TYPE_CHECKING:  # these exist in obstore's stubs only
    from obstore import Attributes, GetOptions, GetResult, ObjectMeta, PutResult
    from obstore.store import ObjectStore as Backend

SINGLE = 8 * PIECE
"""From this size on an object goes up in parts, and its ETag on S3 is no longer its MD5."""

_PART = 16 * PIECE
_MOST_PARTS = 10_000  # S3's limit
_PARTS_AT_ONCE = 3
_STATUS = re.compile(r"Server returned non-2xx status code: (\d{3})")
_OUTSIDE = re.compile("non-2xx status code: 416|Invalid range")


class Bucket:
    """An obstore store; ``name`` begins the sentences about it, ``prefix`` its keys."""

    def __init__(self, backend: Backend, name: str, *, prefix: str = "") -> None:
        self._backend = backend
        self.name = name
        self.prefix = prefix

    def stat(self, path: str, version: str | None = None) -> Stat:
        """Ask for what is known of an object; raises ObjectMissing."""
        options = _options(version)
        options["head"] = True
        with self._failures(path, version):
            return _stat_of(obstore.get(self._backend, self.prefix + path, options=options).meta)

    def download(
        self, path: str, start: int, stop: int | None, version: str | None, etag: str | None
    ) -> GetResult | None:
        """Begin to read a range that isn't empty; None if it starts at the end or behind it.

        Raises ObjectMissing, and ObjectChanged if ``etag`` is given and isn't the object's.
        """
        options = _options(version)
        if etag is not None:
            options["if_match"] = f'"{etag}"'
        if start or stop is not None:
            options["range"] = {"offset": start} if stop is None else (start, stop)
        with self._failures(path, version):
            try:
                return obstore.get(self._backend, self.prefix + path, options=options)
            except GenericError as error:
                if _OUTSIDE.search(str(error)) and start >= self.stat(path, version).size:
                    return None
                raise

    def next_piece(self, path: str, stream: Iterator[bytes]) -> bytes:
        """Read on; empty at the end."""
        with self._failures(path, None):
            return next(stream, b"")

    def upload(
        self,
        path: str,
        pieces: Iterator[bytes],
        *,
        digest: Digest,
        size: int | None,
        attributes: Attributes,
        replace: bool,
    ) -> Stored:
        """Store pieces of 1 MiB, of which ``digest`` is taken as they are drawn; below SINGLE in one request.

        ``size`` is the whole, if known. Raises ObjectExists unless ``replace``, and what ``pieces`` raises.
        """
        head = _head(pieces)
        try:
            with self._failures(path, None):
                if sum(map(len, head)) < SINGLE:
                    result = self._put_whole(path, b"".join(head), attributes, replace=replace)
                else:
                    every = itertools.chain(head, pieces)
                    result = self._put_parts(path, every, size, attributes, replace=replace)
        except ObjectMissing as error:
            raise Unavailable(f"{self.name} doesn't exist.") from error
        return self._stored(path, digest.result(), result)

    def _put_whole(self, path: str, content: bytes, attributes: Attributes, *, replace: bool) -> PutResult:
        return obstore.put(
            self._backend,
            self.prefix + path,
            content,
            attributes=attributes,
            mode="overwrite" if replace else "create",
            use_multipart=False,
        )

    def _put_parts(
        self, path: str, pieces: Iterator[bytes], size: int | None, attributes: Attributes, *, replace: bool
    ) -> PutResult:
        if not replace:
            self._require_absent(path)
        part = max(_PART, math.ceil((size or 0) / _MOST_PARTS))
        return obstore.put(
            self._backend,
            self.prefix + path,
            _limited(pieces, part * _MOST_PARTS),
            attributes=attributes,
            use_multipart=True,
            chunk_size=part,
            max_concurrency=_PARTS_AT_ONCE,
        )

    def _require_absent(self, path: str) -> None:
        try:
            self.stat(path)
        except ObjectMissing:
            return
        raise _exists(path)

    def _stored(self, path: str, checksums: Checksums, result: PutResult) -> Stored:
        found = self.stat(path, result["version"])
        if (found.size, found.etag) != (checksums.size, _unquoted(result["e_tag"])):
            raise ObjectChanged(f"The object {shown(path)} was replaced while it was being stored.")
        return Stored(checksums, found)

    def delete(self, path: str) -> None:
        """Remove an object, or hide it behind a delete marker; one that isn't there is no error."""
        with suppress(ObjectMissing), self._failures(path, None):
            obstore.delete(self._backend, self.prefix + path)

    @contextmanager
    def _failures(self, path: str, version: str | None) -> Generator[None]:
        """Say what a failure of obstore means."""
        try:
            yield
        except FileNotFoundError as error:
            raise missing(path, version) from error
        except AlreadyExistsError as error:
            raise _exists(path) from error
        except PreconditionError as error:
            raise ObjectChanged(f"The object {shown(path)} was replaced while it was being read.") from error
        except BaseError as error:
            found = _STATUS.search(str(error))
            status = int(found[1]) if found else None
            if version is not None and status in {400, 405}:  # no such id; a delete marker
                raise missing(path, version) from error
            if status is None and isinstance(error, UnauthenticatedError):
                raise Unavailable(f"There are no valid credentials for {self.name}.") from error
            raise Unavailable(refusal(self.name, status)) from error


def missing(path: str, version: str | None) -> ObjectMissing:
    """Make the failure of an object, or a version of it, that isn't there."""
    what = "Nothing" if version is None else f"No version {shown(version)}"
    return ObjectMissing(f"{what} is stored as {shown(path)}.")


def refusal(name: str, status: int | None) -> str:
    """Say how a store failed, from its HTTP status (None: no answer)."""
    if status is None:
        return f"{name} doesn't answer."
    if status == 301:
        return f"{name} is in another region; set ENTREPOT_S3_REGION to it."
    if status in {401, 403}:
        return f"{name} refuses the access (HTTP {status}); its credentials must be right and allow this."
    return f"{name} failed (HTTP {status})."


def _options(version: str | None) -> GetOptions:
    return {} if version is None else {"version": version}


def _exists(path: str) -> ObjectExists:
    return ObjectExists(f"Something is stored as {shown(path)} already.")


def _head(pieces: Iterator[bytes]) -> list[bytes]:
    """Draw pieces until there are SINGLE bytes; fewer only at the end of all."""
    head: list[bytes] = []
    size = 0
    for piece in pieces:
        head.append(piece)
        size += len(piece)
        if size >= SINGLE:
            break
    return head


def _limited(pieces: Iterator[bytes], most: int) -> Iterator[bytes]:
    taken = 0
    for piece in pieces:
        taken += len(piece)
        if taken > most:
            raise TooLarge(f"An object over {most >> 30} GiB must be announced with its checksums.")
        yield piece


def _stat_of(meta: ObjectMeta) -> Stat:
    modified = meta["last_modified"].astimezone(UTC)
    return Stat(meta["size"], _unquoted(meta["e_tag"]), meta["version"], modified)


def _unquoted(etag: str | None) -> str:
    return (etag or "").strip('"')
