"""Who has gone from the waiting room holds up nobody who is there, and loses nothing by it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.admission.visitors import DRAWN, EACH, MILLI, SEES_ALL, Presence, Ticket, all_present
from services.admission.waiting_room import ABSENT, OpeningCrowd
from tests.admission.test_gate import a_second, ask, come, gate_of, inlet_of, is_let_in
from tests.admission.test_waiting_room import AT, OPENING, QUIET, Inside
from tests.support.house import NOON, campaign_with, house

SOON, SELDOM = EACH


class Ticks:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def person(number: int, rank: int, opening: int = AT) -> Ticket:
    return Ticket(number.to_bytes(4, "big") * 2, opening, rank)


def told(buckets: dict[int, int], seconds: float = SEES_ALL, opening: int = AT) -> dict[str, Any]:
    return {
        "opening": opening,
        "for": seconds,
        "buckets": {str(bucket): people for bucket, people in buckets.items()},
    }


# ---------------------------------------------------------------- counting


def test_each_counts_once_until_they_are_not_seen_any_more():
    ticks = Ticks()
    presence = Presence(ticks)
    for _ in range(3):
        # However often they reload.
        for number in range(10):
            presence.seen(person(number, 7 * MILLI), SOON)
    presence.seen(person(99, 9 * MILLI), SELDOM)
    assert presence.counted()["buckets"] == {"7": 10, "9": 1}
    ticks.now += SOON + 1
    # Half of them looked again, a little late; then the others are gone.
    for number in range(5):
        presence.seen(person(number, 7 * MILLI), SOON)
    assert presence.counted()["buckets"] == {"7": 10, "9": 1}
    ticks.now += 4
    assert presence.counted()["buckets"] == {"7": 5, "9": 1}
    ticks.now += SELDOM + 4
    assert presence.counted()["buckets"] == {}
    assert presence.counted()["for"] == pytest.approx(SOON + SELDOM + 9)


def test_whose_turn_comes_near_is_told_to_look_more_often_and_still_counts_once():
    ticks = Ticks()
    presence = Presence(ticks)
    one = person(1, 0)
    presence.seen(one, SELDOM)
    ticks.now += 1
    presence.seen(one, SOON)
    assert presence.counted()["buckets"] == {"0": 1}
    ticks.now += SOON + 5
    assert presence.counted()["buckets"] == {}
    ticks.now += SELDOM
    assert presence.counted()["buckets"] == {}
    presence.seen(one, SOON)
    assert presence.counted()["buckets"] == {"0": 1}
    # Of another opening all are others; and a clock that goes back does no harm.
    presence.seen(person(1, 0, AT + 60), SOON)
    ticks.now -= 500
    presence.seen(person(2, 0, AT + 60), SOON)
    assert (presence.counted()["opening"], presence.counted()["buckets"]) == (AT + 60, {"0": 2})


def test_what_workers_tell_is_put_together_and_waits_until_all_of_them_know():
    crowd = OpeningCrowd({0: 30, 1: 10, 8: 20, 16: 50})
    present = all_present([told({0: 10, 1: 2, 8: 15}), told({0: 5, 1: 3, 8: 15})], AT)
    assert present is not None
    # Half of a bucket; more than there are tickets are those who asked two workers.
    assert list(crowd.still_there(present).people.values()) == [15, 5, 20, 50 * ABSENT]
    # One that has just begun, or of an earlier version, does not know who is there.
    assert all_present([told({0: 10}), told({}, SEES_ALL - 1)], AT) is None
    assert all_present([told({0: 10}), None], AT) is None
    assert all_present([], AT) is None
    other = all_present([told({0: 10}, opening=AT - 60)], AT)
    assert other == {}


# ---------------------------------------------------------------- letting in


def test_a_line_that_all_have_left_is_passed_over_and_people_are_let_in_at_their_rate():
    """Four thousand tickets of people who gave up, and behind them a hundred who are there."""
    behind = range(200, 210)
    there = dict.fromkeys(behind, 10)
    crowd = OpeningCrowd(dict.fromkeys(range(200), 20) | there)

    def until_in(present: dict[int, int] | None) -> tuple[int, int]:
        inside = Inside(most=10.0)
        inside.now, inside.crowd = OPENING, crowd
        loads = QUIET if present is None else replace(QUIET, present=[told(present)])
        reached = 0
        for second in range(1, 1000):
            frontier = inside.passes(1, loads).frontier
            if not reached and frontier >= 200 * MILLI:
                reached = second
            if frontier >= 210 * MILLI:
                return reached, second
        raise AssertionError("never")

    absent, done = until_in(there)
    assert absent <= 10
    # Those who are there come in as fast as ever, and no faster.
    assert 9 <= done - absent <= 11
    # All of them there, or nobody knows: each ticket is a person.
    everybody = dict.fromkeys(range(200), 20) | there
    for present in (everybody, None):
        absent, done = until_in(present)
        assert absent >= 390
        assert done >= 400


def test_what_is_told_of_the_line_counts_who_is_there():
    inside = Inside()
    inside.now = OPENING
    inside.crowd = OpeningCrowd(dict.fromkeys(range(1000), 10))
    half = dict.fromkeys(range(1000), 5)
    room = inside.passes(1, replace(QUIET, present=[told(half)]))
    assert room.waiting == pytest.approx(5000, abs=30)
    assert room.ahead(500 * MILLI, room.frontier_at(room.at)) == pytest.approx(2500, abs=60)
    # The room is gone once nobody is there, whatever tickets there are.
    assert not inside.passes(90, replace(QUIET, present=[told({})])).active


def test_where_nobody_waits_whoever_comes_just_now_need_not_wait_for_the_next_second():
    inside = Inside()
    inside.now = OPENING
    room = inside.passes(3)
    assert room.empty_since > 0
    # Written a moment after it was worked out.
    told_at = room.at + 0.05
    seen = replace(room, at=told_at)
    for later in (0.0, 0.3, 1.2):
        now = told_at + later
        assert seen.lets_in(Ticket(b"", AT, DRAWN + int((now - AT) * MILLI)), now)
    # While people wait nobody passes beforehand.
    inside.crowd = OpeningCrowd({DRAWN // MILLI + 4: 1000})
    waits = inside.passes(2)
    assert waits.frontier_at(waits.at) == waits.frontier


def test_who_comes_back_after_their_turn_is_let_in_at_once(database_url: str):
    """The real pages of two workers: who closed the window, who stayed, who comes now."""
    opening = NOON - timedelta(seconds=100)
    with house(database_url, campaign=campaign_with(opens_at=opening)) as made:
        second = made.application()
        gates = gate_of(made), gate_of(made, second)
        for gate in gates:
            gate.begin()
        controller, start = inlet_of(made), int(opening.timestamp())
        # Whoever is there will have been seen by them once.
        made.clock.advance(timedelta(seconds=SEES_ALL))  # type: ignore[attr-defined]
        now = made.clock.now().timestamp()
        left = come(made, "192.0.2.1")
        for number in range(3000):
            # Those who left with them, and showed no page of the room since.
            gates[number % 2].room.ranks.take(start, str(number).encode(), now)
        a_second(made, controller, *gates)
        stays = come(made, "192.0.2.9", second)
        assert not is_let_in(stays)
        for _ in range(9):
            a_second(made, controller, *gates)
        assert is_let_in(stays)
        assert ask(left).headers["Location"] == "/rendez-vous"
        assert gates[0].room.told.frontier > DRAWN
