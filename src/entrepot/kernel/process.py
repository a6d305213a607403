"""What a process has at hand, whether it answers requests, runs jobs or a command."""

from __future__ import annotations

from dataclasses import dataclass, field

from entrepot.kernel.db import Database
from entrepot.kernel.jobs import Jobs
from entrepot.kernel.kept import Kept
from entrepot.kernel.objects import ObjectStore, Spool
from entrepot.kernel.settings import KernelSettings

__all__ = ["ProcessContext"]


@dataclass(frozen=True, slots=True)
class ProcessContext:
    """What lives as long as the process: settings, pools, the store, the jobs."""

    settings: KernelSettings
    database: Database
    objects: ObjectStore
    jobs: Jobs
    secret: bytes
    """Signs what is handed out."""
    spool: Spool
    """Files that pass through."""
    kept: Kept = field(default_factory=Kept)
    """What modules keep as long as the process lives."""
