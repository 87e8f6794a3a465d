"""Agents at their desks: they sign in at the service, take calls, talk, wrap up, pause and leave.

An agent is a browser and a telephone. The browser does over HTTP what the desk's page does: it
signs in, keeps its cookies and its CSRF token, and asks every second where it is. The telephone is
a device that the switchboard rings. How long things take comes from a seed and is divided by the
speed of the run; time itself is given.
"""

import html
import json
import re

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests

from exchange.transport import local_session

# Where the service has its pages, and what its desk is told.
SIGN_IN, SIGN_OUT, DESK, STATE = "/connexion", "/deconnexion", "/poste", "/poste/etat"
CODE = "/connexion/code"
READY, PAUSE, WRAP_UP, HANG_UP, OFF = (
    "/poste/pret",
    "/poste/pause",
    "/poste/cloture",
    "/poste/raccrocher",
    "/poste/absent",
)

# Seconds of life. A conversation with an elderly caller takes three to eight minutes.
TALK_S = (180.0, 480.0)
WRAP_UP_S = (20.0, 45.0)
PAUSE_S = (120.0, 600.0)
REACTION_S = (1.0, 4.0)
# Seconds of the clock on the wall, whatever the speed: a page asks this often, and is away so long.
LOOK_S = 1.0
AWAY_S = (3.0, 12.0)
TROUBLE_S = 2.0
# The service counts a page as closed after twenty seconds; no agent reacts in no time at all.
LEAST_REACTION_S = 0.2

CODES = ("booked", "booked", "booked", "moved", "cancelled", "waiting_list", "information")
PAUSES = ("break", "lunch", "training", "meeting", "technical")

TOKEN = re.compile(
    r"<meta\b[^>]*\bname=\"csrf-token\"[^>]*\bcontent=\"(?P<meta>[^\"]+)\""
    r"|<input\b[^>]*\bname=\"csrf_token\"[^>]*\bvalue=\"(?P<field>[^\"]+)\""
)
# The code of an account for demonstration, which the page that asks for it shows.
SHOWN_CODE = re.compile(r"\bid=\"demonstration-code\">(?P<code>[0-9]{6})<")
IDENTITY = re.compile(r"\"identity\"\s*:\s*\"(?P<name>[^\"]+)\"")


class Unreachable(Exception):
    """The service did not answer."""


class SignedOut(Exception):
    """The service wants to know again who this is."""


class Refused(Exception):
    """The service did not let this agent in, or said no to what was asked."""


@dataclass(frozen=True)
class Answer:
    """What a page came back as; `path` is where it was found after redirects."""

    status: int
    path: str
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


# A browser without a face, which follows redirects and keeps cookies: it fetches a path with these
# headers, or sends a form there. Raises Unreachable.
Web = Callable[[str, Mapping[str, str], Mapping[str, str] | None], Answer]


def http_web(base: str, timeout_s: float = 5.0) -> Web:
    """Return a browser over HTTP, at a service on `base` (no final slash)."""
    session = local_session()

    def send(path: str, headers: Mapping[str, str], form: Mapping[str, str] | None) -> Answer:
        try:
            response = session.request(
                "GET" if form is None else "POST",
                base + path,
                data=form,
                # What a browser sends with a form of its own pages.
                headers={"Origin": base, "Referer": base + path, **headers},
                timeout=timeout_s,
            )
        except requests.RequestException as error:
            raise Unreachable(type(error).__name__) from error
        return Answer(
            response.status_code,
            urlsplit(response.url).path,
            response.text,
            {name.lower(): value for name, value in response.headers.items()},
        )

    return send


class Device(Protocol):
    """An agent's telephone, by the name under which the service rings it."""

    def register(self, name: str) -> None:
        """Be there for calls to `client:name`."""
        ...

    def rings(self) -> bool:
        """Whether a call rings that no agent took yet; asking is a sign of life."""
        ...

    def accept(self) -> None:
        """Take the call that rings."""
        ...

    def unregister(self) -> None:
        """Be gone: a call that was going on is lost."""
        ...


class DeskPage:
    """The desk's page without a face. `name` is what its telephone is called."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._token = self._tag = ""
        self._state: dict[str, Any] = {}
        self.name = ""

    def sign_in(self, login: str, password: str) -> None:
        """Sign in as an agent and open the desk; raises Refused, Unreachable."""
        token = _token(self._web(SIGN_IN, {}, None).text)
        form = {"login": login, "password": password, "csrf_token": token}
        answer = self._web(SIGN_IN, {}, form)
        shown = SHOWN_CODE.search(answer.text)
        if answer.path == CODE and shown:
            form = {"code": shown["code"], "csrf_token": _token(answer.text)}
            answer = self._web(CODE, {}, form)
        if answer.status != HTTPStatus.OK or answer.path.startswith(SIGN_IN):
            raise Refused(f"{login} was not let in: {answer.status} at {answer.path}")
        self.open()

    def open(self) -> None:
        page = _let_in(self._web(DESK, {}, None))
        self._token, self._tag = _token(page.text), ""
        self.name = _identity(page.text) or self.name

    def state(self) -> Mapping[str, Any]:
        """Return where the agent is, as the page asks for it each second."""
        headers = {"Accept": "application/json"}
        if self._tag:
            headers["If-None-Match"] = self._tag
        answer = _let_in(self._web(STATE, headers, None))
        if answer.status == HTTPStatus.OK:
            self._tag = answer.headers.get("etag", "")
            self._state = json.loads(answer.text)
        return self._state

    def do(self, path: str, **form: str) -> bool:
        """Press a button of the page; False when it is too late for that. Raises Refused."""
        headers = {"X-CSRFToken": self._token, "Accept": "application/json"}
        # The entry it is about, as far as this page knows.
        form = {"entry": (self._state.get("entry") or {}).get("id", ""), **form}
        answer = _let_in(self._web(path, headers, form))
        self._tag = ""
        if answer.status == HTTPStatus.CONFLICT:
            return False
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise Refused(f"{path}: {answer.status}")
        return True

    def sign_out(self) -> None:
        self._web(SIGN_OUT, {"X-CSRFToken": self._token}, {"csrf_token": self._token})


def _let_in(answer: Answer) -> Answer:
    # 400: the form's token is not this session's any more.
    wanted = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    if answer.status in wanted or answer.path.startswith(SIGN_IN):
        raise SignedOut(answer.path)
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unreachable(str(answer.status))
    return answer


def _token(page: str) -> str:
    found = TOKEN.search(page)
    return html.unescape(found["meta"] or found["field"]) if found else ""


def _identity(page: str) -> str:
    found = IDENTITY.search(html.unescape(page))
    return found["name"] if found else ""


@dataclass(frozen=True)
class Manners:
    """How agents work. `speed`: how many times faster than life; chances are 0 to 1 a call."""

    speed: float = 1.0
    pauses: float = 0.1
    loses_page: float = 0.05
    loses_voice: float = 0.02
    # A call that rings and is not taken, by an agent who is not at the desk.
    misses: float = 0.03


@dataclass
class Work:
    """What an agent did."""

    served: int = 0
    missed: int = 0
    pauses: int = 0
    lost: int = 0
    # What went wrong, the last of it.
    trouble: str = ""


class Agent:
    """One agent. `act` does what is due and says when to ask again; it never waits itself."""

    def __init__(
        self,
        login: str,
        password: str,
        web: Web,
        device: Device,
        *,
        chance: Random,
        manners: Manners,
        now: Callable[[], float],
    ) -> None:
        self.login, self.work = login, Work()
        self._password, self._device = password, device
        self._desk = DeskPage(web)
        self._chance, self._manners, self._now = chance, manners, now
        self._is_in = self._goes = False
        self.gone = False
        self.state = "offline"
        # What is due at which second of `now`, and for which state it was drawn.
        self._due: float | None = None
        self._drawn_for = ""
        self._misses = self._rings = False

    def leave(self) -> None:
        """Go home after the call that goes on, if one does."""
        self._goes = True

    def drop(self) -> None:
        """Be gone at once, whatever goes on."""
        if not self.gone:
            self._device.unregister()
            self.gone, self.state = True, "offline"

    def act(self) -> float:
        """Do what is due; return in how many seconds to be asked again."""
        if self.gone:
            return 0.0
        try:
            return self._act()
        except SignedOut:
            self._is_in = False
            return self._troubled("signed out")
        except (Unreachable, Refused, ValueError) as error:
            return self._troubled(str(error))

    def _troubled(self, what: str) -> float:
        self.work.trouble = what
        if self._goes and not self._is_in:
            self.gone = True
        return TROUBLE_S

    def _act(self) -> float:
        if not self._is_in:
            self._comes()
        if self.state == "away":
            return self._comes_back()
        # A device that is asked for nothing counts as gone, and its call with it.
        self._rings = self._device.rings()
        self.state = str(self._desk.state().get("state", "offline"))
        act = {
            "offline": self._begins,
            "paused": self._pauses,
            "ready": self._waits,
            "reserved": self._is_rung,
            "talking": self._talks,
            "wrapup": self._wraps_up,
        }.get(self.state)
        return act() if act else LOOK_S

    # States

    def _comes(self) -> None:
        self._desk.sign_in(self.login, self._password)
        if not self._desk.name:
            raise Refused("the desk's page does not say what its telephone is called")
        self._device.register(self._desk.name)
        self._is_in = True

    def _begins(self) -> float:
        if self._goes:
            return self._goes_home()
        self._desk.do(READY, voice="browser")
        return LOOK_S

    def _waits(self) -> float:
        if self._goes:
            return self._goes_home()
        if self._once("ready") and self._happens(self._manners.loses_page):
            return self._loses_page()
        return LOOK_S

    def _pauses(self) -> float:
        if self._goes:
            return self._goes_home()
        if self._over("paused", PAUSE_S):
            self._desk.do(READY, voice="browser")
        return LOOK_S

    def _is_rung(self) -> float:
        if not self._rings:
            self._drawn_for = ""
            return LOOK_S / 4
        if self._once("rings"):
            self._misses = self._happens(self._manners.misses)
            self.work.missed += self._misses
            self._due = self._now() + self._within(REACTION_S, LEAST_REACTION_S)
        if self._misses:
            return LOOK_S
        left = (self._due or 0.0) - self._now()
        if left > 0:
            return min(left, LOOK_S)
        self._device.accept()
        return LOOK_S / 4

    def _talks(self) -> float:
        begins = self._once("talking")
        if begins and self._happens(self._manners.loses_voice):
            return self._loses_page()
        if begins:
            self._due = self._now() + self._within(TALK_S)
        elif self._due is not None and self._now() >= self._due:
            self._desk.do(HANG_UP)
            # Asked again only if it did not help.
            self._due = self._now() + TROUBLE_S
        return LOOK_S

    def _wraps_up(self) -> float:
        if self._once("wrapup"):
            self.work.served += 1
            self._due = self._now() + self._within(WRAP_UP_S)
        elif self._due is not None and self._now() >= self._due:
            self._due = None
            if self._happens(self._manners.pauses) and not self._goes:
                self.work.pauses += 1
                # A wish for after this call.
                self._desk.do(PAUSE, reason=self._chance.choice(PAUSES))
            self._desk.do(WRAP_UP, code=self._chance.choice(CODES))
        return LOOK_S

    def _loses_page(self) -> float:
        """The browser dies: no page asks any more, and a voice in it is gone, too."""
        self.work.lost += 1
        self._device.unregister()
        self.state, self._drawn_for = "away", ""
        self._due = self._now() + self._chance.uniform(*AWAY_S)
        return LOOK_S

    def _comes_back(self) -> float:
        if self._due is not None and self._now() < self._due:
            return LOOK_S
        self._desk.open()
        self._device.register(self._desk.name)
        self.state, self._due = "offline", None
        return 0.0

    def _goes_home(self) -> float:
        if not self._desk.do(OFF):
            # A call came in the same moment.
            return LOOK_S
        self._device.unregister()
        self._desk.sign_out()
        self.gone, self.state = True, "offline"
        return 0.0

    # Chance

    def _once(self, state: str) -> bool:
        """Whether this state was not there at the last look."""
        begins = self._drawn_for != state
        if begins:
            self._drawn_for, self._due = state, None
        return begins

    def _over(self, state: str, seconds: tuple[float, float]) -> bool:
        if self._once(state):
            self._due = self._now() + self._within(seconds)
        return self._due is not None and self._now() >= self._due

    def _within(self, seconds: tuple[float, float], least: float = 0.0) -> float:
        return max(least, self._chance.uniform(*seconds) / self._manners.speed)

    def _happens(self, chance: float) -> bool:
        return self._chance.random() < chance
