"""Which of a file's headers describes the frame."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from .cards import Card, FitsError
from .field import is_geometry, shows_sky


def describe(headers: Iterable[Mapping[str, Card]], required: Collection[str]) -> dict[str, Card]:
    """Give the cards that describe a frame: those of the first HDU that has all ``required`` keywords.

    If that HDU shows no sky itself (usually a primary header without data, before the detectors'
    extensions), its geometry is replaced by that of the first image HDU which does: XTENSION, the
    NAXIS cards and the world coordinates, so that `footprint` works on the answer. Of several
    detectors the footprint is therefore the first one's. ``headers`` are left as they are, and taken
    only as far as they are needed.

    Raises `FitsError`, naming the missing cards of the HDU that lacks the fewest, if none has all.
    """
    chosen: Mapping[str, Card] | None = None
    sky: Mapping[str, Card] | None = None
    lacking: list[list[str]] = []
    for header in headers:
        if chosen is None:
            lacking.append([keyword for keyword in required if keyword not in header])
            chosen = None if lacking[-1] else header
            if chosen is not None and shows_sky(chosen):
                return dict(chosen)
        sky = header if sky is None and shows_sky(header) else sky
        if chosen is not None and sky is not None:
            break
    if chosen is None:
        raise FitsError(_lack(lacking))
    if sky is None:
        return dict(chosen)
    described = {keyword: value for keyword, value in chosen.items() if not is_geometry(keyword)}
    return described | {keyword: value for keyword, value in sky.items() if is_geometry(keyword)}


def _lack(lacking: list[list[str]]) -> str:
    if not lacking:
        return "There is no HDU to describe."
    best = min(range(len(lacking)), key=lambda index: len(lacking[index]))
    return f"No HDU has all the required cards: HDU {best} lacks {', '.join(lacking[best])}."
