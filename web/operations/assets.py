"""Files of pages: our own in `static/`, and those of others that `flask assets install` fetched.

An address carries a hash of what it leads to, so a browser keeps a file for good and still gets
the next one. Only names of the list are served.
"""

from __future__ import annotations

import hashlib

from functools import lru_cache
from pathlib import Path

from flask import Blueprint, Response, abort, request, send_file

from web.marks import public

OURS = Path(__file__).resolve().parents[1] / "static"
_KINDS = {".css", ".js", ".svg", ".mp3", ".woff2"}
KEPT_SECONDS = 365 * 24 * 3600


def blueprint(theirs: Path, names: frozenset[str]) -> Blueprint:
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
        path = find(name)
        if path is None:
            abort(404)
        if request.args.get("v") != _digest(path, path.stat().st_mtime_ns):
            # No address of ours: else caches would keep a copy for each version a client makes up.
            return send_file(path)
        answer = send_file(path, max_age=KEPT_SECONDS)
        answer.cache_control.public = True
        answer.cache_control.immutable = True
        return answer

    assets.app_url_defaults(version)
    return assets


@lru_cache(maxsize=256)
def _digest(path: Path, _changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
