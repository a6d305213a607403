"""The object store over a bucket of S3, or of a store that speaks its protocol."""

from __future__ import annotations

import functools
import re
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar
from urllib.error import HTTPError
from urllib.parse import quote

from obstore.store import S3Store as Backend

from entrepot.kernel.errors import Unavailable
from entrepot.kernel.objects.bucket import Bucket, missing, refusal
from entrepot.kernel.objects.models import S3Options, Scheme
from entrepot.kernel.objects.remote import RemoteStore
from entrepot.kernel.objects.signing import LONGEST_VALIDITY, Credentials, attachment, sign

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config, S3Credential

DEFAULT_REGION = "us-east-1"
_RENEWED_AFTER = timedelta(minutes=5)
_REQUEST_SECONDS = 30
_CLIENT: ClientConfig = {
    "allow_http": True,
    "connect_timeout": timedelta(seconds=5),
    # of each wait for data; the whole of a download may take as long as its reader does
    "read_timeout": timedelta(seconds=_REQUEST_SECONDS),
    "timeout": timedelta(days=7),
}
_RETRIES: RetryConfig = {"max_retries": 2, "retry_timeout": timedelta(seconds=_REQUEST_SECONDS)}
_VERSION = re.compile(r"[!-~]{1,1024}")
_ERROR_CODE = re.compile(rb"<Code>(\w+)</Code>")


class S3Store(RemoteStore):
    """Objects under a prefix of a bucket; versioned, if the bucket is."""

    scheme: ClassVar[Scheme] = "s3"

    def __init__(self, bucket: str, prefix: str, options: S3Options) -> None:
        self._region = options.region or DEFAULT_REGION
        endpoint = (options.endpoint or f"https://s3.{self._region}.amazonaws.com").rstrip("/")
        self._url = f"{endpoint}/{bucket}"
        self._credentials = Credentials(options.access_key_id, options.secret_access_key)
        backend = Backend(
            bucket,
            config=_settings(endpoint, self._region),
            client_options=_CLIENT,
            retry_config=_RETRIES,
            credential_provider=functools.partial(_for_obstore, self._credentials),
        )
        super().__init__(Bucket(backend, f"The bucket {bucket!r}", prefix=prefix))

    def _check_version(self, path: str, version: str | None) -> None:
        # an empty id would mean the newest; others can't be sent
        if version is not None and not _VERSION.fullmatch(version):
            raise missing(path, version)

    async def delete(self, path: str, *, version: str | None = None) -> None:
        """See ObjectStore. Without a version, a versioned bucket keeps the bytes behind a marker."""
        if version is None:
            await super().delete(path)
        else:
            self.check_path(path)
            self._check_version(path, version)
            await self._threads.run(self._delete_version, path, version)

    def _delete_version(self, path: str, version: str) -> None:
        status, code = self._request("DELETE", path, {"versionId": version})
        gone = status == 404 and code != "NoSuchBucket"
        no_such_id = status == 400 and code == "InvalidArgument"
        if status >= 300 and not gone and not no_such_id:
            raise Unavailable(refusal(self._bucket.name, status))

    async def signed_url(self, path: str, *, version: str | None, filename: str, expires: int) -> str:
        """See ObjectStore."""
        self.check_path(path)
        self._check_version(path, version)
        if not 1 <= expires <= LONGEST_VALIDITY:
            raise ValueError(f"a signed URL is valid for 1 to {LONGEST_VALIDITY} seconds, not {expires}")
        query = {"response-content-disposition": attachment(filename)}
        if version is not None:
            query["versionId"] = version
        return await self._threads.run(self._sign, "GET", path, query, expires)

    def _sign(self, method: str, path: str | None, query: Mapping[str, str], expires: int) -> str:
        """Sign a request for an object, or (path None) for the bucket."""
        url = self._url if path is None else f"{self._url}/{quote(self._bucket.prefix + path, safe='/~')}"
        return sign(method, url, query, self._credentials.keys(), region=self._region, expires=expires)

    def _request(self, method: str, path: str | None, query: Mapping[str, str]) -> tuple[int, str]:
        """Send a signed request; returns the status and S3's code for an error ("" if it gives none)."""
        request = urllib.request.Request(self._sign(method, path, query, expires=300), method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=_REQUEST_SECONDS) as answer:  # noqa: S310
                return answer.status, ""
        except HTTPError as error:
            with error:
                code = _ERROR_CODE.search(error.read(65_536))
            return error.code, code[1].decode() if code else ""
        except OSError as error:
            raise Unavailable(refusal(self._bucket.name, None)) from error

    async def ready(self) -> None:
        """See ObjectStore."""
        await self._threads.probe(self._probe, refusal(self._bucket.name, None))

    def _probe(self) -> None:
        status, _ = self._request("HEAD", None, {})
        if status == 404:
            raise Unavailable(f"{self._bucket.name} doesn't exist.")
        if status >= 300:
            raise Unavailable(refusal(self._bucket.name, status))


def _settings(endpoint: str, region: str) -> S3Config:
    # everything is said, because obstore looks up in the environment what isn't
    return {
        "endpoint": endpoint,
        "aws_endpoint_url_s3": endpoint,
        "region": region,
        "virtual_hosted_style_request": False,
        "skip_signature": False,
    }


def _for_obstore(credentials: Credentials) -> S3Credential:
    keys = credentials.keys()
    return {
        "access_key_id": keys.access_key,
        "secret_access_key": keys.secret_key,
        "token": keys.token,
        "expires_at": None if credentials.given else datetime.now(UTC) + _RENEWED_AFTER,
    }
