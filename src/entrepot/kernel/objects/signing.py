"""S3's credentials and signed URLs by botocore: the typed door to a library without types."""
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import NamedTuple, Protocol, cast
from urllib.parse import quote

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.session import Session

from entrepot.kernel.errors import Unavailable

LONGEST_VALIDITY = 604_800
"""Seconds that S3 accepts a signed URL for at most: seven days."""


class Keys(NamedTuple):
    """What a request is signed with; the names are those that botocore looks for."""

    access_key: str
    secret_key: str
    token: str | None


class _Found(Protocol):
    def get_frozen_credentials(self) -> _Frozen: ...


class _Frozen(Protocol):
    access_key: str
    secret_key: str
    token: str | None


class _Session(Protocol):
    def get_credentials(self) -> _Found | None: ...


class _Request(Protocol):
    url: str


class _Signer(Protocol):
    def add_auth(self, request: _Request) -> None: ...


class _SignerType(Protocol):
    def __call__(self, credentials: Keys, service_name: str, region_name: str, expires: int) -> _Signer: ...


class _RequestType(Protocol):
    def __call__(self, *, method: str, url: str, params: dict[str, str]) -> _Request: ...


class Credentials:
    """The keys given, or else those that botocore finds (environment, profile, role) and renews."""

    def __init__(self, access_key_id: str | None, secret_access_key: str | None) -> None:
        self.given = (
            Keys(access_key_id, secret_access_key, None) if access_key_id and secret_access_key else None
        )
        self._found: _Found | None = None
        self._lock = threading.Lock()

    def keys(self) -> Keys:
        """Return the keys of now; may ask the network, so it belongs into a thread. Raises Unavailable."""
        if self.given:
            return self.given
        try:
            with self._lock:
                self._found = self._found or cast("_Session", Session()).get_credentials()
            if self._found:
                frozen = self._found.get_frozen_credentials()
                return Keys(frozen.access_key, frozen.secret_key, frozen.token)
        except BotoCoreError as error:
            raise Unavailable(f"The S3 credentials can't be had: {error}") from error
        raise Unavailable(
            "There are no S3 credentials: set ENTREPOT_S3_ACCESS_KEY_ID and ENTREPOT_S3_SECRET_ACCESS_KEY."
        )


def sign(method: str, url: str, query: Mapping[str, str], keys: Keys, *, region: str, expires: int) -> str:
    """Make a URL that S3 accepts for ``expires`` seconds (AWS Signature Version 4 in the query string)."""
    make_request, make_signer = cast("_RequestType", AWSRequest), cast("_SignerType", S3SigV4QueryAuth)
    request = make_request(method=method, url=url, params=dict(query))
    make_signer(keys, "s3", region, expires).add_auth(request)
    return request.url


def attachment(filename: str) -> str:
    """Write a Content-Disposition that makes browsers save under ``filename`` (RFC 6266)."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in filename)
    exact = quote(filename, safe="", errors="replace")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}"
