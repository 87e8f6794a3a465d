"""What an agent does for a caller's appointment, from the desk's page: find, choose, book, change.

One form holds all of it and comes back with every answer, so that nothing is typed twice; while
the agent has a caller it is kept with their place in the line, too, for a page that is lost.
"""

from __future__ import annotations

import re

from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from flask import Blueprint, abort, render_template, request

from flows.session import CallerKind, Moving, Offer, Session, Whom
from flows.understanding import COUNTRY_ZONE
from flows.world import Town
from models.database import Connection
from models.desk import desk as rows
from services.accounts.staff import read_file as say_that_it_is_read
from services.accounts.staff import record_act
from services.booking.change_booking import Changed, Unchanged
from services.booking.find_booking import FoundBooking, read_booking
from services.booking.my_bookings import told
from services.desk import elsewhere
from services.desk.booking import (
    BookingRefused,
    DeskOrder,
    Made,
    PersonToBook,
    Refusal,
    Texted,
    book,
    cancel_booking,
    is_nonce,
    known_booking,
    move_booking,
    restore_booking,
    text_again,
    wait_for_place,
)
from services.desk.caller_profile import BOOKED, CallerDetails, CallerProfile, draft_of
from services.desk.messages import RequestedCall, have_called
from services.desk.offers import (
    AtDesk,
    OnDesk,
    SearchCriteria,
    find_offers,
    hold_for_second,
    keep,
    on_desk,
    towns,
)
from services.desk.offers import OffersFound as FoundOffers
from services.desk.search import (
    REFERENCE_DIGITS,
    ByPerson,
    ByReference,
    NoReason,
    TooManyProfiles,
    count,
    search,
)
from services.messages.phone_capabilities import takes_texts
from services.partners import offers as partner_offers
from services.partners.booking import NotAsked, OrderState, PartnerOrder, ask, is_of, state_of
from services.partners.offers import PartnerOffer
from services.telemetry import BOOKINGS
from services.work import Work
from web.desk import forms
from web.desk.agent_session import (
    CALL,
    CHOSEN,
    HEARD,
    TAKEN,
    AgentSession,
    DeskPage,
    DeskParts,
    agent_session_of,
    caller_profile_of,
    go_on_with_their_places,
    has_read,
    new_nonce,
    told_of,
)
from web.desk.forms import BookingForm, Understood
from web.pages import words
from web.staff_only import current
from web.written import DeskWords

View = Callable[..., Any]
FORM = "form"
TEXTED = "texted"
CALLED = "had_called"
_ID = re.compile(r"[0-9a-f]{1,32}")
_CENTRE_LETTERS = 40


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
    focus: str = ""
    groups: tuple[str, ...] = ()
    # ISO dates of those who come.
    born: tuple[str, ...] = ()
    # Slots that the caller heard before, the one they chose, and whether their call holds any.
    heard: tuple[int, ...] = ()
    chosen_before: int = 0
    held_by_call: bool = False
    # What partners have near, and what was asked for at one of them.
    partners: tuple[PartnerOffer, ...] = ()
    partner_order: OrderState | None = None


class CallerRoutes:
    """The routes of /poste that have to do with appointments."""

    def __init__(self, parts: DeskParts, page: DeskPage) -> None:
        self._parts = parts
        self._store = parts.store
        self._service = parts.service
        self._page = page

    def add_to(self, desk: Blueprint, agents: Callable[[View], View]) -> None:
        """Add the routes."""
        for path, view in (
            ("/offres", self.offers),
            ("/choisir", self.choose),
            ("/reprendre", self.go_on),
            ("/reserver", self.reserve),
            ("/liste-attente", self.wait),
            ("/garder", self.keep),
            ("/deplacer", self.start_moving),
            ("/deplacer/confirmer", self.move),
            ("/annuler", self.cancel),
            ("/retablir", self.restore),
            ("/texte", self.text),
            ("/partenaire", self.ask_partner),
            ("/appeler", self.have_called),
            ("/chercher", self.search),
            ("/code", self.by_code),
            ("/lien", self.link),
        ):
            endpoint = path.strip("/").replace("/", "_").replace("-", "_")
            desk.add_url_rule(path, endpoint, agents(as_function(view)), methods=["POST"])

        desk.add_url_rule(
            "/partenaire", "partner_state", agents(as_function(self.partner_state)), methods=["GET"]
        )

    def _seat(self, connection: Connection) -> AgentSession:
        """The agent with the caller whom the page's form is about. Raises OtherCall."""
        about = forms.about(request.form)
        return agent_session_of(connection, self._store, current(), about=about)

    # ------------------------------------------------------------ the form

    def panel(
        self, connection: Connection, seat: AgentSession, file: CallerProfile | None
    ) -> Panel:
        """The form as it stands: as the agent left it, or with what the caller gave."""
        form = BookingForm()
        if file is not None:
            kept = draft_of(file.entry).get(FORM)
            form = forms.from_draft(kept) if isinstance(kept, dict) else _given(file)
        panel = Panel(form, groups=self._groups())
        panel.offers = self._on_desk(connection, seat, form)
        panel.moving = self._moving(connection, seat, form)
        _tell_heard(seat, panel)
        if file is not None and not draft_of(file.entry).get(TAKEN):
            panel.held_by_call = any(offer.until for offer in file.offers)
        return panel

    def _groups(self) -> tuple[str, ...]:
        campaign = self._service.campaign
        return tuple(dict.fromkeys(one.group for one in campaign.eligible if one.group))

    def _on_desk(
        self, connection: Connection, seat: AgentSession, form: BookingForm
    ) -> list[OnDesk]:
        alone = bool(form.booking_id) and form.moving != Moving.BOTH
        town = self._town(connection, seat, form)
        return on_desk(self._at(connection, seat), town, alone=alone)

    def _at(self, connection: Connection, seat: AgentSession) -> AtDesk:
        return AtDesk(connection, self._store, self._service, seat.desk)

    def _town(self, connection: Connection, seat: AgentSession, form: BookingForm) -> Town | None:
        if not form.postcode:
            return None
        found = towns(self._at(connection, seat), form.postcode)
        return found[0] if found else None

    def _moving(
        self, connection: Connection, seat: AgentSession, form: BookingForm
    ) -> FoundBooking | None:
        if not form.booking_id or not self._may_see(connection, seat, form.booking_id):
            return None
        return read_booking(connection, self._store, form.booking_id)

    def _asked(self, connection: Connection, seat: AgentSession) -> tuple[Panel, Understood]:
        form = forms.typed(request.form)
        today = self._store.clock.now().astimezone(COUNTRY_ZONE).date()
        meant = forms.understand(form, today)
        panel = Panel(form, wrong=meant.wrong, groups=self._groups(), nonce=new_nonce())
        panel.number, panel.takes_texts = meant.number, takes_texts(meant.number)
        panel.born = tuple(one.isoformat() for one in meant.born)
        _tell_heard(seat, panel)
        panel.moving = self._moving(connection, seat, form)
        if form.booking_id and panel.moving is None:
            abort(HTTPStatus.NOT_FOUND)
        if seat.entry is None and not form.booking_id:
            # The caller is the reason to see what is known: without one there is nothing to book.
            abort(HTTPStatus.CONFLICT)
        return panel, meant

    def _where(self, connection: Connection, seat: AgentSession, panel: Panel) -> Town | None:
        """The town that the form means; where it means several, the panel asks which."""
        form = panel.form
        found = towns(self._at(connection, seat), form.place)
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

    # ------------------------------------------------------------ find and choose

    def offers(self) -> Any:
        """Find slots and hold them for this desk."""
        with self._store.database.transaction() as connection:
            seat = self._seat(connection)
            panel, meant = self._asked(connection, seat)
            town = self._where(connection, seat, panel)
            if not panel.wrong and town is not None:
                self._find(connection, seat, panel, meant, town)
            else:
                panel.offers = self._on_desk(connection, seat, panel.form)
            panel.focus = panel.focus or "wrong"
            self._remember(connection, seat, panel.form)
            return self._answer(connection, seat, panel)

    def _find(
        self,
        connection: Connection,
        seat: AgentSession,
        panel: Panel,
        meant: Understood,
        town: Town,
    ) -> None:
        form, again = panel.form, request.form.get("again", "")
        before = self._on_desk(connection, seat, form)
        seen = meant.seen if again else ()
        if again:
            seen = (*seen, *(one.offer.slot_id for one in before))
        farthest = max((one.offer.kilometres for one in before), default=0.0)
        mine = None
        if panel.moving is not None:
            mine = told(panel.moving, self._store.clock.now(), self._service.campaign.name)
        wish = SearchCriteria(
            born=_born(panel, meant),
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
        found = find_offers(self._at(connection, seat), wish)
        form.seen = " ".join(map(str, wish.skip_slots))
        panel.found = found
        panel.offers = self._on_desk(connection, seat, form)
        panel.focus = "offers" if panel.offers else "found"
        self._partners(connection, seat, panel, meant, town)
        if mine is None and meant.number:
            self._show_known(connection, seat, panel, meant)

    def _show_known(
        self, connection: Connection, seat: AgentSession, panel: Panel, meant: Understood
    ) -> None:
        """An appointment that the first person has already, on this number."""
        campaign = self._service.campaign
        booking_id = known_booking(
            Work(connection, self._store, campaign), meant.born[0], meant.number
        )
        if booking_id:
            self._open_known(connection, seat, panel, booking_id, meant.number)

    def _open_known(
        self, connection: Connection, seat: AgentSession, panel: Panel, booking_id: str, number: str
    ) -> None:
        """Show it; on another number than the caller's own it counts as a search."""
        own = number == seat.desk.number or has_read(connection, self._store, seat, booking_id)
        try:
            if not own:
                count(connection, self._store, seat.staff, 1, why=CALL)
            panel.known = self._read(connection, seat, booking_id)
        except TooManyProfiles:
            panel.notice = words()["desk.search.too_many"]

    def choose(self) -> Any:
        """One of the offers, to be read back; for two people, a place beside it is held."""
        with self._store.database.transaction() as connection:
            seat = self._seat(connection)
            panel, _meant = self._asked(connection, seat)
            self._where(connection, seat, panel)
            panel.offers = self._on_desk(connection, seat, panel.form)
            chosen = self._chosen(panel, request.form.get("choice", ""))
            if chosen is None:
                panel.wrong = (*panel.wrong, "choice")
            if panel.wrong or chosen is None:
                panel.focus = "wrong"
                return self._answer(connection, seat, panel)
            panel.read_back, panel.focus = (chosen,), "read_back"
            if panel.form.two:
                adjacent = hold_for_second(self._at(connection, seat), chosen)
                panel.beside_none = adjacent is None
                panel.read_back = (chosen, adjacent) if adjacent is not None else ()
                panel.focus = "read_back" if adjacent else "offers"
            self._remember(connection, seat, panel.form)
            panel.nonce = new_nonce()
            return self._answer(connection, seat, panel)

    @staticmethod
    def _chosen(panel: Panel, choice: str) -> Offer | None:
        wanted = forms.places(choice)
        return next((offer.offer for offer in panel.offers if offer.offer.places == wanted), None)

    def go_on(self) -> Any:
        """Take the caller's own places over, and show them."""
        with self._store.database.transaction() as connection:
            seat = self._seat(connection)
            go_on_with_their_places(connection, self._store, self._service, seat)
            seat = agent_session_of(connection, self._store, current())
            panel = self.panel(connection, seat, caller_profile_of(connection, self._store, seat))
            panel.focus = "offers"
            return self._answer(connection, seat, panel)

    def keep(self) -> Any:
        """The page is open: what it shows stays held."""
        with self._store.database.transaction() as connection:
            seat = agent_session_of(connection, self._store, current())
            keep(self._at(connection, seat))
        return "", HTTPStatus.NO_CONTENT

    # ------------------------------------------------------------ book

    def reserve(self) -> Any:
        """Book what was read back, for one or two."""
        messages: tuple[str, ...] = ()
        with self._store.database.transaction() as connection:
            seat = self._seat(connection)
            panel, meant = self._asked(connection, seat)
            nonce = request.form.get("nonce", "")
            choices = [forms.places(one) for one in request.form.getlist("places")]
            if panel.wrong or not all(choices) or len(choices) != len(meant.born):
                panel.wrong = panel.wrong or ("choice",)
                panel.focus = "wrong"
                panel.offers = self._on_desk(connection, seat, panel.form)
                return self._answer(connection, seat, panel)
            order = self._order(panel, meant, choices, nonce)
            try:
                made = book(self._at(connection, seat), order)
            except ValueError:
                made = BookingRefused(Refusal.UNKNOWN)
                panel.wrong = ("nonce",)
            if isinstance(made, Made):
                messages = made.message_ids
                self._booked(connection, seat, panel, made)
                if not made.repeated:
                    BOOKINGS.labels("agent").inc(len(made.booking_ids))
            else:
                self._not_booked(connection, seat, panel, made)
            page = self._answer(connection, seat, panel)
        self._wake(messages)
        return page

    @staticmethod
    def _order(
        panel: Panel, meant: Understood, choices: list[tuple[int, ...]], nonce: str
    ) -> DeskOrder:
        form = panel.form
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
            nonce=nonce,
            groups=tuple(form.groups),
            text=bool(form.text),
        )

    def _booked(self, connection: Connection, seat: AgentSession, panel: Panel, made: Made) -> None:
        found = [self._read(connection, seat, one) for one in made.booking_ids]
        panel.done = tuple(one for one in found if one is not None)
        panel.repeated, panel.focus = made.repeated, "done"
        if seat.entry is None:
            return
        entry = seat.entry
        known = draft_of(entry)
        booked = list(dict.fromkeys([*known.get(BOOKED, []), *made.booking_ids]))
        form = forms.as_draft(panel.form)
        draft = {**known, BOOKED: booked, FORM: form}
        rows.remember(connection, self._store.vault, entry.id, draft)

    def _not_booked(
        self, connection: Connection, seat: AgentSession, panel: Panel, refused: BookingRefused
    ) -> None:
        if "nonce" not in panel.wrong:
            panel.notice = words()[f"desk.refused.{refused.why}"]
        panel.focus = "wrong"
        if refused.booking_id:
            self._open_known(connection, seat, panel, refused.booking_id, panel.number)
        panel.offers = self._on_desk(connection, seat, panel.form)

    def wait(self) -> Any:
        """Put those who come on the waiting list."""
        with self._store.database.transaction() as connection:
            seat = self._seat(connection)
            panel, meant = self._asked(connection, seat)
            town = self._where(connection, seat, panel)
            panel.focus = "wrong"
            if not panel.wrong and town is not None:
                sentences = []
                for number, born in enumerate(meant.born):
                    ahead = wait_for_place(
                        self._at(connection, seat),
                        born=born,
                        number=meant.number,
                        town=town,
                        groups=tuple(panel.form.groups),
                        for_other=number > 0 and born == meant.born[0],
                    )
                    sentences.append(_waiting(ahead))
                panel.notice = " ".join(dict.fromkeys(sentences))
            self._remember(connection, seat, panel.form)
            panel.offers = self._on_desk(connection, seat, panel.form)
            return self._answer(connection, seat, panel)

    # ------------------------------------------------------------ change what there is

    def start_moving(self) -> Any:
        """Look for other places for a booking; or, without one, stop doing so."""
        with self._store.database.transaction() as connection:
            seat = self._seat(connection)
            booking_id = "" if "stop" in request.form else request.form.get("booking_id", "")
            file = caller_profile_of(connection, self._store, seat)
            panel = self.panel(connection, seat, file)
            form = panel.form
            form.booking_id = form.moving = form.version = form.seen = ""
            if booking_id:
                found = self._mine(connection, seat, booking_id)
                form.booking_id, form.version = found.file.id, str(found.file.version)
                form.moving = request.form.get("moving", "") or Moving.FIRST
                form.place = form.postcode = found.file.postcode or form.place
                form.centre = form.from_day = form.part = ""
            panel, meant = self._again(connection, seat, form)
            town = self._where(connection, seat, panel) if form.booking_id else None
            if town is not None:
                self._find(connection, seat, panel, meant, town)
            else:
                panel.focus = "form"
            self._remember(connection, seat, form)
            return self._answer(connection, seat, panel)

    def _again(
        self, connection: Connection, seat: AgentSession, form: BookingForm
    ) -> tuple[Panel, Understood]:
        today = self._store.clock.now().astimezone(COUNTRY_ZONE).date()
        meant = forms.understand(form, today)
        panel = Panel(form, groups=self._groups(), nonce=new_nonce())
        panel.moving = self._moving(connection, seat, form)
        return panel, meant

    def move(self) -> Any:
        """Move a booking to what was read back."""
        with self._store.database.transaction() as connection:
            seat = self._seat(connection)
            panel, meant = self._asked(connection, seat)
            found = panel.moving
            places = forms.places(request.form.get("places", ""))
            if found is None or not places:
                abort(HTTPStatus.NOT_FOUND)
            done = self._try(
                move_booking,
                connection,
                seat,
                found.file.id,
                places,
                moving=meant.moving,
                nonce=request.form.get("nonce", ""),
                seen=_number(panel.form.version),
            )
            message = self._changed(panel, done, "was_moved")
            if isinstance(done, Changed):
                form = panel.form
                form.booking_id = form.moving = form.version = form.seen = ""
                panel.moving = None
                again = self._read(connection, seat, found.file.id)
                panel.done = (again,) if again else ()
                panel.focus = "done"
            else:
                panel.offers = self._on_desk(connection, seat, panel.form)
                panel.focus = "wrong"
            self._remember(connection, seat, panel.form)
            page = self._answer(connection, seat, panel)
        self._wake(message)
        return page

    def cancel(self) -> Any:
        """Cancel a booking, or its second appointment."""
        doses = [2] if request.form.get("doses") == "2" else None
        return self._change(cancel_booking, "was_cancelled", doses)

    def restore(self) -> Any:
        """Take a cancellation back."""
        return self._change(restore_booking, "was_restored")

    def _change(self, do: Callable[..., Any], told_as: str, *args: Any) -> Any:
        form = request.form
        with self._store.database.transaction() as connection:
            seat = self._seat(connection)
            found = self._mine(connection, seat, form.get("booking_id", ""))
            panel = Panel(BookingForm())
            done = self._try(
                do,
                connection,
                seat,
                found.file.id,
                *args,
                nonce=form.get("nonce", ""),
                seen=_number(form.get("version", "")),
            )
            message = self._changed(panel, done, told_as)
            again = self._read(connection, seat, found.file.id) or found
            page = self._card(connection, seat, again, panel.notice)
        self._wake(message)
        return page

    def text(self) -> Any:
        """Send the text of a booking once more."""
        form = request.form
        message: tuple[str, ...] = ()
        with self._store.database.transaction() as connection:
            seat = self._seat(connection)
            found = self._mine(connection, seat, form.get("booking_id", ""))
            done = self._try(
                text_again, connection, seat, found.file.id, nonce=form.get("nonce", "")
            )
            if isinstance(done, Texted):
                notice = words()["desk.card.texted"]
                if done.message_id:
                    message = (done.message_id,)
                    record_act(connection, self._store, seat.staff.id, TEXTED, found.file.id)
            elif isinstance(done, BookingRefused):
                notice = words()[f"desk.refused.{done.why}"]
            else:
                notice = words()["desk.wrong.nonce"]
            page = self._card(connection, seat, found, notice)
        self._wake(message)
        return page

    def have_called(self) -> Any:
        """Let the machine ring the number of a booking and tell the appointment."""
        form = request.form
        message: tuple[str, ...] = ()
        with self._store.database.transaction() as connection:
            seat = self._seat(connection)
            found = self._mine(connection, seat, form.get("booking_id", ""))
            done = self._try(
                have_called, connection, seat, found.file.id, nonce=form.get("nonce", "")
            )
            if isinstance(done, RequestedCall):
                notice = words()["desk.card.called"]
                if done.at is not None:
                    moment = DeskWords(words()).day_hour(done.at)
                    notice = words().text("desk.card.called_from", moment=moment)
                if done.message_id:
                    message = (done.message_id,)
                    record_act(connection, self._store, seat.staff.id, CALLED, found.file.id)
            elif isinstance(done, BookingRefused):
                often = done.why is Refusal.TOO_OFTEN
                notice = words()["desk.card.called_often" if often else f"desk.refused.{done.why}"]
            else:
                notice = words()["desk.wrong.nonce"]
            page = self._card(connection, seat, found, notice)
        self._wake(message)
        return page

    def _try(
        self,
        do: Callable[..., Any],
        connection: Connection,
        seat: AgentSession,
        *args: Any,
        **options: Any,
    ) -> Any:
        try:
            return do(self._at(connection, seat), *args, **options)
        except ValueError:
            # No form of ours, or a very old one.
            return None

    @staticmethod
    def _changed(panel: Panel, done: Any, told_as: str) -> tuple[str, ...]:
        """Say what came of it; gives the message that is to leave."""
        if isinstance(done, Changed):
            panel.notice = words()["desk.card.already" if done.repeated else f"desk.card.{told_as}"]
            return (done.message_id,) if done.message_id else ()
        if isinstance(done, Unchanged):
            panel.notice = words()[f"desk.unchanged.{done.why}"]
        else:
            panel.notice = words()["desk.wrong.nonce"]
        return ()

    # ------------------------------------------------------------ search

    def search(self) -> Any:
        """Find bookings by reference, or by number and birth date; a reason is typed."""
        form = request.form
        reason = form.get("reason", "")
        reference = "".join(one for one in form.get("reference", "") if one.isdecimal())
        today = self._store.clock.now().astimezone(COUNTRY_ZONE).date()
        born = forms.birth(form.get("born", ""), today)
        typed = BookingForm(number=form.get("number", ""), born1=form.get("born", ""))
        number = forms.understand(typed, today).number
        by: ByReference | ByPerson | None = None
        if len(reference) == REFERENCE_DIGITS:
            by = ByReference(reference)
        elif number and born:
            by = ByPerson(number, born)
        with self._store.database.transaction() as connection:
            seat = agent_session_of(connection, self._store, current())
            found: tuple[FoundBooking, ...] = ()
            notice = ""
            if by is None:
                notice = words()["desk.search.need_what"]
            else:
                try:
                    found = search(connection, self._store, seat.staff, by, reason=reason)
                    notice = "" if found else words()["desk.search.nothing"]
                except NoReason:
                    notice = words()["desk.search.need_reason"]
                except TooManyProfiles:
                    notice = words()["desk.search.too_many"]
            more = {"results": found, "search_notice": notice}
            return self._render("desk/results.html", connection, seat, None, **more)

    # ------------------------------------------------------------ from and to other channels

    def by_code(self) -> Any:
        """Go on with what was begun on the site, or in a call that was cut, by its six digits."""
        code = "".join(one for one in request.form.get("code", "") if one.isdecimal())
        with self._store.database.transaction() as connection:
            seat = self._seat(connection)
            panel = self.panel(connection, seat, caller_profile_of(connection, self._store, seat))
            panel.focus = "wrong"
            if seat.entry is None:
                panel.notice = words()["desk.code.no_caller"]
            elif len(code) != elsewhere.CODE_DIGITS:
                panel.notice = words()["desk.code.need"]
            else:
                panel = self._taken_up(connection, seat, panel, code)
            return self._answer(connection, seat, panel)

    def _taken_up(
        self, connection: Connection, seat: AgentSession, panel: Panel, code: str
    ) -> Panel:
        try:
            session = elsewhere.take_up(self._at(connection, seat), seat.staff, code)
        except TooManyProfiles:
            panel.notice = words()["desk.search.too_many"]
            return panel
        if session is None:
            panel.notice = words()["desk.code.nothing"]
            return panel
        form = _begun(session)
        self._remember(connection, seat, form)
        panel = Panel(form, groups=self._groups(), nonce=new_nonce())
        panel.offers = self._on_desk(connection, seat, form)
        panel.notice = words()["desk.code.taken"]
        panel.focus = "offers" if panel.offers else "wrong"
        return panel

    def link(self) -> Any:
        """Write a link to finish on the site, with what is in the form and was chosen."""
        message: tuple[str, ...] = ()
        with self._store.database.transaction() as connection:
            seat = self._seat(connection)
            panel, meant = self._asked(connection, seat)
            town = self._where(connection, seat, panel) if panel.form.place else None
            panel.focus = "wrong"
            panel.offers = self._on_desk(connection, seat, panel.form)
            if not panel.wrong:
                done = self._send_link(connection, seat, panel, meant, town)
                if isinstance(done, Texted):
                    panel.notice = words()["desk.link.sent"]
                    message = (done.message_id,) if done.message_id else ()
                    panel.offers = self._on_desk(connection, seat, panel.form)
                elif isinstance(done, BookingRefused):
                    panel.notice = words()[f"desk.refused.{done.why}"]
                else:
                    panel.notice = words()["desk.wrong.nonce"]
            self._remember(connection, seat, panel.form)
            page = self._answer(connection, seat, panel)
        self._wake(message)
        return page

    def _send_link(
        self,
        connection: Connection,
        seat: AgentSession,
        panel: Panel,
        meant: Understood,
        town: Town | None,
    ) -> Any:
        chosen = (request.form.getlist("places") or [""])[0]
        begun = elsewhere.PartnerSearch(
            born=meant.born,
            number=meant.number,
            town=town,
            offer=self._chosen(panel, chosen) if town else None,
            groups=tuple(panel.form.groups),
        )
        return self._try(
            elsewhere.send_link, connection, seat, begun, nonce=request.form.get("link", "")
        )

    # ------------------------------------------------------------ at a partner

    def _partners(
        self,
        connection: Connection,
        seat: AgentSession,
        panel: Panel,
        meant: Understood,
        town: Town,
    ) -> None:
        """What partners have near, beside ours; not for what moves, nor for two at once."""
        if panel.moving is not None or panel.form.two or not meant.born:
            return
        session = Session(
            language=seat.desk.language,
            born=meant.born[0].isoformat(),
            groups=tuple(panel.form.groups),
            latitude=town.latitude,
            longitude=town.longitude,
            territory=town.territory,
            within=meant.within,
        )
        panel.partners = partner_offers.near(connection, self._store, self._service, session)

    def ask_partner(self) -> Any:
        """Ask a partner for an appointment; the page says what it answers."""
        message: tuple[str, ...] = ()
        with self._store.database.transaction() as connection:
            seat = self._seat(connection)
            panel, meant = self._asked(connection, seat)
            panel.offers = self._on_desk(connection, seat, panel.form)
            panel.focus = "wrong"
            slots = forms.places(request.form.get("slots", ""))
            nonce = request.form.get("partner_nonce", "")
            if not panel.wrong and not (slots and meant.born and is_nonce(nonce)):
                panel.wrong = ("choice",)
            if not panel.wrong:
                done = ask(
                    connection,
                    self._store,
                    self._service,
                    self._partner_order(seat, panel, meant, slots, nonce),
                )
                if isinstance(done, NotAsked):
                    panel.notice = words()[f"desk.partner.not_{done.why}"]
                else:
                    panel.partner_order = state_of(connection, self._store, done.id)
                    panel.focus = "partner"
                    message = (done.message_id,) if done.message_id else ()
            self._remember(connection, seat, panel.form)
            page = self._answer(connection, seat, panel)
        self._wake(message)
        return page

    @staticmethod
    def _partner_order(
        seat: AgentSession, panel: Panel, meant: Understood, slots: tuple[int, ...], nonce: str
    ) -> PartnerOrder:
        form = panel.form
        return PartnerOrder(
            key=f"{seat.desk.holder_id}:{nonce}",
            holder=seat.desk.holder,
            centre_id=request.form.get("partner_centre", "")[:_CENTRE_LETTERS],
            slot_id=slots[0],
            second_slot_id=slots[1] if len(slots) > 1 else 0,
            first_name=request.form.get("first_name", ""),
            last_name=request.form.get("last_name", ""),
            born=meant.born[0],
            postcode=form.postcode,
            number=meant.number,
            text=bool(form.text),
            language=seat.desk.language,
            groups=tuple(form.groups),
            for_other=bool(form.someone_else),
            who=seat.staff.id,
            call_id=seat.desk.call_id or None,
        )

    def partner_state(self) -> Any:
        """What became of an order of this agent; a script asks for it until it is over."""
        order_id = request.args.get("order", "")
        with self._store.database.transaction() as connection:
            seat = agent_session_of(connection, self._store, current())
            mine = bool(_ID.fullmatch(order_id)) and is_of(
                connection, self._store, order_id, seat.staff.id
            )
            found = state_of(connection, self._store, order_id) if mine else None
            if found is None:
                abort(HTTPStatus.NOT_FOUND)
            if not request.headers.get("HX-Request"):
                panel = self.panel(
                    connection, seat, caller_profile_of(connection, self._store, seat)
                )
                panel.partner_order, panel.focus = found, "partner"
                return self._answer(connection, seat, panel)
            card = None
            if found.booking_id:
                card = self._read(connection, seat, found.booking_id)
            more = {"order": found, "found": card, "notice": ""}
            return self._render("desk/partner.html", connection, seat, None, **more)

    # ------------------------------------------------------------ tools

    def _read(
        self, connection: Connection, seat: AgentSession, booking_id: str
    ) -> FoundBooking | None:
        """A booking, and that this agent reads it: the call is the reason, or one was given."""
        if not has_read(connection, self._store, seat, booking_id):
            why = CALL if seat.entry else ""
            details = {"entry": seat.entry.id} if seat.entry else {}
            say_that_it_is_read(connection, self._store, seat.staff, booking_id, why=why, **details)
        return read_booking(connection, self._store, booking_id)

    def _may_see(self, connection: Connection, seat: AgentSession, booking_id: str) -> bool:
        """Whether it was shown to this agent lately, by a search or in a call of theirs."""
        return bool(_ID.fullmatch(booking_id)) and has_read(
            connection, self._store, seat, booking_id
        )

    def _mine(self, connection: Connection, seat: AgentSession, booking_id: str) -> FoundBooking:
        found = None
        if self._may_see(connection, seat, booking_id) or self._in_file(
            connection, seat, booking_id
        ):
            found = self._read(connection, seat, booking_id)
        if found is None:
            abort(HTTPStatus.NOT_FOUND)
        return found

    def _in_file(self, connection: Connection, seat: AgentSession, booking_id: str) -> bool:
        file = caller_profile_of(connection, self._store, seat)
        return file is not None and any(booking.file.id == booking_id for booking in file.bookings)

    def _remember(self, connection: Connection, seat: AgentSession, form: BookingForm) -> None:
        if seat.entry is None:
            return
        draft = {**draft_of(seat.entry), FORM: forms.as_draft(form)}
        rows.remember(connection, self._store.vault, seat.entry.id, draft)

    def _wake(self, messages: tuple[str, ...]) -> None:
        # Only now is it true; what is told to others before the commit might never have been.
        for message in messages:
            self._parts.wake_up.message(message)

    def _answer(self, connection: Connection, seat: AgentSession, panel: Panel) -> Any:
        return self._render("desk/booking.html", connection, seat, panel)

    def _card(
        self, connection: Connection, seat: AgentSession, found: FoundBooking, notice: str
    ) -> Any:
        more = {"found": found, "notice": notice}
        return self._render("desk/card.html", connection, seat, None, **more)

    def _render(
        self,
        part: str,
        connection: Connection,
        seat: AgentSession,
        panel: Panel | None,
        **more: Any,
    ) -> Any:
        """A part for a script, else the whole page with it."""
        if request.headers.get("HX-Request"):
            written = DeskWords(words())
            asked = told_of(self._store, self._service, connection)
            return render_template(
                part,
                w=written,
                seat=seat,
                panel=panel,
                new_nonce=new_nonce,
                told_of=asked,
                **more,
            )
        seat = agent_session_of(connection, self._store, current())
        file = caller_profile_of(connection, self._store, seat)
        more.setdefault("told_of", told_of(self._store, self._service, connection))
        return self._page.whole(
            seat, file, panel=panel or self.panel(connection, seat, file), **more
        )


def as_function(view: View) -> View:
    """A view of its own: a mark of who may ask cannot be written on a method."""

    def answered() -> Any:
        return view()

    return answered


def _tell_heard(seat: AgentSession, panel: Panel) -> None:
    if seat.entry is not None:
        draft = draft_of(seat.entry)
        panel.heard = tuple(draft.get(HEARD, ()))
        panel.chosen_before = draft.get(CHOSEN, 0)


def _begun(session: Session) -> BookingForm:
    """The form with what was given on the site, or in a call that was cut."""
    number = session.number or session.caller
    return BookingForm(
        people="2" if session.is_first_of_two else "1",
        born1=_typed_date(session.born),
        place=session.postcode,
        postcode=session.postcode,
        number=DeskWords(words()).number(number),
        groups=list(session.groups),
        text="" if session.number_answered and not session.number else "1",
    )


def _given(file: CallerProfile) -> BookingForm:
    """The form with what the caller gave."""
    given: CallerDetails = file.given
    number = given.number
    if not number and file.caller.kind != CallerKind.NONE:
        number = file.caller.number
    written = DeskWords(words())
    return BookingForm(
        people="2" if given.whom == Whom.TWO else "1",
        born1=_typed_date(given.born),
        place=given.postcode,
        postcode=given.postcode,
        number=written.number(number),
        groups=list(given.groups),
        text="" if given.number_answered and not given.number else "1",
    )


def _typed_date(born: str) -> str:
    year, _, rest = born.partition("-")
    month, _, day = rest.partition("-")
    return f"{day}/{month}/{year}" if born else ""


def _born(panel: Panel, meant: Understood) -> tuple[Any, ...]:
    if panel.moving is None:
        return meant.born
    born = panel.moving.file.born
    return (born,) if born else ()


def _waiting(ahead: int | BookingRefused) -> str:
    if isinstance(ahead, BookingRefused):
        return words()[f"desk.refused.{ahead.why}"]
    if not ahead:
        return words()["desk.booking.waiting_first"]
    return words().text("desk.booking.waiting", ahead=ahead)


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else -1
