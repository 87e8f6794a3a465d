"""A constant answer, and nothing else: what a server can do at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import config

# Where bench/room.py puts what is answered.
NAME = "constant-answer.html"


def create_app() -> Any:
    """A bare WSGI application; the body lies in the folder of counters."""
    body = config.load().prometheus_multiproc_dir
    with open(f"{body}/{NAME}", "rb") as file:  # noqa: PTH123
        page = file.read()
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(page)))]

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", headers)
        return [page]

    return answer
