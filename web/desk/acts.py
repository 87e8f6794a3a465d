"""What all acts of an agent for a caller have in common: a transaction, the form, the answer."""

from __future__ import annotations

import re

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from functools import cached_property
from http import HTTPStatus
from typing import Any, Self, TypeVar

from flask import Blueprint, abort, render_template, request

from flows.session import CallerKind, Moving, Offer, Party, Session
from flows.understanding import COUNTRY_ZONE
from flows.world import Town
from models.database import Connection
from services.booking.find_booking import FoundBooking, read_booking
from services.campaign.campaign import are_together
from services.desk.at_desk import CALL, CHOSEN, HEARD, TAKEN, AtDesk
from services.desk.caller_profile import BOOKED, CallerDetails, CallerProfile, draft_of
from services.desk.offers import OnDesk, on_desk, towns
from services.desk.search import TooManyProfiles, count
from services.messages.phone_capabilities import takes_texts
from services.public.offered import shown
from web.desk import forms
from web.desk.desk_page import DeskPage, new_nonce, told_of
from web.desk.forms import BookingForm, Understood
from web.desk.panel import Panel, in_words
from web.marks import roles
from web.pages import words
from web.staff_only import current
from web.written import DeskWords

FORM = "form"
ID = re.compile(r"[0-9a-f]{1,32}")
_NOTHING_UNDERSTOOD = Understood()


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
        self.understood = _NOTHING_UNDERSTOOD

    @cached_property
    def panel(self) -> Panel:
        return Panel(BookingForm())

    @classmethod
    @contextmanager
    def opened(cls, page: DeskPage, about: str | None = None) -> Iterator[Self]:
        """The act of the agent who asks; `about` is the entry that their page is about."""
        with page.store.database.transaction() as connection:
            act = cls(page, connection, about)
            yield act
        # Only now is it true; what is told to others before the commit might never have been.
        for message in act.messages:
            page.wake_up.message(message)

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
            not are_together(this, other)
            for this in chosen
            for other in chosen
            if this is not other
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
        chosen = [centre for centre in found if centre.postcode == form.postcode]
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

    def _chosen(self, choice: str) -> Offer | None:
        wanted = forms.places(choice)
        return next(
            (offer.offer for offer in self.panel.offers if offer.offer.places == wanted), None
        )

    def _may_see(self, booking_id: str) -> bool:
        """Whether it was shown to this agent lately, by a search or in a call of theirs."""
        return bool(ID.fullmatch(booking_id)) and self.has_read(booking_id)

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
        more["told_of"] = told_of(self.store, self.service, self.connection)
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


def add_acts(
    desk: Blueprint,
    page: DeskPage,
    kind: type[Act],
    acts: Mapping[str, Callable[[Act], Any]],
    *,
    method: str = "POST",
    for_caller: bool = False,
) -> None:
    """Add acts by their paths. `for_caller`: the form names the entry that the act is about."""

    def view_of(act: Callable[[Act], Any]) -> Callable[[], Any]:
        @roles("agent", "supervisor")
        def view() -> Any:
            with kind.opened(page, forms.about(request.form) if for_caller else None) as opened:
                return opened.answer(act(opened))

        return view

    for path, act in acts.items():
        desk.add_url_rule(path, act.__name__, view_of(act), methods=[method])


def _given(file: CallerProfile) -> BookingForm:
    """The form with what the caller gave."""
    number = file.given.number
    if not number and file.caller.kind != CallerKind.NONE:
        number = file.caller.number
    return form_of(file.given, number, two=file.given.whom == Party.TWO)


def _campaigns_of(found: FoundBooking, service: str) -> tuple[str, ...]:
    """The campaigns of what moves: of one service, or of all that is done in the booking."""
    live = [each for booking in found.file.live for each in booking.live_services]
    names = [dose.campaign for dose in live if service in {"", dose.service}]
    return tuple(dict.fromkeys(names)) or (found.file.campaign,)


def form_of(given: CallerDetails | Session, number: str, *, two: bool) -> BookingForm:
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
