"""What stands in front of the application: it sorts requests, and says which of them give way.

A layer of WSGI, so that what it answers itself costs a few microseconds, no Flask and no store.
Telephone webhooks pass through it untouched, always; new calls that get the short answer get it in
`ivr`, behind the check of their signature. In front of the web it

- answers pages that are the same for all visitors from memory (`web.admission.kept_pages`),
- lets as many requests through at a time as leaves threads to the telephone
  (`services.admission.load_shedder`), those of web sessions that have begun first, and says so to
  the others (`web.admission.room_pages`),
- lets visitors begin a web session as fast as the web can serve them (`web.admission.room`).

What it measures and hears of beside requests is `web.admission.ledger`'s. Nothing of this happens
before `begin`: a server's worker calls it, a command or a test does not.
"""

from __future__ import annotations

import math
import threading
import time

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from services.admission.load_shedder import LoadShedder
from services.parts import Parts
from services.public.store_answers import StoreAnswers
from services.telemetry import GIVEN_WAY
from web.admission.kept_pages import PagesForAll
from web.admission.ledger import Ledger
from web.admission.room import WAITING, RoomEntry, RoomOfWorker
from web.admission.room_pages import START, RoomPages, briefly
from web.environ import Environ, Headers, Wsgi
from web.online.cookies import WebSessionCookie
from web.tickets import STANDS_FOR, VISIT, WAITED

# Older than this (seconds) by the proxy in front, and the client has gone away.
TOO_OLD: Final = 10.0
# Of screens' polls, when they give way, and after how many seconds the others ask again.
ONE_IN: Final = 4
SCREEN_SECONDS: Final = 2
_POLLS: Final = frozenset(
    {"/poste/etat", "/supervision/etat", "/supervision/mur/etat", "/centre/etat"}
)
# By the first part of the path.
_STEPS: Final = ("voice", "sms")
# What the provider plays to callers, and what monitoring asks.
_ALWAYS: Final = ("audio", "healthz", "readyz")
_STAFF: Final = ("poste", "supervision", "centre", "connexion", "deconnexion", "compte")
_VISITS: Final = ("rendez-vous", "mon-rendez-vous", "r", "s")
# Pages among those of visits that are the same for all.
_FOR_ALL: Final = frozenset(
    {"/mon-rendez-vous", "/mon-rendez-vous/envoye", "/rendez-vous/liste-quittee"}
)
# Where a worker keeps what it found at the door.
_ENTRY: Final = "allo.entry"
_RANGE: Final = "HTTP_RANGE"
# The methods that only read.
_READS: Final = frozenset({"GET", "HEAD"})
# Headers by which another cache or browser could keep an answer.
_OF_KEEPING: Final = frozenset({"cache-control", "etag", "last-modified", "expires"})


class Gate:
    """One for each web worker."""

    def __init__(
        self, app: Wsgi, parts: Parts, load_shedder: LoadShedder, answers: StoreAnswers
    ) -> None:
        settings = parts.settings
        self.app, self.load_shedder = app, load_shedder
        self.hops, self._mode = settings.proxy_hops, settings.web_room
        self.number = settings.national_number
        # In production every request is for `public_base_url`, and what a client writes into Host
        # leads no answer elsewhere. A developer may write localhost, or come by a tunnel.
        is_production = settings.environment == "production"
        self._host = urlsplit(settings.public_base_url).netloc if is_production else ""
        self._ticks = load_shedder.ticks
        self.crowd = RoomPages(
            app,
            settings.public_base_url,
            number=self.number,
            development=not is_production,
            store_hangs=answers.hangs,
        )
        self.room = RoomOfWorker(parts, self.crowd)
        self.pages = PagesForAll(self._web, load_shedder, self.crowd, answers.hangs)
        self.ledger = Ledger(parts.store, load_shedder, self.room, answers.look)
        self.visits = WebSessionCookie(
            settings.secret_key, https=settings.public_base_url.startswith("https://")
        )
        # Web sessions that have a request under way.
        self.inside: set[str] = set()
        self._polls = 0
        self._ways: dict[str, Callable[[str, Environ, Any], Iterable[bytes]]] = {
            **dict.fromkeys(_STEPS, self._step),
            **dict.fromkeys(_ALWAYS, self._pass),
            **dict.fromkeys(_STAFF, self._staff),
            **dict.fromkeys(_VISITS, self._visit),
            "api": self._machine,
            "metrics": self._measures,
            "salle": self._wait,
        }
        self._is_open = False
        self._measuring = threading.Lock()

    def begin(self) -> None:
        """Start to filter requests. A server may fork between this and `start`."""
        self._is_open = True
        self.room.look_at_campaign()

    def start(self) -> None:
        """Measure and write from now on, in the process that answers.

        What a worker writes is its sign of life. A worker that no client asks gives it as well,
        else a service that was just started, or a spare machine, would be taken for dead.
        """
        if self._is_open:
            self.ledger.start()

    # ------------------------------------------------------------ which is which

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        if self._host:
            environ["HTTP_HOST"] = self._host
        if not self._is_open:
            return self.app(environ, start_response)
        path = _path(environ)
        return self._ways.get(_first_part(path), self._page)(path, environ, start_response)

    def at_once(self, environ: Environ, start_response: Any) -> Iterable[bytes] | None:
        """An answer that needs no thread and no store; None where the request needs one.

        So are answered: the waiting room's page and what its script asks for, visitors who are
        shown into that room or turned away at its door, and pages that are the same for all and
        fresh in memory.
        """
        if not self._is_open:
            return None
        path: str = environ["PATH_INFO"]
        answer = self._stopped(environ, start_response) if path == START else None
        if answer is not None or environ["REQUEST_METHOD"] != "GET":
            return answer
        if path in WAITING:
            return self.room.answer(path, environ, start_response)
        if _RANGE in environ:
            return None
        if path == START:
            start_response = _started(environ[_ENTRY], start_response)
        elif _first_part(path) in self._ways:
            return None
        return self.pages.fresh(path, environ, start_response)

    # ------------------------------------------------------------ the telephone, and monitoring

    def _step(self, path: str, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """A webhook of the telephone: it is answered under any load."""
        seen: list[str] = []

        def started(status: str, headers: Any, *error: Any) -> Any:
            seen.append(status)
            return start_response(status, headers, *error)

        with self.load_shedder.turn:
            began = self._ticks()
            try:
                return self.app(environ, started)
            finally:
                seconds = self._ticks() - began
                if seen and seen[-1].startswith("403"):
                    # Not signed by the provider: it says nothing about the telephone.
                    self.load_shedder.refused(seconds)
                else:
                    # Without the wait for a turn: with more callers than threads there always is
                    # one. It is judged by how many requests are under way.
                    waited = self._waited(environ) if self.hops else 0.0
                    self.load_shedder.step_done(seconds, waited)

    def _pass(self, path: str, environ: Environ, start_response: Any) -> Iterable[bytes]:
        return self.app(environ, start_response)

    def _measures(self, path: str, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """/metrics: monitoring must work under the heaviest load, too; one at a time."""
        if not self._measuring.acquire(blocking=False):
            return self._machine(path, environ, start_response)
        try:
            return self.app(environ, start_response)
        finally:
            self._measuring.release()

    def _machine(self, path: str, environ: Environ, start_response: Any) -> Iterable[bytes]:
        return self._other(self.load_shedder.other_begins, environ, start_response)

    def _staff(self, path: str, environ: Environ, start_response: Any) -> Iterable[bytes]:
        if path not in _POLLS:
            clicks = partial(self.load_shedder.other_begins, waits=True)
            return self._other(clicks, environ, start_response)
        if self.load_shedder.slows_screens:
            # Screens ask less often, but go on: each shows the age of its data.
            self._polls += 1
            if self._polls % ONE_IN:
                GIVEN_WAY.labels("screen").inc()
                return briefly(start_response, SCREEN_SECONDS)
        return self._other(self.load_shedder.screen_begins, environ, start_response)

    def _other(
        self, begins: Callable[[], bool], environ: Environ, start_response: Any
    ) -> Iterable[bytes]:
        """What is neither the telephone nor the public web, once it `begins`."""
        if not begins():
            # It is to be asked again.
            GIVEN_WAY.labels("staff").inc()
            return self.crowd.busy(environ, start_response, 1)
        with self.load_shedder.turn:
            began = self._ticks()
            try:
                return self.app(environ, start_response)
            finally:
                self.load_shedder.other_done(self._ticks() - began)

    # ------------------------------------------------------------ the web

    def _page(self, path: str, environ: Environ, start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in _READS and _RANGE not in environ:
            return self.pages.answer(path, environ, start_response)
        return self._limited(environ, start_response, "page")

    def _wait(self, path: str, environ: Environ, start_response: Any) -> Iterable[bytes]:
        answer = self.room.answer(path, environ, start_response)
        return self._limited(environ, start_response, "page") if answer is None else answer

    def _visit(self, path: str, environ: Environ, start_response: Any) -> Iterable[bytes]:
        if path == START:
            answer = None if _ENTRY in environ else self._stopped(environ, start_response)
            return self._first(environ, start_response) if answer is None else answer
        if path in _FOR_ALL and environ["REQUEST_METHOD"] in _READS:
            return self._page(path, environ, start_response)
        visit_id = self.visits.read_in_front(environ)
        if visit_id:
            environ[WAITED] = self.room.is_there
        return self._limited(environ, start_response, "visit", visit_id)

    def _stopped(self, environ: Environ, start_response: Any) -> Iterable[bytes] | None:
        """The answer to a visitor at the first question who does not begin now; None for others.

        What was found of those is kept for the thread that answers them: a second look would give
        a visitor a second ticket, and count them twice among those who begin.
        """
        entry = self.room.at_the_door(environ)
        waits = entry.ticket is not None and not entry.has_turn
        begins = environ["REQUEST_METHOD"] == "POST" and entry.ticket is None
        if begins and self._mode != "never" and not self.load_shedder.visit_begins():
            if entry.room is None:
                return self._turn_away(environ, start_response, "start")
            waits = True
        if waits and entry.room is not None:
            return self.room.shows_in(environ, start_response, entry.room, entry)
        environ[_ENTRY] = entry
        return None

    def _first(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """The first question, where `_stopped` let the visitor pass."""
        entry: RoomEntry = environ.pop(_ENTRY)
        start_response = _started(entry, start_response)
        if environ["REQUEST_METHOD"] != "POST":
            return self.pages.answer(START, environ, start_response)
        # As many visitors have a turn as can be served, and they have waited long enough.
        visit_id = environ[VISIT] if entry.has_turn else ""
        return self._limited(environ, start_response, "start", visit_id)

    def _limited(
        self, environ: Environ, start_response: Any, kind: str, visit_id: str = ""
    ) -> Iterable[bytes]:
        """A request of the web; `visit_id`: of a running web session, or of one with its turn.

        Of a web session one request at a time goes before others, so a copy gains nothing.
        """
        is_late = bool(self.hops) and self._waited(environ) > TOO_OLD
        goes_on = bool(visit_id) and visit_id not in self.inside
        if goes_on:
            self.inside.add(visit_id)
        try:
            if is_late or not self.load_shedder.web_begins(goes_on=goes_on):
                return self._turn_away(environ, start_response, "lost" if goes_on else kind)
            return self._web(environ, start_response)
        finally:
            if goes_on:
                self.inside.discard(visit_id)

    def _web(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """The application's answer to what `LoadShedder.web_begins` let in."""
        shedder = self.load_shedder
        with shedder.turn:
            began, cpu = self._ticks(), time.thread_time()
            try:
                return self.app(environ, start_response)
            finally:
                seconds, cpu = self._ticks() - began, time.thread_time() - cpu
                shedder.web_done(seconds, cpu, requests=environ.get(STANDS_FOR, 1))

    def _turn_away(self, environ: Environ, start_response: Any, kind: str) -> Iterable[bytes]:
        """`kind`: "start" of who may not begin, "lost" of a running web session, or another."""
        self.load_shedder.turned_away[kind] += 1
        return self.crowd.turn_away(environ, start_response, "visit" if kind == "lost" else kind)

    def _waited(self, environ: Environ) -> float:
        """How long ago (seconds) the proxy in front got this request, where a proxy tells."""
        try:
            seconds = float(environ["HTTP_X_REQUEST_START"].removeprefix("t="))
        except (KeyError, ValueError):
            return 0.0
        if not math.isfinite(seconds):
            return 0.0
        # Some proxies write seconds, some milliseconds, some microseconds.
        while seconds > 1e11:  # noqa: PLR2004
            seconds /= 1000
        return min(max(self.room.now() - seconds, 0.0), 60.0)


def _path(environ: Environ) -> str:
    """The path as the application reads it: several slashes are one."""
    path: str = environ["PATH_INFO"]
    if path[:1] != "/" or path[1:2] == "/":
        path = environ["PATH_INFO"] = f"/{path.lstrip('/')}"
    return path


def _first_part(path: str) -> str:
    return path.removeprefix("/").partition("/")[0]


def _started(entry: RoomEntry, start_response: Any) -> Any:
    """How the first question is answered to a visitor who may begin.

    Where they have waited, or no visitor stands before them, no cache may keep the page: it would
    show it to those who are to wait.
    """
    if not entry.has_turn:
        return start_response

    def start(status: str, headers: Headers, *error: Any) -> Any:
        own = [header for header in headers if header[0].lower() not in _OF_KEEPING]
        own.append(("Cache-Control", "no-store"))
        if entry.cookie:
            own.append(("Set-Cookie", entry.cookie))
        return start_response(status, own, *error)

    return start
