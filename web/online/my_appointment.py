"""/mon-rendez-vous: an appointment that there is, seen and changed by whoever it was written to.

Reference and birth date bring a text to the number on file, never an answer on the page; the link
in it and the birth date open the appointment. Whatever is wrong is answered alike, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from http import HTTPStatus
from typing import Any, Final

from flask import Blueprint, Response, abort, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from flows.understanding import COUNTRY_ZONE, NotUnderstood, checked_date, is_digits
from flows.understanding.dates import dates
from models.database import Connection
from services.online import my_appointment, web_sessions
from services.online.attempts import place_of
from services.online.my_appointment import MENUS, OFFERS, PERSON, POSTCODE
from services.online.web_sessions import Act, WebSession
from services.ports import WakeUp
from services.service import Service
from services.short_links import LinkKind
from services.store import Store
from services.vocabulary import vocabulary
from services.work import Work
from web.cacheable import cacheable
from web.marks import public, public_form
from web.online.booking_cookie import WebSessionCookie
from web.online.calendar_file import calendar_file
from web.online.finish_elsewhere import page_of
from web.online.my_cookie import MyCookie
from web.online.my_view import MyView
from web.pages import language, to, words
from web.staff_only import address

HOME: Final = "/mon-rendez-vous"
# The page of each question, by its name on the telephone.
SLUGS: Final = {
    "my_menu": "voir",
    "my_over": "voir",
    "my_cancelled": "voir",
    "my_cancel_which": "annuler-lequel",
    "my_cancel_check": "annuler",
    "my_move_which": "deplacer-lequel",
    OFFERS: "creneaux",
    "my_move_check": "deplacer",
    "my_nothing_else": "rien-d-autre",
    POSTCODE: "commune",
    PERSON: "par-telephone",
}
_STEPS: Final = {slug: step for step, slug in SLUGS.items() if step not in MENUS}
_SEE: Final = "voir"
# What each button of a page presses on the telephone.
_KEYS: Final = {
    "my_menu": {"move": "2", "cancel": "3", "undo": "4"},
    "my_cancelled": {"undo": "1"},
    "my_cancel_which": {"second": "1", "both": "2"},
    "my_cancel_check": {"yes": "1", "no": "2"},
    "my_move_which": {"second": "1", "both": "2"},
    "my_move_check": {"yes": "1", "others": "2", "no": "3"},
    "my_nothing_else": {"no": "2"},
}
_REFERENCE_DIGITS = 10
_MOST_LETTERS = 40


@dataclass(frozen=True)
class MyParts:
    """What these pages are made of; `visits` is the cookie of public booking."""

    store: Store
    service: Service
    wake_up: WakeUp
    cookie: MyCookie
    visits: WebSessionCookie


class InvalidInput(Exception):
    """What was typed means nothing: the field to change, and the key of why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason


def blueprint(parts: MyParts) -> Blueprint:
    """/mon-rendez-vous, /r/ and /s/."""
    pages = Blueprint("mine", __name__)
    _add_asking(pages, parts)
    _add_links(pages, parts)
    _add_pages(pages, MyAppointmentPages(parts))
    return pages


# ------------------------------------------------------------------ asking for a text


def _add_asking(pages: Blueprint, parts: MyParts) -> None:
    store = parts.store

    @pages.get(HOME)
    @public
    @cacheable()
    def ask() -> str:
        return render_template("online/my_appointment/ask.html", typed={}, wrong=None)

    @pages.post(HOME)
    @public_form
    def asked() -> ResponseReturnValue:
        try:
            reference, born = _reference(), _birth_date(store)
        except InvalidInput as wrong:
            page = render_template("online/my_appointment/ask.html", typed=_typed(), wrong=wrong)
            return page, HTTPStatus.UNPROCESSABLE_ENTITY
        place = place_of(address())
        with store.database.transaction() as connection:
            message_id = my_appointment.write_to_them(
                connection, store, parts.service, reference, born, place
            )
        # Whether there is such a message or not: to be told of one that is none does nothing.
        parts.wake_up.message(message_id)
        return redirect(to(f"{HOME}/envoye"), HTTPStatus.SEE_OTHER)

    @pages.get(f"{HOME}/envoye")
    @public
    @cacheable()
    def sent() -> str:
        return render_template("online/my_appointment/sent.html")


def _reference() -> str:
    typed = _field("reference")
    reference = "".join(letter for letter in typed if letter.isdecimal() and letter.isascii())
    if len(reference) != _REFERENCE_DIGITS:
        raise InvalidInput("reference", "reference_empty" if not typed.strip() else "reference")
    return reference


def _birth_date(store: Store) -> date:
    """What stands in three fields, or all of it in the first. Raises Wrong."""
    day, month, year = (_field(name).strip() for name in ("day", "month", "year"))
    if not (day or month or year):
        raise InvalidInput("day", "date_empty")
    today = store.clock.now().astimezone(COUNTRY_ZONE).date()
    if is_digits(day) and is_digits(month) and is_digits(year):
        try:
            return checked_date(int(year), int(month), int(day), today)
        except NotUnderstood:
            raise InvalidInput("day", "date") from None
    found = dates(f"{day} {month} {year}".strip(), vocabulary(language()), today)
    if len(found) != 1:
        raise InvalidInput("day", "date")
    return found[0]


# ------------------------------------------------------------------ links


def _add_links(pages: Blueprint, parts: MyParts) -> None:
    store = parts.store

    def opened(kind: LinkKind, token: str) -> ResponseReturnValue:
        try:
            born = _birth_date(store)
        except InvalidInput as wrong:
            return _link_page(kind, wrong=wrong)
        links = store.links
        named = links.read(kind, token, store.clock.now().date()) if links else None
        if named is None:
            # Made up, or of long ago: nobody is looked for.
            return _link_page(kind, refused=True)
        place = place_of(address())
        with store.database.transaction() as connection:
            visit = _open(connection, parts, kind, named, born, place)
        if visit is None:
            return _link_page(kind, refused=True)
        return _led_in(parts, kind, visit)

    @pages.get("/r/<string:token>")
    @public
    def link(token: str) -> ResponseReturnValue:
        return _link_page(LinkKind.BOOKING)

    @pages.post("/r/<string:token>")
    @public_form
    def open_link(token: str) -> ResponseReturnValue:
        return opened(LinkKind.BOOKING, token)

    @pages.get("/s/<string:token>")
    @public
    def unfinished(token: str) -> ResponseReturnValue:
        return _link_page(LinkKind.CODE)

    @pages.post("/s/<string:token>")
    @public_form
    def go_on(token: str) -> ResponseReturnValue:
        return opened(LinkKind.CODE, token)


def _open(  # noqa: PLR0917
    connection: Connection, parts: MyParts, kind: LinkKind, named: str, born: date, place: str
) -> WebSession | None:
    work = Work(connection, parts.store, parts.service.campaign)
    if kind is LinkKind.CODE:
        return my_appointment.open_unfinished(work, named, born, place)
    return my_appointment.open_booking(work, named, born, place, language())


def _link_page(
    kind: LinkKind, *, wrong: InvalidInput | None = None, refused: bool = False
) -> ResponseReturnValue:
    page = render_template(
        "online/my_appointment/link.html",
        kind=str(kind),
        wrong=wrong,
        refused=refused,
        typed=_typed(),
    )
    is_right = wrong is None and not refused
    return page, HTTPStatus.OK if is_right else HTTPStatus.UNPROCESSABLE_ENTITY


def _led_in(parts: MyParts, kind: LinkKind, visit: WebSession) -> Response:
    if kind is LinkKind.CODE:
        # To the page of the question that is asked now.
        response = make_response(redirect(page_of(visit), HTTPStatus.SEE_OTHER))
        parts.visits.write(response, visit.id)
        return response
    response = make_response(redirect(f"{HOME}/{_SEE}", HTTPStatus.SEE_OTHER))
    parts.cookie.write(response, visit.id, parts.store.clock.now())
    return response


# ------------------------------------------------------------------ the appointment


class MyAppointmentPages:
    """The pages of somebody who proved that an appointment is theirs."""

    def __init__(self, parts: MyParts) -> None:
        self.parts = parts
        self.store = parts.store

    def visit(self) -> WebSession | None:
        visit_id = self.parts.cookie.read(request, self.store.clock.now())
        visit = web_sessions.load(self.store, visit_id) if visit_id else None
        return visit if visit and visit.session.mine and not visit.is_over else None

    def see(self) -> ResponseReturnValue:
        visit = self.visit()
        if visit is None:
            return _gone()
        with self.store.database.statement() as connection:
            now = my_appointment.as_it_is(connection, self.store, self.parts.service, visit)
        return self.shows(now, "")

    def shows(self, visit: WebSession, step: str) -> ResponseReturnValue:
        step = step or my_appointment.menu_of(visit)
        page = render_template(
            f"online/my_appointment/{step}.html",
            visit=visit,
            s=visit.session,
            mine=visit.session.mine,
            view=MyView(visit, words(), self.store.clock.now()),
            path=f"{HOME}/{SLUGS[step]}",
            home=f"{HOME}/{_SEE}",
            token=self.parts.cookie.token(visit.id),
        )
        response = make_response(page)
        self.parts.cookie.write(response, visit.id, self.store.clock.now())
        return response

    def answers(self, slug: str) -> ResponseReturnValue:
        visit = self.visit()
        if visit is None:
            return _gone()
        act = self._act(slug, visit)
        if act is None or not self.parts.cookie.is_token(_field("token"), visit.id):
            return self._leads_to(visit)
        answered = web_sessions.answer(
            self.store, self.parts.service, visit, _number(_field("n")), act
        )
        for message_id in answered.message_ids:
            self.parts.wake_up.message(message_id)
        return self._leads_to(answered.visit)

    @staticmethod
    def _act(slug: str, visit: WebSession) -> Act | None:
        """What the button means; None for one that is on no page of ours."""
        step = my_appointment.menu_of(visit) if slug == _SEE else _STEPS.get(slug, "")
        wish, where, place = _field("wish"), _field("where"), _field("place")
        if wish == "where" and step in {OFFERS, POSTCODE, "my_nothing_else"}:
            return lambda visit, world: my_appointment.look_from(visit, world, where)
        if step == OFFERS:
            if place:
                return lambda visit, world: my_appointment.choose(visit, world, place)
            return lambda visit, world: my_appointment.look_elsewhere(visit, world, wish)
        key = _KEYS.get(step, {}).get(wish)
        if key is None:
            return None
        return lambda visit, world: my_appointment.press(visit, world, step, key)

    @staticmethod
    def _leads_to(visit: WebSession) -> Response:
        slug = SLUGS.get(visit.step, _SEE)
        return make_response(redirect(f"{HOME}/{slug}", HTTPStatus.SEE_OTHER))

    def calendar(self) -> ResponseReturnValue:
        visit = self.visit()
        if visit is None or visit.session.mine is None:
            abort(HTTPStatus.NOT_FOUND)
        view = MyView(visit, words(), self.store.clock.now())
        return calendar_file(
            view.appointments,
            words(),
            now=self.store.clock.now(),
            number=view.number(self.parts.service.national_number),
        )

    def leave(self) -> ResponseReturnValue:
        visit_id = self.parts.cookie.read(request, self.store.clock.now())
        if visit_id and self.parts.cookie.is_token(_field("token"), visit_id):
            web_sessions.end(self.store, visit_id)
        response = make_response(redirect(to(HOME), HTTPStatus.SEE_OTHER))
        self.parts.cookie.forget(response)
        return response


def _add_pages(pages: Blueprint, mine: MyAppointmentPages) -> None:
    def add(path: str, name: str, view: Callable[..., Any], *, form: bool = False) -> None:
        marked = public_form(view) if form else public(view)
        pages.add_url_rule(f"{HOME}/{path}", name, marked, methods=["POST" if form else "GET"])

    def see() -> ResponseReturnValue:
        return mine.see()

    def calendar() -> ResponseReturnValue:
        return mine.calendar()

    def leave() -> ResponseReturnValue:
        return mine.leave()

    def step(slug: str) -> ResponseReturnValue:
        asked = _STEPS.get(slug) or abort(HTTPStatus.NOT_FOUND)
        visit = mine.visit()
        if visit is None:
            return _gone()
        return mine.shows(visit, asked if my_appointment.may_show(visit, asked) else "")

    def answer(slug: str) -> ResponseReturnValue:
        return mine.answers(slug)

    add(_SEE, "see", see)
    add("rendez-vous.ics", "calendar", calendar)
    add("fin", "leave", leave, form=True)
    add("<string:slug>", "step", step)
    add("<string:slug>", "answer", answer, form=True)


def _gone() -> ResponseReturnValue:
    return render_template("online/my_appointment/gone.html"), HTTPStatus.GONE


def _typed() -> dict[str, str]:
    return {name: _field(name) for name in ("reference", "day", "month", "year")}


def _field(name: str) -> str:
    return request.form.get(name, "")[:_MOST_LETTERS]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else -1  # noqa: PLR2004
