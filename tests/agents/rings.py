"""A provider that rings nobody: what it was asked is written down, and a test says what comes."""

from __future__ import annotations

import itertools

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from exchange.interpreter import Call
from exchange.switchboard import Switchboard
from exchange.transport import WsgiTransport
from flows.session import Session
from models.agents import agents
from models.agents.tables import intent, leg
from models.queue import queues
from models.queue.tables import queue_entry
from services.agents import connect_agent, presence, provider_commands, reserve
from services.agents.call_back import CallBack
from services.agents.connect_agent import Brought
from services.agents.conversation import hang_up, wrap_up
from services.queue.promise_callback import RING_AFTER, promise
from tests.support.house import ACCOUNT, BASE, TOKEN, House
from tests.support.rows import clock_of, rows_of

OURS = "+33974750001"


@dataclass
class Ring:
    """One call that was asked for."""

    sid: str
    to: str
    path: str
    status_path: str
    # What is seen there; empty: the account's own.
    caller_id: str = ""

    @property
    def leg(self) -> str:
        return self.path.partition("leg=")[2]


class Rung(Call):
    """Somebody, or something, that we ring: what they hear is asked for as the provider would."""

    def __init__(self, house: House, ring: Ring) -> None:
        super().__init__(
            url=f"{BASE}{ring.path}",
            status_url=f"{BASE}{ring.status_path}",
            status_events=("initiated", "ringing", "answered", "completed"),
            transport=WsgiTransport(house.app),
            auth_token=TOKEN,
            account_sid=ACCOUNT,
            sender=OURS,
            recipient=ring.to,
            direction="outbound-api",
            call_sid=ring.sid,
            # Whoever is in a conference stays there.
            switchboard=Switchboard(
                transport=WsgiTransport(house.app), auth_token=TOKEN, account_sid=ACCOUNT
            ),
        )
        self.house = house


@dataclass
class FakeControl:
    """services.ports.CallControl: everything is possible, unless `fails` raises."""

    calls_per_second: float = 0.0
    rings: list[Ring] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    moved: list[tuple[str, str]] = field(default_factory=list)
    # Asked before a ring is made, and after it: what either raises comes out.
    before_ring: Callable[[str], None] = lambda to: None
    after_ring: Callable[[str], None] = lambda to: None
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def ring(
        self, to: str, path: str, *, status_path: str, ring_seconds: int, caller_id: str = ""
    ) -> str:
        self.before_ring(to)
        made = Ring(f"CA{next(self._numbers):032x}", to, path, status_path, caller_id)
        self.rings.append(made)
        self.after_ring(to)
        return made.sid

    def find_call(self, to: str, since: datetime) -> str | None:
        return next((one.sid for one in reversed(self.rings) if one.to == to), None)

    def status_of(self, call_sid: str) -> str:
        return "completed" if call_sid in self.ended else "in-progress"

    def make_queue(self, name: str, max_size: int) -> str:
        return f"QU{name}"

    def take_from_queue(self, queue_sid: str, call_sid: str, path: str) -> None:
        self.moved.append((call_sid, path))

    def redirect(self, call_sid: str, path: str) -> None:
        self.moved.append((call_sid, path))

    def hang_up(self, call_sid: str) -> None:
        self.ended.append(call_sid)

    def hold(self, conference_sid: str, call_sid: str, *, on: bool, path: str = "") -> None: ...

    def mute(self, conference_sid: str, call_sid: str, *, on: bool) -> None: ...

    def coach(
        self, conference_sid: str, call_sid: str, *, coached_sid: str = "", muted: bool
    ) -> None: ...

    def to(self, number: str) -> list[Ring]:
        """The calls to a number, or to client:<id>."""
        return [ring for ring in self.rings if ring.to == number]


def _brought(session: Session, conference: str, _menu: bool, _turn: int) -> Brought:  # noqa: FBT001
    return Brought(session.moved("with_agent", line=conference), "connected", "<Response/>")


class Office:
    """Agents of a house and the promises that they keep, with a provider that is nobody."""

    def __init__(self, house: House) -> None:
        self.house, self.store = house, house.store
        self.control = FakeControl()
        self.call_back = CallBack(lambda: house.campaign, "+33974750001", house.woken)

    # Who is there

    def agent(self, **options: Any) -> str:
        """Somebody new, ready in their browser."""
        staff_id = self.house.employs("agent", **options).id
        self.ready(staff_id)
        return staff_id

    def ready(self, staff_id: str) -> None:
        assert presence.ready(self.store, staff_id).done

    def state(self, staff_id: str) -> str:
        with self.store.database.statement() as connection:
            found = agents.get(connection, staff_id)
        assert found is not None
        return found.state

    def mine(self, staff_id: str) -> tuple[str, str]:
        """An agent, and the entry that their page is about."""
        with self.store.database.statement() as connection:
            found = agents.get(connection, staff_id)
        assert found is not None
        return staff_id, found.entry_id or ""

    # What is promised

    def promises(
        self, number: str, reason: str = "", *, call_id: str | None = None, **known: str
    ) -> str:
        """Promise a call, and let the receiver be put down.

        Gives the entry, a live one of the number where there is one.
        """
        with self.store.database.transaction() as connection:
            kept = promise(
                connection, self.store, number, call_id, {"reason": reason or "postcode", **known}
            )
        assert kept.entry_id
        self.passes(RING_AFTER)
        return kept.entry_id

    def entry(self, entry_id: str) -> Any:
        (row,) = rows_of(
            self.house.database, select(queue_entry).where(queue_entry.c.id == entry_id)
        )
        return row

    def tries(self, entry_id: str) -> list[Any]:
        statement = (
            select(leg)
            .where(leg.c.entry_id == entry_id, leg.c.kind == "callback")
            .order_by(leg.c.created_at, leg.c.id)
        )
        return list(rows_of(self.house.database, statement))

    # What happens

    def reserves(self) -> int:
        return reserve.reserve_all(self.store, self.control)

    def agent_picks_up(self, staff_id: str) -> None:
        """The newest ring of an agent is answered; what they are to do next is in the store."""
        ring = self.control.to(f"client:{staff_id}")[-1]
        connect_agent.picked_up(self.store, ring.leg, ring.sid)
        entering = connect_agent.enters(
            self.store, ring.leg, ring.sid, _brought, self.call_back.dial
        )
        assert entering is not None

    def sweeps(self) -> int:
        """What the dispatcher does with what is to be asked of the provider."""
        done = 0
        while swept := provider_commands.sweep(self.store, self.control):
            done += swept
            if not rows_of(
                self.house.database,
                select(intent.c.id).where(
                    intent.c.state == "pending", intent.c.lease_until <= self.store.clock.now()
                ),
            ):
                break
        return done

    def rings(self, staff_id: str, number: str) -> Ring:
        """From a reserved agent to the number that rings; gives that call."""
        self.agent_picks_up(staff_id)
        self.sweeps()
        return self.control.to(number)[-1]

    def ends(self, ring: Ring, status: str) -> str:
        """The provider tells how a call of ours ended."""
        return self.call_back.told(self.store, ring.leg, ring.sid, status)

    def hangs_up(self, staff_id: str) -> None:
        hang_up(self.store, self.control, *self.mine(staff_id))

    def wraps_up(self, staff_id: str) -> None:
        assert wrap_up(self.store, self.control, *self.mine(staff_id), "information").done

    def passes(self, time: timedelta) -> None:
        clock_of(self.house).advance(time)

    def loses_line(self, staff_id: str) -> None:
        """The agent's own line breaks."""
        ring = self.control.to(f"client:{staff_id}")[-1]
        connect_agent.leg_told(self.store, ring.leg, ring.sid, "completed")
        self.sweeps()

    def entry_of(self, number: str) -> str:
        """The live promise to a number."""
        with self.store.database.statement() as connection:
            found = queues.promise_to(connection, self.store.vault, number)
        assert found
        return found.id

    def staff_ids(self) -> list[str]:
        """Everybody who is ready."""
        with self.store.database.statement() as connection:
            return [one.staff_id for one in agents.free_agents(connection)]
