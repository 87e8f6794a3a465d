"""Cancel, move and take back: what it does to the other dose, to places, history and outbox."""

from __future__ import annotations

import json
import threading

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from sqlalchemy import func, select, update

from flows.world import Unbooked
from models.booking import changes, history
from models.booking.changes import BookingDetails, ChangedMeanwhile
from models.booking.history import Change
from models.booking.reach import Proof
from models.booking.tables import appointment, booking
from models.centres.tables import centre
from models.messages.tables import message
from models.slots.tables import place, slot
from services.booking import stand_in
from services.booking.change_booking import cancel, move, undo_cancel
from services.booking.changed import (
    Became,
    By,
    Cancelled,
    Changed,
    Moved,
    Restored,
    Unchanged,
    WhyNot,
)
from services.booking.confirm_booking import Booked
from services.booking.reach import Reach
from services.campaign.campaign import Campaign
from services.slots.allocate import Channel, Chosen, Holder
from services.slots.give_back import UNDO_GRACE, UNDO_WITHIN
from tests.support.house import LANDLINE, MOBILE, NOON, House, campaign_with, mornings
from tests.support.house import house as open_house
from tests.support.race import at_once
from tests.support.rows import (
    booked_places,
    change,
    clock_of,
    confirms,
    doubles,
    holds,
    orders,
    request_for,
    rows_of,
)

TWO_DOSES = campaign_with(doses=2, horizon_days=60)
CALLER = By(who="caller", channel=Channel.PHONE)
ROUNDS = 20


@pytest.fixture
def town(service: House) -> House:
    """Two centres with fifty mornings of one place, and a campaign of two doses."""
    service.campaign = TWO_DOSES
    for gid in ("1", "2"):
        service.opens_centre(gid, kilometres=float(gid), starts=mornings(50))
    return service


# Their call comes from the number that is booked.
CALLED_FROM_IT = Reach(Proof.LINE)


def books(
    house: House,
    holder: str = "CA-1",
    *,
    number: str | None = MOBILE,
    born: date = date(1942, 3, 12),
    **options: Any,
) -> BookingDetails:
    """Somebody searches and books the first offer of the nearest centre."""
    held = holds(house, holder, campaign=house.campaign, **options)[0]
    request = replace(request_for(held, holder), number=number, born=born, reach=CALLED_FROM_IT)
    booked = orders(house, request)
    assert isinstance(booked, Booked), booked
    with house.database.statement() as connection:
        found = changes.find_by_reference(connection, house.store.vault, booked.reference)
    assert found is not None
    return found


def read(house: House, booking_id: str) -> BookingDetails:
    with house.database.statement() as connection:
        found = changes.load(connection, house.store.vault, booking_id)
    assert found is not None
    return found


def lines(house: House, booking_id: str) -> list[Change]:
    with house.database.statement() as connection:
        found = history.of_booking(connection, booking_id, house.store.vault)
    return [line.change for line in found]


def slot_on(house: House, day: int, gid: str = "1") -> Chosen:
    """Any place of the slot so many days after NOON."""
    (start,) = mornings(1, first=day)
    statement = select(slot.c.id).where(slot.c.centre_id == gid, slot.c.start_at == start)
    ((slot_id,),) = rows_of(house.database, statement)
    return Chosen(0, slot_id, start)


def days(file: BookingDetails) -> list[int]:
    """On which days after NOON the live appointments are."""
    return [(one.start_at.date() - NOON.date()).days for one in file.live]


def cancels(
    house: House, file: BookingDetails, *doses: int, by: By = CALLER
) -> Cancelled | Unchanged:
    with house.database.transaction() as connection:
        return cancel(connection, house.store, file.id, set(doses) or None, by=by)


def moves(
    house: House,
    file: BookingDetails,
    to: dict[int, Chosen],
    *,
    by: By = CALLER,
    holder: Holder | None = None,
    campaign: Campaign | None = None,
) -> Moved | Unchanged:
    with house.database.transaction() as connection:
        return move(
            connection,
            house.store,
            campaign or house.campaign,
            holder or Holder(Channel.PHONE, f"CA-move-{threading.get_ident()}"),
            file.id,
            to=to,
            by=by,
        )


def takes_back(house: House, file: BookingDetails, *, by: By = CALLER) -> Restored | Unchanged:
    with house.database.transaction() as connection:
        holder = Holder(Channel.PHONE, "CA-undo")
        return undo_cancel(connection, house.store, house.campaign, holder, file.id, by=by)


def became(result: Changed | Unchanged) -> dict[int, Became]:
    assert isinstance(result, Changed), result
    return {dose.dose: dose.became for dose in result.doses}


def agrees(house: House) -> None:
    """Every booked place has its live appointment and the other way round, and nothing is held."""
    live = select(appointment.c.place_id, appointment.c.booking_id, appointment.c.start_at).where(
        appointment.c.state == "confirmed"
    )
    booked = select(place.c.id, place.c.booking_id, place.c.start_at).where(
        place.c.booking_id.is_not(None)
    )
    assert set(rows_of(house.database, live)) == set(rows_of(house.database, booked))
    assert doubles(house.database) == 0


# ---------------------------------------------------------------- cancel


def test_cancelling_the_first_cancels_the_second(town: House):
    file = books(town)
    assert days(file) == [1, 22]

    result = cancels(town, file, 1)

    assert became(result) == {1: Became.CANCELLED, 2: Became.CANCELLED_WITH_FIRST}
    after = read(town, file.id)
    assert (after.state, after.live, after.version) == ("cancelled", (), 2)
    assert booked_places(town.database) == 0
    ((cancelled_at,),) = rows_of(town.database, select(booking.c.cancelled_at))
    assert cancelled_at == NOON
    agrees(town)


def test_cancelling_the_second_alone_keeps_the_first_and_says_so(town: House):
    file = books(town)

    result = cancels(town, file, 2)

    assert became(result) == {1: Became.KEPT_SECOND_MISSING, 2: Became.CANCELLED}
    after = read(town, file.id)
    assert (after.state, days(after)) == ("confirmed", [1])
    # Retention counts from the last appointment that is left.
    ((last,),) = rows_of(town.database, select(booking.c.last_start_at))
    assert last == after.live[0].start_at
    agrees(town)


def test_after_the_first_took_place_only_the_second_is_cancelled(town: House):
    file = books(town)
    clock_of(town).advance(timedelta(days=3))

    assert cancels(town, file, 1) == Unchanged(WhyNot.BEGUN)
    assert became(cancels(town, file)) == {1: Became.KEPT_SECOND_MISSING, 2: Became.CANCELLED}
    assert days(read(town, file.id)) == [1]


def test_when_all_is_over_nothing_is_cancelled(town: House):
    file = books(town)
    clock_of(town).advance(timedelta(days=40))
    assert cancels(town, file) == Unchanged(WhyNot.BEGUN)


def test_what_is_cancelled_is_not_cancelled_again(town: House):
    file = books(town)
    assert isinstance(cancels(town, file), Cancelled)
    assert cancels(town, file) == Unchanged(WhyNot.NOT_LIVE)
    assert read(town, file.id).version == 2
    assert len(town.messages("booking_cancelled")) == 1


def test_nobody_cancels_a_booking_that_is_not_there(town: House):
    file = replace(books(town), id="f" * 32)
    assert cancels(town, file) == Unchanged(WhyNot.UNKNOWN)


# ---------------------------------------------------------------- move


def test_a_first_that_stays_in_the_interval_keeps_its_second(town: House):
    file = books(town)  # on days 1 and 22

    result = moves(town, file, {1: slot_on(town, 1)})
    assert result == Unchanged(WhyNot.ALREADY_THERE)
    moved = moves(town, file, {2: slot_on(town, 25)})
    assert became(moved) == {1: Became.KEPT, 2: Became.MOVED}
    result = moves(town, file, {1: slot_on(town, 4)})

    assert became(result) == {1: Became.MOVED, 2: Became.KEPT}
    assert days(read(town, file.id)) == [4, 25]
    assert booked_places(town.database) == 2
    agrees(town)


def test_a_first_that_leaves_the_interval_takes_its_second_along(town: House):
    file = books(town)

    result = moves(town, file, {1: slot_on(town, 5)})

    assert became(result) == {1: Became.MOVED, 2: Became.MOVED_WITH_FIRST}
    assert days(read(town, file.id)) == [5, 26]
    assert booked_places(town.database) == 2
    agrees(town)


def test_a_first_goes_to_another_centre_with_its_second(town: House):
    file = books(town)
    assert file.centre_id == "1"

    result = moves(town, file, {1: slot_on(town, 1, "2")})

    assert became(result) == {1: Became.MOVED, 2: Became.MOVED_WITH_FIRST}
    after = read(town, file.id)
    assert {one.centre_id for one in after.live} == {"2"}
    assert after.centre_id == "2"
    agrees(town)


def test_a_first_without_a_second_to_follow_does_not_move(town: House):
    file = books(town)
    # The other centre has firsts only.
    change(
        town.database,
        update(place)
        .where(place.c.centre_id == "2", place.c.start_at > mornings(1, first=15)[0])
        .values(blocked=True),
    )

    assert moves(town, file, {1: slot_on(town, 1, "2")}) == Unchanged(WhyNot.NO_SECOND)

    assert read(town, file.id) == file
    assert len(lines(town, file.id)) == 1
    assert town.held() == 0
    agrees(town)


@pytest.mark.parametrize(
    ("day", "gid", "why"),
    [
        (21, "1", WhyNot.INTERVAL),
        (30, "1", WhyNot.INTERVAL),
        (24, "2", WhyNot.OTHER_CENTRE),
    ],
)
def test_a_second_stays_within_the_interval_of_its_first(
    town: House, day: int, gid: str, why: WhyNot
):
    file = books(town)
    assert moves(town, file, {2: slot_on(town, day, gid)}) == Unchanged(why)
    assert read(town, file.id) == file
    agrees(town)


@pytest.mark.parametrize("day", [23, 29])
def test_a_second_moves_within_the_interval(town: House, day: int):
    file = books(town)
    assert became(moves(town, file, {2: slot_on(town, day)})) == {1: Became.KEPT, 2: Became.MOVED}
    assert days(read(town, file.id)) == [1, day]
    agrees(town)


def test_days_are_counted_by_the_centres_calendar(service: House):
    """Half past eleven at night in Paris and half past midnight are a day apart, not an hour."""
    late, next_day = (datetime(2026, 12, 1, 22, 30, tzinfo=UTC), timedelta(hours=1))
    second = datetime(2026, 12, 22, 8, 0, tzinfo=UTC)
    service.campaign = TWO_DOSES
    service.opens_centre("1", starts=[datetime(2026, 12, 1, 8, tzinfo=UTC), late, second])
    service.opens_slots("1", [late + next_day])
    file = books(service)
    assert file.live[1].start_at == second

    def at(moment: datetime) -> Chosen:
        statement = select(slot.c.id).where(slot.c.start_at == moment)
        return Chosen(0, rows_of(service.database, statement)[0][0], moment)

    assert moves(service, file, {1: at(late + next_day)}) == Unchanged(WhyNot.NO_SECOND)
    assert became(moves(service, file, {1: at(late)})) == {1: Became.MOVED, 2: Became.KEPT}


def test_both_move_together(town: House):
    file = books(town)
    to = {1: slot_on(town, 3, "2"), 2: slot_on(town, 31, "2")}
    assert became(moves(town, file, to)) == {1: Became.MOVED, 2: Became.MOVED}
    assert days(read(town, file.id)) == [3, 31]

    apart = {1: slot_on(town, 3, "1"), 2: slot_on(town, 31, "2")}
    assert moves(town, file, apart) == Unchanged(WhyNot.OTHER_CENTRE)
    agrees(town)


def test_what_was_held_for_the_move_is_what_is_booked(town: House):
    file = books(town)
    holder = Holder(Channel.PHONE, "CA-9")
    held = holds(town, "CA-9", campaign=town.campaign)
    place_held = held[0].place
    chosen = Chosen(place_held.place_id, place_held.slot_id, place_held.start_at)

    result = moves(town, file, {1: chosen}, holder=holder)

    assert isinstance(result, Moved)
    assert read(town, file.id).live[0].place_id == place_held.place_id
    assert town.held() == 0
    agrees(town)


def test_when_the_new_place_is_gone_nothing_changes(town: House):
    file = books(town)
    other = books(town, "CA-2", number=LANDLINE)
    where = other.live[0]

    result = moves(town, file, {1: Chosen(where.place_id, where.slot_id, where.start_at)})

    assert result == Unchanged(WhyNot.GONE)
    assert read(town, file.id) == file
    assert booked_places(town.database) == 4
    assert town.held() == 0
    agrees(town)


def test_nobody_moves_what_is_cancelled_past_or_elsewhere(town: House):
    file = books(town)
    assert moves(town, file, {}) == Unchanged(WhyNot.NOT_LIVE)
    assert moves(town, file, {3: slot_on(town, 5)}) == Unchanged(WhyNot.NOT_LIVE)
    assert moves(town, file, {1: Chosen(0, 10**6, NOON)}) == Unchanged(WhyNot.NOT_OFFERED)
    other = campaign_with(name="autumn")
    result = moves(town, file, {1: slot_on(town, 5)}, campaign=other)
    assert result == Unchanged(WhyNot.OTHER_CAMPAIGN)
    clock_of(town).advance(timedelta(days=2))
    assert moves(town, file, {1: slot_on(town, 5)}) == Unchanged(WhyNot.BEGUN)
    assert moves(town, file, {2: slot_on(town, 1)}) == Unchanged(WhyNot.BEGUN)
    assert became(moves(town, file, {2: slot_on(town, 24)}))[2] is Became.MOVED
    cancels(town, file)
    assert moves(town, file, {2: slot_on(town, 25)}) == Unchanged(WhyNot.NOT_LIVE)


def test_only_a_supervisor_moves_people_to_a_centre_that_takes_nobody(town: House):
    file = books(town)
    change(town.database, update(centre).where(centre.c.id == "2").values(closed_at=NOON))
    to = {1: slot_on(town, 2, "2")}
    assert moves(town, file, to) == Unchanged(WhyNot.NOT_OFFERED)
    supervisor = Holder(Channel.SUPERVISOR, "op-1")
    assert isinstance(moves(town, file, to, holder=supervisor), Moved)


def test_nobody_moves_to_a_day_on_which_they_are_too_young(town: House):
    """Born on 29 February 1952, 75 on 1 March 2027: booked after that day, not moved before it."""
    clock_of(town).advance(datetime(2027, 2, 20, 8, tzinfo=UTC) - NOON)
    first, last = datetime(2027, 2, 28, 9, tzinfo=UTC), datetime(2027, 3, 1, 9, tzinfo=UTC)
    town.campaign = campaign_with(horizon_days=60)
    town.opens_slots("1", [first, last])
    leap = date(1952, 2, 29)
    file = books(town, born=leap, not_before=last - timedelta(hours=1))
    assert file.live[0].start_at == last
    statement = select(slot.c.id).where(slot.c.start_at == first)
    earlier = Chosen(0, rows_of(town.database, statement)[0][0], first)

    assert moves(town, file, {1: earlier}) == Unchanged(WhyNot.TOO_YOUNG)
    younger = campaign_with(horizon_days=60, minimum_age=70)
    assert isinstance(moves(town, file, {1: earlier}, campaign=younger), Moved)


def test_whoever_was_let_in_at_an_age_may_move_at_it(town: House):
    young = date(1990, 1, 1)  # let in as one of a group
    file = books(town, born=young)
    assert isinstance(moves(town, file, {1: slot_on(town, 5)}), Moved)
    assert isinstance(moves(town, file, {1: slot_on(town, 3)}), Moved)


def test_whoever_saw_another_version_changes_nothing(town: House):
    file = books(town)
    seen = replace(CALLER, seen=file.version)
    assert isinstance(moves(town, file, {2: slot_on(town, 24)}, by=seen), Moved)
    assert moves(town, file, {2: slot_on(town, 25)}, by=seen) == Unchanged(WhyNot.CHANGED)
    assert cancels(town, file, by=seen) == Unchanged(WhyNot.CHANGED)
    assert days(read(town, file.id)) == [1, 24]


# ---------------------------------------------------------------- take back


def test_a_cancellation_is_taken_back(town: House):
    file = books(town)
    cancels(town, file)

    result = takes_back(town, file)

    assert became(result) == {1: Became.RESTORED, 2: Became.RESTORED}
    after = read(town, file.id)
    assert (after.state, after.live) == ("confirmed", file.live)
    assert rows_of(town.database, select(booking.c.cancelled_at)) == [(None,)]
    agrees(town)


def test_a_second_alone_is_taken_back(town: House):
    file = books(town)
    cancels(town, file, 2)
    assert became(takes_back(town, file)) == {1: Became.KEPT, 2: Became.RESTORED}
    assert read(town, file.id).live == file.live


def test_what_is_blocked_by_now_is_not_taken_back(town: House):
    file = books(town)
    cancels(town, file)
    first = file.live[0].place_id
    change(town.database, update(place).where(place.c.id == first).values(blocked=True))

    assert takes_back(town, file) == Unchanged(WhyNot.GONE)

    assert read(town, file.id).live == ()
    agrees(town)


def test_only_for_ten_minutes(town: House):
    file = books(town)
    cancels(town, file)
    clock_of(town).advance(UNDO_WITHIN + timedelta(seconds=1))
    assert takes_back(town, file) == Unchanged(WhyNot.TOO_LATE)


def test_only_a_cancellation_that_was_the_last_change(town: House):
    file = books(town)
    assert takes_back(town, file) == Unchanged(WhyNot.NOT_CANCELLED)
    cancels(town, file, 2)
    moves(town, file, {1: slot_on(town, 3)})
    assert takes_back(town, file) == Unchanged(WhyNot.NOT_CANCELLED)


def test_not_for_a_person_who_has_another_appointment_by_now(town: House):
    file = books(town)
    cancels(town, file)
    books(town, "CA-2", not_before=mornings(1, first=5)[0] - timedelta(hours=2))
    assert takes_back(town, file) == Unchanged(WhyNot.BOOKED_AGAIN)
    agrees(town)


def test_the_database_says_so_too(town: House):
    file = books(town)
    cancels(town, file)
    books(town, "CA-2", not_before=mornings(1, first=5)[0] - timedelta(hours=2))
    there = {one.dose: (one.place_id, one.centre_id, one.start_at) for one in file.live}
    with (
        pytest.raises(ChangedMeanwhile),
        town.database.transaction() as connection,
    ):
        changes.restore_appointments(connection, town.clock, file.id, there)
    assert read(town, file.id).live == ()


# ---------------------------------------------------------------- history, outbox, repeats


def test_every_change_is_a_line_without_anybodys_data(town: House):
    file = books(town)
    agent = By(who="staff-7", channel=Channel.AGENT, why="asked by phone")
    moves(town, file, {1: slot_on(town, 5)}, by=agent)
    cancels(town, file)
    takes_back(town, file)

    found = lines(town, file.id)

    assert [one.what for one in found] == ["booked", "moved", "cancelled", "restored"]
    assert [one.details.get("version") for one in found] == [None, 2, 3, 4]
    assert (found[1].who, found[1].channel, found[1].why) == ("staff-7", "agent", "asked by phone")
    assert found[1].details["freed"] == [one.place_id for one in file.live]
    told = json.dumps([one.details for one in found])
    assert "1942" not in told
    assert MOBILE not in told
    assert file.reference not in told


def test_what_is_refused_leaves_no_trace(town: House):
    file = books(town)
    before = rows_of(town.database, select(func.count()).select_from(message))
    moves(town, file, {2: slot_on(town, 40)})
    assert len(lines(town, file.id)) == 1
    assert rows_of(town.database, select(func.count()).select_from(message)) == before


def test_each_change_puts_a_message_for_the_number_on_file(town: House):
    file = books(town)
    moved = moves(town, file, {1: slot_on(town, 5, "2")})
    cancelled = cancels(town, file)
    assert isinstance(moved, Moved)
    assert isinstance(cancelled, Cancelled)

    (told,), (gone,) = town.messages("booking_changed"), town.messages("booking_cancelled")

    assert (told.id, gone.id) == (moved.message_id, cancelled.message_id)
    assert told.dedupe_key == f"booking_changed:{file.id}:2"
    assert gone.dedupe_key == f"booking_cancelled:{file.id}:3"
    vault = town.store.vault
    assert vault.open_text(told.recipient_enc, f"message.recipient:{told.id}") == MOBILE
    payload = json.loads(town.text_of(told))
    assert payload["reference"] == file.reference
    first = payload["doses"][0]
    assert (first["became"], first["centre_id"], first["town"]) == ("moved", "2", "Paris 11e")
    assert first["start"] == "2026-11-30T10:00:00+01:00"
    assert first["was"] == "2026-11-26T10:00:00+01:00"


def test_without_a_number_nobody_is_told(town: House):
    file = books(town, number=None)
    result = cancels(town, file)
    assert isinstance(result, Cancelled)
    assert result.message_id is None
    assert town.messages() == []
    assert isinstance(takes_back(town, file), Restored)


def test_the_same_change_has_one_effect(town: House):
    file = books(town)
    keyed = replace(CALLER, key="CA-7:12", seen=1)
    first = moves(town, file, {1: slot_on(town, 5)}, by=keyed)
    again = moves(town, file, {1: slot_on(town, 5)}, by=keyed)
    assert isinstance(first, Moved)
    assert isinstance(again, Moved)
    assert (again.repeated, again.version, again.doses) == (True, first.version, first.doses)

    gone = cancels(town, file, by=replace(CALLER, key="CA-7:14"))
    gone_again = cancels(town, file, by=replace(CALLER, key="CA-7:14"))
    assert isinstance(gone, Cancelled)
    assert became(gone_again) == became(gone)

    back = takes_back(town, file, by=replace(CALLER, key="CA-7:16"))
    # A late copy of the cancellation does not cancel what was restored after it.
    cancels(town, file, by=replace(CALLER, key="CA-7:14"))
    assert became(takes_back(town, file, by=replace(CALLER, key="CA-7:16"))) == became(back)
    assert days(read(town, file.id)) == [5, 26]
    assert [one.what for one in lines(town, file.id)] == [
        "booked",
        "moved",
        "cancelled",
        "restored",
    ]
    assert len(town.messages()) == 3


# ---------------------------------------------------------------- races


def won(results: Sequence[Any]) -> list[Any]:
    return [result for result in results if isinstance(result, Changed)]


def test_cancel_against_move(town: House):
    file = books(town)
    for number in range(ROUNDS):
        seen = replace(CALLER, seen=read(town, file.id).version)
        results = at_once(
            partial(cancels, town, file, by=seen),
            partial(moves, town, file, {1: slot_on(town, 3 + number)}, by=seen),
        )
        assert len(won(results)) == 1, results
        assert Unchanged(WhyNot.CHANGED) in results
        agrees(town)
        if isinstance(won(results)[0], Cancelled):
            assert isinstance(takes_back(town, file), Restored)
    assert booked_places(town.database) == 2
    assert [one.details.get("version", 1) for one in lines(town, file.id)] == list(
        range(1, read(town, file.id).version + 1)
    )


def test_a_cancellation_that_asks_for_no_version_always_comes_through(town: House):
    for number in range(ROUNDS // 2):
        file = books(town, f"CA-{number}")
        results = at_once(
            partial(cancels, town, file),
            partial(moves, town, file, {1: slot_on(town, 3)}),
        )
        assert isinstance(results[0], Cancelled)
        assert isinstance(results[1], Moved) or results[1] == Unchanged(WhyNot.NOT_LIVE)
        assert read(town, file.id).live == ()
        assert booked_places(town.database) == 0
        agrees(town)
        # What this round had is free for the next one.
        clock_of(town).advance(UNDO_WITHIN + UNDO_GRACE)


def test_two_moves_at_once(town: House):
    file = books(town)
    for number in range(ROUNDS):
        seen = replace(CALLER, seen=read(town, file.id).version)
        to = (2, 3) if number % 2 else (4, 5)
        results = at_once(
            *(partial(moves, town, file, {1: slot_on(town, day)}, by=seen) for day in to)
        )
        assert len(won(results)) == 1, results
        assert booked_places(town.database) == 2
        agrees(town)


def test_two_bookings_move_to_the_last_place_of_a_slot(town: House):
    first, second = books(town), books(town, "CA-2", number=LANDLINE)
    last = slot_on(town, 9)
    results = at_once(
        partial(moves, town, first, {1: last}), partial(moves, town, second, {1: last})
    )
    assert len(won(results)) == 1
    assert Unchanged(WhyNot.GONE) in results
    assert booked_places(town.database) == 4
    agrees(town)


def test_a_move_against_the_confirmation_of_another_caller(service: House):
    """The hold of another caller has just run out: the place is theirs or the mover's."""
    service.opens_centre("1", starts=mornings(ROUNDS + 2))
    mover = books(service)
    for number in range(ROUNDS):
        held = holds(service, f"CA-other-{number}")[0]
        clock_of(service).advance(service.campaign.hold_lease)
        chosen = Chosen(0, held.place.slot_id, held.place.start_at)
        confirmed, moved = at_once(
            partial(confirms, service, f"CA-other-{number}", held),
            partial(moves, service, mover, {1: chosen}),
        )
        assert (confirmed is not None) != isinstance(moved, Moved)
        assert moved == Unchanged(WhyNot.GONE) or confirmed is None
        agrees(service)
        assert booked_places(service.database) == len(
            rows_of(service.database, select(booking.c.id))
        )


def test_a_cancellation_taken_back_against_a_new_caller(town: House):
    """The earliest slots are kept for whoever cancelled: the newcomer never has them."""
    for number in range(ROUNDS // 2):
        file = books(town, f"CA-{number}")
        cancels(town, file)
        back, newcomer = at_once(
            partial(takes_back, town, file),
            partial(books, town, f"CA-new-{number}", number=None),
        )
        assert isinstance(back, Restored)
        assert isinstance(newcomer, BookingDetails)
        assert len(newcomer.live) == 2
        assert not {one.place_id for one in newcomer.live} & {one.place_id for one in file.live}
        cancels(town, file)
        agrees(town)


def test_with_the_lock_off_two_moves_lose_a_place(
    database_url: str, monkeypatch: pytest.MonkeyPatch
):
    """What the lock is for."""
    with open_house(database_url, campaign=TWO_DOSES) as town:
        town.opens_centre("1", starts=mornings(50))
        file = books(town)
        both_read = threading.Barrier(2, timeout=20)
        locked = changes.load

        def unlocked(*given: Any, lock: bool = False) -> BookingDetails | None:
            found = locked(*given)
            both_read.wait()
            return found

        monkeypatch.setattr(changes, "load", unlocked)
        seen = replace(CALLER, seen=file.version)
        results = at_once(
            *(partial(moves, town, file, {2: slot_on(town, day)}, by=seen) for day in (23, 24))
        )
        monkeypatch.undo()
        assert len(won(results)) == 2  # both were told that it went well
        # A third place is booked for a person who has two appointments.
        assert booked_places(town.database) == 3


# ---------------------------------------------------------------- a repeat of a person


def asks_again(house: House, holder: str = "CA-2", **changes_: Any) -> Booked | Unbooked:
    held = holds(house, holder, campaign=house.campaign)[0]
    given: dict[str, Any] = {"number": MOBILE, "reach": CALLED_FROM_IT, **changes_}
    request = replace(request_for(held, holder), **given)
    return orders(house, request)


def test_also_where_the_number_has_as_many_bookings_as_it_may(town: House):
    file = books(town)
    asks_again(town, rank=2)
    assert asks_again(town, "CA-3", reach=Reach(Proof.CODE)) == Unbooked.PERSON
    (text,) = town.messages(stand_in.KIND)
    assert text.booking_id == file.id
