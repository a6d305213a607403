"""Files into a folder store from another process than the one that has it open; everything blocks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from entrepot.kernel.errors import EntrepotError, InvalidInput
from entrepot.kernel.objects.errors import ObjectExists
from entrepot.kernel.objects.folder import check_folder_path, stat_of, writing
from entrepot.kernel.objects.incoming import Incoming
from entrepot.kernel.objects.models import Checksums, Stored, Whole
from entrepot.kernel.objects.root import Root
from entrepot.kernel.objects.whole import put_whole


class FolderWriter:
    """Puts new files into the folder of a store, each as safe as by the store's own ``put``."""

    def __init__(self, folder: Path) -> None:
        self._root = Root(folder)

    def put_all(self, objects: Sequence[Whole]) -> list[Stored | EntrepotError]:
        """Put files that are held whole, and give what came of each; all are durable when this returns.

        Their checksums are trusted. ObjectExists and InvalidInput are answers; raises Unavailable.
        """
        checked = [_failure(check_folder_path, one.path) for one in objects]
        sound = [one for one, fault in zip(objects, checked, strict=True) if fault is None]
        with writing(""):
            written = iter(put_whole(self._root, sound) if sound else ())
        return [fault or _stored(one, next(written)) for one, fault in zip(objects, checked, strict=True)]

    def put(self, path: str, pieces: Iterable[bytes], expected: Checksums) -> Stored:
        """Put a stream; raises ChecksumMismatch, ObjectExists, InvalidInput, Unavailable, and as it does."""
        check_folder_path(path)
        incoming = Incoming(self._root, path)
        try:
            with writing(path):
                incoming.create()
            for piece in pieces:
                with writing(path):
                    incoming.write(piece)
            with writing(path):
                checksums, status = incoming.commit(expected=expected, replace=False)
        finally:
            with writing(path):
                incoming.discard()
        return Stored(checksums, stat_of(status))


def _failure(check: Callable[[str], None], path: str) -> EntrepotError | None:
    try:
        check(path)
    except InvalidInput as error:
        return error
    return None


def _stored(one: Whole, found: os.stat_result | OSError) -> Stored | EntrepotError:
    """Say what came of a file; raises Unavailable."""
    try:
        with writing(one.path):
            if isinstance(found, OSError):
                raise found
    except (InvalidInput, ObjectExists) as error:
        return error
    return Stored(one.checksums, stat_of(found))
