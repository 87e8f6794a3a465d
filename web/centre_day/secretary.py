"""/centre: the day of one centre, for its secretary.

A secretary of one centre never sees another: the centre comes from their account, and every
statement asks for it. Supervisors, and secretaries of all centres, say which.

Forms work without a script. With one, a mark is sent by itself, and the row that comes next has the
keyboard.
"""

from __future__ import annotations

import hashlib
import json
import time

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from datetime import time as clock_time
from http import HTTPStatus
from typing import Any, Final

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from flows.understanding import NotUnderstood
from services.accounts import four_eyes
from services.accounts.staff import names_of
from services.booking.confirm_booking import Booked
from services.booking.find_booking import read_booking
from services.centre_day import secretary, secretary_hours
from services.centre_day.find_people import LONGEST, FindWord, FoundPeople, find_people
from services.centre_day.secretary import (
    AtCentre,
    AttendanceState,
    CentreState,
    Comes,
    RingAnswer,
    WalkIn,
)
from services.centre_day.secretary_hours import DayHours, HoursRefused
from services.desk.booking import LONGEST_NAME, BookingRefused
from services.desk.offers import reach
from services.messages.phone_capabilities import takes_texts
from services.public.offered import shown
from services.service import Service
from services.store import Store
from web.desk.desk_page import new_nonce
from web.desk.forms import birth
from web.marks import roles
from web.pages import language, with_camera, words
from web.staff_only import UNPROVED, current, is_fetch, is_proved, to_proof
from web.written import Written

# Days ahead and behind that a page may be asked for.
_FARTHEST: Final = timedelta(days=366)
_LONGEST_ID: Final = 40
_KNOWN_SECONDS: Final = 60.0
# A column of a sheet of A4 has so many large rows, or so many small ones; a sheet has two columns.
_LARGE_ROWS: Final = 36
_SMALL_ROWS: Final = 62
# What a look for a person came to that is good news.
_IS_WELL: Final = frozenset(
    {FindWord.ONE, FindWord.SEVERAL, FindWord.PRESENT, FindWord.ALREADY, FindWord.ALREADY_DONE}
)


@dataclass(frozen=True)
class Told:
    """What a look for a person came to, as a page says it.

    `sought` is what was typed, to be kept where no person was found.
    """

    found: FoundPeople
    text: str
    sought: str = ""

    @property
    def is_well(self) -> bool:
        return self.found.word in _IS_WELL


@dataclass(frozen=True)
class WalkInForm:
    """The form for a person who is there, as it was sent."""

    born: str = ""
    number: str = ""
    name: str = ""
    extra: bool = False
    # The names of the campaigns that they come for.
    wanted: tuple[str, ...] = ()
    wrong: str = ""
    nonce: str = ""


def blueprint(store: Store, service: Service) -> Blueprint:
    """The routes of /centre."""
    pages = Blueprint("secretary", __name__, url_prefix="/centre")
    views = _Views(store, service)
    for method, path, view in (
        ("GET", "", views.page),
        ("GET", "/etat", views.etat),
        ("GET", "/imprimer", views.printed),
        ("POST", "/chercher", views.find),
        ("POST", "/presence", views.mark),
        ("POST", "/arrivee", views.book),
        ("POST", "/suivant", views.ring),
        ("POST", "/reponse", views.answer),
        ("POST", "/ouvrir", views.open_hours),
        ("GET", "/fermeture", views.closing),
        ("POST", "/fermer", views.close_hours),
        ("POST", "/rouvrir", views.reopen),
    ):
        pages.add_url_rule(path, view.__name__, view, methods=[method])
    pages.register_error_handler(HoursRefused, views.hours_refused)
    return pages


class _Views:
    def __init__(self, store: Store, service: Service) -> None:
        self._store = store
        self._service = service
        # Of pages that ask by themselves: by id, with the second until which it is known.
        self._known: dict[str, tuple[float, CentreState]] = {}

    # ------------------------------------------------------------ what is looked at

    @roles("secretary", "supervisor")
    def page(self) -> ResponseReturnValue:
        at = self._asked()
        if at is not None:
            return self._day_page(at)
        with self._store.database.statement() as connection:
            found = secretary.our_centres(connection)
        return render_template("centre_day/choice.html", centres=found)

    def _day_page(
        self, at: AtCentre, typed: WalkInForm | None = None, told: Told | None = None
    ) -> str:
        with_camera()
        whole = secretary.read_day(at)
        now = self._store.clock.now()
        counts = secretary.counts([person.shown for person in whole.people], whole.hours, now)
        names = self._names({call.who for call in whole.ringing})
        return render_template(
            "centre_day/page.html",
            **self._frame(at),
            whole=whole,
            counts=counts,
            keys=_tag([person.key for person in whole.people]),
            names=names,
            may_mark=secretary.may_mark(self._store, at.day),
            undo_until=at.day.day + timedelta(days=secretary.DAYS_AFTER),
            told=told,
            shown={person.key for person in told.found.people} if told else set(),
            typed=typed or WalkInForm(nonce=new_nonce()),
            services=[
                (campaign.name, shown(campaign, language()).name)
                for campaign in secretary.comes_for(at)
            ],
            notice=self._notice(),
            now=now,
        )

    def _frame(self, at: AtCentre) -> dict[str, Any]:
        written, zone = Written(words(), self._store.clock.now()), at.day.zone
        today = secretary.today_of(at.day.centre, self._store.clock.now())
        return {
            "at": at,
            "written": written,
            "today": today,
            "day_words": written.weekday(at.day.day),
            "is_today": at.day.day == today,
            "is_yesterday": at.day.day == today - timedelta(days=1),
            "one_day": timedelta(days=1),
            "chooses": _chooses(),
            "hour": lambda moment: written.hour(moment, zone.key),
            "clock": lambda moment: f"{moment.astimezone(zone):%H:%M}",
            "born": _born,
            "comes_for": self._comes_for,
        }

    def _comes_for(self, person: Comes) -> str:
        """What a person comes for, as a secretary reads it; of a second dose with its number."""
        told = []
        for service in person.services:
            campaign = self._service.campaigns.by_name(service.campaign)
            name = shown(campaign, language()).name if campaign else service.service
            told.append(name if service.dose == 1 else f"{name} ({service.dose})")
        return " + ".join(told)

    def _names(self, staff_ids: set[str]) -> Mapping[str, str]:
        if not staff_ids:
            return {}
        with self._store.database.statement() as connection:
            return names_of(connection, staff_ids)

    @roles("secretary", "supervisor", poll=True)
    def etat(self) -> ResponseReturnValue:
        """What the page asks for by itself: counts and marks, and no person's data."""
        at = self._asked(known=True) or abort(HTTPStatus.NOT_FOUND)
        marks, counts = secretary.read_marks(at)
        told = {**asdict(counts), "expected": counts.expected, "to_give": counts.to_give}
        # A browser's clock may be wrong: a page that stayed open asks here which day it is.
        today = secretary.today_of(at.day.centre, self._store.clock.now()).isoformat()
        keys = _tag(list(marks))
        body = json.dumps({"counts": told, "marks": marks, "keys": keys, "today": today})
        response = Response(body, mimetype="application/json")
        response.set_etag(_tag([body]))
        return response.make_conditional(request)

    @roles("secretary", "supervisor")
    def printed(self) -> ResponseReturnValue:
        at = self._here()
        people = secretary.print_list(at)
        return render_template(
            "centre_day/print.html",
            **self._frame(at),
            people=people,
            sheets=sheets_of(people),
            now=self._store.clock.now(),
        )

    # ------------------------------------------------------------ who is meant

    @roles("secretary", "supervisor")
    def find(self) -> ResponseReturnValue:
        """Who is meant by what was typed or scanned; a person who shows a code is noted as present.

        What was typed is in the form alone, and in no address.
        """
        at, typed = self._here(), request.form.get("q", "").strip()[:LONGEST]
        with self._store.database.transaction() as connection:
            found = find_people(connection, at, typed, language())
        told = Told(found, self._said_of(at, found), typed if not found.people else "")
        if not is_fetch():
            return self._day_page(at, told=told)
        checked = found.checked_in
        years = [{"q": f"{year:%d%m%Y}", "text": self._written().day(year)} for year in found.years]
        answer = {
            "keys": [person.key for person in found.people],
            "word": told.text,
            "well": told.is_well,
            "years": years,
            "checked": {"key": checked.key, "state": checked.shown} if checked else None,
        }
        return jsonify(answer)

    def _written(self) -> Written:
        return Written(words(), self._store.clock.now())

    def _said_of(self, at: AtCentre, found: FoundPeople) -> str:
        """What a look came to, with its moments by the centre's clock."""
        written, zone = self._written(), at.day.zone.key
        values: dict[str, Any] = {"count": len(found.people)}
        for name, moment in found.values.items():
            values |= {
                name: written.hour(moment, zone),
                f"{name}_day": written.date_hour(moment, zone),
            }
        if found.people:
            values["born"] = _born(found.people[0].born)
        return words().text(f"door.found.{found.word}", **values)

    # ------------------------------------------------------------ who came

    @roles("secretary", "supervisor")
    def mark(self) -> ResponseReturnValue:
        at, form = self._here(), request.form
        booking_id, dose = form.get("booking", "")[:_LONGEST_ID], form.get("dose", type=int) or 0
        try:
            state = AttendanceState(form.get("state", ""))
        except ValueError:
            abort(HTTPStatus.BAD_REQUEST)
        with self._store.database.transaction() as connection:
            found = secretary.mark(
                connection, at, booking_id, dose, state=state, seen=form.get("seen", "")
            )
        if found is None:
            return self._told(at, "not_there")
        word = ""
        if not found.done:
            word = "too_early" if found.too_early else "other_first"
        elif found.given and state is not AttendanceState.ABSENT:
            word = "given_away"
        if not is_fetch():
            key = f"p-{booking_id}-{dose}"
            return self._back(at, word, anchor=key)
        who = found.mark.who
        told = {
            "state": found.mark.state,
            "done": found.done,
            "word": words().text(f"secretary.said.{word}") if word else "",
            "who": self._names({who}).get(who, "") if who and not found.done else "",
        }
        return jsonify(told), HTTPStatus.OK if found.done else HTTPStatus.CONFLICT

    # ------------------------------------------------------------ the last places

    @roles("secretary", "supervisor")
    def book(self) -> ResponseReturnValue:
        at, form = self._today(), request.form
        today = self._store.clock.now().astimezone(at.day.zone).date()
        typed = WalkInForm(
            born=form.get("born", "").strip()[:20],
            number=form.get("number", "").strip()[:20],
            name=form.get("name", "").strip()[:LONGEST_NAME],
            extra=form.get("extra") == "1",
            wanted=tuple(form.getlist("wanted")),
            nonce=form.get("nonce", ""),
        )
        born = birth(typed.born, today)
        number = ""
        wrong = "" if born else "born"
        if typed.number and not wrong:
            try:
                number, _ = reach(typed.number)
            except NotUnderstood:
                wrong = "number"
        choices = secretary.comes_for(at)
        chosen = [choice for choice in choices if choice.name in typed.wanted]
        if choices and not wrong:
            wrong = secretary.not_in_one_place(chosen) if chosen else "service"
        if born is None or wrong:
            return self._again(at, typed, wrong)
        walk_in = WalkIn(
            born,
            typed.nonce,
            number,
            typed.name,
            extra=typed.extra,
            wanted=tuple(choice.name for choice in chosen),
        )
        try:
            with self._store.database.transaction() as connection:
                made = secretary.book_now(connection, at, walk_in)
                found = None
                if not isinstance(made, BookingRefused):
                    found = read_booking(connection, self._store, made.booking_ids[0])
        except ValueError:
            abort(HTTPStatus.BAD_REQUEST)
        if isinstance(made, BookingRefused) or found is None:
            why = str(made.why) if isinstance(made, BookingRefused) else "gone"
            return self._again(at, typed, why)
        return render_template(
            "centre_day/booked.html",
            **self._frame(at),
            file=found.file,
            texted=takes_texts(number),
            repeated=made.repeated,
        )

    def _again(self, at: AtCentre, typed: WalkInForm, wrong: str) -> ResponseReturnValue:
        """The page with what was typed, and what is not right about it."""
        typed = replace(typed, wrong=wrong, nonce=new_nonce())
        return self._day_page(at, typed), HTTPStatus.UNPROCESSABLE_ENTITY

    @roles("secretary", "supervisor")
    def ring(self) -> ResponseReturnValue:
        at = self._today()
        with self._store.database.transaction() as connection:
            found = secretary.ring_next(connection, at)
        return self._back(at, "" if found else "nobody_waits", anchor="doses")

    @roles("secretary", "supervisor")
    def answer(self) -> ResponseReturnValue:
        at, form = self._today(), request.form
        try:
            answer = RingAnswer(form.get("answer", ""))
        except ValueError:
            abort(HTTPStatus.BAD_REQUEST)
        with self._store.database.transaction() as connection:
            entry_id = form.get("entry", "")[:_LONGEST_ID]
            became = secretary.answered(connection, at, entry_id, answer)
        word = f"rung_{answer}"
        if answer is RingAnswer.COMES and not isinstance(became, Booked):
            word = "ring_over"
        return self._back(at, word, anchor="doses")

    # ------------------------------------------------------------ hours

    @roles("secretary", "supervisor")
    def open_hours(self) -> ResponseReturnValue:
        at, form = self._here(), request.form
        every, capacity = form.get("every", type=int), form.get("capacity", type=int)
        opened = secretary_hours.open_hours(at, _hours(form), every or 0, capacity or 0)
        return self._back(at, "opened", anchor="hours", n=opened.places)

    @roles("secretary", "supervisor")
    def closing(self) -> ResponseReturnValue:
        """What closing would do; nothing happens."""
        at = self._here()
        hours = _hours(request.args)
        found = secretary_hours.look_at_closing(at, hours)
        return render_template(
            "centre_day/closing.html",
            **self._frame(at),
            hours=hours,
            found=found,
            proved=is_proved() or not found.people,
            # Where the password is given, and back to here.
            prove=url_for("sign_in.proof_form", next=request.full_path.rstrip("?")),
            notice=self._notice(),
        )

    @roles("secretary", "supervisor")
    def close_hours(self) -> ResponseReturnValue:
        at, form = self._here(), request.form
        people = form.get("people", type=int) or 0
        # Closing that concerns no person needs no password.
        if people and not is_proved():
            return _unproved(self._closing_url(at))
        try:
            hours = _hours(form)
            span = "-".join(f"{moment:%H:%M}" for moment in hours.span or ())
            subject = f"{secretary.DAY_CLOSED} {at.day.centre.id} {at.day.day} {span}".strip()
            why = form.get("why", "").strip()
            if why and not _is_agreed(at, subject, people):
                return redirect(self._closing_url(at, dit="hours_second"), 303)
            done = secretary_hours.close_hours(at, hours, why=form.get("why", ""), people=people)
        except HoursRefused as refused:
            if str(refused) not in {"changed", "why"}:
                raise
            return redirect(self._closing_url(at, dit=f"hours_{refused}"), 303)
        return self._back(at, "closed", anchor="hours", n=done.moved, m=done.cases)

    def hours_refused(self, refused: HoursRefused) -> ResponseReturnValue:
        """Hours that cannot be opened, closed or opened again: the day's page says why."""
        return self._back(self._here(), f"hours_{refused}", anchor="hours")

    def _closing_url(self, at: AtCentre, **more: Any) -> str:
        form = request.form
        hours: dict[str, Any] = {"de": form.get("de", "")[:5], "a": form.get("a", "")[:5]}
        return url_for("secretary.closing", **_where(at), **hours, **more)

    @roles("secretary", "supervisor")
    def reopen(self) -> ResponseReturnValue:
        at = self._here()
        if not is_proved():
            # People are moved back, and each of them is told.
            return _unproved(url_for("secretary.page", **_where(at), dit="again", _anchor="hours"))
        operation = request.form.get("operation", "")[:_LONGEST_ID]
        people = secretary_hours.people_of(at, operation)
        if not _is_agreed(at, f"reopen {operation}", people):
            return self._back(at, "hours_second", anchor="hours")
        back = secretary_hours.reopen(at, operation)
        return self._back(at, "reopened", anchor="hours", n=back)

    # ------------------------------------------------------------ which centre, which day

    def _asked(self, *, known: bool = False) -> AtCentre | None:
        """Where a secretary works; None for one who has yet to say. 404 for what there is not.

        `known`: what was known of the centre a minute ago will do.
        """
        chosen = current().centre_id
        if _chooses():
            chosen = request.values.get("centre", "")[:_LONGEST_ID]
        if not chosen:
            return None
        until, found = self._known.get(chosen, (0.0, None)) if known else (0.0, None)
        if found is None or until < time.monotonic():
            with self._store.database.statement() as connection:
                found = secretary.centre_state(connection, chosen)
            if found is None:
                abort(HTTPStatus.NOT_FOUND)
            self._known[chosen] = (time.monotonic() + _KNOWN_SECONDS, found)
        return self._at(found, request.values.get("jour", ""))

    def _at(self, centre: CentreState, day: str) -> AtCentre:
        today = secretary.today_of(centre, self._store.clock.now())
        wanted = today
        if day:
            try:
                wanted = date.fromisoformat(day)
            except ValueError:
                abort(HTTPStatus.NOT_FOUND)
        if abs(wanted - today) > _FARTHEST:
            abort(HTTPStatus.NOT_FOUND)
        return AtCentre(self._store, self._service, current(), secretary.day_of(centre, wanted))

    def _here(self) -> AtCentre:
        return self._asked() or abort(HTTPStatus.NOT_FOUND)

    def _today(self) -> AtCentre:
        """Whatever day a page shows, who is there now is booked for the day of now."""
        return self._at(self._here().day.centre, "")

    # ------------------------------------------------------------ what is said

    def _notice(self) -> str:
        """What the page says of what was just done, of words that it has."""
        key = f"secretary.said.{request.args.get('dit', '')}"
        spoken = words()
        if key not in spoken:
            return ""
        counts = {name: request.args.get(name, 0, type=int) for name in ("n", "m")}
        return spoken.text(key, **counts)

    def _told(self, at: AtCentre, word: str) -> ResponseReturnValue:
        if is_fetch():
            told = {"state": "", "done": False, "word": words().text(f"secretary.said.{word}")}
            return jsonify(told), HTTPStatus.NOT_FOUND
        return self._back(at, word)

    def _back(
        self, at: AtCentre, word: str = "", *, anchor: str = "", **values: int
    ) -> ResponseReturnValue:
        if word and anchor.startswith("p-"):
            # What is said stands at the top, not where the page would open.
            anchor = ""
        told: dict[str, Any] = {"dit": word or None, **values, "_anchor": anchor or None}
        where = url_for("secretary.page", **_where(at), **told)
        return redirect(where, HTTPStatus.SEE_OTHER)


def _unproved(wanted: str) -> ResponseReturnValue:
    """The password is asked for again; `wanted` is the path that follows it."""
    return ({"error": UNPROVED}, HTTPStatus.FORBIDDEN) if is_fetch() else to_proof(wanted)


def _is_agreed(at: AtCentre, subject: str, people: int) -> bool:
    wish = four_eyes.Wish(four_eyes.MOVED, subject, people, at.who.id)
    return four_eyes.is_agreed(at.store, wish)


def _chooses() -> bool:
    """Whether the account may see every centre; a secretary of one sees that and no other."""
    who = current()
    return who.role != "secretary" or who.centre_id is None


def _where(at: AtCentre) -> dict[str, Any]:
    """The day and, for a secretary who may choose, the centre: what a link of a page names."""
    day: dict[str, Any] = {"jour": at.day.day.isoformat()}
    return day | {"centre": at.day.centre.id} if _chooses() else day


def _hours(given: Mapping[str, str]) -> DayHours:
    """The hours of a form; none at all are the whole day. Raises HoursRefused."""
    start, end = given.get("de", ""), given.get("a", "")
    if not start and not end:
        return DayHours()
    try:
        return DayHours(clock_time.fromisoformat(start), clock_time.fromisoformat(end))
    except ValueError:
        raise HoursRefused("hours") from None


@dataclass(frozen=True)
class Sheet:
    """A sheet of paper: rows in one column or in two, and its number."""

    number: int
    columns: list[list[Comes]]

    @property
    def is_large(self) -> bool:
        return all(len(column) <= _LARGE_ROWS for column in self.columns)


def sheets_of(people: Sequence[Comes]) -> list[Sheet]:
    """Who is due on sheets of A4: a usual day of 120 people is one sheet, in two columns."""
    most = _LARGE_ROWS if len(people) <= 2 * _LARGE_ROWS else _SMALL_ROWS
    # A day without people is a sheet, too.
    columns = [list(people[first : first + most]) for first in range(0, len(people) or 1, most)]
    return [
        Sheet(number, columns[first : first + 2])
        for number, first in enumerate(range(0, len(columns), 2), start=1)
    ]


def _born(text: str) -> str:
    """An ISO date as people write it; "" for one that was erased."""
    return f"{date.fromisoformat(text):%d/%m/%Y}" if text else ""


def _tag(keys: list[str]) -> str:
    """A short name for a list as it is: another list has another."""
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]
