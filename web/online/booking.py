"""Public booking: one question a page, the same questions and rules as on the telephone.

A page is asked for (one read), its form is sent (one transaction), and the browser is led on to the
next page, so that "back" and "reload" never act. Everything works without a script.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final

from flask import (
    Blueprint,
    Response,
    abort,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue

from flows.session import Session
from services.online import answers, partner, web_sessions
from services.online.answers import NotTaken, may_show
from services.online.attempts import place_outside
from services.online.web_sessions import Act, WebSession, WebSessionOutcome
from services.partners.offers import PartnerOffer
from services.ports import WakeUp
from services.public.centres import PublicCentre, PublicCentres
from services.service import Service
from services.store import Store
from web.cacheable import cacheable
from web.marks import public, public_form
from web.online.asked_centre import NOTHING, AskedCentre, asked_centre
from web.online.booking_cookie import WebSessionCookie
from web.online.booking_view import BookingViews, appointments_of
from web.online.calendar_file import calendar_file
from web.pages import language, stay_in_address, to, words
from web.staff_only import address
from web.tickets import people_wait, ticket_is_used, web_session_of_ticket

# The page of each question, by its name on the telephone.
SLUGS: Final = {
    "for_whom": "pour-qui",
    "not_yet_open": "ouverture",
    "closed": "fin",
    "date_of_birth": "naissance",
    "group": "situation",
    "not_eligible": "pas-encore",
    "postcode": "commune",
    "town_which": "laquelle",
    "offers": "creneaux",
    "couple_choice": "a-deux",
    "no_slot": "attente",
    "reach": "joindre",
    "confirm": "confirmer",
    "ready": "fait",
    "told": "note",
    partner.NAME: "coordonnees",
    partner.WAITS: "demande",
    "person": "par-telephone",
}
STEPS: Final = {slug: step for step, slug in SLUGS.items()}
START = "/rendez-vous"
# A page says so when it could not act: what was asked for came too late.
_LATE = "avis"
LATE_WORDS: Final = ("autre", "ailleurs")
_MOST_LETTERS = 120
_WITH_PARTNERS = frozenset({"offers", "no_slot"})
Form = Mapping[str, str]


@dataclass(frozen=True)
class BookingParts:
    """What public booking is made of."""

    store: Store
    service: Service
    wake_up: WakeUp
    cookie: WebSessionCookie
    centres: PublicCentres


def _acts(form: Form) -> dict[str, Act]:
    """What each page does with this form."""

    def get(name: str) -> str:
        return form.get(name, "")

    return {
        "for_whom": lambda visit, world: answers.for_whom(visit, world, get("whom")),
        "not_yet_open": lambda visit, world: answers.not_yet_open(visit, world, get("number")),
        "date_of_birth": lambda visit, world: answers.date_of_birth(
            visit, world, get("day"), get("month"), get("year")
        ),
        "group": lambda visit, world: answers.group(visit, world, get("belongs")),
        "not_eligible": lambda visit, world: answers.not_eligible(
            visit, world, get("wish"), get("number")
        ),
        "postcode": lambda visit, world: answers.postcode(visit, world, get("where")),
        "town_which": lambda visit, world: answers.town_which(visit, world, get("code")),
        "offers": _at_offers(get),
        "couple_choice": lambda visit, world: answers.couple_choice(visit, world, get("wish")),
        "no_slot": lambda visit, world: (
            partner.choose(visit, world, get("partner"))
            if get("partner")
            else answers.no_slot(visit, world, get("wish"), get("number"), get("where"))
        ),
        partner.NAME: lambda visit, world: partner.ask(
            visit, world, get("first_name"), get("last_name"), get("number")
        ),
        partner.WAITS: partner.settle,
        "reach": lambda visit, world: answers.reach(
            visit,
            world,
            get("number"),
            none=get("wish") == "none",
            calls=get("calls") == "yes",
        ),
        "confirm": answers.confirm,
        "ready": answers.second,
    }


def _at_offers(get: Callable[[str], str]) -> Act:
    if get("partner"):
        return lambda visit, world: partner.choose(visit, world, get("partner"))
    if get("wish"):
        return lambda visit, world: answers.other_offers(visit, world, get("wish"), get("where"))
    return lambda visit, world: answers.take_offer(visit, world, get("place"))


class Browser:
    """What every page of a visit does for the browser that asks."""

    def __init__(self, parts: BookingParts) -> None:
        self.parts = parts
        self.store, self.cookie = parts.store, parts.cookie

    def visit(self) -> WebSession | None:
        """The visit that this browser is on, in one read."""
        visit_id = self.cookie.read(request)
        return web_sessions.load(self.store, visit_id) if visit_id else None

    def view(self, visit: WebSession) -> BookingViews:
        return BookingViews(visit, words(), self.store.clock.now(), self.parts.service)

    def partners(self, visit: WebSession) -> tuple[PartnerOffer, ...]:
        """What partners have near, beside ours."""
        with self.store.database.statement() as connection:
            return partner.near(connection, self.store, self.parts.service, visit)

    def centre(self, asked: AskedCentre) -> PublicCentre | None:
        """The centre of ours that is asked for; None for another, or none."""
        found = self.parts.centres.all().get(asked.centre) if asked.centre else None
        return found if found is not None and found.mode == "ours" else None

    def first(self, asked: AskedCentre, wrong: NotTaken | None = None) -> str:
        """The first question; the same for everybody who asks for the same centre."""
        stay_in_address(asked.fields)
        query = asked.query(language())
        path = f"{START}?{query}" if query else START
        centre = self.centre(asked)
        return render_template(
            "online/booking/start.html",
            wrong=wrong,
            typed={},
            centre=centre,
            asked=asked,
            path=path,
        )

    def settled(self, visit: WebSession) -> WebSession:
        """The visit after what a partner said meanwhile, if it did."""
        with self.store.database.statement() as connection:
            found = partner.state(connection, self.store, visit)
        if found is not None and not found.is_over:
            return visit
        act, service = partner.settle, self.parts.service
        return web_sessions.answer(self.store, service, visit, visit.number, act).visit

    def shows(
        self,
        visit: WebSession,
        step: str,
        *,
        wrong: NotTaken | None = None,
        form: Form | None = None,
    ) -> ResponseReturnValue:
        """The page of a question; after a wrong answer with what was typed there."""
        if visit.outcome == WebSessionOutcome.TAKEN_UP:
            return render_template(
                "online/my_appointment/elsewhere.html", done=visit.done, view=self.view(visit)
            )
        page = render_template(
            f"online/booking/{step}.html",
            visit=visit,
            partners=self.partners(visit) if step in _WITH_PARTNERS else (),
            s=visit.session,
            view=self.view(visit),
            slugs=SLUGS,
            slug=SLUGS[step],
            token=self.cookie.token(visit.id),
            wrong=wrong,
            typed=visit.typed if form is None else form,
            late=_late(),
        )
        return page, HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK

    def leads_to(self, visit: WebSession, late: str = "") -> Response:
        """On to where the visit is now; `late` says why the answer did nothing."""
        query = {_LATE: late} if late else {}
        path = url_for("booking.step", slug=SLUGS.get(visit.step, SLUGS["person"]), **query)  # type: ignore[arg-type]
        response = make_response(redirect(path, HTTPStatus.SEE_OTHER))
        self.cookie.write(response, visit.id)
        return response

    def comes_before_others(self, visit: WebSession) -> bool:
        """Whether it began before the opening, and others wait to begin theirs now."""
        if visit.session.step != "not_yet_open" or not people_wait():
            return False
        campaign, now = self.parts.service.campaign, self.store.clock.now()
        return answers.after_whom(campaign, now) != "not_yet_open"

    def answers(self, visit: WebSession, step: str) -> ResponseReturnValue:
        """Act on the form that was sent for a question, once."""
        form = {name: text[:_MOST_LETTERS] for name, text in request.form.items()}
        if not self.cookie.is_token(form.get("token", ""), visit.id):
            return self.leads_to(visit, "ailleurs")
        if self.comes_before_others(visit):
            web_sessions.end(self.store, visit.id)
            response = make_response(redirect(to(START), HTTPStatus.SEE_OTHER))
            self.cookie.forget(response)
            return response
        number, act = _number(form.get("n", "")), _acts(form).get(step)
        if act is None or (number == visit.number and not may_show(visit, step)):
            return self.leads_to(visit)
        visit = replace(visit, session=visit.session.but(language=language()))
        said = repr((step, sorted(form.items())))
        try:
            led = web_sessions.answer(self.store, self.parts.service, visit, number, act, said)
        except NotTaken as wrong:
            return self.shows(visit, step, wrong=wrong, form=form)
        except web_sessions.TooManyHere:
            return self.shows(visit, step, wrong=NotTaken("", "too_many_here"), form=form)
        for message_id in led.message_ids:
            self.parts.wake_up.message(message_id)
        return self.leads_to(led.visit, "" if led.acted or led.is_copy else "autre")


def blueprint(parts: BookingParts) -> Blueprint:
    """/rendez-vous and what follows."""
    pages = Blueprint("booking", __name__)
    browser = Browser(parts)
    _add_start(pages, browser)
    _add_resume(pages, browser)
    _add_end(pages, browser)
    _add_steps(pages, browser)
    return pages


def _add_start(pages: Blueprint, browser: Browser) -> None:
    @pages.get(START)
    @public
    @cacheable()
    def start() -> ResponseReturnValue:
        asked = asked_centre(request.args)
        if asked.centre and browser.centre(asked) is None:
            # Closed since, or made up: the page that everybody has.
            return redirect(to(START))
        return browser.first(asked)

    @pages.post(START)
    @public_form
    def begin() -> ResponseReturnValue:
        whom = _field(request.form, "whom")
        asked = asked_centre(request.args)
        if browser.centre(asked) is None:
            asked = NOTHING
        if whom not in answers.WHOM:
            page = browser.first(asked, NotTaken("whom", "choose"))
            return page, HTTPStatus.UNPROCESSABLE_ENTITY
        earlier = browser.visit()
        if earlier is not None and _is_begun(earlier):
            path = url_for("booking.resume", **asked.fields)  # type: ignore[arg-type]
            return redirect(path, HTTPStatus.SEE_OTHER)
        store = browser.store
        step = answers.after_whom(browser.parts.service.campaign, store.clock.now())
        session = Session(step=step, whom=str(answers.WHOM[whom]))
        named = web_session_of_ticket()
        known = web_sessions.load(store, named) if named else None
        if known is not None:
            # What was told in it is for the browser that has its cookie, and a ticket stays longer.
            used = known.is_over or _is_begun(known)
            return ticket_is_used() if used else browser.leads_to(known)
        typed = {answers.CENTRE: asked.centre, answers.SLOT: asked.slot} if asked.centre else {}
        visit_id, place = named or web_sessions.new_id(store), place_outside(address())
        made = web_sessions.new_web_session(store, language(), visit_id, session, typed, place)
        return browser.leads_to(made)


def _add_resume(pages: Blueprint, browser: Browser) -> None:
    @pages.get(f"{START}/reprendre")
    @public
    def resume() -> ResponseReturnValue:
        visit = browser.visit()
        if visit is None or not _is_begun(visit):
            return redirect(START, HTTPStatus.SEE_OTHER)
        token, asked = browser.cookie.token(visit.id), asked_centre(request.args)
        return render_template("online/booking/resume.html", token=token, asked=asked.fields)

    @pages.post(f"{START}/reprendre")
    @public_form
    def go_on() -> ResponseReturnValue:
        visit = browser.visit()
        if visit is None:
            return redirect(START, HTTPStatus.SEE_OTHER)
        if request.form.get("wish") != "anew":
            return browser.leads_to(visit)
        # What they came for this time.
        query = asked_centre(request.args).query(language())
        return _leave(browser, f"{START}?{query}" if query else START)


def _add_end(pages: Blueprint, browser: Browser) -> None:
    @pages.get(f"{START}/rendez-vous.ics")
    @public
    def calendar() -> ResponseReturnValue:
        visit = browser.visit()
        if visit is None or not visit.done:
            abort(HTTPStatus.NOT_FOUND)
        return calendar_file(
            appointments_of(visit),
            words(),
            now=browser.store.clock.now(),
            number=browser.view(visit).number_to_ring,
        )

    @pages.post(f"{START}/terminer")
    @public_form
    def leave() -> ResponseReturnValue:
        return _leave(browser, "/")


def _leave(browser: Browser, path: str) -> ResponseReturnValue:
    """Whoever sits here next sees nothing of this visit."""
    visit_id = browser.cookie.read(request)
    if visit_id and browser.cookie.is_token(_field(request.form, "token"), visit_id):
        web_sessions.end(browser.store, visit_id)
    response = make_response(redirect(path, HTTPStatus.SEE_OTHER))
    browser.cookie.forget(response)
    return response


def _add_steps(pages: Blueprint, browser: Browser) -> None:
    @pages.get(f"{START}/<string:slug>")
    @public
    def step(slug: str) -> ResponseReturnValue:
        asked = STEPS.get(slug) or abort(HTTPStatus.NOT_FOUND)
        visit = browser.visit()
        if visit is None:
            return _gone()
        if asked == visit.step == partner.WAITS:
            # Told by the partner meanwhile: it counts once, whoever looks how often.
            visit = browser.settled(visit)
            if visit.step == asked and request.headers.get("HX-Request"):
                return "", HTTPStatus.NO_CONTENT
        # Where a call was that has no page here, a person goes on.
        if may_show(visit, asked) or (asked == "person" and visit.step not in SLUGS):
            return browser.shows(visit, asked)
        return browser.leads_to(visit)

    @pages.post(f"{START}/<string:slug>")
    @public_form
    def answer(slug: str) -> ResponseReturnValue:
        asked = STEPS.get(slug) or abort(HTTPStatus.NOT_FOUND)
        visit = browser.visit()
        return _gone() if visit is None else browser.answers(visit, asked)


def _is_begun(visit: WebSession) -> bool:
    """Whether something would be lost if it were begun anew."""
    return visit.outcome == WebSessionOutcome.GOES_ON and bool(visit.session.born or visit.done)


def _gone() -> ResponseReturnValue:
    return render_template("online/booking/gone.html"), HTTPStatus.GONE


def _late() -> str:
    found = request.args.get(_LATE, "")
    return found if found in LATE_WORDS else ""


def _field(form: Mapping[str, Any], name: str) -> str:
    return str(form.get(name, ""))[:_MOST_LETTERS]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else -1  # noqa: PLR2004
