"""A crowd over minutes that pass at once: who rings when, what becomes of them, how it ends."""

import json
import subprocess

from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from click.testing import CliRunner
from flask import Flask

from exchange.clock import VirtualClock
from exchange.devices import Devices
from exchange.interpreter import Call, ConferenceWait, HangUp, Keys, QueueWait, Silence
from exchange.legs import MachineLeg
from exchange.orders import Seat
from exchange.testing.fixtures import SID, TOKEN
from tests.simulator.test_agents import CALM, House
from tools.simulator.agents import Agent
from tools.simulator.app import create_app
from tools.simulator.crowd_command import Unusable, command, demonstration_agents, lead, wanted
from tools.simulator.crowd_place import CrowdPlace, PacedClock, PlainDevice
from tools.simulator.crowd_run import GRACE_S, CrowdRun
from tools.simulator.guests import ENDS, Fate, Guest, Plan, counted, guests, table
from tools.simulator.people import somebody

BOOKED = "Votre rendez-vous est confirmé. Votre référence : 04 52 17 88 03. Au revoir."
OFFER = (
    '<Gather numDigits="1" timeout="5"><Say language="fr-FR">Vous êtes le troisième.'
    " Pour être rappelé sans perdre votre place, tapez 1.</Say></Gather>"
)


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


def alone(name: str = "slow", seed: int = 1, chance: int = 1, **options: Any) -> Guest:
    clock = options.pop("clock", Seconds())
    return Guest(
        somebody(name, seed),
        Random(chance),  # noqa: S311 - behaviour, not a secret
        speed=options.pop("speed", 20.0),
        now=clock.now,
        **options,
    )


def who(**wanted: Any) -> Guest:
    """The first guest by chance who is as wanted."""
    for chance in range(200):
        guest = alone(chance=chance)
        if all(getattr(guest, name) == value for name, value in wanted.items()):
            return guest
    raise AssertionError(wanted)


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


def test_callers_come_by_and_by_and_the_same_seed_brings_them_at_the_same_moments():
    plan = plan_of(300, 3.0, seed=7)
    arrivals = plan.arrivals()
    assert arrivals == sorted(arrivals)
    assert arrivals == plan_of(300, 3.0, seed=7).arrivals()
    assert arrivals != plan_of(300, 3.0, seed=8).arrivals()
    assert arrivals[0] >= 0
    assert arrivals[-1] <= 162
    # Of a Poisson process, no thirds of the time are alike and none is empty.
    thirds = [sum(n * 54 <= at < (n + 1) * 54 for at in arrivals) for n in range(3)]
    assert all(75 <= third <= 125 for third in thirds)
    assert len(set(thirds)) > 1


def test_nobody_has_the_number_of_somebody_else():
    some = guests(plan_of(500), Seconds().now)
    assert len({guest.number for guest in some}) == 500
    assert len({guest.person.name for guest in some}) == 11


def test_a_good_part_wants_a_person_and_silent_people_never_do():
    some = guests(plan_of(500), Seconds().now)
    assert 130 <= sum(guest.wants_person for guest in some) <= 230
    assert not any(g.wants_person for g in some if g.person.name == "silent")


# ---------------------------------------------------------------- a guest


def test_whoever_wants_a_person_asks_once_and_goes_on(ring):
    guest = who(wants_person=True, _asks_after=0)
    menu = '<Gather numDigits="1"><Say>Pour prendre rendez-vous, tapez 1.</Say></Gather>'
    call = ring({"/in": menu})
    assert guest.answers(call, call.waiting) == Keys("0")
    assert guest.fate is Fate.MENU
    assert guest.answers(call, call.waiting) != Keys("0")


def test_where_digits_are_typed_a_person_is_asked_for_with_the_hash_key(ring):
    guest = who(wants_person=True, _asks_after=0)
    field = '<Gather finishOnKey="#"><Say>Tapez votre code postal.</Say></Gather>'
    call = ring({"/in": field})
    assert guest.answers(call, call.waiting) == Keys("0#")


def test_somebody_waits_as_long_as_their_patience_lasts_and_gives_up():
    clock = Seconds()
    guest = alone(clock=clock)
    call, queue = SimpleNamespace(queue="fr"), QueueWait("fr", "QU1")
    waited = 0.0
    while guest.waits(call, queue) == Silence():  # type: ignore[arg-type]
        assert guest.fate is Fate.WAITING
        clock.sleep(1.0)
        waited += 1.0
    assert 240 / 20 <= waited <= 1200 / 20 + 1
    guest.over(SimpleNamespace(end_reason="caller-hung-up", spoken=[], dialed=[]))  # type: ignore[arg-type]
    assert guest.fate is Fate.GAVE_UP


@pytest.mark.parametrize(("prefers", "does"), [(True, Keys("1")), (False, Silence())])
def test_the_offer_to_be_called_back_is_taken_by_who_prefers_it(ring, prefers, does):
    guest = who(prefers_callback=prefers)
    call = ring({"/in": "<Enqueue waitUrl='/wait'>fr</Enqueue>", "/wait": OFFER})
    assert call.queue == "fr"
    assert guest.answers(call, call.waiting) == does
    assert guest.fate is Fate.WAITING


def test_alone_in_a_conference_somebody_still_waits_and_then_talks():
    guest = alone()
    guest.fate = Fate.WAITING
    quiet, started = Seat("e1", "CF1"), Seat("e1", "CF1", started=True, others=1)
    for seat, fate in ((quiet, Fate.WAITING), (started, Fate.TALKING)):
        wait = ConferenceWait("e1", "CF1", seat)
        assert guest.confers(SimpleNamespace(), wait) == Silence()  # type: ignore[arg-type]
        assert guest.fate is fate
    guest.over(SimpleNamespace(spoken=[]))  # type: ignore[arg-type]
    assert guest.fate is Fate.AGENT


def over(ring, says: str, guest: Guest, end: str = "<Hangup/>") -> Fate:
    call: Call = ring({"/in": f'<Say language="fr-FR">{says}</Say>{end}'})
    guest.over(call)
    return guest.fate


def test_how_a_call_ended_is_heard_from_its_last_words(ring):
    assert over(ring, BOOKED, alone()) is Fate.BOOKED
    assert over(ring, "Nous vous rappellerons avant midi. Au revoir.", alone()) is Fate.PROMISED
    assert over(ring, "Au revoir.", alone()) is Fate.OTHER


def test_whoever_was_promised_a_call_is_called_back_and_says_that_they_are_there(ring):
    guest = alone()
    assert over(ring, "Nous vous rappellerons. Au revoir.", guest) is Fate.PROMISED
    guest.answers_the_telephone()
    call = ring({"/in": '<Gather numDigits="1"><Say>Tapez 1.</Say></Gather>'})
    assert guest.answers(call, call.waiting) == Keys("1")
    guest.confers(call, ConferenceWait("e1", "CF1", Seat("e1", "CF1", started=True)))
    guest.over(call)
    assert guest.fate is Fate.CALLED_BACK


def test_a_call_back_that_came_to_nothing_leaves_the_promise_open(ring):
    guest = alone()
    guest.fate = Fate.PROMISED
    guest.answers_the_telephone()
    assert over(ring, "Au revoir.", guest) is Fate.PROMISED


def test_when_it_is_over_everybody_hangs_up_where_they_are(ring):
    home = [False]
    guest = alone(is_over=lambda: home[0])
    call = ring({"/in": '<Gather numDigits="1"><Say>Tapez 1.</Say></Gather>'})
    guest.answers(call, call.waiting)
    home[0] = True
    assert guest.answers(call, call.waiting) == HangUp()
    guest.over(call)
    left = [str(guest.fate)]
    assert guest.waits(call, QueueWait("fr", "QU1")) == HangUp()
    guest.over(call)
    assert [*left, str(guest.fate)] == ["menu", "waiting"], "no ends of the service's making"


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


def test_guests_ring_at_their_moments_and_no_sooner():
    run = Run(plan_of(40))
    arrivals = run.crowd.plan.arrivals()
    run.goes(120)
    assert [round(at - due, 3) for (at, _), due in zip(run.rang, arrivals, strict=True)] == (
        pytest.approx([0.0] * 40, abs=0.26)
    )
    assert [guest for _, guest in run.rang] == run.crowd.guests


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


def test_an_agent_in_a_call_has_a_little_time_and_is_then_cut_off():
    run = Run(plan_of(5, 0.5), agents=1)
    run.goes(20)
    run.houses[0].is_called()
    run.goes(10)
    assert run.houses[0].state == "talking"
    run.goes(GRACE_S - 2)
    assert not run.crowd.ended.is_set()
    run.goes(5)
    assert run.crowd.ended.is_set()
    assert run.houses[0].registered == ""


def test_a_crowd_of_which_nothing_more_is_to_be_expected_ends_early():
    run = Run(plan_of(10, 5.0))
    run.goes(280)
    assert len(run.rang) == 10
    for guest in run.crowd.guests:
        guest.fate = Fate.BOOKED
    run.goes(2)
    assert run.crowd.ended.is_set()
    assert run.crowd.seconds() < 290


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


class Waits:
    """A mailbox that notes how long it was waited at, and takes no time."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        return False


def test_listening_is_faster_than_life_waiting_less_so_and_talking_is_not():
    clock, mailbox = PacedClock(20.0), Waits()
    clock.advance(5.0)
    for queue, seat in (("", None), ("fr", None), ("", Seat("e1", "CF1"))):
        clock.call = SimpleNamespace(mailbox=mailbox, queue=queue, seat=seat)  # type: ignore[assignment]
        clock.advance(40.0)
        clock.advance(0.0)
    assert mailbox.waited == [2.0, 10.0, 40.0]


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


def test_an_agents_telephone_is_a_device_of_the_switchboards():
    devices = Devices(VirtualClock())
    phone = PlainDevice(devices)
    assert not phone.rings()
    phone.register("5af0")
    took: list[str] = []
    assert (
        devices.ring("5af0", "CA1", "+33974750001", lambda: took.append("yes"), print) == "ringing"
    )
    assert phone.rings()
    phone.accept()
    assert took == ["yes"]
    assert not phone.rings()
    phone.unregister()
    assert not devices.registered("5af0")


def test_a_telephone_that_the_simulator_forgot_is_there_again_at_the_next_look():
    devices = Devices(VirtualClock())
    phone = PlainDevice(devices)
    phone.register("5af0")
    devices.unregister("5af0")
    assert not phone.rings()
    assert devices.registered("5af0")


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


def test_ctrl_c_sends_everybody_home_and_still_prints_the_table(capsys):
    server, clock = Server(100, interrupt_at=3), Seconds()
    assert lead(server, {}, sleep=clock.sleep, now=clock.now) == 130
    assert "stop" in server.asked
    assert "still waiting" in capsys.readouterr().out


def test_a_crowd_that_does_not_end_is_not_waited_for_for_ever(capsys):
    server, clock = Server(10_000, interrupt_at=2), Seconds()
    server.stop = server.shown  # type: ignore[method-assign]
    assert lead(server, {}, sleep=clock.sleep, now=clock.now) == 130
    assert clock.at < 1100


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


def test_agents_are_made_by_the_services_command(monkeypatch):
    ran: list[list[str]] = []

    def run(arguments, **options):
        ran.append(arguments)
        made = [{"login": f"agent{n}", "password": "x", "name": "A"} for n in range(2)]
        return SimpleNamespace(returncode=0, stdout=json.dumps(made), stderr="")

    monkeypatch.setattr(subprocess, "run", run)
    assert demonstration_agents(2) == [
        {"login": "agent0", "password": "x"},
        {"login": "agent1", "password": "x"},
    ]
    assert ran[0][-4:] == ["staff", "demo", "--agents", "2"]
    with pytest.raises(Unusable, match="it said nothing"):
        demonstration_agents(3)
