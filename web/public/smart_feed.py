"""/api/slots/$bulk-publish and the files that it names, as a job wrote them on some machine.

They lie in a folder, into which `FeedCopy` brings what another machine wrote. Files are kept
compressed. A client that takes no gzip gets them unpacked, some at a time. All slots of a
département are given under the address that earlier versions named, put together from its pieces.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import IO, Final

from flask import Blueprint, Response, abort, request
from flask.typing import ResponseReturnValue

from services.public.feed_copy import MANIFEST, NAMES, OF_DEPARTEMENT, PATH, FeedCopy, pieces_of
from web.marks import public

# The job writes each half minute; a client that asks more often gets what is there.
FRESH_SECONDS: Final = 30
AGAIN_SECONDS: Final = 60
_CHUNK: Final = 64 * 1024
_LINES: Final = "application/fhir+ndjson"


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
        path = folder / f"{name}.gz"
        whole = OF_DEPARTEMENT.fullmatch(name)
        if whole and not path.exists() and (names := pieces_of(folder, whole[1])):
            return _together([folder / f"{each}.gz" for each in names], _LINES)
        return _file(path, _LINES)

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
    tag = f"{told.st_mtime_ns:x}-{told.st_size:x}"
    response = _public(kind, f"{tag}-gzip" if packed else tag, told.st_mtime)
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


def _together(paths: Sequence[Path], kind: str) -> Response:
    """Several files as one. It is never packed: that would be done for each client anew."""
    told = [(path, path.stat()) for path in paths if path.exists()]
    which = "".join(f"{one.name} {stat.st_mtime_ns} {stat.st_size}\n" for one, stat in told)
    tag = hashlib.sha256(which.encode()).hexdigest()[:32]
    response = _public(kind, tag, max((stat.st_mtime for _, stat in told), default=0.0))
    response.make_conditional(request)
    if response.status_code != HTTPStatus.NOT_MODIFIED and request.method != "HEAD":
        response.headers.pop("Content-Length", None)
        response.response = _all_unpacked(paths)
    return response


def _public(kind: str, tag: str, changed: float) -> Response:
    """An answer without its body, which changed last at this moment (seconds of UTC)."""
    response = Response(mimetype=kind)
    response.set_etag(tag)
    response.last_modified = datetime.fromtimestamp(int(changed), UTC)
    response.vary.add("Accept-Encoding")
    response.cache_control.public = True
    response.cache_control.max_age = FRESH_SECONDS
    # Public data, for programs on pages of others, too.
    response.access_control_allow_origin = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _all_unpacked(paths: Sequence[Path]) -> Iterator[bytes]:
    for path in paths:
        # One that is gone meanwhile has no slot any more.
        with contextlib.suppress(FileNotFoundError), path.open("rb") as opened:
            yield from _unpacked(opened)


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
