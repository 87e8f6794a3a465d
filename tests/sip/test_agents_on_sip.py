"""A caller, and agents at SIP telephones: who hears whom, measured in what each of them hears.

Everybody says a tone of their own all the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exchange.sip.parts import RATE, Sound, coded
from models.accounts.staff import Staff
from models.desk import desk as rows
from models.queue import order, queues
from tests.sip.others import Baresip
from tests.sip.tones import loudness
from tests.sip.town import NATIONAL, PASSWORD, Town, eventually, speaks, town
from tests.support import parts
from tests.support.house import MOBILE, StaffClient

SECOND = "+33612345679"
CALLER, CAMILLE, DOMINIQUE, SOLENE = 600.0, 1000.0, 1400.0, 2200.0
# Of `tone`'s own loudness, what is left of it at least where it is heard.
HEARD = 3000.0
LISTENS_S = 0.5
# When a telephone that sends nothing any more is given up, and then some.
GONE_S = 60.0


@dataclass(eq=False)
class Telephone:
    """A baresip: what it hears is kept in a file, what it says is a tone."""

    baresip: Baresip
    hertz: float

    def heard(self) -> bytes:
        return self.baresip.heard()

    def rings(self, server: tuple[str, int]) -> None:
        self.baresip.does("dial", f"sip:{NATIONAL}@{server[0]}:{server[1]}")
        self.baresip.waits_for("CALL_ESTABLISHED")

    def is_rung(self) -> None:
        self.baresip.waits_for("CALL_INCOMING")

    def answers(self) -> None:
        self.baresip.does("accept")
        self.baresip.waits_for("CALL_ESTABLISHED")

    def presses(self, keys: str) -> None:
        self.baresip.presses(keys)

    def hangs_up(self) -> None:
        self.baresip.does("hangup")

    def dies(self) -> None:
        """Its plug is pulled."""
        self.baresip.dies()

    def is_over(self) -> None:
        """Wait until the other side has hung up."""
        self.baresip.waits_for("CALL_CLOSED")

    def tones(self, *tones: float) -> set[float]:
        """Which of these tones are in what it heard last."""
        newest = Sound(coded(self.heard()[-round(LISTENS_S * RATE) * 2 :], "PCMU"))
        if newest.seconds < LISTENS_S:
            return set()
        return {hertz for hertz in tones if loudness(newest, hertz) > HEARD}


class LoopbackClient(StaffClient):
    """A browser of somebody at a service without TLS."""

    cookie = "allo"


@dataclass
class Agent:
    """Somebody at /poste, and their telephone."""

    place: Town
    staff: Staff
    client: StaffClient
    telephone: Telephone

    def posts(self, path: str, **form: str) -> Any:
        with self.place.house.database.statement() as connection:
            now = rows.now_of(connection, self.staff.id)
        form.setdefault("entry", (now and now.entry_id) or "")
        headers = {"Accept": "application/json", "Origin": self.place.url}
        return self.client.post(f"/poste{path}", data=form, headers=headers).json

    @property
    def state(self) -> str:
        found = self.client.get("/poste/etat", headers={"Accept": "application/json"}).json
        assert isinstance(found, dict)
        return str(found["state"])

    def is_ready(self) -> None:
        """To take whoever waits, which may be at once."""
        assert self.posts("/pret")["done"]
        eventually(lambda: self.state in {"ready", "reserved"}, "the agent is ready")

    def talks(self) -> None:
        eventually(lambda: self.state == "talking", "the agent talks")


@dataclass
class Supervisor:
    """Somebody at /supervision, and their telephone."""

    place: Town
    client: StaffClient
    telephone: Telephone

    def is_with(self, agent: Agent, mode: str) -> None:
        """Listen to whom an agent talks with, whisper to the agent, or join."""
        with self.place.house.database.statement() as connection:
            now = rows.now_of(connection, agent.staff.id)
        form = {"entry": (now and now.entry_id) or "", "mode": mode}
        headers = {"Accept": "application/json", "Origin": self.place.url}
        told: Any = self.client.post("/supervision/ecouter", data=form, headers=headers).json
        assert told["done"], told


@pytest.fixture
def place(database_url: str, tmp_path: Path) -> Iterator[Town]:
    parts.require(parts.SIP_CLIENTS)
    with town(database_url, tmp_path, agents=True) as made:
        yield made


@dataclass
class Hall:
    """A town with two agents and a supervisor, whose SIP telephones are registered."""

    place: Town
    camille: Agent
    dominique: Agent
    solene: Supervisor
    telephone: Callable[[str, float], Telephone]

    def caller(self, number: str = MOBILE, hertz: float = CALLER) -> Telephone:
        return self.telephone(number, hertz)

    def goes_to_the_queue(self, caller: Telephone) -> None:
        """Ring, and ask for a person."""
        caller.rings(self.place.sip)
        self.place.asks("welcome", caller.heard)
        caller.presses("0")
        eventually(lambda: self.place.step == "queue", "one more waits")

    def talks_with_camille(self) -> Telephone:
        caller = self.caller()
        self.camille.is_ready()
        self.goes_to_the_queue(caller)
        self.camille.telephone.is_rung()
        self.camille.telephone.answers()
        self.camille.talks()
        hear(caller, CAMILLE)
        return caller

    def waiting(self) -> list[str]:
        """The numbers of those who wait, in the order in which they are taken."""
        made = self.place.house
        with made.database.statement() as connection:
            found = order.candidates(connection, made.store.clock, ("fr",))
            entries = [queues.load(connection, made.store.vault, one.id) for one in found]
        return [one.number for one in entries if one is not None]


@pytest.fixture
def hall(place: Town, tmp_path: Path) -> Iterator[Hall]:
    staff = {
        name: place.house.employs(role, name=name.title())
        for name, role in (("camille", "agent"), ("dominique", "agent"), ("solene", "supervisor"))
    }
    place.opens_telephones({name: (f"client:{one.id}",) for name, one in staff.items()})

    def browser(one: Staff) -> StaffClient:
        kept = place.house.signs_in(one.role, staff=one, app=place.app)
        cookie = kept.get_cookie(StaffClient.cookie)
        assert cookie is not None
        return LoopbackClient(place.app, one, cookie.value)

    with ExitStack() as stack:

        def telephone(user: str, hertz: float) -> Telephone:
            host, port = place.sip
            own = {} if user.startswith("+") else {"password": PASSWORD}
            made = Baresip(tmp_path / user, user, server=f"{host}:{port}", hertz=hertz, **own)
            return Telephone(stack.enter_context(made), hertz)

        def registered(name: str, hertz: float) -> Telephone:
            made = telephone(name, hertz)
            known = place.simulator.boxes.named
            eventually(lambda: known(f"client:{staff[name].id}"), "it can be rung")
            return made

        camille, dominique = (
            Agent(place, staff[name], browser(staff[name]), registered(name, hertz))
            for name, hertz in (("camille", CAMILLE), ("dominique", DOMINIQUE))
        )
        solene = Supervisor(place, browser(staff["solene"]), registered("solene", SOLENE))
        yield Hall(place, camille, dominique, solene, telephone)


def hear(telephone: Telephone, *tones: float) -> None:
    """Wait until these tones, and of ours no others, are heard."""
    eventually(
        lambda: telephone.tones(CALLER, CAMILLE, DOMINIQUE, SOLENE) == set(tones),
        f"{sorted(tones)} at the telephone of {telephone.hertz:g}",
    )


def test_the_queue_has_music_and_an_agent_s_telephone_rings(hall: Hall):
    caller, camille = hall.caller(), hall.camille.telephone
    hall.camille.is_ready()
    hall.goes_to_the_queue(caller)
    camille.is_rung()
    before = len(caller.heard())
    eventually(lambda: speaks(caller.heard()[before:]), "something is heard in the queue")
    camille.answers()
    hall.camille.talks()
    hear(camille, CALLER)
    hear(caller, CAMILLE)
    caller.hangs_up()
    camille.is_over()


def test_a_warm_transfer_lets_colleagues_talk_before_the_caller_is_with_the_second(hall: Hall):
    camille, dominique = hall.camille.telephone, hall.dominique.telephone
    caller = hall.talks_with_camille()
    hall.dominique.is_ready()
    assert hall.camille.posts("/transfert", colleague=hall.dominique.staff.id)["done"]
    dominique.is_rung()
    dominique.answers()
    # The two of them talk, and the caller hears music meanwhile.
    hear(camille, DOMINIQUE)
    hear(dominique, CAMILLE)
    before = len(caller.heard())
    eventually(lambda: speaks(caller.heard()[before:]), "music while on hold")
    assert caller.tones(CAMILLE, DOMINIQUE) == set()
    eventually(lambda: hall.camille.posts("/transfert/terminer").get("done"), "it is handed on")
    hear(caller, DOMINIQUE)
    hear(dominique, CALLER)
    camille.is_over()
    hall.dominique.talks()
    caller.hangs_up()
    dominique.is_over()


def test_a_supervisor_is_heard_by_nobody_by_the_agent_or_by_both(hall: Hall):
    camille, solene = hall.camille.telephone, hall.solene.telephone
    caller = hall.talks_with_camille()
    for mode in ("listen", "whisper", "join"):
        hall.solene.is_with(hall.camille, mode)
        if mode == "listen":
            solene.is_rung()
            solene.answers()
        hear(solene, CALLER, CAMILLE)
        hear(camille, CALLER, *([] if mode == "listen" else [SOLENE]))
        hear(caller, CAMILLE, *([SOLENE] if mode == "join" else []))
    solene.hangs_up()
    hear(camille, CALLER)
    hear(caller, CAMILLE)


@pytest.mark.long
def test_whose_agent_s_telephone_dies_is_the_first_of_the_queue(hall: Hall):
    camille, dominique = hall.camille.telephone, hall.dominique.telephone
    first = hall.talks_with_camille()
    hall.goes_to_the_queue(hall.caller(SECOND, 800.0))
    camille.dies()
    eventually(lambda: len(hall.waiting()) == 2, "the caller waits again", GONE_S)
    assert hall.waiting() == [MOBILE, SECOND]
    # And they are told so, whose agent is gone.
    before = len(first.heard())
    eventually(lambda: speaks(first.heard()[before:]), "something is heard in the queue")
    hall.dominique.is_ready()
    dominique.is_rung()
    dominique.answers()
    hear(first, DOMINIQUE)
    hear(dominique, CALLER)
