"""How often a visitor is promised to be told something at a number that was only typed.

A place on the waiting list, word of an opening or of a turn: each is written to a number, and a
place that is freed is kept for it meanwhile. A script that types the numbers of strangers would
have them written to, and keep what is freed from people. So they count as bookings do
(`services.store.ReachLimits`): beyond the limits of a client address and of a number, the number is
proved first. A number that is proved is not counted.
"""

from __future__ import annotations

from models import attempts
from services.attempts import subject, tried
from services.store import Store
from services.work import Work


def count(work: Work, *, number: str, place: str) -> bool:
    """Count one for a number (E.164) and a place (`services.online.attempts.place_of`).

    False, and nothing is counted, where there were too many in 24 hours. Others that count for the
    same wait until the transaction ends.
    """
    store, limits = work.store, work.store.reach
    counted = [
        (one, most)
        for one, most in (
            (_subject(store, "told_number", "phone", number), limits.per_number),
            (_subject(store, "told_place", "reach place", place), limits.per_address),
        )
        if one is not None and most
    ]
    if not counted:
        return True
    subjects = [one for one, _ in counted]
    found = tried(work.connection, store, subjects, failed=False)
    if any(many >= most for many, (_, most) in zip(found, counted, strict=True)):
        return False
    attempts.add(work.connection, store.clock, subjects, good=True)
    return True


def _subject(store: Store, kind: str, what: str, value: str) -> attempts.Subject | None:
    return subject(store, kind, what, value) if value else None
