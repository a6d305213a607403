"""The answers as a person reads them in a browser: the same JSON, indented and with links."""

from __future__ import annotations

import json
import re
from functools import lru_cache

from jinja2 import Environment, PackageLoader, Template
from markupsafe import Markup, escape

__all__ = ["browse_page"]

LINK = re.compile(r"(https?://[^\s&<>\"']+(?:&amp;[^\s&<>\"']+)*)")
LONGEST = 2_000_000
"""Characters of indented JSON that a page shows."""


@lru_cache(maxsize=1)
def _template() -> Template:
    loader = PackageLoader("entrepot.modules.archive")
    return Environment(loader=loader, autoescape=True).get_template("browse.html")


def browse_page(text: str, *, method: str, path: str) -> str:
    """Write an answer's JSON as a page: what was asked, and the answer with its URLs to click."""
    indented = json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    cut = len(indented) > LONGEST
    shown = Markup(LINK.sub(r'<a href="\1">\1</a>', str(escape(indented[:LONGEST]))))  # noqa: S704 - escaped
    return _template().render(method=method, path=path, answer=shown, cut=cut)
