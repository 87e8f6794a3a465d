"""A code that is texted to a number and typed back on the site, while the chosen place is held.

It is asked for where a booking would be beyond the limits of `services.booking.reach`; which of
them it was, no page says. An address has few codes out that may still be typed back. Another
visitor of it waits on the same page, and their code leaves when one of the others comes back or no
longer counts: a family reads its texts, and a script that typed the numbers of strangers does not.
Without a mobile, or without another code, the visitor finishes by telephone, with the code that
every page offers.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from flows.understanding import is_digits
from models.advisory_locks import one_after_another
from models.online import reach_codes
from models.online.reach_codes import AskedCodes, CodeCounts, WaitingCode
from prompts.catalogue import load
from services.messages import texts
from services.messages.topics import Topic
from services.messages.write_message import write_message
from services.online.web_sessions import WebSession, WebWorld
from services.store import CODE_DIGITS
from services.telemetry import REACH

# Pages of the site's own: the web session stays at its question meanwhile. The second one is the
# page of the telephone.
NAME, BY_TELEPHONE = "prove_number", "person"
# As long as a place may be held at most, less the time in which it was chosen.
CODE_LIVES = timedelta(minutes=15)
# Of all codes for one number in one web session.
TRIES = 5
CODES_A_WEB_SESSION = 2
# An address has one more code out for so many numbers that typed theirs back from there.
_FOR_EACH_BACK = 4
# Codes of an address that no visitor typed back in 24 hours, as so many times those that may be
# out: a script has no more, and a family behind the same address still has its own.
_UNUSED_A_DAY = 8


class CodeIncomplete(Exception):
    """What was typed is no code of six digits; nothing was counted."""


def ask(visit: WebSession, world: WebWorld) -> WebSession:
    """To the page of the code, which is on its way or waits; or to that of the telephone."""
    if not visit.session.number:
        return by_telephone(visit)
    before = _asked(visit, world)
    if before.tries >= TRIES:
        return by_telephone(visit)
    if before.counts:
        return _at_code(visit, "code_waits" if before.waiting else "")
    return _new_code(visit, world, before)


def again(visit: WebSession, world: WebWorld) -> WebSession:
    """Another code, once; the one before stops counting. One that waits is tried once more."""
    before = _asked(visit, world)
    if before.tries >= TRIES:
        return by_telephone(visit)
    if not before.waiting:
        return _new_code(visit, world, before, "code_again")
    found = _counts(visit, world)
    if _has_spent_its_day(world, found):
        return by_telephone(visit)
    waits = WaitingCode(before.waiting, visit.id, visit.session.number, visit.session.language)
    if not _may_leave(world, found):
        return _at_code(visit, "code_waits")
    _send(world, waits)
    return _at_code(visit)


def check(visit: WebSession, world: WebWorld, typed: str) -> WebSession | None:
    """Count a try: the web session with its number proved; None for a wrong code.

    Raises CodeIncomplete.
    """
    code = "".join(typed.split())
    if not is_digits(code) or len(code) != CODE_DIGITS:
        raise CodeIncomplete
    number = visit.session.number
    is_right = reach_codes.check(
        world.transaction(),
        world.store.clock,
        visit_id=visit.id,
        phone=_phone(visit, world),
        code=_code_idx(world, visit.id, number, code),
        most=TRIES,
    )
    if not is_right:
        return None
    world.proved = number
    REACH.labels("proved").inc()
    _send_what_waits(visit, world)
    return replace(visit.at(visit.session), proved=number)


def wrong(visit: WebSession, world: WebWorld) -> WebSession:
    """After a wrong code: another try, as long as there is one."""
    if _asked(visit, world).tries >= TRIES:
        return by_telephone(visit)
    REACH.labels("wrong code").inc()
    return _at_code(visit, "code_wrong")


def by_telephone(visit: WebSession) -> WebSession:
    """To the page of the telephone; what was chosen is held on."""
    REACH.labels("by telephone").inc()
    return replace(visit.at(visit.session), page=BY_TELEPHONE)


def _at_code(visit: WebSession, notice: str = "") -> WebSession:
    return replace(visit.at(visit.session, notice=notice), page=NAME)


def _new_code(
    visit: WebSession, world: WebWorld, before: AskedCodes, notice: str = ""
) -> WebSession:
    """Put a code into the outbox, in the transaction of the answer, or let it wait."""
    if before.asked >= CODES_A_WEB_SESSION:
        return by_telephone(visit)
    found, limits, session = _counts(visit, world), world.store.reach, visit.session
    if limits.codes_per_number and found.number >= limits.codes_per_number:
        return by_telephone(visit)
    if _has_spent_its_day(world, found):
        # The page of codes would promise one in a quarter of an hour.
        return by_telephone(visit)
    code_id = reach_codes.add(
        world.transaction(),
        world.store.clock,
        world.store.vault,
        visit_id=visit.id,
        number=session.number,
        language=session.language,
        place=_place(world),
        lasts=CODE_LIVES,
    )
    if not _may_leave(world, found):
        REACH.labels("code waits").inc()
        return _at_code(visit, "code_waits")
    _send(world, WaitingCode(code_id, visit.id, session.number, session.language))
    return _at_code(visit, notice)


def _send_what_waits(visit: WebSession, world: WebWorld) -> None:
    """A code came back: those that waited for it leave, the oldest first."""
    place = _place(world)
    if place is None:
        return
    found = _counts(visit, world)
    free = _may_leave(world, found)
    connection, store = world.transaction(), world.store
    for wish in reach_codes.waiting(connection, store.clock, store.vault, place, free):
        _send(world, wish)


def _send(world: WebWorld, waits: WaitingCode) -> None:
    connection, store = world.transaction(), world.store
    code = store.chance.code()
    known = _code_idx(world, waits.visit_id, waits.number, code)
    reach_codes.send(connection, store.clock, waits.id, known, CODE_LIVES)
    body = texts.filled(load(waits.language), "code", number=world.our_number(), code=code)
    message_id = write_message(
        connection,
        store,
        "sms",
        waits.number,
        {"body": body},
        key=f"code:{waits.id}",
        topic=Topic.CODE,
    )
    if message_id:
        world.messages.append(message_id)
    REACH.labels("code").inc()


def _counts(visit: WebSession, world: WebWorld) -> CodeCounts:
    """What the limits look at; no other transaction sends codes of these until this one ends."""
    phone, place = _phone(visit, world), _place(world)
    named = {b"code number": phone, b"code place": place}
    one_after_another(world.transaction(), [name + idx for name, idx in named.items() if idx])
    return reach_codes.counts(world.transaction(), world.store.clock, phone, place)


def _may_leave(world: WebWorld, found: CodeCounts) -> int:
    """How many codes more an address may have out: without a limit always one."""
    limit = world.store.reach.codes_per_address
    if not limit or not world.place:
        return 1
    more = found.back // _FOR_EACH_BACK
    return max(0, min(limit - found.out, limit * _UNUSED_A_DAY - found.unused) + more)


def _has_spent_its_day(world: WebWorld, found: CodeCounts) -> bool:
    """Return whether no code leaves for an address before those of 24 hours are forgotten."""
    limit = world.store.reach.codes_per_address
    if not limit or not world.place:
        return False
    return found.unused >= limit * _UNUSED_A_DAY + found.back // _FOR_EACH_BACK


def _asked(visit: WebSession, world: WebWorld) -> AskedCodes:
    phone = _phone(visit, world)
    return reach_codes.asked(world.transaction(), world.store.clock, visit.id, phone)


def _phone(visit: WebSession, world: WebWorld) -> bytes:
    return world.store.vault.index("phone", visit.session.number) or b""


def _place(world: WebWorld) -> bytes | None:
    return world.store.vault.index("reach place", world.place or None)


def _code_idx(world: WebWorld, visit_id: str, number: str, code: str) -> bytes:
    return world.store.vault.index("reach code", f"{visit_id}|{number}|{code}") or b""
