"""The archive's background work."""

from __future__ import annotations

from collections.abc import Sequence

from entrepot.kernel.jobs import Job
from entrepot.kernel.process import ProcessContext
from entrepot.modules.archive.service.bulk import prune_job
from entrepot.modules.archive.service.checks import (
    CHECKSUM_JOB,
    LONGEST_CHECK,
    check_versions,
    unchecked_versions,
)

__all__ = ["jobs"]


def jobs(process: ProcessContext) -> list[Job]:
    """Make the jobs of the archive."""

    async def check(version_ids: Sequence[int]) -> None:
        await check_versions(process, version_ids)

    async def waiting() -> Sequence[int]:
        return await unchecked_versions(process)

    return [
        Job(name=CHECKSUM_JOB, run=check, due=waiting, seconds=LONGEST_CHECK),
        prune_job(process),
    ]
