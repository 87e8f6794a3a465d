"""The waiting room as each worker has it: tickets, and the page that shows a visitor's place.

No answer of it asks the store. How far the room is comes from a snapshot that
`web.admission.ledger` reads once a second.
"""

from __future__ import annotations

import json
import time

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final, NamedTuple

from models.supervision.snapshots import Snapshot
from prompts.catalogue import COUNTRY_LANGUAGE
from services.admission.admission_controller import LEAST
from services.admission.visitors import Presence, Ranks, Ticket, Tickets, place_of
from services.admission.waiting_room import BEFORE, Room, look_again
from web.admission.crowd import CrowdAnswers
from web.admission.parts import (
    RETRY_SECONDS,
    Environ,
    GateParts,
    LedgerTally,
    briefly,
    language_of,
)
from web.admission.room_pages import about, words_of
from web.admission.waiting_room import POLL, START
from web.online.asked_centre import asked_in
from web.online.cookies import cookie_in
from web.tickets import ROOM, TICKET, VISIT

# How long a browser keeps a ticket.
TICKET_SECONDS: Final = 4 * 3600
# A rank that no visitor has moved on to for so long after an opening (seconds) stops no visitor.
ALONE_FOR: Final = 1800.0
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
    """A visitor at the entrance: `cookie` keeps a new ticket, `has_turn`: by their ticket.

    `is_counting`: they have none, and the room lets in by none yet. `ticket` is of who waits.
    """

    may_pass: bool
    cookie: str = ""
    has_turn: bool = False
    is_counting: bool = False
    ticket: Ticket | None = None


_PASSES: Final = RoomEntry(may_pass=True)
_COUNTING: Final = RoomEntry(may_pass=True, is_counting=True)


class RoomOfWorker:
    """One for each web worker, used by all of its threads."""

    def __init__(self, parts: GateParts, crowd: CrowdAnswers, tally: LedgerTally) -> None:
        self._parts, self._crowd, self._tally = parts, crowd, tally
        self._hops, self._mode = parts.hops, parts.mode
        self.now = parts.wall_clock()
        prefix, secure = ("__Host-", "; Secure") if parts.https else ("", "")
        self._cookie = f"{prefix}allo-ticket"
        self._flags = f"; Max-Age={TICKET_SECONDS}; Path=/; HttpOnly; SameSite=Lax{secure}"
        self.tickets = Tickets(parts.secret_key)
        self.ranks = Ranks(self.tickets)
        # By a monotonic clock, which is never set.
        self.presence = Presence(time.monotonic if self.now is time.time else self.now)
        # The room of the newest snapshot.
        self.told = Room()
        self.tag = ""
        self._told_at = 0.0
        self._opens = 0.0

    # ------------------------------------------------------------ snapshots

    def look_at_campaign(self) -> None:
        opens_at = self._parts.campaigns.current().opens_at
        self._opens = opens_at.timestamp() // 1 if opens_at else 0.0

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
        if opens and room.opening != opens and -BEFORE.total_seconds() <= now - opens < ALONE_FOR:
            goes_on = room.active and room.crowded and now >= opens
            return room if goes_on else Room(at=opens, active=True, opening=int(opens), rate=1.0)
        return room if room.active else None

    @property
    def is_there(self) -> bool:
        """Whether visitors wait, or would, at this moment."""
        return self.room(self.now()) is not None

    def look(self, now: float) -> RoomView:
        """The room as visitors are told of it at `now`."""
        room = self.room(now)
        if room is None:
            return RoomView(Room())
        kind = "before" if now < room.opening else "waiting"
        return RoomView(room, kind, room.frontier_at(now))

    # ------------------------------------------------------------ tickets

    def at_the_door(self, environ: Environ) -> RoomEntry:
        """The visitor who asks for the first question; those who wait pass only at their turn.

        As long as a sudden crowd is counted, visitors may pass without a ticket: it is for
        the worker to say whether they may begin, and else to show them in (`stands_in`).
        """
        now = self.now()
        room = self.room(now)
        if room is None:
            return _PASSES
        ticket, cookie = self._ticket(environ, room), ""
        if ticket is None:
            if room.is_counting(now):
                return _COUNTING
            ticket, cookie = self._new_ticket(environ, room, now)
        if not room.lets_in(ticket, now):
            return RoomEntry(may_pass=False, cookie=cookie, ticket=ticket)
        environ[VISIT] = self.tickets.visit_of(ticket)
        environ[TICKET] = self._cookie
        return RoomEntry(may_pass=True, cookie=cookie, has_turn=True)

    def shows_in(self, environ: Environ, start_response: Any, entry: RoomEntry) -> Iterable[bytes]:
        """The waiting room's page where the first question would be; a form leads to it."""
        self._tally.rooms += 1
        query = environ.get("QUERY_STRING", "")
        if entry.ticket is not None and environ["REQUEST_METHOD"] == "GET":
            view = self.look(self.now())
            if view.kind:
                language = language_of(query)
                return self._page(start_response, view, entry.ticket, entry.cookie, language)
        return _see_other(start_response, _with_asked(ROOM, query), entry.cookie)

    def stands_in(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """The same with a ticket of now, for a visitor who has none."""
        now = self.now()
        room = self.room(now)
        cookie = self._new_ticket(environ, room, now)[1] if room is not None else ""
        return self.shows_in(environ, start_response, RoomEntry(may_pass=False, cookie=cookie))

    def _ticket(self, environ: Environ, room: Room) -> Ticket | None:
        """The ticket that a browser has for this room."""
        found = self.tickets.read(cookie_in(environ.get("HTTP_COOKIE", ""), self._cookie))
        return found if found is not None and found.opening == room.opening else None

    def _new_ticket(self, environ: Environ, room: Room, now: float) -> tuple[Ticket, str]:
        """A new ticket, and the cookie that keeps it."""
        ticket = self.ranks.take(room.opening, place_of(self._address(environ)), now)
        self._tally.counts["ticket", ""] += 1
        return ticket, f"{self._cookie}={self.tickets.write(ticket)}{self._flags}"

    def _address(self, environ: Environ) -> str:
        """As `web.staff_only.address`: the address that our outermost proxy saw."""
        hops = self._hops
        if hops:
            seen = environ.get("HTTP_X_FORWARDED_FOR", "").replace(" ", "").split(",")
            if len(seen) >= hops and seen[-hops]:
                return str(seen[-hops])
        return str(environ.get("REMOTE_ADDR", ""))

    # ------------------------------------------------------------ pages

    def answer(self, path: str, environ: Environ, start_response: Any) -> Iterable[bytes] | None:
        """/salle and what its script asks for; None where that is for the application."""
        now = self.now()
        view, query = self.look(now), environ["QUERY_STRING"]
        language = language_of(query)
        if not view.kind or path not in WAITING:
            return _json(start_response, go=_in(START, language)) if path == POLL else None
        self._tally.rooms += 1
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
    ) -> Iterable[bytes]:
        """The page of a visitor who waits."""
        people, seconds, each = self._place(view, ticket)
        made = self._crowd.page(view.kind, language, view.room.opening)
        if made is None:
            return briefly(start_response, RETRY_SECONDS)
        ahead, wait = _sentences(view.kind, language, people, seconds)
        cookies = [("Set-Cookie", cookie)] if cookie else []
        start_response("200 OK", [*made.headers, *cookies])
        return [made.filled(ahead.encode(), wait.encode(), str(each).encode())]

    def _tell(
        self, start_response: Any, view: RoomView, ticket: Ticket | None, language: str
    ) -> Iterable[bytes]:
        if ticket is None:
            # A browser that keeps no cookie gets no new rank each time that its script asks.
            return _json(start_response, kind="lost")
        if ticket.rank <= view.frontier:
            return _json(start_response, go=_in(START, language))
        people, seconds, each = self._place(view, ticket)
        ahead, wait = _sentences(view.kind, language, people, seconds)
        again = words_of(language).each(each)
        return _json(
            start_response, kind=view.kind, ahead=ahead, wait=wait, each=each, seconds=again
        )

    def _place(self, view: RoomView, ticket: Ticket) -> tuple[int, float, int]:
        """How many stand before a visitor, how long they take, when to look again (seconds)."""
        room = view.room
        if view.kind == "before":
            people, seconds = about(room.waiting - 1), 0.0
            each = look_again(room.opening - self.now())
        else:
            people = about(room.ahead(ticket.rank, view.frontier))
            seconds = people / max(room.rate, LEAST)
            each = look_again(seconds)
        self.presence.seen(ticket, each)
        return people, seconds, each


def _sentences(kind: str, language: str, people: int, seconds: float) -> tuple[str, str]:
    words = words_of(language)
    if kind == "before":
        return words.others(people), ""
    return words.ahead(people), words.wait(seconds)


def _with_asked(path: str, query: str) -> str:
    """A path in the language of an address, with the centre that the address asks for."""
    found = asked_in(query).query(language_of(query)) if query else ""
    return f"{path}?{found}" if found else path


def _in(path: str, language: str) -> str:
    return path if language == COUNTRY_LANGUAGE else f"{path}?lang={language}"


def _see_other(start_response: Any, path: str, cookie: str) -> Iterable[bytes]:
    headers = [("Location", path), ("Cache-Control", "no-store")]
    if cookie:
        headers.append(("Set-Cookie", cookie))
    start_response("303 See Other", headers)
    return [b""]


def _json(start_response: Any, **values: object) -> Iterable[bytes]:
    start_response("200 OK", _JSON)
    return [json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()]
