"""/salle: the waiting room as a page of ours, of which `web.admission.gate` shows copies.

These routes are asked for by the gate alone, a few times in its life. Any other client finds no
waiting room here, and goes on to the first question.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Final

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from web.marks import public
from web.online.asked_centre import asked_centre
from web.pages import language, speak_by_address, to, words
from web.public.words import Sayings
from web.tickets import ROOM

POLL: Final = "/salle/etat"
START: Final = "/rendez-vous"
# Where the gate puts a `RoomPageRequest` of what it asks for.
ASKED: Final = "allo.room"
# The store does not answer: a page to try again, and one with the fields of a form.
STUCK: Final = ("stuck", "stuck_resend")


@dataclass(frozen=True)
class Marks:
    """Characters that no text contains, in place of what differs from one visitor to the next."""

    ahead: str = "\ue100"
    wait: str = "\ue101"
    each: str = "\ue102"
    form: str = "\ue103"
    address: str = "\ue104"


MARKS: Final = Marks()
LETTERS: Final = "".join(getattr(MARKS, field.name) for field in fields(MARKS))


@dataclass(frozen=True)
class RoomPageRequest:
    """One kind of page; `opening` is a moment in seconds of the epoch."""

    kind: str
    opening: int


def blueprint() -> Blueprint:
    """The routes of /salle."""
    room = Blueprint("waiting_room", __name__)

    @room.get(ROOM)
    @public
    def page() -> ResponseReturnValue:
        speak_by_address()
        asked = request.environ.get(ASKED)
        if not isinstance(asked, RoomPageRequest):
            query = asked_centre(request.args).query(language())
            return redirect(f"{START}?{query}" if query else START, 303)
        opening = datetime.fromtimestamp(asked.opening, UTC)
        moment = Sayings(words()).moment(opening) if asked.kind == "before" else ""
        told = {"kind": asked.kind, "moment": moment, "poll": to(POLL), "marks": MARKS}
        if asked.kind in STUCK:
            return render_template(
                "public/unanswered.html",
                address=MARKS.address,
                form=MARKS.form if asked.kind == STUCK[1] else "",
                each=MARKS.each,
            )
        name = "page" if asked.kind in {"before", "waiting"} else "crowded"
        return render_template(f"admission/{name}.html", room=told)

    @room.get(POLL)
    @public
    def poll() -> ResponseReturnValue:
        speak_by_address()
        return {"go": to(START)}

    return room
