"""Pages of the waiting room and of a crowd, put together from bytes that were made once.

A template is asked for once for each kind and language, through the application like any page, so
that its headers and its frame are those of all others. Marks stand for what differs from one
visitor to the next; replacing them is all that is left to do when a visitor comes.
"""

from __future__ import annotations

import html
import math

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl, urljoin

import structlog

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.test import create_environ, run_wsgi_app

from prompts.catalogue import COUNTRY_LANGUAGE
from prompts.screens import screen
from services.telemetry import GIVEN_WAY
from web import alone
from web.environ import Environ, Headers, Wsgi, is_for_a_person, is_ours, language_for
from web.marks import public
from web.online.asked_centre import asked_centre
from web.pages import language, speak_by_address, to, words
from web.public.words import Sayings
from web.tickets import ROOM

POLL: Final = "/salle/etat"
START: Final = "/rendez-vous"
# How long (seconds) a visitor who found no thread waits before they ask again.
RETRY_SECONDS: Final = 5
# The same for a visitor in the middle of a web session: they go first.
RETRY_VISIT: Final = 2
# Templates that are kept; a new opening makes a new one.
KEPT: Final = 32
# A form that comes back to be sent again; a real one is a few hundred bytes.
MOST_FORM: Final = 8192
MOST_FIELDS: Final = 40
# Characters that no text contains, in place of what differs from one visitor to the next.
MARKS: Final = {
    name: chr(0xE100 + number)
    for number, name in enumerate(("ahead", "wait", "each", "form", "address"))
}
# Where the route finds a kind of page, and a moment in seconds of the epoch.
_ASKED: Final = "allo.room"
# Of one answer alone, and said by the server that sends it.
_OF_ONE: Final = frozenset({"content-length", "set-cookie", "vary", "etag"})
_TEXT: Final = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]
_MINUTE: Final = 60
_THREE_DIGITS: Final = 1000

log = structlog.get_logger()


# ---------------------------------------------------------------- templates


def blueprint() -> Blueprint:
    """The routes of /salle, which `RoomPages` asks for, a few times in its life.

    Any other client finds no waiting room here, and goes on to the first question.
    """
    room = Blueprint("waiting_room", __name__)

    @room.get(ROOM)
    @public
    def page() -> ResponseReturnValue:
        speak_by_address()
        if _ASKED not in request.environ:
            query = asked_centre(request.args).query(language())
            return redirect(f"{START}?{query}" if query else START, 303)
        kind, opening = request.environ[_ASKED]
        if kind in {"stuck", "stuck_resend"}:
            form = MARKS["form"] if kind == "stuck_resend" else ""
            return render_template("public/unanswered.html", **(MARKS | {"form": form}))
        moment = ""
        if kind == "before":
            moment = Sayings(words()).moment(datetime.fromtimestamp(opening, UTC))
        told = {"kind": kind, "moment": moment, "poll": to(POLL), "marks": MARKS}
        name = "page" if kind in {"before", "waiting"} else "crowded"
        return render_template(f"admission/{name}.html", room=told)

    @room.get(POLL)
    @public
    def poll() -> ResponseReturnValue:
        speak_by_address()
        return {"go": to(START)}

    return room


@dataclass(frozen=True)
class RoomPage:
    """A page; `body` has a place for each of `MARKS`."""

    headers: Headers
    body: bytes

    def filled(
        self, *, ahead: str = "", wait: str = "", each: int = 0, form: str = "", address: str = ""
    ) -> bytes:
        """The page of one visitor; `form` is HTML, the others are text."""
        return self.body % {
            b"ahead": ahead.encode(),
            b"wait": wait.encode(),
            b"each": str(each).encode(),
            b"form": form.encode(),
            b"address": html.escape(address).encode(),
        }


class RoomPages:
    """Makes them when they are first asked for; one for each worker."""

    def __init__(
        self,
        app: Wsgi,
        public_base_url: str,
        *,
        number: str = "",
        development: bool = False,
        store_hangs: Callable[[], bool] = lambda: False,
    ) -> None:
        """`number` is what pages of errors say to ring (E.164)."""
        self._app, self._base, self._number = app, public_base_url, number
        self._development, self._store_hangs = development, store_hangs
        self._made: dict[tuple[str, str, int], RoomPage] = {}

    def page(self, kind: str, code: str, opening: int = 0) -> RoomPage | None:
        """One kind in one language; None where the application gives none to make copies of."""
        key = kind, code, opening if kind == "before" else 0
        made = self._made.get(key)
        if made is None:
            try:
                made = self._make(*key)
            except Exception as error:  # noqa: BLE001 (whatever it is, there is a plain answer)
                log.error("room page not made", kind=kind, error=type(error).__name__)
                return None
            if len(self._made) >= KEPT:
                self._made = {}
            self._made[key] = made
        return made

    def _make(self, kind: str, code: str, opening: int) -> RoomPage:
        query = "" if code == COUNTRY_LANGUAGE else f"lang={code}"
        environ = create_environ(ROOM, urljoin(self._base, "/"), query)
        environ[_ASKED] = kind, opening
        chunks, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        if not status.startswith("200"):
            raise LookupError(status)
        body = b"".join(chunks).replace(b"%", b"%%")
        for name, mark in MARKS.items():
            body = body.replace(mark.encode(), f"%({name})b".encode())
        return RoomPage([each for each in headers if each[0].lower() not in _OF_ONE], body)

    def turn_away(self, environ: Environ, start_response: Any, kind: str) -> list[bytes]:
        """Too many at this moment: said as such, and nothing that was typed is lost.

        Where the store keeps all threads waiting, that is said instead: it is no crowd. The fields
        of a form are in this answer alone, which is kept nowhere, to the visitor who has just sent
        them.
        """
        GIVEN_WAY.labels(kind).inc()
        path, query = environ["PATH_INFO"], environ.get("QUERY_STRING", "")
        form = self._form(environ) if environ["REQUEST_METHOD"] == "POST" else ""
        names = ("stuck", "stuck_resend") if self._store_hangs() else ("crowded", "resend")
        page = self.page(names[bool(form)], language_for(environ))
        if page is None:
            return self.busy(environ, start_response, RETRY_SECONDS)
        each = RETRY_VISIT if kind == "visit" else RETRY_SECONDS
        headers = [*page.headers, ("Retry-After", str(each))]
        start_response("503 Service Unavailable", headers)
        address = f"{path}?{query}" if query else path
        return [page.filled(each=each, form=form, address=address)]

    def _form(self, environ: Environ) -> str:
        """What was typed, as hidden fields; nothing for what is no plain form of ours."""
        kind = environ.get("CONTENT_TYPE", "").partition(";")[0]
        try:
            length = int(environ.get("CONTENT_LENGTH") or 0)
            if kind != "application/x-www-form-urlencoded" or not 0 < length <= MOST_FORM:
                return ""
            # Sent again it would come from a page of ours, even if another site had made it.
            if not is_ours(environ, self._base, development=self._development):
                return ""
            return hidden(environ["wsgi.input"].read(length))
        except ValueError:
            return ""

    def busy(self, environ: Environ, start_response: Any, seconds: int) -> list[bytes]:
        """That there is no free thread at this moment: a page to a person, else in brief."""
        if not self._number or not is_for_a_person(environ):
            return briefly(start_response, seconds)
        start_response("503 Service Unavailable", alone.headers(seconds))
        return [alone.page(503, language_for(environ), self._number)]


def briefly(start_response: Any, seconds: int) -> list[bytes]:
    """That there is no free thread at this moment, to a client that needs no words."""
    start_response("503 Service Unavailable", [*_TEXT, ("Retry-After", str(seconds))])
    return [b"busy\n"]


def hidden(body: bytes) -> str:
    """The fields of a form that could not be taken, as HTML, to be sent once more.

    They go back only to the visitor who just sent them. Raises ValueError for what is no form.
    """
    fields = parse_qsl(
        body.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"
    )
    return "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in fields
    )


# ---------------------------------------------------------------- what differs


class Words:
    """Sentences of one language with their numbers."""

    def __init__(self, code: str) -> None:
        self._words = screen(code)
        self._sayings = Sayings(self._words)

    def ahead(self, people: int) -> str:
        return self._number("room.waiting.ahead", people)

    def others(self, people: int) -> str:
        return self._number("room.before.others", people)

    def each(self, seconds: int) -> str:
        return self._words["room.each"].format(seconds=seconds)

    def wait(self, seconds: float) -> str:
        whole = math.ceil(seconds / _MINUTE) * _MINUTE if seconds >= _MINUTE else 0
        return self._words["room.waiting.wait"].format(time=self._sayings.wait(whole))

    def _number(self, key: str, people: int) -> str:
        if people <= 1:
            return self._words[f"{key}_one" if people == 1 else f"{key}_none"]
        return self._words[key].format(people=self._sayings.count(people))


@lru_cache
def words_of(code: str) -> Words:
    """Read once for each language."""
    return Words(code)


def about(people: float) -> int:
    """A number that is not more exact than it can be: of three digits, and zeros."""
    zeros = 1
    while people >= _THREE_DIGITS:
        people /= 10
        zeros *= 10
    return max(round(people), 0) * zeros
