"""Telephones of ours that the simulator has rung: who is called, who has it, who has gone."""

from __future__ import annotations

import asyncio
import threading

from collections.abc import Callable
from typing import Any

import pytest

from exchange.orders import Drop, Mailbox, Ring
from exchange.sip.rung import GRACE_S, Rung
from exchange.sip.settings import Account
from exchange.sip.wire_parts import Contact, NotAllowed, Peer, Progress
from exchange.subscribers import Taken
from exchange.tests.sip.sip_client import PATIENCE_S
from exchange.tests.sip.wire_stage import TRUNK, MovedTimes, NotingEar, plan

CLIENT, NUMBER, OUTSIDE = "client:agent-7", "+33142685300", "+33612345678"
ACCOUNTS = {
    "poste1": Account("poste1", "secret", (CLIENT, NUMBER)),
    "poste2": Account("poste2", "secret", (CLIENT,)),
    "poste3": Account("poste3", "secret", ("client:agent-8",)),
}
CODES = {"ringing": 180, "answered": 200, "busy": 486, "no-answer": 480, "failed": 404}


class Handset:
    """A telephone that is called: what it does is told as the wire would."""

    def __init__(self, to: Any, sender: str, told: Callable[[Progress], None]) -> None:
        self.to, self.sender, self._told = to, sender, told
        self.ear: Any = None
        self.is_down = False

    def does(self, what: Any) -> None:
        # After `hang_up` nothing is told any more.
        if not self.is_down:
            self._told(Progress(what, CODES[what]))

    def hang_up(self) -> None:
        self.is_down = True


class Lines:
    """The simulator as this process sees it; `has_it` is whether somebody has a call already."""

    def __init__(self) -> None:
        self.offers: list[tuple[list[str], list[str], bool]] = []
        self.told: list[tuple[str, str]] = []
        self.let_go_of: list[str] = []
        self.has_it = False
        self.on_ring: Callable[[Ring], None]
        self.on_stop_ringing: Callable[[str], None]
        self.on_press: Callable[[str, str], None]

    def telephones(self, names: Any, prefixes: Any, *, trunk: bool) -> None:
        self.offers.append((sorted(names), sorted(prefixes), trunk))

    def answered(self, sid: str) -> Taken | None:
        self.told.append((sid, "answered"))
        if self.has_it:
            return None
        return Taken(Ring(sid, CLIENT, NUMBER, 30), Mailbox(), self)  # type: ignore[arg-type]

    def rang(self, sid: str, status: str) -> None:
        self.told.append((sid, status))

    def let_go(self, sid: str) -> None:
        self.let_go_of.append(sid)


class Exchange:
    """A wire of telephones that are there, calls that are rung, and those that were taken.

    Threads are started when the test says so, and the loop does what is due when it is awaited.
    """

    def __init__(self, **given: Any) -> None:
        self.there = {"poste1", "poste2", "poste3"}
        self.handsets: list[Handset] = []
        self.opening: asyncio.Event | None = None
        self.refused: Exception | None = None
        self.lines, self.times = Lines(), MovedTimes()
        self.threads: list[Callable[[], None]] = []
        self.runs: list[tuple[Handset, Taken]] = []
        self.run: Callable[[Handset, Taken], None] = self._notes
        self.rung = Rung(
            self.lines,  # type: ignore[arg-type]
            plan(accounts=ACCOUNTS, **given),
            self,  # type: ignore[arg-type]
            self._run,  # type: ignore[arg-type]
            asyncio.get_running_loop(),
            start=self.threads.append,
            later=self.times.later,
        )

    # The wire

    def registered(self) -> frozenset[str]:
        return frozenset(self.there)

    def contact(self, name: str) -> Contact | None:
        peer = Peer("10.0.0.1", 5060)
        return Contact(name, f"sip:{name}@10.0.0.1", peer) if name in self.there else None

    async def call(self, to: Any, sender: str, ear: Any, told: Any) -> Handset:
        if self.opening is not None:
            await self.opening.wait()
        if self.refused is not None:
            raise self.refused
        self.handsets.append(Handset(to, sender, told))
        return self.handsets[-1]

    # The test

    def _run(self, handset: Handset, taken: Taken) -> None:
        self.run(handset, taken)

    def _notes(self, handset: Handset, taken: Taken) -> None:
        self.runs.append((handset, taken))

    async def rings(self, to: str = CLIENT, sid: str = "CA1") -> list[Handset]:
        self.lines.on_ring(Ring(sid, to, "+33974750001", 30))
        return await self.goes_on()

    async def goes_on(self) -> list[Handset]:
        """Let the loop do what is due, and give the telephones that are not put down."""
        for _ in range(5):
            await asyncio.sleep(0)
        return [one for one in self.handsets if not one.is_down]

    async def threads_run(self) -> None:
        threads, self.threads[:] = list(self.threads), []
        for thread in threads:
            thread()
        await self.goes_on()

    def goes(self, *names: str) -> None:
        self.there -= set(names)
        self.rung.registered()


def rule(test: Any) -> Any:
    """Have a test on a loop of its own."""

    def run() -> None:
        asyncio.run(test())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@rule
async def test_the_simulator_is_told_whom_the_registered_telephones_are() -> None:
    exchange = Exchange(trunk=TRUNK)
    exchange.rung.registered()
    exchange.goes("poste1")
    exchange.goes("poste2")
    assert exchange.lines.offers == [
        ([NUMBER, CLIENT, "client:agent-8"], ["+33"], True),
        ([CLIENT, "client:agent-8"], ["+33"], True),
        (["client:agent-8"], ["+33"], True),
    ]
    alone = Exchange()
    alone.rung.registered()
    assert alone.lines.offers == [([NUMBER, CLIENT, "client:agent-8"], [], False)]


@rule
async def test_every_telephone_of_that_name_rings_and_who_answers_first_has_it() -> None:
    exchange = Exchange()
    first, second = await exchange.rings()
    assert [one.to.account for one in (first, second)] == ["poste1", "poste2"]
    assert first.sender == "+33974750001"
    first.does("ringing")
    second.does("answered")
    assert first.is_down
    await exchange.threads_run()
    assert exchange.lines.told == [("CA1", "answered")]
    ((handset, taken),) = exchange.runs
    assert handset is second
    assert taken.ring.sid == "CA1"
    assert second.is_down
    assert len(exchange.rung) == 0
    assert exchange.times.waiting == 0


@rule
async def test_a_call_that_cannot_go_on_is_let_go_and_put_down() -> None:
    exchange = Exchange()
    (telephone,) = await exchange.rings(NUMBER)
    telephone.does("answered")

    def fails(*_: Any) -> None:
        raise ValueError("nobody expected that")

    exchange.run = fails
    with pytest.raises(ValueError, match="nobody expected that"):
        await exchange.threads_run()
    await exchange.goes_on()
    assert telephone.is_down
    assert exchange.lines.let_go_of == ["CA1"]
    assert len(exchange.rung) == 0


@rule
async def test_a_process_that_ends_stops_what_rings_and_says_what_that_was() -> None:
    exchange = Exchange()
    await exchange.rings(NUMBER)
    await exchange.rings("client:agent-8", "CA2")
    assert exchange.rung.close() == ["CA1", "CA2"]
    assert await exchange.goes_on() == []
    assert len(exchange.rung) == 0
    assert exchange.times.waiting == 0
    # And what is asked of it in its last moment has failed.
    await exchange.rings(NUMBER, "CA3")
    await exchange.threads_run()
    assert exchange.lines.told == [("CA3", "failed")]


@rule
async def test_who_answers_too_late_finds_nobody() -> None:
    exchange = Exchange()
    exchange.lines.has_it = True
    (telephone,) = await exchange.rings(NUMBER)
    telephone.does("answered")
    await exchange.threads_run()
    assert telephone.is_down
    assert exchange.runs == []


@pytest.mark.parametrize("said", ["busy", "no-answer", "failed"])
def test_a_telephone_that_does_not_take_it_is_told(said: str) -> None:
    @rule
    async def run() -> None:
        exchange = Exchange()
        (telephone,) = await exchange.rings(NUMBER)
        telephone.does(said)
        await exchange.threads_run()
        assert exchange.lines.told == [("CA1", said)]
        assert len(exchange.rung) == 0

    run()


@rule
async def test_the_others_ring_on_and_the_plainest_word_is_told_in_the_end() -> None:
    exchange = Exchange()
    first, second = await exchange.rings()
    first.does("busy")
    assert exchange.threads == []
    assert not second.is_down
    second.does("failed")
    await exchange.threads_run()
    assert exchange.lines.told == [("CA1", "busy")]


@rule
async def test_what_is_to_ring_no_more_is_put_down_and_nothing_is_told() -> None:
    exchange = Exchange()
    first, second = await exchange.rings()
    exchange.lines.on_stop_ringing("CA1")
    assert await exchange.goes_on() == []
    assert first.is_down
    assert second.is_down
    first.does("answered")
    await exchange.threads_run()
    assert exchange.lines.told == []
    assert exchange.times.waiting == 0


@rule
async def test_what_is_to_ring_no_more_before_it_rings_never_rings_on() -> None:
    exchange = Exchange()
    exchange.opening = asyncio.Event()
    assert await exchange.rings(NUMBER) == []
    exchange.lines.on_stop_ringing("CA1")
    await exchange.goes_on()
    exchange.opening.set()
    assert await exchange.goes_on() == []
    assert [one.is_down for one in exchange.handsets] == [True]


@rule
async def test_it_stops_by_itself_where_the_simulator_is_gone() -> None:
    exchange = Exchange()
    (telephone,) = await exchange.rings(NUMBER)
    exchange.times.move(30 + GRACE_S - 1)
    assert await exchange.goes_on() == [telephone]
    exchange.times.move(1)
    assert await exchange.goes_on() == []
    assert len(exchange.rung) == 0


@rule
async def test_nobody_there_or_a_call_that_may_not_be_has_failed() -> None:
    exchange = Exchange()
    assert await exchange.rings(OUTSIDE, "CA1") == []
    exchange.refused = NotAllowed("that telephone is not registered")
    assert await exchange.rings(NUMBER, "CA2") == []
    exchange.refused = ValueError("nobody expected that")
    assert await exchange.rings(NUMBER, "CA3") == []
    await exchange.threads_run()
    assert exchange.lines.told == [("CA1", "failed"), ("CA2", "failed"), ("CA3", "failed")]
    assert len(exchange.rung) == 0


def test_of_a_call_that_failed_no_number_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    @rule
    async def run() -> None:
        exchange = Exchange()
        exchange.refused = ValueError(f"no way to {NUMBER}")
        await exchange.rings(NUMBER)
        await exchange.threads_run()
        assert exchange.lines.told == [("CA1", "failed")]

    run()
    assert "ValueError" in caplog.text
    assert NUMBER not in caplog.text


@rule
async def test_no_more_ring_than_there_may_be_calls() -> None:
    exchange = Exchange(most_calls=1)
    await exchange.rings(NUMBER, "CA1")
    await exchange.rings(NUMBER, "CA2")
    assert len(exchange.handsets) == 1
    await exchange.threads_run()
    assert exchange.lines.told == [("CA2", "failed")]


@rule
async def test_numbers_out_there_go_over_the_trunk_as_far_as_that_may_be() -> None:
    exchange = Exchange(trunk=TRUNK)
    (telephone,) = await exchange.rings(OUTSIDE)
    assert telephone.to == OUTSIDE
    exchange.lines.on_stop_ringing("CA1")
    # Dear ones do not, whatever the simulator says.
    assert await exchange.rings("+33899123456", "CA2") == []
    await exchange.threads_run()
    assert exchange.lines.told == [("CA2", "failed")]
    # Nor a number of our own, which is called where it is.
    (telephone,) = await exchange.rings(NUMBER, "CA3")
    assert telephone.to.account == "poste1"


@rule
async def test_a_telephone_that_takes_leave_while_it_rings_has_not_answered() -> None:
    exchange = Exchange()
    first, second = await exchange.rings()
    exchange.goes("poste1")
    assert first.is_down
    assert not second.is_down
    exchange.goes("poste2")
    await exchange.threads_run()
    assert exchange.lines.told == [("CA1", "no-answer")]


def in_a_talk(does: Callable[[Exchange], None]) -> tuple[list[Any], Exchange]:
    """Do something while a call goes on; give the orders and the keys that it then has."""
    found: list[Any] = []
    made: list[Exchange] = []

    @rule
    async def run() -> None:
        exchange = Exchange()
        made.append(exchange)
        (telephone,) = await exchange.rings(NUMBER)
        telephone.does("answered")
        began, over, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()

        def talks(handset: Handset, taken: Taken) -> None:
            handset.ear = NotingEar()
            loop.call_soon_threadsafe(began.set)
            assert over.wait(PATIENCE_S)
            found.extend(iter(taken.mailbox.take, None))
            while not handset.ear.heard_nothing():
                found.append(handset.ear.heard.get_nowait())

        exchange.run = talks
        (thread,) = exchange.threads
        talking = asyncio.create_task(asyncio.to_thread(thread))
        await asyncio.wait_for(began.wait(), PATIENCE_S)
        does(exchange)
        await exchange.goes_on()
        over.set()
        await talking
        await exchange.goes_on()
        assert len(exchange.rung) == 0

    run()
    return found, made[0]


def test_a_telephone_that_takes_leave_while_it_talks_has_hung_up() -> None:
    found, _ = in_a_talk(lambda exchange: exchange.goes("poste1"))
    assert found == [Drop()]


@rule
async def test_a_telephone_that_takes_leave_in_the_moment_of_its_answer_has_hung_up() -> None:
    exchange = Exchange()
    (telephone,) = await exchange.rings(NUMBER)
    telephone.does("answered")
    exchange.goes("poste1")
    await exchange.threads_run()
    ((_, taken),) = exchange.runs
    assert taken.mailbox.take() == Drop()


def test_another_telephone_that_takes_leave_changes_nothing() -> None:
    found, _ = in_a_talk(lambda exchange: exchange.goes("poste2", "poste3"))
    assert found == []


def test_keys_of_the_page_are_pressed_at_the_telephone() -> None:
    found, _ = in_a_talk(lambda exchange: exchange.lines.on_press("CA1", "1#"))
    assert found == ["1", "#"]


def test_a_call_that_talks_is_not_rung_again() -> None:
    ring = Ring("CA1", NUMBER, "+33974750001", 30)
    found, exchange = in_a_talk(lambda exchange: exchange.lines.on_ring(ring))
    assert found == []
    assert len(exchange.handsets) == 1
