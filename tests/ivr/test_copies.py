"""A webhook may come twice, late, in any order or from the future: one answer, one effect."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from sqlalchemy import func, select

from exchange.numbers import to_national
from models.booking.tables import booking
from models.call.tables import turn as turn_table
from models.queue.tables import callback_request
from services.privacy.erase_data import erase_data
from tests.ivr.line import (
    INCOMING,
    Line,
    promises_a_call_back,
    turn_number,
)
from tests.ivr.plays import (
    BOOKING,
    MOST_COPIES,
    PROMISE,
    Played,
    deliver,
    no_place_is_given_twice,
    play,
    seeded,
)
from tests.support.house import BASE, MOBILE, WITHHELD, House, a_mobile
from tests.support.rows import rows_of


def bookings_of(service: House, line: Line) -> int:
    statement = select(func.count()).where(booking.c.call_id == line.sid)
    with service.database.statement() as connection:
        return connection.execute(statement).scalar_one()


def turns_of(service: House, line: Line) -> int:
    statement = select(func.count()).where(turn_table.c.call_id == line.sid)
    with service.database.statement() as connection:
        return connection.execute(statement).scalar_one()


@pytest.mark.parametrize("seed", range(4))
def test_copies_at_once_get_the_same_bytes_and_book_once(service: House, seed: int):
    played = play(Line(service.app), BOOKING, seed)
    assert "Au revoir" in played.last.said
    assert bookings_of(service, played.line) == 1
    assert len(service.messages("sms")) == 1
    assert turns_of(service, played.line) == len(played.answers)
    assert set(service.woken.messages) == {row.id for row in service.messages("sms")}
    assert service.held() == 0
    no_place_is_given_twice(service)


@pytest.mark.parametrize("seed", range(4))
def test_copies_at_once_of_a_promise_keep_one_promise(service: House, seed: int):
    played = play(Line(service.app), PROMISE, seed)
    assert promises_a_call_back(played.last.said)
    assert len(service.promises()) == 1


def test_many_calls_at_once_each_with_copies_book_each_once(service: House):
    lines = [Line(service.app, sender=a_mobile(n)) for n in range(6)]
    with ThreadPoolExecutor(len(lines)) as threads:
        calls = list(threads.map(lambda n: play(lines[n], BOOKING, 100 + n), range(len(lines))))
    assert [bookings_of(service, played.line) for played in calls] == [1] * len(lines)
    assert len({played.last.body for played in calls}) == 1
    assert len(service.messages("sms")) == len(lines)
    no_place_is_given_twice(service)


@pytest.mark.parametrize("seed", range(3))
def test_late_copies_in_any_order_get_the_bytes_of_their_own_turn(service: House, seed: int):
    played = play(Line(service.app), BOOKING)
    late = [number for number in range(len(played.posts)) for _ in range(3)]
    seeded(seed).shuffle(late)
    for number in late:
        url, fields = played.posts[number]
        assert played.line.post(url, **fields) == played.answers[number], number
    assert bookings_of(service, played.line) == 1
    assert len(service.messages("sms")) == 1
    assert turns_of(service, played.line) == len(played.answers)


@pytest.mark.parametrize("seed", range(2))
def test_copies_between_the_turns_do_not_disturb_the_call(service: House, seed: int):
    chance = seeded(seed)
    line = Line(service.app)
    played = Played(line)
    for pressed in (None, *BOOKING):
        url, fields = (INCOMING, {}) if pressed is None else played.next(pressed)
        played.posts.append((url, fields))
        played.answers.append(line.post(url, **fields))
        for number in chance.choices(range(len(played.posts)), k=3):
            again, same = played.posts[number]
            assert line.post(again, **same) == played.answers[number], number
    assert bookings_of(service, line) == 1
    assert "Au revoir" in played.last.said


def test_incoming_twice_gives_the_same_bytes_also_in_the_middle_of_the_call(service: House):
    played = play(Line(service.app), BOOKING[:3])
    assert played.line.post(INCOMING) == played.answers[0]
    assert played.line.post(played.last.action, Digits="75011") != played.answers[0]
    assert played.line.post(INCOMING) == played.answers[0]
    assert service.session(played.line.sid).step == "offers"


def test_a_turn_from_the_future_is_answered_with_the_newest_answer(service: House):
    played = play(Line(service.app), BOOKING[:3])
    for number in ("6", "9", "4000", "32767", "99999"):
        answer = played.line.post(f"{BASE}/voice/turn?n={number}", Digits="1")
        assert answer == played.answers[-1], number
        assert service.session(played.line.sid).step == "postcode", number


def test_a_turn_of_a_call_never_heard_of_is_greeted(service: House):
    for query in ("?n=7", "?n=0", "?n=32767", "?n=3&silent=1", "?n=3&again=2", ""):
        line = Line(service.app)
        said = line.hear(f"{BASE}/voice/turn{query}", Digits="1").said
        assert "Bonjour. Allô Rendez-vous" in said, query
        assert service.session(line.sid).step == "welcome", query
        # And from there the call goes its way.
        play_on = line.presses(line.rings(), "1")
        assert "date de naissance" in play_on.said, query


def test_copies_of_a_lost_calls_turn_at_once_are_all_greeted_the_same(service: House):
    line = Line(service.app)
    answers = deliver(line, f"{BASE}/voice/turn?n=4", {"Digits": "1"}, MOST_COPIES)
    assert len(set(answers)) == 1
    assert turns_of(service, line) == 1


def test_a_turn_without_a_number_gets_the_newest_answer(service: House):
    played = play(Line(service.app), BOOKING[:3])
    for query in ("", "?n=", "?n=x", "?n=-1"):
        assert played.line.post(f"{BASE}/voice/turn{query}", Digits="1") == played.answers[-1]


def test_a_status_in_any_order_and_number_ends_the_call_once_and_frees_what_it_held(
    service: House,
):
    line = play(Line(service.app), BOOKING[:4]).line
    assert service.held() == 3
    for status in ("completed", "in-progress", "ringing", "completed", "failed"):
        line.post(f"{BASE}/voice/status", CallStatus=status)
    assert service.held() == 0


def test_a_promise_spoken_again_after_the_first_was_erased_is_kept_again(service: House):
    """What is left of an erased promise must not swallow the next: it would be spoken, and lost."""
    play(Line(service.app), PROMISE)
    service.clock.advance(timedelta(days=120))  # type: ignore[attr-defined]
    erase_data(service.store)
    played = play(Line(service.app), PROMISE)
    assert promises_a_call_back(played.last.said)
    assert [row for row in service.promises() if row.number]


def test_a_withheld_caller_who_types_a_number_twice_is_promised_once(service: House):
    for _ in range(2):
        line = Line(service.app, sender=WITHHELD)
        played = play(line, ("0", "1", to_national(MOBILE), "1"))
        # Whose number it is nobody knows: its owner is asked, or an agent rings.
        assert "une personne de notre équipe appellera elle-même" in played.last.said
    assert service.promises() == []
    assert len(rows_of(service.database, select(callback_request))) == 1


def test_a_copy_of_turn_three_after_turn_six_gets_the_bytes_of_turn_three(service: House):
    played = play(Line(service.app), BOOKING[:5])
    url, fields = played.posts[3]
    assert turn_number(url) == 3
    assert played.line.post(url, **fields) == played.answers[3]
    # Whatever a copy claims to have heard: what was answered first stays.
    assert played.line.post(url, Digits="9") == played.answers[3]
    assert played.line.post(f"{BASE}/voice/turn?n=3&silent=1") == played.answers[3]
    assert service.session(played.line.sid).step == "confirm"
