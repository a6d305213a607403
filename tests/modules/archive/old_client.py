"""Files as the old client puts them: straight into the store that the service uses too (contract §6)."""

import hashlib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import boto3

from tests.services.house import House


@dataclass(frozen=True)
class Put:
    """A file in the store, and what the client announces of it."""

    path: str
    content: bytes
    key: str
    md5: str

    def version(self, extension: str) -> Mapping[str, str]:
        return {"key": self.key, "md5": self.md5, "extension": extension}


@dataclass(frozen=True)
class OldClient:
    """The client of a house's store: a folder, or a bucket that keeps versions."""

    environ: Mapping[str, str]

    @classmethod
    def of(cls, house: House) -> "OldClient":
        return cls(house.environ)

    @property
    def in_bucket(self) -> bool:
        return "ENTREPOT_STORE_URL" in self.environ

    @property
    def folder(self) -> Path:
        return Path(self.environ["ENTREPOT_DATA_DIR"]) / "files"

    def put(self, path: str, content: bytes) -> Put:
        """Write a file; its key is the MD5 sum in a folder, and the VersionId in a bucket."""
        md5 = hashlib.md5(content).hexdigest()
        if not self.in_bucket:
            file = self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            return Put(path, content, md5, md5)
        with closing(self._s3()) as s3:
            answer = s3.put_object(Bucket=self.bucket, Key=path, Body=content)
        return Put(path, content, answer["VersionId"], md5)

    def put_in_parts(self, path: str, content: bytes, part: int) -> Put:
        """Write an object of a bucket in parts, so that its ETag isn't its MD5 sum."""
        with closing(self._s3()) as s3:
            where = {"Bucket": self.bucket, "Key": path}
            upload = s3.create_multipart_upload(**where)["UploadId"]
            parts = [
                s3.upload_part(**where, UploadId=upload, PartNumber=number, Body=content[at : at + part])
                for number, at in enumerate(range(0, len(content), part), 1)
            ]
            etags = [{"PartNumber": number, "ETag": one["ETag"]} for number, one in enumerate(parts, 1)]
            made = s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": etags})
        return Put(path, content, made["VersionId"], hashlib.md5(content).hexdigest())

    def remove(self, put: Put) -> None:
        """Take a file out of the store again."""
        if not self.in_bucket:
            (self.folder / put.path).unlink()
            return
        with closing(self._s3()) as s3:
            s3.delete_object(Bucket=self.bucket, Key=put.path, VersionId=put.key)

    @property
    def bucket(self) -> str:
        return urlsplit(self.environ["ENTREPOT_STORE_URL"]).netloc

    def _s3(self):
        return boto3.client(
            "s3",
            endpoint_url=self.environ["ENTREPOT_S3_ENDPOINT"],
            region_name=self.environ["ENTREPOT_S3_REGION"],
            aws_access_key_id=self.environ["ENTREPOT_S3_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environ["ENTREPOT_S3_SECRET_ACCESS_KEY"],
        )
