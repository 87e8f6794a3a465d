"""A crowd rings this machine alone, within bounds, and ends when it is told to."""

from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from click.testing import CliRunner
from flask import Flask

from exchange.legs import MachineLeg
from exchange.testing.fixtures import SID, TOKEN
from tests.simulator.test_agents import CALM, House
from tools.simulator.agents import Agent
from tools.simulator.app import create_app
from tools.simulator.crowd_command import command, lead, wanted
from tools.simulator.crowd_place import CrowdPlace
from tools.simulator.crowd_run import CrowdRun
from tools.simulator.guests import ENDS, Fate, Guest, Plan, counted, guests, table


class Seconds:
    """A clock that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


def plan_of(callers: int = 30, minutes: float = 2.0, **more: Any) -> Plan:
    return Plan(callers=callers, minutes=minutes, **more)


# ---------------------------------------------------------------- a plan


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("callers", 0),
        ("callers", 501),
        ("agents", 21),
        ("agents", -1),
        ("minutes", 0.01),
        ("minutes", 10.5),
        ("speed", 0.5),
        ("speed", 1000.0),
        ("minutes", float("nan")),
    ],
)
def test_a_crowd_has_bounds(name: str, value: float):
    with pytest.raises(ValueError, match=f"{name} goes from"):
        Plan(**{name: value})  # type: ignore[arg-type]


def test_nobody_has_the_number_of_somebody_else():
    some = guests(plan_of(500), Seconds().now)
    assert len({guest.number for guest in some}) == 500
    assert len({guest.person.name for guest in some}) == 11


# ---------------------------------------------------------------- a run


class Run:
    """A crowd whose guests do nothing but ring, and what was asked of its surroundings."""

    def __init__(self, plan: Plan, agents: int = 0, **manners: Any) -> None:
        self.clock, self.rang, self.put_down = Seconds(), list[tuple[float, Guest]](), 0
        self.houses = [House() for _ in range(agents)]

        def ring(guest: Guest) -> None:
            self.rang.append((self.crowd.seconds(), guest))

        def hung_up() -> None:
            self.put_down += 1

        self.crowd = CrowdRun(
            plan,
            [self.agent(house) for house in self.houses],
            ring=ring,
            put_down=hung_up,
            now=self.clock.now,
            sleep=self.clock.sleep,
        )

    def agent(self, house: House) -> Agent:
        chance = Random(1)  # noqa: S311 - behaviour, not a secret
        now = self.clock.now
        return Agent("lucie", "right", house, house, chance=chance, manners=CALM, now=now)

    def goes(self, seconds: float) -> None:
        """Let so much time pass in steps of a second at most, agents asked, too."""
        until = self.clock.at + seconds
        while self.clock.at < until and not self.crowd.ended.is_set():
            wait = self.crowd.act()
            for house, agent in zip(self.houses, self.crowd.agents, strict=True):
                house.seconds = self.clock.at
                agent.act()
            self.clock.sleep(wait)


def test_when_the_time_is_up_agents_go_home_and_what_is_left_is_put_down():
    run = Run(plan_of(5, 0.5), agents=2)
    run.goes(20)
    assert [house.state for house in run.houses] == ["ready", "ready"]
    assert run.crowd.state()["agents"] == {"lucie": "ready"}
    run.goes(60)
    assert run.crowd.ended.is_set()
    assert all(agent.gone for agent in run.crowd.agents)
    assert run.put_down == 1
    state = run.crowd.state()
    assert not state["running"]
    assert state["seconds"] == 30.0


def test_a_stop_ends_it_and_nobody_rings_any_more():
    run = Run(plan_of(50, 5.0))
    run.goes(30)
    rang = len(run.rang)
    run.crowd.stop()
    run.goes(60)
    assert run.crowd.ended.is_set()
    assert len(run.rang) == rang
    assert run.crowd.state()["count"]["to_come"] == 50 - rang


def test_everybody_is_counted_once_whatever_became_of_them():
    some = guests(plan_of(len(Fate)), Seconds().now)
    for guest, fate in zip(some, Fate, strict=True):
        guest.fate = fate
    count = counted(some)
    assert sum(count.values()) == len(some)
    numbers = [int(line.split()[-1]) for line in table(count).splitlines()]
    assert sum(numbers) == len(some)
    assert set(ENDS) < set(Fate)


# ---------------------------------------------------------------- in the server


def asks(rest: Flask, method: str = "get", **options: Any) -> Any:
    return getattr(rest.test_client(), method)("/_crowd", auth=(SID, TOKEN), **options)


WANTED = {"callers": 3, "minutes": 1, "seed": 4, "speed": 10, "agents": []}


def test_a_crowd_is_for_whoever_has_the_credentials(rest):
    assert rest.test_client().get("/_crowd").status_code == 401
    assert rest.test_client().post("/_crowd", json=WANTED).status_code == 401
    assert asks(rest).json["running"] is False


@pytest.mark.parametrize(
    "wrong",
    [
        {"callers": 0},
        {"callers": "many"},
        {"minutes": 11},
        {"speed": 0},
        {"agents": [{"login": "a"}]},
        {"agents": [{"login": "a", "password": "b"}] * 21},
        {"agents": 5},
    ],
)
def test_a_crowd_that_is_too_large_is_refused(rest, wrong):
    answer = asks(rest, "post", json={**WANTED, **wrong})
    assert answer.status_code == 400
    assert answer.json["code"] == 20001
    assert asks(rest).json["running"] is False


def test_a_crowd_never_rings_another_machine(monkeypatch, settings, inbox):
    elsewhere = settings.model_copy(update={"service_url": "https://allo.example"})
    answer = asks(create_app(elsewhere, transport=inbox, threads=0), "post", json=WANTED)
    assert answer.status_code == 403
    assert "this machine only" in answer.json["message"]


@pytest.fixture
def place(rest, monkeypatch):
    """The place of a crowd, whose threads do not run."""
    monkeypatch.setattr(CrowdRun, "run", lambda _: None)
    found = rest.extensions["simulator"].ringing.subscribers[-1]
    assert isinstance(found, CrowdPlace)
    return found


def test_one_crowd_at_a_time_and_a_stop_makes_room(rest, place):
    begun = asks(rest, "post", json=WANTED)
    assert begun.status_code == 201
    assert begun.json["callers"] == 3
    assert asks(rest, "post", json=WANTED).status_code == 409
    assert asks(rest, "delete").json["over"] is True
    place._crowd.act()
    assert asks(rest).json["running"] is False
    assert asks(rest, "post", json=WANTED).status_code == 201


def test_a_guest_rings_the_service_through_the_switchboard(rest, place, inbox):
    crowd = place.begin(plan_of(3), [])
    guest = crowd.guests[0]
    place._ring(guest)
    rest.extensions["simulator"].run_pending()
    assert inbox.forms[0]["From"] == guest.number
    assert inbox.urls[0].endswith("/voice/incoming")


class Rings:
    """A call of the service's that rings a guest."""

    def __init__(self, number: str) -> None:
        self.record = SimpleNamespace(recipient=number, status="ringing")
        self.did: list[Any] = []

    def make(self, clock: Any, heard_by: Any) -> Any:
        return SimpleNamespace(clock=clock)

    def answer(self, call: Any, leg: Any, over: Any) -> None:
        self.did.append(leg)

    def refuse(self, how: str) -> None:
        self.did.append(how)


@pytest.mark.parametrize("answering", ["", "machine", "no-answer"])
def test_a_guest_who_is_rung_back_answers_or_a_machine_or_nobody(place, answering):
    crowd = place.begin(plan_of(5), [])
    guest = crowd.guests[0]
    guest.answering = answering
    assert place.knows(guest.number)
    assert not place.knows("+33612999999")
    rung = Rings(guest.number)
    place.rings(rung)
    (did,) = rung.did
    assert guest.rung_back is (answering == "")
    if answering == "machine":
        assert isinstance(did, MachineLeg)
    else:
        assert did == (answering or guest)


def test_nobody_answers_when_the_crowd_has_gone_home(place):
    crowd = place.begin(plan_of(5), [])
    crowd.stop()
    rung = Rings(crowd.guests[0].number)
    place.rings(rung)
    assert rung.did == ["no-answer"]


# ---------------------------------------------------------------- the command


class Server:
    """A simulator whose crowd lasts as many looks as are given."""

    def __init__(self, looks: int, interrupt_at: int = -1) -> None:
        self.looks, self.interrupt_at = looks, interrupt_at
        self.asked: list[str] = []
        self.wanted: Any = None
        count = dict.fromkeys(map(str, Fate), 0)
        self.count = {**count, "booked": 3, "agent": 2, "waiting": 1}

    def __call__(self, method: str, wanted: Any) -> dict[str, Any]:
        if method == "DELETE":
            return self.stop()
        return self.state() if method == "GET" else self.begin(wanted)

    def begin(self, wanted: Any) -> dict[str, Any]:
        self.wanted = wanted
        return self.shown()

    def state(self) -> dict[str, Any]:
        self.asked.append("state")
        if len(self.asked) == self.interrupt_at:
            raise KeyboardInterrupt
        self.looks -= 1
        return self.shown()

    def stop(self) -> dict[str, Any]:
        self.asked.append("stop")
        self.looks = 1
        return self.shown()

    def shown(self) -> dict[str, Any]:
        return {
            "running": self.looks > 0,
            "over": self.looks <= 0,
            "seconds": max(0.0, 10.0 - self.looks),
            "of_seconds": 10.0,
            "callers": 6,
            "rang": 6,
            "count": self.count,
            "agents": {"a": "talking"},
            "served": 2,
            "troubles": ["signed out"],
        }


def test_the_command_waits_to_the_end_and_prints_what_became_of_everybody(capsys):
    server, clock = Server(8), Seconds()
    request = wanted(plan_of(6), [{"login": "a", "password": "b"}])
    assert lead(server, request, sleep=clock.sleep, now=clock.now) == 0
    assert server.wanted["agents"] == [{"login": "a", "password": "b"}]
    told = capsys.readouterr().out
    assert "booked by the machine       3" in told
    assert "with an agent               2" in told
    assert "An agent's trouble: signed out" in told


@pytest.mark.parametrize(
    "arguments",
    [["--callers", "501"], ["--agents", "21"], ["--minutes", "11"], ["--speed", "100"]],
)
def test_the_command_keeps_to_the_bounds(arguments):
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert "range" in result.output


def test_the_command_rings_this_machine_only(settings, monkeypatch):
    result = CliRunner().invoke(command, ["--simulator", "http://telephone.example"])
    assert result.exit_code == 2
    assert "this machine only" in result.output
    monkeypatch.setenv("SERVICE_URL", "https://allo.example")
    result = CliRunner().invoke(command, [])
    assert "this machine only" in result.output


def test_without_a_simulator_the_command_says_what_to_do(settings, closed_port):
    result = CliRunner().invoke(command, ["--simulator", f"http://127.0.0.1:{closed_port}"])
    assert result.exit_code == 2
    assert "make run" in result.output
