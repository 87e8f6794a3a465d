"""What people get while the store does not answer: the truth, and what they typed.

Nothing here asks the store. A form of a public page comes back in the page, to be sent once more;
where it was done after all, the page that follows says so, for no form acts twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

import structlog

from flask import Flask, current_app, make_response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import ServiceUnavailable

from models.database import STORE_ERRORS, does_not_answer
from services.public.store_answers import PAGE_SECONDS, StoreAnswers
from web.error_pages import has_reader
from web.marks import SIGNED, who_may
from web.pages import language, own_path, speak, speak_by_address

RETRY_SECONDS: Final = 5
# A form of a public page has a dozen fields of some letters each.
MOST_FIELDS: Final = 40
# Pages about one person; others are the same for all visitors, and kept.
_ASK_THE_STORE: Final = ("/rendez-vous/", "/mon-rendez-vous/", "/r/", "/s/")

# Where no person waits for a page: files, and what machines read, however long it takes.
_UNWATCHED: Final = ("/api/", "/assets/", "/audio/", "/metrics", "/healthz", "/readyz")

log = structlog.get_logger()


def register(app: Flask, answers: StoreAnswers) -> None:
    """Answer for a store that does not, whatever is asked for; the telephone does so by itself."""
    app.extensions["allo_store_answers"] = answers

    def look() -> ResponseReturnValue | None:
        if _asks_the_store() and not answers.answers():
            return _unanswered()
        return None

    def failed(error: Exception) -> ResponseReturnValue:
        if request.path.startswith(SIGNED) or not does_not_answer(error):
            raise error
        log.warning("not answered", error=type(error).__name__, endpoint=request.endpoint)
        answers.failed()
        return _unanswered()

    app.before_request(look)
    for kind in STORE_ERRORS:
        app.register_error_handler(kind, failed)
    app.wsgi_app = _watched(app.wsgi_app, answers)  # type: ignore[method-assign]


def _watched(behind: Any, answers: StoreAnswers) -> Any:
    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer: Iterable[bytes]
        path = environ["PATH_INFO"]
        if path.startswith(_UNWATCHED):
            answer = behind(environ, start_response)
            return answer
        # The telephone has limits of its own.
        with answers.under_watch(None if path.startswith(SIGNED) else PAGE_SECONDS):
            answer = behind(environ, start_response)
            return answer

    return application


def _asks_the_store() -> bool:
    who = who_may(current_app, request.endpoint)
    if who is None or not who.public:
        return False
    return who.free_form or request.path.startswith(_ASK_THE_STORE)


def _unanswered() -> ResponseReturnValue:
    if not has_reader():
        answer = make_response(ServiceUnavailable(retry_after=RETRY_SECONDS))
        # A page that looks again by itself stays as it is.
        answer.headers["HX-Reswap"] = "none"
        return answer
    code = language()
    speak_by_address()
    speak(code)
    query = request.query_string.decode("ascii", "replace")
    page = render_template(
        "public/unanswered.html",
        address=f"{own_path()}?{query}" if query else own_path(),
        fields=_fields(),
        is_form=request.method == "POST",
        each=RETRY_SECONDS,
    )
    return page, HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": str(RETRY_SECONDS)}


def _fields() -> list[tuple[str, str]]:
    """What a visitor typed into a public form; nothing that staff typed, such as passwords."""
    who = who_may(current_app, request.endpoint)
    if who is None or not who.free_form or len(request.form) > MOST_FIELDS:
        return []
    return list(request.form.items(multi=True))
