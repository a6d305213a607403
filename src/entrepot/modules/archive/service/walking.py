"""Finding the files below folders, in order, without holding all their names."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from entrepot.modules.archive.service.cards_beside import SUFFIX, beside
from entrepot.modules.archive.service.rules import DEFAULT, DESCRIBED, Rules

__all__ = ["Extent", "Found", "measure", "walk"]

NAMES_AT_ONCE = 100_000
FITS = "fits"


@dataclass(frozen=True, slots=True)
class Found:
    """A path on the way: a file to look at, or one that is passed over or can't be reached for a reason."""

    path: Path
    passed_over: bool = False
    trouble: str = ""


@dataclass(slots=True)
class Extent:
    """How much there is to do, as far as it has been counted; whoever sets ``unwanted`` ends the count."""

    files: int = 0
    size: int = 0
    whole: bool = False
    unwanted: bool = False


def measure(paths: Iterable[Path], extent: Extent, rules: Rules = DEFAULT) -> None:
    """Count into ``extent`` what `walk` will find, and its bytes."""
    for found in walk(paths, rules):
        if extent.unwanted:
            return
        if not found.passed_over:
            extent.files += 1
            extent.size += size_of(found.path)
    extent.whole = True


def size_of(path: Path) -> int:
    """Give a file's bytes; 0 if there is no file."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def walk(
    paths: Iterable[Path], rules: Rules = DEFAULT, *, names_at_once: int = NAMES_AT_ONCE
) -> Iterator[Found]:
    """Go through files and folders; what is in a folder comes in the order of its name, folders included.

    In folders are passed over: hidden files and folders, files with an extension that no class takes, files
    of the class ``described`` without their cards beside them, and those cards. Links are followed, but not
    back into a folder that is being walked. Of a folder at most ``names_at_once`` names are held.
    """
    for path in paths:
        if path.is_dir():
            yield from _inside(path, (), rules, names_at_once)
        elif os.path.lexists(path):
            yield Found(path)
        else:
            yield Found(path, trouble="There is no such file or folder.")


def _inside(folder: Path, above: Sequence[tuple[int, int]], rules: Rules, at_once: int) -> Iterator[Found]:
    try:
        status = folder.stat()
        here = (status.st_dev, status.st_ino)
        if here in above:
            yield Found(folder, passed_over=True)
            return
        for name, is_folder in _in_order(folder, at_once):
            path = folder / name
            if name.startswith(".") or not (is_folder or _is_wanted(path, rules)):
                yield Found(path, passed_over=True)
            elif is_folder:
                yield from _inside(path, (*above, here), rules, at_once)
            else:
                yield Found(path)
    except OSError as error:
        yield Found(folder, trouble=f"The folder can't be listed: {error.strerror or error}.")


def _is_wanted(path: Path, rules: Rules) -> bool:
    """Tell by its name, and by what is beside it, whether a file in a folder is looked at."""
    _, dot, rest = path.name.partition(".")
    kind = rules.classes.get(dot + rest)
    if kind is None:
        # Rather refused with a reason than passed over: most of these are frames with a dot in their names.
        return any(path.name.endswith(known) for known, kind in rules.classes.items() if kind == FITS)
    return kind != DESCRIBED or (_has_cards(path) and not _describes(path, rules))


def _has_cards(path: Path) -> bool:
    return any(os.path.lexists(path.parent / name) for name in beside(path.name))


def _describes(path: Path, rules: Rules) -> bool:
    """Tell whether a file of JSON is the description of one beside it, where such files are filed too."""
    if not path.name.endswith(SUFFIX):
        return False
    name = path.name.removesuffix(SUFFIX)
    described = [known for known, kind in rules.classes.items() if kind == DESCRIBED and known != SUFFIX]
    names = [name] if "." in name else [name + known for known in described]
    return any(os.path.lexists(path.parent / one) for one in names)


def _in_order(folder: Path, at_once: int) -> Iterator[tuple[str, bool]]:
    """Give a folder's names in order, and which are folders; a very large one is read more than once."""
    last = ""
    while True:
        with os.scandir(folder) as entries:
            names = heapq.nsmallest(
                at_once, ((one.name, _is_folder(one)) for one in entries if one.name > last)
            )
        yield from names
        if len(names) < at_once:
            return
        last = names[-1][0]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False
