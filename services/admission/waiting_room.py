"""The waiting room in front of the web: tickets, ranks, and how far visitors have been let in.

Everything here is counted from what a worker has in memory; nothing asks the store. A rank is a
whole number of thousandths. Ranks below `DRAW` buckets were drawn before the opening; the others
are the seconds since the opening at which a visitor came. A visitor is let in once the frontier has
passed their rank.

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

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import accumulate
from typing import Any, Final, NamedTuple

from services.attempts import ip_of

# The snapshot (models.supervision.snapshots) that one process writes and every worker reads.
NAME: Final = "room"
# Visitors may come so long before the opening; earlier ones find the page that tells when it is.
BEFORE: Final = timedelta(minutes=30)
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
# The frontier goes on by itself when no process has moved it for so long (seconds), at this pace.
ABANDONED: Final = 10.0
BY_ITSELF: Final = MILLI
# Where no visitor waits, the frontier is this far ahead. It is computed from data a moment older
# than the snapshot; without the lead, a visitor who arrives just now would wait for that moment.
LEAD: Final = MILLI // 2
# Points of the crowd's shape that a snapshot has at most.
POINTS: Final = 64
# Seconds between two looks at the page: those whose turn is near look more often.
EACH: Final = (2, 30)
_LAYOUT: Final = struct.Struct(">8sII")
_TAG_BYTES: Final = 11
# Of 27 bytes, so that base64 needs no padding.
TICKET_LETTERS: Final = 36
_BODY_BYTES: Final = 16
_hash = hashlib.blake2s
_same = hmac.compare_digest
_HIGHEST: Final = 2**32 - 1


# ---------------------------------------------------------------- tickets


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
        if not _same(found[_BODY_BYTES:], self._tag(body)):
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


# ---------------------------------------------------------------- ranks


class Ranks:
    """Gives ranks to visitors of one worker, and counts them. For several threads."""

    def __init__(self, tickets: Tickets) -> None:
        self._tickets = tickets
        self._counting = threading.Lock()
        self._opening = 0
        # The next rank of each place; the one that came last is at the end.
        self._next: dict[bytes, int] = {}
        self._new: dict[tuple[int, int], int] = {}
        # The opening that visitors come for, and the best rank of it given here.
        self.first = (0, 0)

    def take(self, opening: int, place: bytes, now: float) -> Ticket:
        """A ticket for a visitor who came at `now` (seconds of the epoch).

        A second ticket is never better than the first: the ranks of a place only grow.
        """
        with self._counting:
            return self._take(opening, place, now)

    def _take(self, opening: int, place: bytes, now: float) -> Ticket:
        if opening != self._opening:
            self._opening, self._next = opening, {}
        least, is_counted = self._least(opening, place, now), True
        rank = max(least, self._next.get(place, 0))
        if rank > least + FARTHEST:
            # A place that asks without end is not counted as a crowd and delays no other visitor.
            rank, is_counted = least + FARTHEST, False
        rank = min(rank, _HIGHEST)
        if opening != self.first[0] or rank < self.first[1]:
            self.first = (opening, rank)
        self._next.pop(place, None)
        self._next[place] = rank + SPACING
        if len(self._next) > PLACES:
            self._next.pop(next(iter(self._next)), None)
        if is_counted:
            key = opening, rank // MILLI
            self._new[key] = self._new.get(key, 0) + 1
        return Ticket(secrets.token_bytes(8), opening, rank)

    def _least(self, opening: int, place: bytes, now: float) -> int:
        if now < opening:
            return self._tickets.draw(opening, place)
        return DRAWN + int((now - opening) * MILLI)

    def counted(self) -> dict[tuple[int, int], int]:
        """Visitors since the last call, by opening and bucket; the counts start again at zero."""
        with self._counting:
            found, self._new = self._new, {}
        return found

    def back(self, counts: Mapping[tuple[int, int], int]) -> None:
        """Take back counts that could not be written, for the next time."""
        with self._counting:
            for key, people in counts.items():
                self._new[key] = self._new.get(key, 0) + people


# ---------------------------------------------------------------- the room


@dataclass(frozen=True)
class Room:
    """What is known of the room at `at` (seconds of the epoch).

    `frontier` is the rank up to which visitors have been let in, `speed` how many thousandths it
    goes on by in a second, `rate` how many visitors that are. `ranks` and `people` are points of
    the crowd behind the frontier: how many there are up to each rank. `crowded`: the room is there
    because of the load, and not of an opening.
    """

    at: float = 0.0
    active: bool = False
    opening: int = 0
    frontier: int = 0
    speed: int = 0
    rate: float = 0.0
    waiting: int = 0
    ranks: Sequence[int] = ()
    people: Sequence[int] = ()
    crowded: bool = False
    # Since when no visitor waits (seconds of the epoch); 0: at least one does.
    empty_since: float = 0.0
    # What the process that lets visitors in has measured: for itself, and for monitoring.
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_body(cls, body: Mapping[str, Any], at: float) -> Room:
        """From a snapshot of `at`. Raises TypeError for what was never written by `body`."""
        return cls(at=at, **body)

    def body(self) -> dict[str, Any]:
        """For the snapshot, which has its own moment."""
        told = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "at"}
        return told | {"ranks": list(self.ranks), "people": list(self.people)}

    def frontier_at(self, now: float) -> int:
        """Up to which rank visitors are let in, at `now`; -1 (none) before the opening."""
        if now < self.opening:
            return -1
        since = now - max(self.at, self.opening)
        if since <= ABANDONED:
            lead = LEAD if self.empty_since > 0 else 0
            return self.frontier + lead + int(self.speed * max(since, 0.0))
        # The process that moved it is gone: the frontier goes on slowly by itself.
        alone = int((since - ABANDONED) * BY_ITSELF)
        return self.frontier + int(self.speed * ABANDONED) + alone

    def lets_in(self, ticket: Ticket, now: float) -> bool:
        return ticket.opening == self.opening and ticket.rank <= self.frontier_at(now)

    def is_counting(self, now: float) -> bool:
        """Whether no rank of a sudden crowd is known yet, so that no ticket lets in."""
        return self.crowded and self.frontier_at(now) <= DRAWN

    def ahead(self, rank: int, frontier: int) -> float:
        """How many visitors stand before a rank, behind the frontier that holds now."""
        return max(self.up_to(rank) - self.up_to(frontier), 0.0)

    def up_to(self, rank: int) -> float:
        """How many visitors stand up to a rank, of those behind the frontier of `at`."""
        ranks, people = self.ranks, self.people
        after = bisect_left(ranks, rank)
        if after == len(ranks):
            return people[-1] if people else 0.0
        low, before = (ranks[after - 1], people[after - 1]) if after else (self.frontier, 0)
        if rank <= low:
            return before
        return before + (people[after] - before) * (rank - low) / (ranks[after] - low)


def look_again(seconds: float) -> int:
    """After how many seconds a visitor who waits `seconds` looks at the page again."""
    return int(min(max(seconds / 4, EACH[0]), EACH[1]))


# ---------------------------------------------------------------- the crowd


@dataclass(frozen=True)
class OpeningCrowd:
    """Visitors of an opening: buckets in order, and how many (about) are in each."""

    buckets: Sequence[int]
    people: Sequence[float]

    def from_bucket(self, bucket: int) -> float:
        """How many stand in a bucket of those that come after the draw, and behind it."""
        here = bisect_left(self.buckets, max(bucket, DRAW))
        return float(sum(self.people[here:]))

    def beginning(self, rank: int) -> OpeningCrowd:
        """The same, without visitors of the bucket of `rank` before that rank."""
        part = (rank // MILLI + 1) * MILLI - rank
        people = [
            count * MILLI / part if bucket == rank // MILLI else count
            for bucket, count in zip(self.buckets, self.people, strict=True)
        ]
        return OpeningCrowd(self.buckets, people)

    def at_least(self, people: float, first: int, last: int) -> OpeningCrowd:
        """The same with no fewer than so many in each bucket after the draw, `first` to `last`."""
        known = dict(zip(self.buckets, self.people, strict=True))
        for bucket in range(max(first, DRAW), last + 1):
            known[bucket] = max(known.get(bucket, 0.0), people)
        return OpeningCrowd(*zip(*sorted(known.items()), strict=True)) if known else self

    def beyond(self, frontier: int) -> float:
        """How many stand behind a frontier; those of its own bucket stand evenly in it."""
        here = bisect_left(self.buckets, frontier // MILLI)
        told = float(sum(self.people[here:]))
        if here < len(self.buckets) and self.buckets[here] == frontier // MILLI:
            told -= self.people[here] * (frontier % MILLI) / MILLI
        return told

    def advance(self, frontier: int, people: float, most: int) -> tuple[int, float]:
        """The frontier once `people` more visitors are in, and how many really were let in.

        It never passes `most`, which it reaches when no visitor stands before it.
        """
        left = people
        here = bisect_left(self.buckets, frontier // MILLI)
        for bucket, there in zip(self.buckets[here:], self.people[here:], strict=True):
            start, end = max(bucket * MILLI, frontier), (bucket + 1) * MILLI
            if start >= most:
                break
            inside = there * (end - start) / MILLI
            end_here = min(end, most)
            wanted = inside * (end_here - start) / (end - start)
            if wanted > left:
                return start + int((end - start) * left / inside), people
            left -= wanted
            frontier = end_here
        return max(frontier, most), people - left

    def shape(self, frontier: int) -> tuple[list[int], list[int]]:
        """At most `POINTS` ranks behind a frontier, and how many people stand up to each."""
        here = bisect_left(self.buckets, frontier // MILLI)
        buckets, counts = list(self.buckets[here:]), list(map(float, self.people[here:]))
        if not buckets:
            return [], []
        if buckets[0] == frontier // MILLI:
            counts[0] *= 1 - (frontier % MILLI) / MILLI
        sums = list(accumulate(counts))
        ranks, people = list[int](), list[int]()
        for number in range(1, POINTS + 1):
            # The same number of people between any two of them.
            place = min(bisect_left(sums, sums[-1] * number / POINTS), len(sums) - 1)
            rank = (buckets[place] + 1) * MILLI
            if not ranks or rank > ranks[-1]:
                ranks.append(rank)
                people.append(round(sums[place]))
        return ranks, people
