"""What a ticket of the waiting room says to the pages behind the gate, by the request's environ."""

from __future__ import annotations

from typing import Final, cast

from flask import Response, redirect, request

from web.pages import speak_by_address, to

ROOM: Final = "/salle"
# Where the application finds the id of the visit that a ticket lets in, and the name of its cookie.
VISIT: Final = "allo.visit"
TICKET: Final = "allo.ticket"
# Where it finds whether people wait to begin a visit.
WAITED: Final = "allo.waited"


def web_session_of_ticket() -> str:
    """The id that a visit must have that begins now: one ticket is one visit; empty: any."""
    return str(request.environ.get(VISIT, ""))


def people_wait() -> bool:
    """Whether there is a room that one waits in before a visit begins."""
    return bool(request.environ.get(WAITED))


def ticket_is_used() -> Response:
    """A visitor who begins another web session takes another ticket, behind those who wait."""
    name = request.environ.get(TICKET, "")
    speak_by_address()
    response = redirect(to(ROOM), 303)
    if name:
        response.delete_cookie(
            name, secure=name.startswith("__"), httponly=True, samesite="Lax", path="/"
        )
    return cast("Response", response)
