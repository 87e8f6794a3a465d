"""Simulated agents at a desk of a few lines: what they do, when, and what troubles them."""

import json

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
        self.session = self.code = ""
        self.tokens = 0
        self.posts: list[tuple[float, str, dict[str, str]]] = []
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
        if headers.get("If-None-Match") == self.state:
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
            case "/poste/raccrocher":
                self.talked.append(self.seconds - self.talks_from)
                self.state = "wrapup"
            case "/poste/cloture":
                assert form["code"]
                self.state = "ready"
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


def agent_of(house: House, seed: int = 1, knows: str = "right") -> Agent:
    return Agent(
        "lucie",
        knows,
        house,
        house,
        chance=Random(seed),  # noqa: S311 - behaviour, not a secret
        manners=CALM,
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
