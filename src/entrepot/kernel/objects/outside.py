"""Files of this machine that others look after: read where they are, below certain folders, never written."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from entrepot.kernel.errors import EntrepotError
from entrepot.kernel.objects.errors import ObjectChanged, ObjectOutside
from entrepot.kernel.objects.folder import OpenFile, reading
from entrepot.kernel.objects.models import Checksums, Stat
from entrepot.kernel.objects.paths import shown
from entrepot.kernel.objects.reading import checksums_of
from entrepot.kernel.objects.root import Root
from entrepot.kernel.objects.threads import Threads

_THREADS = 32

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Outside:
    """The files below some folders, by their absolute paths.

    Every opening resolves links and sees to it that what they lead to lies below one of the folders.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._threads = Threads("outside", _THREADS)

    async def open(self, path: str) -> OpenFile:
        """Hold a file for reading; the caller closes it.

        Raises ObjectMissing, ObjectOutside for what lies below none of the folders, and Unavailable.
        """
        return await self._threads.finish(self._open, path)

    async def checksums(self, path: str) -> tuple[Checksums, Stat]:
        """Read a file through; raises ObjectChanged if it is another one at the end, and as ``open`` does."""
        opened = await self.open(path)
        try:
            checksums = await checksums_of(opened, self._threads)
        finally:
            await opened.close()
        again = await self.open(path)
        await again.close()
        if again.stat != opened.stat:
            raise ObjectChanged(f"The file {shown(path)} changed while it was being read; try again.")
        return checksums, opened.stat

    async def resolve(self, paths: Sequence[Path]) -> list[str | EntrepotError]:
        """Give the paths of files without links, or for each what ``open`` raises."""
        return await self._threads.finish(_each, paths, lambda path: self._resolve(os.fspath(path))[1])

    async def stat(self, paths: Sequence[str]) -> list[Stat | EntrepotError]:
        """Give what ``open`` would find, or for each what it raises."""
        return await self._threads.finish(_each, paths, self._stat)

    def _stat(self, path: str) -> Stat:
        opened = self._open(path)
        opened.release()
        return opened.stat

    def _open(self, path: str) -> OpenFile:
        root, target = self._resolve(path)
        return OpenFile.at(root, os.path.relpath(target, root.folder), self._threads)

    def _resolve(self, path: str) -> tuple[Root, str]:
        with reading(path):
            target = os.path.realpath(path, strict=True)
        for folder in self._folders:
            root = Root(folder)
            if Path(target).is_relative_to(root.folder):
                return root, target
        raise ObjectOutside(f"The file {shown(path)} lies outside the folders that are read in place.")

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.close()


def _each(questions: Sequence[Question], ask: Callable[[Question], Answer]) -> list[Answer | EntrepotError]:
    answers: list[Answer | EntrepotError] = []
    for question in questions:
        try:
            answers.append(ask(question))
        except EntrepotError as error:
            answers.append(error)
    return answers
