"""The page of each error of the web, in its reader's language, with the number to ring.

Scripts and machines get the short answer, and the telephone what `ivr` says. Nothing here asks the
store: it may be what has just failed.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from flask import Flask, make_response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from web.alone import key_of
from web.marks import SIGNED
from web.pages import language, speak, speak_by_address
from web.staff_only import is_fetch

# Paths at which no person reads a page.
NO_READER: Final = (*SIGNED, "/api/", "/audio/", "/metrics", "/healthz", "/readyz")
# Of those who work here: where their page is.
_STAFF: Final = ("/poste", "/supervision", "/centre", "/compte")
# Of the page itself, whatever the error says.
_OWN: Final = frozenset({"content-type", "content-length"})
_FILES: Final = "/assets/"


def register(app: Flask) -> None:
    """Answer each error that a view or Flask raises."""
    app.register_error_handler(HTTPException, _page)


def has_reader() -> bool:
    """Whether a person sees the answer: as a page, or put in the place of one by htmx."""
    if request.path.startswith(NO_READER):
        return False
    if request.path.startswith(_FILES):
        # A file of a page; a person may have typed its address all the same.
        return request.headers.get("Sec-Fetch-Dest") == "document" or _wants_page()
    return not is_fetch() or bool(request.headers.get("HX-Boosted"))


def _wants_page() -> bool:
    return "text/html" in request.headers.get("Accept", "")


def _page(error: HTTPException) -> ResponseReturnValue:
    code = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    if error.response is not None or code < HTTPStatus.BAD_REQUEST or not has_reader():
        return error
    spoken = language()
    # Without a look at who is signed in.
    speak_by_address()
    speak(spoken)
    page = render_template(
        "public/wrong.html",
        key=key_of(code),
        is_failure=code >= HTTPStatus.INTERNAL_SERVER_ERROR,
        staff=next((way for way in _STAFF if _is_below(way)), ""),
    )
    answer = make_response(page, code)
    for name, value in error.get_headers(request.environ):
        if name.lower() not in _OWN:
            answer.headers[name] = value
    return answer


def _is_below(way: str) -> bool:
    return request.path == way or request.path.startswith(f"{way}/")
