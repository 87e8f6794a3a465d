"""Which of our numbers something came in by, and what it is about.

Both are looked up by the statement that stores it.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import String, bindparam, func, select

from models.booking.tables import booking
from models.call.tables import call, turn
from models.messages.tables import message
from models.writes import LookedUp

_CALL, _BOOKING, _MESSAGE, _GIVEN = (
    bindparam(name, type_=String)
    for name in ("in_call", "of_booking", "by_message", "known_number")
)
_of_call = select(call.c.called).where(call.c.id == _CALL).scalar_subquery()
_of_booking = select(booking.c.called).where(booking.c.id == _BOOKING).scalar_subquery()
_of_message = select(message.c.called).where(message.c.id == _MESSAGE).scalar_subquery()

# Of a booking: the one that is given, or that of the call that it was made in.
BY_CALL: Final = LookedUp(
    "called",
    func.coalesce(_GIVEN, _of_call),
    (("known_number", "called"), ("in_call", "call_id")),
)
# Of a message: the one that is given, that of its booking, or of the call that it is about.
BY_BOOKING: Final = LookedUp(
    "called",
    func.coalesce(_GIVEN, _of_booking, _of_call),
    (("known_number", "called"), ("of_booking", "booking_id"), ("in_call", "call_id")),
)
# Of a place in the queue: the one that is given, that of its call, or of the message that the call
# delivers.
BY_ORIGIN: Final = LookedUp(
    "called",
    func.coalesce(_GIVEN, _of_call, _of_message),
    (("known_number", "called"), ("in_call", "origin_call_id"), ("by_message", "message_id")),
)


def about_of(call_id: Any) -> Any:
    """The services that a call was about after its newest turn; a turn that runs has none yet."""
    return (
        select(turn.c.about)
        .where(turn.c.call_id == call_id, turn.c.step != "")
        .order_by(turn.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )


_KNOWN, _ORIGIN = (bindparam(name, type_=String) for name in ("known_about", "about_call"))
# Of a place in the queue: what is given, or what its call was about.
ABOUT: Final = LookedUp(
    "about",
    func.coalesce(_KNOWN, about_of(_ORIGIN)),
    (("known_about", "about"), ("about_call", "origin_call_id")),
)
