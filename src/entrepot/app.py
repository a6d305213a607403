"""The application: the kernel and an explicit list of modules; nothing is built at import."""

from __future__ import annotations

import math
import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from entrepot import __version__
from entrepot.kernel.db import Database, prepare
from entrepot.kernel.events import prune_job
from entrepot.kernel.identity import LastUse
from entrepot.kernel.jobs import Job, Jobs
from entrepot.kernel.logs import configure_logs
from entrepot.kernel.module import Module
from entrepot.kernel.objects import ObjectStore, S3Options, Spool, open_store
from entrepot.kernel.process import ProcessContext
from entrepot.kernel.settings import KernelSettings, load_settings
from entrepot.modules.archive.module import archive

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["create_app", "load", "modules", "open_process", "serving"]

DESCRIPTION = "One service for a scientific facility's data: file it, find it, hand it back."

LEFTOVER = timedelta(hours=1)
"""Age at which a file that nobody is writing any more is left over."""

log = structlog.stdlib.get_logger(__name__)


def modules() -> tuple[Module, ...]:
    """List the rooms of the house."""
    return (archive,)


def load(environ: Mapping[str, str], **overrides: object) -> KernelSettings:
    """Read the settings of the kernel and of every module."""
    return load_settings({module.name: module.settings for module in modules()}, environ, **overrides)


@asynccontextmanager
async def open_process(settings: KernelSettings, *, consume: bool) -> AsyncGenerator[ProcessContext]:
    """Open what a process needs: catalogue, store and jobs; close it at the end.

    With ``consume`` the process runs jobs too: a worker, or a server whose jobs are its own.
    """
    database = Database(settings.catalogue_url, pool=settings.database_pool)
    objects = open_store(settings.files_url, s3=_s3(settings))
    jobs = Jobs(
        broker_url=settings.broker_url,
        broker_prefix=settings.broker_prefix,
        lock_folder=settings.data_dir,
        sweep_seconds=settings.jobs_sweep,
    )
    spool = Spool(settings.data_dir / "spool")
    context = ProcessContext(settings, database, objects, jobs, settings.signing_key(), spool)
    jobs.register([prune_job(database, settings.events_keep_days), _tidy(objects, spool)])
    for module in modules():
        jobs.register(module.jobs(context))
    try:
        await prepare(database)
        await jobs.start(consume=consume)
        yield context
    finally:
        await jobs.stop()
        await context.kept.close()
        spool.close()
        await objects.close()
        await database.close()


def create_app(settings: KernelSettings) -> FastAPI:
    """Build the application for ``settings``."""
    # What HTTP needs takes a quarter of a second to load, which commands do without.
    from fastapi import FastAPI

    from entrepot.kernel import health
    from entrepot.kernel.web.docs import install_docs
    from entrepot.kernel.web.install import install_edge
    from entrepot.kernel.web.raw_path import register_convertors
    from entrepot.web import static_folder

    register_convertors()
    app = FastAPI(
        title="Entrepôt",
        version=__version__,
        description=DESCRIPTION,
        lifespan=_lifespan(settings),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.include_router(health.router(settings.metrics_allow))
    for module in modules():
        # Included, each route would be matched twice.
        app.router.routes.extend(module.router(f"/{module.name}").routes)
    install_docs(app, static=static_folder())
    install_edge(
        app,
        trusted=settings.trusted_proxies,
        body_limit=settings.body_limit,
        own_limits=[
            (method, f"/{module.name}{path}") for module in modules() for method, path in module.own_limits
        ],
        renderers={f"/{module.name}": module.render_error for module in modules()},
    )
    return app


def serving() -> FastAPI:
    """Build the application from the process's environment; what a server process calls."""
    settings = load(os.environ)
    configure_logs(settings.log_format, settings.log_level)
    return create_app(settings)


def _lifespan(settings: KernelSettings) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with open_process(settings, consume=not settings.broker_url) as context:
            app.state.context = context
            app.state.last_use = LastUse()
            async with app.state.last_use.flushing(context.database):
                yield

    return lifespan


def _tidy(objects: ObjectStore, spool: Spool) -> Job:
    """Remove, every hour, what puts and uploads that were killed have left."""
    tidied = -math.inf

    async def run(_: Sequence[int]) -> None:
        nonlocal tidied
        tidied = time.monotonic()
        await objects.sweep_temporary(LEFTOVER)
        await spool.sweep(LEFTOVER)

    async def due() -> Sequence[int]:
        # Draining ends when nothing is due, so what this process has just done must not be.
        return [] if time.monotonic() - tidied < LEFTOVER.total_seconds() / 2 else [0]

    return Job(name="kernel.tidy-store", run=run, due=due, every=LEFTOVER.total_seconds())


def _s3(settings: KernelSettings) -> S3Options:
    secret = settings.s3_secret_access_key
    return S3Options(
        endpoint=settings.s3_endpoint,
        region=settings.s3_region,
        access_key_id=settings.s3_access_key_id,
        secret_access_key=secret.get_secret_value() if secret else None,
    )
