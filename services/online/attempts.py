"""How often a visitor may try for an appointment on the site; the counts are rows of the database.

Kinds of their own, apart from the telephone's: a visitor's guesses here close no line there. What
is closed is closed for what was tried for and for the place that tries; an agent can still look.
"""

from __future__ import annotations

import ipaddress

from dataclasses import dataclass

from models import attempts
from models.attempts import AttemptCountQuery, Subject
from models.database import Connection
from services.attempts import DAY, ON_SITE, TRIES_A_DAY, Tries, ip_of, subject, tried
from services.store import Store

# A place may be a whole town behind one address of its telephone company.
WRONG_A_PLACE = 40
# Wishes to be written to, right or wrong: a limit that only wrong ones reach would tell them apart.
WISHES_A_REFERENCE = 3
WISHES_A_PLACE = 60
_IPV4_BITS, _IPV6_BITS = 32, 56


def place_of(address: str) -> str:
    """What of an address is one place: an IPv4 address, or the /56 that a home has of IPv6."""
    found = ip_of(address)
    if found is None:
        return "nowhere"
    bits = _IPV4_BITS if found.version == 4 else _IPV6_BITS  # noqa: PLR2004
    return str(ipaddress.ip_network((found, bits), strict=False))


def before_try(connection: Connection, store: Store, *, what: str, place: str) -> Tries:
    """Look at the tries so far; no other request tries for the same until the transaction ends.

    `what` is a reference or a code, `place` a `place_of`.
    """
    subjects = _subjects(store, what, place)
    return _tries(subjects, *tried(connection, store, subjects))


@dataclass(frozen=True)
class Wish:
    """A wish to be written to: what it counts for, whether it is one of few, and its tries."""

    subjects: tuple[Subject, ...]
    allowed: bool
    tries: Tries


def before_wish(connection: Connection, store: Store, *, reference: str, place: str) -> Wish:
    """The same before a person is written to, with the wishes so far; each counts, right or wrong.

    All are waited for, and counted, by one statement each.
    """
    wished = (
        subject(store, "web_wish", "web reference", reference),
        subject(store, "web_wish_place", "web place", place),
    )
    subjects = _subjects(store, reference, place)
    asked = [AttemptCountQuery(subject, DAY, failed=False) for subject in wished]
    asked += [AttemptCountQuery(subject, DAY) for subject in subjects]
    everyone = (*wished, *subjects)
    by_reference, by_place, *tries = attempts.counts_alone(connection, store.clock, everyone, asked)
    allowed = by_reference < WISHES_A_REFERENCE and by_place < WISHES_A_PLACE
    return Wish(wished, allowed, _tries(subjects, *tries))


def _subjects(store: Store, what: str, place: str) -> tuple[Subject, Subject]:
    return (
        subject(store, "web_reference", "web reference", what),
        subject(store, "web_place", "web place", place),
    )


def _tries(subjects: tuple[Subject, ...], by_what: int, by_place: int) -> Tries:
    is_open = by_what < TRIES_A_DAY and by_place < WRONG_A_PLACE
    return Tries((*subjects, ON_SITE), is_open)
