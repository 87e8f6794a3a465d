"""/rendez-vous/telephone: a code to finish by telephone, or with a person, what was begun here."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from flows.understanding import COUNTRY_ZONE
from services.call import resume_call
from services.call.resume_call import VISIT_CODE_LIVES
from services.online import web_sessions
from services.online.web_sessions import WebSession, for_web
from services.work import Work
from web.marks import public, public_form
from web.online.booking import SLUGS, BookingParts
from web.pages import words
from web.written import DeskWords

PATH: Final = "/rendez-vous/telephone"
_MOST_LETTERS = 60


def blueprint(parts: BookingParts) -> Blueprint:
    """The page with the code; asked for again it gives another one, and the last stops counting."""
    pages = Blueprint("finish", __name__)
    store, cookie = parts.store, parts.cookie

    def current() -> WebSession | None:
        visit_id = cookie.read(request)
        return web_sessions.load(store, visit_id) if visit_id else None

    @pages.get(PATH)
    @public
    def back() -> ResponseReturnValue:
        visit = current()
        return redirect(page_of(visit) if visit else "/rendez-vous", HTTPStatus.SEE_OTHER)

    @pages.post(PATH)
    @public_form
    def code() -> ResponseReturnValue:
        visit = current()
        if visit is None:
            return redirect("/rendez-vous", HTTPStatus.SEE_OTHER)
        token = request.form.get("token", "")[:_MOST_LETTERS]
        if visit.is_over or not cookie.is_token(token, visit.id):
            return redirect(page_of(visit), HTTPStatus.SEE_OTHER)
        campaign = for_web(parts.service.campaign)
        with store.database.transaction() as connection:
            found = resume_call.new_web_session_code(Work(connection, store, campaign), visit.id)
        until = (store.clock.now() + VISIT_CODE_LIVES).isoformat()
        return render_template(
            "online/my_appointment/code.html",
            code=" ".join(found[at : at + 2] for at in range(0, len(found), 2)),
            until=DeskWords(words()).hour(until, COUNTRY_ZONE.key),
            back=page_of(visit),
        )

    return pages


def page_of(visit: WebSession) -> str:
    """The page of the question that a visit is at."""
    return url_for("booking.step", slug=SLUGS.get(visit.step, SLUGS["person"]))
