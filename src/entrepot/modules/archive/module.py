"""What the application sees of the archive."""

from __future__ import annotations

from entrepot.kernel.module import Module
from entrepot.modules.archive.answers import render_error
from entrepot.modules.archive.cli import mount_commands
from entrepot.modules.archive.jobs import jobs
from entrepot.modules.archive.routes import router
from entrepot.modules.archive.settings import ArchiveSettings

__all__ = ["archive"]

archive = Module(
    name="archive",
    settings=ArchiveSettings,
    router=router,
    jobs=jobs,
    mount_commands=mount_commands,
    render_error=render_error,
    own_limits=[("PUT", "/upload/"), ("POST", "/frames/bulk")],
)
