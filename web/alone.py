"""Error pages that need nothing else: no style sheet, no script, no store, no application.

The server in front of threads answers with them, and so does a proxy while no node of ours answers.
They look like the pages for citizens, in few lines of their own (`static/alone.css`, which is
written into the page: its hash is in their policy).
"""

from __future__ import annotations

import base64
import hashlib

from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader

from prompts.screens import LANGUAGES, screen
from prompts.values import written_number

_WEB: Final = Path(__file__).resolve().parent
# Each with words in prompts/pages/error.*.toml, or in public.
STATUSES: Final = (
    400, 401, 403, 404, 405, 408, 410, 413, 414, 415, 429, 431, 500, 502, 503, 504,
)  # fmt: skip
_ELSEWHERE: Final = {404: "public.wrong.missing", 500: "public.wrong.failed"}
_SERVER_ERRORS: Final = 500
Headers = list[tuple[str, str]]


def key_of(status: int) -> str:
    """The key of an error's words, `.title` and `.text` below it."""
    if status not in STATUSES:
        status = 400 if status < _SERVER_ERRORS else 500
    return _ELSEWHERE.get(status, f"error.{status}")


@cache
def page(status: int, language: str, number: str) -> bytes:
    """The whole page of an error, in a language, with the number to ring (E.164)."""
    spoken = screen(language)
    others = [code for code in LANGUAGES if code != language]
    text = _templates().get_template("alone.html")
    return text.render(
        language=language,
        t=spoken.text,
        key=key_of(status),
        number=written_number(number),
        number_link=f"tel:{number}",
        style=_style(),
        others=[(code, screen(code).text) for code in others],
    ).encode()


def headers(seconds: int = 0) -> Headers:
    """Those of such a page; `seconds` until it is worth while to try again, where that is known."""
    found = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "same-origin"),
        ("Content-Security-Policy", policy()),
    ]
    return [*found, ("Retry-After", str(seconds))] if seconds else found


@cache
def policy() -> str:
    """The policy of these pages: nothing but their own few lines of style."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@cache
def _style() -> str:
    return (_WEB / "static" / "alone.css").read_text("utf-8")


@cache
def _templates() -> Environment:
    loader = FileSystemLoader(_WEB / "templates")
    return Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
