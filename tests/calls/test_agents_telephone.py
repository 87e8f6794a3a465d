"""A caller who waits is brought to an agent's real telephone, which another process has.

The whole service, the simulator beside it, and a process with telephones as both of them see it:
it asks over HTTP, and its calls run there.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from exchange.clock import VirtualClock
from exchange.interpreter import Call, Gather
from exchange.orders import Drop, Ring
from exchange.remote import RemoteSwitchboard
from exchange.settings import Settings
from exchange.testing.fixtures import Served
from models.accounts import staff as staff_rows
from services.accounts import staff as accounts
from services.agents import presence
from tests.calls.test_queue import Town, talks
from tests.support.house import ACCOUNT, BASE, MOBILE, NOON, TOKEN, House
from tools.simulator.agents import Work

OWN = "+33199000101"


class NoTelephone:
    """What a page has that cannot ring; see `agents.Device`."""

    def register(self, name: str) -> None:
        pass

    def rings(self) -> bool:
        return False

    def accept(self) -> None:
        pass

    def hang_up(self) -> None:
        pass

    def unregister(self) -> None:
        pass


class Telephones:
    """A process with telephones: whatever rings there is taken, and `1` is pressed when asked.

    It acts each second, as the agents of a town do, until it `dies`.
    """

    login = state = "telephones"

    def __init__(self, town: Town, base: str) -> None:
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]
            twilio_account_sid=ACCOUNT,
            twilio_auth_token=TOKEN,
            public_base_url=BASE,
        )
        self.work, self._town = Work(), town
        self.lines = RemoteSwitchboard(base, settings, town._transport, listens=False)
        self.lines.on_ring = self._rings
        self.calls: list[Call] = []
        self.dead = False

    def act(self) -> float:
        if self.dead:
            return 0.0
        self.lines.collect()
        for call in self.calls:
            call.obey()
            if isinstance(call.waiting, Gather):
                call.presses("1")
        return 1.0

    def _rings(self, ring: Ring) -> None:
        taken = self.lines.answered(ring.sid)
        assert taken is not None
        call = taken.call(
            transport=self._town._transport, auth_token=TOKEN, clock=VirtualClock(NOON)
        )
        self.calls.append(call.dial())


@pytest.fixture
def town(service: House) -> Town:
    return Town(service)


@pytest.fixture
def telephones(town: Town) -> Iterator[Telephones]:
    with Served(town.simulated) as base:
        made = Telephones(town, base)
        town.agents.append(made)  # type: ignore[arg-type]
        yield made


def works_by_telephone(town: Town, login: str, telephones: Telephones, number: str = "") -> str:
    """Have an agent ready whose page cannot ring; gives their id."""
    agent = town.works(login)
    agent._device = NoTelephone()
    with town.house.database.transaction() as connection:
        who = accounts.find(connection, town.store, login)
        if number:
            vault = town.store.vault
            staff_rows.change_phone(connection, town.house.clock, vault, who.id, number)
    if number:
        assert presence.ready(town.store, who.id, voice="phone").done
    telephones.lines.telephones([number or f"client:{who.id}"])
    town.until(lambda: agent.state == "ready")
    return who.id


@pytest.mark.parametrize("number", ["", OWN])
def test_an_agents_telephone_rings_and_both_talk(
    town: Town, telephones: Telephones, number: str
) -> None:
    who = works_by_telephone(town, "lucie", telephones, number)
    caller, _ = town.rings(MOBILE, "0")
    town.until(lambda: talks(town, caller))
    (call,) = telephones.calls
    assert call.recipient == (number or f"client:{who}")
    assert call.conference == caller.conference == town.entries()[0].id
    assert call.pressed == (["1"] if number else [])
    assert town.states() == ["talking"]
    # The caller goes, and the agent is let go with them.
    town.board.drop(caller.sid)
    town.until(lambda: town.states() == ["wrapup"])
    town.until(lambda: call.ended)


@pytest.mark.parametrize("how", ["its process dies", "it takes leave"])
def test_an_agents_telephone_dies_and_the_caller_is_at_the_front_again(
    town: Town, telephones: Telephones, how: str
) -> None:
    works_by_telephone(town, "lucie", telephones)
    caller, _ = town.rings(MOBILE, "0")
    town.until(lambda: talks(town, caller))
    joined = town.entries()[0].joined_at
    later, _ = town.rings("+33612000002", "0")
    if how == "it takes leave":
        telephones.calls[0].mailbox.post(Drop())
        telephones.lines.telephones([])
    else:
        telephones.dead = True
    town.until(lambda: town.states() == ["waiting", "waiting"])
    assert not caller.ended
    assert town.entries()[0].joined_at == joined
    assert not talks(town, caller)

    paul = town.works("paul")
    town.until(lambda: paul.state == "talking", 90)
    assert talks(town, caller)
    assert not talks(town, later)


def test_a_telephone_that_rings_at_nobodys_is_given_up_and_the_place_is_kept(
    town: Town, telephones: Telephones
) -> None:
    works_by_telephone(town, "lucie", telephones)
    joined = []
    telephones.lines.on_ring = lambda _: joined.append(town.entries()[0].joined_at)
    caller, _ = town.rings(MOBILE, "0")
    town.until(lambda: town.states() == ["reserved"])
    town.until(lambda: town.states() == ["waiting"], 60)
    assert not caller.ended
    assert [town.entries()[0].joined_at] == joined
