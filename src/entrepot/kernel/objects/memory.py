"""The object store in memory, for tests and trials."""

from __future__ import annotations

from typing import ClassVar

from obstore.store import MemoryStore as Backend

from entrepot.kernel.objects.bucket import Bucket, missing
from entrepot.kernel.objects.models import Scheme
from entrepot.kernel.objects.remote import RemoteStore


class MemoryStore(RemoteStore):
    """Objects that end with the process; it keeps no versions."""

    scheme: ClassVar[Scheme] = "memory"

    def __init__(self) -> None:
        super().__init__(Bucket(Backend(), "The store in memory"))

    def _check_version(self, path: str, version: str | None) -> None:
        """Raise ObjectMissing for any version."""
        if version is not None:
            raise missing(path, version)

    async def signed_url(self, path: str, *, version: str | None, filename: str, expires: int) -> None:
        """See ObjectStore."""
        return

    async def ready(self) -> None:
        """See ObjectStore."""
