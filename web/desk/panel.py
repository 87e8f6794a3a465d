"""The middle of an agent's page: the form, what was found, what is read back, what was done."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from flows.session import Offer
from flows.world import Town
from services.booking.changed import Changed, Unchanged
from services.booking.find_booking import FoundBooking
from services.desk.booking import BookingRefused, Refusal, Texted
from services.desk.offers import OffersFound as FoundOffers
from services.desk.offers import OnDesk
from services.partners.booking import NotAsked, OrderState
from services.partners.near import PartnerOffer
from web.desk import forms
from web.desk.forms import BookingForm
from web.pages import words
from web.written import DeskWords

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
        case Texted(at=datetime() as at):
            done, values = "desk.card.called_from", {"moment": DeskWords(words()).day_hour(at)}
    return words().text(done, **values)
