"""A visit to a partner's centre that is booked through us: asked for there, then told.

The partner needs a name; nothing is booked for anybody before both sides have it. What is asked
for, and how far that is, stands among what was typed, which is sealed with the visit.
"""

from __future__ import annotations

import json

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from pydantic import TypeAdapter

from flows.session import Offer, Party
from models import attempts
from models.attempts import Subject
from models.centres.centres import CentreState
from models.database import Connection
from models.online.web_sessions import PARTNER_WAITS
from models.slots.places import HeldPlace
from services.attempts import subject, tried
from services.online.answers import NotTaken, typed_number
from services.online.web_sessions import Done, WebSession, WebWorld
from services.partners import booking
from services.partners.booking import NotAsked, OrderStage, OrderState, PartnerOrder, Why
from services.partners.near import Moment, PartnerOffer, near
from services.slots.offer import offer_at
from services.store import Store

# Pages that no telephone has: the visit stays at its question meanwhile.
NAME, WAITS = "partner_name", PARTNER_WAITS
_WISH, _ORDER = "partner", "partner_order"
_STORED_OFFER = TypeAdapter(Offer)


def wished(visit: WebSession) -> dict[str, Any]:
    """What of a partner's was chosen: its centre, and the slot of each dose; empty for nothing."""
    found: dict[str, Any] = json.loads(visit.typed.get(_WISH, "{}"))
    return found


def choose(visit: WebSession, world: WebWorld, choice: str) -> WebSession:
    """`choice` is a centre of a partner and our slot there, as its form has it."""
    partner_id, _, slot = choice.rpartition("/")
    offers = near(world.turn.reading(), world.turn.store, world.service, visit.session)
    found = [
        (offer, moment)
        for offer in offers
        if offer.id == partner_id
        for moment in offer.moments
        if str(moment.slot_id) == slot
    ]
    if not found:
        return visit.at(visit.session, notice="just_taken")
    chosen = json.dumps(_kept(*found[0]), ensure_ascii=False)
    return replace(visit.at(visit.session), page=NAME).with_typed(**{_WISH: chosen})


def _kept(offer: PartnerOffer, moment: Moment) -> dict[str, Any]:
    # Nothing is held for it yet, so it has no place.
    first = HeldPlace(0, moment.slot_id, offer.centre_id, moment.start_at)
    second = None
    if moment.second_start_at is not None:
        second = replace(first, slot_id=moment.second_slot_id, start_at=moment.second_start_at)
    where = CentreState(
        offer.centre_id, offer.name, offer.street, offer.postcode, offer.town, offer.time_zone
    )
    return asdict(offer_at(where, first, second, kilometres=offer.kilometres))


def offer_of(visit: WebSession) -> Offer:
    """What was chosen, as an offer. Nothing is held for it yet."""
    return _STORED_OFFER.validate_python(wished(visit))


def ask(visit: WebSession, world: WebWorld, first: str, last: str, number: str) -> WebSession:
    """Ask for it at the partner, once; the answer is waited for on the next page."""
    visit = visit.with_typed(first_name=first, last_name=last, number=number)
    if not wished(visit):
        return visit.at(visit.session)
    for name, text in (("first_name", first), ("last_name", last)):
        if not text.strip():
            raise NotTaken(name, "name_empty")
    known = typed_number(world, visit.language, number)[0] if number.strip() else ""
    session, offer = visit.session, offer_of(visit)
    order = PartnerOrder(
        key=f"{visit.id}:{visit.number}",
        holder=world.holder,
        centre_id=offer.centre_id,
        slot_id=offer.slot_id,
        first_name=first,
        last_name=last,
        born=session.born_on,
        postcode=session.postcode,
        second_slot_id=offer.second_slot_id,
        number=known,
        language=session.language,
        groups=session.groups,
        for_other=session.whom == Party.OTHER or session.second_person,
        campaign=session.wanted[0] if len(session.wanted) == 1 else "",
    )
    turn = world.turn
    subjects = _subjects(world, order)
    if _is_beyond(world, subjects):
        # What cannot be proved here is finished with a person.
        return visit.at(session.moved("person"))
    asked = booking.ask(turn.transaction(), turn.store, world.service, order)
    if isinstance(asked, NotAsked):
        if asked.why is Why.PERSON_NEEDED:
            return visit.at(session.moved("person"))
        return visit.at(session, notice="just_taken")
    attempts.add(turn.transaction(), turn.store.clock, list(subjects), good=True)
    world.messages.append(asked.message_id)
    kept = session.but(number=known, number_answered=True)
    return replace(visit.at(kept), page=WAITS).with_typed(**{_ORDER: asked.id})


def _subjects(world: WebWorld, order: PartnerOrder) -> dict[Subject, int]:
    """What an order counts for, and how often it may in a day: its number is proved by nothing."""
    store, limits = world.store, world.store.reach
    given = (
        ("order_place", "reach place", world.place, limits.per_address),
        ("order_born", "dob", order.born.isoformat(), limits.per_birth_date),
        ("order_number", "phone", order.number, limits.per_number),
    )
    return {subject(store, kind, what, value): limit for kind, what, value, limit in given if value}


def _is_beyond(world: WebWorld, subjects: Mapping[Subject, int]) -> bool:
    """Whether one of them had too many orders today; no other transaction counts meanwhile."""
    counts = tried(world.transaction(), world.store, list(subjects), failed=False)
    return any(
        limit and count >= limit for count, limit in zip(counts, subjects.values(), strict=True)
    )


def state(connection: Connection, store: Store, visit: WebSession) -> OrderState | None:
    """How far the order of this visit is."""
    order_id = visit.typed.get(_ORDER, "")
    return booking.state_of(connection, store, order_id) if order_id else None


def settle(visit: WebSession, world: WebWorld) -> WebSession:
    """On with what the partner said; while it says nothing, everything stays as it is."""
    found = state(world.turn.reading(), world.turn.store, visit)
    if found is not None and found.stage is OrderStage.ASKED:
        return visit
    if found is None or found.stage is OrderStage.REFUSED:
        # A number that was given for it is asked for again, with what may be its text.
        fresh = visit.session.but(number_answered=visit.session.second_person)
        return visit.at(fresh, notice="partner_refused")
    session = visit.session
    made = Done(found.reference, offer_of(visit), session.number, born=session.born)
    world.let_go()
    booked = session.but(
        reference=found.reference, offers=(), offered=(), chosen=-1, adjacent=(), trail=()
    )
    return visit.after_booking(booked, made)
