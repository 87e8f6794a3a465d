"""Promises to ring back are kept: in the line's order, a few times, at decent hours, and once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sqlalchemy import func, select, update

from flows.agents import RungPerson
from models.agents.tables import leg
from models.queue import order, queues
from models.queue.queues import NewQueueEntry
from models.queue.tables import queue_entry
from services.agents import call_back
from services.campaign.call_hours import next_call_at
from services.campaign.opening_hours import OpeningHours
from services.ports import ProviderRefused
from services.privacy.erase_data import AFTER_PLACE, erase_data
from services.queue.promise_callback import end_where_needless, promise
from tests.agents.rings import Office, Ring
from tests.booking.test_changes import books
from tests.support.house import CAMPAIGN, LANDLINE, MOBILE, NOON, House, a_mobile, mornings
from tests.support.rows import change, clock_of, rows_of
from tests.support.statements import transactions

PARIS = ZoneInfo("Europe/Paris")
MINUTE = timedelta(minutes=1)
QUARTER, TWO_HOURS = timedelta(minutes=15), timedelta(hours=2)


@pytest.fixture
def office(service: House) -> Office:
    return Office(service)


def texts(house: House) -> list[str]:
    """The texts that wait to be sent, by the first part of their key."""
    return [row.dedupe_key.partition(":")[0] for row in house.messages("sms")]


def waits_on_the_line(office: Office, call_id: str, number: str = "") -> str:
    """Somebody joins the line by telephone."""
    made = office.store.chance.identifier()
    entry = NewQueueEntry(made, "fr", "call", "fr", call_id=call_id, number=number)
    with office.store.database.transaction() as connection:
        assert queues.add(connection, office.store.clock, office.store.vault, entry)
    return entry.id


def rings_in_vain(office: Office, staff_id: str, number: str, status: str) -> Ring:
    """One try: the agent is there, the number is dialled, nobody is reached."""
    assert office.reserves() == 1
    ring = office.rings(staff_id, number)
    assert office.ends(ring, status)
    office.sweeps()
    assert office.state(staff_id) == "ready"
    return ring


# ---------------------------------------------------------------- what is promised


def test_a_number_has_one_live_promise_which_keeps_its_place(office: Office):
    first = office.promises(MOBILE, born="1942-03-12")
    place = office.entry(first).joined_at
    office.passes(QUARTER)
    again = office.promises(MOBILE, "offers", call_id="CA2", born="1941-03-12")
    assert again == first
    kept = office.entry(first)
    assert kept.joined_at == place
    assert kept.origin_call_id == "CA2"
    with office.store.database.statement() as connection:
        entry = queues.load(connection, office.store.vault, first)
    assert entry
    assert entry.known["born"] == "1941-03-12"
    assert entry.known["reason"] == "offers"


def test_silence_replaces_nothing_that_is_known(office: Office):
    first = office.promises(MOBILE, born="1942-03-12")
    assert office.promises(MOBILE, "silent") == first
    entry = office.entry(first)
    assert (entry.reason, entry.mode) == ("asked", "agent")


def test_who_asks_for_a_person_after_silence_is_rung_by_one(office: Office):
    first = office.promises(MOBILE, "silent")
    assert office.entry(first).mode == "machine"
    assert office.promises(MOBILE, "welcome") == first
    entry = office.entry(first)
    assert (entry.reason, entry.mode) == ("asked", "agent")


def test_who_is_silent_is_promised_one_call_ever(office: Office):
    store = office.store
    with store.database.transaction() as connection:
        assert promise(connection, store, MOBILE, None, {"reason": "silent"}).is_new
    change(store.database, update(queue_entry).values(state="lost", ended_at=NOON))
    with store.database.transaction() as connection:
        assert not promise(connection, store, MOBILE, None, {"reason": "silent"}).is_new
        assert promise(connection, store, MOBILE, None, {"reason": "welcome"}).is_new


def test_two_who_promise_at_once_make_one(office: Office):
    store = office.store

    def ask(_number: int) -> bool:
        with store.database.transaction() as connection:
            return promise(connection, store, MOBILE, None, {"reason": "welcome"}).is_new

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(16))).count(True) == 1
    (count,) = rows_of(store.database, select(func.count()).select_from(queue_entry))[0]
    assert count == 1


def test_a_language_without_a_queue_waits_in_the_french_one(office: Office):
    assert office.entry(office.promises(MOBILE, language="en")).queue_id == "en"
    assert office.entry(office.promises(LANDLINE, language="br")).queue_id == "fr"


# ---------------------------------------------------------------- the order of the line


def test_callbacks_and_callers_are_served_in_one_order(office: Office):
    line = []
    for number in range(2):
        line.append(office.promises(a_mobile(number)))
        office.passes(MINUTE)
        line.append(waits_on_the_line(office, f"CA{number}"))
        office.passes(MINUTE)
    agents = [office.agent() for _ in range(3)]
    assert office.reserves() == 3
    taken = {office.entry(one).staff_id for one in line[:3]}
    assert taken == set(agents)
    assert office.entry(line[3]).state == "waiting"


def test_who_is_rung_again_has_kept_the_place(office: Office):
    first = office.promises(MOBILE)
    office.passes(MINUTE)
    office.promises(LANDLINE)
    staff_id = office.agent()
    rings_in_vain(office, staff_id, MOBILE, "busy")
    office.passes(QUARTER)
    office.ready(staff_id)
    with office.store.database.statement() as connection:
        next_ones = order.candidates(connection, office.store.clock, ["fr"])
    assert next_ones[0].id == first


# ---------------------------------------------------------------- an agent first, then the number


def test_the_number_is_dialled_when_the_agent_is_there_and_not_before(office: Office):
    entry = office.promises(MOBILE)
    staff_id = office.agent()
    office.reserves()
    office.sweeps()
    assert office.control.to(MOBILE) == []
    ring = office.rings(staff_id, MOBILE)
    assert ring.path.startswith("/voice/callback?leg=")
    assert ring.status_path.startswith("/voice/callback-status?leg=")
    kept = office.entry(entry)
    assert (kept.state, kept.tries, kept.staff_id) == ("reserved", 1, staff_id)


def proves(office: Office, ring: Ring) -> RungPerson:
    store = office.store
    with store.database.transaction() as connection:
        return call_back.answered(connection, store, ring.leg, ring.sid)


def test_a_person_who_proves_to_be_there_has_the_agent(office: Office):
    entry = office.promises(MOBILE)
    staff_id = office.agent()
    office.reserves()
    ring = office.rings(staff_id, MOBILE)
    assert proves(office, ring) is RungPerson.AGENT
    kept = office.entry(entry)
    assert (kept.state, kept.call_id, kept.staff_id) == ("talking", ring.sid, staff_id)
    assert office.state(staff_id) == "talking"
    # The line is a caller's own from here on: it is not hung up with the agent's.
    office.hangs_up(staff_id)
    office.sweeps()
    assert ring.sid not in office.control.ended
    office.wraps_up(staff_id)
    assert office.entry(entry).state == "done"
    assert office.state(staff_id) == "ready"


@pytest.mark.parametrize("late", ["completed", "no-answer", "ringing", "failed", "busy"])
def test_what_is_told_after_the_proof_changes_nothing(office: Office, late: str):
    entry = office.promises(MOBILE)
    staff_id = office.agent()
    office.reserves()
    ring = office.rings(staff_id, MOBILE)
    proves(office, ring)
    assert office.ends(ring, late) == ""
    assert office.entry(entry).state == "talking"
    assert office.state(staff_id) == "talking"


def test_news_of_the_first_try_says_nothing_of_the_second(office: Office):
    entry = office.promises(MOBILE)
    staff_id = office.agent()
    first = rings_in_vain(office, staff_id, MOBILE, "busy")
    office.passes(QUARTER)
    office.ready(staff_id)
    office.reserves()
    office.rings(staff_id, MOBILE)
    assert office.ends(first, "completed") == ""
    assert office.entry(entry).state == "reserved"
    assert office.state(staff_id) == "reserved"


def test_many_who_tell_the_end_at_once_free_the_agent_once(office: Office):
    entry = office.promises(MOBILE)
    staff_id = office.agent()
    office.reserves()
    ring = office.rings(staff_id, MOBILE)
    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(lambda _: office.ends(ring, "completed"), range(16)))
    assert sorted(told) == [""] * 15 + ["machine"]
    assert office.entry(entry).tries == 1
    assert len(texts(office.house)) == 1


def test_whoever_picks_up_and_wants_no_call_is_rung_no_more(office: Office):
    entry = office.promises(MOBILE)
    staff_id = office.agent()
    office.reserves()
    ring = office.rings(staff_id, MOBILE)
    with office.store.database.transaction() as connection:
        call_back.refused(connection, office.store, ring.leg)
    office.sweeps()
    kept = office.entry(entry)
    assert (kept.state, kept.outcome) == ("left", "refused")
    assert office.state(staff_id) == "ready"
    assert office.ends(ring, "completed") == ""
    assert texts(office.house) == []


def loses_its_agent(office: Office, reason: str = "") -> tuple[str, Any]:
    """A promise whose agent is lost while its number rings, and that call."""
    entry, staff_id = office.promises(MOBILE, reason), office.agent()
    office.reserves()
    ring = office.rings(staff_id, MOBILE)
    office.loses_line(staff_id)
    return entry, ring


def test_an_agent_who_is_lost_while_it_rings_costs_nobody_their_place(office: Office):
    entry, ring = loses_its_agent(office)
    assert office.entry(entry).state == "waiting"
    assert proves(office, ring) is RungPerson.LINE


def test_a_try_that_comes_to_nothing_without_its_agent_is_not_made_again_at_once(office: Office):
    entry, ring = loses_its_agent(office)
    assert office.ends(ring, "no-answer") == "no_answer"
    kept = office.entry(entry)
    assert (kept.state, kept.tries) == ("waiting", 1)
    assert kept.due_at - clock_of(office.house).now() == QUARTER
    office.agent()
    assert office.reserves() == 0


def test_a_last_try_that_comes_to_nothing_without_its_agent_is_the_last(office: Office):
    entry, ring = loses_its_agent(office, "cut")
    assert office.ends(ring, "no-answer") == "no_answer"
    assert office.entry(entry).state == "lost"
    assert texts(office.house) == ["callback_lost"]


# ---------------------------------------------------------------- three tries


def test_three_tries_further_and_further_apart_then_it_is_told(office: Office):
    entry = office.promises(MOBILE)
    staff_id = office.agent()
    rings_in_vain(office, staff_id, MOBILE, "no-answer")
    assert office.entry(entry).due_at - clock_of(office.house).now() == QUARTER
    office.passes(QUARTER - MINUTE)
    office.ready(staff_id)
    assert office.reserves() == 0
    office.passes(MINUTE)
    office.ready(staff_id)
    rings_in_vain(office, staff_id, MOBILE, "busy")
    assert office.entry(entry).due_at - clock_of(office.house).now() == TWO_HOURS
    office.passes(TWO_HOURS)
    office.ready(staff_id)
    rings_in_vain(office, staff_id, MOBILE, "failed")
    kept = office.entry(entry)
    assert (kept.state, kept.tries, kept.outcome) == ("lost", 3, "failed")
    assert texts(office.house) == ["callback_lost"]
    office.passes(timedelta(days=1))
    office.ready(staff_id)
    assert office.reserves() == 0
    assert len(office.control.to(MOBILE)) == 3


def test_a_last_try_in_the_evening_waits_for_the_morning(office: Office):
    office.passes(timedelta(hours=10, minutes=20))  # 19:20 in Paris
    entry = office.promises(MOBILE)
    staff_id = office.agent()
    rings_in_vain(office, staff_id, MOBILE, "busy")
    office.passes(QUARTER)
    office.ready(staff_id)
    rings_in_vain(office, staff_id, MOBILE, "busy")
    local = office.entry(entry).due_at.astimezone(PARIS)
    assert (local.day, local.hour, local.minute) == (26, 8, 0)


def test_a_machine_gets_one_more_try_and_a_mobile_one_text(office: Office):
    entry = office.promises(MOBILE)
    staff_id = office.agent()
    rings_in_vain(office, staff_id, MOBILE, "completed")
    assert texts(office.house) == ["callback_missed"]
    assert office.house.woken.messages == [office.house.messages("sms")[0].id]
    office.passes(QUARTER)
    office.ready(staff_id)
    rings_in_vain(office, staff_id, MOBILE, "completed")
    kept = office.entry(entry)
    assert (kept.state, kept.tries, kept.outcome) == ("lost", 2, "machine")
    assert texts(office.house) == ["callback_missed", "callback_lost"]


def test_a_landline_is_written_to_never(office: Office):
    entry = office.promises(LANDLINE)
    staff_id = office.agent()
    rings_in_vain(office, staff_id, LANDLINE, "completed")
    office.passes(QUARTER)
    office.ready(staff_id)
    rings_in_vain(office, staff_id, LANDLINE, "completed")
    assert office.entry(entry).state == "lost"
    assert texts(office.house) == []


@pytest.mark.parametrize("text", ["callback_missed", "callback_lost", "callback_late"])
@pytest.mark.parametrize("language", ["fr", "en"])
def test_what_is_written_is_one_part_and_tells_nobody_what_it_is_about(
    office: Office, text: str, language: str
):
    from prompts.catalogue import load  # noqa: PLC0415
    from services.messages.discreet_place import says_what_for  # noqa: PLC0415
    from services.messages.sms_parts import septets, to_gsm  # noqa: PLC0415

    longest = datetime(2026, 11, 25, 20, 55, tzinfo=PARIS)
    written = load(language).text(text, {"number": "09 74 75 00 01", "due": longest})
    assert to_gsm(written) == written
    assert septets(written) <= 160
    assert not says_what_for(written)


# ---------------------------------------------------------------- hours

WEDNESDAY_MORNING = datetime(2026, 11, 25, 9, 0, tzinfo=PARIS)


@pytest.mark.parametrize(
    ("moment", "allowed"),
    [
        ("2026-11-25 07:59", "2026-11-25 08:00"),
        ("2026-11-25 08:00", "2026-11-25 08:00"),
        ("2026-11-25 19:59", "2026-11-25 19:59"),
        ("2026-11-25 20:00", "2026-11-26 08:00"),
        ("2026-11-28 20:30", "2026-11-30 08:00"),  # Saturday evening: Monday
        ("2026-11-29 12:00", "2026-11-30 08:00"),  # Sunday
        ("2026-12-25 12:00", "2026-12-26 08:00"),  # Christmas, a Friday
        ("2026-11-11 12:00", "2026-11-12 08:00"),
    ],
)
@pytest.mark.parametrize("machine", [True, False])
def test_nobody_is_rung_at_an_hour_that_is_not_decent(moment: str, allowed: str, machine: bool):  # noqa: FBT001
    asked = datetime.fromisoformat(moment).replace(tzinfo=PARIS)
    found = next_call_at(CAMPAIGN, MOBILE, asked, machine=machine)
    assert found.astimezone(PARIS) == datetime.fromisoformat(allowed).replace(tzinfo=PARIS)


def agents_at(*weekdays: tuple[tuple[int, int], ...]) -> Any:
    hours = OpeningHours("Europe/Paris", weekdays)
    return replace(CAMPAIGN, agents_hours=hours)


def test_agents_who_work_less_ring_less(office: Office):
    campaign = agents_at(*[((9 * 60, 12 * 60), (14 * 60, 17 * 60))] * 5, (), ())
    noon = WEDNESDAY_MORNING.replace(hour=12, minute=30)
    assert next_call_at(campaign, MOBILE, noon).hour == 14
    assert next_call_at(campaign, MOBILE, noon, machine=True) == noon


def test_agents_who_work_at_night_and_on_sundays_ring_nobody_at_night(office: Office):
    campaign = agents_at(*[((0, 24 * 60),)] * 7)
    sunday = datetime(2026, 11, 29, 7, 0, tzinfo=PARIS)
    assert next_call_at(campaign, MOBILE, sunday).hour == 8
    assert next_call_at(campaign, MOBILE, sunday).day == 29
    assert next_call_at(campaign, MOBILE, sunday, machine=True).day == 30


def test_a_campaign_may_say_between_which_hours_people_are_rung(office: Office):
    hours = OpeningHours("Europe/Paris", (((0, 24 * 60),),) * 7, calls=(9 * 60 + 30, 24 * 60))
    campaign = replace(CAMPAIGN, agents_hours=hours)
    for machine in (True, False):
        night = WEDNESDAY_MORNING.replace(hour=5)
        first = next_call_at(campaign, MOBILE, night, machine=machine).astimezone(PARIS)
        assert (first.hour, first.minute) == (9, 30)
        late = WEDNESDAY_MORNING.replace(hour=21, minute=59)
        assert next_call_at(campaign, MOBILE, late, machine=machine) == late
        # Whatever it says, nobody is rung at night.
        night = next_call_at(campaign, MOBILE, late.replace(hour=23), machine=machine)
        assert night.astimezone(PARIS).hour == 9


@pytest.mark.parametrize(
    ("number", "moment", "allowed"),
    [
        # Four hours later there, in winter three: from eight here until five.
        ("+262692123456", "2026-11-25 08:00", "2026-11-25 08:00"),
        ("+262692123456", "2026-11-25 17:30", "2026-11-26 08:00"),
        # Five hours earlier.
        ("+590690123456", "2026-11-25 09:00", "2026-11-25 13:00"),
        ("+590690123456", "2026-11-25 19:00", "2026-11-25 19:00"),
        # Ten hours later: their evening is here the morning.
        ("+687751234", "2026-11-25 12:00", "2026-11-26 08:00"),
    ],
)
def test_an_hour_is_decent_where_the_number_is(number: str, moment: str, allowed: str):
    asked = datetime.fromisoformat(moment).replace(tzinfo=PARIS)
    found = next_call_at(CAMPAIGN, number, asked)
    assert found.astimezone(PARIS) == datetime.fromisoformat(allowed).replace(tzinfo=PARIS)


def test_in_the_evening_nobody_is_reserved_for_a_call_and_callers_still_are(office: Office):
    promise = office.promises(MOBILE)
    office.passes(timedelta(hours=11))  # 20:00 in Paris
    assert office.call_back.look_after(office.store) == 1
    caller = waits_on_the_line(office, "CA1")
    office.agent()
    assert office.reserves() == 1
    assert office.entry(caller).state == "reserved"
    local = office.entry(promise).due_at.astimezone(PARIS)
    assert (local.day, local.hour) == (26, 8)
    assert office.entry(promise).joined_at == NOON


def test_an_agent_who_picks_up_after_the_last_minute_dials_nobody(office: Office):
    entry = office.promises(MOBILE)
    clock_of(office.house).moment = NOON + timedelta(hours=10, minutes=59, seconds=55)
    staff_id = office.agent()
    office.reserves()
    office.passes(timedelta(seconds=10))
    office.agent_picks_up(staff_id)
    office.sweeps()
    assert office.control.to(MOBILE) == []
    assert (office.entry(entry).state, office.entry(entry).tries) == ("waiting", 0)
    assert office.state(staff_id) == "ready"
    # The agent's own line is let go.
    assert office.control.to(f"client:{staff_id}")[0].sid in office.control.ended


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    "number",
    [
        "+33899123456",  # premium
        "+33892123456",
        "+33820123456",  # shared cost
        "+33800123456",  # free for whoever rings
        "+333975",  # short
        "3975",
        "112",
        "+33112",
        "+14155550123",  # foreign
        "+88213123456",  # satellite
        "+22670123456",
        "",
        "anonymous",
    ],
)
def test_numbers_that_cost_or_are_nobodys_are_never_dialled(office: Office, number: str):
    entry = office.promises(MOBILE)
    sealed = queues.sealed_number(office.store.vault, entry, number)
    change(office.store.database, update(queue_entry).values(**sealed))
    staff_id = office.agent()
    office.reserves()
    office.agent_picks_up(staff_id)
    office.sweeps()
    assert [ring for ring in office.control.rings if not ring.to.startswith("client:")] == []
    assert office.entry(entry).state == "lost"
    assert office.state(staff_id) == "ready"
    assert texts(office.house) == []


# ---------------------------------------------------------------- booked meanwhile


def books_on(house: House, number: str) -> None:
    house.opens_centre("1", starts=mornings(3))
    books(house, number=number)


@pytest.mark.parametrize("reason", ["silent", "unfinished", "cut"])
def test_who_is_booked_meanwhile_needs_no_call(office: Office, reason: str):
    entry = office.promises(MOBILE, reason)
    office.passes(MINUTE)
    books_on(office.house, MOBILE)
    assert end_where_needless(office.store) == 1
    kept = office.entry(entry)
    assert (kept.state, kept.outcome) == ("left", "booked")
    assert end_where_needless(office.store) == 0


def test_who_asked_for_a_person_is_rung_all_the_same(office: Office):
    entry = office.promises(MOBILE)
    office.passes(MINUTE)
    books_on(office.house, MOBILE)
    assert end_where_needless(office.store) == 0
    assert office.entry(entry).state == "waiting"


def test_who_spoke_with_a_person_meanwhile_is_not_rung(office: Office):
    """They rang while they were being rung, so that the line was busy, and had a place anew."""
    entry = office.promises(MOBILE)
    staff_id = office.agent()
    office.reserves()
    ring = office.rings(staff_id, MOBILE)
    caller = waits_on_the_line(office, "CA1", MOBILE)
    office.ends(ring, "busy")
    office.passes(QUARTER)
    office.ready(staff_id)
    # While they wait or talk, nobody rings them.
    change(office.store.database, update(queue_entry).where(queue_entry.c.id == caller).values(
        due_at=NOON + timedelta(hours=9)))  # fmt: skip
    office.reserves()
    office.agent_picks_up(staff_id)
    office.sweeps()
    assert len(office.control.to(MOBILE)) == 1
    assert office.entry(entry).state == "waiting"
    served = {"state": "done", "staff_id": staff_id, "answered_at": clock_of(office.house).now()}
    change(
        office.store.database,
        update(queue_entry).where(queue_entry.c.id == caller).values(**served),
    )
    assert end_where_needless(office.store) == 1
    assert (office.entry(entry).state, office.entry(entry).outcome) == ("left", "served")


def test_a_booking_that_comes_while_the_agent_picks_up_is_seen(office: Office):
    entry = office.promises(MOBILE, "cut")
    staff_id = office.agent()
    office.reserves()
    office.passes(timedelta(seconds=5))
    books_on(office.house, MOBILE)
    office.agent_picks_up(staff_id)
    office.sweeps()
    assert office.control.to(MOBILE) == []
    assert office.entry(entry).outcome == "booked"
    assert office.state(staff_id) == "ready"


# ---------------------------------------------------------------- the machine's own


def test_the_machine_rings_without_any_agent(office: Office):
    entry = office.promises(MOBILE, "unfinished", call_id="CA1")
    office.agent()
    assert office.reserves() == 0
    assert office.call_back.dial_machines(office.store, office.control) == 1
    (ring,) = office.control.to(MOBILE)
    assert office.call_back.dial_machines(office.store, office.control) == 0
    assert proves(office, ring) is RungPerson.MACHINE
    kept = office.entry(entry)
    assert (kept.state, kept.outcome, kept.staff_id) == ("done", "machine", None)


def test_a_look_for_the_machine_that_finds_nothing_opens_no_transaction(office: Office):
    with transactions(office.store.database) as begun:
        assert office.call_back.dial_machines(office.store, office.control) == 0
    assert not begun
    office.promises(MOBILE, "unfinished")
    with transactions(office.store.database) as begun:
        assert office.call_back.dial_machines(office.store, office.control) == 1
    assert begun


def test_agents_are_not_kept_waiting_by_the_machines_calls(office: Office):
    lines = call_back.machines_at_once(office.control.calls_per_second)
    for number in range(lines + 6):
        office.promises(a_mobile(number), "unfinished")
    assert office.call_back.dial_machines(office.store, office.control) == lines
    assert office.call_back.dial_machines(office.store, office.control) == 0
    office.ends(office.control.rings[0], "busy")
    assert office.call_back.dial_machines(office.store, office.control) == 1


def test_the_machine_rings_nobody_on_a_sunday(office: Office):
    entry = office.promises(MOBILE, "unfinished")
    clock_of(office.house).moment = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
    office.call_back.look_after(office.store)
    assert office.call_back.dial_machines(office.store, office.control) == 0
    assert office.entry(entry).due_at.astimezone(PARIS).day == 30


def test_who_was_silent_is_rung_once(office: Office):
    entry = office.promises(MOBILE, "silent")
    office.call_back.dial_machines(office.store, office.control)
    office.ends(office.control.rings[0], "no-answer")
    assert office.entry(entry).state == "lost"


# ---------------------------------------------------------------- what breaks


def test_a_crash_between_the_commit_and_the_ring_loses_no_call(office: Office):
    """The agent's webhook committed, and then its process died."""
    entry = office.promises(MOBILE)
    staff_id = office.agent()
    office.reserves()
    office.agent_picks_up(staff_id)
    assert office.control.to(MOBILE) == []
    assert office.entry(entry).tries == 1
    office.sweeps()
    office.sweeps()
    assert len(office.control.to(MOBILE)) == 1


def test_of_two_calls_for_one_try_the_second_is_nobodys(office: Office):
    office.promises(MOBILE)
    staff_id = office.agent()
    office.reserves()
    ring = office.rings(staff_id, MOBILE)
    second = replace(ring, sid="CA" + "f" * 32)
    with office.store.database.transaction() as connection:
        assert office.call_back.rung(connection, office.store, ring.leg, ring.sid)
        assert office.call_back.rung(connection, office.store, ring.leg, second.sid) is None
    assert office.ends(second, "completed") == ""
    assert office.state(staff_id) == "reserved"


def test_a_number_that_the_provider_refuses_frees_the_agent(office: Office):
    entry = office.promises(MOBILE)
    staff_id = office.agent()
    office.reserves()
    office.agent_picks_up(staff_id)

    def refuses(_to: str) -> None:
        raise ProviderRefused("21211")

    office.control.before_ring = refuses
    office.sweeps()
    assert (office.entry(entry).state, office.entry(entry).tries) == ("waiting", 1)
    assert office.entry(entry).due_at > clock_of(office.house).now()
    assert office.state(staff_id) == "ready"


def test_a_number_that_is_refused_each_time_is_lost_and_told(office: Office):
    entry = office.promises(MOBILE)
    change(office.store.database, update(queue_entry).values(tries=3))
    staff_id = office.agent()
    office.reserves()
    office.agent_picks_up(staff_id)
    assert office.entry(entry).state == "lost"
    assert texts(office.house) == ["callback_lost"]


def test_a_promise_that_is_reserved_and_forgotten_waits_again(office: Office):
    """Whatever wrote half of it: the try is over, and the entry never heard of that."""
    entry = office.promises(MOBILE)
    staff_id = office.agent()
    office.reserves()
    office.rings(staff_id, MOBILE)
    change(office.store.database, update(leg).where(leg.c.kind == "callback").values(state="ended"))
    office.passes(call_back.STRANDED_FOR + timedelta(seconds=1))
    assert office.call_back.look_after(office.store) == 1
    assert office.entry(entry).state == "waiting"
    assert office.state(staff_id) == "ready"


def test_a_try_of_which_nothing_is_heard_is_over_after_a_while(office: Office):
    entry = office.promises(MOBILE)
    staff_id = office.agent()
    office.reserves()
    ring = office.rings(staff_id, MOBILE)
    office.passes(call_back.SILENT_FOR - MINUTE)
    assert office.call_back.look_after(office.store) == 0
    office.passes(2 * MINUTE)
    assert office.call_back.look_after(office.store) == 1
    assert office.entry(entry).state == "waiting"
    assert office.state(staff_id) == "ready"
    assert office.ends(ring, "completed") == ""


def test_a_number_is_never_dialled_twice_at_once(office: Office):
    """The agent is lost while it rings: another takes the promise, and the line still rings."""
    office.promises(MOBILE)
    first, second = office.agent(), office.agent()
    assert office.reserves() == 1
    taken = first if office.state(first) == "reserved" else second
    other = second if taken == first else first
    office.rings(taken, MOBILE)
    # As if nobody had ended the line with its agent.
    change(office.store.database, update(queue_entry).values(staff_id=None, state="waiting"))
    office.reserves()
    assert office.state(other) == "reserved"
    office.agent_picks_up(other)
    office.sweeps()
    assert len(office.control.to(MOBILE)) == 1


# ---------------------------------------------------------------- late, and old


def test_who_was_told_an_hour_that_is_past_is_told_that_too_once(office: Office):
    with office.store.database.transaction() as connection:
        from services.queue.promise_callback import promise  # noqa: PLC0415

        kept = promise(connection, office.store, MOBILE, None, {}, expected_at=NOON + TWO_HOURS)
    assert kept.entry_id
    entry = office.entry(kept.entry_id)
    assert (entry.told_seconds, entry.told_at) == (7200, NOON)
    office.passes(TWO_HOURS + timedelta(minutes=59))
    assert office.call_back.look_after(office.store) == 0
    office.passes(2 * MINUTE)
    assert office.call_back.look_after(office.store) == 1
    assert office.call_back.look_after(office.store) == 0
    assert texts(office.house) == ["callback_late"]
    assert office.entry(kept.entry_id).state == "waiting"


def test_a_promise_that_nobody_kept_for_a_week_is_given_up_and_told(office: Office):
    entry = office.promises(MOBILE)
    office.passes(timedelta(days=7, minutes=1))
    office.call_back.look_after(office.store)
    assert office.entry(entry).state == "lost"
    assert texts(office.house) == ["callback_lost"]


def test_whoever_asks_again_after_a_week_has_the_old_place_and_is_not_given_up(office: Office):
    first = office.promises(MOBILE)
    office.passes(timedelta(days=7, minutes=1))
    office.call_back.look_after(office.store)
    assert office.entry(first).state == "lost"
    again = office.promises(MOBILE)
    assert office.entry(again).joined_at == office.entry(first).joined_at
    office.call_back.look_after(office.store)
    assert office.entry(again).state == "waiting"
    assert texts(office.house) == ["callback_lost"]
    office.passes(timedelta(days=7))
    office.call_back.look_after(office.store)
    assert office.entry(again).state == "lost"


def test_numbers_and_notes_are_erased_after_a_month_and_counts_stay(office: Office):
    entry = office.promises(MOBILE, born="1942-03-12")
    staff_id = office.agent()
    rings_in_vain(office, staff_id, MOBILE, "completed")
    erase_data(office.store)
    assert office.entry(entry).phone_enc
    change(office.store.database, update(queue_entry).values(state="lost", ended_at=NOON))
    office.passes(AFTER_PLACE - timedelta(days=1))
    erase_data(office.store)
    assert office.entry(entry).known_enc
    office.passes(timedelta(days=2))
    assert erase_data(office.store)["people in line"] == 1
    kept = office.entry(entry)
    assert (kept.phone_enc, kept.phone_idx, kept.known_enc, kept.note_enc) == (None,) * 4
    assert (kept.state, kept.tries) == ("lost", 1)
