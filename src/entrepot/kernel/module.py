"""What a module hands to the application."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from entrepot.kernel.errors import EntrepotError
from entrepot.kernel.jobs import Job
from entrepot.kernel.process import ProcessContext
from entrepot.kernel.settings import Section

if TYPE_CHECKING:  # commands have no use for it
    from fastapi import APIRouter
    from starlette.responses import Response
    from starlette.types import Scope

__all__ = ["Module", "Opener"]

Opener = Callable[[], AbstractAsyncContextManager[ProcessContext]]
"""Opens what a command works on, by the settings of its environment; ``typer.Context.obj`` holds it."""


@dataclass(frozen=True, slots=True)
class Module:
    """A room of the house, as the application sees it; ``name`` is also its URL prefix."""

    name: str
    settings: type[Section]
    router: Callable[[str], APIRouter]
    """Makes the routes below the prefix that it is given."""
    jobs: Callable[[ProcessContext], Sequence[Job]]
    """Makes the background work, bound to the process it runs in."""
    mount_commands: Callable[[typer.Typer], None]
    """Adds the module's commands to the command line; their context's ``obj`` is an Opener."""
    render_error: Callable[[EntrepotError, Scope], Response]
    """Gives a failure below the prefix the shape that the module's clients know."""
    own_limits: Sequence[tuple[str, str]] = ()
    """Routes that watch over the size of their bodies themselves: a method, and what the path behind the
    prefix begins with. Those of all others end at the limit of the service."""
