"""What the application sees of the archive; its HTTP is loaded when it is asked for: commands have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrepot.kernel.errors import EntrepotError
from entrepot.kernel.module import Module
from entrepot.modules.archive.cli import mount_commands
from entrepot.modules.archive.jobs import jobs
from entrepot.modules.archive.settings import ArchiveSettings

if TYPE_CHECKING:
    from fastapi import APIRouter
    from starlette.responses import Response
    from starlette.types import Scope

__all__ = ["archive"]


def _router(prefix: str) -> APIRouter:
    from entrepot.modules.archive.routes import router

    return router(prefix)


def _render_error(error: EntrepotError, scope: Scope) -> Response:
    from entrepot.modules.archive.answers import render_error

    return render_error(error, scope)


archive = Module(
    name="archive",
    settings=ArchiveSettings,
    router=_router,
    jobs=jobs,
    mount_commands=mount_commands,
    render_error=_render_error,
    own_limits=[("PUT", "/upload/"), ("POST", "/frames/bulk")],
)
