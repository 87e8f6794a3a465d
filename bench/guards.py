"""What the guards against abuse cost the honest: the processor's time of a call and of a visit.

The application is made twice in one process: as it is shipped, and with every budget, share and
pace off and nothing in front. A call or a visit goes to each of the two, and they are played beside
each other: an answer of the one, then the same of the other. Counted is the time of the thread that
answers, so that neither what else the machine does nor what the application does beside its answers
is in it. What PostgreSQL does for a guard is in the round trips that tests/online/test_reach.py
counts, not here.

A thread's time for the same work goes up and down by a seventh within seconds, with what else runs
on the core and its caches: several times what guards cost. The two of a pair are a few milliseconds
apart, so it is the same for both; that is why the ratio is the median of the pairs' own ratios.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import re
import statistics
import time

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TextIO

from werkzeug.test import Client, EnvironBuilder

import config
import wiring
import wiring_parts

from bench import profile, servers, stock, traffic
from bench.servers import CannotMeasure, House
from bench.timing import Say
from exchange.transport import WsgiTransport
from services import logs

# Pairs of a call, or of a visit, to both; and how many come first and are not counted.
CALLS, VISITS, WARM = 100, 180, 20
# The settings that are guards, as they are shipped. A visitor of a bench is not as slow as people:
# the pace is looked at, and they keep to a thousandth of a second.
SHIPPED: Final = (
    "unproved_per_address",
    "unproved_per_birth_date",
    "unproved_per_number",
    "bookings_without_number",
    "holds_per_address",
    "holds_per_browser",
    "holds_per_number",
    "offers_stay_seconds",
    "cluster_size",
)
OFF: Final = dict.fromkeys(SHIPPED, 0) | {"web_room": "never"}
PACE: Final = {"seconds_per_answer": 0.001, "seconds_to_book": 0.001}
_HIDDEN = re.compile(r'name="(n|token)" value="([^"]*)"')
_PLACE = re.compile(r'name="place" value="(\d+)"')
# Birth dates of a measurement are of one of these years, in which nobody else of the bench was
# born: whom a part before booked would count against them.
_YEARS = range(1920, 1939)
# Hops from page to page that one answer may lead to.
_MOST_HOPS = 3
_DONE: Final = object()


@dataclass
class Timed:
    """The application, and how long the thread that asks it has worked on answers, in seconds."""

    wsgi: Any
    spent: float = 0.0
    answers: int = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        began = time.thread_time()
        body = list(self.wsgi(environ, start_response))
        self.spent += time.thread_time() - began
        self.answers += 1
        return body


# A call or a visit to an application, which goes on by one answer, or by one form with the page
# behind it, whenever it is asked to.
Act = Callable[[Timed], Iterator[None]]


@dataclass
class Both:
    """Pairs of acts with the guards and without: seconds, and how many answers each had."""

    on: list[float] = field(default_factory=list)
    off: list[float] = field(default_factory=list)
    answers: set[int] = field(default_factory=set)

    @property
    def ratio(self) -> float:
        """What is left of the rate with the guards: 1 where they cost nothing."""
        return statistics.median(off / on for on, off in zip(self.on, self.off, strict=True))


def measure(house: House, say: Say) -> tuple[dict[str, float], list[str]]:
    """Return flat results, and sentences about what does not count. Raises CannotMeasure."""
    with quiet_logs():
        apps = {name: _application(house, on=name == "on") for name in ("on", "off")}
        postcodes = stock.choose_postcodes(house.database_url)
        calls, visits = _calls(apps, postcodes), _visits(apps, postcodes)
    void = [
        f"guards: {what} had {sorted(both.answers)} answers with and without"
        for what, both in (("calls", calls), ("visits", visits))
        if len(both.answers) != 1
    ]
    say(
        f"{house.kind}: without guards ÷ with: a call {calls.ratio:.3f}, a visit {visits.ratio:.3f}"
    )
    found = {
        "guards_call_ratio": round(calls.ratio, 3),
        "guards_visit_ratio": round(visits.ratio, 3),
        "guards_call_answers": float(max(calls.answers)),
    }
    return {f"{name}_{house.kind}": value for name, value in found.items()}, void


@contextlib.contextmanager
def quiet_logs() -> Iterator[TextIO]:
    """Lines are written as always, and nobody reads them."""
    with io.StringIO() as nowhere, contextlib.redirect_stdout(nowhere):
        logs.configure("INFO")
        yield nowhere
    logs.configure("INFO")


def _application(house: House, *, on: bool) -> Timed:
    given = servers.settings(house.database_url, house.redis_url)
    shipped = {name: config.Settings.model_fields[name].default for name in SHIPPED} | PACE
    app = wiring.make_app(
        wiring_parts.make_parts(given.model_copy(update=shipped if on else dict(OFF)))
    )
    gate = app.extensions["allo_gate"]
    if on:
        gate.begin(threads=False)
    return Timed(gate if on else gate.app)


def _beside(apps: dict[str, Timed], acts: Iterator[Sequence[Act]]) -> Both:
    """Each pair of acts to both, step by step; which of them is first changes with each step."""
    both = Both()
    for number, pair in enumerate(acts):
        before = {name: (app.spent, app.answers) for name, app in apps.items()}
        order = ("on", "off") if number % 2 else ("off", "on")
        going = {name: act(apps[name]) for name, act in zip(order, pair, strict=True)}
        while going:
            for name in tuple(going):
                if next(going[name], _DONE) is _DONE:
                    del going[name]
            going = dict(reversed(going.items()))
        if number >= WARM:
            for name, seconds in (("on", both.on), ("off", both.off)):
                spent, answers = before[name]
                seconds.append(apps[name].spent - spent)
                both.answers.add(apps[name].answers - answers)
    return both


def _neighbours(callers: Iterator[traffic.TrafficCaller]) -> Iterator[traffic.TrafficCaller]:
    """The same callers; the second of each two lives where the first does.

    Near one postcode there are more centres to look through than near another.
    """
    for first, second in zip(callers, callers, strict=False):
        yield first
        yield replace(second, postcode=first.postcode)


def _pairs(acts: Iterator[Any], count: int) -> Iterator[tuple[Any, Any]]:
    return itertools.islice(zip(acts, acts, strict=False), count + WARM)


def _calls(apps: dict[str, Timed], postcodes: Sequence[str]) -> Both:
    patterns = [traffic.rehearse(WsgiTransport(app), postcodes[0]) for app in apps.values()]
    if len({len(one) for one in patterns}) != 1:
        raise CannotMeasure("with guards a call has another number of webhooks than without")
    signer = traffic.Signer(patterns[0])

    def act(caller: traffic.TrafficCaller) -> Act:
        webhooks = [profile.environ(raw) for raw in signer.call(caller)]

        def call(app: Timed) -> Iterator[None]:
            for made in webhooks:
                _answered(app, made)
                yield

        return call

    callers = _neighbours(traffic.callers(postcodes, seed=time.time_ns() % 2**32))
    return _beside(apps, _pairs(map(act, callers), CALLS))


def _answered(app: Timed, made: dict[str, Any]) -> None:
    status: list[str] = []

    def start_response(line: str, *_more: Any) -> Callable[[bytes], object]:
        status.append(line)
        return bytes

    app(made, start_response)
    if not status[0].startswith("200"):
        raise CannotMeasure(f"{made['PATH_INFO']} was answered {status[0]}")


def _visits(apps: dict[str, Timed], postcodes: Sequence[str]) -> Both:
    seed = time.time_ns() % 2**32
    callers = _neighbours(traffic.callers(postcodes, seed))

    def act(numbered: tuple[int, traffic.TrafficCaller]) -> Act:
        number, caller = numbered
        return lambda app: _Visit(app, number, caller, seed).books()

    return _beside(apps, _pairs(map(act, enumerate(callers)), VISITS))


class _Visit:
    """A browser that books for its owner, from an address and with a birth date of their own.

    Of another `seed` both are others: a part that is repeated does not meet what it left.
    """

    def __init__(self, app: Timed, number: int, caller: traffic.TrafficCaller, seed: int) -> None:
        self.client, self.caller = Client(app), caller
        self.address = f"2001:db8:{(seed + number // 250) % 2**16:x}:{number % 250:x}00::1"
        day, month, year = number % 28 + 1, number // 28 % 12 + 1, _YEARS[seed % len(_YEARS)]
        self.born = {"day": str(day), "month": str(month), "year": str(year)}
        self.path = self.page = ""

    def books(self) -> Iterator[None]:
        """Form by form, each with the page that follows."""
        self._sends("/rendez-vous", whom="self")
        yield
        answers: dict[str, dict[str, str]] = {
            "naissance": self.born,
            "commune": {"where": self.caller.postcode},
            "creneaux": {},
            "joindre": {"number": self.caller.number, "wish": "number"},
            "confirmer": {},
        }
        for slug, form in answers.items():
            if not self.path.endswith(slug):
                raise CannotMeasure(f"a visit came to {self.path} and not to {slug}")
            place = {"place": _PLACE.findall(self.page)[0]} if slug == "creneaux" else {}
            hidden = dict(_HIDDEN.findall(self.page))
            self._sends(f"/rendez-vous/{slug}", **hidden, **form, **place)
            yield
        if not self.path.endswith("/fait"):
            raise CannotMeasure(f"a visit ended at {self.path}")

    def _sends(self, path: str, **form: str) -> None:
        answer = self._open("POST", path, form)
        for _ in range(_MOST_HOPS):
            if answer.status_code != 303:  # noqa: PLR2004
                break
            self.path = answer.headers["Location"]
            answer = self._open("GET", self.path, None)
        self.page = answer.get_data(as_text=True)

    def _open(self, method: str, path: str, form: dict[str, str] | None) -> Any:
        builder = EnvironBuilder(
            path,
            method=method,
            data=form,
            base_url=traffic.BASE,
            headers=[("Origin", traffic.BASE)],
            environ_overrides={"REMOTE_ADDR": self.address},
        )
        return self.client.open(builder)
