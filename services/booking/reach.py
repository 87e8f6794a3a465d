"""Whether a booking may be made without a proof that its number is reached.

A number that a visitor types may be a stranger's. Within small limits
(`services.store.ReachLimits`) it is taken as given, so that nothing changes for an honest visitor;
beyond them it is proved: by a code that is texted to it, or by a call from it. Staff are never
limited, for they look at who asks. Nothing told to a visitor says which limit was reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import Enum, auto
from operator import ge

from models.booking import reach as rows
from models.booking.look_up import Known
from models.booking.reach import Proof
from models.rows import record
from services.letters import bare
from services.slots.allocate import Channel, Holder
from services.work import Work

# Where no person looks at who asks.
_UNAIDED = frozenset({Channel.PHONE, Channel.WEB})
# What is booked for a person of the waiting list is booked from the number that was told of it.
_FROM_ITS_NUMBER = frozenset({Channel.WAITING})
# With these neither a caller's line nor an agent proves the number.
_UNAIDED_PROOFS = frozenset({Proof.NONE, Proof.CODE})
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
    # An agent must look at it.
    TOO_MANY = auto()


@record(frozen=True)
class Asking:
    """What the limits look at of a booking that is asked for. `number` is E.164 or None."""

    holder: Holder
    who: str
    born: date
    postcode: str
    number: str | None
    reach: Reach

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


def place_idx(work: Work, asking: Asking) -> bytes | None:
    """The keyed hash of where a booking without a proof comes from; None for one with a proof."""
    place = asking.reach.place
    if asking.proof is not Proof.NONE or not place:
        return None
    return work.store.vault.index("reach place", place)


def resemblance(work: Work, asking: Asking, name: str | None) -> dict[str, bytes | None]:
    """Keyed hashes by which a booking could resemble others; none where a person was found on it.

    Of a number all but its last two digits: a swindler who makes numbers up makes them in a row.
    """
    if asking.who != CALLER or asking.proof not in _UNAIDED_PROOFS:
        return {}
    vault = work.store.vault
    client = asking.reach.place if asking.holder.channel is Channel.WEB else ""
    return {
        "name_idx": vault.index("cluster name", _letters_of(name)),
        "prefix_idx": vault.index("cluster number", (asking.number or "")[:-2] or None),
        "client_idx": vault.index("cluster address", client or None),
    }


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
    # What strangers booked on a number is none of its owner's.
    live = there.live if proof is Proof.NONE else there.proved
    # A care home has one line for all: there, an agent books.
    return Verdict.TOO_MANY if _has_enough(work, live) else Verdict.FREE


def _has_enough(work: Work, live: Sequence[int]) -> bool:
    """Whether a number has as many bookings as one of the campaigns lets it have."""
    # Of nothing that is known there is no count.
    return any(map(ge, live, [campaign.per_number for campaign in work.campaigns]))


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
    )
    # Who proves to be the owner of the number goes on: `verdict` counts what was proved.
    if _has_enough(work, found.live) or any(
        _is_used_up(count, limit)
        for count, limit in (
            (found.number, limits.per_number),
            (found.born, limits.per_birth_date),
            (found.place, limits.per_address),
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
    )
    if _is_used_up(max(found.place, found.person), limits.without_number) or _is_used_up(
        found.recent, limits.per_birth_date
    ):
        return Verdict.NOT_PROVED
    return Verdict.FREE


def _is_used_up(count: int, limit: int) -> bool:
    return bool(limit) and count >= limit
