"""The floor of agents in a test: who is ready, who waits, and what became of both."""

from __future__ import annotations

import itertools

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from models.agents import agents, legs
from models.agents.agents import Agent
from models.agents.legs import Leg
from models.agents.tables import intent, leg
from models.clock import FixedClock
from models.queue import queues
from models.queue.queues import NewQueueEntry, QueueEntry
from services.agents import connect_agent, presence, provider_commands, reserve
from services.agents.connect_agent import Brought, Entering
from tests.support.control import FakeControl
from tests.support.house import House

_CALLS = itertools.count(0xA000)


def a_call() -> str:
    """The provider's id of a call that nobody else has."""
    return f"CA{next(_CALLS):032x}"


def brought(session: Any, conference: str, in_menu: bool, next_number: int) -> Brought:  # noqa: FBT001
    """A caller's turn without any TwiML."""
    said = "taken" if in_menu else "connected"
    document = f"<Response>{said} {conference} {next_number}</Response>"
    return Brought(session.moved("with_agent", line=conference), "connected", document)


@dataclass
class Floor:
    """A house with agents; `control` is the provider."""

    house: House
    control: FakeControl = field(default_factory=FakeControl)

    @property
    def store(self) -> Any:
        return self.house.store

    def later(self, **by: float) -> None:
        clock = self.house.clock
        assert isinstance(clock, FixedClock)
        clock.advance(timedelta(**by))

    # Agents

    def agent(self, *, ready: bool = True, languages: tuple[str, ...] = ("fr",)) -> str:
        """Somebody who is ready from now on; gives their id."""
        who: str = self.house.employs("agent", languages=languages).id
        if ready:
            assert presence.ready(self.store, who).done
        return who

    def state(self, staff_id: str) -> Agent:
        with self.house.database.statement() as connection:
            found = agents.get(connection, staff_id)
        assert found is not None
        return found

    def mine(self, staff_id: str) -> tuple[str, str]:
        """An agent, and the entry that their page is about."""
        return staff_id, self.state(staff_id).entry_id or ""

    # Who waits

    def waits(
        self,
        queue: str = "fr",
        *,
        kind: str = "call",
        number: str = "+33612345678",
        call_id: str | None = None,
        **more: Any,
    ) -> str:
        """Somebody in the line; gives the id of their place."""
        entry_id: str = self.store.chance.identifier()
        call_id = call_id or (a_call() if kind == "call" else None)
        new = NewQueueEntry(
            entry_id, queue, kind, queue[:2], call_id=call_id, number=number, **more
        )
        with self.house.database.transaction() as connection:
            assert queues.add(connection, self.house.clock, self.store.vault, new)
        return entry_id

    def entry(self, entry_id: str) -> QueueEntry:
        with self.house.database.statement() as connection:
            found = queues.load(connection, self.store.vault, entry_id)
        assert found is not None
        return found

    # What happens

    def reserves(self) -> int:
        return reserve.reserve_all(self.store, self.control)

    def sweeps(self) -> int:
        return provider_commands.sweep(self.store, self.control)

    def legs(self, entry_id: str) -> list[Leg]:
        with self.house.database.statement() as connection:
            return legs.of_entry(connection, self.store.vault, entry_id, live=False)

    def leg_of(self, staff_id: str) -> Leg:
        """The newest line of an agent."""
        statement = select(leg.c.id).where(leg.c.staff_id == staff_id)
        statement = statement.order_by(leg.c.created_at.desc(), leg.c.id.desc())
        with self.house.database.statement() as connection:
            newest = connection.execute(statement).scalars().first()
            assert newest is not None
            found = legs.get(connection, self.store.vault, newest)
        assert found is not None
        return found

    def answers(self, staff_id: str) -> Entering | None:
        """The agent takes up the receiver."""
        theirs = self.leg_of(staff_id)
        return connect_agent.enters(self.store, theirs.id, theirs.provider_sid or a_call(), brought)

    def told(self, staff_id: str, status: str) -> None:
        """The provider tells of an agent's line."""
        theirs = self.leg_of(staff_id)
        connect_agent.leg_told(self.store, theirs.id, theirs.provider_sid or a_call(), status)

    def joins(self, entry_id: str, call_sid: str, conference: str = "CF" + "1" * 32) -> None:
        """The provider tells that a call is in the conference."""
        connect_agent.seen_in_conference(self.store, entry_id, conference, call_sid, joined=True)

    def caller_hangs_up(self, entry_id: str) -> bool:
        call_id = self.entry(entry_id).call_id or ""
        with self.house.database.transaction() as connection:
            return connect_agent.caller_gone(connection, self.store, call_id)

    def talk(self) -> tuple[str, str]:
        """An agent and a caller in conversation: the ids of the agent and of the entry."""
        entry_id = self.waits()
        who = self.agent()
        assert self.reserves() == 1
        assert self.answers(who) is not None
        self.sweeps()
        self.joins(entry_id, self.leg_of(who).provider_sid or "")
        self.joins(entry_id, self.entry(entry_id).call_id or "")
        return who, entry_id

    def intents(self) -> list[Any]:
        with self.house.database.statement() as connection:
            return list(connection.execute(select(intent).order_by(intent.c.created_at)))

    def now(self) -> datetime:
        return self.house.clock.now()
