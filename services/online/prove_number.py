"""A code that is texted to a number and typed back on the site, while the chosen place is held.

It is asked for where a booking would be beyond the limits of `services.booking.reach`; which of
them it was, no page says. Without a mobile, or without another code, the visitor finishes by
telephone, with the code that every page offers.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from flows.understanding import is_digits
from models.dialects import one_after_another
from models.online import reach_codes
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
# As long as a place may be held at most, and a little for the text to arrive.
CODE_LIVES = timedelta(minutes=15)
# Of all codes for one number in one web session.
TRIES = 5
CODES_A_WEB_SESSION = 2
# An address has one more code out for so many numbers that typed theirs back from there.
_FOR_EACH_BACK = 4


class CodeIncomplete(Exception):
    """What was typed is no code of six digits; nothing was counted."""


def ask(visit: WebSession, world: WebWorld) -> WebSession:
    """To the page of the code, which is on its way; or to that of the telephone."""
    number = visit.session.number
    if not number:
        return by_telephone(visit)
    store = world.store
    phone = store.vault.index("phone", number) or b""
    before = reach_codes.sent(world.transaction(), store.clock, visit.id, phone)
    if before.tries >= TRIES:
        return by_telephone(visit)
    if not before.counts and not _send(visit, world, before.sent):
        return by_telephone(visit)
    return replace(visit.at(visit.session), page=NAME)


def again(visit: WebSession, world: WebWorld) -> WebSession:
    """Another code, once; the one before stops counting."""
    store = world.store
    phone = store.vault.index("phone", visit.session.number) or b""
    before = reach_codes.sent(world.transaction(), store.clock, visit.id, phone)
    if before.tries >= TRIES or not _send(visit, world, before.sent):
        return by_telephone(visit)
    return replace(visit.at(visit.session, notice="code_again"), page=NAME)


def check(visit: WebSession, world: WebWorld, typed: str) -> WebSession | None:
    """Count a try: the web session with its number proved; None for a wrong code.

    Raises CodeIncomplete.
    """
    code = "".join(typed.split())
    if not is_digits(code) or len(code) != CODE_DIGITS:
        raise CodeIncomplete
    store, number = world.store, visit.session.number
    phone = store.vault.index("phone", number) or b""
    known = _code_idx(world, visit, code)
    if not reach_codes.check(
        world.transaction(),
        store.clock,
        visit_id=visit.id,
        phone=phone,
        code=known,
        most=TRIES,
    ):
        return None
    world.proved = number
    REACH.labels("proved").inc()
    return replace(visit.at(visit.session), proved=number)


def wrong(visit: WebSession, world: WebWorld) -> WebSession:
    """After a wrong code: another try, as long as there is one."""
    store = world.store
    phone = store.vault.index("phone", visit.session.number) or b""
    tried = reach_codes.sent(world.transaction(), store.clock, visit.id, phone).tries
    if tried >= TRIES:
        return by_telephone(visit)
    REACH.labels("wrong code").inc()
    return replace(visit.at(visit.session, notice="code_wrong"), page=NAME)


def by_telephone(visit: WebSession) -> WebSession:
    """To the page of the telephone; what was chosen is held on."""
    REACH.labels("by telephone").inc()
    return replace(visit.at(visit.session), page=BY_TELEPHONE)


def _send(visit: WebSession, world: WebWorld, sent: int) -> bool:
    """Put a code into the outbox, in the transaction of the answer; False beyond a limit."""
    connection, store, number = world.transaction(), world.store, visit.session.number
    if sent >= CODES_A_WEB_SESSION:
        return False
    phone = store.vault.index("phone", number) or b""
    place = store.vault.index("reach place", world.place or None)
    named = {b"code number": phone, b"code place": place}
    one_after_another(connection, [name + idx for name, idx in named.items() if idx])
    found, limits = reach_codes.counts(connection, store.clock, phone, place), store.reach
    if limits.codes_per_number and found.number >= limits.codes_per_number:
        return False
    most = limits.codes_per_address and limits.codes_per_address + found.back // _FOR_EACH_BACK
    if most and found.out >= most:
        return False
    code = store.chance.code()
    reach_codes.add(
        connection,
        store.clock,
        visit_id=visit.id,
        phone=phone,
        place=place,
        code=_code_idx(world, visit, code),
        lasts=CODE_LIVES,
    )
    message_id = write_message(
        connection,
        store,
        "sms",
        number,
        {"body": texts.filled(load(visit.language), "code", number=world.our_number(), code=code)},
        key=f"code:{visit.id}:{visit.number}",
        topic=Topic.CODE,
    )
    if message_id:
        world.messages.append(message_id)
    REACH.labels("code").inc()
    return True


def _code_idx(world: WebWorld, visit: WebSession, code: str) -> bytes:
    what = f"{visit.id}|{visit.session.number}|{code}"
    return world.store.vault.index("reach code", what) or b""
