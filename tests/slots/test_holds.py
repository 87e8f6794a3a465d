"""Holds: how long they last, by whose clock, what renews them and what ends them."""

from __future__ import annotations

import re

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from sqlalchemy import func, select, update

from flows.session import Offer
from jobs.scheduler import tidy
from models.clock import DatabaseClock
from models.slots import places, slot_query
from models.slots.tables import place
from services.call.end_call import record_call_status
from services.slots.allocate import Channel
from tests.support.house import (
    CAMPAIGN,
    LANDLINE,
    MOBILE,
    WITHHELD,
    House,
    Phone,
    campaign_with,
    house,
    mornings,
)
from tests.support.rows import change, clock_of, confirms, holds, on_the_wire, rows_of, soon

MINUTE = timedelta(minutes=1)


def hold_of(house: House, phone: Phone) -> tuple[datetime, datetime] | None:
    """When the (last) hold of this caller runs out, and when it will whatever happens."""
    found = rows_of(
        house.database,
        select(place.c.hold_expires_at, place.c.hold_limit_at).where(place.c.held_by == phone.sid),
    )
    return (found[0][0], found[0][1]) if found else None


@pytest.fixture
def one_place(service: House) -> House:
    service.opens_centre("1", starts=mornings(1))
    return service


# ---------------------------------------------------------------- by the clock that is given


def test_a_hold_lasts_four_minutes_after_the_last_answer(one_place: House):
    one_place.phone().goes_to("offers")
    clock_of(one_place).advance(3 * MINUTE + timedelta(seconds=59))
    assert one_place.held() == 1
    assert one_place.phone(LANDLINE).goes_to("no_slot")

    clock_of(one_place).advance(timedelta(seconds=1))
    assert one_place.held() == 0
    other = one_place.phone("+33612345679").goes_to("offers")
    assert hold_of(one_place, other)


@pytest.mark.parametrize("answer", ["9", "8", "*", "7", "", "0"])
def test_whatever_is_answered_renews(one_place: House, answer: str):
    """Again, slower, back, a wrong key, silence, a person: all of them are a live call."""
    caller = one_place.phone().goes_to("offers")
    clock_of(one_place).advance(3 * MINUTE)
    caller.answers(answer)
    assert hold_of(one_place, caller) == (
        one_place.clock.now() + CAMPAIGN.hold_lease,
        one_place.clock.now() + CAMPAIGN.hold_longest - 3 * MINUTE,
    )


def test_twenty_minutes_in_all_and_no_longer(one_place: House):
    caller = one_place.phone().goes_to("offers")
    for _ in range(6):
        clock_of(one_place).advance(3 * MINUTE)
        caller.presses("9")
    expires, limit = hold_of(one_place, caller) or (None, None)
    assert expires == limit == one_place.clock.now() + 2 * MINUTE

    clock_of(one_place).advance(2 * MINUTE)
    assert one_place.held() == 0
    caller.presses("9")
    assert one_place.held() == 0, "a hold that ran out must not come back to life"


def test_a_hold_that_ran_out_and_was_taken_by_another_is_not_confirmed(one_place: House):
    one_place.opens_slots("1", mornings(2)[1:])
    slow = one_place.phone().goes_to("confirm")
    (first,) = slow.house.session(slow.sid).offers
    clock_of(one_place).advance(5 * MINUTE)
    quick = one_place.phone(LANDLINE).goes_to("reference")

    # The call has lasted for long, and a person is offered: on alone.
    slow.presses("1").hears_text("vient d'être pris").presses("2")
    assert slow.step == "offers"
    slow.goes_to("reference")
    assert len({row.start_at for row in one_place.bookings()}) == 2
    assert one_place.session(quick.sid).choice.place_id == first.place_id


@pytest.mark.parametrize(
    ("waits", "books"),
    [(CAMPAIGN.hold_lease - timedelta(seconds=1), True), (CAMPAIGN.hold_lease, False)],
)
def test_booking_needs_live_hold_when_nobody_else_took_it(
    one_place: House, waits: timedelta, *, books: bool
):
    """The caller must hold the place anew before it is booked."""
    (held,) = holds(one_place, "CA-slow")
    clock_of(one_place).advance(waits)
    with one_place.database.engine.connect() as connection, connection.begin() as nothing_stays:
        booked = places.book(
            connection, one_place.clock, "CA-slow", [held.place.place_id], "whichever"
        )
        nothing_stays.rollback()
    assert booked == ({held.place.place_id} if books else set())


def test_another_place_of_the_same_slot_serves_as_well(service: House):
    service.opens_centre("1", starts=mornings(1), capacity=2)
    slow = service.phone().goes_to("confirm")
    clock_of(service).advance(5 * MINUTE)
    service.phone(LANDLINE).goes_to("reference")
    slow.presses("1").hears_text("Votre rendez-vous est confirmé")
    assert len(service.bookings()) == 2


# ---------------------------------------------------------------- by the database's clock


@pytest.fixture
def real_time(database_url: str) -> Iterator[House]:
    """As in production: the database says what time it is, and nobody can move it."""
    with house(database_url, clock=DatabaseClock()) as made:
        made.opens_centre("1", starts=soon(made, 1))
        yield made


def ends_in(house: House, delay: timedelta, *, limit: timedelta = 10 * MINUTE) -> None:
    """Say in the database when the holds run out."""
    now = datetime.now(UTC)
    values = {"hold_expires_at": now + delay, "hold_limit_at": now + limit}
    change(house.database, update(place).where(place.c.held_by.is_not(None)).values(**values))


def test_by_the_databases_clock_an_answer_renews(real_time: House):
    caller = real_time.phone().goes_to("offers")
    ends_in(real_time, MINUTE)
    caller.presses("9")
    expires, _ = hold_of(real_time, caller) or (None, None)
    assert expires
    assert 3 * MINUTE < expires - datetime.now(UTC) <= 4 * MINUTE


def test_by_the_databases_clock_nothing_is_renewed_beyond_the_limit(real_time: House):
    caller = real_time.phone().goes_to("offers")
    ends_in(real_time, MINUTE, limit=2 * MINUTE)
    caller.presses("9")
    expires, limit = hold_of(real_time, caller) or (None, None)
    assert expires == limit


def test_by_the_databases_clock_a_dead_hold_stays_dead(real_time: House):
    caller = real_time.phone().goes_to("confirm")
    ends_in(real_time, timedelta(seconds=-1))
    assert real_time.held() == 0
    caller.presses("9")
    assert real_time.held() == 0

    other = real_time.phone().goes_to("confirm")
    caller.presses("1").hears_text("vient d'être pris")
    assert caller.step == "no_slot"
    other.presses("1").hears_text("Votre rendez-vous est confirmé")
    assert len(real_time.bookings()) == 1


def test_by_the_databases_clock_what_was_kept_runs_out(real_time: House):
    cut_off(real_time)
    (kept_place,) = kept(real_time)
    assert 9 * MINUTE < kept_place[1] - datetime.now(UTC) <= CAMPAIGN.resume_window
    real_time.phone(LANDLINE).goes_to("no_slot")
    ends_in(real_time, timedelta(seconds=-1))
    real_time.phone(LANDLINE).goes_to("offers")


def test_by_the_databases_clock_a_dead_hold_is_taken_anew(real_time: House):
    caller = real_time.phone().goes_to("confirm")
    ends_in(real_time, timedelta(seconds=-1))
    caller.presses("1").hears_text("Votre rendez-vous est confirmé")
    assert len(real_time.bookings()) == 1


# ---------------------------------------------------------------- in one statement


def test_the_statement_that_saves_the_session_renews_the_holds(database_url: str):
    with house(database_url) as service:
        service.opens_centre("1", starts=mornings(20))
        caller = service.phone().goes_to("offers")
        caller.presses("9")
        clock_of(service).advance(MINUTE)
        with on_the_wire(service.database) as sent:
            caller.presses("9")
        read, write = sent
        assert "FROM turn" in read
        assert "INSERT INTO turn" in write
        assert "UPDATE place" in write
        expires, _ = hold_of(service, caller) or (None, None)
        assert expires == service.clock.now() + CAMPAIGN.hold_lease


# ---------------------------------------------------------------- the end of a call


FINAL = ("completed", "busy", "failed", "canceled", "no-answer")


@pytest.mark.parametrize("status", FINAL)
def test_what_was_only_offered_is_free_when_the_call_ends(one_place: House, status: str):
    caller = one_place.phone().goes_to("offers")
    assert one_place.held() == 1
    assert record_call_status(one_place.store, one_place.campaign, caller.sid, status)
    assert one_place.held() == 0
    one_place.phone(LANDLINE).goes_to("reference")


@pytest.mark.parametrize("status", FINAL)
@pytest.mark.parametrize("step", ["reach", "confirm"])
def test_what_was_chosen_waits_for_the_caller_when_the_line_is_cut(
    three_centres: House, status: str, step: str
):
    caller = three_centres.phone().goes_to(step)
    assert three_centres.held() == 3
    chosen = three_centres.session(caller.sid).choice
    assert record_call_status(three_centres.store, three_centres.campaign, caller.sid, status)
    until = three_centres.clock.now() + CAMPAIGN.resume_window
    assert kept(three_centres) == [(chosen.place_id, until, until)]
    assert three_centres.held() == 1
    assert hold_of(three_centres, caller) is None


@pytest.mark.parametrize("status", ["queued", "initiated", "ringing", "in-progress", "answered"])
def test_a_call_that_goes_on_keeps_what_it_holds(one_place: House, status: str):
    caller = one_place.phone().goes_to("offers")
    assert not record_call_status(one_place.store, one_place.campaign, caller.sid, status)
    assert one_place.held() == 1


def test_hanging_up_gives_back_but_never_undoes_a_booking(one_place: House):
    caller = one_place.phone().goes_to("ready")
    caller.hangs_up()
    assert len(one_place.bookings()) == 1
    assert kept(one_place) == []
    assert one_place.phone(LANDLINE).goes_to("no_slot")


def kept(house: House) -> list[tuple[int, datetime, datetime]]:
    """What waits for callers whose line was cut: place, end of the hold, its limit."""
    statement = (
        select(place.c.id, place.c.hold_expires_at, place.c.hold_limit_at)
        .where(place.c.held_by.startswith("resume:"))
        .order_by(place.c.id)
    )
    return [tuple(row) for row in rows_of(house.database, statement)]


def cut_off(house: House, number: str = MOBILE, *, offer: str = "1") -> Offer:
    """Somebody who has chosen and whose line is cut; gives what they had chosen."""
    caller = house.phone(number).goes_to("offers").answers(offer).goes_to("confirm")
    chosen = house.session(caller.sid).choice
    caller.hangs_up()
    return chosen


@pytest.mark.parametrize("other", [LANDLINE, WITHHELD, "+33612345679"])
def test_nobody_else_gets_it_meanwhile(one_place: House, other: str):
    cut_off(one_place)
    clock_of(one_place).advance(CAMPAIGN.resume_window - timedelta(seconds=1))
    one_place.phone(other).goes_to("no_slot")
    for channel in (Channel.WEB, Channel.AGENT, Channel.PARTNER):
        assert holds(one_place, f"{channel}-1", channel=channel) == []
    assert len(kept(one_place)) == 1
    one_place.phone().goes_to("confirm")


def test_it_runs_out_by_itself(one_place: House):
    """Nobody has to sweep, and nobody can renew it."""
    cut_off(one_place)
    waiting = one_place.phone().dials().presses("2").goes_to("postcode_check")
    clock_of(one_place).advance(CAMPAIGN.resume_window / 2)
    waiting.presses("9")
    clock_of(one_place).advance(CAMPAIGN.resume_window / 2)
    assert one_place.held() == 0
    one_place.phone(LANDLINE).goes_to("reference")
    # The call has lasted for long, and a person is offered: on alone.
    waiting.presses("2").presses("1")
    assert waiting.step == "no_slot"


def test_tidying_up_leaves_it_alone_as_long_as_it_counts(one_place: House):
    cut_off(one_place)
    tidy(one_place.store)
    assert len(kept(one_place)) == 1
    clock_of(one_place).advance(CAMPAIGN.resume_window)
    tidy(one_place.store)
    assert kept(one_place) == []


def test_the_window_is_the_campaigns(database_url: str):
    hour = timedelta(hours=1)
    with house(database_url, campaign=campaign_with(resume_window=hour)) as service:
        service.opens_centre("1", starts=mornings(1))
        chosen = cut_off(service)
        until = service.clock.now() + hour
        assert kept(service) == [(chosen.place_id, until, until)]


def test_two_calls_of_one_number_at_once_leave_one_set(three_centres: House):
    first = three_centres.phone().goes_to("confirm")
    second = three_centres.phone().goes_to("offers").answers("2").goes_to("confirm")
    chosen = three_centres.session(second.sid).choice
    first.hangs_up()
    assert three_centres.held() == 1 + 3
    second.hangs_up()
    assert [one[0] for one in kept(three_centres)] == [chosen.place_id]
    assert three_centres.held() == 1


def test_a_withheld_number_keeps_what_it_was_told_a_code_for(one_place: House):
    chosen = cut_off(one_place, WITHHELD)
    assert [one[0] for one in kept(one_place)] == [chosen.place_id]
    # Whoever rings without that code, from such a number too, is somebody else.
    one_place.phone(WITHHELD).goes_to("no_slot")
    clock_of(one_place).advance(CAMPAIGN.resume_window)
    one_place.phone(WITHHELD).goes_to("reference")


def test_a_hold_that_had_run_out_is_not_kept(one_place: House):
    caller = one_place.phone().goes_to("confirm")
    clock_of(one_place).advance(CAMPAIGN.hold_lease)
    caller.hangs_up()
    assert kept(one_place) == []
    assert one_place.held() == 0


def test_the_end_told_twice_changes_nothing(one_place: House):
    caller = one_place.phone().goes_to("confirm")
    for status in ("completed", "failed", "completed", "in-progress"):
        record_call_status(one_place.store, one_place.campaign, caller.sid, status)
    assert len(kept(one_place)) == 1


def test_who_rang_again_before_the_end_was_told_loses_nothing(one_place: House):
    """The provider is slow to say that the line was cut: then it is as with another caller."""
    slow = one_place.phone().goes_to("confirm")
    again = one_place.phone().goes_to("no_slot")
    slow.hangs_up()
    again.presses("3")
    assert again.step == "offers"
    assert kept(one_place) == []


def test_a_turn_that_comes_after_the_end_of_its_call_keeps_nothing(one_place: House):
    """The provider asked twice, and its second try came after the caller had hung up."""
    caller = one_place.phone().goes_to("postcode_check")
    late = one_place.phone()
    late.sid = caller.sid
    caller.hangs_up()
    late.webhooks.transport.send(_last_gather_answered(caller, "1"))
    assert one_place.held() == 0


def _last_gather_answered(caller: Phone, digits: str):
    from exchange.signing import signature  # noqa: PLC0415 (used by this one story)
    from exchange.transport import Outgoing  # noqa: PLC0415

    turn = next(r for r in reversed(caller.requests) if "/voice/turn" in r.url)
    url = re.sub(r"(?<=n=)\d+", lambda found: str(int(found[0]) + 1), turn.url)
    form = {**turn.form, "Digits": digits}
    headers = {"X-Twilio-Signature": signature(caller.webhooks.auth_token, url, form)}
    return Outgoing("POST", url, form, headers)


# ---------------------------------------------------------------- whose it is


def test_a_second_call_cannot_confirm_what_the_first_one_holds(service: House):
    service.opens_centre("1", starts=mornings(1))
    (held,) = holds(service, "CA-first")[:1]
    assert confirms(service, "CA-second", held) is None
    assert service.bookings() == []
    assert service.held() == 1
    assert confirms(service, "CA-first", held)


def test_a_second_call_from_the_same_number_is_another_caller(one_place: House):
    one_place.phone("+33612345678").goes_to("confirm")
    one_place.phone("+33612345678").goes_to("no_slot")
    assert one_place.held() == 1


# ---------------------------------------------------------------- dead workers


class Killed(Exception):
    """What a worker feels when it dies in the middle of a turn."""


def test_a_worker_that_dies_before_the_commit_leaves_nothing(service: House):
    service.opens_centre("1", starts=mornings(20))

    def dies() -> None:
        with service.database.transaction() as connection:
            assert places.hold(
                connection,
                service.clock,
                "CA-dead",
                ["1"],
                slot_query.SlotQuery(((mornings(1)[0], mornings(2)[1]),)),
                lease=CAMPAIGN.hold_lease,
                longest=CAMPAIGN.hold_longest,
            )
            raise Killed

    with pytest.raises(Killed):
        dies()
    assert rows_of(service.database, select(func.count()).where(place.c.held_by.is_not(None))) == [
        (0,)
    ]


def test_a_turn_that_fails_after_its_hold_leaves_nothing(
    one_place: House, monkeypatch: pytest.MonkeyPatch
):
    """The hold, the claim of the turn and its answer are one transaction."""
    caller = one_place.phone().goes_to("postcode_check")
    with monkeypatch.context() as broken:
        broken.setattr("ivr.conversation.render", _raise)
        caller.presses("1").hears_text("Un instant")
    assert one_place.held() == 0
    caller.goes_to("reference")
    assert len(one_place.bookings()) == 1


def test_a_booking_whose_turn_fails_is_no_booking(
    one_place: House, monkeypatch: pytest.MonkeyPatch
):
    caller = one_place.phone().goes_to("reach")
    caller.presses("1")
    assert caller.step == "confirm"
    with monkeypatch.context() as broken:
        broken.setattr("ivr.conversation.render", _raise)
        caller.presses("1").hears_text("Un instant")
    assert one_place.bookings() == []
    assert one_place.messages() == []
    assert one_place.woken.messages == []
    assert one_place.held() == 1
    caller.goes_to("reference")
    assert len(one_place.messages("sms")) == 1


def _raise(*_: object) -> str:
    raise Killed
