"""The waiting room as each worker has it: tickets, and the page that shows a visitor's place.

No answer of it asks the store. How far the room is comes from a snapshot that
`web.admission.ledger` reads once a second.
"""

from __future__ import annotations

import json
import time

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, NamedTuple

from models.clock import Clock, DatabaseClock
from models.supervision.snapshots import Snapshot
from prompts.catalogue import COUNTRY_LANGUAGE
from services.admission.admission_controller import LEAST
from services.admission.visitors import Presence, Ranks, Ticket, Tickets, place_of
from services.admission.waiting_room import Room, look_again
from services.parts import Parts
from services.telemetry import GATE_ANSWERS, ROOM_TICKETS
from web.admission.room_pages import (
    POLL,
    RETRY_SECONDS,
    START,
    RoomPages,
    about,
    briefly,
    words_of,
)
from web.environ import Environ, address_of, language_of
from web.online.asked_centre import asked_in
from web.online.cookies import cookie_in
from web.tickets import ROOM, TICKET, VISIT

# How long a browser keeps a ticket.
TICKET_SECONDS: Final = 4 * 3600
# A snapshot that has just been written is no older than this (seconds): if it seems to be, or to
# come from the future, this machine's clock is not the store's.
WRITTEN: Final = 3.0
# Addresses of visitors who wait.
WAITING: Final = frozenset({ROOM, POLL})
_JSON: Final = [
    ("Content-Type", "application/json"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
]


class RoomView(NamedTuple):
    """What visitors in the room are told from at a moment. Without a `kind` there is no room."""

    room: Room
    kind: str = ""
    frontier: int = 0


class RoomEntry(NamedTuple):
    """A visitor at the entrance: `cookie` keeps a new ticket, `has_turn`: it lets in now.

    A visitor without a ticket finds no room, or one that counts a sudden crowd and lets in by no
    ticket yet.
    """

    room: Room | None = None
    ticket: Ticket | None = None
    cookie: str = ""
    has_turn: bool = False


def wall_clock(clock: Clock) -> Callable[[], float]:
    """Gives the seconds of the epoch, of this machine; of the store's clock in tests."""
    if isinstance(clock, DatabaseClock):
        return time.time
    return lambda: clock.now().timestamp()


class RoomOfWorker:
    """One for each web worker, used by all of its threads."""

    def __init__(self, parts: Parts, pages: RoomPages) -> None:
        settings = parts.settings
        self._campaigns, self._pages = parts.service.campaigns, pages
        self._hops, self._mode = settings.proxy_hops, settings.web_room
        self.now = wall_clock(parts.store.clock)
        is_https = settings.public_base_url.startswith("https://")
        prefix, secure = ("__Host-", "; Secure") if is_https else ("", "")
        self._cookie = f"{prefix}allo-ticket"
        self._flags = f"; Max-Age={TICKET_SECONDS}; Path=/; HttpOnly; SameSite=Lax{secure}"
        self.tickets = Tickets(settings.secret_key)
        self.ranks = Ranks(self.tickets)
        # By a monotonic clock, which is never set.
        self.presence = Presence(time.monotonic if self.now is time.time else self.now)
        # The room of the newest snapshot.
        self.told = Room()
        self.tag = ""
        self._told_at = 0.0
        # The opening that the campaign announces (seconds of the epoch); 0: none.
        self._opens = 0

    # ------------------------------------------------------------ snapshots

    def look_at_campaign(self) -> None:
        opens_at = self._campaigns.current().opens_at
        self._opens = int(opens_at.timestamp()) if opens_at else 0

    def hear(self, found: Snapshot) -> None:
        """Take the snapshot of the process that lets visitors in."""
        at = found.at.timestamp()
        if at == self._told_at:
            at = self.told.at
        else:
            is_new, self._told_at = self._told_at > 0, at
            now = self.now()
            if is_new and not -WRITTEN < now - at < WRITTEN:
                # Written a second ago, since the last look: the two clocks differ.
                at = now
        if found.body is None:
            self.told = replace(self.told, at=at)
        else:
            self.told, self.tag = replace(Room.read(found.body, found.at), at=at), found.tag

    def room(self, now: float) -> Room | None:
        """The room that visitors wait in at `now` (seconds of the epoch); None where there is none.

        It begins before an opening by itself, and lets visitors in by itself, though slowly, where
        the process that lets them in does not run.
        """
        if self._mode == "never":
            return None
        room, opens = self.told, self._opens
        if opens and room.gives_way_to(opens, now):
            return Room(at=opens, active=True, opening=opens, rate=LEAST)
        return room if room.active else None

    @property
    def is_there(self) -> bool:
        """Whether visitors wait, or would, at this moment."""
        return self.room(self.now()) is not None

    def look(self, now: float) -> RoomView:
        """The room as visitors are told of it at `now`."""
        room = self.room(now)
        return RoomView(Room()) if room is None else _view(room, now)

    # ------------------------------------------------------------ tickets

    def at_the_door(self, environ: Environ) -> RoomEntry:
        """The visitor who asks for the first question; those who wait pass only at their turn.

        As long as a sudden crowd is counted, visitors may pass without a ticket: it is for
        the worker to say whether they may begin, and else to show them in.
        """
        now = self.now()
        room = self.room(now)
        if room is None:
            return RoomEntry()
        ticket, cookie = self._ticket(environ, room), ""
        if ticket is None:
            if room.is_counting(now):
                return RoomEntry(room)
            ticket, cookie = self._new_ticket(environ, room, now)
        has_turn = room.lets_in(ticket, now)
        if has_turn:
            environ[VISIT] = self.tickets.visit_of(ticket)
            environ[TICKET] = self._cookie
        return RoomEntry(room, ticket, cookie, has_turn)

    def shows_in(
        self, environ: Environ, start_response: Any, room: Room, entry: RoomEntry
    ) -> list[bytes]:
        """The waiting room's page where the first question would be; a form leads to it."""
        GATE_ANSWERS.labels("room").inc()
        now, query = self.now(), environ.get("QUERY_STRING", "")
        ticket, cookie = entry.ticket, entry.cookie
        if ticket is None:
            ticket, cookie = self._new_ticket(environ, room, now)
        if environ["REQUEST_METHOD"] == "GET":
            view = _view(room, now)
            return self._page(start_response, view, ticket, cookie, language_of(query))
        return _see_other(start_response, _with_asked(ROOM, query), cookie)

    def _ticket(self, environ: Environ, room: Room) -> Ticket | None:
        """The ticket that a browser has for this room."""
        found = self.tickets.read(cookie_in(environ.get("HTTP_COOKIE", ""), self._cookie))
        return found if found is not None and found.opening == room.opening else None

    def _new_ticket(self, environ: Environ, room: Room, now: float) -> tuple[Ticket, str]:
        """A new ticket, and the cookie that keeps it."""
        place = place_of(address_of(environ, self._hops))
        ticket = self.ranks.take(room.opening, place, now)
        ROOM_TICKETS.inc()
        return ticket, f"{self._cookie}={self.tickets.write(ticket)}{self._flags}"

    # ------------------------------------------------------------ pages

    def answer(self, path: str, environ: Environ, start_response: Any) -> list[bytes] | None:
        """/salle and what its script asks for; None where that is for the application."""
        now = self.now()
        view, query = self.look(now), environ["QUERY_STRING"]
        language = language_of(query)
        if not view.kind or path not in WAITING:
            return _json(start_response, go=_in(START, language)) if path == POLL else None
        GATE_ANSWERS.labels("room").inc()
        ticket, cookie = self._ticket(environ, view.room), ""
        if path == POLL:
            return self._tell(start_response, view, ticket, language)
        if ticket is None:
            ticket, cookie = self._new_ticket(environ, view.room, now)
        if ticket.rank <= view.frontier:
            return _see_other(start_response, _with_asked(START, query), cookie)
        return self._page(start_response, view, ticket, cookie, language)

    def _page(
        self, start_response: Any, view: RoomView, ticket: Ticket, cookie: str, language: str
    ) -> list[bytes]:
        """The page of a visitor who waits."""
        page = self._pages.page(view.kind, language, view.room.opening)
        ahead, wait, each = self._place(view, ticket, language)
        if page is None:
            return briefly(start_response, RETRY_SECONDS)
        cookies = [("Set-Cookie", cookie)] if cookie else []
        start_response("200 OK", [*page.headers, *cookies])
        return [page.filled(ahead=ahead, wait=wait, each=each)]

    def _tell(
        self, start_response: Any, view: RoomView, ticket: Ticket | None, language: str
    ) -> list[bytes]:
        """The same for the script of a page that is shown."""
        if ticket is None:
            # A browser that keeps no cookie gets no new rank each time that its script asks.
            return _json(start_response, kind="lost")
        if ticket.rank <= view.frontier:
            return _json(start_response, go=_in(START, language))
        ahead, wait, each = self._place(view, ticket, language)
        again = words_of(language).each(each)
        return _json(
            start_response, kind=view.kind, ahead=ahead, wait=wait, each=each, seconds=again
        )

    def _place(self, view: RoomView, ticket: Ticket, language: str) -> tuple[str, str, int]:
        """Who stands before a visitor and for how long, in words; when to look again (seconds)."""
        room, words = view.room, words_of(language)
        if view.kind == "before":
            ahead, wait = words.others(about(room.waiting - 1)), ""
            each = look_again(room.opening - self.now())
        else:
            people = about(room.ahead(ticket.rank, view.frontier))
            seconds = people / max(room.rate, LEAST)
            ahead, wait = words.ahead(people), words.wait(seconds)
            each = look_again(seconds)
        self.presence.seen(ticket, each)
        return ahead, wait, each


def _view(room: Room, now: float) -> RoomView:
    kind = "before" if now < room.opening else "waiting"
    return RoomView(room, kind, room.frontier_at(now))


def _with_asked(path: str, query: str) -> str:
    """A path in the language of an address, with the centre that the address asks for."""
    found = asked_in(query).query(language_of(query)) if query else ""
    return f"{path}?{found}" if found else path


def _in(path: str, language: str) -> str:
    return path if language == COUNTRY_LANGUAGE else f"{path}?lang={language}"


def _see_other(start_response: Any, path: str, cookie: str) -> list[bytes]:
    headers = [("Location", path), ("Cache-Control", "no-store")]
    if cookie:
        headers.append(("Set-Cookie", cookie))
    start_response("303 See Other", headers)
    return [b""]


def _json(start_response: Any, **values: object) -> list[bytes]:
    start_response("200 OK", _JSON)
    return [json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()]
