"""Who sees which frame: asked here by every door."""

from __future__ import annotations

from datetime import UTC, datetime

from entrepot.kernel.identity import Caller
from entrepot.modules.archive.models import Sight

__all__ = ["of_the_service", "sight_of"]


def sight_of(caller: Caller) -> Sight:
    """Give what a caller may see just now: staff everything, members their projects, all what is public."""
    return Sight(everything=caller.is_staff, projects=caller.projects, now=datetime.now(UTC))


def of_the_service() -> Sight:
    """Give the sight of the service itself."""
    return Sight(everything=True, projects=frozenset(), now=datetime.now(UTC))
