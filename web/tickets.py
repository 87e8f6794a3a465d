"""What the gate and the pages behind it tell each other, by the request's environ.

The gate tells what a ticket of the waiting room says, and a page how many requests it stands for.
"""

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
# Where the gate finds how many requests of a visitor without a script this one stands for.
STANDS_FOR: Final = "allo.stands_for"


def web_session_of_ticket() -> str:
    """The id for a web session that begins now: one for each ticket; empty: any."""
    return str(request.environ.get(VISIT, ""))


def people_wait() -> bool:
    """Whether visitors wait in a waiting room before a web session begins."""
    return bool(request.environ.get(WAITED))


def stands_for_two() -> None:
    """Tell the gate that the answer has the next page with it, which others would ask for.

    How many web sessions may begin is reckoned by the requests that each will send.
    """
    request.environ[STANDS_FOR] = 2


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
