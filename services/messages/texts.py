"""Every text that leaves, made from plain data: GSM-7, not what it is for, a number to ring.

A text about an appointment names the place, its street and its town. It is one part where all of
that has room, and never more than two. What is shortened first is what stands behind the name of
the place, then the street; hour, town, reference and the number to ring are never left out. The
words lie in `[text]` of `prompts/`; docs/messages.md shows each.

Moments are aware and in the centre's own time zone; `number` (E.164) is the number to ring.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Self
from zoneinfo import ZoneInfo

from flows.session import Offer
from models.booking.changes import BookedAppointment, BookingDetails
from models.centres.centres import CentreState, centre_states
from models.database import Connection
from models.rows import record
from models.slots.slots import HeldAppointment
from prompts.catalogue import Catalogue
from prompts.values import written_number
from services.letters import bare
from services.messages.discreet_place import discreet
from services.messages.sms_parts import parts, septets, to_gsm
from services.messages.whose import Whose, of_booking
from services.store import Store

FIRST, SECOND = 1, 2
_MOST_PARTS = 2
# Beyond what a text of so many parts may hold, in septets (3GPP TS 23.038).
_ROOM = {1: 160, 2: 306}
# What is left of a street is of no use when it is shorter.
_SHORTEST_STREET = 8


@record(frozen=True)
class MessagePlace:
    """A place as it is known; what of it may be told is found when it is written."""

    street: str
    centre_name: str
    postcode: str
    town: str

    @classmethod
    def of(cls, where: CentreState | HeldAppointment | Offer) -> Self:
        """Where a centre is."""
        return cls(where.street, where.name, where.postcode, where.town)

    @property
    def commune(self) -> str:
        return f"{self.postcode} {self.town}".strip()

    @property
    def name(self) -> str:
        """The name of the place without what is done there; empty where the street has it."""
        # "Centre Air France" is read as a centre of health: its own name is told alone.
        own = self.centre_name.removeprefix("Centre ")
        name = discreet(own if own[:1].isupper() else self.centre_name)
        return "" if bare(name) in bare(self.road) else name

    @property
    def road(self) -> str:
        """The street, likewise."""
        return discreet(self.street)

    @property
    def told(self) -> str:
        """Name and street."""
        return _listed(self.name, self.road)

    @property
    def brief(self) -> MessagePlace:
        """Name, or street, and town: for a place that no person comes to any more."""
        street = "" if discreet(self.centre_name) else self.street
        return MessagePlace(street, self.centre_name, "", self.town or self.postcode)


@dataclass(frozen=True)
class Dose:
    """One appointment after a change. `was`: when it was before it moved; None where it did not.

    `elsewhere`: it was at another place before. `became` is a
    services.booking.change_booking.Became.
    """

    dose: int
    start: datetime
    where: MessagePlace
    was: datetime | None = None
    elsewhere: bool = False
    became: str = ""
    # Of which services this is said; empty: of all that is done there.
    services: tuple[str, ...] = ()

    @classmethod
    def of_payload(cls, told: Mapping[str, Any]) -> Self:
        """From `doses` of a message that `change_booking` or `move_people` has stored."""
        was = told.get("was")
        return cls(
            dose=told["dose"],
            start=datetime.fromisoformat(told["start"]),
            where=MessagePlace(told["street"], told["name"], told["postcode"], told["town"]),
            was=datetime.fromisoformat(was) if was else None,
            elsewhere=(told.get("was_centre_id") or told["centre_id"]) != told["centre_id"],
            became=told.get("became", ""),
            services=tuple(told.get("services", ())),
        )


# ---------------------------------------------------------------- an appointment


def confirmation(writer: Writer, *, starts: Sequence[datetime], where: MessagePlace) -> str:
    """What was booked, one start for each dose, and its link in any case."""
    if writer.mail:
        return evening(writer, starts=starts, where=where)
    both = "_both" if len(starts) > 1 else ""
    brief = f"confirmation_brief{both}"
    return writer.write(
        (f"confirmation{both}", f"confirmation_short{both}", *([brief] if both else [])),
        {"start": starts[0], "second": starts[-1]},
        {"address": where},
        brief=(brief, f"confirmation_tight{both}"),
        linked=True,
    )


def already(writer: Writer, *, starts: Sequence[datetime], where: MessagePlace) -> str:
    """What was booked before, and that nothing else was: for a person who asked for it again."""
    both = "_both" if len(starts) > 1 else ""
    return writer.write(
        (f"already{both}",), {"start": starts[0], "second": starts[-1]}, {"address": where}
    )


def text_of_booking(
    store: Store,
    catalogue: Catalogue,
    told: Sequence[BookedAppointment],
    where: CentreState,
    *,
    reference: str,
    number: str,
    whose: Whose | None = None,
    mail: bool = False,
) -> str:
    """The same for these appointments of a booking that is kept, all of them at `where`.

    Of those that cannot take place it is told that an agent rings.
    """
    link = store.link_of(reference, [booked.start_at for booked in told])
    writer = Writer(catalogue, reference, number, link, whose, mail=mail)
    zone, place = ZoneInfo(where.time_zone), MessagePlace.of(where)
    off = [booked for booked in told if where.is_off(blocked=booked.blocked)]
    if off:
        doses = [Dose(booked.dose, booked.start_at.astimezone(zone), place) for booked in off]
        return case(writer, doses=doses, kind="centre_closed" if where.closed else "")
    starts = [booked.start_at.astimezone(zone) for booked in told]
    return confirmation(writer, starts=starts, where=place)


def text_of_what_comes(
    connection: Connection,
    store: Store,
    file: BookingDetails,
    catalogue: Catalogue,
    number: str,
    *,
    mail: bool = False,
    whose: Whose | None = None,
) -> str:
    """The same for all of a booking that lies ahead; empty where nothing does.

    `whose` is the person that a mail names; a text finds it by its number.
    """
    ahead = file.ahead(store.clock.now())
    if not ahead:
        return ""
    where = centre_states(connection, [ahead[0].centre_id])[ahead[0].centre_id]
    return text_of_booking(
        store,
        catalogue,
        ahead,
        where,
        reference=file.reference,
        number=number,
        whose=whose if mail else of_booking(connection, store, file),
        mail=mail,
    )


def evening(writer: Writer, *, starts: Sequence[datetime], where: MessagePlace) -> str:
    """The same once more, in the evening of the day of booking."""
    key = "evening_both" if len(starts) > 1 else "evening"
    values = {"start": starts[0], "second": starts[-1]}
    return writer.write((key,), values, {"address": where})


def reminder(
    writer: Writer,
    *,
    starts: Sequence[datetime],
    where: MessagePlace,
    tomorrow: bool = False,
    which: int | None = None,
) -> str:
    """An appointment that is near, or several of one day, and their link in any case.

    `which`: the first or the second of two; None for the only one.
    `tomorrow`: it is on the day after the one on which this is read.
    """
    key = "reminder_tomorrow" if tomorrow else "reminder"
    if len(starts) > 1:
        both = {"start": starts[0], "second": starts[-1]}
        keys = (f"{key}_both", f"{key}_both_short")
        return writer.write(keys, both, {"address": where}, linked=True)
    piece = {FIRST: "part_your_first", SECOND: "part_your_second"}.get(which or 0, "part_your")
    values = {"start": starts[0], "which": writer.catalogue.text(piece, {})}
    return writer.write((key, f"{key}_short"), values, {"address": where}, linked=True)


# ---------------------------------------------------------------- what became of it


def moved(
    writer: Writer, *, doses: Sequence[Dose], kind: str | None = None, back: bool = False
) -> str:
    """Moved by the person who comes or, with a `kind`, by us.

    `doses`: all that are live, the moved ones with their `was`. `kind` is a
    centre_day.centre_life.Kind; `back`: to where it was before that. Raises ValueError where none
    has moved.
    """
    gone = [dose for dose in doses if dose.was is not None]
    if not gone:
        raise ValueError("none of these appointments has moved")
    instead = _instead(writer.catalogue, gone)
    given = {**_starts(doses), "instead": instead, "instead_both": instead}
    name = "changed"
    if kind is not None:
        name, given["reason"] = "closed", _reason(writer.catalogue, kind, back=back)
    where = {"address": gone[0].where}
    new = {"address"} if gone[0].elsewhere else set()
    if len(doses) == 1:
        return writer.write((name,), given, where, new=new)
    stays = next((dose for dose in doses if dose.start == gone[0].was and dose.services), None)
    if len(gone) == 1 and stays is not None and kind is None:
        # Out of the appointment in which something else is done still.
        return writer.write(("changed_part",), _starts([gone[0], stays]), where, new=new)
    if len(gone) == 1:
        which = "second" if gone[0] is doses[-1] else "first"
        return writer.write((f"{name}_{which}",), given, where, new=new)
    if gone[0].where == gone[-1].where and gone[0].elsewhere is gone[-1].elsewhere:
        short = (f"{name}_both_short",) if name == "closed" else ()
        return writer.write((f"{name}_both", *short), given, where, new=new)
    where["address2"] = gone[-1].where
    new |= {"address2"} if gone[-1].elsewhere else set()
    return writer.write((f"{name}_apart",), given, where, new=new)


def _instead(catalogue: Catalogue, gone: Sequence[Dose]) -> str:
    """What the hours of these were before they moved, or that they are the same."""
    several = "_both" if len(gone) > 1 else ""
    if all(dose.was == dose.start for dose in gone):
        return catalogue.text(f"part_same_hour{several}", {})
    was = {"was": gone[0].was, "was_second": gone[-1].was}
    return catalogue.text(f"part_instead{several}", was)


def far(writer: Writer, *, doses: Sequence[Dose], kind: str, kilometres: int) -> str:
    """It cannot take place, and the nearest place is kept, out of reach; a person will ring."""
    gone = [dose for dose in doses if dose.was is not None]
    key = "closed_far_both" if len(gone) > 1 else "closed_far"
    given = {"reason": _reason(writer.catalogue, kind, back=False), "away": kilometres}
    return writer.write((key,), {**_starts(gone), **given}, {"address": gone[0].where})


def case(writer: Writer, *, doses: Sequence[Dose], kind: str, gone: Collection[int] = ()) -> str:
    """It cannot take place, and a person will ring. `gone`: which doses; none given: all."""
    told = [dose for dose in doses if dose.dose in gone] or list(doses)
    key = "closed_case_both" if len(told) > 1 else "closed_case"
    reason = _reason(writer.catalogue, kind, back=False)
    return writer.write((key,), {**_starts(told), "reason": reason}, {})


def kept(writer: Writer, *, doses: Sequence[Dose]) -> str:
    """It was to be moved, and stays as it is."""
    key = "kept_both" if len(doses) > 1 else "kept"
    return writer.write((key,), _starts(doses), {"address": doses[0].where})


def cancelled(writer: Writer, *, doses: Sequence[Dose]) -> str:
    """Cancelled, whole or in part; `doses` are all, what became of each in `became`.

    Of two services in one appointment, a part of it goes; in two, one of them.
    """
    gone = [dose for dose in doses if dose.became.startswith("cancelled")] or list(doses)
    stays = [dose for dose in doses if dose not in gone]
    places = {"centre": gone[0].where.brief}
    if stays and gone[0].dose == stays[0].dose:
        return writer.write(("cancelled_part",), _starts(gone), places)
    if stays:
        key = "cancelled_one" if gone[0].services else "cancelled_second"
        return writer.write((key,), _starts([stays[0], gone[-1]]), places)
    if len(gone) == 1:
        return writer.write(("cancelled", "cancelled_short"), _starts(gone), places)
    key = "cancelled_both"
    if gone[0].where != gone[-1].where:
        key, places["centre2"] = "cancelled_apart", gone[-1].where.brief
    return writer.write((key,), _starts(gone), places)


def restored(writer: Writer, *, doses: Sequence[Dose]) -> str:
    """A cancellation was taken back; `doses` are all that are live now."""
    back = [dose for dose in doses if dose.became == "restored"] or list(doses)
    key = "restored_both" if len(back) > 1 else "restored_second"
    if {dose.dose for dose in doses} == {back[0].dose} and len(doses) > 1:
        return writer.write(("restored_part",), _starts(back), {"address": back[0].where})
    if len(doses) == 1:
        key = "restored"
    return writer.write((key,), _starts(doses), {"address": back[0].where})


def _starts(doses: Sequence[Dose]) -> dict[str, Any]:
    """When the first of these appointments is, and the last."""
    return {"start": doses[0].start, "second": doses[-1].start}


def of_change(
    catalogue: Catalogue,
    payload: Mapping[str, Any],
    *,
    number: str,
    link: str = "",
    whose: Whose | None = None,
    mail: bool = False,
) -> str:
    """The text of what services.booking.change_booking and move_people store (`what` says which).

    Raises KeyError for a payload that is none of theirs.
    """
    doses = [Dose.of_payload(dose) for dose in payload["doses"]]
    writer = Writer(catalogue, payload["reference"], number, link, whose, mail=mail)
    match payload["what"]:
        case "cancelled":
            return cancelled(writer, doses=doses)
        case "restored":
            return restored(writer, doses=doses)
        case "case":
            return case(writer, doses=doses, kind=payload["kind"], gone=payload.get("goes", ()))
        case "far":
            away = payload["kilometres"]
            return far(writer, doses=doses, kind=payload["kind"], kilometres=away)
        case "kept":
            return kept(writer, doses=doses)
        case "moved":
            kind = payload["kind"] if "operation" in payload else None
            return moved(writer, doses=doses, kind=kind, back=bool(payload.get("undo")))
    raise KeyError(payload["what"])


# ---------------------------------------------------------------- everything else


def offer(
    catalogue: Catalogue,
    *,
    starts: Sequence[datetime],
    where: MessagePlace,
    kilometres: float,
    until: datetime,
    number: str,
    whose: Whose | None = None,
) -> str:
    """A freed place, one start for each dose, how far it is, and until when it is kept."""
    key = "offer_both" if len(starts) > 1 else "offer"
    values = {"start": starts[0], "second": starts[-1], "until": until, "distance": kilometres}
    return Writer(catalogue, "", number, whose=whose).write((key,), values, {"address": where})


def unfinished(
    catalogue: Catalogue,
    *,
    town: str,
    until: datetime,
    number: str,
    link: str = "",
    whose: Whose | None = None,
) -> str:
    """What is still to be done, and until when the chosen place is kept, in one part.

    For one of a couple it may take two.
    """
    key = "unfinished_link" if link else "unfinished"

    def written(where: str) -> str:
        return filled(
            catalogue, key, number=number, whose=whose, town=where, until=until, link=link
        )

    text = written(town)
    if parts(text) <= (1 if whose is None else _MOST_PARTS):
        return text
    return written(_shortened(town, septets(text) - _ROOM[1]))


def filled(
    catalogue: Catalogue, key: str, *, number: str, whose: Whose | None = None, **values: Any
) -> str:
    """A text about no place, by its key: "finish", "reply_stop", "callback_late", a News.

    Its `values` are `link` for "finish", `code` for "code" and, about a promise to ring back,
    `due`: when the next call is made, by the clock of the person who is rung.
    """
    words = catalogue.text(key, {**values, "number": written_number(number)})
    return to_gsm(signed(catalogue, words, whose))


def signed(catalogue: Catalogue, words: str, whose: Whose | None = None) -> str:
    """A text begins with the service, and with whose it is where several people share a telephone.

    A sentence goes on there with a small letter; "RDV" stays as it is.
    """
    if not words[1:2].isupper():
        words = words[0].lower() + words[1:]
    if whose is not None:
        return whose.signed(catalogue, words)
    return catalogue.text("part_from", {"text": words})


# ---------------------------------------------------------------- how


def _reason(catalogue: Catalogue, kind: str, *, back: bool) -> str:
    key = f"part_{kind}"
    if back:
        key = "part_back_again"
    elif key not in catalogue.texts:
        key = "part_other_reason"
    return catalogue.text(key, {})


@dataclass(frozen=True)
class _Address:
    """What is told of a place; it grows shorter where a text has no room for it."""

    name: str
    street: str
    commune: str
    # The commune without its postcode.
    town: str

    @cached_property
    def whole(self) -> str:
        return _listed(self.name, self.street, self.commune)

    @cached_property
    def brief(self) -> str:
        return _listed(self.name, self.street, self.town)


def _listed(*told: str) -> str:
    return ", ".join(part for part in told if part)


def _address(catalogue: Catalogue, where: MessagePlace) -> _Address:
    name, street, commune = where.name, where.road, where.commune
    town = where.town or commune
    if where.postcode and not (name or street):
        commune, town = (
            catalogue.text("part_address", {"commune": name}) for name in (commune, town)
        )
    return _Address(name, street, commune, town)


class Writer:
    """Writes texts about one booking, in the language of the catalogue.

    `number` (E.164) is the one to ring. `link` stands at the end of those that have no more parts
    with it. `whose`: the person is one of several on a telephone. `mail`: in their
    longest form, with every letter, and neither signed nor with a link, which stand around them.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        reference: str,
        number: str,
        link: str = "",
        whose: Whose | None = None,
        *,
        mail: bool = False,
    ) -> None:
        self.catalogue, self.whose, self.mail = catalogue, whose, mail
        self.link = f" {to_gsm(link)}" if link else ""
        self._values = {"reference": reference, "number": written_number(number)}

    def write(
        self,
        keys: Sequence[str],
        values: Mapping[str, Any],
        places: Mapping[str, MessagePlace],
        *,
        brief: Sequence[str] = (),
        linked: bool = False,
        new: Collection[str] = (),
    ) -> str:
        """The first form that is one part; else the first that is two.

        With the link where that takes no more of them, for which there are `brief` forms, too;
        `linked`: in any case. Of a `new` one of the `places` it is said that it is another one.
        Where no form fits, the last has its days in figures, then its places are cut.
        """
        addresses = {name: _address(self.catalogue, where) for name, where in places.items()}
        if self.mail:
            return self._filled(keys[0], values, addresses, new)
        # The first form mostly has room: the others are written when they are needed.
        written: dict[str, str] = {}
        forms = [(key, self.link) for key in (*keys, *brief)] if self.link else []
        if not (linked and self.link):
            forms += [(key, "") for key in keys]
        for few in range(1, _MOST_PARTS + 1):
            for key, link in forms:
                if key not in written:
                    written[key] = self._filled(key, values, addresses, new)
                text = written[key] + link
                if parts(text) <= few:
                    return text
        last, link = forms[-1]
        text = self._filled(last, values, addresses, new, short_days=True) + link
        while addresses and parts(text) > _MOST_PARTS:
            # An escape that would stand astride two parts leaves a septet of the first unused.
            too_many = max(1, septets(text) - _ROOM[_MOST_PARTS])
            if not _cut(addresses, too_many):
                break
            text = self._filled(last, values, addresses, new, short_days=True) + link
        return text

    def _filled(
        self,
        key: str,
        values: Mapping[str, Any],
        addresses: Mapping[str, _Address],
        new: Collection[str],
        *,
        short_days: bool = False,
    ) -> str:
        told = {name: address.whole for name, address in addresses.items()}
        for name in new:
            told[name] = self.catalogue.text("part_new_place", {"address": told[name]})
        if "address" in addresses:
            told["place"] = addresses["address"].brief
        filled = {**self._values, **values, **told}
        words = self.catalogue.text(key, filled, short_days=short_days)
        if self.whose is not None or not self.mail:
            words = signed(self.catalogue, words, self.whose)
        return words if self.mail else to_gsm(words)


def _cut(addresses: dict[str, _Address], too_many: int) -> bool:
    """Shorten the longest of the places; False when nothing is left of any.

    What stands behind a comma of its name goes first, then its postcode, its street, the end of its
    name, and its town at last.
    """
    at, longest = max(addresses.items(), key=lambda one: len(one[1].whole))
    name, street, commune = longest.name, longest.street, longest.commune
    if ", " in name:
        name = name.rpartition(", ")[0]
    elif commune != longest.town:
        commune = longest.town
    elif street:
        shorter = _shortened(street, too_many)
        street = shorter if len(shorter) >= _SHORTEST_STREET else ""
    elif name:
        name = _shortened(name, too_many)
    elif commune:
        commune = _shortened(commune, too_many)
    else:
        return False
    addresses[at] = _Address(name, street, commune, commune)
    return True


def _shortened(place: str, too_many: int) -> str:
    """The beginning of a place in GSM-7, so many septets shorter, in whole words.

    Half a word may be another one: "Ch" of "Chirac" is a hospital.
    """
    place = to_gsm(place)
    room = septets(place) - too_many
    letters = place
    while letters and septets(letters) > room:
        letters = letters[:-1]
    if letters and place[len(letters) : len(letters) + 1].isalnum() and " " in letters:
        letters = letters[: letters.rindex(" ")]
    return letters.rstrip(" ,.-(")
