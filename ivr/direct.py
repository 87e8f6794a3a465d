"""The webhooks of a call in front of the web framework, whose work for pages none of them needs.

What is plainly the provider's is answered here: one of the paths of a call, signed to the letter.
Whatever is otherwise in the least goes on to the application as it came, and is refused or answered
there by the check that stands in front of every route: see `ivr.signature`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from ivr.answer import CONTENT_TYPE
from ivr.signature import SignatureCheck

Environ = dict[str, Any]
Wsgi = Callable[[Environ, Any], Iterable[bytes]]
Fields = Mapping[str, str]
# From the fields of the form and of the address to the document.
Answer = Callable[[Fields, Fields], str]
_OK = f"{HTTPStatus.OK.value} {HTTPStatus.OK.phrase}"


class DirectWebhooks:
    """A layer of WSGI. `answers` are by the whole path; `behind` is the application."""

    def __init__(self, behind: Wsgi, check: SignatureCheck, answers: Mapping[str, Answer]) -> None:
        self._behind = behind
        self._check = check
        self._answers = answers

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        answer = self._answers.get(environ["PATH_INFO"])
        if answer is None or environ["REQUEST_METHOD"] != "POST":
            return self._behind(environ, start_response)
        read = self._check.read_plain(environ)
        if read is None:
            return self._behind(environ, start_response)
        try:
            body = answer(*read).encode()
        except Exception:  # noqa: BLE001 (a copy of a webhook has no second effect)
            # Refused for what is in it, or a mistake of ours: the application says and counts it.
            return self._behind(environ, start_response)
        length = str(len(body))
        start_response(_OK, [("Content-Type", CONTENT_TYPE), ("Content-Length", length)])
        return [body]
