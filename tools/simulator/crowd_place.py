"""Where a crowd lives: in the simulator's server, between its switchboard and the service.

POST /_crowd begins one, GET shows it, DELETE sends everybody home. Like the fault switches, these
want the account's credentials; and the service must be on this machine.
"""

import threading
import time

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from random import Random
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, jsonify

from exchange.clock import OwnPaced
from exchange.devices import Devices
from exchange.interpreter import Call
from exchange.legs import MachineLeg
from exchange.rest.paths import Refused, fields
from exchange.rest.server import Simulator
from exchange.settings import LOOPBACK
from exchange.subscribers import Rung
from tools.simulator.agents import Agent, Manners, http_web
from tools.simulator.crowd_run import CrowdRun
from tools.simulator.guests import MOST_AGENTS, Guest, Plan

# Waiting is not played faster than this: each round asks the service for a document.
QUEUE_SPEED = 4.0
NONE = {"running": False, "over": True, "count": {}, "agents": {}, "troubles": []}


class PacedClock(OwnPaced):
    """Real time that people listen and think through `speed` times faster than they would.

    In a conference it goes as it goes: another party decides how long that takes. An order that
    comes in ends any waiting.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self.call: Call | None = None

    def advance(self, seconds: float) -> None:
        """Wait, at the pace of what goes on."""
        call = self.call
        if call is None or seconds <= 0:
            return
        speed = self._speed
        if call.seat is not None:
            speed = 1.0
        elif call.queue:
            speed = min(speed, QUEUE_SPEED)
        call.mailbox.wait(seconds / speed)


class PlainDevice:
    """A simulated agent's telephone: see `agents.Device`."""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self._name = ""

    def register(self, name: str) -> None:
        self._name = name
        self._devices.register(name)

    def rings(self) -> bool:
        # No number is after the last event: what happened is of no interest, the state is.
        looked = self._devices.events(self._name, 1 << 62)
        if looked is None and self._name:
            self._devices.register(self._name)
        return looked is not None and looked["state"] == "ringing"

    def accept(self) -> None:
        self._devices.accept(self._name)

    def unregister(self) -> None:
        if self._name:
            self._devices.unregister(self._name)
            self._name = ""


class CrowdPlace:
    """The crowd of this simulator: none, one that runs, or the one that ran last."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._lock = threading.Lock()
        self._crowd: CrowdRun | None = None
        self._speed = 1.0

    def begin(self, plan: Plan, agents: Sequence[tuple[str, str]]) -> CrowdRun:
        """Begin a crowd, with agents by login and password.

        Raises Refused while another one runs, or for a service on another machine.
        """
        service = self._simulator.settings.service_base
        if urlsplit(service).hostname not in LOOPBACK:
            raise Refused(
                20003, f"A crowd rings a service on this machine only, not {service}", 403
            )
        with self._lock:
            if self._crowd is not None and not self._crowd.ended.is_set():
                raise Refused(20409, "A crowd is running already", HTTPStatus.CONFLICT)
            self._speed = plan.speed
            staff = [
                self._agent(plan, number, login, password)
                for number, (login, password) in enumerate(agents)
            ]
            self._crowd = CrowdRun(plan, staff, ring=self._ring, put_down=self._put_down)
            self._crowd.run()
            return self._crowd

    def state(self) -> dict[str, Any]:
        return self._crowd.state() if self._crowd is not None else dict(NONE)

    def stop(self) -> None:
        if self._crowd is not None:
            self._crowd.stop()

    # A subscriber: see `subscribers.Subscriber`

    def knows(self, number: str) -> bool:
        return self._crowd is not None and self._crowd.guest(number) is not None

    def rings(self, rung: Rung) -> None:
        crowd = self._crowd
        guest = crowd.guest(rung.record.recipient) if crowd is not None else None
        if crowd is None or guest is None or crowd.is_over or guest.answering == "no-answer":
            rung.refuse("no-answer")
            return
        clock = PacedClock(self._speed)
        call = clock.call = rung.make(clock, None)
        if guest.answering == "machine":
            rung.answer(call, MachineLeg(), lambda _: None)
            return
        guest.answers_the_telephone()
        rung.answer(call, guest, guest.over)

    def stops(self, rung: Rung) -> None:
        """See `Subscriber`: no one here lets a call ring for long."""

    def _agent(self, plan: Plan, number: int, login: str, password: str) -> Agent:
        return Agent(
            login,
            password,
            http_web(self._simulator.settings.service_base),
            PlainDevice(self._simulator.switchboard.devices),
            chance=Random(f"agent {plan.seed} {number}"),  # noqa: S311 - behaviour
            manners=Manners(speed=plan.speed),
            now=time.monotonic,
        )

    def _ring(self, guest: Guest) -> None:
        settings, switchboard = self._simulator.settings, self._simulator.switchboard
        clock = PacedClock(self._speed)
        call = Call(
            **settings.incoming,
            transport=self._simulator.transport,
            sender=guest.number,
            recipient=settings.national_number,
            clock=clock,
            switchboard=switchboard,
        )
        clock.call = call
        switchboard.start(call, guest, guest.over)

    def _put_down(self) -> None:
        crowd = self._crowd
        if crowd is None:
            return
        for call in self._simulator.switchboard.live_calls():
            if crowd.guest(call.sender) or crowd.guest(call.recipient):
                self._simulator.switchboard.drop(call.sid)


def blueprint(place: CrowdPlace, simulator: Simulator) -> Blueprint:
    """/_crowd, for a client that has the account's credentials."""
    crowd = Blueprint("crowd", __name__, url_prefix="/_crowd")
    crowd.before_request(simulator.authenticate)

    @crowd.get("")
    def show() -> Response:
        return jsonify(place.state())

    @crowd.post("")
    def begin() -> tuple[Response, int]:
        place.begin(*read(fields()))
        return jsonify(place.state()), HTTPStatus.CREATED

    @crowd.delete("")
    def stop() -> Response:
        place.stop()
        return jsonify(place.state())

    return crowd


def read(given: Mapping[str, Any]) -> tuple[Plan, list[tuple[str, str]]]:
    """Return the plan and the agents' logins and passwords; raises Refused."""
    agents = given.get("agents", [])
    if not isinstance(agents, list) or len(agents) > MOST_AGENTS:
        raise Refused(20001, f"agents is a list of at most {MOST_AGENTS}")
    try:
        known = [(str(agent["login"]), str(agent["password"])) for agent in agents]
        plan = Plan(
            callers=int(given["callers"]),
            minutes=float(given["minutes"]),
            seed=int(given.get("seed", 1)),
            speed=float(given.get("speed", 20.0)),
            agents=len(known),
        )
    except (KeyError, TypeError) as error:
        raise Refused(20001, f"{error} is missing or of the wrong kind") from error
    except ValueError as error:
        raise Refused(20001, str(error)) from error
    return plan, known
