"""/mon-rendez-vous: an appointment that there is, seen and changed by the person it was written to.

Reference and birth date bring a text to the number on file, never an answer on the page; the link
in it and the birth date open the appointment. Whatever is wrong is answered alike, byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from http import HTTPStatus
from typing import Final

from flask import Blueprint, abort, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from flows.questions import Part
from flows.steps import STEPS
from flows.understanding import COUNTRY_ZONE
from prompts.values import written_number
from services.messages.calendar_file import calendar_file
from services.online import my_appointment, web_sessions
from services.online.answers import NotTaken
from services.online.attempts import place_of
from services.online.my_appointment import MENUS, OFFERS, PERSON, POSTCODE
from services.online.web_sessions import Act, WebSession
from services.ports import WakeUp
from services.public.offered import shown
from services.service import Service
from services.short_links import LinkKind
from services.store import Store
from services.work import Work
from web.cacheable import cacheable
from web.marks import public, public_form
from web.online.birth_date import birth_date
from web.online.booking import field, for_a_calendar, number_in, page_of
from web.online.cookies import MyCookie, WebSessionCookie
from web.online.door_code import NO_CODE, door_code
from web.online.my_view import MyView
from web.pages import language, to, words
from web.staff_only import address

HOME: Final = "/mon-rendez-vous"
# The address of each question, by its name on the telephone.
SLUGS: Final = {
    name: step.page
    for name, step in STEPS.items()
    if step.page and (step.part is Part.MINE or name in {OFFERS, POSTCODE, PERSON})
}
_STEPS: Final = {slug: step for step, slug in SLUGS.items() if step not in MENUS}
_SEE: Final = "voir"
# The page of an appointment that is ahead.
AHEAD: Final = "my_menu"
# What each button of a page presses on the telephone.
_KEYS: Final = {
    "my_menu": {"take": "1", "move": "2", "cancel": "3", "undo": "4"},
    "my_cancelled": {"undo": "1"},
    "my_cancel_which": {"second": "1", "both": "2"},
    "my_cancel_half": {"first": "1", "then": "2", "both": "3"},
    "my_cancel_check": {"yes": "1", "no": "2"},
    "my_move_which": {"second": "1", "both": "2"},
    "my_move_half": {"first": "1", "then": "2", "both": "3"},
    "my_move_check": {"yes": "1", "others": "2", "no": "3"},
    "my_nothing_else": {"no": "2"},
}
_REFERENCE_DIGITS = 10


@dataclass(frozen=True)
class MyAppointmentPages:
    """Asking for a text, the links in it, and the appointment for the browser that proved it."""

    store: Store
    service: Service
    wake_up: WakeUp
    cookie: MyCookie
    booking_cookie: WebSessionCookie

    # ------------------------------------------------------------ asking for a text

    @public
    @cacheable()
    def ask(self) -> str:
        return render_template("online/my_appointment/ask.html", typed={}, wrong=None)

    @public_form
    def asked(self) -> ResponseReturnValue:
        try:
            reference, born = _reference(), birth_date(request.form, self._today(), language())
        except NotTaken as wrong:
            page = render_template("online/my_appointment/ask.html", typed=_typed(), wrong=wrong)
            return page, HTTPStatus.UNPROCESSABLE_ENTITY
        place = place_of(address())
        with self.store.database.transaction() as connection:
            message_id = my_appointment.write_to_them(
                connection, self.store, self.service, reference, born, place
            )
        # Whether there is such a message or not: to be told of one that is none does nothing.
        self.wake_up.message(message_id)
        return redirect(to(f"{HOME}/envoye"), HTTPStatus.SEE_OTHER)

    @public
    @cacheable()
    def sent(self) -> str:
        return render_template("online/my_appointment/sent.html")

    def _today(self) -> date:
        return self.store.clock.now().astimezone(COUNTRY_ZONE).date()

    # ------------------------------------------------------------ links

    @public
    def link(self, token: str) -> ResponseReturnValue:
        links = self.store.links
        code = door_code(links.address(LinkKind.BOOKING, token) if links else "")
        return _link_page(LinkKind.BOOKING, door=code)

    @public_form
    def open_link(self, token: str) -> ResponseReturnValue:
        """The appointment, once the birth date is given."""
        found = self._opened(LinkKind.BOOKING, token)
        if not isinstance(found, WebSession):
            return found
        response = make_response(redirect(f"{HOME}/{_SEE}", HTTPStatus.SEE_OTHER))
        self.cookie.write(response, found.id, self.store.clock.now())
        return response

    @public
    def unfinished(self, token: str) -> ResponseReturnValue:
        return _link_page(LinkKind.CODE)

    @public_form
    def go_on(self, token: str) -> ResponseReturnValue:
        """The page of the question that is asked now, once the birth date is given."""
        found = self._opened(LinkKind.CODE, token)
        if not isinstance(found, WebSession):
            return found
        response = make_response(redirect(page_of(found), HTTPStatus.SEE_OTHER))
        self.booking_cookie.write(response, found.id)
        return response

    def _opened(self, kind: LinkKind, token: str) -> WebSession | ResponseReturnValue:
        """What a link and a birth date open; else the page that asks for them again."""
        store, service = self.store, self.service
        try:
            born = birth_date(request.form, self._today(), language())
        except NotTaken as wrong:
            return _link_page(kind, wrong=wrong)
        named = store.links.read(kind, token, store.clock.now().date()) if store.links else None
        if named is None:
            # Made up, or of long ago: no person is looked for.
            return _link_page(kind, refused=True)
        place = place_of(address())
        with store.database.transaction() as connection:
            work = Work(connection, store, service.campaign)
            if kind is LinkKind.CODE:
                found = my_appointment.open_unfinished(work, named, born, place)
            else:
                open_ones = [campaign.name for campaign in service.campaigns.open_now()]
                found = my_appointment.open_booking(work, named, born, place, language(), open_ones)
        return found or _link_page(kind, refused=True)

    # ------------------------------------------------------------ the appointment

    @public
    def see(self) -> ResponseReturnValue:
        web_session = self._web_session()
        if web_session is None:
            return _gone()
        with self.store.database.statement() as connection:
            now = my_appointment.as_it_is(connection, self.store, self.service, web_session)
        return self._shows(now, my_appointment.menu_of(now))

    @public
    def step(self, slug: str) -> ResponseReturnValue:
        asked = _STEPS.get(slug) or abort(HTTPStatus.NOT_FOUND)
        web_session = self._web_session()
        if web_session is None:
            return _gone()
        may_show = my_appointment.may_show(web_session, asked)
        return self._shows(web_session, asked if may_show else my_appointment.menu_of(web_session))

    def _shows(self, web_session: WebSession, step: str) -> ResponseReturnValue:
        page = render_template(
            f"online/my_appointment/{step}.html",
            web_session=web_session,
            s=web_session.session,
            mine=web_session.session.mine,
            view=self._view(web_session),
            path=f"{HOME}/{SLUGS[step]}",
            home=f"{HOME}/{_SEE}",
            token=self.cookie.token(web_session.id),
            door_code=self._door_code(web_session) if step == AHEAD else NO_CODE,
            halves=self._halves(web_session),
        )
        response = make_response(page)
        self.cookie.write(response, web_session.id, self.store.clock.now())
        return response

    def _halves(self, web_session: WebSession) -> list[tuple[str, str]]:
        mine = web_session.session.mine
        return my_appointment.halves(self.service, mine, language()) if mine else []

    def _door_code(self, web_session: WebSession) -> Markup:
        session = web_session.session
        starts = session.mine.starts if session.mine else ()
        return door_code(self.store.link_of(session.reference, starts))

    @public_form
    def answer(self, slug: str) -> ResponseReturnValue:
        web_session = self._web_session()
        if web_session is None:
            return _gone()
        act = _act(slug, web_session)
        if act is not None and self.cookie.is_token(field("token"), web_session.id):
            number = number_in(field("n"))
            led = web_sessions.answer(self.store, self.service, web_session, number, act)
            for message_id in led.message_ids:
                self.wake_up.message(message_id)
            web_session = led.visit
        slug = SLUGS.get(web_session.step, _SEE)
        return redirect(f"{HOME}/{slug}", HTTPStatus.SEE_OTHER)

    @public
    def calendar(self) -> ResponseReturnValue:
        web_session = self._web_session()
        if web_session is None:
            abort(HTTPStatus.NOT_FOUND)
        appointments = my_appointment.for_a_calendar(self.store, web_session)
        number = written_number(self.service.national_number)
        now = self.store.clock.now()
        return for_a_calendar(calendar_file(appointments, words(), now=now, number=number))

    @public_form
    def leave(self) -> ResponseReturnValue:
        session_id = self.cookie.read(request, self.store.clock.now())
        if session_id and self.cookie.is_token(field("token"), session_id):
            web_sessions.end(self.store, session_id)
        response = make_response(redirect(to(HOME), HTTPStatus.SEE_OTHER))
        self.cookie.forget(response)
        return response

    def _view(self, web_session: WebSession) -> MyView:
        named = (campaign for campaign in self.service.campaigns.all() if campaign.service)
        names = {campaign.name: shown(campaign, words().language).name for campaign in named}
        return MyView(web_session, words(), self.store.clock.now(), names)

    def _web_session(self) -> WebSession | None:
        """The web session that stands for the appointment which this browser has open."""
        session_id = self.cookie.read(request, self.store.clock.now())
        found = web_sessions.load(self.store, session_id) if session_id else None
        return found if found and found.session.mine and not found.is_over else None


def blueprint(views: MyAppointmentPages) -> Blueprint:
    """/mon-rendez-vous, /r/ and /s/."""
    pages = Blueprint("mine", __name__)
    for method, path, view in (
        ("GET", HOME, views.ask),
        ("POST", HOME, views.asked),
        ("GET", f"{HOME}/envoye", views.sent),
        ("GET", "/r/<string:token>", views.link),
        ("POST", "/r/<string:token>", views.open_link),
        ("GET", "/s/<string:token>", views.unfinished),
        ("POST", "/s/<string:token>", views.go_on),
        ("GET", f"{HOME}/{_SEE}", views.see),
        ("GET", f"{HOME}/rendez-vous.ics", views.calendar),
        ("POST", f"{HOME}/fin", views.leave),
        ("GET", f"{HOME}/<string:slug>", views.step),
        ("POST", f"{HOME}/<string:slug>", views.answer),
    ):
        pages.add_url_rule(path, view.__name__, view, methods=[method])
    return pages


def _act(slug: str, web_session: WebSession) -> Act | None:
    """What the button means; None for one that is on no page of ours."""
    step = my_appointment.menu_of(web_session) if slug == _SEE else _STEPS.get(slug, "")
    wish, where, place = field("wish"), field("where"), field("place")
    if wish == "where" and step in {OFFERS, POSTCODE, "my_nothing_else"}:
        return lambda session, world: my_appointment.look_from(session, world, where)
    if step == OFFERS:
        if place:
            return lambda session, world: my_appointment.choose(session, world, place)
        return lambda session, world: my_appointment.look_elsewhere(session, world, wish)
    key = _KEYS.get(step, {}).get(wish)
    if key is None:
        return None
    return lambda session, world: my_appointment.press(session, world, step, key)


def _reference() -> str:
    typed = field("reference")
    reference = "".join(letter for letter in typed if letter.isdecimal() and letter.isascii())
    if len(reference) != _REFERENCE_DIGITS:
        raise NotTaken("reference", "reference_empty" if not typed.strip() else "reference")
    return reference


def _link_page(
    kind: LinkKind,
    *,
    wrong: NotTaken | None = None,
    refused: bool = False,
    door: Markup = NO_CODE,
) -> ResponseReturnValue:
    page = render_template(
        "online/my_appointment/link.html",
        kind=str(kind),
        wrong=wrong,
        refused=refused,
        door_code=door,
        typed=_typed(),
    )
    is_right = wrong is None and not refused
    return page, HTTPStatus.OK if is_right else HTTPStatus.UNPROCESSABLE_ENTITY


def _gone() -> ResponseReturnValue:
    return render_template("online/my_appointment/gone.html"), HTTPStatus.GONE


def _typed() -> dict[str, str]:
    return {name: field(name) for name in ("reference", "day", "month", "year")}
