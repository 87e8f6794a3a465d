"""A message that goes by telephone: what its calls come to, whatever is told of them and when."""

from __future__ import annotations

import itertools
import random

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sqlalchemy import select, update

from flows.agents import RungPerson
from models.agents.tables import leg
from models.messages import claims, outbox
from models.messages.outbox import FOLLOW_UP, ClaimedMessage, NewMessage
from models.messages.tables import message
from models.queue import callbacks
from models.queue.tables import queue_entry
from services.agents import call_back
from services.agents.call_back import MOST_TRIES
from services.messages.notices import APPOINTMENT, CallPlan
from services.messages.topics import Topic
from services.queue import voice_messages
from services.queue.promise_callback import BY_MACHINE, OF_MESSAGES, RING_AFTER, promise
from tests.agents.rings import Office, Ring
from tests.support.house import LANDLINE, MOBILE, House
from tests.support.rows import change, rows_of

STATUSES = ("initiated", "ringing", "in-progress", "completed")
# The fifth in turn: whatever a provider calls an end that contradicts the other one.
IN_VAIN = ("no-answer", "busy", "failed")
ORDERS = [
    tuple(IN_VAIN[number % 3] if one == "in vain" else one for one in order)
    for number, order in enumerate(itertools.permutations((*STATUSES, "in vain")))
]
SECONDS = 42
LEASE = timedelta(seconds=25)
QUARTER = timedelta(minutes=15)


@pytest.fixture
def office(service: House) -> Office:
    return Office(service)


def a_landline(number: int) -> str:
    return f"+33491{number:06d}"


def tells(office: Office, number: str = LANDLINE, **plan: Any) -> str:
    """A message that is told by a call; gives its id."""
    store = office.store
    new = NewMessage(
        id=store.chance.identifier(),
        kind="reminder",
        dedupe_key=f"reminder:{store.chance.identifier()}",
        recipient=number,
        payload={},
        topic=str(Topic.REMINDER),
    )
    with store.database.transaction() as connection:
        assert outbox.add(connection, store.clock, store.vault, new)
        claimed = claims.claim(connection, store.clock, store.vault, new.id, LEASE)
        assert claimed
        wanted = CallPlan(APPOINTMENT, "fr", {"booking_id": "b" * 32}, **plan)
        assert voice_messages.arrange(connection, store, claimed, wanted)
        assert outbox.told_by_call(connection, store.clock, store.vault, claimed)
    office.passes(RING_AFTER)
    return new.id


def dials(office: Office, number: str = LANDLINE) -> Ring:
    office.call_back.dial_machines(office.store, office.control)
    office.sweeps()
    return office.control.to(number)[-1]


def entry_of(office: Office, message_id: str) -> Any:
    wanted = select(queue_entry).where(queue_entry.c.message_id == message_id)
    (row,) = rows_of(office.house.database, wanted.where(queue_entry.c.outcome != "anew"))
    return row


def message_of(office: Office, message_id: str) -> Any:
    (row,) = rows_of(office.house.database, select(message).where(message.c.id == message_id))
    return row


def is_heard(office: Office, ring: Ring) -> None:
    """A person is there, and is told in a turn of that call."""
    store = office.store
    with store.database.transaction() as connection:
        answered = call_back.answered(connection, store, ring.leg, ring.sid)
        assert answered is RungPerson.MACHINE
    with store.database.transaction() as connection:
        voice_messages.heard(connection, store, ring.leg, ring.sid)


def told_of(office: Office, ring: Ring, statuses: tuple[str, ...]) -> None:
    for status in statuses:
        seconds = SECONDS if status == "completed" else None
        office.call_back.told(office.store, ring.leg, ring.sid, status, seconds)


def with_copies(order: tuple[str, ...], seed: int) -> tuple[str, ...]:
    """The same, each told once more at some later moment."""
    chance, found = random.Random(seed), list(order)  # noqa: S311 (nothing is kept secret with it)
    for status in order:
        found.insert(chance.randint(found.index(status) + 1, len(found)), status)
    return tuple(found)


# ---------------------------------------------------------------- in any order


def orders(office: Office) -> tuple[tuple[str, ...], ...]:
    """Every fifth: all of them take long, and show nothing more."""
    found = tuple(ORDERS[::5])
    # Each status comes first, and each last.
    assert len({order[0] for order in found}) >= len(STATUSES) + 1
    assert len({order[-1] for order in found}) >= len(STATUSES) + 1
    return found


def test_there_are_all_orders_of_five_statuses():
    assert len(set(ORDERS)) == 120


@pytest.mark.parametrize("last_try", [False, True])
def test_in_whatever_order_it_is_told_a_try_in_vain_comes_to_the_same(
    office: Office, *, last_try: bool
):
    ends = set()
    for number, order in enumerate(orders(office)):
        message_id = tells(office, a_landline(number))
        if last_try:
            entry_id = entry_of(office, message_id).id
            of_entry = update(queue_entry).where(queue_entry.c.id == entry_id)
            change(office.house.database, of_entry.values(tries=MOST_TRIES - 1))
        told_of(office, dials(office, a_landline(number)), with_copies(order, number))
        entry, told = entry_of(office, message_id), message_of(office, message_id)
        ends.add((
            *(entry.state, entry.outcome, entry.tries, told.state, told.error_code, told.seconds),
            (entry.due_at > office.store.clock.now()),
        ))  # fmt: skip
        # Of no more use, and in nobody's way.
        change(office.house.database, update(queue_entry).values(state="left"))
    if last_try:
        assert ends == {("lost", "unheard", 3, "undelivered", "rung in vain", SECONDS, False)}
    else:
        assert ends == {("waiting", "", 1, "sent", None, SECONDS, True)}


def test_in_whatever_order_it_is_told_what_was_heard_is_delivered(office: Office):
    ends = set()
    for number, order in enumerate(orders(office)):
        message_id = tells(office, a_landline(number))
        ring = dials(office, a_landline(number))
        told_of(office, ring, ("initiated", "in-progress"))
        is_heard(office, ring)
        told_of(office, ring, with_copies(order, number))
        entry, told = entry_of(office, message_id), message_of(office, message_id)
        ends.add((entry.state, entry.outcome, told.state, told.error_code, told.seconds))
    assert ends == {("done", "machine", "delivered", None, SECONDS)}


@pytest.mark.parametrize("status", [*STATUSES, "no-answer", "busy", "failed", "canceled"])
def test_an_unknown_call_is_no_error(office: Office, status: str):
    message_id = tells(office)
    dials(office)
    before = entry_of(office, message_id)
    for leg_id in ("f" * 32, ""):
        assert office.call_back.told(office.store, leg_id, "CAnobody", status, SECONDS) == ""
    assert entry_of(office, message_id) == before
    assert message_of(office, message_id).seconds is None


def test_of_several_tries_all_seconds_count(office: Office):
    message_id = tells(office)
    for _ in range(2):
        ring = dials(office)
        told_of(office, ring, ("completed", "completed"))
        office.passes(QUARTER)
    assert message_of(office, message_id).seconds == 2 * SECONDS
    seconds = rows_of(office.house.database, select(leg.c.seconds))
    assert [row.seconds for row in seconds] == [SECONDS] * 2


# ---------------------------------------------------------------- what becomes of it


def test_it_is_no_place_in_the_line_for_people(office: Office):
    message_id = tells(office)
    staff_id = office.agent()
    assert office.reserves() == 0
    assert office.state(staff_id) == "ready"
    assert entry_of(office, message_id).mode == "machine"
    assert OF_MESSAGES < BY_MACHINE
    with office.store.database.statement() as connection:
        assert callbacks.waiting(connection, office.store.clock) == (0, None)


def test_a_wish_to_be_rung_goes_first_and_the_message_after_it(office: Office):
    message_id = tells(office)
    own = office.promises(LANDLINE, "welcome")
    assert entry_of(office, message_id).outcome == callbacks.DISPLACED
    assert office.entry(own).mode == "agent"
    assert office.call_back.look_after(office.store) == 0
    end_of(office, own)
    assert office.call_back.look_after(office.store) >= 1
    entry = entry_of(office, message_id)
    assert (entry.state, entry.tries, entry.mode) == ("waiting", 0, "machine")
    assert message_of(office, message_id).state == "sent"
    office.passes(QUARTER)
    is_heard(office, dials(office))
    assert message_of(office, message_id).state == "delivered"


def test_tries_before_it_gave_way_are_not_forgotten(office: Office):
    message_id = tells(office)
    told_of(office, dials(office), ("no-answer",))
    end_of(office, office.promises(LANDLINE, "welcome"))
    office.call_back.look_after(office.store)
    assert entry_of(office, message_id).tries == 1


def test_a_call_that_goes_on_gives_way_to_the_wish_of_whoever_speaks(office: Office):
    """They are there, ask for a person, and nobody is: they are to be rung by one."""
    message_id = tells(office)
    ring = dials(office)
    with office.store.database.transaction() as connection:
        call_back.answered(connection, office.store, ring.leg, ring.sid)
        kept = promise(connection, office.store, LANDLINE, ring.sid, {"reason": "date_of_birth"})
    assert kept.is_new
    told_of(office, ring, ("completed",))
    assert entry_of(office, message_id).outcome == callbacks.DISPLACED
    assert office.entry(kept.entry_id or "").state == "waiting"


def end_of(office: Office, entry_id: str) -> None:
    store = office.store
    with store.database.transaction() as connection:
        assert callbacks.end(connection, store.clock, entry_id, "left", "refused")


def test_what_nobody_needs_any_more_is_not_dialled(office: Office):
    message_id = tells(office, until=office.store.clock.now() + timedelta(hours=1))
    office.passes(timedelta(hours=1))
    office.call_back.dial_machines(office.store, office.control)
    office.sweeps()
    assert office.control.to(LANDLINE) == []
    entry, told = entry_of(office, message_id), message_of(office, message_id)
    assert (entry.state, entry.outcome, told.state) == ("left", "needless", "dropped")


def test_who_was_there_and_did_not_hear_it_is_rung_again(office: Office):
    message_id = tells(office)
    ring = dials(office)
    with office.store.database.transaction() as connection:
        call_back.answered(connection, office.store, ring.leg, ring.sid)
    assert entry_of(office, message_id).state == "reserved"
    told_of(office, ring, ("completed",))
    entry, told = entry_of(office, message_id), message_of(office, message_id)
    assert (entry.state, entry.tries, told.state) == ("waiting", 1, "sent")


def test_a_talk_whose_end_nobody_told_is_over_in_the_end(office: Office):
    message_id = tells(office)
    ring = dials(office)
    with office.store.database.transaction() as connection:
        call_back.answered(connection, office.store, ring.leg, ring.sid)
    office.passes(callbacks.LONGEST_TALK - timedelta(minutes=1))
    office.call_back.look_after(office.store)
    assert entry_of(office, message_id).state == "reserved"
    office.passes(timedelta(minutes=2))
    office.call_back.look_after(office.store)
    assert entry_of(office, message_id).state == "waiting"


def test_talks_take_no_line_from_those_who_are_to_be_rung(office: Office):
    lines = call_back.machines_at_once(office.control.calls_per_second)
    for number in range(lines):
        tells(office, a_landline(number))
    office.call_back.dial_machines(office.store, office.control)
    office.sweeps()
    with office.store.database.statement() as connection:
        assert callbacks.machines_dialling(connection) == lines
    ring = office.control.to(a_landline(0))[-1]
    with office.store.database.transaction() as connection:
        call_back.answered(connection, office.store, ring.leg, ring.sid)
    tells(office, a_landline(99))
    office.call_back.dial_machines(office.store, office.control)
    office.sweeps()
    assert office.control.to(a_landline(99))


def test_refused_it_is_undelivered_and_followed_up(office: Office):
    message_id = tells(office)
    ring = dials(office)
    with office.store.database.transaction() as connection:
        call_back.refused(connection, office.store, ring.leg)
    told = message_of(office, message_id)
    assert (told.state, told.error_code) == ("undelivered", "not wanted")
    assert len(office.house.messages(FOLLOW_UP)) == 1


def test_no_text_says_that_a_message_could_not_be_told(office: Office):
    """Of a promise one does; of a message, what follows is the outbox's."""
    tells(office, MOBILE)
    for status in ("completed", "completed", "no-answer"):
        told_of(office, dials(office, MOBILE), (status,))
        office.passes(timedelta(hours=2))
    assert office.house.messages("sms") == []


def test_one_that_cannot_be_told_keeps_nobody_else_from_being_rung(office: Office):
    first, second = tells(office), tells(office, a_landline(1))

    def wanted(_: Any, __: Any, claimed: ClaimedMessage) -> bool:
        if claimed.id == first:
            raise ZeroDivisionError
        return True

    office.call_back = replace(office.call_back, still_wanted=wanted)
    assert dials(office, a_landline(1))
    assert office.control.to(LANDLINE) == []
    assert (entry_of(office, first).state, entry_of(office, second).tries) == ("waiting", 1)
