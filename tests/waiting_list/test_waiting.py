"""The waiting list: whom a freed place goes to, in which order, and nobody in between."""

from __future__ import annotations

import json
import threading

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from sqlalchemy import func, select, update

from flows.world import Unbooked
from jobs import scheduler, timed
from models.booking import bookings
from models.booking.reach import Proof
from models.booking.tables import appointment
from models.messages.tables import message
from models.slots.tables import place
from models.waiting_list import positions, waiting
from models.waiting_list.tables import waiting_entry
from models.waiting_list.waiting import Waiter
from prompts.catalogue import load
from services.booking.change_booking import cancel, move
from services.booking.changed import By, Moved, Unchanged
from services.booking.confirm_booking import Booked
from services.campaign.campaign import Campaign
from services.privacy.erase_data import erase_data
from services.slots.allocate import Channel, Chosen, Holder
from services.slots.give_back import give_back_holds, undoing
from services.slots.open_slots import open_slots
from services.waiting_list import entries as waiting_list
from services.waiting_list.entries import EntryState, NoPhone, NoPlace
from services.waiting_list.freed_slot_offers import (
    GRACE,
    OfferFreedPlaces,
    offer_freed,
    offer_lasts,
)
from services.work import Work
from tests.support.house import CAMPAIGN, House, campaign_with, mornings
from tests.support.rows import (
    PARIS,
    booked_places,
    change,
    clock_of,
    doubles,
    holds,
    near,
    on_the_wire,
    opens_centre_at,
    orders,
    request_for,
    rows_of,
    soon,
)

BORN = date(1942, 3, 12)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
OFFER = CAMPAIGN.waiting_offer
TWO_DOSES = campaign_with(doses=2)


def number_of(person: int) -> str:
    return f"+3361{person:07d}"


def joins(house: House, person: int, *, campaign: Campaign = CAMPAIGN, **wish: Any) -> str:
    """Somebody waits: at a centre (`centre_id`), or by default within 30 km of 75011."""
    if "centre_id" not in wish:
        wish = {
            "latitude": PARIS[0],
            "longitude": PARIS[1],
            "territory": "metropole",
            "kilometres": 30.0,
        } | wish
    with house.database.transaction() as connection:
        number = str(wish.pop("number", number_of(person)))
        who = Waiter(BORN, number, "75011", **wish)
        entry = waiting_list.join(Work(connection, house.store, campaign), who)
    if hasattr(house.clock, "advance"):
        clock_of(house).advance(timedelta(seconds=1))
    return entry


def books(
    house: House, person: int, place_ids: Sequence[int], *, campaign: Campaign = CAMPAIGN
) -> str:
    """Book exactly these places behind the door's back; gives the booking."""
    with house.database.transaction() as connection:
        booking_id = house.store.chance.identifier()
        rows = connection.execute(
            select(place.c.id, place.c.start_at, place.c.centre_id)
            .where(place.c.id.in_(place_ids))
            .order_by(place.c.start_at)
        ).all()
        assert connection.execute(
            update(place)
            .where(place.c.id.in_(place_ids), place.c.booking_id.is_(None))
            .values(booking_id=booking_id, held_by=None, hold_expires_at=None, hold_limit_at=None)
        ).rowcount == len(place_ids)
        new = bookings.NewBooking(
            id=booking_id,
            idempotency_key=booking_id,
            channel="phone",
            campaign=campaign.name,
            centre_id=rows[0].centre_id,
            call_id=None,
            born=date(1941, 1, 1),
            number=number_of(person),
            postcode="75011",
            doses=tuple((row.id, row.start_at) for row in rows),
            reach=Proof.LINE,
        )
        reference = house.store.chance.reference()
        added = bookings.add(connection, house.clock, house.store.vault, new, reference)
        assert added is bookings.Added.DONE
    return booking_id


def cancels(house: House, booking_id: str, *, campaign: Campaign = CAMPAIGN) -> None:
    with house.database.transaction() as connection:
        by = By("caller", Channel.PHONE)
        done = cancel(connection, house.store, booking_id, by=by)
        assert not isinstance(done, Unchanged)
        # As if the minutes were over in which it can be taken back.
        freed = give_back_holds(connection, undoing(booking_id))
        offer_freed(Work(connection, house.store, campaign), freed)


def place_ids(house: House, centre_id: str = "1") -> list[int]:
    statement = select(place.c.id).where(place.c.centre_id == centre_id)
    return [row.id for row in rows_of(house.database, statement.order_by(place.c.start_at))]


def full(house: House, starts: int = 1, *, campaign: Campaign = CAMPAIGN) -> list[str]:
    """A centre near 75011 with all places booked; gives the bookings, by their start."""
    house.opens_centre("1", starts=mornings(starts))
    return [
        books(house, 900 + number, [one], campaign=campaign)
        for number, one in enumerate(place_ids(house))
    ]


def holder(house: House, place_id: int) -> str | None:
    """The entry that a place is held for at this moment."""
    ((held_by, until),) = rows_of(
        house.database,
        select(place.c.held_by, place.c.hold_expires_at).where(place.c.id == place_id),
    )
    if held_by is None or until <= house.clock.now():
        return None
    return str(held_by).removeprefix("waiting:")


def stands(house: House, entry_id: str) -> waiting_list.WaitingListPosition:
    with house.database.statement() as connection:
        found = waiting_list.position(connection, house.store, entry_id)
    assert found is not None
    return found


def accepts(
    house: House, entry_id: str, *, campaign: Campaign = CAMPAIGN, **options: Any
) -> Booked | Unbooked:
    with house.database.transaction() as connection:
        return waiting_list.accept(
            Work(connection, house.store, campaign),
            entry_id,
            catalogue=load("fr"),
            national_number="+33974750001",
            **options,
        )


def declines(house: House, entry_id: str, *, campaign: Campaign = CAMPAIGN) -> bool:
    with house.database.transaction() as connection:
        return waiting_list.decline(Work(connection, house.store, campaign), entry_id)


def leaves(house: House, entry_id: str, *, campaign: Campaign = CAMPAIGN) -> bool:
    with house.database.transaction() as connection:
        return waiting_list.leave(Work(connection, house.store, campaign), entry_id)


def offers(house: House, *places: int, campaign: Campaign = CAMPAIGN) -> int:
    with house.database.transaction() as connection:
        return offer_freed(Work(connection, house.store, campaign), places)


def tells(house: House) -> None:
    """Whatever is to be told has left."""
    sent = update(message).where(message.c.kind == "waiting_offer", message.c.state == "pending")
    change(house.database, sent.values(state="sent", sent_at=house.clock.now()))


def advances(house: House, campaign: Campaign = CAMPAIGN) -> int:
    return waiting_list.advance(house.store, lambda: [campaign])


# ---------------------------------------------------------------- who comes first


@pytest.mark.parametrize("where", [{}, {"centre_id": "1"}])
def test_a_freed_place_is_offered_to_whoever_waits_longest(service: House, where: dict[str, Any]):
    (booking,) = full(service)
    (one,) = place_ids(service)
    first, second = joins(service, 1, **where), joins(service, 2, **where)
    assert (stands(service, first).ahead, stands(service, second).ahead) == (0, 1)

    cancels(service, booking)

    assert holder(service, one) == first
    standing = stands(service, first)
    assert standing.state == EntryState.OFFERED
    assert standing.offered_until == service.clock.now() + OFFER
    assert [offer.place_id for offer in standing.offer] == [one]
    assert stands(service, second).state == EntryState.WAITING
    (event,) = service.messages("waiting_offer")
    payload = json.loads(service.text_of(event))
    assert (payload["entry"], payload["places"], payload["offer"]) == (first, [one], 1)
    assert datetime.fromisoformat(payload["until"]) == standing.offered_until
    assert event.recipient_idx == service.store.vault.index("phone", number_of(1))
    # To everybody else the centre is as full as before.
    assert holds(service, "CA-quick") == []


def test_classes_go_before_time_and_time_decides_within_a_class(service: House):
    freed = full(service, 4)
    late = joins(service, 1, class_rank=1, centre_id="1")
    carers = [joins(service, 2), joins(service, 3, centre_id="1")]
    later = joins(service, 4, class_rank=1)
    for booking in freed:
        cancels(service, booking)
    taken = [holder(service, one) for one in place_ids(service)]
    assert taken == [*carers, late, later]


@pytest.mark.parametrize(
    ("where", "first_read"),
    [
        pytest.param({"centre_id": "1"}, 1, id="of a centre"),
        pytest.param({}, 1, id="of a territory"),
        pytest.param({}, 0, id="of a neighbourhood"),
    ],
)
def test_place_is_offered_to_earliest_entry_when_ids_disagree(
    service: House, monkeypatch: pytest.MonkeyPatch, where: dict[str, Any], first_read: int
):
    """With a page of one entry, the order of the statement alone decides who is offered it."""
    monkeypatch.setattr(positions, "_PAGE", 1)
    monkeypatch.setattr(positions, "_FIRST", first_read)
    service.opens_centre("1", starts=mornings(1))
    entries = [joins(service, person, **where) for person in (1, 2, 3)]
    assert entries == sorted(entries)
    # The second entry waits longest. Its row is written last, and its id is not the lowest.
    earliest = service.clock.now() - DAY
    moved = update(waiting_entry).where(waiting_entry.c.id == entries[1])
    assert change(service.database, moved.values(created_at=earliest)) == 1
    assert offers(service, *place_ids(service)) == 1
    assert holder(service, place_ids(service)[0]) == entries[1]


def test_several_places_freed_at_once_go_to_several_people_the_earliest_to_the_first(
    service: House,
):
    service.opens_centre("1", starts=mornings(3))
    entries = [joins(service, number) for number in range(3)]
    assert offers(service, *reversed(place_ids(service))) == 3
    assert [holder(service, one) for one in place_ids(service)] == entries


def test_distance_is_measured_and_no_sea_is_crossed(service: House):
    opens_centre_at(service, "1", PARIS[0] + 29 / 111.195, PARIS[1], starts=mornings(1))
    joins(service, 1, kilometres=28.5)
    joins(service, 2, territory="corse", kilometres=90.0)
    joins(service, 3, centre_id="2")
    # 29.4 km away on a flat map, and far away by the Vistula.
    joins(service, 4, longitude=PARIS[1] + 0.5)
    assert offers(service, *place_ids(service)) == 0
    near_enough = joins(service, 5, kilometres=29.5)
    assert offers(service, *place_ids(service)) == 1
    assert holder(service, place_ids(service)[0]) == near_enough


def test_nobody_is_sent_beyond_the_campaigns_radius(service: House):
    opens_centre_at(service, "1", PARIS[0] + 120 / 111.195, PARIS[1], starts=mornings(1))
    joins(service, 1, kilometres=500.0)
    assert offers(service, *place_ids(service)) == 0


def test_more_who_are_just_too_far_than_one_look_takes_in(service: House):
    """A flat map takes them for candidates; the first who is near enough is found behind them."""
    opens_centre_at(service, "1", PARIS[0] + 29 / 111.195, PARIS[1], starts=mornings(1))
    for number in range(45):
        joins(service, number, kilometres=28.9)
    last = joins(service, 99, kilometres=30.0)
    assert offers(service, *place_ids(service)) == 1
    assert holder(service, place_ids(service)[0]) == last


def test_where_few_wait_they_are_found_behind_a_crowd_elsewhere(service: House):
    """Looking at the first of all does not find them: then the neighbourhood is looked at."""
    opens_centre_at(service, "1", 43.6, 1.4, starts=mornings(2))
    crowd = {**waiting_row(service), "band": waiting.band_of(PARIS[0])}
    with service.database.transaction() as connection:
        rows = [
            crowd | {"id": f"c{number:031d}", "person_idx": number.to_bytes(16, "big")}
            for number in range(1200)
        ]
        connection.execute(waiting_entry.insert(), rows)
    # At a centre, behind somebody by distance whom only the second look finds.
    first = joins(service, 1, latitude=43.7, longitude=1.5)
    second = joins(service, 2, centre_id="1")
    assert offers(service, *place_ids(service)) == 2
    assert [holder(service, one) for one in place_ids(service)] == [first, second]


def waiting_row(house: House) -> dict[str, Any]:
    return {
        "campaign": CAMPAIGN.name,
        "state": "waiting",
        "latitude": PARIS[0],
        "longitude": PARIS[1],
        "territory": "metropole",
        "kilometres": 30.0,
        "doses": 1,
        "created_at": house.clock.now() - DAY,
        "updated_at": house.clock.now() - DAY,
    }


def test_who_can_come_only_later_is_passed_over_until_then(service: House):
    service.opens_centre("1", starts=mornings(2))
    early, late = place_ids(service)
    away = joins(service, 1, not_before=service.clock.now() + timedelta(hours=40))
    assert offers(service, early, late) == 1
    assert (holder(service, early), holder(service, late)) == (None, away)


@pytest.mark.parametrize(
    "changes", [{"booking_mode": "reserved"}, {"booking_mode": "own_phone"}, {"closed_at": True}]
)
def test_a_centre_that_takes_nobody_through_us_offers_nothing(
    service: House, changes: dict[str, Any]
):
    if "closed_at" in changes:
        changes = {"closed_at": service.clock.now()}
    opens_centre_at(service, "1", *PARIS, starts=mornings(1), **changes)
    joins(service, 1, centre_id="1")
    assert offers(service, *place_ids(service)) == 0


def test_blocked_held_unreleased_and_booked_places_are_not_offered(service: House):
    service.opens_centre("1", starts=mornings(4))
    blocked, held, unreleased, booked = ids = place_ids(service)
    joins(service, 1)
    change(service.database, update(place).where(place.c.id == blocked).values(blocked=True))
    until = {"hold_expires_at": service.clock.now() + DAY, "hold_limit_at": service.clock.now()}
    change(
        service.database,
        update(place).where(place.c.id == held).values(held_by="CA-1", **until),
    )
    change(
        service.database,
        update(place).where(place.c.id == unreleased).values(released_at=service.clock.now() + DAY),
    )
    books(service, 900, [booked])
    assert offers(service, *ids) == 0


def test_a_place_that_starts_soon_is_offered_for_a_shorter_time_or_to_all(service: House):
    hour = timedelta(hours=1)
    lengths = [offer_lasts(CAMPAIGN, start * hour) for start in (24, 3, 2.9, 2, 1.5, 1.2, 1.1, 0)]
    minutes = [length and length / MINUTE for length in lengths]
    # The campaign's lead is an hour.
    assert minutes == [120, 120, 60, 60, 30, None, None, None]

    service.opens_centre("1", starts=soon(service, 1, minutes=60))
    entry = joins(service, 1)
    assert offers(service, *place_ids(service)) == 1
    until = stands(service, entry).offered_until
    assert until is not None
    assert until < soon(service, 1)[0] - CAMPAIGN.lead


def test_where_nobody_waits_it_is_one_statement(service: House):
    service.opens_centre("1", starts=mornings(3))
    ids = place_ids(service)
    with on_the_wire(service.database) as sent:
        assert offers(service, *ids) == 0
    _begin, asked, _commit = sent
    assert "waiting_entry" in asked
    with on_the_wire(service.database) as sent:
        assert offers(service) == 0
    assert not [one for one in sent if "waiting_entry" in one]


@pytest.mark.parametrize("closed", ["before it opens", "after it closed", "another campaign"])
def test_a_campaign_that_gives_no_appointments_offers_none(service: House, closed: str):
    service.opens_centre("1", starts=mornings(1))
    joins(service, 1)
    now = service.clock.now()
    campaign = {
        "before it opens": campaign_with(opens_at=now + DAY),
        "after it closed": campaign_with(closes_at=now),
        "another campaign": campaign_with(name="other"),
    }[closed]
    assert offers(service, *place_ids(service), campaign=campaign) == 0


# ---------------------------------------------------------------- two doses


def test_two_appointments_are_offered_together(service: House):
    service.opens_centre("1", starts=mornings(30))
    ids = place_ids(service)
    entry = joins(service, 1, campaign=TWO_DOSES)
    assert offers(service, ids[3], campaign=TWO_DOSES) == 1
    first, second = stands(service, entry).offer
    assert first.place_id == ids[3]
    assert second.start_at - first.start_at == 21 * DAY

    assert isinstance(accepts(service, entry, campaign=TWO_DOSES), Booked)
    assert [row.dose for row in service.bookings()] == [1, 2]
    assert service.held() == 0


def test_without_a_second_nothing_is_held_and_who_needs_only_one_gets_it(service: House):
    service.opens_centre("1", starts=mornings(1))
    pair = joins(service, 1, campaign=TWO_DOSES)
    assert offers(service, *place_ids(service), campaign=TWO_DOSES) == 0
    assert stands(service, pair).state == EntryState.WAITING
    assert service.held() == 0
    assert service.messages("waiting_offer") == []

    single = joins(service, 2)  # joined while the campaign had one dose
    assert offers(service, *place_ids(service), campaign=TWO_DOSES) == 1
    assert holder(service, place_ids(service)[0]) == single


def test_a_freed_second_makes_a_pair_with_a_first_that_was_free_in_vain(service: House):
    service.opens_centre("1", starts=[mornings(1)[0], mornings(25)[-1]])
    first, second = place_ids(service)
    booking = books(service, 900, [second], campaign=TWO_DOSES)
    entry = joins(service, 1, campaign=TWO_DOSES)
    cancels(service, booking, campaign=TWO_DOSES)
    assert [one.place_id for one in stands(service, entry).offer] == [first, second]


def test_a_refused_pair_goes_to_the_next_as_a_pair(service: House):
    service.opens_centre("1", starts=[mornings(1)[0], mornings(25)[-1]])
    ids = place_ids(service)
    one, two = (joins(service, number, campaign=TWO_DOSES) for number in (1, 2))
    offers(service, *ids, campaign=TWO_DOSES)
    assert [holder(service, one) for one in ids] == [one, one]
    assert declines(service, one, campaign=TWO_DOSES)
    assert [holder(service, one) for one in ids] == [two, two]


# ---------------------------------------------------------------- what becomes of an offer


def test_who_accepts_is_booked_by_the_usual_door_with_history_and_text(service: House):
    (booking,) = full(service)
    entry = joins(service, 1, rank=2)
    cancels(service, booking)
    done = accepts(service, entry, text_to=number_of(1))
    assert isinstance(done, Booked)
    (row,) = [row for row in service.bookings() if row.state == "confirmed"]
    assert (row.reference, row.channel) == (done.reference, "waiting")
    assert len(service.messages("sms")) == 1
    assert stands(service, entry).state == EntryState.TAKEN
    assert service.held() == 0
    key = bookings.person_idx(service.store.vault, CAMPAIGN.name, BORN, number_of(1), 2)
    ((person,),) = rows_of(
        service.database,
        select(appointment.c.person_idx).where(appointment.c.state == "confirmed"),
    )
    assert person == key


def test_copies_of_an_acceptance_have_no_second_effect(service: House):
    (booking,) = full(service)
    entry = joins(service, 1)
    cancels(service, booking)
    with ThreadPoolExecutor(8) as threads:
        done = list(threads.map(lambda _: accepts(service, entry), range(8)))
    references = {one.reference for one in done if isinstance(one, Booked)}
    assert len(references) == 1
    assert all(isinstance(one, Booked) for one in done)
    assert booked_places(service.database) == 1
    assert doubles(service.database) == 0
    assert not declines(service, entry)
    assert not leaves(service, entry)
    assert booked_places(service.database) == 1


def test_accepting_is_possible_through_any_channel(service: House):
    (booking,) = full(service)
    entry = joins(service, 1)
    cancels(service, booking)
    assert isinstance(accepts(service, entry, channel=Channel.AGENT, who="agent-7"), Booked)
    assert [row.channel for row in service.bookings() if row.state == "confirmed"] == ["agent"]


def test_what_is_refused_goes_to_the_next_and_never_comes_back_to_who_refused(service: House):
    (booking,) = full(service)
    (one,) = place_ids(service)
    first, second = joins(service, 1), joins(service, 2)
    cancels(service, booking)
    assert declines(service, first)
    assert holder(service, one) == second
    assert (stands(service, first).state, stands(service, first).ahead) == (EntryState.WAITING, 0)
    assert not declines(service, first)
    assert declines(service, second)
    # Both have been asked about this hour: now it is for everybody.
    assert holder(service, one) is None
    assert len(holds(service, "CA-quick")) == 1


def test_the_first_refusal_keeps_the_position_the_second_goes_to_the_end(service: House):
    freed = full(service, 4)
    ids = place_ids(service)
    picky, other, third = (joins(service, number) for number in (1, 2, 3))
    cancels(service, freed[0])
    declines(service, picky)
    assert isinstance(accepts(service, other), Booked)
    cancels(service, freed[1])
    assert holder(service, ids[1]) == picky
    declines(service, picky)
    assert holder(service, ids[1]) == third
    declines(service, third)
    last = joins(service, 4)
    assert [stands(service, one).ahead for one in (third, picky, last)] == [0, 1, 2]
    cancels(service, freed[2])
    cancels(service, freed[3])
    assert [holder(service, one) for one in ids[2:]] == [third, picky]


def test_an_offer_that_runs_out_is_passed_on_and_the_entry_waits_on_once(service: House):
    freed = full(service, 2)
    one, two = place_ids(service)
    first, second = joins(service, 1), joins(service, 2)
    cancels(service, freed[0])
    clock_of(service).advance(OFFER - 2 * MINUTE)
    assert advances(service) == 0
    tells(service)
    clock_of(service).advance(2 * MINUTE)
    # Nobody looks after it yet, and yet nobody else gets it.
    assert holds(service, "CA-quick") == []
    assert advances(service) == 1
    assert holder(service, one) == second
    assert stands(service, first).state == EntryState.WAITING
    assert advances(service) == 0

    clock_of(service).advance(MINUTE)
    cancels(service, freed[1])
    assert holder(service, two) == first
    tells(service)
    clock_of(service).advance(OFFER)
    assert advances(service) == 2
    assert stands(service, first).state == EntryState.GONE
    # The second let one offer go, and gets the hour that the first let go.
    assert holder(service, two) == second
    assert len(holds(service, "CA-quick")) == 1


def test_who_accepts_late_is_booked_while_the_place_is_still_theirs(service: House):
    (booking,) = full(service)
    first, second = joins(service, 1), joins(service, 2)
    cancels(service, booking)
    clock_of(service).advance(OFFER + MINUTE)
    assert isinstance(accepts(service, first), Booked)
    assert advances(service) == 0
    assert stands(service, second).state == EntryState.WAITING


def test_who_accepts_after_it_was_passed_on_hears_that_it_is_gone(service: House):
    (booking,) = full(service)
    (one,) = place_ids(service)
    first, second = joins(service, 1), joins(service, 2)
    cancels(service, booking)
    clock_of(service).advance(OFFER)
    advances(service)
    assert accepts(service, first) == Unbooked.GONE
    assert holder(service, one) == second
    assert stands(service, first).state == EntryState.WAITING


def test_with_a_dead_scheduler_the_place_is_everybodys_after_the_grace(service: House):
    (booking,) = full(service)
    first, second = joins(service, 1), joins(service, 2)
    cancels(service, booking)
    clock_of(service).advance(OFFER + GRACE - MINUTE)
    assert holds(service, "CA-quick") == []
    clock_of(service).advance(MINUTE)
    (quick,) = holds(service, "CA-quick")
    assert quick.place.place_id == place_ids(service)[0]
    assert accepts(service, first) == Unbooked.GONE
    assert stands(service, first).state == EntryState.WAITING
    # Back to life, it takes nothing away from anybody.
    assert advances(service) == 0
    assert holder(service, quick.place.place_id) == "CA-quick"
    assert stands(service, second).state == EntryState.WAITING


def test_the_scheduler_back_to_life_offers_what_is_still_free(service: House):
    (booking,) = full(service)
    (one,) = place_ids(service)
    joins(service, 1)
    second = joins(service, 2)
    cancels(service, booking)
    clock_of(service).advance(OFFER + GRACE + MINUTE)
    names = [task.name for task in scheduler.tasks(service.store, None, {"tests": CAMPAIGN}.get)]  # type: ignore[arg-type]
    assert names.index("waiting") < names.index("tidy")
    assert advances(service) == 1
    assert holder(service, one) == second


def test_a_hold_that_ran_out_is_offered_to_who_waits_before_others_find_it(service: House):
    """Somebody chose the last place and left: who waits did not ask without end, and has it."""
    service.opens_centre("1", starts=mornings(1), capacity=1)
    assert holds(service, "CA-left")
    entry = joins(service, 1)
    (one,) = place_ids(service)
    scheduler.tidy(service.store)
    assert holder(service, one) == "CA-left"
    clock_of(service).advance(CAMPAIGN.hold_lease + MINUTE)
    assert scheduler.tidy(service.store) == 1
    assert holder(service, one) == entry
    assert holds(service, "CA-quick") == []
    assert stands(service, entry).state == EntryState.OFFERED


def test_a_hold_that_ran_out_is_everybodys_where_nobody_waits(service: House):
    service.opens_centre("1", starts=mornings(1), capacity=1)
    assert holds(service, "CA-left")
    clock_of(service).advance(CAMPAIGN.hold_lease + MINUTE)
    scheduler.tidy(service.store)
    assert holds(service, "CA-quick")


def test_the_scheduler_does_it(service: House):
    (booking,) = full(service)
    (one,) = place_ids(service)
    joins(service, 1)
    second = joins(service, 2)
    cancels(service, booking)
    clock_of(service).advance(OFFER)
    tasks = scheduler.tasks(
        service.store,
        None,  # type: ignore[arg-type]
        {"tests": CAMPAIGN}.get,
        campaigns=lambda: [CAMPAIGN],
    )
    (task,) = [task for task in tasks if task.name == "waiting"]
    timed.run_once(task)
    assert holder(service, one) == second


def test_an_offer_of_a_campaign_that_is_no_more_frees_the_place(service: House):
    (booking,) = full(service)
    (one,) = place_ids(service)
    entry = joins(service, 1)
    cancels(service, booking)
    clock_of(service).advance(OFFER)
    assert waiting_list.advance(service.store, tuple) == 1
    assert holder(service, one) is None
    assert stands(service, entry).state == EntryState.GONE


def test_who_leaves_gives_the_offer_to_the_next(service: House):
    (booking,) = full(service)
    (one,) = place_ids(service)
    first, second, third = (joins(service, number) for number in (1, 2, 3))
    assert leaves(service, second)
    assert not leaves(service, second)
    cancels(service, booking)
    assert leaves(service, first)
    assert holder(service, one) == third
    assert stands(service, first).state == EntryState.GONE
    assert not leaves(service, "unknown")


# ---------------------------------------------------------------- one person


def test_one_live_entry_for_each_person_and_a_repeat_changes_nothing(service: House):
    entry = joins(service, 1)
    assert joins(service, 1, centre_id="1") == entry
    assert joins(service, 1, rank=2) != entry
    assert joins(service, 2) != entry
    ((centre_id, kilometres),) = rows_of(
        service.database,
        select(waiting_entry.c.centre_id, waiting_entry.c.kilometres).where(
            waiting_entry.c.id == entry
        ),
    )
    assert (centre_id, kilometres) == (None, 30.0)
    leaves(service, entry)
    assert joins(service, 1) != entry


def test_one_person_who_joins_from_everywhere_at_once_has_one_entry(service: House):
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: joins(service, 1), range(16)))
    assert len(set(found)) == 1
    assert rows_of(service.database, select(func.count()).select_from(waiting_entry))[0][0] == 1


def test_without_a_phone_or_a_place_nobody_waits(service: House):
    with service.database.transaction() as connection:
        with pytest.raises(NoPhone):
            waiting_list.join(
                Work(connection, service.store, CAMPAIGN), Waiter(BORN, "", "75011", centre_id="1")
            )
        with pytest.raises(NoPlace):
            waiting_list.join(
                Work(connection, service.store, CAMPAIGN), Waiter(BORN, "+33612345678", "75011")
            )


def test_an_entry_is_found_by_its_person(service: House):
    entry = joins(service, 1)
    with service.database.statement() as connection:
        found = waiting_list.find(
            Work(connection, service.store, CAMPAIGN), born=BORN, number=number_of(1)
        )
        nobody = waiting_list.find(
            Work(connection, service.store, CAMPAIGN), born=BORN, number=number_of(2)
        )
        assert waiting_list.position(connection, service.store, "unknown") is None
    assert (found, nobody) == (entry, None)


def books_otherwise(house: House, person: int) -> Booked | Unbooked:
    """The same person books by telephone."""
    (held,) = holds(house, f"CA-{person}")[:1]
    request = replace(request_for(held, f"CA-{person}"), born=BORN, number=number_of(person))
    return orders(house, request)


def test_who_booked_otherwise_is_offered_nothing_and_taken(service: House):
    (booking,) = full(service)
    (one,) = place_ids(service)
    first, second = joins(service, 1), joins(service, 2)
    service.opens_centre("2", starts=mornings(1))
    assert isinstance(books_otherwise(service, 1), Booked)
    cancels(service, booking)
    assert holder(service, one) == second
    assert stands(service, first).state == EntryState.TAKEN


@pytest.mark.parametrize("ending", ["accepts", "runs out"])
def test_who_booked_otherwise_during_the_offer_is_taken_and_the_next_gets_it(
    service: House, ending: str
):
    (booking,) = full(service)
    (one,) = place_ids(service)
    first, second = joins(service, 1), joins(service, 2)
    cancels(service, booking)
    service.opens_centre("2", starts=mornings(1))
    assert isinstance(books_otherwise(service, 1), Booked)
    if ending == "accepts":
        # Told as if it were theirs, and booked nowhere.
        done = accepts(service, first)
        assert isinstance(done, Booked)
        assert done.stand_in
    else:
        clock_of(service).advance(OFFER)
        advances(service)
    assert stands(service, first).state == EntryState.TAKEN
    assert holder(service, one) == second


def test_an_ended_entry_is_erased_after_a_day_and_a_very_old_one_ends(service: House):
    old, done = joins(service, 1), joins(service, 2)
    leaves(service, done)
    clock_of(service).advance(timedelta(hours=25))
    assert erase_data(service.store)["waiting"] == 1
    personal = ("person_enc", "person_idx", "phone_enc", "phone_idx", "latitude", "longitude")
    rows = {
        row.id: [getattr(row, name) for name in personal]
        for row in rows_of(service.database, select(waiting_entry))
    }
    assert set(rows[done]) == {None}
    assert None not in rows[old]
    clock_of(service).advance(400 * DAY)
    assert erase_data(service.store)["waiting"] == 1
    assert rows_of(service.database, select(waiting_entry.c.person_enc).distinct()) == [(None,)]
    with service.database.statement() as connection:
        assert waiting_list.position(connection, service.store, old) is None
    assert erase_data(service.store)["waiting"] == 0


# ---------------------------------------------------------------- nobody comes in between


@pytest.fixture
def second_worker(service: House) -> Iterator[House]:
    """The same store as another process has it."""
    other = House(service.database.url.render_as_string(hide_password=False), clock=service.clock)
    other.store = replace(other.store, chance=service.store.chance)
    with closing(other):
        yield other


def test_no_place_is_sold_past_those_who_wait(service: House, second_worker: House):
    """Somebody searches without a pause while places are freed, offered, refused and passed on."""
    rounds = 12
    freed = full(service, rounds)
    entries = [joins(service, number) for number in range(3 * rounds)]
    ids = place_ids(service)
    nearby = near(service)
    done = threading.Event()
    seen: list[Any] = []

    def searches() -> int:
        tries = 0
        while not done.is_set():
            seen.extend(holds(second_worker, "CA-quick", near=nearby))
            tries += 1
        return tries

    with ThreadPoolExecutor(1) as threads:
        searching = threads.submit(searches)
        try:
            for number, booking in enumerate(freed):
                cancels(service, booking)
                first = holder(service, ids[number])
                assert first is not None
                assert declines(service, first)
                second = holder(service, ids[number])
                assert second not in (None, first)
                leaves(service, str(second))
                third = holder(service, ids[number])
                assert isinstance(accepts(service, str(third)), Booked)
        finally:
            done.set()
        assert searching.result() > 0
    assert seen == []
    assert booked_places(service.database) == rounds
    states = Counter(stands(service, entry).state for entry in entries)
    assert states[EntryState.TAKEN] == rounds


def test_200_wait_and_50_places_are_freed_by_8_threads(service: House, second_worker: House):
    freed = full(service, 30)[:0]
    service.opens_centre("2", kilometres=3, starts=mornings(25), capacity=2)
    ids = place_ids(service, "2")
    freed = [books(service, 700 + number, [one]) for number, one in enumerate(ids)]
    entries = [
        joins(service, number, centre_id="2") if number % 3 else joins(service, number)
        for number in range(200)
    ]
    workers = (service, second_worker)
    together = threading.Barrier(8, timeout=30)

    def frees(number: int) -> None:
        together.wait()
        for booking in freed[number::8]:
            cancels(workers[number % 2], booking)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(frees, range(8)))

    takers = [holder(service, one) for one in ids]
    assert None not in takers
    assert len(set(takers)) == 50
    # Who was being offered a place elsewhere just then is passed over, and nobody else.
    offered = sorted(entries.index(str(taker)) for taker in takers)
    assert offered == list(range(50))
    assert len(service.messages("waiting_offer")) == 50

    # And each of them takes it, three times over.
    with ThreadPoolExecutor(8) as threads:
        done = list(threads.map(lambda one: accepts(service, str(one)), takers * 3))
    assert all(isinstance(one, Booked) for one in done)
    assert booked_places(service.database) == 30 + 50
    assert doubles(service.database) == 0


def test_offers_that_run_out_are_passed_on_once_by_two_schedulers(
    service: House, second_worker: House
):
    freed = full(service, 10)
    for number in range(20):
        joins(service, number)
    for booking in freed:
        cancels(service, booking)
    clock_of(service).advance(OFFER)
    together = threading.Barrier(2, timeout=30)

    def runs(house: House) -> int:
        together.wait()
        return advances(house)

    with ThreadPoolExecutor(2) as threads:
        assert sum(threads.map(runs, (service, second_worker))) == 10
    takers = {holder(service, one) for one in place_ids(service)}
    assert len(takers) == 10
    assert None not in takers
    states = select(waiting_entry.c.state, func.count()).group_by(waiting_entry.c.state)
    assert {row[0]: row[1] for row in rows_of(service.database, states)} == {
        "waiting": 10,
        "offered": 10,
    }
    assert rows_of(service.database, select(func.count()).select_from(message))[0][0] >= 20


# ---------------------------------------------------------------- the last place, five ways


def race(house: House, other: House, number: int) -> Counter[str]:
    """Phone, web, agent, a rescheduler and a waiting entry want one place; how each came out."""
    gid = f"r{number}"
    start = mornings(1)[0] + number * MINUTE
    opens_centre_at(house, gid, *PARIS, starts=[start])
    opens_centre_at(house, f"{gid}-old", *PARIS, starts=[start])
    (last,) = place_ids(house, gid)
    (old,) = place_ids(house, f"{gid}-old")
    slot_of = dict(rows_of(house.database, select(place.c.id, place.c.slot_id)))
    chosen = Chosen(last, slot_of[last], start)
    mine = books(house, 5000 + number, [old])
    entry = joins(house, 6000 + number, centre_id=gid)
    nearby = [one for one in near(house) if one.centre.id == gid]
    together = threading.Barrier(5, timeout=30)

    def starts(runner: int, worker: House) -> None:
        """All at once; in each round one of them has some statements less to do before."""
        together.wait()
        for _ in range(0 if number % 5 == runner else 6):
            place_ids(worker, gid)

    def books_as(channel: Channel, worker: House, runner: int) -> str:
        name = f"{channel}-{number}"
        starts(runner, worker)
        held = holds(worker, name, channel=channel, near=nearby)
        if not held:
            return "none free"
        request = replace(request_for(held[0], name), holder=Holder(channel, name))
        return "won" if isinstance(orders(worker, request), Booked) else "gone"

    def reschedules() -> str:
        starts(3, other)
        with other.database.transaction() as connection:
            done = move(
                connection,
                other.store,
                CAMPAIGN,
                Holder(Channel.PHONE, f"move-{number}"),
                mine,
                to={1: chosen},
                by=By("caller", Channel.PHONE),
            )
        return "won" if isinstance(done, Moved) else str(done.why)

    def waits() -> str:
        starts(4, house)
        if not offers(house, last):
            return "still waiting"
        return "won" if isinstance(accepts(house, entry), Booked) else "gone"

    stories: list[Callable[[], str]] = [
        lambda: books_as(Channel.PHONE, house, 0),
        lambda: books_as(Channel.WEB, other, 1),
        lambda: books_as(Channel.AGENT, house, 2),
        reschedules,
        waits,
    ]
    with ThreadPoolExecutor(5) as threads:
        return Counter(one.result() for one in [threads.submit(story) for story in stories])


@pytest.mark.parametrize("rounds", [20, pytest.param(200, marks=pytest.mark.long)])
def test_the_last_place_has_one_winner_and_four_polite_answers(
    service: House, second_worker: House, rounds: int
):
    service.campaign = campaign_with(phone_share=0)
    polite = {"none free", "gone", "still waiting"}
    for number in range(rounds):
        ends = race(service, second_worker, number)
        assert ends["won"] == 1, ends
        assert set(ends) <= polite | {"won"}, ends
    # One at each centre; where the rescheduler won, the old place is free and nobody waits for it.
    confirmed = rows_of(
        service.database,
        select(appointment.c.place_id).where(appointment.c.state == "confirmed"),
    )
    assert len(set(confirmed)) == len(confirmed)
    won = [row for row in rows_of(service.database, select(place)) if "-" not in row.centre_id]
    assert len(won) == rounds
    assert all(row.booking_id for row in won)
    assert doubles(service.database) == 0


# ---------------------------------------------------------------- new places


def opens_new(
    house: House, *, capacity: int = 1, days: int = 2, campaign: Campaign = CAMPAIGN
) -> int:
    """Two slots a day at each centre, as `flask slots open` does."""
    report = open_slots(
        replace(house.store, on_places_freed=[OfferFreedPlaces(lambda: [campaign])]),
        centre_ids=None,
        first=house.clock.now().date() + DAY,
        days=days,
        hours=[("09:00", "11:00")],
        every=60,
        capacity=capacity,
    )
    return report.opened.places


def test_new_places_are_offered_before_anybody_sees_them(service: House, second_worker: House):
    service.opens_centre("1", kilometres=1)
    service.opens_centre("2", kilometres=2)
    entries = [joins(service, number) for number in range(3)]
    assert opens_new(service, days=1) == 4
    assert [holder(service, one) for one in place_ids(service)] == entries[:2]
    assert [holder(service, one) for one in place_ids(service, "2")] == [entries[2], None]
    # More places in the same slots, too: the last one was free, and is offered with them.
    later = [joins(service, number) for number in range(10, 13)]
    assert opens_new(service, days=1, capacity=2) == 4
    assert {stands(service, one).state for one in later} == {EntryState.OFFERED}


def test_new_places_of_two_doses_are_offered_in_pairs(service: House):
    service.opens_centre("1")
    entries = [joins(service, number, campaign=TWO_DOSES) for number in range(3)]
    opens_new(service, days=30, campaign=TWO_DOSES)
    assert [len(stands(service, entry).offer) for entry in entries] == [2, 2, 2]
    assert stands(service, entries[0]).offer[0].place_id == place_ids(service)[0]


def test_where_nobody_waits_opening_slots_asks_nobody(service: House):
    service.opens_centre("1")
    assert opens_new(service) == 4
    assert service.held() == 0


def test_an_entry_that_cannot_be_opened_holds_up_no_other(service: House):
    first, second = full(service, 2)
    one, other = place_ids(service)
    spoilt, lapsed, last = joins(service, 1), joins(service, 2), joins(service, 3)
    cancels(service, first)
    clock_of(service).advance(timedelta(seconds=1))
    cancels(service, second)
    tells(service)
    assert (holder(service, one), holder(service, other)) == (spoilt, lapsed)
    change(
        service.database,
        update(waiting_entry).where(waiting_entry.c.id == spoilt).values(person_enc=b"?" * 64),
    )
    clock_of(service).advance(OFFER)
    assert advances(service) == 1
    assert holder(service, other) == last
