"""How frames stand after being filed one behind the other; pure, so that many are reckoned in a thread."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from entrepot.kernel.errors import InvalidInput
from entrepot.kernel.objects import Checksums
from entrepot.modules.archive.documents import render_document
from entrepot.modules.archive.models import FileState, Frame, NewVersion, PostedFrame, Version
from entrepot.modules.archive.store.ingest import Document, Known

__all__ = ["Filed", "FilesOf", "Filing", "NewFile", "clashes", "merged"]


@dataclass(frozen=True, slots=True)
class NewFile:
    """A new version and where its bytes lie; the checksums are known when they passed through us."""

    version: NewVersion
    path: str
    store_version: str | None = None
    checksums: Checksums | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Filed:
    """A frame as it stands in the catalogue, with the ids of its related frames."""

    frame: Frame
    related: tuple[int, ...]


FilesOf = Callable[[Frame], Sequence[NewFile]]
"""Gives the files of a frame's new versions; raises InvalidInput for what the store can't take."""


class Filing:
    """What filing some frames changes, reckoned one frame after the other.

    ``frames`` are those that are there already and get something new, with their ``related`` ones.
    """

    def __init__(
        self, found: Known, frames: Mapping[int, Frame], related: Mapping[int, set[int]], now: datetime
    ) -> None:
        self._read = frames
        self._now = now
        self._ids = dict(found.frames)
        self._keys = set(found.keys)
        self._md5s = set(found.md5s)
        self._frame_ids = list(reversed(found.frame_ids))
        self._version_ids = list(reversed(found.version_ids))
        self._made: set[int] = set()
        self._filed: dict[int, Frame] = {}
        self._headers: dict[int, str] = {}
        self._related = {one: set(others) for one, others in related.items()}
        self._bare: dict[int, Frame] = {}
        self.versions: list[Version] = []
        self.pairs: list[tuple[int, int]] = []
        self.events: list[Mapping[str, object]] = []
        self.documents: list[Document] = []

    @property
    def new(self) -> list[Frame]:
        """The frames to insert."""
        return [frame for frame in self._filed.values() if frame.id in self._made]

    @property
    def placeholders(self) -> list[Frame]:
        """The frames that others name, and that are neither there nor filed."""
        return list(self._bare.values())

    @property
    def changed(self) -> list[Frame]:
        """The frames to write over those that are there."""
        return [frame for frame in self._filed.values() if frame.id not in self._made]

    def file_all(self, items: Sequence[tuple[PostedFrame, FilesOf]]) -> list[Filed | InvalidInput]:
        """File frames one behind the other, and render what was filed."""
        results: list[Filed | InvalidInput] = []
        for posted, files_of in items:
            try:
                results.append(self._file(posted, files_of))
            except InvalidInput as error:
                # The traceback would keep alive all that was at hand.
                results.append(error.with_traceback(None))
        self.documents = [
            Document(frame.id, render_document(frame), self._headers[frame.id])
            for frame in self._filed.values()
        ]
        return results

    def _file(self, posted: PostedFrame, files_of: FilesOf) -> Filed:
        _refuse_known(posted.versions, self._keys, self._md5s)
        frame = merged(self._before(posted.basename), posted)
        files = files_of(frame)  # the last that may fail
        frame = replace(frame, versions=(*self._added(frame, files), *frame.versions))
        if posted.basename not in self._ids:
            self._made.add(self._given(posted.basename))
        self._bare.pop(frame.id, None)
        self._filed[frame.id] = frame
        self._headers[frame.id] = posted.headers
        self._relate(frame.id, posted.related)
        return Filed(frame, tuple(sorted(self._related[frame.id])))

    def _before(self, basename: str) -> Frame:
        """Give a frame as it stands; an unknown one under the id that it would get."""
        frame_id = self._ids.get(basename)
        if frame_id is None:
            return Frame(self._frame_ids[-1], basename)
        return self._filed.get(frame_id) or self._read.get(frame_id) or self._bare[frame_id]

    def _given(self, basename: str) -> int:
        """Give a new frame its id."""
        frame_id = self._ids[basename] = self._frame_ids.pop()
        return frame_id

    def _added(self, frame: Frame, files: Sequence[NewFile]) -> list[Version]:
        """Give a frame's new versions, the last of them first."""
        new = [_version(self._version_ids.pop(), frame.id, file, self._now) for file in files]
        self.versions += new
        self._keys.update(one.key for one in new)
        self._md5s.update(one.md5 for one in new)
        self.events += [
            {"frame": frame.id, "version": one.id, "basename": frame.basename} for one in reversed(new)
        ]
        return new[::-1]

    def _relate(self, frame_id: int, names: Sequence[str]) -> None:
        mine = self._related.setdefault(frame_id, set())
        for name in names:
            other = self._ids.get(name)
            if other is None:
                other = self._given(name)
                self._made.add(other)
                self._bare[other] = Frame(other, name)
            if other not in mine:
                mine.add(other)
                self._related.setdefault(other, set()).add(frame_id)
                self.pairs.append((frame_id, other))


def clashes(versions: Sequence[NewVersion], keys: Collection[str], md5s: Collection[str]) -> bool:
    """Tell whether a version has a key or sum that is taken."""
    return any(new.key in keys or new.md5 in md5s for new in versions)


def merged(frame: Frame, posted: PostedFrame) -> Frame:
    """Give a frame with the posted values."""
    return replace(frame, **cast("dict[str, Any]", dict(posted.values)), cover=posted.cover)


def _refuse_known(versions: Sequence[NewVersion], keys: Collection[str], md5s: Collection[str]) -> None:
    if not clashes(versions, keys, md5s):
        return
    wrong: list[dict[str, list[str]]] = []
    for new in versions:
        sentences: dict[str, list[str]] = {}
        if new.key in keys:
            sentences["key"] = ["version with this key already exists."]
        if new.md5 in md5s:
            sentences["md5"] = ["version with this md5 already exists."]
        wrong.append(sentences)
    raise InvalidInput.of({"version_set": wrong})


def _version(version_id: int, frame_id: int, file: NewFile, now: datetime) -> Version:
    sums = file.checksums
    return Version(
        id=version_id,
        frame_id=frame_id,
        key=file.version.key,
        md5=file.version.md5,
        extension=file.version.extension,
        path=file.path,
        created=now,
        store_version=file.store_version,
        size=sums.size if sums else None,
        crc32=sums.crc32 if sums else None,
        sha256=sums.sha256 if sums else None,
        etag=file.etag,
        state=FileState.CHECKED if sums else FileState.UNCHECKED,
        checked=now if sums else None,
    )
