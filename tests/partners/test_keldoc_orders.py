"""An appointment at Keldoc for somebody of ours: one, or none, whatever goes wrong in between."""

from __future__ import annotations

import threading

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from sqlalchemy import update

from jobs.partner_mirror import mirror_all
from models.centre_day import operations
from models.slots.places import HeldPlace
from models.slots.tables import place
from partners.platforms.keldoc.booking import Keldoc
from services.booking.change_booking import cancel, move, undo_cancel
from services.booking.changed import By, Cancelled, Moved, Restored
from services.partners.booking import NotAsked, OrderStage, PlacedOrder, Why, state_of
from services.ports import PartnerTime
from services.privacy.erase_data import erase_data
from services.slots.allocate import Allocate, Channel, Chosen, Holder
from tests.support.house import NOON, campaign_with
from tests.support.keldoc import (
    AGENDA,
    FIRST,
    MORNING,
    OTHER_AGENDA,
    SECOND,
    Beside,
    Meanwhile,
    beside,
)
from tests.support.rows import clock_of
from tools.simulator.keldoc import take_as_public
from tools.simulator.keldoc_diary import Refusal

# Longer than any wait between two tries, and than a lease.
LATER = timedelta(minutes=6)
FREE = {"free": 1, "held": 0, "booked": 0, "blocked": 0}


@pytest.fixture
def keldoc(database_url: str) -> Iterator[Beside]:
    with beside(database_url) as made:
        made.opens()
        made.mirrors()
        yield made


def asked(one: Beside, **changes: Any) -> str:
    found = one.asks(**changes)
    assert isinstance(found, PlacedOrder), found
    return found.id


def stage(one: Beside, order_id: str) -> Any:
    with one.house.database.statement() as connection:
        found = state_of(connection, one.house.store, order_id)
    assert found is not None
    return found


def test_booked_on_both_sides_and_told_only_then(keldoc: Beside):
    one = keldoc
    order = asked(one)

    assert stage(one, order).stage is OrderStage.ASKED
    assert one.places() == FREE | {"free": 0, "held": 1}
    assert one.house.bookings() == []
    assert one.texts() == []
    assert one.diary.confirmed() == []
    again = one.asks()
    assert again == PlacedOrder(order, repeated=True)

    assert one.delivers() == ["booked"]

    (there,) = one.diary.confirmed()
    assert (there.start_at, there.agenda_id, there.motive_id) == (MORNING, AGENDA, FIRST)
    assert there.duration == 600
    assert one.diary.patients[there.patient_id] == {
        "first_name": "Jeanne",
        "last_name": "Martin",
        "birth_date": "1942-03-12",
        "zipcode": "75011",
        "phone": "+33612345678",
    }
    now = stage(one, order)
    (booked,) = one.house.bookings()
    assert (now.stage, now.reference) == (OrderStage.BOOKED, booked.reference)
    assert (booked.channel, booked.start_at) == ("web", MORNING)
    assert one.places() == FREE | {"free": 0, "booked": 1}
    (text,) = one.texts()
    assert booked.reference in text
    assert one.delivers(LATER) == []


def test_two_doses_are_two_appointments_there_or_none(database_url: str):
    with beside(database_url, motives=(FIRST, SECOND), campaign=campaign_with(doses=2)) as one:
        second = MORNING + timedelta(days=21)
        one.opens()
        one.opens(second)
        one.mirrors()
        order = asked(one, second_slot_id=one.slot(second))
        one.diary.set_faults({"next": ["ok"] * 6 + ["422"]})

        assert one.delivers() == ["undone"]

        # The second was refused after the first was confirmed: that one went again.
        assert one.diary.confirmed() == []
        assert one.places(second) == FREE | {"free": 0, "blocked": 1}
        assert one.places() == FREE
        assert (stage(one, order).stage, stage(one, order).why) == (OrderStage.REFUSED, "gone")
        one.mirrors()
        asked(one, key="W1:2", second_slot_id=one.slot(second))

        assert one.delivers() == ["booked"]

        there = [(at.start_at, at.motive_id) for at in one.diary.confirmed()]
        assert there == [(MORNING, FIRST), (second, SECOND)]


# ------------------------------------------------------------------ what goes wrong

# Requests in their order; motives were read by the mirror.
REQUESTS = ("patients", "free time", "write down", "confirm")


@pytest.mark.parametrize("fault", ["500", "cut", "lost"])
@pytest.mark.parametrize("at", range(len(REQUESTS)), ids=REQUESTS)
def test_a_lost_answer_makes_no_second_appointment(keldoc: Beside, fault: str, at: int):
    order = asked(keldoc)
    keldoc.diary.set_faults({"next": ["ok"] * at + [fault]})

    assert keldoc.delivers() == ["no answer"]
    assert keldoc.house.bookings() == []
    assert keldoc.texts() == []
    assert stage(keldoc, order).stage is OrderStage.ASKED
    assert keldoc.places() == FREE | {"free": 0, "held": 1}

    assert keldoc.delivers(LATER) == ["booked"]
    assert len(keldoc.diary.confirmed()) == len(keldoc.house.bookings()) == 1


@pytest.mark.parametrize("fault", ["400", "404", "422"])
@pytest.mark.parametrize("at", [2, 3], ids=REQUESTS[2:])
def test_what_keldoc_refuses_is_given_back_and_told(keldoc: Beside, fault: str, at: int):
    order = asked(keldoc)
    keldoc.diary.set_faults({"next": ["ok"] * at + [fault]})

    assert keldoc.delivers() == ["refused" if at == 2 else "undone"]

    assert keldoc.diary.appointments == {}
    assert keldoc.house.bookings() == []
    assert keldoc.places() == FREE | {"free": 0, "blocked": 1}
    now = stage(keldoc, order)
    assert (now.stage, now.why, now.reference) == (OrderStage.REFUSED, "gone", "")
    (text,) = keldoc.texts()
    assert "n'est pas pris" in text
    # It is free there after all: the next reading lets it be had again.
    keldoc.mirrors()
    assert keldoc.places() == FREE


@pytest.mark.parametrize("fault", ["401", "402", "406"])
def test_keys_and_quota_are_for_an_operator_and_the_order_waits(keldoc: Beside, fault: str):
    order = asked(keldoc)
    keldoc.diary.set_faults({"next": [fault, fault]})

    assert keldoc.delivers() == ["refused to us"]
    assert keldoc.delivers(LATER) == ["refused to us"]
    assert keldoc.cases() == [f"keldoc {fault}"]
    assert stage(keldoc, order).stage is OrderStage.ASKED
    assert keldoc.delivers(LATER) == ["booked"]
    assert len(keldoc.diary.confirmed()) == 1


def test_a_refusal_keeps_its_reason_while_it_cannot_be_undone(keldoc: Beside):
    order = asked(keldoc)
    keldoc.diary.set_faults({"next": ["ok", "ok", "ok", "422", "402", "402"]})

    assert keldoc.delivers() == ["refused to us"]
    assert keldoc.delivers(LATER) == ["refused to us"]
    assert keldoc.cases() == ["keldoc 402"]
    assert (stage(keldoc, order).stage, stage(keldoc, order).why) == (OrderStage.REFUSED, "gone")
    assert keldoc.delivers(LATER) == ["undone"]
    assert keldoc.diary.appointments == {}


@pytest.mark.parametrize("confirmed", [False, True])
def test_nobody_waits_for_ever(keldoc: Beside, *, confirmed: bool):
    """After half an hour without an answer it is over, and what may be there goes."""
    order = asked(keldoc)
    keldoc.diary.set_faults({"next": ["ok"] * 3 + ["cut" if confirmed else "lost"]})
    assert keldoc.delivers() == ["no answer"]
    assert len(keldoc.diary.confirmed()) == confirmed

    assert keldoc.delivers(timedelta(minutes=31)) == ["undone"]

    assert keldoc.diary.appointments == {}
    assert keldoc.places() == FREE
    assert (stage(keldoc, order).stage, stage(keldoc, order).why) == (
        OrderStage.REFUSED,
        "no_answer",
    )
    assert len(keldoc.texts()) == 1


def test_a_partner_that_is_not_there_or_slow_is_asked_again(database_url: str):
    goes_on = threading.Event()

    def waits(_: float) -> None:
        goes_on.wait(10)

    with beside(database_url, sleep=waits, timeouts=(1.0, 0.3)) as one:
        one.opens()
        one.mirrors()
        asked(one)
        one.diary.set_faults({"next": [{"delay": 1}]})
        try:
            assert one.delivers() == ["no answer"]
        finally:
            goes_on.set()
        real = one.keldoc._account
        one.keldoc._account = type(real)("http://127.0.0.1:1/partners", real.key, real.secret)
        assert one.delivers(LATER) == ["busy"]
        one.keldoc._account = real
        assert one.delivers(LATER) == ["booked"]
        assert len(one.diary.confirmed()) == 1


def test_a_partner_without_an_answer_holds_up_nobody_else(keldoc: Beside):
    """After one that got none the others wait a moment, and nobody's place is lost by it."""
    keldoc.opens(MORNING + timedelta(hours=1))
    keldoc.mirrors()
    later = keldoc.slot(MORNING + timedelta(hours=1))
    asked(keldoc)
    asked(keldoc, key="W2:1", slot_id=later, number="+33612345699")
    keldoc.diary.set_faults({"next": ["500"]})
    attendant = keldoc.attendant()

    assert keldoc.delivers(by=attendant) == ["no answer", "put off"]
    assert len(keldoc.diary.seen) == 4, "two readings, and one try"
    assert keldoc.delivers(LATER, by=attendant) == ["booked", "booked"]


def test_who_comes_is_erased_when_it_is_over(keldoc: Beside):
    order = asked(keldoc)
    clock_of(keldoc.house).advance(timedelta(hours=25))
    erase_data(keldoc.house.store)
    assert keldoc.kept(order).visitor is not None
    keldoc.delivers()
    clock_of(keldoc.house).advance(timedelta(hours=25))
    erase_data(keldoc.house.store)
    assert keldoc.kept(order).visitor is None


@dataclass
class AtOnce:
    """Keldoc's client without the two steps: what is written down there is confirmed already."""

    client: Keldoc

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def prepare(self, time: PartnerTime, agenda: str, patient: str) -> str:
        body = self.client._appointment(time, agenda, patient, "confirmed")
        return str(self.client._request("POST", "/appointments", body=body)["id"])


def test_without_the_two_steps_a_lost_answer_leaves_an_appointment_that_nobody_knows_of(
    keldoc: Beside,
):
    """The guard of what is above: confirmed at once, Keldoc has what its person was refused."""
    order = asked(keldoc)
    keldoc.booker = AtOnce(keldoc.keldoc)
    keldoc.diary.set_faults({"next": ["ok", "ok", "cut"]})
    assert keldoc.delivers() == ["no answer"]
    assert keldoc.delivers(LATER) == ["refused"]
    assert stage(keldoc, order).stage is OrderStage.REFUSED
    assert len(keldoc.diary.confirmed()) == 1


# ------------------------------------------------------------------ who dies in between


class Died(BaseException):
    """The process is gone; nothing is caught, nothing is cleaned up."""


@dataclass
class Dies:
    """Keldoc's client in a process that dies right after one of its answers."""

    client: Any
    after: str

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)

        def call(*arguments: Any) -> Any:
            found = method(*arguments)
            if name == self.after:
                raise Died
            return found

        return call


@pytest.mark.parametrize("after", ["register", "prepare", "confirm"])
def test_a_crash_between_their_yes_and_our_commit(keldoc: Beside, after: str):
    one = keldoc
    order = asked(one)
    one.booker = Dies(one.keldoc, after)
    with pytest.raises(Died):
        one.delivers()
    assert one.house.bookings() == []
    one.booker = None
    assert one.delivers() == [], "its lease has not run out"

    assert one.delivers(timedelta(seconds=26)) == ["booked"]

    assert len(one.diary.confirmed()) == len(one.house.bookings()) == 1
    assert stage(one, order).stage is OrderStage.BOOKED
    assert len(one.texts()) == 1


def take_ours(one: Beside) -> None:
    """Our hold ran out while the partner was asked, and somebody else has the place."""
    until = one.house.clock.now() + timedelta(hours=1)
    with one.house.database.transaction() as connection:
        connection.execute(
            update(place).values(held_by="another", hold_expires_at=until, hold_limit_at=until)
        )


def test_what_cannot_be_ours_any_more_is_taken_away_there(keldoc: Beside):
    one = keldoc
    order = asked(one)
    one.booker = Meanwhile("confirm", one.keldoc, lambda: take_ours(one))
    one.diary.set_faults({"next": ["ok"] * 4 + ["500", "lost"]})

    assert one.delivers() == ["no answer"]
    assert one.house.bookings() == []
    assert len(one.diary.confirmed()) == 1, "the partner did not hear of it yet"
    assert stage(one, order).stage is OrderStage.REFUSED
    assert one.delivers(LATER) == ["no answer"]
    assert one.delivers(LATER) == ["undone"]
    assert one.diary.appointments == {}
    (text,) = one.texts()
    assert "n'est pas pris" in text


def test_a_hold_that_ran_out_does_no_harm_while_the_place_is_free(keldoc: Beside):
    asked(keldoc)
    with keldoc.house.database.transaction() as connection:
        connection.execute(update(place).values(hold_expires_at=NOON - timedelta(minutes=1)))

    assert keldoc.delivers() == ["booked"]
    assert len(keldoc.house.bookings()) == len(keldoc.diary.confirmed()) == 1


# ------------------------------------------------------------------ cancelled later


def by(one: Beside) -> By:
    return By("caller", Channel.WEB)


def test_a_cancellation_goes_there_once_nobody_can_take_it_back(keldoc: Beside):
    one = keldoc
    order = asked(one)
    one.delivers()
    booking_id = one.kept(order).booking_id
    store, campaign = one.house.store, one.house.campaign
    with one.house.database.transaction() as connection:
        done = cancel(connection, store, booking_id, by=by(one))
    assert isinstance(done, Cancelled)
    assert one.delivers() == []
    with one.house.database.transaction() as connection:
        holder = Holder(Channel.WEB, "W1")
        back = undo_cancel(connection, store, campaign, holder, booking_id, by=by(one))
    assert isinstance(back, Restored)
    # What was cancelled is there again, and stays there.
    assert one.delivers(timedelta(minutes=13)) == ["needless", "needless"]
    assert len(one.diary.confirmed()) == 1

    with one.house.database.transaction() as connection:
        cancel(connection, store, booking_id, by=by(one))
    one.diary.set_faults({"next": ["cut"]})
    assert one.delivers(timedelta(minutes=13)) == ["no answer"]
    # It was heard: gone already is as good.
    assert one.delivers(LATER) == ["undone"]
    assert one.diary.appointments == {}
    assert one.kept(order).state == "undone"


def test_who_moves_to_a_centre_of_ours_is_taken_away_there_at_once(keldoc: Beside):
    order = asked(keldoc)
    keldoc.delivers()
    booking_id = keldoc.kept(order).booking_id
    keldoc.house.opens_centre("1", starts=[MORNING + timedelta(days=1)])
    with keldoc.house.database.transaction() as connection:
        to = {1: Chosen(0, keldoc.slot(MORNING + timedelta(days=1)), MORNING + timedelta(days=1))}
        holder = Holder(Channel.WEB, "W1")
        campaign = keldoc.house.campaign
        done = move(
            connection, keldoc.house.store, campaign, holder, booking_id, to=to, by=by(keldoc)
        )
    assert isinstance(done, Moved)

    assert keldoc.delivers() == ["undone"]
    assert keldoc.diary.appointments == {}
    (booked,) = keldoc.house.bookings()
    assert (booked.centre_id, booked.state) == ("1", "confirmed")


# ------------------------------------------------------------------ one place, many who want it


def test_the_last_place_has_one_winner(keldoc: Beside):
    """Web, an agent for a caller, a desk without one, and somebody on Keldoc's own site."""
    one = keldoc
    slot = one.slot()
    start = threading.Barrier(4)
    takers = {
        "web": Holder(Channel.WEB, "W1"),
        "phone": Holder(Channel.AGENT, "desk:entry"),
        "desk": Holder(Channel.AGENT, "desk:agent"),
    }

    def ours(name: str) -> str:
        start.wait()
        number = f"+3361234560{len(name)}"
        found = one.asks(key=f"{name}:1", holder=takers[name], slot_id=slot, number=number)
        return name if isinstance(found, PlacedOrder) else ""

    def public() -> str:
        start.wait()
        try:
            body = {"agenda_id": AGENDA, "start_at": MORNING.isoformat(), "motive_id": FIRST}
            take_as_public(one.diary, body)
        except Refusal:
            return ""
        return "keldoc"

    with ThreadPoolExecutor(4) as crowd:
        waiting = [crowd.submit(ours, name) for name in takers] + [crowd.submit(public)]
        won = [found for found in (each.result() for each in waiting) if found]
    while one.delivers(LATER):
        pass

    assert len([name for name in won if name != "keldoc"]) <= 1
    assert len(one.diary.confirmed()) == 1
    ours_booked = len(one.house.bookings())
    assert ours_booked == ("keldoc" not in won)
    # Whoever did not get it was told so, and nobody else.
    texts = one.texts()
    assert sum("n'est pas pris" in text for text in texts) + ours_booked == len(texts)


def test_without_our_hold_it_would_be_asked_for_twice(
    keldoc: Beside, monkeypatch: pytest.MonkeyPatch
):
    """The guard of the race above: with it one asks, without it two would."""

    def only_looks(self: Allocate, slot_id: int) -> HeldPlace:
        return HeldPlace(1, slot_id, "k1", MORNING)

    two = [{"key": f"W{n}:1", "number": f"+3361234560{n}"} for n in (1, 2)]
    found = [keldoc.asks(**each) for each in two]
    assert [isinstance(each, PlacedOrder) for each in found] == [True, False]
    assert found[1] == NotAsked(Why.GONE)

    with monkeypatch.context() as off:
        off.setattr(Allocate, "hold_slot", only_looks)
        assert isinstance(keldoc.asks(key="W3:1", number="+33612345603"), PlacedOrder)
    # And even then the partner and the place itself let one of them through.
    while keldoc.delivers(LATER):
        pass
    assert len(keldoc.diary.confirmed()) == len(keldoc.house.bookings()) == 1


def test_somebody_on_their_own_site_was_quicker(keldoc: Beside):
    asked(keldoc)
    take_as_public(keldoc.diary, {"agenda_id": AGENDA, "start_at": MORNING.isoformat()})

    assert keldoc.delivers() == ["refused"]
    ordered = [path for method, path in keldoc.diary.seen if method == "POST"]
    assert not any("/appointments" in path for path in ordered)
    assert keldoc.house.bookings() == []


# ------------------------------------------------------------------ who may not ask


def test_what_is_not_asked_for(keldoc: Beside):
    assert keldoc.asks(last_name="  ") == NotAsked(Why.NO_NAME)
    assert keldoc.asks(second_slot_id=keldoc.slot()) == NotAsked(Why.NOT_OFFERED)
    assert keldoc.asks(centre_id="elsewhere") == NotAsked(Why.NOT_OFFERED)
    assert keldoc.asks(born=NOON.date()) == NotAsked(Why.TOO_YOUNG)
    assert keldoc.asks(slot_id=999) == NotAsked(Why.GONE)
    assert keldoc.places() == FREE
    asked(keldoc)
    keldoc.delivers()
    keldoc.opens(MORNING + timedelta(hours=1))
    keldoc.mirrors()
    later = keldoc.slot(MORNING + timedelta(hours=1))
    staff = Holder(Channel.AGENT, "desk-1")
    assert keldoc.asks(key="W1:2", slot_id=later, holder=staff) == NotAsked(Why.PERSON_NEEDED)


def test_who_is_booked_already_is_told_like_anybody_and_has_nothing_twice(keldoc: Beside):
    """A visitor learns nothing of it, and the partner's appointment is theirs for a moment only."""
    asked(keldoc)
    assert keldoc.delivers() == ["booked"]
    keldoc.opens(MORNING + timedelta(hours=1))
    keldoc.mirrors()
    later = keldoc.slot(MORNING + timedelta(hours=1))
    again = keldoc.asks(key="W2:1", slot_id=later, holder=Holder(Channel.WEB, "W2"))
    assert isinstance(again, PlacedOrder)
    assert stage(keldoc, again.id).stage is OrderStage.ASKED

    assert keldoc.delivers() == ["stand-in"]

    told = stage(keldoc, again.id)
    assert told.stage is OrderStage.BOOKED
    assert len(told.reference) == 10
    assert keldoc.delivers() == ["undone"]
    assert stage(keldoc, again.id).stage is OrderStage.BOOKED
    (there,) = keldoc.diary.confirmed()
    assert there.start_at == MORNING
    live = [one for one in keldoc.house.bookings() if one.start_at == MORNING]
    assert len(live) == 1


# ------------------------------------------------------------------ in step with their agendas


def test_places_follow_the_partners_agendas(database_url: str):
    with beside(database_url, agendas=(AGENDA, OTHER_AGENDA)) as one:
        one.opens(minutes=20)
        one.opens(agenda=OTHER_AGENDA)
        # Told twice and overlapping, it is still the same time.
        one.opens(minutes=15)
        one.mirrors()
        ten_past = MORNING + timedelta(minutes=10)
        assert one.places() == FREE | {"free": 2}
        assert one.places(ten_past) == FREE
        one.mirrors()
        assert one.places() == FREE | {"free": 2}

        asked(one)
        take_as_public(one.diary, {"agenda_id": OTHER_AGENDA, "start_at": MORNING.isoformat()})
        take_as_public(one.diary, {"agenda_id": AGENDA, "start_at": ten_past.isoformat()})
        one.house.clock.advance(LATER)  # type: ignore[attr-defined]
        one.mirrors()
        # One is held, and may be the one that the partner still shows.
        assert one.places() == {"free": 0, "held": 1, "booked": 0, "blocked": 1}
        assert one.places(ten_past) == FREE | {"free": 0, "blocked": 1}

        assert one.delivers() == ["booked"]
        one.house.clock.advance(LATER)  # type: ignore[attr-defined]
        one.mirrors()
        assert one.places() == {"free": 0, "held": 0, "booked": 1, "blocked": 1}

        one.diary.appointments.clear()
        one.mirrors()
        assert one.places(ten_past) == FREE
        one.keldoc.centres.clear()
        one.house.clock.advance(LATER)  # type: ignore[attr-defined]
        assert mirror_all(one.house.store, one.keldoc, one.house.campaign) == 0
        assert one.places(ten_past) == FREE | {"free": 0, "blocked": 1}
        later = one.asks(key="W9:1", slot_id=one.slot(ten_past), number="+33612345699")
        assert later == NotAsked(Why.NOT_OFFERED)


def test_an_import_of_centres_leaves_what_is_booked_there(keldoc: Beside):
    """Its mode is not ours, and yet neither its places nor its people are to go elsewhere."""
    one = keldoc
    asked(one)
    one.delivers()
    one.opens(MORNING + timedelta(hours=1))
    one.mirrors()
    with one.house.database.statement() as connection:
        assert operations.unsettled(connection, one.house.clock) == []


def test_a_reading_that_fails_changes_nothing(keldoc: Beside):
    keldoc.diary.set_faults({"next": ["500"]})
    assert mirror_all(keldoc.house.store, keldoc.keldoc, keldoc.house.campaign) == 0
    assert keldoc.places() == FREE
