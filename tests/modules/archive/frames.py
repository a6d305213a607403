"""Frames as the old client posts them."""

import hashlib
from collections.abc import Mapping
from typing import Any


def posted(basename: str, **changes: Any) -> dict[str, Any]:
    """Give the JSON of a frame with one version, unlike any other basename's."""
    md5 = hashlib.md5(basename.encode()).hexdigest()
    body: dict[str, Any] = {
        "reduction_level": 0,
        "observation_day": "20250304",
        "observation_date": "2025-03-04T05:06:07.890",
        "proposal_id": "PROP-1",
        "instrument_id": "sq33",
        "target_name": "M 31",
        "site_id": "ogg",
        "telescope_id": "0m4a",
        "exposure_time": 30.0,
        "primary_optical_element": "rp",
        "public_date": "2026-03-04T05:06:07.890000",
        "configuration_type": "EXPOSE",
        "observation_id": 123456,
        "request_id": 777,
        "related_frame_filenames": [],
        "frame_basename": None,
        "size": "",
        "headers": {"SIMPLE": True, "NAXIS1": 100},
        "area": {
            "type": "Polygon",
            "coordinates": [[[10.69, 41.26], [10.69, 41.27], [10.66, 41.27], [10.66, 41.26], [10.69, 41.26]]],
        },
        "version_set": [{"key": md5, "md5": md5, "extension": ".fits"}],
        "basename": basename,
    }
    return body | changes


def version(text: str, extension: str = ".fits") -> Mapping[str, str]:
    """Give a version unlike any other text's."""
    md5 = hashlib.md5(text.encode()).hexdigest()
    return {"key": md5, "md5": md5, "extension": extension}
