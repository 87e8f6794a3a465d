"""What an agent does for a caller's appointment, from the desk's page: find, choose, book, change.

One form holds all of it and comes back with every answer, so that nothing is typed twice; while
the agent has a caller it is kept with their place in the line, too, for a page that is lost.
"""

from __future__ import annotations

import re

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from functools import cached_property
from http import HTTPStatus
from typing import Any, Self, TypeVar

from flask import Blueprint, abort, render_template, request
from werkzeug.exceptions import HTTPException

from flows.session import CallerKind, Moving, Offer, Session, Whom
from flows.understanding import COUNTRY_ZONE
from flows.world import Town
from models.database import Connection
from services.accounts.staff import record_act
from services.booking.change_booking import Changed, Unchanged
from services.booking.find_booking import FoundBooking, read_booking
from services.booking.my_bookings import told
from services.campaign.campaign import are_together
from services.desk import elsewhere
from services.desk.at_desk import CALL, CHOSEN, HEARD, TAKEN, AtDesk
from services.desk.booking import (
    BookingRefused,
    DeskOrder,
    Made,
    PersonToBook,
    Refusal,
    book,
    cancel_booking,
    is_nonce,
    known_booking,
    move_booking,
    restore_booking,
    text_again,
    wait_for_place,
)
from services.desk.caller_profile import BOOKED, DONE, CallerDetails, CallerProfile, draft_of
from services.desk.messages import AskedMessages, RequestedCall, ask_told, have_called
from services.desk.offers import OffersFound as FoundOffers
from services.desk.offers import (
    OnDesk,
    SearchCriteria,
    find_offers,
    hold_for_second,
    keep,
    on_desk,
    towns,
)
from services.desk.search import (
    REASONS,
    REFERENCE_DIGITS,
    Criteria,
    Masked,
    NoReason,
    TooFewCriteria,
    TooManyProfiles,
    ask_search,
    ask_to_open,
    count,
    open_found,
    search,
)
from services.messages.phone_capabilities import takes_texts
from services.partners.booking import NotAsked, OrderState, PartnerOrder, ask, is_of, state_of
from services.partners.near import PartnerOffer, near
from services.public.offered import shown
from services.telemetry import BOOKINGS
from web.desk import forms
from web.desk.desk_page import DeskPage, new_nonce, told_of
from web.desk.forms import BookingForm, Understood
from web.marks import roles
from web.pages import words
from web.staff_only import confirm, current
from web.written import DeskWords

FORM = "form"
TEXTED = "texted"
CALLED = "had_called"
_ID = re.compile(r"[0-9a-f]{1,32}")
_CENTRE_LETTERS = 40
_POSTCODE_LETTERS = 5
_SERVICE_LETTERS = 20


_NOTHING_UNDERSTOOD = Understood()
# The field of what is wrong or missing.
_FIELDS = {
    "service": "wanted",
    "together": "wanted",
    "born": "born1",
    "born_second": "born2",
    "second": "born2",
    "place": "place",
    "which": "postcode",
    "number": "number",
    "mail": "mail",
    "from_day": "from_day",
    "slot": "slot",
}


@dataclass
class Panel:
    """The middle of the page: the form, what was found, what is to be read back, what was done."""

    form: BookingForm
    offers: list[OnDesk] = field(default_factory=list)
    wrong: tuple[str, ...] = ()
    towns: tuple[Town, ...] = ()
    found: FoundOffers | None = None
    # To be said to the caller before it is confirmed: an offer for each who comes.
    read_back: tuple[Offer, ...] = ()
    beside_none: bool = False
    notice: str = ""
    done: tuple[FoundBooking, ...] = ()
    repeated: bool = False
    # What was asked for is known already: an appointment there is.
    known: FoundBooking | None = None
    moving: FoundBooking | None = None
    nonce: str = ""
    number: str = ""
    takes_texts: bool = False
    # Whether people may give an address of e-mail.
    takes_mails: bool = False
    focus: str = ""
    groups: tuple[str, ...] = ()
    # Each campaign that may be chosen, with the name of its service; none where there is one.
    services: tuple[tuple[str, str], ...] = ()
    # ISO dates of those who come.
    born: tuple[str, ...] = ()
    # Slots that the caller heard before, the one they chose, and whether their call holds any.
    heard: tuple[int, ...] = ()
    chosen_before: int = 0
    held_by_call: bool = False
    # What partners have near, and what was asked for at one of them.
    partners: tuple[PartnerOffer, ...] = ()
    partner_order: OrderState | None = None
    # Whether a booking for a caller is what the page is for; a booking that is there needs nothing.
    wants_booking: bool = False
    today: date | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """What is still to be asked before it can be confirmed, in the order of the keyboard.

        By what the form means at this moment. The slot comes last: it is chosen by what stands
        before it.
        """
        form = self.form
        if not self.wants_booking or self.moving is not None or self.done or self.today is None:
            return ()
        found = []
        if self.services and not form.wanted:
            found.append("service")
        if forms.birth(form.born1, self.today) is None:
            found.append("born")
        if form.two and forms.birth(form.born2, self.today) is None:
            found.append("second")
        if not form.place or not form.postcode or "place" in self.wrong or "which" in self.wrong:
            found.append("place")
        if form.text and not forms.number_of(form.number):
            found.append("number")
        if not self.read_back:
            found.append("slot")
        return tuple(found)

    @property
    def first(self) -> str:
        """The name of the field in which the keyboard belongs: what is wrong, else what lacks.

        `slot` is no field: what is offered, or the search. Empty where nothing lacks.
        """
        wrong = next((_FIELDS[name] for name in self.wrong if name in _FIELDS), "")
        return wrong or next((_FIELDS[name] for name in self.missing), "")

    @property
    def told(self) -> tuple[str, ...]:
        """What is wrong and was typed: a field that is empty still is missing, and no mistake."""
        typed = {"born": self.form.born1, "born_second": self.form.born2, "place": self.form.place}
        return tuple(name for name in self.wrong if typed.get(name, "-"))


class DeskAct(AtDesk):
    """One act of an agent at the desk, in one transaction. Its public methods are views.

    A view that gives nothing is answered by the panel.

    `panel` is what the answer shows, `understood` what the form means. The worker is woken for
    `messages` (their ids) once the transaction is committed. Raises OtherCall.
    """

    def __init__(self, page: DeskPage, connection: Connection, about: str | None) -> None:
        super().__init__(connection, page.store, page.service, current(), about=about)
        self.page = page
        self.messages: list[str] = []
        # What was told of bookings, where it is asked for already; by their ids.
        self._told: dict[str, AskedMessages] = {}
        self.understood = _NOTHING_UNDERSTOOD

    @cached_property
    def panel(self) -> Panel:
        return Panel(BookingForm())

    @classmethod
    @contextmanager
    def opened(cls, page: DeskPage, about: str | None = None) -> Iterator[Self]:
        """The act of the agent who asks; `about` is the entry that their page is about."""
        with page.store.database.transaction() as connection:
            is_theirs = confirm(connection)
            act = cls(page, connection, about)
            act.before_looking = is_theirs
            try:
                yield act
            except HTTPException:
                is_theirs()
                raise
            is_theirs()
        # Only now is it true; what is told to others before the commit might never have been.
        for message in act.messages:
            page.wake_up.message(message)

    # ------------------------------------------------------------ the form

    def show_kept(self, file: CallerProfile | None) -> Panel:
        """Show the form as it stands: as the agent left it, or with what the caller gave."""
        form = BookingForm()
        if file is not None:
            kept = draft_of(file.entry).get(FORM)
            form = forms.DRAFT.validate_python(kept) if isinstance(kept, dict) else _given(file)
        panel = self._show(form)
        if file is not None and file.bookings:
            # Their own, proved in this call: they ring about that.
            panel.wants_booking = False
        self._show_offers()
        self._show_heard()
        if file is not None and not draft_of(file.entry).get(TAKEN):
            panel.held_by_call = any(offer.until for offer in file.offers)
        return panel

    def _show(self, form: BookingForm) -> Panel:
        """A panel with nothing but the form, and the booking that it moves."""
        services = self.services()
        known = {service.name: service for service in services}
        open_now = {campaign.name for campaign in self.world().open_campaigns()}
        self.over = not form.booking_id and not open_now.issuperset(form.wanted)
        form.wanted = [service for service in known if service in form.wanted]
        self.wanted = tuple(form.wanted)
        eligible = [rule for each in services or self.campaigns for rule in each.eligible]
        groups = tuple(dict.fromkeys(rule.group for rule in eligible if rule.group))
        self.panel = Panel(form, groups=groups, nonce=new_nonce(), today=self._today())
        self.panel.takes_mails = self.service.mails
        self.panel.services = tuple(
            (name, shown(one, words().language).name) for name, one in known.items()
        )
        self.panel.wants_booking = self.entry is not None and not draft_of(self.entry).get(BOOKED)
        if self._may_see(form.booking_id):
            self.panel.moving = read_booking(self.connection, self.store, form.booking_id)
        if self.panel.moving is not None and services:
            # What moves is of its own campaign, whatever else may be had.
            self.wanted = _campaigns_of(self.panel.moving, form.of)
        return self.panel

    def _show_offers(self) -> None:
        self.panel.offers = self._on_desk()

    def _show_heard(self) -> None:
        if self.entry is not None:
            draft = draft_of(self.entry)
            self.panel.heard = tuple(draft.get(HEARD, ()))
            self.panel.chosen_before = draft.get(CHOSEN, 0)

    def _on_desk(self) -> list[OnDesk]:
        """What this desk holds, by the distance from the form's town."""
        form = self.panel.form
        alone = bool(form.booking_id) and form.moving != Moving.BOTH
        found = towns(self, form.postcode) if form.postcode else ()
        return on_desk(self, found[0] if found else None, alone=alone)

    def _read_form(self) -> Panel:
        """Read and show the form as it was sent."""
        panel = self._show(forms.typed(request.form))
        self._understand()
        meant = self.understood
        # Until the act has something better to show.
        panel.focus = "wrong"
        panel.wrong, panel.number = (*self._not_chosen(), *meant.wrong), meant.number
        panel.takes_texts = takes_texts(meant.number)
        panel.born = tuple(day.isoformat() for day in meant.born)
        self._show_heard()
        if panel.form.booking_id and panel.moving is None:
            abort(HTTPStatus.NOT_FOUND)
        if self.entry is None and not panel.form.booking_id:
            # The caller is the reason to see what is known: without one there is nothing to book.
            abort(HTTPStatus.CONFLICT)
        return panel

    def _not_chosen(self) -> tuple[str, ...]:
        """What is wrong with the services: none is chosen, or some that do not go together.

        Or one has closed since this form was opened: what is left of it would be another order.
        """
        if self.over:
            return ("service_over",)
        if not self.panel.services or self.panel.form.booking_id:
            return ()
        chosen = self.campaigns
        if not self.wanted:
            return ("service",)
        apart = any(
            not are_together(one, other) for one in chosen for other in chosen if one is not other
        )
        return ("together",) if apart else ()

    def _understand(self) -> None:
        self.understood = forms.understand(self.panel.form, self._today())

    def _today(self) -> date:
        return self.store.clock.now().astimezone(COUNTRY_ZONE).date()

    def _where(self) -> Town | None:
        """The town that the form means; where it means several, the panel asks which."""
        panel, form = self.panel, self.panel.form
        found = towns(self, form.place)
        chosen = [one for one in found if one.postcode == form.postcode]
        if len(found) > 1 and not chosen:
            panel.towns, panel.wrong = found, (*panel.wrong, "which")
            return None
        if not found:
            panel.wrong = (*panel.wrong, "place")
            form.postcode = ""
            return None
        town = (chosen or list(found))[0]
        form.postcode = town.postcode
        return town

    def _remember_form(self) -> None:
        self.remember(**{FORM: asdict(self.panel.form)})

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

    # ------------------------------------------------------------ find and choose

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

    def _open_known(self, booking_id: str) -> None:
        """Show it; on another number than the caller's own it counts as a search."""
        own = self.understood.number == self.desk.number or self.has_read(booking_id)
        try:
            if not own:
                stops = not self.is_on_line
                count(self.connection, self.store, self.staff, 1, why=CALL, stops=stops)
            self.panel.known = self.read_booking(booking_id)
        except TooManyProfiles:
            self.panel.notice = words()["desk.search.too_many"]

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

    def _chosen(self, choice: str) -> Offer | None:
        wanted = forms.places(choice)
        return next(
            (offer.offer for offer in self.panel.offers if offer.offer.places == wanted), None
        )

    def go_on(self) -> None:
        """Take the caller's own places over, and show them."""
        self.take_places_over()
        self.look_again()
        self.show_kept(self.caller_profile()).focus = "offers"

    def keep(self) -> Any:
        """The page is open: what it shows stays held."""
        keep(self)
        return "", HTTPStatus.NO_CONTENT

    # ------------------------------------------------------------ book

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

    # ------------------------------------------------------------ change what there is

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

    # ------------------------------------------------------------ search

    def search(self) -> Any:
        """Find bookings by what is known of a person; they are masked until a reason is chosen."""
        form = request.form
        reference = "".join(
            character for character in form.get("reference", "") if character.isdecimal()
        )
        by = Criteria(
            reference=reference if len(reference) == REFERENCE_DIGITS else "",
            number=forms.number_of(form.get("number", "")),
            born=forms.birth(form.get("born", ""), self._today()),
            postcode="".join(form.get("postcode", "").split())[:_POSTCODE_LETTERS],
            name=form.get("name", "")[: forms.MOST_LETTERS],
        )
        found: tuple[Masked, ...] = ()
        asked = None
        if by.are_enough(on_line=True):
            asked = ask_search(self.connection, self.store, self.staff, by)
        on_line = self.is_on_line
        try:
            found = search(self.connection, self.store, self.staff, by, asked, on_line=on_line)
            notice = "" if found else "nothing"
        except TooFewCriteria:
            notice = "need_caller_or_more" if not self.is_on_line else "need_what"
        except TooManyProfiles:
            notice = "too_many"
        return self._render_found(notice, masked=found)

    def open_found(self) -> Any:
        """Open one of what was found, for a reason."""
        booking_id, reason = request.form.get("booking_id", ""), request.form.get("reason", "")
        if not _ID.fullmatch(booking_id):
            abort(HTTPStatus.NOT_FOUND)
        asked = None
        if reason in REASONS:
            asked = ask_to_open(self.connection, self.store, self.staff, booking_id)
            self._told = {booking_id: ask_told(self.connection, booking_id)}
        try:
            found = open_found(
                self.connection,
                self.store,
                self.staff,
                booking_id,
                asked,
                reason=reason,
                on_line=self.is_on_line,
            )
        except NoReason:
            return self._render_found("need_reason")
        except TooManyProfiles:
            return self._render_found("too_many")
        return self._render_found("", results=(found or abort(HTTPStatus.NOT_FOUND),))

    def _render_found(
        self,
        notice: str,
        *,
        masked: tuple[Masked, ...] = (),
        results: tuple[FoundBooking, ...] = (),
    ) -> Any:
        told = words()[f"desk.search.{notice}"] if notice else ""
        return self._render(
            "desk/results.html", masked=masked, results=results, search_notice=told, reasons=REASONS
        )

    # ------------------------------------------------------------ from and to other channels

    def by_code(self) -> None:
        """Go on with what was begun on the site, or in a call that was cut, by its six digits."""
        code = "".join(
            character for character in request.form.get("code", "") if character.isdecimal()
        )
        self.show_kept(self.caller_profile()).focus = "wrong"
        if self.entry is None:
            self.panel.notice = words()["desk.code.no_caller"]
        elif len(code) != elsewhere.CODE_DIGITS:
            self.panel.notice = words()["desk.code.need"]
        else:
            self._take_up(code)

    def _take_up(self, code: str) -> None:
        try:
            session = elsewhere.take_up(self, self.staff, code, on_line=self.is_on_line)
        except TooManyProfiles:
            self.panel.notice = words()["desk.search.too_many"]
            return
        if session is None:
            self.panel.notice = words()["desk.code.nothing"]
            return
        number = session.number or session.caller
        panel = self._show(_form_of(session, number, two=session.is_first_of_two))
        self._remember_form()
        self._show_offers()
        panel.notice = words()["desk.code.taken"]
        panel.focus = "offers" if panel.offers else "wrong"

    def link(self) -> None:
        """Write a link to finish on the site, with what is in the form and was chosen."""
        panel = self._read_form()
        town = self._where() if panel.form.place else None
        self._show_offers()
        if not panel.wrong:
            chosen = (request.form.getlist("places") or [""])[0]
            begun = elsewhere.PartnerSearch(
                born=self.understood.born,
                number=self.understood.number,
                town=town,
                offer=self._chosen(chosen) if town else None,
                groups=tuple(panel.form.groups),
            )
            nonce = request.form.get("link", "")
            self._do(elsewhere.send_link, "desk.link.sent", begun, nonce=nonce)
            self._show_offers()
        self._remember_form()

    # ------------------------------------------------------------ at a partner

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

    def ask_partner(self) -> None:
        """Ask a partner for an appointment; the page says what it answers."""
        panel = self._read_form()
        self._show_offers()
        slots = forms.places(request.form.get("slots", ""))
        nonce = request.form.get("partner_nonce", "")
        if not panel.wrong and not (slots and self.understood.born and is_nonce(nonce)):
            panel.wrong = ("choice",)
        if not panel.wrong:
            order = self._partner_order(slots, nonce)
            done = ask(self.connection, self.store, self.service, order)
            if isinstance(done, NotAsked):
                panel.notice = in_words(done)
            else:
                panel.partner_order = state_of(self.connection, self.store, done.id)
                panel.focus = "partner"
                self.messages += [done.message_id] if done.message_id else []
        self._remember_form()

    def _partner_order(self, slots: tuple[int, ...], nonce: str) -> PartnerOrder:
        form, meant, desk = self.panel.form, self.understood, self.desk
        return PartnerOrder(
            key=f"{desk.holder_id}:{nonce}",
            holder=desk.holder,
            centre_id=request.form.get("partner_centre", "")[:_CENTRE_LETTERS],
            slot_id=slots[0],
            second_slot_id=slots[1] if len(slots) > 1 else 0,
            first_name=request.form.get("first_name", ""),
            last_name=request.form.get("last_name", ""),
            born=meant.born[0],
            postcode=form.postcode,
            number=meant.number,
            text=bool(form.text),
            language=desk.language,
            groups=tuple(form.groups),
            for_other=bool(form.someone_else),
            who=self.staff.id,
            call_id=desk.call_id or None,
            campaign=self.wanted[0] if len(self.wanted) == 1 else "",
        )

    def partner_state(self) -> Any:
        """What became of an order of this agent; a script asks for it until it is over."""
        order_id = request.args.get("order", "")
        mine = _ID.fullmatch(order_id) and is_of(
            self.connection, self.store, order_id, self.staff.id
        )
        found = state_of(self.connection, self.store, order_id) if mine else None
        if found is None:
            abort(HTTPStatus.NOT_FOUND)
        if not request.headers.get("HX-Request"):
            panel = self.show_kept(self.caller_profile())
            panel.partner_order, panel.focus = found, "partner"
            return None
        card = self.read_booking(found.booking_id) if found.booking_id else None
        return self._render("desk/partner.html", order=found, found=card, notice="")

    # ------------------------------------------------------------ what acts have in common

    def _may_see(self, booking_id: str) -> bool:
        """Whether it was shown to this agent lately, by a search or in a call of theirs."""
        return bool(_ID.fullmatch(booking_id)) and self.has_read(booking_id)

    def _theirs(self, booking_id: str) -> FoundBooking:
        """A booking that this agent may see, or of the caller's file; else the answer is 404."""
        found = None
        if self._may_see(booking_id) or self._in_file(booking_id):
            found = self.read_booking(booking_id)
        return found or abort(HTTPStatus.NOT_FOUND)

    def _in_file(self, booking_id: str) -> bool:
        file = self.caller_profile()
        return file is not None and any(booking.file.id == booking_id for booking in file.bookings)

    def _try(self, do: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """What a service of the desk answers; None for no form of ours, or a very old one."""
        try:
            return do(self, *args, **options)
        except ValueError:
            return None

    def _do(self, do: Callable[..., Any], done: str, *args: Any, **options: Any) -> Any:
        """The same; the panel says what came of it, and the message of it is to leave."""
        outcome = self._try(do, *args, **options)
        self.panel.notice = in_words(outcome, done)
        message_id = getattr(outcome, "message_id", None)
        self.messages += [message_id] if message_id else []
        return outcome

    def answer(self, shown: Any) -> Any:
        """What a view gave, or else the panel."""
        return self._render("desk/booking.html", self.panel) if shown is None else shown

    def _render(self, part: str, panel: Panel | None = None, **more: Any) -> Any:
        """A part for a script, else the whole page with it."""
        more["told_of"] = told_of(self.store, self.service, self.connection, self._told)
        if request.headers.get("HX-Request"):
            return render_template(
                part,
                w=DeskWords(words(), self.store.clock.now()),
                agent_session=self.agent_session,
                panel=panel,
                new_nonce=new_nonce,
                services_named=self.page.services_named,
                **more,
            )
        self.look_again()
        file = self.caller_profile()
        return self.page.whole(
            self.agent_session, file, panel=panel or self.show_kept(file), **more
        )


Act = TypeVar("Act", bound=DeskAct)


def add_to(desk: Blueprint, page: DeskPage) -> None:
    """Add the routes of /poste that have to do with appointments."""
    for_caller = {
        "/offres": DeskAct.offers,
        "/choisir": DeskAct.choose,
        "/reprendre": DeskAct.go_on,
        "/reserver": DeskAct.reserve,
        "/liste-attente": DeskAct.wait,
        "/deplacer": DeskAct.start_moving,
        "/deplacer/confirmer": DeskAct.move,
        "/annuler": DeskAct.cancel,
        "/retablir": DeskAct.restore,
        "/texte": DeskAct.text,
        "/partenaire": DeskAct.ask_partner,
        "/appeler": DeskAct.have_called,
        "/code": DeskAct.by_code,
        "/lien": DeskAct.link,
        "/manque": DeskAct.lacks,
    }
    add_acts(desk, page, DeskAct, for_caller, for_caller=True)
    add_acts(desk, page, DeskAct, {"/garder": DeskAct.keep})
    look_up = {"/chercher": DeskAct.search, "/chercher/ouvrir": DeskAct.open_found}
    add_acts(desk, page, DeskAct, look_up, late=True)
    add_acts(desk, page, DeskAct, {"/partenaire": DeskAct.partner_state}, method="GET")


def add_acts(
    desk: Blueprint,
    page: DeskPage,
    kind: type[Act],
    acts: Mapping[str, Callable[[Act], Any]],
    *,
    method: str = "POST",
    for_caller: bool = False,
    late: bool = False,
) -> None:
    """Add acts by their paths. `for_caller`: the form names the entry that the act is about.

    `late`: of acts that ask several things, of which the agent's session is one.
    """

    def view_of(act: Callable[[Act], Any]) -> Callable[[], Any]:
        @roles("agent", "supervisor", late=late)
        def view() -> Any:
            with kind.opened(page, forms.about(request.form) if for_caller else None) as opened:
                return opened.answer(act(opened))

        return view

    for path, act in acts.items():
        desk.add_url_rule(path, act.__name__, view_of(act), methods=[method])


def in_words(outcome: Any, done: str = "") -> str:
    """What came of an act, for the agent; `done` is the key of the words where it was done."""
    values = {}
    match outcome:
        case None:
            done = "desk.wrong.nonce"
        case BookingRefused(why=Refusal.TOO_OFTEN) if done == "desk.card.called":
            done = "desk.card.called_often"
        case BookingRefused(why=why):
            done = f"desk.refused.{why}"
        case Unchanged(why=why):
            done = f"desk.unchanged.{why}"
        case NotAsked(why=why):
            done = f"desk.partner.not_{why}"
        case Changed(repeated=True):
            done = "desk.card.already"
        case RequestedCall(at=datetime() as at):
            done, values = "desk.card.called_from", {"moment": DeskWords(words()).day_hour(at)}
    return words().text(done, **values)


def _waiting(ahead: int | BookingRefused) -> str:
    if isinstance(ahead, BookingRefused):
        return in_words(ahead)
    if not ahead:
        return words()["desk.booking.waiting_first"]
    return words().text("desk.booking.waiting", ahead=ahead)


def _given(file: CallerProfile) -> BookingForm:
    """The form with what the caller gave."""
    number = file.given.number
    if not number and file.caller.kind != CallerKind.NONE:
        number = file.caller.number
    return _form_of(file.given, number, two=file.given.whom == Whom.TWO)


def _campaigns_of(found: FoundBooking, service: str) -> tuple[str, ...]:
    """The campaigns of what moves: of one service, or of all that is done in the booking."""
    live = [each for booking in found.file.live for each in booking.live_services]
    names = [dose.campaign for dose in live if service in {"", dose.service}]
    return tuple(dict.fromkeys(names)) or (found.file.campaign,)


def _form_of(given: CallerDetails | Session, number: str, *, two: bool) -> BookingForm:
    """The form with what was given on the telephone or on the site. `number` is E.164."""
    return BookingForm(
        people="2" if two else "1",
        born1="/".join(reversed(given.born.split("-"))),
        place=given.postcode,
        postcode=given.postcode,
        number=DeskWords(words()).number(number),
        groups=list(given.groups),
        wanted=list(given.wanted),
        text="" if given.number_answered and not given.number else "1",
    )


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else -1
