"""A page of a booking whose browser is on no web session any more, and what it may go on from.

A cookie counts for two hours: another person may sit at that computer. Until the answers are erased
the birth date that was given opens them again, with the answer that the page had. Where nothing was
given yet there is nothing to guard. A browser that sends no cookie at all is told so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from flask import render_template, request
from flask.typing import ResponseReturnValue

from flows.understanding import COUNTRY_ZONE
from services.online import web_sessions
from services.online.answers import NotTaken
from services.online.attempts import place_of
from services.online.my_appointment import reopen
from services.online.web_sessions import WebSession
from services.service import Service
from services.store import Store
from services.work import Work
from web.online.birth_date import birth_date
from web.online.cookies import WebSessionCookie
from web.pages import language
from web.staff_only import address

# Before the names of the fields that wait until the birth date is given.
KEPT: Final = "kept_"
_MOST_KEPT: Final = 20
_DATE: Final = ("day", "month", "year")


@dataclass(frozen=True)
class Reopened:
    """A web session that goes on, and the fields of the answer that waited for it."""

    web_session: WebSession
    kept: dict[str, str]


@dataclass(frozen=True)
class AfterLong:
    """For the browser that asks."""

    store: Store
    service: Service
    cookie: WebSessionCookie

    def unguarded(self) -> WebSession | None:
        """The web session of long ago, where nothing that is a person's was given yet."""
        found = self._long_ago()
        return found if found is not None and not _is_guarded(found) else None

    def page(self, slug: str, form: Mapping[str, str] | None = None) -> ResponseReturnValue:
        """Instead of a question's page; `form` is the answer that was sent there."""
        if self._long_ago() is not None:
            kept = {} if form is None else {"slug": slug, **form}
            return self._asks(kept), HTTPStatus.GONE
        if self.cookie.is_unknown(request) and _came_from_us():
            return render_template("online/booking/no_cookies.html"), HTTPStatus.GONE
        return render_template("online/booking/gone.html"), HTTPStatus.GONE

    def opened(self) -> Reopened | ResponseReturnValue:
        """What the birth date opens, and the answer that waited; else the page that asks again."""
        found = self._long_ago()
        if found is None:
            return render_template("online/booking/gone.html"), HTTPStatus.GONE
        names = [name for name in request.form if name.startswith(KEPT)][:_MOST_KEPT]
        kept = {name.removeprefix(KEPT): request.form[name] for name in names}
        try:
            today = self.store.clock.now().astimezone(COUNTRY_ZONE).date()
            born = birth_date(request.form, today, language())
        except NotTaken as wrong:
            return self._asks(kept, wrong), HTTPStatus.UNPROCESSABLE_ENTITY
        with self.store.database.transaction() as connection:
            work = Work(connection, self.store, self.service.campaign)
            opened = reopen(work, found.id, born, place_of(address()))
        if opened is None:
            return self._asks(kept, NotTaken("day", "other")), HTTPStatus.UNPROCESSABLE_ENTITY
        return Reopened(opened, kept)

    def _asks(self, kept: Mapping[str, str], wrong: NotTaken | None = None) -> str:
        typed = {name: request.form.get(name, "") for name in _DATE} if wrong else {}
        return render_template(
            "online/booking/after_long.html", kept=kept, before=KEPT, wrong=wrong, typed=typed
        )

    def _long_ago(self) -> WebSession | None:
        session_id = self.cookie.read_long_ago(request)
        found = web_sessions.load(self.store, session_id) if session_id else None
        return found if found is not None and not found.is_over else None


def _is_guarded(found: WebSession) -> bool:
    return bool(found.session.born or found.done)


def _came_from_us() -> bool:
    """Whether a page of ours led here, so that its cookie should have come along."""
    return request.headers.get("Sec-Fetch-Site") == "same-origin" or bool(request.referrer)
