"""Which of a file's headers describes the frame."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from .cards import Card, FitsError
from .field import is_geometry, shows_sky


def describe(headers: Sequence[Mapping[str, Card]], required: Collection[str]) -> dict[str, Card]:
    """Give the cards that describe a frame: those of the first HDU that has all ``required`` keywords.

    If that HDU shows no sky itself (usually a primary header without data, before the detectors'
    extensions), its geometry is replaced by that of the first image HDU which does: XTENSION, the
    NAXIS cards and the world coordinates, so that `footprint` works on the answer. Of several
    detectors the footprint is therefore the first one's. ``headers`` are left as they are.

    Raises `FitsError`, naming the missing cards of the HDU that lacks the fewest, if none has all.
    """
    if not headers:
        raise FitsError("There is no HDU to describe.")
    missing = [[keyword for keyword in required if keyword not in header] for header in headers]
    best = min(range(len(headers)), key=lambda index: len(missing[index]))
    if missing[best]:
        raise FitsError(f"No HDU has all the required cards: HDU {best} lacks {', '.join(missing[best])}.")
    chosen = dict(headers[best])
    sky = None if shows_sky(chosen) else next((header for header in headers if shows_sky(header)), None)
    if sky is None:
        return chosen
    described = {keyword: value for keyword, value in chosen.items() if not is_geometry(keyword)}
    return described | {keyword: value for keyword, value in sky.items() if is_geometry(keyword)}
