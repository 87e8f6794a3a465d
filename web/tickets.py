"""What a ticket of the waiting room says to the pages behind the gate, by the request's environ."""

from __future__ import annotations

from typing import Final, cast

from flask import Response, redirect, request

from web.pages import speak_by_address, to

ROOM: Final = "/salle"
# Where the application finds the id of a ticket's web session, and the name of its cookie.
VISIT: Final = "allo.visit"
TICKET: Final = "allo.ticket"
# Where it finds whether visitors wait to begin a web session.
WAITED: Final = "allo.waited"


def web_session_of_ticket() -> str:
    """The id for a web session that begins now: one for each ticket; empty: any."""
    return str(request.environ.get(VISIT, ""))


def people_wait() -> bool:
    """Whether visitors wait in a waiting room before a web session begins."""
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
