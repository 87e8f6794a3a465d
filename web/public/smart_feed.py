"""/api/slots/$bulk-publish and the files that it names, as a job wrote them on some machine.

They lie in a folder, into which `FeedCopy` brings what another machine wrote. Files are kept
compressed. A client that takes no gzip gets them unpacked, some at a time.
"""

from __future__ import annotations

import gzip
import os

from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import IO, Final

from flask import Blueprint, Response, abort, request
from flask.typing import ResponseReturnValue

from services.public.smart_feed import MANIFEST, NAMES, PATH, FeedCopy
from web.marks import public

# The job writes each minute; a client that asks more often gets what is there.
FRESH_SECONDS: Final = 30
AGAIN_SECONDS: Final = 60
_CHUNK: Final = 64 * 1024


def blueprint(folder: Path, copy: FeedCopy) -> Blueprint:
    """The files of `folder`, which `copy` keeps up."""
    pages = Blueprint("smart_feed", __name__, url_prefix=PATH)
    pages.before_request(copy.look)

    @pages.get(f"/{MANIFEST}")
    @public
    def manifest() -> ResponseReturnValue:
        return _file(folder / f"{MANIFEST}.gz", "application/json")

    @pages.get("/<string:name>")
    @public
    def file(name: str) -> ResponseReturnValue:
        if not NAMES.fullmatch(name):
            abort(HTTPStatus.NOT_FOUND)
        return _file(folder / f"{name}.gz", "application/fhir+ndjson")

    return pages


def _file(path: Path, kind: str) -> Response:
    try:
        # Stays the same one for this answer, whatever the job puts in its place.
        opened = path.open("rb")
    except FileNotFoundError:
        if (path.parent / f"{MANIFEST}.gz").exists():
            abort(HTTPStatus.NOT_FOUND)
        return _not_yet()
    told = os.fstat(opened.fileno())
    packed = request.accept_encodings.quality("gzip") > 0
    response = Response(mimetype=kind)
    tag = f"{told.st_mtime_ns:x}-{told.st_size:x}"
    response.set_etag(f"{tag}-gzip" if packed else tag)
    response.last_modified = datetime.fromtimestamp(int(told.st_mtime), UTC)
    response.vary.add("Accept-Encoding")
    response.cache_control.public = True
    response.cache_control.max_age = FRESH_SECONDS
    # Public data, for programs on pages of others, too.
    response.access_control_allow_origin = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if packed:
        response.content_encoding = "gzip"
    response.make_conditional(request)
    if response.status_code == HTTPStatus.NOT_MODIFIED or request.method == "HEAD":
        opened.close()
        return response
    # Of what was looked at without a body it is 0.
    response.headers.pop("Content-Length", None)
    if packed:
        response.content_length = told.st_size
    response.response = _chunks(opened) if packed else _unpacked(opened)
    response.call_on_close(opened.close)
    return response


def _chunks(source: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    while some := source.read(_CHUNK):
        yield some


def _unpacked(opened: IO[bytes]) -> Iterator[bytes]:
    with gzip.open(opened) as unpacked:
        yield from _chunks(unpacked)


def _not_yet() -> Response:
    """Nothing was written yet by any machine: the truth, and when to ask again."""
    return Response(
        '{"error":"not_ready"}',
        HTTPStatus.SERVICE_UNAVAILABLE,
        {"Retry-After": str(AGAIN_SECONDS)},
        mimetype="application/json",
    )
