"""Files of pages: our own in `static/`, and those of others that `flask assets install` fetched.

An address carries a hash of what it leads to, so a browser keeps a file for good and still gets
the next one. A version that this machine has not is that of another one, which has the version
before or after this: it comes from the store. Only names of the list are served.

A page at which people arrive carries its style sheets in itself: on a slow line a second request
costs as long as the first, and nothing is painted before it is answered.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from flask import Blueprint, Response, abort, g, request, send_file, url_for
from markupsafe import Markup

from web.marks import public
from web.pages import also_allow

OURS = Path(__file__).resolve().parents[1] / "static"
_KINDS = {".css", ".js", ".svg", ".mp3", ".woff2"}
KEPT_SECONDS = 365 * 24 * 3600
_DIGITS = 12
_VERSION = re.compile(rf"[0-9a-f]{{{_DIGITS}}}")
_QUOTED_OR_COMMENT = re.compile(r"(\"[^\"]*\"|'[^']*')|/\*.*?\*/", re.DOTALL)
_SPACES = re.compile(r"\s+")
# Not around a colon: `a :hover` and `a:hover` are two things.
_AROUND = re.compile(r" ?([{};,]) ?")
# A version of a file by its name and the beginning of its hash; "": the newest.
OfOthers = Callable[[str, str], bytes | None]


def files(theirs: Path, names: frozenset[str]) -> dict[str, Path]:
    """All files of this machine that are served, by their names."""
    ours = {path.name: path for path in OURS.iterdir() if path.suffix in _KINDS}
    return ours | {name: theirs / name for name in sorted(names) if (theirs / name).is_file()}


def blueprint(
    theirs: Path, names: frozenset[str], of_others: OfOthers = lambda _name, _version: None
) -> Blueprint:
    """/assets/<name>. `theirs` has the files of others, `names` the names they may have."""
    assets = Blueprint("assets", __name__)

    def find(name: str) -> Path | None:
        folder = theirs if name in names else OURS
        path = folder / name
        if "/" in name or path.suffix not in _KINDS or not path.is_file():
            return None
        return path

    def version(endpoint: str, values: dict[str, str]) -> None:
        if endpoint == "assets.file" and "v" not in values:
            path = find(values["name"])
            if path is not None:
                values["v"] = _digest(path, path.stat().st_mtime_ns)

    @assets.get("/assets/<string:name>")
    @public
    def file(name: str) -> Response:
        path, asked = find(name), request.args.get("v", "")
        if path is not None and asked == _digest(path, path.stat().st_mtime_ns):
            return _for_good(_sent(path))
        answer = _of_another(name, asked, of_others, is_here=path is not None)
        if answer is not None:
            return answer
        if path is None:
            abort(404)
        # No address of ours: else caches would keep a copy for each version a client makes up.
        return _sent(path)

    assets.app_url_defaults(version)
    assets.add_app_template_global(sheet)
    return assets


def sheet(name: str) -> Markup:
    """What a page for citizens has in its head for a sheet of ours ("public.css").

    A page that is the same for everybody has the sheet itself, whose hash is in the page's policy,
    and asks for the file when there is nothing else to do: the questions after it lead to the file.
    """
    leads_to = url_for("assets.file", name=name)
    if not g.get("for_everybody"):
        return _link(leads_to)
    path = OURS / name
    styles, digest = _in_a_page(path, path.stat().st_mtime_ns)
    also_allow("style-src", f"'sha256-{digest}'")
    later = Markup('<link rel="prefetch" href="{}" as="style">').format(leads_to)
    return Markup("<style>{}</style>\n  {}").format(styles, later)


@lru_cache(maxsize=32)
def _link(leads_to: str) -> Markup:
    return Markup('<link rel="stylesheet" href="{}">').format(leads_to)


@lru_cache(maxsize=16)
def _in_a_page(path: Path, changed: int) -> tuple[Markup, str]:
    """A sheet as it may stand in a page, and its hash for the page's policy (SHA-256, base64)."""
    styles = _lean(path, changed)
    if b"</" in styles:
        raise ValueError(f"{path.name}: a sheet within a page may not hold </")
    # Ours, and nothing that a person wrote: it is written as it is.
    return Markup(styles.decode()), base64.b64encode(hashlib.sha256(styles).digest()).decode()  # noqa: S704


def _of_another(name: str, asked: str, of_others: OfOthers, *, is_here: bool) -> Response | None:
    """The version that was asked for, or any where this machine has none, as another has it."""
    is_version = _VERSION.fullmatch(asked) is not None
    if Path(name).suffix not in _KINDS or (is_here and not is_version):
        return None
    body = of_others(name, asked if is_version else "")
    if body is None:
        return None
    if Path(name).suffix == ".css":
        # As the machine that has it sends it: one address has one answer.
        body = lean(body.decode()).encode()
    answer = send_file(io.BytesIO(body), download_name=name)
    return _for_good(answer) if is_version else answer


def _sent(path: Path) -> Response:
    """A file as it is sent: a sheet of styles without what only its readers here need."""
    if path.suffix != ".css":
        return send_file(path)
    body = _lean(path, path.stat().st_mtime_ns)
    return send_file(io.BytesIO(body), download_name=path.name)


@lru_cache(maxsize=32)
def _lean(path: Path, _changed: int) -> bytes:
    return lean(path.read_text("utf-8")).encode()


def lean(css: str) -> str:
    """Styles without comments and spaces that mean nothing; what stands in quotes is left alone.

    Of a first page on a slow line this is a fortieth of the time until something is seen.
    """
    parts = _QUOTED_OR_COMMENT.split(css)
    # Every second part was captured: a quoted text, or nothing where a comment was.
    return "".join(
        (part or "") if at % 2 else _AROUND.sub(r"\1", _SPACES.sub(" ", part))
        for at, part in enumerate(parts)
    ).strip()


def _for_good(answer: Response) -> Response:
    # send_file asks for it, and neither a browser nor a proxy keeps a file beside that word.
    answer.cache_control.no_cache = None
    answer.cache_control.public = True
    answer.cache_control.max_age = KEPT_SECONDS
    answer.cache_control.immutable = True
    return answer


@lru_cache(maxsize=256)
def _digest(path: Path, _changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:_DIGITS]
