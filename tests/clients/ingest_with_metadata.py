"""Runs in the clients' environment: files one file whose metadata the caller supplies, as JSON.

A third argument that isn't empty is the size of a thumbnail.
"""

import json
import sys
from pathlib import Path

from ocs_ingester.exceptions import NonFatalDoNotRetryError
from ocs_ingester.ingester import upload_file_and_ingest_to_archive

path, metadata, size = sys.argv[1:]
with Path(path).open("rb") as file:
    try:
        record = upload_file_and_ingest_to_archive(
            file, file_metadata=json.loads(metadata), is_thumbnail=bool(size), thumbnail_size=size or None
        )
    except NonFatalDoNotRetryError as error:
        record = {"refused": str(error)}
sys.stdout.write(json.dumps(record, default=str))
