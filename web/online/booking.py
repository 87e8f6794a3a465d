"""Public booking: one question a page, the same questions and rules as on the telephone.

A page is asked for (one read), its form is sent (one transaction), and the browser is led on to the
next page, so that "back" and "reload" never act. Everything works without a script. A script that
shows the next page itself gets it in the same answer, with the address that the browser is to show:
"back" and "reload" ask for that one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from http import HTTPStatus
from typing import Final

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
from markupsafe import Markup

from flows.questions import Part
from flows.session import Session
from flows.steps import STEPS
from flows.understanding import COUNTRY_ZONE
from models.database import Connection
from services.call import resume_call
from services.campaign.campaign import Campaign
from services.messages.calendar_file import NAME, calendar_file
from services.online import answers, days, partner, prove_number, questions, web_sessions
from services.online.answers import NotTaken, may_show
from services.online.attempts import place_of
from services.online.shares import TooManyHere
from services.online.web_sessions import Done, WebSession, WebSessionOutcome
from services.partners.near import PartnerOffer, near
from services.ports import WakeUp
from services.public.centres import PublicCentre, PublicCentres
from services.public.offered import several, shown
from services.service import Service
from services.store import Store
from services.telemetry import TOO_QUICK
from services.work import Work
from web import typed
from web.cacheable import cacheable, true_until
from web.marks import public, public_form
from web.online.after_long import AfterLong, Reopened
from web.online.asked_centre import AskedCentre, asked_centre
from web.online.booking_acts import WITH_PARTNERS, Form, act_of
from web.online.booking_view import BookingViews, appointments_of
from web.online.cookies import WebSessionCookie
from web.online.door_code import door_code
from web.online.town_map import TownMap, draw, reach, stand_of
from web.pages import language, stands_at, stay_in_address, to, words
from web.staff_only import address
from web.tickets import people_wait, stands_for_two, ticket_is_used, web_session_of_ticket
from web.written import Written

# The address of each question, by its name on the telephone; the last five are asked here alone.
SLUGS: Final = {
    **{each.name: each.page for each in STEPS.values() if each.page and each.part is not Part.MINE},
    "told": "note",
    partner.NAME: "coordonnees",
    partner.WAITS: "demande",
    prove_number.NAME: "code",
    days.NAME: "jours",
}
_STEPS: Final = {slug: step for step, slug in SLUGS.items()}
START = "/rendez-vous"
LEFT = f"{START}/liste-quittee"
# A page says so when it could not act: what was asked for came too late.
_LATE = "avis"
LATE_WORDS: Final = ("autre", "ailleurs")
_MOST_LETTERS = 120
# Of a field that is typed as figures or chosen, and of a token.
_FIELD_LETTERS = 40
# The day whose hours are shown.
_DAY = "jour"
# After a night nothing is booked by an answer that waited: its page is shown first.
_LOOKED_AT_FIRST = frozenset({"confirm", "ready", partner.NAME, prove_number.NAME})


@dataclass(frozen=True)
class BookingPages:
    """The pages of an online booking, for the browser that asks."""

    store: Store
    service: Service
    wake_up: WakeUp
    cookie: WebSessionCookie
    centres: PublicCentres

    # ------------------------------------------------------------ the first question

    @public
    @cacheable()
    def start(self) -> ResponseReturnValue:
        asked = asked_centre(request.args)
        if asked != self._known(asked):
            # Closed since, or made up: the page for all of them.
            return redirect(_start_for(self._known(asked)))
        return self._first(asked)

    @public_form
    def begin(self) -> ResponseReturnValue:
        whom = field("whom")
        asked = self._known(asked_centre(request.args))
        if whom not in answers.WHOM:
            page = self._first(asked, NotTaken("whom", "choose"))
            return page, HTTPStatus.UNPROCESSABLE_ENTITY
        earlier = self._web_session()
        if earlier is not None and _is_begun(earlier):
            path = url_for("booking.resume", **asked.fields)  # type: ignore[arg-type]
            return redirect(path, HTTPStatus.SEE_OTHER)
        store = self.store
        step = answers.after_whom(self.service.campaign, store.clock.now())
        session = Session(step=step, whom=str(answers.WHOM[whom]))
        named = web_session_of_ticket()
        known = web_sessions.load(store, named) if named else None
        if known is not None:
            # Only the browser with its cookie may see what was answered; a ticket lasts longer.
            used = known.is_over or _is_begun(known)
            return ticket_is_used() if used else self._leads_to(known)
        given = {answers.CENTRE: asked.centre, answers.SLOT: asked.slot} if asked.centre else {}
        if asked.service:
            given[web_sessions.SERVICE] = asked.service
        session_id = named or web_sessions.new_id(store)
        browser = self.cookie.browser(request) or store.chance.identifier()
        made = web_sessions.new_web_session(
            store, language(), session_id, session, given, place_of(address()), browser
        )
        response = self._leads_to(made)
        self.cookie.write_browser(response, browser)
        return response

    def _first(self, asked: AskedCentre, wrong: NotTaken | None = None) -> str:
        """The first question; the same for all visitors who ask for the same centre."""
        stay_in_address(asked.fields)
        campaign, now = self._service(asked) or self.service.campaign, self.store.clock.now()
        for change in (campaign.opens_at, campaign.closes_at):
            true_until(now, change)
        # Before and after there is nothing more to ask.
        is_open = answers.after_whom(campaign, now) == "date_of_birth"
        return render_template(
            "online/booking/start.html",
            wrong=wrong,
            typed={},
            centre=self._centre(asked),
            comes_for=shown(campaign, language()) if asked.service else None,
            asked=asked,
            path=_start_for(asked),
            questions=len(questions.FIRST) if is_open else 0,
        )

    def _known(self, asked: AskedCentre) -> AskedCentre:
        """What is asked for, without a centre or a service that there is not."""
        found = asked if not asked.centre or self._centre(asked) else AskedCentre()
        service = asked.service if asked.service and self._service(asked) else ""
        return replace(found, service=service)

    def _service(self, asked: AskedCentre) -> Campaign | None:
        """What a poster's address is for, where it is open and there is a choice."""
        now = self.store.clock.now()
        found = several(self.service.campaigns.all(), now)
        return next(
            (
                campaign
                for campaign in found
                if campaign.service == asked.service and campaign.is_open(now)
            ),
            None,
        )

    def _centre(self, asked: AskedCentre) -> PublicCentre | None:
        """The centre of ours that is asked for; None for another, or none."""
        found = self.centres.all().get(asked.centre) if asked.centre else None
        return found if found is not None and found.mode == "ours" else None

    # ------------------------------------------------------------ going on, and leaving

    @public
    def resume(self) -> ResponseReturnValue:
        web_session = self._web_session()
        if web_session is None or not _is_begun(web_session):
            return redirect(START, HTTPStatus.SEE_OTHER)
        return render_template(
            "online/booking/resume.html",
            token=self.cookie.token(web_session.id),
            asked=asked_centre(request.args).fields,
        )

    @public_form
    def go_on(self) -> ResponseReturnValue:
        if request.form.get("wish") == "born":
            return self._open_again()
        web_session = self._web_session()
        if web_session is None:
            return redirect(START, HTTPStatus.SEE_OTHER)
        if request.form.get("wish") != "anew":
            return self._leads_to(web_session)
        # The centre that the visitor came for this time.
        return self._end(_start_for(asked_centre(request.args)))

    @public
    def calendar(self) -> ResponseReturnValue:
        web_session = self._web_session()
        if web_session is None or not web_session.done:
            abort(HTTPStatus.NOT_FOUND)
        file = calendar_file(
            appointments_of(web_session),
            words(),
            now=self.store.clock.now(),
            number=self._view(web_session).number_to_ring,
        )
        return for_a_calendar(file)

    @public_form
    def leave_list(self) -> ResponseReturnValue:
        """Take back what this visit asked of the waiting list."""
        web_session = self._web_session()
        if web_session is None:
            return render_template("online/booking/gone.html"), HTTPStatus.GONE
        if not self.cookie.is_token(field("token"), web_session.id):
            return self._leads_to(web_session, "ailleurs")
        web_sessions.leave_list(self.store, self.service, web_session)
        return self._forgotten(to(LEFT))

    @public
    @cacheable()
    def left_list(self) -> ResponseReturnValue:
        return render_template("online/booking/left.html")

    @public_form
    def leave(self) -> ResponseReturnValue:
        return self._end("/")

    def _end(self, path: str) -> Response:
        """The next user of this browser sees nothing of this web session."""
        session_id = self.cookie.read(request)
        if session_id and self.cookie.is_token(field("token"), session_id):
            web_sessions.end(self.store, session_id)
        return self._forgotten(path)

    def _forgotten(self, path: str) -> Response:
        response = make_response(redirect(path, HTTPStatus.SEE_OTHER))
        self.cookie.forget(response)
        return response

    @public
    def back_from_code(self) -> ResponseReturnValue:
        web_session = self._web_session()
        return redirect(page_of(web_session) if web_session else START, HTTPStatus.SEE_OTHER)

    @public_form
    def code(self) -> ResponseReturnValue:
        """A code to finish by telephone, or with a person.

        Asked for again there is another one, and the last stops counting.
        """
        web_session = self._web_session()
        if web_session is None:
            return redirect(START, HTTPStatus.SEE_OTHER)
        if web_session.is_over or not self.cookie.is_token(field("token"), web_session.id):
            return redirect(page_of(web_session), HTTPStatus.SEE_OTHER)
        campaign = web_sessions.for_web(self.service.campaign)
        with self.store.database.transaction() as connection:
            work = Work(connection, self.store, campaign)
            found = resume_call.new_web_session_code(work, web_session.id)
        until = self.store.clock.now() + resume_call.VISIT_CODE_LIVES
        written = Written(words())
        return render_template(
            "online/my_appointment/code.html",
            code=written.reference(found),
            until=written.hour(until, COUNTRY_ZONE.key),
            back=page_of(web_session),
        )

    # ------------------------------------------------------------ every other question

    @public
    def step(self, slug: str) -> ResponseReturnValue:
        asked = _STEPS.get(slug) or abort(HTTPStatus.NOT_FOUND)
        web_session = self._web_session()
        if web_session is None:
            return self._after_long.page(slug)
        if asked == web_session.step == partner.WAITS:
            # Told by the partner meanwhile: it counts once, however often the page is looked at.
            web_session = self._settled(web_session)
            # Nothing new for a page that asks by itself. Behind a pressed button it is shown.
            asks_itself = "HX-Request" in request.headers and "HX-Boosted" not in request.headers
            if web_session.step == asked and asks_itself:
                return "", HTTPStatus.NO_CONTENT
        # Where a call was that has no page here, a person goes on.
        goes_on_by_telephone = asked == "person" and web_session.step not in SLUGS
        if may_show(web_session, asked) or goes_on_by_telephone:
            return self._shows(web_session, asked)
        return self._leads_to(web_session)

    @public_form
    def answer(self, slug: str) -> ResponseReturnValue:
        """Act on the form that was sent for a question, once."""
        step = _STEPS.get(slug) or abort(HTTPStatus.NOT_FOUND)
        web_session = self._web_session()
        form = typed.answers(request.form, _MOST_LETTERS)
        if web_session is None:
            return self._after_long.page(slug, form)
        if not self.cookie.is_token(form.get("token", ""), web_session.id):
            return self._leads_to(web_session, "ailleurs")
        if self._comes_before_others(web_session):
            web_sessions.end(self.store, web_session.id)
            return self._forgotten(to(START))
        return self._act_on(web_session, step, form)

    def _act_on(self, web_session: WebSession, step: str, form: Form) -> ResponseReturnValue:
        number, act = number_in(form.get("n", "")), act_of(step, form)
        if act is None or (number == web_session.number and not may_show(web_session, step)):
            return self._leads_to(web_session)
        if web_sessions.is_too_quick(self.store, web_session, number, step):
            TOO_QUICK.labels(step).inc()
            return self._shows(web_session, step, wrong=NotTaken("", "too_quick"), form=form)
        web_session = web_session.but(session=web_session.session.but(language=language()))
        said = repr((step, sorted(form.items())))
        try:
            led = web_sessions.answer(
                self.store,
                self.service,
                web_session,
                number,
                act,
                said,
                place=place_of(address()),
            )
        except NotTaken as wrong:
            return self._shows(web_session, step, wrong=wrong, form=form)
        except TooManyHere:
            many = NotTaken("", "too_many_here")
            return self._shows(web_session, step, wrong=many, form=form)
        for message_id in led.message_ids:
            self.wake_up.message(message_id)
        return self._leads_to(led.visit, "" if led.acted or led.is_copy else "autre")

    def _web_session(self) -> WebSession | None:
        """The web session that this browser is on, in one read."""
        session_id = self.cookie.read(request)
        if not session_id:
            return self._after_long.unguarded()
        return web_sessions.load(self.store, session_id)

    @property
    def _after_long(self) -> AfterLong:
        return AfterLong(self.store, self.service, self.cookie)

    def _open_again(self) -> ResponseReturnValue:
        """Go on after a night, with the answer that waited on the page."""
        opened = self._after_long.opened()
        if not isinstance(opened, Reopened):
            return opened
        web_session, kept = opened.web_session, opened.kept
        step = _STEPS.get(kept.pop("slug", ""), "")
        if step and step not in _LOOKED_AT_FIRST and may_show(web_session, step):
            answer = self._act_on(web_session, step, kept)
            response = make_response(answer)
            self.cookie.write(response, web_session.id)
            return response
        return self._leads_to(web_session)

    def _view(self, web_session: WebSession) -> BookingViews:
        return BookingViews(web_session, words(), self.store.clock.now(), self.service)

    def _around(
        self, web_session: WebSession, step: str
    ) -> tuple[tuple[PartnerOffer, ...], TownMap | None]:
        """What partners have near, beside ours, and the map: where a page has them."""
        if step not in WITH_PARTNERS:
            return (), None
        session = web_session.session
        # Before there is a connection: they may have to be read, and a thread has no second one.
        known: Mapping[str, PublicCentre] = self.centres.all() if step == "offers" else {}
        with self.store.database.statement() as connection:
            partners = near(connection, self.store, self.service, session)
            return partners, self._map(connection, session, known) if known else None

    def _map(
        self, connection: Connection, session: Session, known: Mapping[str, PublicCentre]
    ) -> TownMap | None:
        """Where a visitor searches from and what is offered there; None where no place is known."""
        ids = dict.fromkeys(offer.centre_id for offer in session.offers)
        away = {offer.centre_id: offer.kilometres for offer in session.offers}
        stands = [
            stand for centre_id in ids if (stand := stand_of(known.get(centre_id), away[centre_id]))
        ]
        here = (session.latitude, session.longitude)
        place = here if any(here) else None
        seen = reach(place, stands)
        if seen is None:
            return None
        directory = self.service.directory
        towns = directory.towns_around(connection, seen[0], session.territory, seen[1])
        return draw(place, stands, towns)

    def _settled(self, web_session: WebSession) -> WebSession:
        """The web session after what a partner said meanwhile, if it did."""
        with self.store.database.statement() as connection:
            found = partner.state(connection, self.store, web_session)
        if found is not None and not found.is_over:
            return web_session
        number, act = web_session.number, partner.settle
        return web_sessions.answer(self.store, self.service, web_session, number, act).visit

    def _shows(
        self,
        web_session: WebSession,
        step: str,
        *,
        wrong: NotTaken | None = None,
        form: Form | None = None,
        late: str = "",
    ) -> ResponseReturnValue:
        """The page of a question; after a wrong answer with what was typed there.

        `late` is why the answer that led there did nothing, where the address does not say it.
        """
        view = self._view(web_session)
        if web_session.outcome == WebSessionOutcome.TAKEN_UP:
            return render_template(
                "online/my_appointment/elsewhere.html", done=web_session.done, view=view
            )
        late = late or request.args.get(_LATE, "")
        if step == days.NAME:
            return self._days(web_session, wrong=wrong, form=form or {})
        own = "keys" if step in STEPS and STEPS[step].page_of_keys else step
        partners, town_map = self._around(web_session, step)
        page = render_template(
            f"online/booking/{own}.html",
            **self._frame(web_session, step, wrong),
            view=view,
            partners=partners,
            map=town_map,
            typed=web_session.typed if form is None else form,
            late=late if late in LATE_WORDS else "",
            door_code=self._door_code,
        )
        return page, HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK

    def _frame(
        self, web_session: WebSession, step: str, wrong: NotTaken | None
    ) -> dict[str, object]:
        """What the frame of each question is filled in with."""
        return {
            "web_session": web_session,
            "step": step,
            "s": web_session.session,
            "slugs": SLUGS,
            "slug": SLUGS[step],
            "token": self.cookie.token(web_session.id),
            "wrong": wrong,
            "access_of": self._access_of,
        }

    def _access_of(self, centre_id: str) -> str:
        """What is told of a centre's access with a wheelchair."""
        found = self.centres.all().get(centre_id)
        return found.wheelchair if found else ""

    def _days(
        self, web_session: WebSession, *, wrong: NotTaken | None, form: Form
    ) -> ResponseReturnValue:
        """The next days with free places, or the hours of the one that is asked for."""
        view = self._view(web_session)
        day = _day(form.get(_DAY) or request.args.get(_DAY, ""))
        if day is None:
            found, hours = days.days(self.store, self.service, web_session), []
        else:
            found, hours = [], days.hours(self.store, self.service, web_session, day)
        page = render_template(
            "online/booking/days.html",
            **self._frame(web_session, days.NAME, wrong),
            view=view,
            typed={},
            late="",
            day=day,
            days=found,
            at_centres=view.hours_at(hours),
        )
        return page, HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK

    def _door_code(self, done: Done) -> Markup:
        """What a visitor shows at the centre who was booked here."""
        starts = [done.offer.local_start, done.offer.local_second]
        return door_code(self.store.link_of(done.reference, [start for start in starts if start]))

    def _leads_to(self, web_session: WebSession, late: str = "") -> Response:
        """On to where the web session is now; `late` says why the answer did nothing."""
        path = page_of(web_session, **({_LATE: late} if late else {}))
        # A page that waits for a partner settles first what was said meanwhile.
        if _is_swapped() and web_session.step != partner.WAITS:
            response = self._shown_at_once(path, web_session, late)
        else:
            response = make_response(redirect(path, HTTPStatus.SEE_OTHER))
        self.cookie.write(response, web_session.id)
        return response

    def _shown_at_once(self, path: str, web_session: WebSession, late: str) -> Response:
        """The page at this address, for a script that puts it in the place of the form's."""
        stands_at(path)
        stands_for_two()
        response = make_response(self._shows(web_session, _STEPS[slug_of(web_session)], late=late))
        response.headers["HX-Push-Url"] = path
        return response

    def _comes_before_others(self, web_session: WebSession) -> bool:
        """Whether it began before the opening, and others wait to begin theirs now."""
        if web_session.session.step != "not_yet_open" or not people_wait():
            return False
        campaign, now = self.service.campaign, self.store.clock.now()
        return answers.after_whom(campaign, now) != "not_yet_open"


def blueprint(views: BookingPages) -> Blueprint:
    """/rendez-vous and what follows."""
    pages = Blueprint("booking", __name__, url_prefix=START)
    for method, path, view in (
        ("GET", "", views.start),
        ("POST", "", views.begin),
        ("GET", "/reprendre", views.resume),
        ("POST", "/reprendre", views.go_on),
        ("GET", "/rendez-vous.ics", views.calendar),
        ("POST", "/terminer", views.leave),
        ("POST", "/quitter-la-liste", views.leave_list),
        ("GET", "/liste-quittee", views.left_list),
        ("GET", "/telephone", views.back_from_code),
        ("POST", "/telephone", views.code),
        ("GET", "/<string:slug>", views.step),
        ("POST", "/<string:slug>", views.answer),
    ):
        pages.add_url_rule(path, view.__name__, view, methods=[method])
    return pages


def page_of(web_session: WebSession, **query: str) -> str:
    """The page of the question that a web session is at."""
    return url_for("booking.step", slug=slug_of(web_session), **query)  # type: ignore[arg-type]


def slug_of(web_session: WebSession) -> str:
    """The last part of its address: where a call was that has no page here, a person goes on."""
    return SLUGS.get(web_session.step, SLUGS["person"])


def _is_swapped() -> bool:
    """Whether a script sent this form and puts the page that follows in the place of the form's."""
    return request.method == "POST" and request.headers.get("HX-Boosted") == "true"


def _start_for(asked: AskedCentre) -> str:
    query = asked.query(language())
    return f"{START}?{query}" if query else START


def _is_begun(web_session: WebSession) -> bool:
    """Whether something would be lost if it were begun anew."""
    goes_on = web_session.outcome == WebSessionOutcome.GOES_ON
    return goes_on and bool(web_session.session.born or web_session.done)


def for_a_calendar(file: bytes) -> Response:
    """The answer that a browser hands to its calendar."""
    response = Response(file, mimetype="text/calendar")
    response.headers["Content-Disposition"] = f'attachment; filename="{NAME}"'
    return response


def field(name: str) -> str:
    """A field of the form as it was sent, cut to more letters than a person types."""
    return typed.answers({name: request.form.get(name, "")}, _FIELD_LETTERS)[name]


def _day(text: str) -> date | None:
    """A day as an address or a form has it (ISO 8601); None for what is none."""
    try:
        return date.fromisoformat(text) if len(text) == len("2026-12-01") else None
    except ValueError:
        return None


def number_in(text: str) -> int:
    """The number of a page, as its form has it; -1 for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else -1  # noqa: PLR2004
