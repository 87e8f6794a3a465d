"""What became of a booking, dose by dose, or why nothing did; as history and texts keep it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from models.booking.changes import BookedAppointment
from models.centres.centres import CentreState
from services.slots.allocate import Channel
from services.slots.give_back import UNDO_WITHIN

FIRST = 1
SECOND = 2
MOST_WHY = 80
# The kind of the case of a person whose kept place is out of reach: an agent asks them.
FAR_PLACE = "far_place"


class Became(StrEnum):
    """What happened to one dose. Words for each are to be found under these keys."""

    CANCELLED = "cancelled"
    CANCELLED_WITH_FIRST = "cancelled_with_first"
    KEPT = "kept"
    KEPT_SECOND_MISSING = "kept_second_missing"
    MOVED = "moved"
    MOVED_WITH_FIRST = "moved_with_first"
    RESTORED = "restored"


class WhyNot(StrEnum):
    """Why nothing was changed."""

    UNKNOWN = "unknown"
    # The dose, or the whole booking, is cancelled already, or was never booked.
    NOT_LIVE = "not_live"
    BEGUN = "begun"
    # It is not what the person who asks has seen: another person changed it meanwhile.
    CHANGED = "changed"
    ALREADY_THERE = "already_there"
    GONE = "gone"
    # The centre takes no person through us, or there is no such slot.
    NOT_OFFERED = "not_offered"
    # The second would not be within the interval of the first.
    INTERVAL = "interval"
    # Between this and what else the person has, there is no time to get from one to the other.
    NO_TIME = "no_time"
    OTHER_CENTRE = "other_centre"
    # The first may move, but no second is free within the interval of its new day.
    NO_SECOND = "no_second"
    OTHER_CAMPAIGN = "other_campaign"
    # Who may come on the day booked is not old enough yet on the new one.
    TOO_YOUNG = "too_young"
    # Restoring: the newest change is no cancellation, or one of too long ago.
    NOT_CANCELLED = "not_cancelled"
    TOO_LATE = "too_late"
    # Restoring: the person has another appointment by now.
    BOOKED_AGAIN = "booked_again"
    # Only an agent cancels for the moment: too many were cancelled by machine.
    FROZEN = "frozen"


@dataclass(frozen=True)
class By:
    """Who changes a booking, through which channel, and why.

    `why` is a word of models.booking.history, or what an operator typed (80 letters, sealed there).
    `key` makes a change happen once: with the same key it is answered as before. `seen` is the
    version of the booking that the person who asks was told about; None when that does not matter.
    """

    who: str
    channel: Channel
    why: str = ""
    key: str = ""
    seen: int | None = None


@dataclass(frozen=True)
class Telling:
    """Whether a person is written to, and after how long; and until when it can be taken back."""

    tell: bool = True
    after: timedelta | None = None
    undo_within: timedelta = UNDO_WITHIN


@dataclass(frozen=True)
class DoseChange:
    """One dose after a change; `start_at` (UTC) is when it is, or would have been.

    Of one that moved, `was_at` (UTC) is when it was before, and `was_centre_id` where; of one whose
    hour and centre are the same as before, None and empty.
    """

    dose: int
    became: Became
    centre_id: str
    start_at: datetime
    was_at: datetime | None = None
    was_centre_id: str = ""
    # Of which services, where these have names; empty: of all that is done there.
    services: tuple[str, ...] = ()


@dataclass(frozen=True)
class Changed:
    """What happened, dose by dose. `message_id` is None where there is no phone to tell.

    `repeated` says that this very change (by its key) was made before, and nothing was done now.
    """

    # In the history; the kind of the message; why it was not done where another was quicker.
    what: ClassVar[str]
    message: ClassVar[str] = "booking_changed"
    meanwhile: ClassVar[WhyNot] = WhyNot.CHANGED

    version: int
    doses: tuple[DoseChange, ...]
    message_id: str | None = None
    repeated: bool = False

    def became(self, dose: int) -> Became | None:
        """What became of a dose; None for one that had been cancelled before."""
        return next((change.became for change in self.doses if change.dose == dose), None)


class Cancelled(Changed):
    """Some or all doses are cancelled."""

    what, message = "cancelled", "booking_cancelled"


class Moved(Changed):
    """One or both doses are elsewhere now."""

    what = "moved"


class Restored(Changed):
    """A cancellation was taken back."""

    what = "restored"
    # Under the lock only the person's own key can stand in the way.
    meanwhile = WhyNot.BOOKED_AGAIN


@dataclass(frozen=True)
class Unchanged:
    """Nothing was changed."""

    why: WhyNot


def dose_change(
    was: BookedAppointment, became: Became, centre_id: str, start_at: datetime
) -> DoseChange:
    """What is told of a dose that is at this centre and moment (UTC) after a change."""
    change = DoseChange(was.dose, became, centre_id, start_at)
    if became is Became.RESTORED or (centre_id, start_at) == (was.centre_id, was.start_at):
        return change
    return replace(change, was_at=was.start_at, was_centre_id=was.centre_id)


def change_to_json(one: DoseChange) -> dict[str, Any]:
    """As the history keeps it."""
    was_at = one.was_at.isoformat() if one.was_at else None
    told = asdict(one) | {"start_at": one.start_at.isoformat(), "was_at": was_at}
    if not one.services:
        del told["services"]
    return told


def change_from_json(fields: Mapping[str, Any]) -> DoseChange:
    was_at = datetime.fromisoformat(fields["was_at"]) if fields["was_at"] else None
    start_at = datetime.fromisoformat(fields["start_at"])
    known = {"became": Became(fields["became"]), "start_at": start_at, "was_at": was_at}
    known["services"] = tuple(fields.get("services", ()))
    return DoseChange(**{**fields, **known})


def dose_for_text(one: DoseChange, where: CentreState) -> dict[str, Any]:
    """What a text about this dose needs; moments carry the centre's own zone."""
    zone = ZoneInfo(where.time_zone)
    return {
        "dose": one.dose,
        "became": one.became,
        "start": one.start_at.astimezone(zone).isoformat(),
        "was": one.was_at.astimezone(zone).isoformat() if one.was_at else None,
        "was_centre_id": one.was_centre_id,
        "time_zone": where.time_zone,
        "centre_id": where.id,
        "name": where.name,
        "street": where.street,
        "postcode": where.postcode,
        "town": where.town,
        **({"services": list(one.services)} if one.services else {}),
    }
