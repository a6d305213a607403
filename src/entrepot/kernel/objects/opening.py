"""From a URL to a store."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from entrepot.kernel.errors import InvalidInput, SettingsError
from entrepot.kernel.objects.folder import FolderStore
from entrepot.kernel.objects.models import S3Options
from entrepot.kernel.objects.paths import check_object_path, shown
from entrepot.kernel.objects.store import ObjectStore

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")


def open_store(url: str, *, s3: S3Options | None = None) -> ObjectStore:
    """Open the store at ``file:///folder`` (made if missing), ``s3://bucket/prefix`` or ``memory://``.

    Raises SettingsError for a URL or options that can't be used. S3 is not asked anything yet.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "file":
        return FolderStore(_folder(url, rest))
    if scheme == "s3":
        return _bucket(url, rest, s3 or S3Options())
    if scheme == "memory" and not rest:
        # here, because obstore is a large library that a folder can do without
        from entrepot.kernel.objects.memory import MemoryStore

        return MemoryStore()
    raise _bad(url, "write file:///a/folder, s3://bucket/prefix or memory://")


def _folder(url: str, rest: str) -> Path:
    place = unquote(rest.removeprefix("localhost"))
    if not place.startswith("/") or "\0" in place:
        raise _bad(url, "a folder is written with three slashes and in full, as in file:///srv/files")
    try:
        Path(place).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _bad(url, f"the folder can't be made: {error.strerror}") from error
    return Path(place)


def _bucket(url: str, rest: str, options: S3Options) -> ObjectStore:
    # here, because botocore takes a third of a second that a folder can do without
    from entrepot.kernel.objects.s3 import S3Store

    bucket, _, prefix = rest.partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise _bad(url, f"{bucket!r} is no name of a bucket")
    prefix = prefix.strip("/")
    if prefix:
        try:
            check_object_path(prefix)
        except InvalidInput as error:
            raise _bad(url, error.detail.rstrip(".")) from error
    _check_options(options)
    return S3Store(bucket, f"{prefix}/" if prefix else "", options)


def _check_options(options: S3Options) -> None:
    if options.endpoint is not None and not _is_endpoint(options.endpoint):
        raise SettingsError(
            f"ENTREPOT_S3_ENDPOINT {shown(options.endpoint)} can't be used: "
            "write it as in https://s3.example.org."
        )
    if bool(options.access_key_id) != bool(options.secret_access_key):
        raise SettingsError(
            "ENTREPOT_S3_ACCESS_KEY_ID and ENTREPOT_S3_SECRET_ACCESS_KEY go together: set both, or neither."
        )


def _is_endpoint(url: str) -> bool:
    try:
        parts = urlsplit(url)
        sound = parts.port != 0 and bool(parts.hostname)
    except ValueError:
        return False
    plain = not (parts.query or parts.fragment or parts.username is not None) and url.isprintable()
    return sound and plain and parts.scheme in {"http", "https"}


def _bad(url: str, right: str) -> SettingsError:
    return SettingsError(f"ENTREPOT_STORE_URL {shown(url)} can't be used: {right}.")
