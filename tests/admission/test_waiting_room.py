"""The waiting room by itself: who stands where, how far it goes, and how fast."""

from __future__ import annotations

import json

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from queue import Empty, SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest

from config.settings import Settings
from services.admission.admission_controller import (
    FIRST,
    LEAST,
    SERVED_PART,
    AdmissionController,
    Loads,
)
from services.admission.load_shedder import (
    ASSUMED_CPU,
    BEGIN_AT_ONCE,
    LOOK_EVERY,
    OF_A_WORKER,
    REQUESTS,
    ROOM_LEFT,
    Level,
    LoadShedder,
    UnderWay,
)
from services.admission.visitors import (
    DRAW,
    DRAWN,
    EACH,
    FARTHEST,
    MILLI,
    SPACING,
    Ranks,
    Ticket,
    Tickets,
    place_of,
)
from services.admission.waiting_room import ABANDONED, OpeningCrowd, Room
from services.campaign.campaigns import Campaigns
from tests.admission.lines import Line, new_waiting, staff_waiting, visits_waiting
from tests.support.house import CAMPAIGN
from tests.support.until import comes

OPENING = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
AT = int(OPENING.timestamp())
TICKETS = Tickets("a secret")
HOME = place_of("192.0.2.1")
QUIET = Loads(workers=2, level=0, full=0.0, away=0.0, lost=0.0, web=10.0, cpu=0.004)
PRESSED = replace(QUIET, level=int(Level.SCREENS))


def places(count: int) -> list[bytes]:
    return [place_of(f"198.51.{number // 250}.{number % 250}") for number in range(count)]


# ---------------------------------------------------------------- tickets


def test_a_ticket_is_read_as_written_and_every_forgery_is_none():
    ticket = Ticket(bytes(range(8)), AT, 12_345)
    text = TICKETS.write(ticket)
    assert TICKETS.read(text) == ticket
    assert Tickets("another secret").read(text) is None
    for place in range(len(text)):
        other = "A" if text[place] != "A" else "B"
        assert TICKETS.read(text[:place] + other + text[place + 1 :]) is None
    for wrong in ("", text[:-1], f"{text}A", "=" * 36, "é" * 36, " " * 36):
        assert TICKETS.read(wrong) is None


def test_a_copy_of_a_ticket_is_the_same_visit_and_no_other_ticket_is():
    one, other = (Ticket(name * 8, AT, 1) for name in (b"a", b"b"))
    assert TICKETS.visit_of(one) == TICKETS.visit_of(replace_rank(one)) != TICKETS.visit_of(other)
    assert len(TICKETS.visit_of(one)) == 33


def replace_rank(ticket: Ticket) -> Ticket:
    return ticket._replace(rank=7)


def test_a_place_is_an_address_or_the_network_of_a_home():
    assert place_of("192.0.2.1") != place_of("192.0.2.2")
    assert place_of("::ffff:192.0.2.1") == place_of("192.0.2.1")
    assert place_of("2001:db8:1:2ff::1") == place_of("2001:db8:1:201::9")
    assert place_of("2001:db8:1:300::1") != place_of("2001:db8:1:2ff::1")
    assert place_of("strange")


# ---------------------------------------------------------------- order


def test_before_the_opening_the_order_is_drawn_whenever_somebody_came():
    ranks = Ranks(TICKETS)
    drawn = [ranks.take(AT, place, AT - 900 + n / 4).rank for n, place in enumerate(places(2000))]
    assert all(0 <= rank < DRAWN for rank in drawn)
    # Neither those who came early nor those who came late stand in front.
    early, late = sum(drawn[:1000]) / 1000, sum(drawn[1000:]) / 1000
    assert abs(early - late) < 0.1 * DRAWN
    assert len({rank * 10 // DRAWN for rank in drawn}) == 10
    other = [Ranks(TICKETS).take(AT + 60, place, AT - 900).rank for place in places(50)]
    assert other != drawn[:50]


def test_after_the_opening_it_is_the_order_of_coming():
    ranks = Ranks(TICKETS)
    came = [ranks.take(AT, place, AT + n / 10).rank for n, place in enumerate(places(300))]
    assert came == sorted(came)
    assert came[0] == DRAWN
    assert came[100] == DRAWN + 10 * MILLI


@pytest.mark.parametrize("when", [-600, 5])
def test_many_sessions_of_one_place_gain_nothing(when: int):
    """The first of a thousand stands where a single one would; the others behind it, in a row."""
    alone = Ranks(TICKETS).take(AT, HOME, AT + when).rank
    ranks = Ranks(TICKETS)
    many = [ranks.take(AT, HOME, AT + when).rank for _ in range(1000)]
    assert min(many) == alone
    assert many == [alone + SPACING * n for n in range(1000)]
    # Another worker, which knows nothing of them, gives nothing better either.
    assert Ranks(TICKETS).take(AT, HOME, AT + when).rank >= alone
    # And somebody who comes from elsewhere afterwards is not behind them.
    other = place_of("203.0.113.9")
    assert ranks.take(AT, other, AT + when).rank == Ranks(TICKETS).take(AT, other, AT + when).rank


def test_a_place_that_asks_without_end_is_no_crowd():
    ranks = Ranks(TICKETS)
    taken = [ranks.take(AT, HOME, AT + 1).rank for _ in range(FARTHEST // SPACING + 500)]
    assert max(taken) == DRAWN + MILLI + FARTHEST
    assert sum(ranks.counted().values()) <= FARTHEST // SPACING + 1


def test_counts_that_could_not_be_written_are_not_lost():
    ranks = Ranks(TICKETS)
    for place in places(10):
        ranks.take(AT, place, AT + 3.5)
    counts = ranks.counted()
    assert counts == {(AT, DRAW + 3): 10}
    assert ranks.counted() == {}
    ranks.take(AT, HOME, AT + 3.9)
    ranks.back(counts)
    assert ranks.counted() == {(AT, DRAW + 3): 11}


# ---------------------------------------------------------------- the crowd and the room


def test_the_frontier_goes_on_by_people_and_not_by_ranks():
    crowd = OpeningCrowd({10: 100, 20: 100, 30: 300})
    assert crowd.beyond(0) == 500
    assert crowd.advance(0, 50, DRAWN) == 10_500
    assert crowd.advance(10_500, 60, DRAWN) == 20_100
    assert crowd.advance(20_100, 1000, DRAWN) == DRAWN
    assert crowd.beyond(20_100) == pytest.approx(390)
    # Nobody is let in who has not come yet.
    assert crowd.advance(0, 1000, 30_500) == 30_500


def test_a_position_is_what_stands_between_and_gets_smaller():
    crowd = OpeningCrowd(dict.fromkeys(range(1000), 10))
    room = Room(at=AT, active=True, opening=AT, speed=MILLI, rate=10.0, crowd=crowd)
    assert room.ahead(500 * MILLI, room.frontier_at(AT)) == pytest.approx(5000, abs=20)
    assert room.ahead(500 * MILLI, room.frontier_at(AT + 2)) == pytest.approx(4980, abs=20)
    assert room.ahead(0, room.frontier_at(AT + 5)) == 0
    assert not room.lets_in(Ticket(b"", AT, 500 * MILLI), AT)
    assert room.lets_in(Ticket(b"", AT, 1500), AT + 2)
    # A ticket of another opening is none.
    assert not room.lets_in(Ticket(b"", AT - 60, 0), AT + 2)


def test_nobody_is_let_in_before_the_opening_and_somebody_always_after_it():
    room = Room(at=AT - 60, active=True, opening=AT)
    first = Ticket(b"", AT, 0)
    assert not room.lets_in(first, AT - 0.01)
    assert room.lets_in(first, AT)
    # The process that lets people in is gone: it goes on, slowly.
    assert room.lets_in(Ticket(b"", AT, DRAWN - 1), AT + DRAW + 20)
    assert not room.lets_in(Ticket(b"", AT, DRAWN - 1), AT + DRAW - 20)


def test_a_room_survives_its_snapshot():
    crowd = OpeningCrowd({999: 3, 1024: 4.5})
    room = Room(at=AT, active=True, opening=AT, crowd=crowd, details={"level": 1})
    text = json.dumps(room.body(), sort_keys=True)
    assert Room.read(text, OPENING) == room
    assert Room.read(text, OPENING).crowd.beyond(0) == 7.5
    assert Room.read('{"ranks": [1]}', OPENING) == Room()


# ---------------------------------------------------------------- the admission controller


class Inside:
    """A controller whose seconds a test counts, in front of a crowd that it gives."""

    def __init__(self, opens_at: datetime | None = OPENING, **options: Any) -> None:
        campaign = replace(CAMPAIGN, opens_at=opens_at)
        self.now = OPENING - timedelta(minutes=40)
        campaigns = Campaigns.fixed(campaign, now=lambda: self.now)
        # What is tested here asks it for nothing else.
        store: Any = SimpleNamespace(clock=SimpleNamespace(now=lambda: self.now))
        self.controller = AdmissionController(store, campaigns, **options)
        self.room = Room()
        self.crowd = OpeningCrowd({})

    def passes(self, seconds: int, loads: Loads = QUIET) -> Room:
        for _ in range(seconds):
            self.now += timedelta(seconds=1)
            self.room = self.controller.next(self.room, loads, self.now, lambda _o, _b: self.crowd)
        return self.room


def test_the_room_is_there_before_the_opening_and_gone_when_nobody_waits():
    inside = Inside()
    assert not inside.passes(60).active
    assert inside.passes(10 * 60).active
    assert inside.room.opening == AT
    inside.crowd = OpeningCrowd(dict.fromkeys(range(1024), 2))
    before = inside.passes(60)
    assert (before.waiting, before.frontier) == (2048, 0)
    inside.now = OPENING
    assert 0 < inside.passes(5).frontier < DRAWN
    let_in = inside.passes(600)
    assert let_in.waiting == 0
    assert not inside.passes(60).active
    # It does not come back by itself.
    assert not inside.passes(60).active


def test_a_crowd_at_a_stroke_is_not_let_in_before_it_is_counted():
    """Nobody is known to wait yet: that is no reason to let in whoever comes in that second."""
    inside = Inside(opens_at=None)
    crowded = replace(QUIET, away=400.0)
    opened = inside.passes(4, crowded)
    assert (opened.active, opened.crowded, opened.speed) == (True, True, 0)
    # Those who come get ranks from now on, and are told of a second later.
    came = opened.opening + 1.6
    assert not opened.lets_in(Ticket(b"", opened.opening, DRAWN + 1600), came)
    first = (opened.opening, DRAWN + 1600)
    inside.crowd = OpeningCrowd({DRAWN // MILLI + 1: 160})
    let_in = inside.passes(2, replace(QUIET, first=(first,)))
    # They stand in what is left of that second, the first of them at its beginning.
    inside_now = (let_in.frontier - 1600 - DRAWN) / 400 * 160
    assert 1 <= inside_now <= 5 * let_in.rate
    # With those who hear of it only when they look again, once.
    assert inside_now > (1 + EACH[0]) * let_in.rate
    after = inside.passes(1, replace(QUIET, first=(first,)))
    assert after.frontier - let_in.frontier < 2 * let_in.rate / 160 * 400
    assert let_in.frontier < DRAWN + 2000


def test_a_crowd_that_no_process_counts_is_not_counted_for_ever():
    """The process that lets people in ended then: workers let in by tickets, though slowly."""
    room = Room(at=AT, active=True, opening=AT, frontier=DRAWN, crowded=True)
    assert room.is_counting(AT + 1)
    assert room.is_counting(AT + ABANDONED)
    assert not room.is_counting(AT + ABANDONED + 2)
    # Before an opening that was announced no visitor begins.
    assert not replace(room, crowded=False).is_counting(AT + 1)


def test_it_lets_in_more_while_all_is_well_and_less_when_it_is_not():
    inside = Inside()
    inside.now = OPENING - timedelta(seconds=5)
    inside.crowd = OpeningCrowd(dict.fromkeys(range(1024), 1000))
    # It opens with the last of these looks, and goes up from the one before.
    assert FIRST <= inside.passes(6).rate < 1.5 * FIRST
    up = inside.passes(10).rate
    assert up > FIRST
    down = inside.passes(4, PRESSED).rate
    assert down < 0.75 * up
    # No less than most of what is being served all the same, until that is nothing either.
    assert inside.passes(120, PRESSED).rate == pytest.approx(
        max(SERVED_PART * PRESSED.web / REQUESTS, LEAST)
    )
    busy = replace(PRESSED, web=400.0)
    assert inside.passes(2, QUIET).rate > LEAST
    assert inside.passes(60, replace(busy, web=0.0)).rate == LEAST
    # The other way round it is never raised by what is served.
    assert inside.passes(4, busy).rate == LEAST
    # Never none: it goes on even then.
    stuck = inside.room.frontier
    assert inside.passes(10, PRESSED).frontier > stuck
    # And is soon back.
    assert inside.passes(30).rate > up


def test_it_lets_in_no_more_while_a_worker_has_nothing_to_spare():
    """Those who are inside would only wait for each other."""
    inside = Inside()
    inside.now = OPENING
    inside.crowd = OpeningCrowd(dict.fromkeys(range(1024), 1000))
    inside.passes(10)
    rate = inside.room.rate
    assert inside.passes(10, replace(QUIET, full=ROOM_LEFT)).rate == rate
    assert inside.passes(10, replace(QUIET, full=ROOM_LEFT - 0.01)).rate > rate


def test_it_never_lets_in_more_than_processors_carry_or_than_was_set():
    inside = Inside()
    inside.now = OPENING
    inside.crowd = OpeningCrowd(dict.fromkeys(range(1024), 100_000))
    slow = replace(QUIET, cpu=0.030)
    # Two workers, of which six tenths are the web's; twelve requests of 30 ms for a visit.
    assert inside.passes(300, slow).rate == pytest.approx(0.6 * 2 / 0.36, abs=0.01)
    held_back = Inside(most=2.5)
    held_back.now = OPENING
    held_back.crowd = inside.crowd
    assert held_back.passes(100).rate == 2.5


def test_there_is_a_room_when_visits_are_turned_away_and_none_when_none_is_wanted():
    inside = Inside(opens_at=None)
    assert not inside.passes(10).active
    crowded = replace(QUIET, away=20.0, level=1)
    room = inside.passes(4, crowded)
    assert (room.active, room.crowded) == (True, True)
    # Whoever comes now stands behind the moment at which it began.
    assert room.frontier >= DRAWN
    assert not inside.passes(90).active
    assert not Inside(opens_at=None, mode="never").passes(10, crowded).active
    assert not Inside(mode="never").passes(30 * 60).active
    assert Inside(opens_at=None, mode="always").passes(300).active


def test_phantoms_do_not_hold_up_people():
    """Tickets that nobody comes back for cost nothing, so the rate goes on rising."""
    inside = Inside()
    inside.now = OPENING
    inside.crowd = OpeningCrowd(dict.fromkeys(range(1024), 500))
    idle = replace(QUIET, web=50.0, cpu=0.0005)
    assert inside.passes(120, idle).rate > 15 * FIRST


# ---------------------------------------------------------------- what gives way


class Worker:
    """One whose clock a test moves."""

    def __init__(self, threads: int = 6, queue: int = 0) -> None:
        self.now = 100.0
        self.load_shedder = LoadShedder(threads, queue=queue, ticks=lambda: self.now)

    def looks(self, seconds: float, *, step: float = 0.0, web: float = 0.0) -> Level:
        """So long, with steps of `step` seconds and that many seconds of web work a second."""
        for _ in range(int(seconds / LOOK_EVERY)):
            self.now += LOOK_EVERY
            if step:
                for _ in range(10):
                    self.load_shedder.step_done(step)
            if web and self.load_shedder.web_begins(goes_on=True):
                self.load_shedder.web_done(web * LOOK_EVERY, 0.001)
            self.load_shedder.look()
        return self.load_shedder.level

    def room_for(self, *, goes_on: bool) -> int:
        """How many requests of the web would go through at the same time."""
        count = 0
        while self.load_shedder.web_begins(goes_on=goes_on):
            count += 1
        for _ in range(count):
            self.load_shedder.web_done(0.0, 0.0)
        return count


def test_two_threads_are_always_left_to_the_telephone():
    worker = Worker()
    assert worker.room_for(goes_on=True) == 4
    assert worker.room_for(goes_on=False) == 3
    while worker.load_shedder.other_begins():
        pass
    assert worker.room_for(goes_on=True) == 0


def test_a_visit_that_has_begun_waits_for_its_turn():
    load_shedder = LoadShedder(3, queue=1, patience=60.0)
    line, goes_on = Line(load_shedder), partial(load_shedder.web_begins, goes_on=True)
    assert goes_on()
    # Whoever only begins is told at once, and so is one more visit than there are places.
    assert not load_shedder.web_begins(goes_on=False)
    line.joined_by("visit", goes_on)
    assert not load_shedder.web_begins(goes_on=False)
    assert not goes_on()
    load_shedder.web_done(0.0, 0.0)
    assert line.ends() == ["visit"]
    # The one who waited has it now, and nobody waits any more.
    assert visits_waiting(load_shedder) == 0
    assert not load_shedder.web_begins(goes_on=False)


def test_an_agent_who_clicks_waits_for_their_turn_and_a_machine_that_asks_does_not():
    load_shedder = LoadShedder(3, queue=1, patience=60.0)
    line, click = Line(load_shedder), partial(load_shedder.other_begins, waits=True)
    assert load_shedder.other_begins()
    line.joined_by("click", click)
    # There is one place to wait in, which no screen takes from a click, and no machine waits.
    assert not click()
    assert not load_shedder.screen_begins()
    assert not load_shedder.other_begins()
    load_shedder.other_done(0.0)
    assert line.ends() == ["click"]
    assert staff_waiting(load_shedder) == 0
    # Two of the three threads are left to the telephone.
    assert not load_shedder.other_begins()


def test_a_screen_waits_for_its_turn_until_screens_give_way_to_the_telephone():
    load_shedder = LoadShedder(3, queue=4, patience=60.0)
    line = Line(load_shedder)
    assert load_shedder.screen_begins()
    # Of four places two are for screens.
    for _ in range(2):
        line.joined_by("screen", load_shedder.screen_begins)
    assert not load_shedder.screen_begins()
    click = line.joined_by("click", partial(load_shedder.other_begins, waits=True))
    load_shedder.other_done(0.0)
    click.join(30)
    # Whoever clicked later than both screens asked was before them.
    assert line.told == ["click"]
    for count in (2, 3):
        load_shedder.other_done(0.0)
        assert comes(lambda: len(line.told) == count)  # noqa: B023 (asked at once)
    assert line.ends() == ["click", "screen", "screen"]
    assert staff_waiting(load_shedder) == 0
    # From their level on screens do not wait, and take what is free.
    load_shedder.level = Level.SCREENS
    assert not load_shedder.screen_begins()
    load_shedder.other_done(0.0)
    assert load_shedder.screen_begins()


def test_the_agents_of_a_shift_that_begins_find_places_to_wait_in():
    """Fifty open their page in one moment, while seventy screens ask by themselves.

    A worker of two has half of them. With fewer places screens were told "later" all day.
    """
    queue = Settings.model_fields["web_queue"].default
    load_shedder = LoadShedder(6, queue=queue, patience=60.0)
    line = Line(load_shedder)
    while load_shedder.other_begins():
        pass
    for _ in range(queue // 2):
        line.joined_by("screen", load_shedder.screen_begins)
    assert not load_shedder.screen_begins()
    for _ in range(queue // 2):
        line.joined_by("click", partial(load_shedder.other_begins, waits=True))
    for count in range(1, queue + 1):
        load_shedder.other_done(0.0)
        assert comes(lambda: len(line.told) == count)  # noqa: B023 (asked at once)
    assert line.ends() == ["click"] * (queue // 2) + ["screen"] * (queue // 2)


def test_an_agent_waits_for_the_thread_of_a_visit_too():
    load_shedder = LoadShedder(3, queue=1, patience=60.0)
    line = Line(load_shedder)
    assert load_shedder.web_begins(goes_on=True)
    line.joined_by("click", partial(load_shedder.other_begins, waits=True))
    load_shedder.web_done(0.0, 0.0)
    assert line.ends() == ["click"]


@pytest.mark.parametrize(
    ("threads", "queue", "begin"),
    [
        (3, 1, partial(LoadShedder.web_begins, goes_on=True)),
        (4, 2, partial(LoadShedder.web_begins, goes_on=False)),
        (3, 1, partial(LoadShedder.other_begins, waits=True)),
        (3, 2, LoadShedder.screen_begins),
    ],
    ids=["visit", "new", "click", "screen"],
)
def test_whoever_waits_for_their_turn_in_vain_is_told_so_and_leaves_the_place_to_others(
    threads: int, queue: int, begin: Callable[[LoadShedder], bool]
):
    load_shedder = LoadShedder(threads, queue=queue, patience=0.0)
    assert begin(load_shedder)
    assert not begin(load_shedder)
    assert (visits_waiting(load_shedder), new_waiting(load_shedder)) == (0, 0)
    assert staff_waiting(load_shedder) == 0
    if load_shedder._web.begun:
        load_shedder.web_done(0.0, 0.0)
    else:
        load_shedder.other_done(0.0)
    assert begin(load_shedder)


def test_visitors_and_those_who_work_here_begin_in_turns():
    """However many of the one wait, the other has every second thread that is free."""
    load_shedder = LoadShedder(3, queue=6, patience=60.0)
    line = Line(load_shedder)
    assert load_shedder.web_begins(goes_on=True)
    for _ in range(3):
        line.joined_by("click", partial(load_shedder.other_begins, waits=True))
    for _ in range(3):
        line.joined_by("visit", partial(load_shedder.web_begins, goes_on=True))
    for count in range(1, 7):
        if line.told and line.told[-1] == "click":
            load_shedder.other_done(0.0)
        else:
            load_shedder.web_done(0.0, 0.0)
        assert comes(lambda: len(line.told) == count)  # noqa: B023 (asked at once)
    assert line.ends() == ["click", "visit"] * 3


def test_a_turn_that_comes_when_patience_ends_is_not_lost(monkeypatch: pytest.MonkeyPatch):
    class Late(SimpleQueue[bool]):
        """The turn comes just when the time of whoever waits is up."""

        def get(self, block: bool = True, timeout: float | None = None) -> bool:  # noqa: FBT001, FBT002
            if timeout is None:
                return super().get(block)
            load_shedder.other_done(0.0)
            raise Empty

    load_shedder = LoadShedder(3, queue=1, patience=60.0)
    assert load_shedder.other_begins()
    monkeypatch.setattr("services.admission.load_shedder.SimpleQueue", Late)
    assert load_shedder.other_begins(waits=True)
    # It is counted, as whoever begins is.
    assert not load_shedder.other_begins()
    load_shedder.other_done(0.0)
    assert load_shedder.other_begins()


def test_whoever_waited_behind_one_that_gives_up_begins():
    """A visitor who begins does not pass a web session that waits; the thread is free for them."""
    load_shedder = LoadShedder(6, queue=4, patience=0.5)
    line = Line(load_shedder)
    load_shedder.level = Level.CALLS
    assert load_shedder.web_begins(goes_on=True)
    line.joined_by("visit", partial(load_shedder.web_begins, goes_on=True))
    load_shedder.level, load_shedder._patience = Level.NONE, 60.0
    line.joined_by("new", partial(load_shedder.web_begins, goes_on=False))
    assert line.ends() == ["no visit", "new"]


def test_nobody_who_came_later_passes_a_visit_that_waits():
    load_shedder = LoadShedder(4, queue=3, patience=60.0)
    line = Line(load_shedder)
    for _ in range(2):
        assert load_shedder.web_begins(goes_on=True)
    for name in "abc":
        line.joined_by(name, partial(load_shedder.web_begins, goes_on=True))
    for count in range(1, 4):
        load_shedder.web_done(0.0, 0.0)
        assert comes(lambda: len(line.told) == count)  # noqa: B023 (asked at once)
    assert line.ends() == ["a", "b", "c"]


def test_a_dozen_who_begin_in_one_moment_are_no_crowd():
    """As many as there are places for; each has a turn when those before them are answered."""
    load_shedder = LoadShedder(6, queue=26, patience=60.0)
    line, new = Line(load_shedder), partial(load_shedder.web_begins, goes_on=False)
    for _ in range(3):
        assert new()
    for _ in range(13):
        line.joined_by("new", new)
    assert new_waiting(load_shedder) == 13
    # Half of the places are for those who have begun.
    assert not new()
    for number in range(1, 14):
        load_shedder.web_done(0.0, 0.0)
        assert comes(lambda: len(line.told) == number)  # noqa: B023 (asked at once)
    assert line.ends() == ["new"] * 13
    assert new_waiting(load_shedder) == 0


def test_nobody_who_begins_passes_a_visit_that_waits():
    load_shedder = LoadShedder(6, queue=4, patience=60.0)
    line = Line(load_shedder)
    # Both kinds have the same two threads then.
    load_shedder.level = Level.WEB
    for _ in range(2):
        assert load_shedder.web_begins(goes_on=True)
    line.joined_by("new", partial(load_shedder.web_begins, goes_on=False))
    visit = line.joined_by("visit", partial(load_shedder.web_begins, goes_on=True))
    load_shedder.web_done(0.0, 0.0)
    visit.join(30)
    assert line.told == ["visit"]
    load_shedder.web_done(0.0, 0.0)
    assert line.ends() == ["visit", "new"]


def test_whoever_begins_is_told_at_once_where_screens_give_way_to_the_telephone():
    load_shedder = LoadShedder(4, queue=4, patience=60.0)
    assert load_shedder.web_begins(goes_on=False)
    load_shedder.level = Level.SCREENS
    assert not load_shedder.web_begins(goes_on=False)
    assert new_waiting(load_shedder) == 0


def test_no_more_visits_begin_at_a_stroke_than_will_be_served():
    worker = Worker()
    began = sum(worker.load_shedder.visit_begins() for _ in range(1000))
    assert began == BEGIN_AT_ONCE
    worker.now += 2.0
    # As many a second as the processor carries, by what a request takes.
    later = sum(worker.load_shedder.visit_begins() for _ in range(1000))
    assert later == int(2.0 * OF_A_WORKER / (REQUESTS * ASSUMED_CPU))
    for _ in range(500):
        assert worker.load_shedder.web_begins(goes_on=True)
        worker.load_shedder.web_done(0.002, 0.001)
    worker.now += 0.5
    assert sum(worker.load_shedder.visit_begins() for _ in range(1000)) == BEGIN_AT_ONCE


def test_an_answer_with_the_next_page_in_it_stands_for_two_requests():
    """Else a visitor with a script would count for nearly two, and half as many might begin."""
    plain, scripted = Worker(), Worker()
    for worker, cpu, requests in ((plain, 0.001, 1), (scripted, 0.002, 2)):
        for _ in range(500):
            assert worker.load_shedder.web_begins(goes_on=True)
            worker.load_shedder.web_done(0.002, cpu, requests=requests)
        while worker.load_shedder.visit_begins():
            pass
        worker.now += 0.2
    may_begin = [
        sum(worker.load_shedder.visit_begins() for _ in range(1000)) for worker in (plain, scripted)
    ]
    assert may_begin[0] == may_begin[1]
    first, second = (worker.load_shedder.measured() for worker in (plain, scripted))
    assert (second["web"], second["web_cpu"]) == (2 * first["web"], first["web_cpu"])


def test_the_web_gives_way_first_then_screens_then_new_calls():
    worker = Worker()
    seen, load_shedder = [], worker.load_shedder
    for _ in range(4):
        level = worker.looks(LOOK_EVERY, step=0.6)
        seen.append((level, worker.room_for(goes_on=True), load_shedder.slows_screens))
    assert [one[0] for one in seen] == [Level.WEB, Level.SCREENS, Level.CALLS, Level.CALLS]
    assert [one[1] for one in seen] == [2, 1, 1, 1]
    assert [one[2] for one in seen] == [False, True, True, True]
    assert worker.room_for(goes_on=False) == 0
    assert any(load_shedder.refuses_call() for _ in range(5))


def test_only_the_telephone_itself_makes_new_calls_give_way():
    worker = Worker()
    # Steps are slow, but nearly all of the work is the web's.
    for _ in range(40):
        worker.now += LOOK_EVERY
        worker.load_shedder.step_done(0.2)
        if worker.load_shedder.web_begins(goes_on=True):
            worker.load_shedder.web_done(1.2, 0.1)
        worker.load_shedder.look()
    assert worker.load_shedder.level == Level.SCREENS
    assert not any(worker.load_shedder.refuses_call() for _ in range(100))
    # With threads that only wait for one another it is the web alone.
    worker = Worker()
    for _ in range(40):
        worker.load_shedder.woke(0.05)
        worker.looks(LOOK_EVERY, step=0.01)
    assert worker.load_shedder.level == Level.WEB


def test_calls_are_refused_where_a_queue_is_long_and_not_where_threads_are_just_busy():
    """Threads that have no rest answer at once where few ask, and too late where a thousand do."""
    for under_way, refuses in ((40, False), (1000, True)):
        worker = Worker()
        for _ in range(40):
            worker.now += LOOK_EVERY
            for _ in range(100):
                worker.load_shedder.step_done(6 * LOOK_EVERY / 100)
            worker.load_shedder.under_way = UnderWay(under_way, answers=100)
            worker.load_shedder.look()
        assert (worker.load_shedder.level == Level.CALLS) == refuses
        assert any(worker.load_shedder.refuses_call() for _ in range(100)) == refuses
        assert worker.load_shedder.slows_screens == refuses
        # The web has something left in both, and not much.
        assert worker.room_for(goes_on=True) == (1 if refuses else 2)


def test_it_is_over_within_ten_seconds_and_does_not_swing():
    worker = Worker()
    assert worker.looks(10, step=0.6) == Level.CALLS
    # What was slow is remembered for five seconds, then one level a second.
    assert worker.looks(9.5, step=0.004) == Level.NONE
    assert worker.room_for(goes_on=True) == 4
    assert not any(worker.load_shedder.refuses_call() for _ in range(100))


def test_as_many_new_calls_are_refused_as_needed_and_not_one_more():
    worker = Worker()
    worker.looks(LOOK_EVERY * 3, step=0.6)
    refused = sum(worker.load_shedder.refuses_call() for _ in range(1000))
    assert 100 < refused < 900
    worker.looks(5, step=0.6)
    assert sum(worker.load_shedder.refuses_call() for _ in range(1000)) == 1000
