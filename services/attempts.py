"""How often a caller may try to look up an appointment, and when changing one needs a person.

The counts are rows of the database, written in the transaction of the look-up itself: without the
database nothing is looked up, and without Redis nothing is different.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import structlog

from models import attempts
from models.attempts import EVERYBODY, AttemptCountQuery, Subject
from models.database import Connection
from services.store import Store

TRIES_A_CALL = 3
# For each calling number and for each reference.
TRIES_A_DAY = 5
DAY = timedelta(hours=24)
# Of all look-ups of five minutes so many may be wrong, and so many wrong ones are always borne:
# people mistype, and a guesser needs thousands.
LOOK_BACK = timedelta(minutes=5)
MOST_WRONG_SHARE = 0.01
MOST_WRONG_BORNE = 30
# No limit looks farther back.
KEPT = timedelta(days=2)

_ALL = Subject("all", EVERYBODY)
_LATELY = (AttemptCountQuery(_ALL, LOOK_BACK), AttemptCountQuery(_ALL, LOOK_BACK, failed=False))

log = structlog.get_logger()


@dataclass(frozen=True)
class Tries:
    """What the tries before this one leave of it.

    `open`: it counts. `again`: when it is wrong, another one may follow.
    """

    open: bool
    again: bool
    wrong_lately: int = 0
    all_lately: int = 0


def before_look_up(
    connection: Connection, store: Store, *, reference: str, caller: str, call_id: str
) -> Tries:
    """Look at the tries so far; no other transaction tries for the same until this one ends.

    `caller` is E.164, or empty: a withheld number has no count of its own.
    """
    subjects = _look_up(store, reference, caller, call_id)
    attempts.wait_for_others(connection, subjects)
    limits = [TRIES_A_CALL if subject.kind == "call" else TRIES_A_DAY for subject in subjects]
    asked = [AttemptCountQuery(subject, DAY) for subject in subjects]
    *failed, wrong, everything = attempts.counts(connection, store.clock, [*asked, *_LATELY])
    pairs = list(zip(failed, limits, strict=True))
    return Tries(
        open=all(one < limit for one, limit in pairs),
        again=all(one + 1 < limit for one, limit in pairs),
        wrong_lately=wrong,
        all_lately=everything,
    )


def count_look_up(
    connection: Connection,
    store: Store,
    tries: Tries,
    *,
    reference: str,
    caller: str,
    call_id: str,
    right: bool,
) -> None:
    """Count a look-up; one too many of the wrong ones raises an alert, once."""
    subjects = [*_look_up(store, reference, caller, call_id), _ALL]
    attempts.add(connection, store.clock, subjects, good=right)
    wrong, everything = tries.wrong_lately + (not right), tries.all_lately + 1
    if too_many(wrong, everything) and not too_many(tries.wrong_lately, tries.all_lately):
        log.error("alert", alert="wrong look-ups", wrong=wrong, of=everything)


def changes_need_a_person(connection: Connection, store: Store) -> bool:
    """Whether look-ups look guessed: cancelling and moving by telephone then wait for an agent."""
    return too_many(*attempts.counts(connection, store.clock, _LATELY))


def count_text(connection: Connection, store: Store, *, caller: str, call_id: str) -> bool:
    """Count a wish to be written to; False when there were too many.

    Right or wrong, each counts: a limit that only wrong ones reach would tell them apart.
    """
    subjects = [
        Subject("text_call", store.vault.index("call", call_id) or b""),
        Subject("text_caller", store.vault.index("phone", caller) or b""),
    ]
    attempts.wait_for_others(connection, subjects)
    asked = [AttemptCountQuery(subject, DAY, failed=False) for subject in subjects]
    in_call, in_day = attempts.counts(connection, store.clock, asked)
    if in_call >= TRIES_A_CALL or in_day >= TRIES_A_DAY:
        return False
    attempts.add(connection, store.clock, subjects, good=True)
    return True


def _look_up(store: Store, reference: str, caller: str, call_id: str) -> list[Subject]:
    index = store.vault.index
    subjects = [
        Subject("call", index("call", call_id) or b""),
        Subject("reference", index("reference", reference) or b""),
    ]
    if caller:
        subjects.append(Subject("caller", index("phone", caller) or b""))
    return subjects


def too_many(wrong: int, everything: int) -> bool:
    """Whether so many wrong look-ups among all suggest that a caller is guessing."""
    return wrong > MOST_WRONG_BORNE and wrong > MOST_WRONG_SHARE * everything
