"""What an agent does for a caller's appointment, from the desk's page: find, choose, book, change.

One form holds all of it and comes back with every answer, so that nothing is typed twice; while
the agent has a caller it is kept with their place in the line, too, for a page that is lost.
"""

from __future__ import annotations

import re

from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from flask import Blueprint, abort, render_template, request

from flows.session import Moving, Session
from flows.world import Town
from services.accounts.staff import record_act
from services.booking.changed import Changed
from services.booking.my_bookings import told
from services.desk.booking import (
    BookingRefused,
    DeskOrder,
    Made,
    PersonToBook,
    book,
    cancel_booking,
    known_booking,
    move_booking,
    restore_booking,
    text_again,
    wait_for_place,
)
from services.desk.caller_profile import BOOKED, DONE, draft_of
from services.desk.messages import have_called
from services.desk.offers import SearchCriteria, find_offers, hold_for_second, keep
from services.partners.near import near
from services.telemetry import BOOKINGS
from web.desk import forms
from web.desk.acts import FORM, DeskAct, add_acts
from web.desk.desk_page import DeskPage
from web.desk.panel import in_words
from web.pages import words

TEXTED = "texted"
CALLED = "had_called"
_SERVICE_LETTERS = 20


class CallerAct(DeskAct):
    """Find, choose, book and change appointments for the caller."""

    def lacks(self) -> Any:
        """What still lacks while the agent types; what was typed so far is kept with the caller."""
        panel = self._read_form()
        panel.wrong = ()
        self._where()
        panel.towns = ()
        # A choice that was made stands until the form is sent.
        if request.form.get("places"):
            panel.read_back = tuple(kept.offer for kept in self._on_desk()[:1])
        self._remember_form()
        return render_template("desk/missing.html", panel=panel)

    def offers(self) -> None:
        """Find slots and hold them for this desk."""
        panel = self._read_form()
        town = self._where()
        if not panel.wrong and town is not None:
            self._find(town)
        else:
            self._show_offers()
        self._remember_form()

    def _find(self, town: Town) -> None:
        panel, form, meant = self.panel, self.panel.form, self.understood
        again = request.form.get("again", "")
        before = self._on_desk()
        seen = (*meant.seen, *(kept.offer.slot_id for kept in before)) if again else ()
        farthest = max((kept.offer.kilometres for kept in before), default=0.0)
        born, mine = meant.born, None
        if panel.moving is not None:
            mine = told(panel.moving, self.store.clock.now(), self.campaign.name)
            born = (panel.moving.file.born,) if panel.moving.file.born else ()
        wish = SearchCriteria(
            born=born,
            town=town,
            groups=tuple(form.groups),
            part_of_day=form.part,
            from_day=meant.from_day,
            beyond_kilometres=farthest if again == "farther" else 0.0,
            within_kilometres=meant.within,
            centre=form.centre,
            skip_slots=tuple(dict.fromkeys(seen)),
            mine=mine,
            moving=meant.moving,
        )
        panel.found = find_offers(self, wish)
        form.seen = " ".join(map(str, wish.skip_slots))
        self._show_offers()
        panel.focus = "offers" if panel.offers else "found"
        self._show_partners(town)
        if mine is None and meant.number:
            self._show_known()

    def _show_known(self) -> None:
        """An appointment that the first person has already, on this number."""
        born, number = self.understood.born[0], self.understood.number
        booking_id = known_booking(self.work, born, number)
        if booking_id:
            self._open_known(booking_id)

    def choose(self) -> None:
        """One of the offers, to be read back; for two people, a place beside it is held."""
        panel = self._read_form()
        self._where()
        self._show_offers()
        chosen = self._chosen(request.form.get("choice", ""))
        if chosen is None:
            panel.wrong = (*panel.wrong, "choice")
        if panel.wrong or chosen is None:
            return
        panel.read_back, panel.focus = (chosen,), "read_back"
        if panel.form.two:
            adjacent = hold_for_second(self, chosen)
            panel.beside_none = adjacent is None
            panel.read_back = (chosen, adjacent) if adjacent is not None else ()
            panel.focus = "read_back" if adjacent else "offers"
        self._remember_form()

    def go_on(self) -> None:
        """Take the caller's own places over, and show them."""
        self.take_places_over()
        self.look_again()
        self.show_kept(self.caller_profile()).focus = "offers"

    def keep(self) -> Any:
        """The page is open: what it shows stays held."""
        keep(self)
        return "", HTTPStatus.NO_CONTENT

    def _show_partners(self, town: Town) -> None:
        """What partners have near, beside ours; not for what moves, nor for two at once."""
        panel, meant = self.panel, self.understood
        if panel.moving is not None or panel.form.two or not meant.born:
            return
        session = Session(
            language=self.desk.language,
            born=meant.born[0].isoformat(),
            groups=tuple(panel.form.groups),
            latitude=town.latitude,
            longitude=town.longitude,
            territory=town.territory,
            within=meant.within,
            wanted=self.wanted,
        )
        panel.partners = near(self.connection, self.store, self.service, session)

    def reserve(self) -> None:
        """Book what was read back, for one or two."""
        panel = self._read_form()
        choices = [forms.places(choice) for choice in request.form.getlist("places")]
        if panel.wrong or not all(choices) or len(choices) != len(self.understood.born):
            panel.wrong = panel.wrong or ("choice",)
            self._show_offers()
            return
        made = self._try(book, self._order(choices))
        if isinstance(made, Made):
            self._show_booked(made)
        else:
            self._show_not_booked(made)

    def _order(self, choices: list[tuple[int, ...]]) -> DeskOrder:
        form, meant = self.panel.form, self.understood
        names = (form.name1, form.name2)
        people = [
            PersonToBook(born, places, name, someone_else=bool(form.someone_else) and number == 0)
            for number, (born, places, name) in enumerate(
                zip(meant.born, choices, names, strict=False)
            )
        ]
        return DeskOrder(
            people=tuple(people),
            postcode=form.postcode,
            number=meant.number,
            nonce=request.form.get("nonce", ""),
            groups=tuple(form.groups),
            text=bool(form.text),
            mail=meant.mail,
        )

    def _show_booked(self, made: Made) -> None:
        panel = self.panel
        self.messages += made.message_ids
        found = [self.read_booking(booking_id) for booking_id in made.booking_ids]
        panel.done = tuple(booking for booking in found if booking is not None)
        panel.repeated, panel.focus = made.repeated, "done"
        if self.entry is not None:
            before = draft_of(self.entry).get(BOOKED, [])
            booked = list(dict.fromkeys([*before, *made.booking_ids]))
            self.remember(**{BOOKED: booked, FORM: asdict(panel.form), DONE: "booked"})
        if not made.repeated:
            BOOKINGS.labels("agent").inc(len(made.booking_ids))

    def _show_not_booked(self, refused: BookingRefused | None) -> None:
        if refused is None:
            self.panel.wrong = ("nonce",)
        else:
            self.panel.notice = in_words(refused)
            if refused.booking_id:
                self._open_known(refused.booking_id)
        self._show_offers()

    def wait(self) -> None:
        """Put those who come on the waiting list."""
        panel = self._read_form()
        town = self._where()
        if not panel.wrong and town is not None:
            people = self.understood.born
            sentences = []
            for number, born in enumerate(people):
                ahead = wait_for_place(
                    self,
                    born=born,
                    number=self.understood.number,
                    town=town,
                    groups=tuple(panel.form.groups),
                    for_other=number > 0 and born == people[0],
                )
                sentences.append(_waiting(ahead))
                if not isinstance(ahead, BookingRefused):
                    self.remember(**{DONE: "waiting_list"})
            panel.notice = " ".join(dict.fromkeys(sentences))
        self._remember_form()
        self._show_offers()

    def start_moving(self) -> None:
        """Look for other places for a booking; or, without one, stop doing so."""
        booking_id = "" if "stop" in request.form else request.form.get("booking_id", "")
        form = self.show_kept(self.caller_profile()).form
        form.booking_id = form.moving = form.of = form.version = form.seen = ""
        if booking_id:
            found = self._theirs(booking_id)
            form.booking_id, form.version = found.file.id, str(found.file.version)
            form.moving = request.form.get("moving", "") or Moving.FIRST
            form.of = request.form.get("of", "")[:_SERVICE_LETTERS]
            form.place = form.postcode = found.file.postcode or form.place
            form.centre = form.from_day = form.part = ""
        self._show(form)
        self._understand()
        town = self._where() if form.booking_id else None
        if town is not None:
            self._find(town)
        else:
            self.panel.focus = "form"
        self._remember_form()

    def move(self) -> None:
        """Move a booking to what was read back."""
        panel = self._read_form()
        form, found = panel.form, panel.moving
        places = forms.places(request.form.get("places", ""))
        if found is None or not places:
            abort(HTTPStatus.NOT_FOUND)
        done = self._do(
            move_booking,
            "desk.card.was_moved",
            found.file.id,
            places,
            moving=self.understood.moving,
            nonce=request.form.get("nonce", ""),
            seen=_number(form.version),
            service=form.of,
        )
        if isinstance(done, Changed):
            form.booking_id = form.moving = form.of = form.version = form.seen = ""
            panel.moving = None
            again = self.read_booking(found.file.id)
            panel.done = (again,) if again else ()
            panel.focus = "done"
            self.remember(**{DONE: "moved"})
        else:
            self._show_offers()
        self._remember_form()

    def cancel(self) -> Any:
        """Cancel a booking, or its second appointment."""
        doses = [2] if request.form.get("doses") == "2" else None
        service = request.form.get("of", "")[:_SERVICE_LETTERS]
        seen = _number(request.form.get("version", ""))
        return self._do_and_show_card(
            cancel_booking,
            "desk.card.was_cancelled",
            was="" if doses or service else "cancelled",
            doses=doses,
            seen=seen,
            service=service,
        )

    def restore(self) -> Any:
        """Take a cancellation back."""
        seen = _number(request.form.get("version", ""))
        return self._do_and_show_card(restore_booking, "desk.card.was_restored", was="", seen=seen)

    def text(self) -> Any:
        """Send the text of a booking once more."""
        return self._do_and_show_card(text_again, "desk.card.texted", TEXTED)

    def have_called(self) -> Any:
        """Let the machine ring the number of a booking and tell the appointment."""
        return self._do_and_show_card(have_called, "desk.card.called", CALLED)

    def _do_and_show_card(
        self,
        do: Callable[..., Any],
        done: str,
        recorded_as: str = "",
        *,
        was: str | None = None,
        **options: Any,
    ) -> Any:
        """Do something with the form's booking; `recorded_as` names a message in the history.

        `was` is the code of the conversation that is evident from it ("" for none any more).
        """
        found = self._theirs(request.form.get("booking_id", ""))
        booking_id, nonce = found.file.id, request.form.get("nonce", "")
        outcome = self._do(do, done, booking_id, nonce=nonce, **options)
        if was is not None and isinstance(outcome, Changed):
            self.remember(**{DONE: was})
        if recorded_as and self.messages:
            record_act(self.connection, self.store, self.staff.id, recorded_as, booking_id)
        card = self.read_booking(booking_id) or found
        return self._render("desk/card.html", found=card, notice=self.panel.notice)


def add_to(desk: Blueprint, page: DeskPage) -> None:
    """Add the routes of /poste that have to do with appointments."""
    for_caller = {
        "/offres": CallerAct.offers,
        "/choisir": CallerAct.choose,
        "/reprendre": CallerAct.go_on,
        "/reserver": CallerAct.reserve,
        "/liste-attente": CallerAct.wait,
        "/deplacer": CallerAct.start_moving,
        "/deplacer/confirmer": CallerAct.move,
        "/annuler": CallerAct.cancel,
        "/retablir": CallerAct.restore,
        "/texte": CallerAct.text,
        "/appeler": CallerAct.have_called,
        "/manque": CallerAct.lacks,
    }
    add_acts(desk, page, CallerAct, for_caller, for_caller=True)
    add_acts(desk, page, CallerAct, {"/garder": CallerAct.keep})


def _waiting(ahead: int | BookingRefused) -> str:
    if isinstance(ahead, BookingRefused):
        return in_words(ahead)
    if not ahead:
        return words()["desk.booking.waiting_first"]
    return words().text("desk.booking.waiting", ahead=ahead)


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else -1
