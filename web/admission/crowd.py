"""Too many at this moment: said as such, and nothing that was typed is lost.

Where the store keeps all threads waiting, that is said instead: it is no crowd.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from web.admission.parts import (
    RETRY_SECONDS,
    RETRY_VISIT,
    Environ,
    GateParts,
    LedgerTally,
    busy,
    language_for,
)
from web.admission.room_pages import RoomPages, RoomPageTemplate, escaped, hidden

# A form that comes back to be sent again; a real one is a few hundred bytes.
MOST_FORM: Final = 8192

log = structlog.get_logger()


class CrowdAnswers:
    """Answers requests for which there is no thread."""

    def __init__(self, parts: GateParts, pages: RoomPages, tally: LedgerTally) -> None:
        self._pages, self._tally = pages, tally
        self._ours = urlsplit(parts.public_base_url)[:2]
        self._store_hangs, self._number = parts.store_hangs, parts.national_number

    def answer(self, environ: Environ, start_response: Any, kind: str) -> Iterable[bytes]:
        """A page with a way to try again, and with the fields of a form that could not be taken.

        They are in this answer alone, which is kept nowhere, to the visitor who has just sent them.
        """
        self._tally.counts["given_way", kind] += 1
        path, query = environ["PATH_INFO"], environ.get("QUERY_STRING", "")
        language = language_for(environ)
        address = escaped(f"{path}?{query}" if query else path)
        form = self._form(environ) if environ["REQUEST_METHOD"] == "POST" else b""
        names = ("stuck", "stuck_resend") if self._store_hangs() else ("crowded", "resend")
        page = self.page(names[bool(form)], language)
        if page is None:
            return busy(environ, start_response, RETRY_SECONDS, self._number)
        each = str(RETRY_VISIT if kind == "visit" else RETRY_SECONDS)
        body = page.filled(each=each.encode(), form=form, address=address)
        headers = [*page.headers, ("Retry-After", each)]
        start_response("503 Service Unavailable", headers)
        return [body]

    def page(self, kind: str, language: str, opening: int = 0) -> RoomPageTemplate | None:
        """One of the room's pages; None where it cannot be made."""
        try:
            return self._pages.page(kind, language, opening)
        except Exception as error:  # noqa: BLE001 (whatever it is, there is a plain answer)
            log.error("room page not made", kind=kind, error=type(error).__name__)
            return None

    def _form(self, environ: Environ) -> bytes:
        """What was typed, as hidden fields; nothing for what is no plain form of ours."""
        kind = environ.get("CONTENT_TYPE", "").partition(";")[0]
        try:
            length = int(environ.get("CONTENT_LENGTH") or 0)
            if kind != "application/x-www-form-urlencoded" or not 0 < length <= MOST_FORM:
                return b""
            # Sent again it would come from a page of ours, even if another site had made it.
            return hidden(environ["wsgi.input"].read(length)) if self._is_ours(environ) else b""
        except ValueError:
            return b""

    def _is_ours(self, environ: Environ) -> bool:
        """Whether a page of ours sent it, as far as the browser says. As in `web.staff_only`."""
        if environ.get("HTTP_SEC_FETCH_SITE", "same-origin") not in {"same-origin", "none"}:
            return False
        origin = environ.get("HTTP_ORIGIN")
        if origin is None or urlsplit(origin)[:2] == self._ours:
            return True
        # In development a developer may write localhost; over https there is one name.
        return self._ours[0] == "http" and urlsplit(origin)[1] == environ.get("HTTP_HOST")
