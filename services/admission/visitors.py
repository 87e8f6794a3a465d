"""Visitors of the waiting room as a worker knows them: tickets, ranks, and who is still there.

Everything here is counted in memory; nothing asks the store. A rank is a whole number of
thousandths of a bucket. Ranks below `DRAW` buckets were drawn before the opening; the others are
the seconds since the opening at which a visitor came.

Many web sessions of one place (an IPv4 address, or the /56 of an IPv6 one) gain nothing: they share
one draw and get ranks behind one another.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import secrets
import struct
import threading

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from services.attempts import ip_of

# Buckets of the draw; from there on one is a second.
DRAW: Final = 1024
MILLI: Final = 1000
DRAWN: Final = DRAW * MILLI
# Between two web sessions of one place, in thousandths of a bucket: four of them in each.
SPACING: Final = 250
# A place's web sessions stand at most so far behind one another: ten minutes. More do not count.
FARTHEST: Final = 600 * MILLI
# Places that a worker remembers: some 2 MB.
PLACES: Final = 16_384
# Seconds between two looks at the page: those whose turn is near look more often.
EACH: Final = (2, 30)
# Told to look again in so many seconds, and not seen for that and this much more: gone.
LATE_PART: Final = 0.25
LATE_SECONDS: Final = 3
# After so many seconds of counting (the longest silence of a visitor) all were seen.
SEES_ALL: Final = EACH[1] * (1 + LATE_PART) + LATE_SECONDS
# A worker counts no more visitors than this.
MOST: Final = 2**18
_LAYOUT: Final = struct.Struct(">8sII")
_TAG_BYTES: Final = 11
# Of 27 bytes, so that base64 needs no padding.
TICKET_LETTERS: Final = 36
_BODY_BYTES: Final = 16
_hash = hashlib.blake2s
_HIGHEST: Final = 2**32 - 1


class Ticket(NamedTuple):
    """A visitor's rank. `opening`: the moment (seconds of the epoch) that the ticket is for."""

    id: bytes
    opening: int
    rank: int


class Tickets:
    """Writes and reads them. A ticket is 36 letters, signed with a key of its own."""

    def __init__(self, secret_key: str) -> None:
        self._key = hmac.digest(secret_key.encode(), b"ticket of the waiting room", hashlib.sha256)
        # Copied for each ticket: it has read its key.
        self._signer = _hash(digest_size=_TAG_BYTES, key=self._key)

    def write(self, ticket: Ticket) -> str:
        body = _LAYOUT.pack(*ticket)
        return binascii.b2a_base64(body + self._tag(body), newline=False).decode("ascii")

    def read(self, text: str) -> Ticket | None:
        """The ticket in `text`; None where this site did not sign it."""
        if len(text) != TICKET_LETTERS:
            return None
        try:
            found = binascii.a2b_base64(text)
        except ValueError:
            return None
        body = found[:_BODY_BYTES]
        if not hmac.compare_digest(found[_BODY_BYTES:], self._tag(body)):
            return None
        return Ticket(*_LAYOUT.unpack(body))

    def visit_of(self, ticket: Ticket) -> str:
        """The id of the web session that a ticket lets in: a copy of it leads to the same one."""
        return f"W{_hash(ticket.id, key=self._key, person=b'visit', digest_size=16).hexdigest()}"

    def draw(self, opening: int, place: bytes) -> int:
        """A place's rank in the draw of an opening; visitors cannot predict it."""
        text = struct.pack(">I", opening) + place
        drawn = _hash(text, key=self._key, person=b"draw", digest_size=8).digest()
        return int.from_bytes(drawn, "big") * DRAWN >> 64

    def _tag(self, body: bytes) -> bytes:
        # A keyed BLAKE2 needs no HMAC around it: a third of an HMAC's time.
        signer = self._signer.copy()
        signer.update(body)
        return signer.digest()


def place_of(address: str) -> bytes:
    """What counts as one place: an IPv4 address, the /56 of an IPv6 one, else the text itself."""
    found = ip_of(address)
    if found is None:
        return address.encode("utf-8", "replace")[:64]
    return found.packed if found.version == 4 else found.packed[:7]  # noqa: PLR2004


class Ranks:
    """Gives ranks to visitors of one worker, and counts them. For several threads."""

    def __init__(self, tickets: Tickets) -> None:
        self._tickets = tickets
        self._counting = threading.Lock()
        self._opening = 0
        # The next rank of each place; the one that came last is at the end.
        self._next: dict[bytes, int] = {}
        self._new: Counter[tuple[int, int]] = Counter()
        # The opening that visitors come for, and the best rank of it given here.
        self.first = (0, 0)

    def take(self, opening: int, place: bytes, now: float) -> Ticket:
        """A ticket for a visitor who came at `now` (seconds of the epoch).

        A second ticket is never better than the first: the ranks of a place only grow.
        """
        if now < opening:
            least = self._tickets.draw(opening, place)
        else:
            least = DRAWN + int((now - opening) * MILLI)
        with self._counting:
            if opening != self._opening:
                self._opening, self._next = opening, {}
            rank = max(least, self._next.pop(place, 0))
            # A place that asks without end is not counted as a crowd and delays no other visitor.
            is_counted = rank <= least + FARTHEST
            rank = min(rank, least + FARTHEST, _HIGHEST)
            if opening != self.first[0] or rank < self.first[1]:
                self.first = (opening, rank)
            self._next[place] = rank + SPACING
            if len(self._next) > PLACES:
                self._next.pop(next(iter(self._next)))
            if is_counted:
                self._new[opening, rank // MILLI] += 1
        return Ticket(secrets.token_bytes(8), opening, rank)

    def counted(self) -> Mapping[tuple[int, int], int]:
        """Visitors since the last call, by opening and bucket; the counts start again at zero."""
        with self._counting:
            found, self._new = self._new, Counter()
        return found

    def back(self, counts: Mapping[tuple[int, int], int]) -> None:
        """Take back counts that could not be written, for the next time."""
        with self._counting:
            self._new.update(counts)


class Presence:
    """Visitors who are still there, of one worker: a ticket says only that a visitor came.

    A page of the waiting room looks again by itself, so that each visitor is seen every few
    seconds. A visitor who was told to look again in so many seconds counts until a little after
    that, and once, however often they ask. May be used by several threads.
    """

    def __init__(self, ticks: Callable[[], float]) -> None:
        """`ticks` is a monotonic clock in seconds."""
        self._ticks = ticks
        self._began = ticks()
        self._counting = threading.Lock()
        self._opening = 0
        # By ticket: until when (of the clock) a visitor counts, and in which bucket.
        self._visitors: dict[bytes, tuple[float, int]] = {}

    def seen(self, ticket: Ticket, each: float) -> None:
        """The one with this ticket is there, and was told to look again in `each` seconds."""
        until = self._ticks() + int(each * (1 + LATE_PART)) + LATE_SECONDS
        with self._counting:
            if ticket.opening != self._opening:
                self._opening, self._visitors = ticket.opening, {}
            if len(self._visitors) < MOST or ticket.id in self._visitors:
                self._visitors[ticket.id] = until, ticket.rank // MILLI

    def counted(self, frontier: int = 0) -> dict[str, Any]:
        """For what a worker writes: how many are there behind a rank, and how long it has counted.

        `buckets`: how many are in each, by its number in letters.
        """
        now, first = self._ticks(), frontier // MILLI
        with self._counting:
            self._visitors = {
                ticket: (until, bucket)
                for ticket, (until, bucket) in self._visitors.items()
                if until > now and bucket >= first
            }
            buckets = Counter(str(bucket) for _until, bucket in self._visitors.values())
        return {"opening": self._opening, "for": round(now - self._began, 1), "buckets": buckets}


def all_present(
    counted: Sequence[Mapping[str, Any] | None], opening: int
) -> Mapping[int, int] | None:
    """How many are in each bucket of an opening, by what all workers counted (`Presence.counted`).

    A visitor who asks two workers counts twice. None where a worker does not know yet, or is of
    another version.
    """
    if not counted:
        return None
    people: Counter[int] = Counter()
    for worker in counted:
        if worker is None or worker["for"] < SEES_ALL:
            return None
        # A worker that tells of another opening, or of none, was asked by no visitor.
        if worker["opening"] == opening:
            people.update({int(bucket): count for bucket, count in worker["buckets"].items()})
    return people
