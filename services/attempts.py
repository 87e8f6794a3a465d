"""How often a caller may try to look up an appointment, and when changing one needs a person.

The counts are rows of the database, written in the transaction of the look-up itself: without the
database nothing is looked up, and without Redis nothing is different.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address

from models import attempts
from models.attempts import EVERYBODY, AttemptCountQuery, Subject
from models.booking import freezes
from models.database import Connection
from services.store import Store

TRIES_A_CALL = 3
# For each calling number and for each reference.
TRIES_A_DAY = 5
# For a reference on the line that booked it, whatever was tried from elsewhere: who can show
# another number as their own must not shut its owner out, and is far from a birth date with these.
OWN_TRIES_A_DAY = 20
DAY = timedelta(hours=24)
# Of all look-ups of five minutes so many may be wrong, and so many wrong ones are always borne:
# people mistype, and a guesser needs thousands.
LOOK_BACK = timedelta(minutes=5)
MOST_WRONG_SHARE = 0.01
MOST_WRONG_BORNE = 30
# No limit looks farther back.
KEPT = timedelta(days=2)

# All look-ups together: each try counts for one of them. No look-up counts them, for they are as
# many as come in five minutes.
BY_TELEPHONE, ON_SITE = Subject("all", EVERYBODY), Subject("web_all", EVERYBODY)


@dataclass(frozen=True)
class Tries:
    """The subjects that a try counts for, and whether earlier tries still allow it.

    `open`: it is allowed. `again`: when it is wrong, another one may follow. `open_to_owner`: it is
    allowed on the line that booked.
    """

    subjects: tuple[Subject, ...]
    open: bool
    again: bool = False
    open_to_owner: bool = False


def subject(store: Store, kind: str, what: str, value: str) -> Subject:
    """The subject that tries of a kind count for, by the keyed hash of a personal value."""
    return Subject(kind, store.vault.index(what, value) or b"")


def tried(
    connection: Connection,
    store: Store,
    subjects: Sequence[Subject],
    *also: AttemptCountQuery,
    within: timedelta = DAY,
    failed: bool = True,
) -> Sequence[int]:
    """How often each was tried for, the wrong tries alone if `failed`; then the counts of `also`.

    No other transaction counts tries for the same subjects until this one ends.
    """
    asked = [AttemptCountQuery(subject, within, failed=failed) for subject in subjects]
    return attempts.counts_alone(connection, store.clock, subjects, [*asked, *also])


def before_look_up(
    connection: Connection, store: Store, *, reference: str, caller: str, call_id: str
) -> Tries:
    """Look at the tries so far; no other transaction tries for the same until this one ends.

    `caller` is E.164, or empty: a withheld number has no count of its own.
    """
    subjects = [
        subject(store, "call", "call", call_id),
        subject(store, "reference", "reference", reference),
    ]
    if caller:
        subjects.append(subject(store, "caller", "phone", caller))
    counts = tried(connection, store, subjects)
    limits = [TRIES_A_CALL if subject.kind == "call" else TRIES_A_DAY for subject in subjects]
    pairs = list(zip(counts, limits, strict=True))
    in_call, of_reference = counts[:2]
    return Tries(
        (*subjects, BY_TELEPHONE),
        open=all(count < limit for count, limit in pairs),
        again=all(count + 1 < limit for count, limit in pairs),
        open_to_owner=in_call < TRIES_A_CALL and of_reference < OWN_TRIES_A_DAY,
    )


def count_try(
    connection: Connection,
    store: Store,
    tries: Tries,
    *,
    right: bool,
    wishes: Sequence[Subject] = (),
) -> None:
    """Count it; `wishes` count in the same statement, and never as wrong."""
    counted = [(subject, right) for subject in tries.subjects] + [(wish, True) for wish in wishes]
    attempts.add_each(connection, store.clock, counted)


@dataclass(frozen=True)
class Caution:
    """What changes by machine cost for the moment.

    `guessed`: look-ups look guessed, and from another line than the booking's only an agent changes
    it. `frozen`: too many were cancelled, and only an agent cancels.
    """

    guessed: bool
    frozen: bool


def caution(connection: Connection, store: Store) -> Caution:
    """What a change by telephone has to look at first; one statement."""
    wrong, everything, frozen = attempts.counts(
        connection, store.clock, _lately(BY_TELEPHONE), freezes.lasts(store.clock)
    )
    return Caution(too_many(wrong, everything), bool(frozen))


def lately(connection: Connection, store: Store, where: Subject) -> tuple[int, int]:
    """How many look-ups of the last five minutes were wrong, and how many there were in all.

    `where` is BY_TELEPHONE or ON_SITE.
    """
    wrong, everything = attempts.counts(connection, store.clock, _lately(where))
    return wrong, everything


def _lately(where: Subject) -> list[AttemptCountQuery]:
    return [AttemptCountQuery(where, LOOK_BACK, failed=failed) for failed in (True, False)]


def count_text(connection: Connection, store: Store, *, caller: str, call_id: str) -> bool:
    """Count a wish to be written to; False when there were too many.

    Right or wrong, each counts: a limit that only wrong ones reach would tell them apart.
    """
    subjects = [
        subject(store, "text_call", "call", call_id),
        subject(store, "text_caller", "phone", caller),
    ]
    in_call, in_day = tried(connection, store, subjects, failed=False)
    if in_call >= TRIES_A_CALL or in_day >= TRIES_A_DAY:
        return False
    attempts.add(connection, store.clock, subjects, good=True)
    return True


def too_many(wrong: int, everything: int) -> bool:
    """Whether so many wrong look-ups among all suggest that a caller is guessing."""
    return wrong > MOST_WRONG_BORNE and wrong > MOST_WRONG_SHARE * everything


def ip_of(address: str) -> IPv4Address | IPv6Address | None:
    """An IP address, IPv4 also where it is written as one of IPv6; None for any other text."""
    try:
        found = ip_address(address)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
