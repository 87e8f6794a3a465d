"""The text of a confirmation: one part of GSM-7, and nothing about health."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from models.booking.changes import Address, BookedAppointment
from prompts.catalogue import Catalogue
from services.messages import texts
from services.messages.discreet_place import says_health
from services.messages.sms_parts import ONE_PART, septets, to_gsm
from services.messages.texts import Dose, MessagePlace

__all__ = [
    "ONE_PART",
    "confirmation_text",
    "says_health",
    "septets",
    "text_of_booking",
    "to_gsm",
    "unfinished_text",
]


def confirmation_text(
    catalogue: Catalogue,
    *,
    starts: Sequence[datetime],
    street: str,
    centre_name: str,
    postcode: str,
    town: str,
    reference: str,
    number: str,
    link: str = "",
    asked: bool = False,
) -> str:
    """The confirmation in one part. `starts` are in the centre's own time zone, one each dose."""
    where = MessagePlace(street, centre_name, postcode, town)
    return texts.confirmation(
        catalogue,
        starts=starts,
        where=where,
        reference=reference,
        number=number,
        link=link,
        asked=asked,
    )


def text_of_booking(
    catalogue: Catalogue,
    told: Sequence[BookedAppointment],
    where: Address,
    *,
    reference: str,
    number: str,
    link: str = "",
    asked: bool = False,
) -> str:
    """The same for these appointments of a booking that is kept, all of them at `where`.

    Of those that cannot take place it is told that somebody rings.
    """
    zone = ZoneInfo(where.time_zone)
    off = [one for one in told if where.is_off(blocked=one.blocked)]
    if off:
        address = MessagePlace(where.street, where.name, where.postcode, where.town)
        return texts.case(
            catalogue,
            doses=[Dose(one.dose, one.start_at.astimezone(zone), address) for one in off],
            kind="centre_closed" if where.closed else "",
            reference=reference,
            number=number,
            link=link,
        )
    return confirmation_text(
        catalogue,
        starts=[one.start_at.astimezone(zone) for one in told],
        street=where.street,
        centre_name=where.name,
        postcode=where.postcode,
        town=where.town,
        reference=reference,
        number=number,
        link=link,
        asked=asked,
    )


def unfinished_text(
    catalogue: Catalogue, *, town: str, until: datetime, number: str, link: str = ""
) -> str:
    """What is still to be done, in one part. `until` is in the centre's own time zone."""
    return texts.unfinished(catalogue, town=town, until=until, number=number, link=link)
