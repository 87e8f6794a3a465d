"""Simulated agents at a desk of a few lines: what they do, when, and what troubles them."""

import json

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from tools.simulator.agents import CODE, Agent, Answer, Manners, Unreachable

CALM = Manners(pauses=0.0, loses_page=0.0, loses_voice=0.0, misses=0.0)


class House:
    """A service with one agent, and that agent's telephone. Time passes when `runs` says so."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.state = "offline"
        self.then_pause = False
        self.session = self.code = ""
        self.tokens = 0
        self.posts: list[tuple[float, str, dict[str, str]]] = []
        self.reads = self.unchanged = 0
        self.down = False
        self.registered = ""
        self.ringing = False
        self.talks_from = 0.0
        self.talked: list[float] = []

    def now(self) -> float:
        return self.seconds

    # The pages

    def __call__(self, path: str, headers: Any, form: Any) -> Answer:
        return self.get(path, headers) if form is None else self.post(path, form, headers)

    def get(self, path: str, headers: Any) -> Answer:
        if self.down:
            raise Unreachable("down")
        if path == "/connexion":
            self.tokens += 1
            form = f'<input id="t" name="csrf_token" type="hidden" value="login-{self.tokens}">'
            return Answer(200, path, form)
        if not self.session:
            return Answer(200, "/connexion")
        if path == "/poste":
            page = '<meta name="csrf-token" content="desk"><script>{"identity": "5af0"}</script>'
            return Answer(200, path, page)
        assert path == "/poste/etat"
        self.reads += 1
        if headers.get("If-None-Match") == self.state:
            self.unchanged += 1
            return Answer(304, path)
        return Answer(200, path, json.dumps({"state": self.state}), {"etag": self.state})

    def post(self, path: str, form: Any, headers: Any) -> Answer:
        self.posts.append((self.seconds, path, dict(form)))
        if path in {"/connexion", CODE}:
            return self.let_in(path, form)
        if not self.session:
            return Answer(401, path)
        assert headers["X-CSRFToken"] == "desk"
        match path:
            case "/poste/pret":
                self.state = "ready"
            case "/poste/pause":
                assert form["reason"]
                self.then_pause = True
            case "/poste/raccrocher":
                self.talked.append(self.seconds - self.talks_from)
                self.state = "wrapup"
            case "/poste/cloture":
                assert form["code"]
                self.state = "paused" if self.then_pause else "ready"
                self.then_pause = False
            case "/poste/absent":
                self.state = "offline"
            case "/deconnexion":
                self.session, self.state = "", "offline"
        return Answer(200, path)

    def let_in(self, path: str, form: Any) -> Answer:
        if path == CODE:
            assert form == {"code": self.code, "csrf_token": "c"}
        else:
            assert form["csrf_token"] == f"login-{self.tokens}"
            if form["password"] != "right":
                return Answer(200, path)
            if self.code:
                shown = f'<b id="demonstration-code">{self.code}</b>'
                return Answer(200, CODE, f'<meta name="csrf-token" content="c">{shown}')
        self.session = "open"
        return Answer(200, "/poste")

    # The telephone

    def register(self, name):
        self.registered = name

    def unregister(self):
        self.registered = ""
        if self.state == "talking":
            self.state = "paused"

    def rings(self):
        return self.ringing

    def accept(self):
        assert self.ringing
        self.ringing, self.state, self.talks_from = False, "talking", self.seconds

    # What happens

    def is_called(self) -> None:
        self.state, self.ringing = "reserved", True

    def paths(self) -> list[str]:
        return [path for _, path, _ in self.posts]


def runs(house: House, agent: Agent, seconds: float) -> None:
    """Let so much time pass, the agent asked whenever they wanted to be."""
    until = house.seconds + seconds
    while house.seconds < until and not agent.gone:
        house.seconds += agent.act()


def agent_of(house: House, seed: int = 1, knows: str = "right", **manners: Any) -> Agent:
    return Agent(
        "lucie",
        knows,
        house,
        house,
        chance=Random(seed),  # noqa: S311 - behaviour, not a secret
        manners=replace(CALM, **manners),
        now=house.now,
    )


def test_an_agent_signs_in_and_says_ready_and_their_telephone_is_there():
    house = House()
    runs(house, agent_of(house), 5)
    assert house.paths() == ["/connexion", "/poste/pret"]
    assert house.state == "ready"
    assert house.registered == "5af0"


def test_an_agent_to_try_with_gives_the_code_that_the_page_shows():
    house = House()
    house.code = "204060"
    runs(house, agent_of(house), 5)
    assert house.paths() == ["/connexion", "/connexion/code", "/poste/pret"]


def test_a_page_that_nothing_changed_for_is_not_read_again():
    house = House()
    runs(house, agent_of(house), 60)
    assert 50 <= house.reads <= 62
    assert house.unchanged >= house.reads - 3


@pytest.mark.parametrize("seed", range(6))
def test_a_call_is_taken_talked_through_and_wrapped_up(seed):
    house = House()
    agent = agent_of(house, seed)
    runs(house, agent, 5)
    house.is_called()
    runs(house, agent, 10)
    assert house.state == "talking"
    runs(house, agent, 700)
    assert house.paths()[2:] == ["/poste/raccrocher", "/poste/cloture"]
    assert 180 <= house.talked[0] <= 482
    assert house.state == "ready"
    assert agent.work.served == 1


def test_at_twenty_times_the_speed_of_life_it_takes_a_twentieth():
    house = House()
    agent = agent_of(house, speed=20.0)
    runs(house, agent, 5)
    house.is_called()
    runs(house, agent, 40)
    assert 9 <= house.talked[0] <= 27
    assert house.state == "ready"


def test_the_same_seed_does_the_same_at_the_same_moments():
    def one(seed: int) -> list[tuple[float, str, dict[str, str]]]:
        house = House()
        agent = agent_of(house, seed, pauses=0.5, loses_page=0.3)
        for _ in range(4):
            runs(house, agent, 5)
            if house.state == "ready":
                house.is_called()
            runs(house, agent, 900)
        return house.posts

    assert one(3) == one(3)
    assert one(3) != one(4)


def test_a_pause_is_a_wish_for_after_the_call_and_ends():
    house = House()
    agent = agent_of(house, pauses=1.0)
    runs(house, agent, 5)
    house.is_called()
    while "/poste/cloture" not in house.paths():
        runs(house, agent, 1)
    assert house.paths()[-2:] == ["/poste/pause", "/poste/cloture"]
    runs(house, agent, 3)
    assert agent.state == "paused"
    runs(house, agent, 700)
    assert house.state == "ready"
    assert agent.work.pauses == 1


def test_a_call_that_is_missed_is_not_taken_and_the_next_one_is():
    house = House()
    agent = agent_of(house, misses=1.0)
    runs(house, agent, 5)
    house.is_called()
    runs(house, agent, 30)
    assert house.ringing
    assert agent.work.missed == 1
    # The service gave up and sent them on a pause; afterwards they pay attention.
    house.state, house.ringing = "paused", False
    runs(house, agent, 700)
    agent._manners = CALM
    house.is_called()
    runs(house, agent, 10)
    assert house.state == "talking"


def test_a_page_that_is_lost_comes_back_and_says_ready_again():
    house = House()
    agent = agent_of(house, loses_page=1.0)
    while agent.state != "away":
        runs(house, agent, 1)
    assert house.registered == ""
    reads = house.reads
    runs(house, agent, 2.5)
    assert house.reads == reads, "a dead page asks for nothing"
    agent._manners = CALM
    house.state = "offline"
    runs(house, agent, 20)
    assert house.registered == "5af0"
    assert house.state == "ready"
    assert agent.work.lost == 1


def test_a_voice_that_is_lost_in_mid_call_ends_the_agents_line():
    house = House()
    agent = agent_of(house, loses_voice=1.0)
    runs(house, agent, 5)
    house.is_called()
    runs(house, agent, 8)
    assert house.registered == ""
    assert "/poste/raccrocher" not in house.paths()


def test_a_session_that_ended_is_opened_again():
    house = House()
    agent = agent_of(house)
    runs(house, agent, 5)
    house.session = ""
    runs(house, agent, 10)
    assert house.paths().count("/connexion") == 2
    assert house.session


def test_a_service_that_is_down_is_asked_again_until_it_is_there():
    house = House()
    house.down = True
    agent = agent_of(house)
    runs(house, agent, 30)
    assert agent.work.trouble == "down"
    house.down = False
    runs(house, agent, 5)
    assert house.state == "ready"


def test_a_wrong_password_is_told_and_lets_nobody_in():
    house = House()
    agent = agent_of(house, knows="wrong")
    runs(house, agent, 10)
    assert "lucie was not let in" in agent.work.trouble
    assert house.registered == ""
    agent.leave()
    runs(house, agent, 10)
    assert agent.gone


def test_whoever_leaves_finishes_the_call_first():
    house = House()
    agent = agent_of(house)
    runs(house, agent, 5)
    house.is_called()
    runs(house, agent, 10)
    agent.leave()
    runs(house, agent, 30)
    assert house.state == "talking"
    runs(house, agent, 800)
    assert agent.gone
    assert house.paths()[-3:] == ["/poste/cloture", "/poste/absent", "/deconnexion"]
    assert agent.work.served == 1
