"""The other side of the S3 server, by a client that isn't ours."""

from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config

from entrepot.kernel.objects import S3Options

KEYS = ("test-key", "test-secret")
REGION = "us-east-1"


@dataclass
class Server:
    endpoint: str
    options: S3Options = field(init=False)
    client: Any = field(init=False)

    def __post_init__(self) -> None:
        self.options = S3Options(self.endpoint, REGION, *KEYS)
        self.client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=KEYS[0],
            aws_secret_access_key=KEYS[1],
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )

    def create(self, bucket: str, *, versioned: bool) -> None:
        self.client.create_bucket(Bucket=bucket)
        if versioned:
            self.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

    def keys(self, bucket: str) -> list[str]:
        return [found["Key"] for found in self.client.list_objects_v2(Bucket=bucket).get("Contents", [])]

    def uploads(self, bucket: str) -> list[str]:
        return [
            found["Key"] for found in self.client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        ]

    def content(self, bucket: str, key: str, version: str | None = None) -> bytes:
        chosen = {"VersionId": version} if version else {}
        return self.client.get_object(Bucket=bucket, Key=key, **chosen)["Body"].read()
