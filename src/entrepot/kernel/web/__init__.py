"""The HTTP edge of the service."""

from __future__ import annotations

from entrepot.kernel.web.conditional import ETag, Verdict, conditions, evaluate, http_date
from entrepot.kernel.web.disconnect import until_gone, while_connected
from entrepot.kernel.web.disposition import content_disposition, safe_filename
from entrepot.kernel.web.docs import install_docs
from entrepot.kernel.web.files import ByteSource, file_response
from entrepot.kernel.web.forwarded import base_url, client_address
from entrepot.kernel.web.install import install_edge
from entrepot.kernel.web.negotiation import choose, negotiate
from entrepot.kernel.web.observe import request_id
from entrepot.kernel.web.problems import Renderer, problem_response, register_error_handlers
from entrepot.kernel.web.ranges import ByteRange, parse_ranges
from entrepot.kernel.web.raw_path import register_convertors
from entrepot.kernel.web.streaming import PIECE, PiecesResponse

__all__ = [
    "PIECE",
    "ByteRange",
    "ByteSource",
    "ETag",
    "PiecesResponse",
    "Renderer",
    "Verdict",
    "base_url",
    "choose",
    "client_address",
    "conditions",
    "content_disposition",
    "evaluate",
    "file_response",
    "http_date",
    "install_docs",
    "install_edge",
    "negotiate",
    "parse_ranges",
    "problem_response",
    "register_convertors",
    "register_error_handlers",
    "request_id",
    "safe_filename",
    "until_gone",
    "while_connected",
]
