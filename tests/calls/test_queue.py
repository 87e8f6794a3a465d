"""A caller asks for a person, waits, and gets one: the whole service, a switchboard and an agent.

The provider is the simulator, in this process; the agent is one of its own, with a browser and a
telephone. Nothing here takes time: clocks are moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from random import Random
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from flask import Flask
from sqlalchemy import select
from werkzeug.test import Client

from app.web import make_app
from exchange.clock import VirtualClock
from exchange.interpreter import (
    Call,
    ConferenceWait,
    Gather,
    HangUp,
    Input,
    Keys,
    QueueWait,
    Silence,
)
from exchange.settings import Settings
from exchange.transport import WsgiTransport
from ivr.call_control import TwilioCallControl
from models.accounts import staff as staff_rows
from models.clock import FixedClock
from models.queue import queues
from models.queue.queues import QueueEntry
from models.queue.tables import queue_entry
from services.accounts.staff import DEMONSTRATION_SECRET
from services.agents import provider_commands, reserve
from services.centres.directory import Directory
from services.parts import Parts
from services.queue.entries import make_queues
from services.service import Service
from tests.support.house import ACCOUNT, BASE, MOBILE, NOON, TOKEN, House
from tools.simulator.agents import Agent, Answer, Manners
from tools.simulator.app import create_app
from tools.simulator.crowd_place import PlainDevice

PASSWORD = "quatre chevaux et une selle"
CALM = Manners(pauses=0.0, loses_page=0.0, loses_voice=0.0, misses=0.0)
TALK_S = 600.0


class Provider:
    """The simulator's REST paths, as the service's HTTP library finds them."""

    def __init__(self, app: Flask) -> None:
        self._client = Client(app)

    def request(self, method: str, url: str, **options: Any) -> Any:
        answer = self._client.open(
            urlsplit(url)._replace(scheme="", netloc="").geturl(),
            method=method,
            data=options.get("body"),
            headers=options.get("headers"),
        )
        return SimpleNamespace(
            status=answer.status_code, headers=dict(answer.headers), data=answer.get_data()
        )


class Browser:
    """An agent's browser at the service, without a network between them; see `agents.Web`."""

    def __init__(self, app: Flask) -> None:
        self._client = Client(app)

    def __call__(
        self, path: str, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> Answer:
        answer = self._client.open(
            path,
            method="GET" if form is None else "POST",
            base_url=BASE,
            headers=dict(headers) if form is None else {"Origin": BASE, **headers},
            data=None if form is None else dict(form),
            follow_redirects=True,
        )
        found = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status_code, answer.request.path, answer.get_data(as_text=True), found)


class Caller:
    """Presses what is given, then waits for a person, and talks until the other side hangs up."""

    def __init__(self, *groups: str) -> None:
        self._groups = list(groups)
        self.leaves = False

    def answers(self, call: Call, gather: Gather) -> Input:
        if self.leaves:
            return HangUp()
        return Keys(self._groups.pop(0)) if self._groups else Silence()

    def waits(self, call: Call, queue: QueueWait) -> Input:
        return HangUp() if self.leaves else Silence()

    def confers(self, call: Call, wait: ConferenceWait) -> Input:
        return HangUp() if self.leaves else Silence()


class Town:
    """A house with a switchboard beside it, and whoever rings and works there."""

    def __init__(self, house: House) -> None:
        self.house, self.store = house, house.store
        transport = WsgiTransport(lambda *given: self.app(*given))  # noqa: PLW0108 - made below
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]
            twilio_account_sid=ACCOUNT,
            twilio_auth_token=TOKEN,
            public_base_url=BASE,
        )
        self.clock = VirtualClock(NOON)
        simulated = create_app(settings, transport=transport, clock=self.clock, threads=0)
        self.simulated, self.simulator = simulated, simulated.extensions["simulator"]
        self.board = self.simulator.switchboard
        self.control = TwilioCallControl(
            ACCOUNT,
            TOKEN,
            api_base_url="http://127.0.0.1",
            public_base_url=BASE,
            caller_id=house.settings.outbound_caller_id,
            calls_per_second=50.0,
        )
        self.control._http = Provider(simulated)  # type: ignore[assignment]
        directory = Directory(house.database, centres_fresh_seconds=0)
        service = Service(directory, house.campaign, house.settings.national_number)
        self.app = make_app(Parts(house.settings, house.store, service, house.woken, self.control))
        made, failed = make_queues(self.store, self.control)
        assert made
        assert not failed
        self.agents: list[Agent] = []
        self._transport = transport

    # Who is there

    def rings(self, number: str, *keys: str) -> tuple[Call, Caller]:
        caller = Caller(*keys)
        call = Call(
            url=f"{BASE}/voice/incoming",
            fallback_url=f"{BASE}/voice/fallback",
            status_url=f"{BASE}/voice/status",
            transport=self._transport,
            auth_token=TOKEN,
            account_sid=ACCOUNT,
            sender=number,
            clock=VirtualClock(NOON),
            switchboard=self.board,
        )
        self.board.start(call, caller)
        self.settles()
        return call, caller

    def works(self, login: str, manners: Manners = CALM) -> Agent:
        who = self.house.employs("agent", login=login, password=PASSWORD)
        house = self.house
        with house.database.transaction() as connection:
            # An account to try with: the page that asks for its code shows it.
            secret = DEMONSTRATION_SECRET
            staff_rows.change_secret(connection, house.clock, house.store.vault, who.id, secret)
            staff_rows.change(connection, house.clock, who.id, demonstration=True)
        agent = Agent(
            login,
            PASSWORD,
            Browser(self.app),
            PlainDevice(self.board.devices),
            chance=Random(login),  # noqa: S311 - behaviour, not a secret
            manners=manners,
            now=lambda: self.clock.now().timestamp(),
        )
        self.agents.append(agent)
        return agent

    # What happens

    def settles(self) -> None:
        """Do all that is to be done at this moment: by the switchboard, and by the dispatcher."""
        self.simulator.run_pending()
        provider_commands.sweep(self.store, self.control)
        reserve.reserve_all(self.store, self.control)
        self.simulator.run_pending()

    def passes(self, seconds: float) -> None:
        """Let so much time pass, second by second."""
        clock = self.house.clock
        assert isinstance(clock, FixedClock)
        for _ in range(round(seconds)):
            clock.advance(timedelta(seconds=1))
            self.clock.advance(1.0)
            for agent in self.agents:
                agent.act()
            self.settles()

    def until(self, condition: Any, most: float = 30.0) -> None:
        """Let time pass until something is so."""
        for _ in range(round(most)):
            if condition():
                return
            self.passes(1)
        told = {agent.login: (agent.state, agent.work.trouble) for agent in self.agents}
        raise AssertionError(f"not within {most} seconds: {told}, {self.states()}")

    # What is so

    def entries(self) -> list[QueueEntry]:
        statement = select(queue_entry.c.id).order_by(queue_entry.c.joined_at, queue_entry.c.id)
        with self.house.database.statement() as connection:
            ids = connection.execute(statement).scalars().all()
            found = [queues.load(connection, self.store.vault, one) for one in ids]
        return [one for one in found if one is not None]

    def states(self) -> list[str]:
        return [entry.state for entry in self.entries()]


@pytest.fixture
def town(service: House) -> Town:
    return Town(service)


def talks(town: Town, call: Call) -> bool:
    """Whether a call is in a conference that has begun, with somebody else in it."""
    conference = town.board.conference_named(call.conference) if call.conference else None
    return conference is not None and len(conference.participants) == 2


def test_a_caller_waits_an_agent_takes_them_both_talk_and_it_is_wrapped_up(town: Town):
    agent = town.works("lucie")
    town.until(lambda: agent.state == "ready")
    call, _ = town.rings(MOBILE, "0")
    (entry,) = town.entries()
    assert entry.kind == "call"
    assert entry.call_id == call.sid

    town.until(lambda: talks(town, call))
    assert call.conference == entry.id
    conference = town.board.conference_named(entry.id)
    town.until(lambda: agent.state == "talking")
    assert town.states() == ["talking"]

    town.until(lambda: agent.work.served == 1, TALK_S)
    assert call.ended
    assert not call.errors
    assert conference.status == "completed"
    town.until(lambda: town.states() == ["done"], 60)
    town.until(lambda: agent.state == "ready")
    assert agent.work.trouble == ""


def test_whoever_comes_second_waits_in_the_queue_and_is_served_next(town: Town):
    agent = town.works("lucie")
    town.until(lambda: agent.state == "ready")
    first, _ = town.rings(MOBILE, "0")
    town.until(lambda: talks(town, first))
    second, _ = town.rings("+33612000002", "0")
    assert second.queue == "fr"
    third, _ = town.rings("+33612000003", "0")
    assert town.states() == ["talking", "waiting", "waiting"]
    town.until(lambda: talks(town, second), TALK_S)
    assert first.ended
    assert third.queue == "fr"
    assert agent.work.served == 1


def test_two_agents_have_two_callers_and_never_the_same(town: Town):
    agents = [town.works("lucie"), town.works("paul")]
    town.until(lambda: all(agent.state == "ready" for agent in agents))
    calls = [town.rings(f"+3361200000{number}", "0")[0] for number in range(3)]
    town.until(lambda: all(talks(town, call) for call in calls[:2]))
    assert calls[0].conference != calls[1].conference
    assert calls[2].queue == "fr"
    assert town.states() == ["talking", "talking", "waiting"]


def test_a_caller_who_hangs_up_while_waiting_keeps_the_place_and_is_rung_back(town: Town):
    agent = town.works("lucie")
    town.until(lambda: agent.state == "ready")
    first, _ = town.rings("+33612000001", "0")
    town.until(lambda: talks(town, first))
    call, _ = town.rings(MOBILE, "0")
    joined = town.entries()[1].joined_at
    town.board.drop(call.sid)
    town.settles()
    assert call.ended
    entry = town.entries()[1]
    assert (entry.kind, entry.state, entry.joined_at) == ("callback", "waiting", joined)

    # Whoever answers there presses 1, as the service asks.
    town.simulator.faults.set({"answers": {MOBILE: ["1"]}})
    town.until(lambda: town.entries()[1].state == "talking", TALK_S + 120)
    conference = town.board.conference_named(entry.id)
    assert conference is not None
    town.until(lambda: len(conference.participants) == 2)
    town.until(lambda: agent.work.served == 2, TALK_S)
