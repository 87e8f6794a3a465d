"""Offers of freed places: from when their time counts, what they are told by, and who was first."""

from __future__ import annotations

import threading

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sqlalchemy import select, update

from flows.world import News, Unbooked
from models.messages import outbox
from models.messages.tables import message
from models.slots.tables import place, slot
from models.waiting_list.tables import waiting_entry, waiting_offer
from services.booking.confirm_booking import Booked
from services.campaign.campaign import Campaign
from services.centres.directory import Directory
from services.delivery import make_delivery_dependencies
from services.messages import phone_capabilities
from services.messages.deliver_message import deliver_message
from services.messages.notices import Later, ReadyNotice
from services.messages.promises import MOST_NEWS, Promise, promise_news
from services.service import Service
from services.slots.allocate import Channel
from services.waiting_list import entries as waiting_list
from services.waiting_list.entries import EntryState
from services.waiting_list.offer_figures import offer_figures
from services.waiting_list.offer_notices import OfferNotices
from services.work import Work
from tests.calls.telephone import Texts
from tests.support.house import CAMPAIGN, House, campaign_with, mornings
from tests.support.rows import (
    booked_places,
    change,
    clock_of,
    doubles,
    holds,
    near,
    on_the_wire,
    rows_of,
)
from tests.waiting_list.test_waiting import (
    OFFER,
    TWO_DOSES,
    accepts,
    advances,
    books,
    cancels,
    declines,
    full,
    holder,
    joins,
    number_of,
    offers,
    place_ids,
    second_worker,
    stands,
    tells,
)

__all__ = ["second_worker"]

PARIS_TIME = ZoneInfo("Europe/Paris")
LANDLINE = "+33491000001"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def it_is(house: House, day: int, hour: int, minute: int = 0) -> datetime:
    """Move the clock to that moment of November 2026 in Paris; gives it."""
    moment = datetime(2026, 11, day, hour, minute, tzinfo=PARIS_TIME).astimezone(UTC)
    clock_of(house).moment = moment
    return moment


def local(moment: datetime | None) -> str:
    assert moment is not None
    return f"{moment.astimezone(PARIS_TIME):%a %H:%M}"


def message_of(house: House, entry_id: str) -> Any:
    """The message about the offer that an entry has."""
    ((offer_id,),) = rows_of(
        house.database,
        select(waiting_offer.c.id).where(
            waiting_offer.c.entry_id == entry_id, waiting_offer.c.ended_at.is_(None)
        ),
    )
    (row,) = [one for one in house.messages("waiting_offer") if one.id == offer_id]
    return row


def outcomes(house: House, entry_id: str) -> list[str]:
    """What became of the offers of an entry, in their order."""
    statement = select(waiting_offer.c.outcome).where(waiting_offer.c.entry_id == entry_id)
    return [
        row[0] for row in rows_of(house.database, statement.order_by(waiting_offer.c.offered_at))
    ]


def notices(house: House, campaign: Campaign = CAMPAIGN) -> OfferNotices:
    return OfferNotices({campaign.name: campaign}.get, "+33974750001")


def rendered(house: House, row: Any, campaign: Campaign = CAMPAIGN) -> ReadyNotice | Later | None:
    """What a message would be told as at this moment."""
    with house.database.transaction() as connection:
        stored = outbox.load(connection, house.store.vault, row.id)
        assert stored is not None
        render = notices(house, campaign).renders()[row.kind]
        return render(connection, house.store, stored.claimed)


# ---------------------------------------------------------------- from when its time counts


@pytest.mark.parametrize(
    ("number", "day", "at", "told", "until"),
    [
        # A Wednesday.
        (number_of(1), 25, (14, 0), "Wed 14:00", "Wed 16:00"),
        (number_of(1), 25, (21, 0), "Thu 08:00", "Thu 10:00"),
        (LANDLINE, 25, (4, 0), "Wed 08:00", "Wed 10:00"),
        # It would find the hours over on its way.
        (LANDLINE, 25, (19, 57), "Thu 08:00", "Thu 10:00"),
        # On a Sunday no machine rings, and a mobile is written to.
        (LANDLINE, 28, (20, 30), "Mon 08:00", "Mon 10:00"),
        (number_of(1), 28, (20, 30), "Sun 08:00", "Sun 10:00"),
        # In Réunion the day begins three hours earlier.
        ("+262692123456", 25, (6, 30), "Wed 06:30", "Wed 08:30"),
        ("+262692123456", 25, (18, 0), "Thu 05:00", "Thu 07:00"),
    ],
)
def test_the_time_of_an_offer_counts_from_when_it_can_be_told(  # noqa: PLR0917
    service: House, number: str, day: int, at: tuple[int, int], told: str, until: str
):
    service.opens_centre("1", starts=mornings(10, first=6))
    entry = joins(service, 1, number=number)
    it_is(service, day, *at)
    assert offers(service, place_ids(service)[0]) == 1
    standing = stands(service, entry)
    assert (local(message_of(service, entry).due_at), local(standing.offered_until)) == (
        told,
        until,
    )
    # It is theirs all that time, and some minutes longer.
    assert standing.offered_until is not None
    clock_of(service).moment = standing.offered_until + timedelta(minutes=14)
    assert holder(service, place_ids(service)[0]) == entry


def test_what_is_freed_at_night_is_nobody_elses_before_the_morning(service: House):
    (booking_id,) = full(service)
    (one,) = place_ids(service)
    joins(service, 1)
    first = joins(service, 2, class_rank=-1)
    it_is(service, 25, 21)
    change(service.database, update(place).values(start_at=mornings(1, first=3)[0]))
    change(service.database, update(slot).values(start_at=mornings(1, first=3)[0]))
    cancels(service, booking_id)
    for moment in ((25, 23), (26, 3), (26, 7, 59), (26, 9, 59)):
        it_is(service, *moment)
        assert advances(service) == 0
        assert holder(service, one) == first
        assert holds(service, "CA-quick") == []


def test_whom_nobody_could_tell_in_time_is_passed_over_for_that_place(service: House):
    """A landline on a Sunday, and a place on Monday at nine: a mobile is written to before."""
    monday = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
    service.opens_centre("1", starts=[monday, monday + DAY])
    early, late = place_ids(service)
    landline, mobile = joins(service, 1, number=LANDLINE), joins(service, 2)
    it_is(service, 29, 10)
    assert offers(service, early) == 1
    assert holder(service, early) == mobile
    assert offers(service, late) == 1
    assert holder(service, late) == landline


def test_where_nobody_can_be_told_in_time_it_is_everybodys(service: House):
    service.opens_centre("1", starts=[datetime(2026, 11, 26, 7, 30, tzinfo=UTC)])
    joins(service, 1)
    it_is(service, 25, 23)
    assert offers(service, *place_ids(service)) == 0
    assert len(holds(service, "CA-quick")) == 1


# ---------------------------------------------------------------- what never left


def test_an_offer_that_never_left_counts_for_nobody(service: House):
    freed = full(service, 3)
    one = place_ids(service)[0]
    first, second = joins(service, 1), joins(service, 2)
    for _ in range(3):
        # The provider is down all the time.
        cancels(service, freed[0]) if holder(service, one) is None else None
        clock_of(service).advance(OFFER)
        advances(service)
    assert set(outcomes(service, first)) <= {"untold", ""}
    counts = dict(rows_of(service.database, select(waiting_entry.c.id, waiting_entry.c.offers)))
    assert all(stands(service, entry).state != EntryState.GONE for entry in (first, second))
    assert counts[first] <= 1
    # It was always somebody's of those who wait.
    assert holder(service, one) in (first, second)


def test_what_never_left_is_theirs_again_where_nobody_else_waits(service: House):
    (booking_id,) = full(service)
    (one,) = place_ids(service)
    entry = joins(service, 1)
    cancels(service, booking_id)
    early = message_of(service, entry)
    clock_of(service).advance(OFFER)
    assert advances(service) == 1
    assert holder(service, one) == entry
    assert outcomes(service, entry) == ["untold", ""]
    # What was to tell the first one tells nothing any more.
    assert rendered(service, early) is None
    assert isinstance(rendered(service, message_of(service, entry)), ReadyNotice)


@pytest.mark.parametrize("way", ["refused for good", "rung"])
def test_a_number_that_nothing_reaches_is_no_reason_to_wait(service: House, way: str):
    (booking_id,) = full(service)
    (one,) = place_ids(service)
    first, second = joins(service, 1), joins(service, 2)
    cancels(service, booking_id)
    state = {"refused for good": "failed", "rung": "undelivered"}[way]
    change(service.database, update(message).values(state=state))
    clock_of(service).advance(OFFER)
    advances(service)
    assert outcomes(service, first) == ["lapsed"]
    assert holder(service, one) == second


def delivers(house: House, entry_id: str) -> str:
    """The message about the offer of an entry is taken by a relay; its word for what came of it."""
    parts = Service(Directory(house.database), house.campaign, house.settings.national_number)
    means = make_delivery_dependencies(house.settings, parts)
    return deliver_message(house.store, Texts(), message_of(house, entry_id).id, means)


@pytest.mark.parametrize("told_first", [False, True])
def test_an_offer_to_a_wrong_number_goes_to_the_next_at_once(service: House, *, told_first: bool):
    """Nobody of whom we know can answer it: it must not keep a place for two hours."""
    (booking_id,) = full(service)
    (one,) = place_ids(service)
    first, second = joins(service, 1), joins(service, 2)
    if told_first:
        cancels(service, booking_id)
        delivers(service, first)
        clock_of(service).advance(timedelta(minutes=1))
    with service.database.transaction() as connection:
        phone_capabilities.mark_wrong(connection, service.store, number_of(1))
    if not told_first:
        cancels(service, booking_id)
        assert delivers(service, first) == "dropped"
    assert advances(service) == 1
    assert holder(service, one) == second
    assert (outcomes(service, first), outcomes(service, second)) == (["lapsed"], [""])
    # What was said of one number is nothing to another, and is done with once.
    assert advances(service) == 0


def test_what_no_call_can_tell_in_time_goes_to_the_next_and_counts_for_nobody(service: House):
    """They want no texts, and no machine rings on a Sunday."""
    (booking_id,) = full(service)
    (one,) = place_ids(service)
    both = first, second = joins(service, 1), joins(service, 2)
    it_is(service, 22, 10)
    with service.database.transaction() as connection:
        for person in (1, 2):
            phone_capabilities.stop_texts(connection, service.store, number_of(person))
    cancels(service, booking_id)
    assert delivers(service, first) == "dropped"
    assert advances(service) == 1
    assert holder(service, one) == second
    assert delivers(service, second) == "dropped"
    assert advances(service) == 1
    # Neither is asked again about it: it is everybody's.
    assert holder(service, one) is None
    assert [outcomes(service, entry) for entry in both] == [["untold"], ["untold"]]
    counts = dict(rows_of(service.database, select(waiting_entry.c.id, waiting_entry.c.offers)))
    assert [(stands(service, entry).state, counts[entry]) for entry in both] == [("waiting", 0)] * 2


# ---------------------------------------------------------------- known faults


def test_whose_offer_of_the_same_first_place_lapsed_is_not_taken_for_all_others(service: House):
    """Of two appointments the first was offered before, with another second."""
    service.opens_centre("1", starts=[mornings(1)[0], *mornings(2, first=23)])
    ids = place_ids(service)
    first_second, later_second = ids[1], ids[2]
    bookings = [books(service, 900 + one, [one], campaign=TWO_DOSES) for one in ids[1:]]
    lapsed = joins(service, 1, campaign=TWO_DOSES)
    cancels(service, bookings[0], campaign=TWO_DOSES)
    assert [one.place_id for one in stands(service, lapsed).offer] == [ids[0], first_second]
    tells(service)
    clock_of(service).advance(OFFER)
    advances(service, TWO_DOSES)
    books(service, 950, [first_second], campaign=TWO_DOSES)

    behind = joins(service, 2, campaign=TWO_DOSES)
    cancels(service, bookings[1], campaign=TWO_DOSES)
    # They were asked about that first hour; it suits whoever comes after them.
    assert stands(service, lapsed).state == EntryState.WAITING
    assert [one.place_id for one in stands(service, behind).offer] == [ids[0], later_second]


def test_whose_offer_lapsed_gets_another_first_hour_where_there_is_one(service: House):
    service.opens_centre("1", starts=[*mornings(2), mornings(1, first=24)[0]])
    first, other, second = place_ids(service)
    booking_id = books(service, 900, [second], campaign=TWO_DOSES)
    entry = joins(service, 1, campaign=TWO_DOSES)
    cancels(service, booking_id, campaign=TWO_DOSES)
    assert [one.place_id for one in stands(service, entry).offer] == [first, second]
    tells(service)
    clock_of(service).advance(OFFER)
    advances(service, TWO_DOSES)
    # Free for all by now; somebody has it for a while, and cancels.
    cancels(service, books(service, 901, [second], campaign=TWO_DOSES), campaign=TWO_DOSES)
    assert [one.place_id for one in stands(service, entry).offer] == [other, second]


def test_who_can_come_only_later_does_not_stand_for_all_who_need_two(service: House):
    service.opens_centre("1", starts=[mornings(1)[0], mornings(1, first=23)[0]])
    first, second = place_ids(service)
    booking_id = books(service, 900, [second], campaign=TWO_DOSES)
    later = joins(
        service, 1, campaign=TWO_DOSES, not_before=service.clock.now() + timedelta(days=5)
    )
    now = joins(service, 2, campaign=TWO_DOSES)
    cancels(service, booking_id, campaign=TWO_DOSES)
    assert stands(service, later).state == EntryState.WAITING
    assert [one.place_id for one in stands(service, now).offer] == [first, second]


def test_twins_on_one_line_wait_each_for_their_own(service: House):
    freed = full(service, 2)
    one = joins(service, 1)
    other = joins(service, 1, for_other=True)
    assert one != other
    # Asked for again they are the same two.
    assert (joins(service, 1), joins(service, 1, for_other=True)) == (one, other)
    for booking_id in freed:
        cancels(service, booking_id)
    assert [holder(service, each) for each in place_ids(service)] == [one, other]
    done = [accepts(service, each) for each in (one, other)]
    assert all(isinstance(each, Booked) for each in done)
    assert len({each.reference for each in done if isinstance(each, Booked)}) == 2


def test_twins_who_are_both_somebody_else_wait_each_for_their_own(service: House):
    """Whoever asks for two of one birth date at once says that they are two."""
    one = joins(service, 1, for_other=True)
    other = joins(service, 1, for_other=True, twin=True)
    assert one != other
    again = [joins(service, 1, for_other=True), joins(service, 1, for_other=True, twin=True)]
    assert again == [one, other]


def test_somebody_else_who_is_asked_for_twice_is_one_person(service: House):
    assert joins(service, 1, for_other=True) == joins(service, 1, for_other=True)
    # And the same again, where they ring themselves from that line.
    assert len(rows_of(service.database, select(waiting_entry.c.id))) == 1


def test_what_cannot_be_booked_goes_to_the_next_and_not_to_everybody(service: House):
    """Far too many bookings on one number: the place is not kept for who cannot have it."""
    campaign = campaign_with(per_number=0)
    service.opens_centre("1", starts=mornings(1))
    (freed,) = place_ids(service)
    first, second = joins(service, 1), joins(service, 2)
    cancels(service, books(service, 900, [freed]))
    done = accepts(service, first, campaign=campaign, channel=Channel.PHONE)
    assert done == Unbooked.NOT_PROVED
    assert holder(service, freed) == second
    assert holds(service, "CA-quick") == []
    # It was no refusal of theirs, and no offer that they let go.
    assert (stands(service, first).state, stands(service, first).ahead) == (EntryState.WAITING, 0)


def test_a_place_that_was_blocked_meanwhile_is_nobodys_fault(service: House):
    (booking_id,) = full(service)
    (one,) = place_ids(service)
    first, second = joins(service, 1), joins(service, 2)
    cancels(service, booking_id)
    change(service.database, update(place).where(place.c.id == one).values(blocked=True))
    assert accepts(service, first) == Unbooked.GONE
    assert (stands(service, first).state, stands(service, first).ahead) == (EntryState.WAITING, 0)
    assert stands(service, second).state == EntryState.WAITING
    assert outcomes(service, first) == ["gone"]


def test_one_person_is_never_offered_two_at_once(service: House):
    freed = full(service, 4)
    entry = joins(service, 1)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda booking_id: cancels(service, booking_id), freed))
    assert [holder(service, one) for one in place_ids(service)].count(entry) == 1
    assert outcomes(service, entry) == [""]


# ---------------------------------------------------------------- what it costs


def test_an_offer_is_so_many_statements_of_the_transaction_that_frees(service: House):
    service.opens_centre("1", starts=mornings(3))
    ids = place_ids(service)
    joins(service, 1)
    with on_the_wire(service.database) as sent:
        assert offers(service, ids[0]) == 1
    # BEGIN, what is free, whom it suits (two looks), the entry, the place, the message, that it
    # is offered, the offer, COMMIT.
    assert len(sent) == 10, sent


# ---------------------------------------------------------------- what is told


def test_an_offer_tells_the_place_and_until_when_and_by_which_way(service: House):
    (booking_id,) = full(service)
    entry = joins(service, 1)
    cancels(service, booking_id)
    ready = rendered(service, message_of(service, entry))
    assert isinstance(ready, ReadyNotice)
    assert ready.recipient == number_of(1)
    assert ready.by_call_first
    assert ready.call is not None
    assert (ready.call.reason, dict(ready.call.known)) == ("offer", {"entry": entry})
    assert ready.call.until == stands(service, entry).offered_until
    for told in ("jeudi 26 novembre à 10h00", "12 rue de la Paix", "11h00", "09 74 75 00 01"):
        assert told in ready.text
    # On a Sunday a machine rings nobody.
    it_is(service, 29, 9)
    change(service.database, update(waiting_entry).values(offered_until=it_is(service, 29, 12)))
    change(service.database, update(place).values(hold_expires_at=it_is(service, 29, 12) + HOUR))
    it_is(service, 29, 9)
    ready = rendered(service, message_of(service, entry))
    assert isinstance(ready, ReadyNotice)
    assert not ready.by_call_first


@pytest.mark.parametrize("ending", ["taken", "refused", "left", "ran out", "closed"])
def test_an_offer_that_is_over_is_not_told(service: House, ending: str):
    (booking_id,) = full(service)
    entry = joins(service, 1)
    cancels(service, booking_id)
    row = message_of(service, entry)
    match ending:
        case "taken":
            accepts(service, entry)
        case "refused":
            declines(service, entry)
        case "left":
            with service.database.transaction() as connection:
                waiting_list.leave(Work(connection, service.store, CAMPAIGN), entry)
        case "ran out":
            clock_of(service).advance(OFFER)
    campaign = campaign_with(name="other") if ending == "closed" else CAMPAIGN
    assert rendered(service, row, campaign) is None


def promises(
    service: House,
    news: News = News.OPENING,
    *,
    number: str = number_of(1),
    by_text: bool = True,
    at: datetime,
    **known: str,
) -> bool:
    told = Promise(number, news, at, by_text=by_text, campaign=CAMPAIGN.name, known=known)
    with service.database.transaction() as connection:
        return promise_news(connection, service.store, told, call_id=None)


def test_news_waits_when_the_opening_is_put_off_and_is_told_then(service: House):
    said, now = service.clock.now() + DAY, service.clock.now()
    promises(service, at=said)
    (row,) = service.messages("callback")
    clock_of(service).moment = said
    put_off = campaign_with(opens_at=said + 2 * DAY)
    assert rendered(service, row, put_off) == Later(said + 2 * DAY)
    clock_of(service).moment = said + 2 * DAY
    ready = rendered(service, row, put_off)
    assert isinstance(ready, ReadyNotice)
    assert "les rendez-vous sont ouverts" in ready.text
    assert not ready.by_call_first
    assert rendered(service, row, campaign_with(closes_at=now)) is None


def test_news_by_a_call_is_told_by_a_call(service: House):
    promises(service, by_text=False, at=service.clock.now())
    ready = rendered(service, service.messages("callback")[0])
    assert isinstance(ready, ReadyNotice)
    assert ready.by_call_first
    assert ready.call is not None
    assert ready.call.reason == "news"


def test_whose_turn_is_put_off_is_told_on_that_day(service: House):
    now = service.clock.now()
    promises(service, News.TURN, at=now, born="1960-03-12")
    (row,) = service.messages("callback")
    assert rendered(service, row) is None
    young = campaign_with(minimum_age=66)
    ready = rendered(service, row, young)
    assert isinstance(ready, ReadyNotice)
    assert "maintenant prendre rendez-vous" in ready.text


def test_who_booked_meanwhile_is_told_no_news(service: House):
    service.opens_centre("1", starts=mornings(1))
    promises(service, at=service.clock.now())
    books(service, 1, place_ids(service))
    assert rendered(service, service.messages("callback")[0]) is None


def test_nobody_floods_a_number_that_they_type(service: House):
    born = [f"1990-01-{day:02d}" for day in range(1, 29)]
    kept = [promises(service, News.TURN, at=service.clock.now() + DAY, born=one) for one in born]
    assert kept.count(True) == MOST_NEWS
    assert len(service.messages("callback")) == MOST_NEWS


# ---------------------------------------------------------------- figures


def test_the_board_counts_what_is_out_and_what_became_of_it(service: House):
    freed = full(service, 4)
    entries = [joins(service, person) for person in range(6)]
    for booking_id in freed:
        cancels(service, booking_id)
    tells(service)
    clock_of(service).advance(timedelta(minutes=20))
    accepts(service, entries[0])
    clock_of(service).advance(timedelta(minutes=20))
    declines(service, entries[1])  # … and the fifth has it
    with service.database.statement() as connection:
        found = offer_figures(connection, service.store, CAMPAIGN)
    assert (found.out, found.untold, found.taken, found.refused) == (3, 0, 1, 1)
    # They joined a second after one another, which the clock counts too.
    assert found.median_minutes == pytest.approx(30, abs=0.5)
    clock_of(service).advance(OFFER - timedelta(minutes=40))
    advances(service)
    with service.database.statement() as connection:
        found = offer_figures(connection, service.store, CAMPAIGN)
    assert (found.lapsed, found.unreached) == (2, 0)
    it_is(service, 26, 9)
    with service.database.statement() as connection:
        assert offer_figures(connection, service.store, CAMPAIGN).taken == 0


# ---------------------------------------------------------------- five hundred wait


@dataclass
class Waits:
    """Somebody of the list as the test knows them, and how they answer."""

    entry: str
    rank: int
    since: datetime
    not_before: datetime | None
    answers: str
    offers: int = 0
    asked: set[int] = field(default_factory=set)
    state: str = "waiting"


class Expected:
    """Who is to come first, worked out by hand: by class, then by when they came."""

    def __init__(self, people: list[Waits]) -> None:
        self.people = {one.entry: one for one in people}

    def next(self, slot_id: int, start: datetime) -> Waits | None:
        suited = [
            one
            for one in self.people.values()
            if one.state == "waiting"
            and slot_id not in one.asked
            and (one.not_before is None or one.not_before <= start)
        ]
        return min(suited, key=lambda one: (one.rank, one.since, one.entry), default=None)

    def offer(self, slot_id: int, start: datetime) -> str | None:
        found = self.next(slot_id, start)
        if found is None:
            return None
        found.state, found.offers = "offered", found.offers + 1
        found.asked.add(slot_id)
        return found.entry

    def refuses(self, entry: str, now: datetime) -> None:
        one = self.people[entry]
        one.state = "waiting"
        if one.offers > 1:
            one.since = now

    def lets_go(self, entry: str) -> None:
        one = self.people[entry]
        one.state = "waiting" if one.offers == 1 else "gone"


@pytest.mark.parametrize(
    ("waiting", "cancelled"), [(200, 50), pytest.param(500, 50, marks=pytest.mark.long)]
)
def test_many_wait_and_some_cancel_the_right_have_them_and_nobody_else_sees_one(
    service: House, second_worker: House, waiting: int, cancelled: int
):
    """Some say yes, some no, some nothing; some offers fall into the night."""
    service.opens_centre("1", starts=mornings(cancelled // 2, first=4), capacity=2)
    slots = {
        row.id: (row.slot_id, row.start_at)
        for row in rows_of(service.database, select(place.c.id, place.c.slot_id, place.c.start_at))
    }
    freed = {one: books(service, 900 + number, [one]) for number, one in enumerate(slots)}
    expected = Expected([_waits(service, person) for person in range(waiting)])
    done = threading.Event()
    seen: list[Any] = []
    nearby = near(service)

    def searches() -> int:
        tries = 0
        while not done.is_set():
            seen.extend(holds(second_worker, "CA-quick", near=nearby))
            tries += 1
        return tries

    with ThreadPoolExecutor(1) as threads:
        searching = threads.submit(searches)
        try:
            served = _served(service, expected, slots, freed)
        finally:
            done.set()
        assert searching.result() > 0

    assert seen == []
    assert booked_places(service.database) == cancelled
    assert doubles(service.database) == 0
    assert service.held() == 0
    states = dict(rows_of(service.database, select(waiting_entry.c.id, waiting_entry.c.state)))
    assert {entry for entry, state in states.items() if state == "taken"} == served
    assert states == {one.entry: one.state for one in expected.people.values()}
    # Each offer came to one end.
    ends = [row[0] for row in rows_of(service.database, select(waiting_offer.c.outcome))]
    assert ends.count("taken") == cancelled
    assert set(ends) == {"taken", "refused", "lapsed"}


def _waits(service: House, person: int) -> Waits:
    wish: dict[str, Any] = {"class_rank": person % 2}
    if person % 3 == 0:
        wish["centre_id"] = "1"
    if person % 7 == 0:
        wish["not_before"] = service.clock.now() + timedelta(days=14)
    if person % 11 == 0:
        wish["number"] = f"+33491{person:06d}"
    answers = ("yes", "no", "yes", "nothing", "yes", "yes", "no")[person % 7]
    since = service.clock.now()
    entry = joins(service, person, **wish)
    return Waits(entry, person % 2, since, wish.get("not_before"), answers)


def _served(
    service: House,
    expected: Expected,
    slots: dict[int, tuple[int, datetime]],
    freed: dict[int, str],
) -> set[str]:
    """Free all places, ten at a time, and let people answer until each is somebody's."""
    served: set[str] = set()
    out: dict[int, str] = {}

    def is_offered(one: int) -> None:
        found = expected.offer(*slots[one])
        assert found is not None
        assert holder(service, one) == found
        out[one] = found

    ids = list(slots)
    for number in range(0, len(ids), 10):
        # By day, at night, in the evening, early in the morning: whatever comes next.
        hour = (10, 22, 16, 20, 5)[number // 10]
        now = service.clock.now()
        clock_of(service).moment = now + (hour * HOUR - (now - now.replace(hour=0, minute=0))) % DAY
        for one in ids[number : number + 10]:
            cancels(service, freed[one])
            is_offered(one)
        while out:
            one = min(out, key=lambda each: (_answers_at(service, expected, out[each]), out[each]))
            entry = out[one]
            moment = _answers_at(service, expected, entry)
            clock_of(service).moment = max(service.clock.now(), moment)
            told = message.c.due_at <= service.clock.now()
            change(
                service.database,
                update(message)
                .where(message.c.kind == "waiting_offer", message.c.state == "pending", told)
                .values(state="sent", sent_at=service.clock.now()),
            )
            match expected.people[entry].answers:
                case "yes":
                    assert isinstance(accepts(service, entry), Booked)
                    expected.people[out.pop(one)].state = "taken"
                    served.add(entry)
                case "no":
                    assert declines(service, entry)
                    expected.refuses(out.pop(one), service.clock.now())
                    is_offered(one)
                case "nothing":
                    _lapse_all(service, expected, out, is_offered)
    return served


def _answers_at(service: House, expected: Expected, entry: str) -> datetime:
    """As soon as they are told; whoever says nothing, when the offer runs out."""
    if expected.people[entry].answers != "nothing":
        due: datetime = message_of(service, entry).due_at
        return due
    until = stands(service, entry).offered_until
    assert until is not None
    return until


def _lapse_all(
    service: House, expected: Expected, out: dict[int, str], is_offered: Callable[[int], None]
) -> None:
    """What the scheduler does with those that ran out by now, one after the other."""
    over = {}
    for one, entry in out.items():
        until = stands(service, entry).offered_until
        if until is not None and until <= service.clock.now():
            over[until, entry] = one
    assert advances(service) == len(over)
    for (_, entry), one in sorted(over.items()):
        del out[one]
        expected.lets_go(entry)
        is_offered(one)
