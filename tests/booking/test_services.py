"""Two services of one person: booked in one transaction, changed and cancelled one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from sqlalchemy import select, text

from flows.world import Unbooked
from models.booking import bookings
from models.booking.changes import BookingDetails, find_by_reference
from models.booking.tables import appointment, appointment_for, booking
from models.database import Database
from models.slots import services, slots
from models.slots.tables import place, slot
from prompts.catalogue import load
from services.booking import change_booking
from services.booking.changed import Became, By, Cancelled, Moved, Restored, Unchanged, WhyNot
from services.booking.confirm_booking import Booked, Request, confirm_booking
from services.booking.verify_store import verify_store
from services.campaign.campaign import TWO_PLACES, Campaign
from services.privacy import person_rights
from services.privacy.erase_data import erase_data
from services.slots.allocate import Channel, Chosen, Holder
from services.slots.hold_slot import HeldSlot, HoldRequest, hold_adjacent, hold_slots
from services.work import Work
from tests.operations.test_person_rights import HERE, OPERATOR
from tests.support.house import MOBILE, House, campaign_with, house, mornings
from tests.support.rows import booked_places, change, clock_of, near, request_for, rows_of
from tests.support.service_words import COVID_WORDS, FLU_WORDS

GRIPPE = campaign_with(
    name="grippe-2026", service="grippe", together=("covid",), all_words=FLU_WORDS
)
COVID = campaign_with(name="covid-2026", service="covid", minimum_age=65, all_words=COVID_WORDS)
BOTH = (GRIPPE, COVID)
APART = (replace(GRIPPE, together_in=TWO_PLACES), COVID)
DESK = Holder(Channel.AGENT, "desk-1")
AGENT = By("agent-1", Channel.AGENT, "asked for it")


def opens(
    made: House, starts: Sequence[datetime], *names: str, capacity: int = 1, gid: str = "1"
) -> None:
    """Slots of a centre that serve these services; all without any."""
    with made.database.transaction() as connection:
        bits = services.bits_of(connection, names)
    wanted = slots.SlotsToOpen(gid, tuple(starts), capacity, services=bits)
    slots.open_slots(made.database, [wanted])


@pytest.fixture
def autumn(database_url: str) -> Iterator[House]:
    """One centre without any slot."""
    with house(database_url, campaign=GRIPPE, beside=[COVID]) as made:
        made.opens_centre("1")
        yield made


def work_of(made: House, connection: object, campaigns: Sequence[Campaign]) -> Work:
    first, *others = campaigns
    return Work(connection, made.store, first, tuple(others))  # type: ignore[arg-type]


def holds(
    made: House, holder: str, campaigns: Sequence[Campaign], channel: Channel = Channel.PHONE
) -> list[HeldSlot]:
    with made.database.transaction() as connection:
        return hold_slots(
            work_of(made, connection, campaigns),
            Holder(channel, holder),
            HoldRequest(near=near(made), not_before=made.clock.now() + GRIPPE.lead),
        )


def orders(made: House, campaigns: Sequence[Campaign], request: Request) -> Booked | Unbooked:
    """Confirm a booking for these campaigns, in a transaction of its own."""
    with made.database.transaction() as connection:
        return confirm_booking(
            work_of(made, connection, campaigns),
            request,
            catalogue=load("fr"),
            national_number="+33974750001",
        )


def books(
    made: House,
    campaigns: Sequence[Campaign],
    *,
    holder: str = "CA-1",
    number: str | None = MOBILE,
    born: date = date(1942, 3, 12),
) -> Booked | Unbooked | None:
    """Search and confirm; None where nothing is free for it."""
    held = holds(made, holder, campaigns)
    if not held:
        return None
    request = replace(request_for(held[0], holder), number=number, born=born)
    return orders(made, campaigns, request)


def booked(made: House, campaigns: Sequence[Campaign], **options: object) -> BookingDetails:
    made_booking = books(made, campaigns, **options)  # type: ignore[arg-type]
    assert isinstance(made_booking, Booked)
    return file_of(made, made_booking.reference)


def file_of(made: House, reference: str) -> BookingDetails:
    with made.database.transaction() as connection:
        found = find_by_reference(connection, made.store.vault, reference)
    assert found is not None
    return found


def again(made: House, file: BookingDetails) -> BookingDetails:
    return file_of(made, file.reference)


def live(file: BookingDetails) -> dict[str, datetime]:
    """When each service is done that is not cancelled."""
    return {each.service: one.start_at for one in file.live for each in one.live_services}


def verified(made: House) -> list[str]:
    said: list[str] = []
    verify_store(made.store, [GRIPPE, COVID], limit=10, say=said.append)
    return said


def cancels(made: House, file: BookingDetails, service: str = "") -> Cancelled | Unchanged:
    with made.database.transaction() as connection:
        return change_booking.cancel(connection, made.store, file.id, by=AGENT, service=service)


def takes_back(made: House, file: BookingDetails) -> Restored | Unchanged:
    with made.database.transaction() as connection:
        return change_booking.undo_cancel(connection, made.store, GRIPPE, DESK, file.id, by=AGENT)


def moves(
    made: House,
    file: BookingDetails,
    start: datetime,
    campaigns: Sequence[Campaign],
    *,
    dose: int = 1,
    service: str = "",
) -> Moved | Unchanged:
    (found,) = rows_of(made.database, select(slot.c.id).where(slot.c.start_at == start))
    first, *beside = campaigns
    with made.database.transaction() as connection:
        return change_booking.move(
            connection,
            made.store,
            first,
            DESK,
            file.id,
            to={dose: Chosen(0, found.id, start)},
            by=AGENT,
            beside=tuple(beside),
            service=service,
        )


def rows_for(database: Database) -> list[tuple[str, str, int, str]]:
    statement = select(
        appointment_for.c.service,
        appointment_for.c.campaign,
        appointment.c.dose,
        appointment_for.c.state,
    ).join(appointment, appointment.c.id == appointment_for.c.appointment_id)
    rows = rows_of(database, statement.order_by(appointment_for.c.id))
    return [tuple(row) for row in rows]


# ---------------------------------------------------------------- search and book


def test_two_services_of_one_place_are_one_appointment(autumn: House):
    opens(autumn, mornings(2))
    file = booked(autumn, BOTH)
    assert len(file.appointments) == 1
    assert rows_for(autumn.database) == [
        ("grippe", "grippe-2026", 1, "confirmed"),
        ("covid", "covid-2026", 1, "confirmed"),
    ]
    assert booked_places(autumn.database) == 1
    assert verified(autumn) == []


def test_two_services_of_two_places_are_neighbours(autumn: House):
    start, beside, alone = mornings(2)[0], mornings(2)[0] + timedelta(minutes=10), mornings(2)[1]
    # The earliest place for influenza alone has no other beside it.
    opens(autumn, [start - timedelta(hours=3), start, alone], "grippe")
    opens(autumn, [beside, alone + timedelta(hours=2)], "covid")
    file = booked(autumn, APART)
    assert live(file) == {"grippe": start, "covid": beside}
    assert rows_for(autumn.database)[1] == ("covid", "covid-2026", 2, "confirmed")
    assert booked_places(autumn.database) == 2
    assert verified(autumn) == []
    # Nothing is left for another of both, and each alone has some.
    assert books(autumn, APART, holder="CA-2", number=None) is None
    assert books(autumn, [GRIPPE], holder="CA-3", number=None) is not None
    assert books(autumn, [COVID], holder="CA-4", number=None) is not None


def test_a_slot_is_found_by_those_alone_whom_it_serves(autumn: House):
    first, second, third = mornings(3)
    opens(autumn, [first], "grippe")
    opens(autumn, [second], "covid")
    opens(autumn, [third], "grippe", "covid")
    assert [one.place.start_at for one in holds(autumn, "CA-c", [COVID])] == [second]
    assert [one.place.start_at for one in holds(autumn, "CA-b", BOTH)] == [third]
    assert [one.place.start_at for one in holds(autumn, "CA-g", [GRIPPE])] == [first]


def test_a_service_that_no_slot_was_opened_for_finds_slots_for_all_alone(autumn: House):
    opens(autumn, mornings(1), "grippe")
    assert holds(autumn, "CA-c", [COVID]) == []
    opens(autumn, [mornings(2)[1]])
    assert [one.place.start_at for one in holds(autumn, "CA-c", [COVID])] == [mornings(2)[1]]


@pytest.mark.parametrize("channel", [Channel.PHONE, Channel.WEB])
def test_the_telephone_has_its_share_of_each_service(autumn: House, channel: Channel):
    far = [start + timedelta(days=7) for start in mornings(20)]
    opens(autumn, far, "covid", capacity=5)
    opens(autumn, [one + timedelta(minutes=10) for one in far], "grippe", capacity=5)
    held = holds(autumn, "one", [COVID], channel)
    assert held
    (row,) = rows_of(autumn.database, select(place).where(place.c.id == held[0].place.place_id))
    assert (row.lot < COVID.phone_share) == (channel is Channel.PHONE)


def test_a_person_has_each_service_once(autumn: House):
    opens(autumn, mornings(4), capacity=3)
    first = booked(autumn, [COVID])
    # By telephone nobody is to learn it: a stand-in, and no place is taken for it.
    second = booked(autumn, BOTH, holder="CA-2")
    assert second.is_stand_in
    assert booked_places(autumn.database) == 1
    assert isinstance(cancels(autumn, first), Cancelled)
    assert not booked(autumn, BOTH, holder="CA-3").is_stand_in
    assert verified(autumn) == []


def test_another_transaction_was_quicker_for_one_of_two(autumn: House):
    """The key says so, whatever was looked at before."""
    opens(autumn, mornings(4), capacity=3)
    booked(autumn, [COVID])
    (row,) = rows_of(autumn.database, select(place).where(place.c.booking_id.is_(None)).limit(1))
    new = bookings.NewBooking(
        id=autumn.store.chance.identifier(),
        idempotency_key="other:1",
        channel="phone",
        campaign=GRIPPE.name,
        centre_id="1",
        call_id=None,
        born=date(1942, 3, 12),
        number=MOBILE,
        postcode="75011",
        doses=((row.id, row.start_at),),
        services=(
            bookings.NewService("grippe", GRIPPE.name, 1),
            bookings.NewService("covid", COVID.name, 1),
        ),
    )
    with autumn.database.transaction() as connection:
        added = bookings.add(connection, autumn.clock, autumn.store.vault, new, "4521000099")
    assert added is bookings.Added.REPEATED
    # All or nothing: the half that was free is not booked either.
    assert rows_for(autumn.database) == [("covid", COVID.name, 1, "confirmed")]
    assert len(rows_of(autumn.database, select(booking.c.id))) == 1


# ---------------------------------------------------------------- one half


@pytest.mark.parametrize(("service", "other"), [("covid", "grippe"), ("grippe", "covid")])
def test_one_half_is_cancelled_and_comes_back(autumn: House, service: str, other: str):
    opens(autumn, mornings(2))
    file = booked(autumn, BOTH)
    done = cancels(autumn, file, service)
    assert isinstance(done, Cancelled)
    assert [(one.became, one.services) for one in done.doses] == (
        [(Became.CANCELLED, ("covid",)), (Became.KEPT, ("grippe",))]
        if service == "covid"
        else [(Became.KEPT, ("covid",)), (Became.CANCELLED, ("grippe",))]
    )
    # The place is taken still, and the other half as it was.
    left = again(autumn, file)
    assert set(live(left)) == {other}
    assert left.campaigns == (next(one.name for one in BOTH if one.service == other),)
    assert left.campaign == left.campaigns[0]
    assert booked_places(autumn.database) == 1
    assert verified(autumn) == []
    assert isinstance(cancels(autumn, file, service), Unchanged)
    assert isinstance(takes_back(autumn, file), Restored)
    assert set(live(again(autumn, file))) == {"grippe", "covid"}
    assert booked_places(autumn.database) == 1
    assert verified(autumn) == []


def test_the_place_is_given_back_with_the_last_half(autumn: House):
    opens(autumn, mornings(1))
    file = booked(autumn, BOTH)
    assert isinstance(cancels(autumn, file, "covid"), Cancelled)
    assert isinstance(cancels(autumn, file, "grippe"), Cancelled)
    assert again(autumn, file).state == "cancelled"
    assert booked_places(autumn.database) == 0
    assert verified(autumn) == []
    # What was cancelled last alone comes back.
    assert isinstance(takes_back(autumn, file), Restored)
    assert set(live(again(autumn, file))) == {"grippe"}
    assert verified(autumn) == []


def test_both_are_cancelled_at_once_and_come_back(autumn: House):
    opens(autumn, mornings(1))
    file = booked(autumn, BOTH)
    assert isinstance(cancels(autumn, file), Cancelled)
    assert live(again(autumn, file)) == {}
    assert isinstance(takes_back(autumn, file), Restored)
    assert set(live(again(autumn, file))) == {"grippe", "covid"}
    assert verified(autumn) == []


def test_a_half_does_not_come_back_to_who_booked_it_again(autumn: House):
    opens(autumn, mornings(2), capacity=2)
    file = booked(autumn, BOTH)
    assert isinstance(cancels(autumn, file, "covid"), Cancelled)
    assert not booked(autumn, [COVID], holder="CA-2").is_stand_in
    assert takes_back(autumn, file) == Unchanged(WhyNot.BOOKED_AGAIN)
    assert verified(autumn) == []


def test_of_two_places_the_first_goes_alone(autumn: House):
    start = mornings(1)[0]
    opens(autumn, [start], "grippe")
    opens(autumn, [start + timedelta(minutes=10)], "covid")
    file = booked(autumn, APART)
    done = cancels(autumn, file, "grippe")
    assert isinstance(done, Cancelled)
    assert [one.became for one in done.doses] == [Became.CANCELLED, Became.KEPT]
    assert set(live(again(autumn, file))) == {"covid"}
    assert booked_places(autumn.database) == 1
    assert verified(autumn) == []


@pytest.mark.parametrize(("service", "campaign"), [("covid", COVID), ("grippe", GRIPPE)])
def test_one_half_moves_out_of_the_place_that_both_had(
    autumn: House, service: str, campaign: Campaign
):
    first, second = mornings(2)
    opens(autumn, [first])
    opens(autumn, [second], service)
    file = booked(autumn, BOTH)
    done = moves(autumn, file, second, [campaign], service=service)
    assert isinstance(done, Moved)
    now = again(autumn, file)
    assert live(now) == {service: second, ({"grippe", "covid"} - {service}).pop(): first}
    assert booked_places(autumn.database) == 2
    assert verified(autumn) == []
    # And once more, now that it has a place of its own.
    third = second + timedelta(hours=1)
    opens(autumn, [third])
    (dose,) = (one.dose for one in now.live if one.start_at == second)
    assert isinstance(moves(autumn, now, third, [campaign], dose=dose, service=service), Moved)
    assert live(again(autumn, file))[service] == third
    assert booked_places(autumn.database) == 2
    assert verified(autumn) == []


def test_nothing_moves_to_a_slot_that_does_not_serve_it(autumn: House):
    first, second = mornings(2)
    opens(autumn, [first])
    opens(autumn, [second], "grippe")
    file = booked(autumn, BOTH)
    assert moves(autumn, file, second, [COVID], service="covid") == Unchanged(WhyNot.GONE)
    assert moves(autumn, file, second, BOTH) == Unchanged(WhyNot.GONE)
    # Nor by the rules of one campaign what is of two.
    assert moves(autumn, file, second, [GRIPPE]) == Unchanged(WhyNot.OTHER_CAMPAIGN)
    assert again(autumn, file).appointments == file.appointments
    assert verified(autumn) == []


def test_both_move_together(autumn: House):
    first, second = mornings(2)
    opens(autumn, [first, second])
    file = booked(autumn, BOTH)
    assert isinstance(moves(autumn, file, second, BOTH), Moved)
    assert set(live(again(autumn, file)).values()) == {second}
    assert booked_places(autumn.database) == 1
    assert verified(autumn) == []


# ---------------------------------------------------------------- what slots are for


def test_a_slot_is_not_labelled_anew_under_a_booking(autumn: House):
    opens(autumn, mornings(2), capacity=2)
    booked(autumn, BOTH)
    arguments = ["slots", "serve", "--centre", "1", "--from", "2026-11-26", "--days", "2"]
    runner = autumn.app.test_cli_runner()
    done = runner.invoke(args=[*arguments, "--service", "grippe"])
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert "booked for what they would serve no more" in done.stderr
    assert "covid" in done.stderr
    # Nothing of it was done, not even where nobody is booked.
    assert {row.services for row in rows_of(autumn.database, select(place.c.services))} == {0}
    kept = runner.invoke(args=[*arguments, "--service", "grippe", "--service", "covid"])
    assert (kept.exit_code, kept.stdout) == (0, "4 places changed\n")
    assert verified(autumn) == []


def test_a_slot_is_not_labelled_anew_under_a_hold(autumn: House):
    opens(autumn, mornings(1))
    holds(autumn, "CA-1", [COVID])
    arguments = ["slots", "serve", "--centre", "1", "--from", "2026-11-26", "--days", "2"]
    done = autumn.app.test_cli_runner().invoke(args=[*arguments, "--service", "grippe"])
    assert done.exit_code == 1
    assert "somebody is choosing" in done.stderr


def test_capacity_is_apart_within_one_hour(autumn: House):
    opens(autumn, mornings(1), capacity=3)
    arguments = ["slots", "serve", "--centre", "1", "--from", "2026-11-26", "--days", "2"]
    runner = autumn.app.test_cli_runner()
    beyond = runner.invoke(args=[*arguments, "--service", "covid", "--places", "2-4"])
    assert beyond.exit_code == 1
    assert "has 3 places, and place 4 is beyond them" in beyond.stderr
    for name, places in (("grippe", "1-1"), ("covid", "2-3")):
        done = runner.invoke(args=[*arguments, "--service", name, "--places", places])
        assert done.exit_code == 0, done.stderr
    assert verified(autumn) == []
    for number in range(3):
        made = books(autumn, [COVID], holder=f"CA-{number}", number=None, born=date(1941, 1, 1))
        assert isinstance(made, Booked) == (number < 2)
    assert isinstance(books(autumn, [GRIPPE], holder="CA-g", number=None), Booked)
    assert verified(autumn) == []


def test_slots_are_opened_for_services(autumn: House):
    arguments = ["slots", "open", "--centre", "1", "--from", "2026-12-01", "--days", "1"]
    arguments += ["--hours", "09:00-10:00", "--every", "30"]
    runner = autumn.app.test_cli_runner()
    done = runner.invoke(args=[*arguments, "--service", "covid"])
    assert done.exit_code == 0, done.output
    done = runner.invoke(args=[*arguments, "--service", "grippe", "--capacity", "2"])
    assert "2 slots are there for other services and keep them" in done.stdout
    assert holds(autumn, "CA-g", [GRIPPE]) == []
    assert len(holds(autumn, "CA-c", [COVID])) >= 1
    assert verified(autumn) == []
    refused = runner.invoke(args=[*arguments, "--service", "La grippe"])
    assert refused.exit_code == 1
    assert refused.stderr.count("\n") == 1


# ---------------------------------------------------------------- what people may know


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("service-without-appointment", "UPDATE appointment SET state = 'cancelled'"),
        ("place-serves", "UPDATE slot SET services = 1"),
    ],
)
def test_a_service_left_alone_and_a_place_of_too_many_are_found(
    autumn: House, kind: str, statement: str
):
    opens(autumn, mornings(1), "grippe", "covid")
    opens(autumn, [mornings(2)[1]])
    booked(autumn, BOTH)
    assert verified(autumn) == []
    change(autumn.database, text(statement))
    assert kind in {line.partition(":")[0] for line in verified(autumn)}


def test_a_person_is_told_what_for_and_is_erased_with_it(autumn: House):
    opens(autumn, mornings(2))
    booked(autumn, BOTH, number=HERE.number, born=HERE.born)
    told = person_rights.export(autumn.store, HERE, by=OPERATOR, reason="post")
    assert [row["service"] for row in told.kept["appointment_for"]] == ["grippe", "covid"]
    booked(autumn, BOTH, holder="CA-2", number="+33698765432")
    clock_of(autumn).advance(timedelta(days=200))
    erase_data(autumn.store)
    keys = select(appointment_for.c.person_idx)
    assert rows_of(autumn.database, keys) == [(None,)] * 4


def test_nothing_is_held_beside_where_there_is_no_second_pair(autumn: House):
    start = mornings(1)[0]
    opens(autumn, [start], "grippe")
    opens(autumn, [start + timedelta(minutes=10)], "covid")
    # Elsewhere there is enough of everything.
    autumn.opens_centre("2", starts=mornings(3), capacity=3)
    with autumn.database.transaction() as connection:
        (first,) = hold_slots(
            work_of(autumn, connection, APART),
            Holder(Channel.PHONE, "CA-1"),
            HoldRequest(near=near(autumn)[:1], not_before=autumn.clock.now() + GRIPPE.lead),
        )
    before = autumn.held()
    with autumn.database.transaction() as connection:
        beside = hold_adjacent(
            work_of(autumn, connection, APART),
            Holder(Channel.PHONE, "CA-1"),
            centre_id=first.place.centre_id,
            start=first.place.start_at,
            zone=ZoneInfo("Europe/Paris"),
        )
    assert beside is None
    assert autumn.held() == before == 2
