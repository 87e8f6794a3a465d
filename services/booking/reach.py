"""Whether a booking may be made without a proof that its number is reached.

A number that a visitor types may be a stranger's. Within small limits
(`services.store.ReachLimits`) it is taken as given, so that nothing changes for an honest visitor;
beyond them it is proved: by a code that is texted to it, or by a call from it. Staff are never
limited, for they look at who asks. Nothing told to a visitor says which limit was reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from enum import Enum, auto
from operator import ge

from models.booking import reach as rows
from models.booking.hourly import AskedAt
from models.booking.look_up import Known
from models.booking.reach import Proof
from models.crypto import Vault
from models.rows import record
from services.letters import bare
from services.slots.allocate import Channel, Holder
from services.work import Work

# Where no person looks at who asks.
_UNAIDED = frozenset({Channel.PHONE, Channel.WEB})
# What is booked for a person of the waiting list is booked from the number that was told of it.
_FROM_ITS_NUMBER = frozenset({Channel.WAITING})
# Of what is booked in an hour without a proof at one centre, this part of its places of a day is
# no sign of a script; nor, without any number, is this part of what is booked there with a proof:
# in a rush withheld lines ring, too.
_OF_A_DAY, _OF_THE_PROVED = 0.1, 0.2
# From so many times what a campaign lets a number have on, its line goes to an agent, who keeps the
# place that was chosen: a care home has one line for all.
_TIMES_ON_ONE_LINE = 3
# Where a birth date is not known, offices write the first of January: many people share it.
_TIMES_ON_NEW_YEARS_DAY = 4
CALLER = "caller"


@record(frozen=True)
class Reach:
    """What is known of how a booking's number is reached.

    `place` is the client address (`services.online.attempts.place_of`) or the line (E.164) that
    asks, empty for none. `is_settled`: the limits were looked at when it was asked for; it is
    booked at a partner by now.
    """

    proof: Proof = Proof.NONE
    place: str = ""
    is_settled: bool = False


NOTHING_KNOWN = Reach()


class Verdict(Enum):
    """What a request without or with a proof may do."""

    FREE = auto()
    # Booked, but its number had a text of another visitor's booking today.
    NO_TEXT = auto()
    # Not before the number is proved.
    NOT_PROVED = auto()
    # Booked on a line that has enough: an agent looks at it afterwards.
    CROWDED = auto()
    # An agent must look at it.
    TOO_MANY = auto()


@record(frozen=True)
class Asking:
    """What the limits look at of a booking that is asked for.

    `number` is E.164 or None; `start` is that of its first appointment (UTC).
    """

    holder: Holder
    who: str
    born: date
    postcode: str
    number: str | None
    reach: Reach
    centre_id: str
    start: datetime

    @property
    def proof(self) -> Proof:
        """What proves the number, by the channel and by who asks where that is enough."""
        if self.who != CALLER:
            return Proof.AGENT
        if self.holder.channel in _FROM_ITS_NUMBER:
            return Proof.LINE
        if self.holder.channel in _UNAIDED:
            return self.reach.proof
        return Proof.AGENT

    @property
    def where(self) -> AskedAt:
        """Where it is asked for, and by which channel."""
        return AskedAt(self.centre_id, self.holder.channel, self.start)

    def resembles(self, vault: Vault, name: str | None) -> dict[str, bytes | None]:
        """Keyed hashes by which it could resemble others; none where an agent looked at it."""
        if self.who != CALLER or self.proof is Proof.AGENT:
            return {}
        is_unproved = self.proof is not Proof.LINE
        client = self.reach.place if self.holder.channel is Channel.WEB else ""
        return {
            "name_idx": vault.index("cluster name", _letters_of(name)) if is_unproved else None,
            "prefix_idx": row_of(vault, self.number),
            "client_idx": vault.index("cluster address", client or None),
            "alike_idx": alike_of(vault, self.born, self.postcode),
        }


def place_idx(work: Work, asking: Asking) -> bytes | None:
    """The keyed hash of where a booking without a proof comes from; None for one with a proof."""
    place = asking.reach.place
    if asking.proof is not Proof.NONE or not place:
        return None
    return work.store.vault.index("reach place", place)


def row_of(vault: Vault, number: str | None) -> bytes | None:
    """The keyed hash of a number (E.164) but for its last two digits.

    A swindler who makes numbers up makes them in a row.
    """
    return vault.index("cluster number", (number or "")[:-2] or None)


def alike_of(vault: Vault, born: date, postcode: str) -> bytes | None:
    """The keyed hash of a birth date with a postcode, which few people share."""
    return vault.index("cluster person", f"{born.isoformat()}|{postcode}")


def _letters_of(name: str | None) -> str | None:
    """A name as it is compared: letters alone, small and without accents."""
    return "".join(letter for letter in bare(name or "") if letter.isalpha()) or None


def verdict(work: Work, asking: Asking, there: Known) -> Verdict:
    """Look at the limits, in the transaction of the booking; `there` is what its number has.

    Where there is no proof, others that ask for the same number, birth date or place wait until
    this transaction ends.
    """
    channel, proof = asking.holder.channel, asking.proof
    is_public = channel in _UNAIDED and asking.who == CALLER
    if not is_public and channel is not Channel.PARTNER:
        return Verdict.FREE
    if is_public and proof is Proof.NONE and not asking.reach.is_settled:
        return _without_number(work, asking) if asking.number is None else _typed(work, asking)
    if asking.number is None:
        return Verdict.FREE
    if is_public and proof is Proof.LINE and _is_one_of_many(work, asking, there):
        return Verdict.NOT_PROVED
    return _of_number(work, proof, there)


def _of_number(work: Work, proof: Proof, there: Known) -> Verdict:
    """By how many bookings its number has."""
    # What strangers booked on a number is none of its owner's.
    live = there.live if proof is Proof.NONE else there.proved
    if not _has_enough(work, live):
        return Verdict.FREE
    if proof is Proof.LINE:
        # A call shows its number, and may lie: some were booked by strangers who showed this one.
        far_more = _has_enough(work, live, times=_TIMES_ON_ONE_LINE)
        return Verdict.NOT_PROVED if far_more else Verdict.CROWDED
    return Verdict.TOO_MANY


def _has_enough(work: Work, live: Sequence[int], *, times: int = 1) -> bool:
    """Whether a number has as many bookings as one of the campaigns lets it have."""
    # Of nothing that is known there is no count.
    return any(map(ge, live, [times * campaign.per_number for campaign in work.campaigns]))


def _is_one_of_many(work: Work, asking: Asking, there: Known) -> bool:
    """Whether a line is one of many in a row, or asks for one of many people who are alike."""
    limits, born = work.store.reach, asking.born
    alike = limits.alike_an_hour
    if (born.month, born.day) == (1, 1):
        alike *= _TIMES_ON_NEW_YEARS_DAY
    return _is_used_up(there.in_a_row, limits.row_an_hour) or _is_used_up(there.alike, alike)


def _typed(work: Work, asking: Asking) -> Verdict:
    limits, vault = work.store.reach, work.store.vault
    phone = vault.index("phone", asking.number)
    born = vault.index("dob", asking.born.isoformat())
    place = place_idx(work, asking)
    found = rows.unproved(
        work.connection,
        work.store.clock,
        campaigns=[campaign.name for campaign in work.campaigns],
        named=bool(work.services),
        phone=phone,
        born=born,
        place=place,
        holder=asking.holder.id,
        where=asking.where,
    )
    # Who proves to be the owner of the number goes on: `verdict` counts what was proved.
    if _has_enough(work, found.live) or any(
        _is_used_up(count, limit)
        for count, limit in (
            (found.number, limits.per_number),
            (found.born, limits.per_birth_date),
            (found.place, limits.per_address),
            (found.hour.unproved, _most(limits.typed_an_hour, found.hour.places * _OF_A_DAY)),
        )
    ):
        return Verdict.NOT_PROVED
    if not (limits.per_number and found.others):
        return Verdict.FREE
    # A caller hears everything, and can be booked without that number.
    return Verdict.NO_TEXT if asking.holder.channel is Channel.WEB else Verdict.NOT_PROVED


def _without_number(work: Work, asking: Asking) -> Verdict:
    limits, vault = work.store.reach, work.store.vault
    born = vault.index("dob", asking.born.isoformat())
    place = place_idx(work, asking)
    found = rows.numberless(
        work.connection,
        work.store.clock,
        campaigns=[campaign.name for campaign in work.campaigns],
        named=bool(work.services),
        born=born,
        postcode=asking.postcode,
        place=place,
        holder=asking.holder.id,
        where=asking.where,
    )
    hour = found.hour
    most = _most(limits.numberless_an_hour, hour.places * _OF_A_DAY, hour.proved * _OF_THE_PROVED)
    if (
        _is_used_up(max(found.place, found.person), limits.without_number)
        or _is_used_up(found.recent, limits.per_birth_date)
        or _is_used_up(hour.unproved, most)
    ):
        return Verdict.NOT_PROVED
    return Verdict.FREE


def _is_used_up(count: int, limit: int) -> bool:
    return bool(limit) and count >= limit


def _most(limit: int, *parts: float) -> int:
    """The largest of a limit of an hour and of these parts; 0 where there is no limit."""
    return max(limit, *map(int, parts)) if limit else 0
