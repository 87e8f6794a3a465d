"""What an agent typed, understood or named as wrong. Words for each are below desk.wrong."""

from __future__ import annotations

import re

from dataclasses import dataclass, field
from datetime import date

from pydantic import TypeAdapter
from werkzeug.datastructures import MultiDict

from flows.session import Moving
from flows.understanding import NotUnderstood, date_of_birth
from services.desk.offers import reach
from services.messages.mails import NoAddress, address

MOST_LETTERS = 80
_APART = re.compile(r"[^0-9]+")
_YEAR_DIGITS = 4
_PARTS = 3
_PLACES = re.compile(r"[0-9]{1,15}(?:-[0-9]{1,15})?")
_MOST_SLOTS = 60
_LONGEST_ID = 40


@dataclass
class BookingForm:
    """The booking form as it stands, for the page to show it again. Nothing here is checked."""

    people: str = "1"
    born1: str = ""
    born2: str = ""
    name1: str = ""
    name2: str = ""
    someone_else: str = ""
    place: str = ""
    postcode: str = ""
    number: str = ""
    mail: str = ""
    groups: list[str] = field(default_factory=list)
    # The campaigns that the caller comes for, where several are open.
    wanted: list[str] = field(default_factory=list)
    part: str = ""
    from_day: str = ""
    centre: str = ""
    within: str = ""
    text: str = "1"
    seen: str = ""
    booking_id: str = ""
    moving: str = ""
    # The service of a booking of several that alone is changed.
    of: str = ""
    version: str = ""

    @property
    def two(self) -> bool:
        return self.people == "2" and not self.booking_id

    @property
    def more(self) -> bool:
        """Whether anything beyond the usual was asked for."""
        return bool(self.part or self.from_day or self.centre)


_LISTS = ("groups", "wanted")
_PLAIN = tuple(name for name in BookingForm.__dataclass_fields__ if name not in _LISTS)


def typed(form: MultiDict[str, str]) -> BookingForm:
    """The form as it was sent."""
    values = {name: form.get(name, "").strip()[:MOST_LETTERS] for name in _PLAIN}
    # Farther than the last time.
    values["within"] = form.get("reach", "")[:MOST_LETTERS] or values["within"]
    values["seen"] = form.get("seen", "")[: _MOST_SLOTS * 16]
    groups, wanted = ([value[:MOST_LETTERS] for value in form.getlist(name)] for name in _LISTS)
    return BookingForm(**values, groups=groups, wanted=wanted)


def about(form: MultiDict[str, str]) -> str:
    """The id of the queue entry that a form is about, "" for none."""
    return form.get("entry", "")[:_LONGEST_ID]


# A form as it was kept, in case the agent's page is lost. Fields of a later version are ignored.
DRAFT = TypeAdapter(BookingForm)


@dataclass(frozen=True)
class Understood:
    """What the form means; `wrong` are keys of what does not mean anything, in its order."""

    born: tuple[date, ...] = ()
    number: str = ""
    mail: str = ""
    from_day: date | None = None
    within: float = 0.0
    seen: tuple[int, ...] = ()
    moving: Moving = Moving.NONE
    wrong: tuple[str, ...] = ()


def understand(form: BookingForm, today: date) -> Understood:
    """Read the form; every field is looked at, so that all that is wrong is told at once."""
    wrong: list[str] = []
    dates = [("born1", "born")] + ([("born2", "born_second")] if form.two else [])
    born = []
    for name, key in dates if not form.booking_id else []:
        found = birth(getattr(form, name), today)
        if found is None:
            wrong.append(key)
        else:
            born.append(found)
    number = ""
    if form.number:
        try:
            number, _kind = reach(form.number)
        except NotUnderstood:
            wrong.append("number")
    mail = ""
    if form.mail:
        try:
            mail = address(form.mail)
        except NoAddress:
            wrong.append("mail")
    from_day = None
    if form.from_day:
        try:
            from_day = date.fromisoformat(form.from_day)
        except ValueError:
            wrong.append("from_day")
    return Understood(
        born=tuple(born),
        number=number,
        mail=mail,
        from_day=from_day,
        within=_kilometres(form.within),
        seen=_numbers(form.seen),
        moving=_moving(form),
        wrong=tuple(wrong),
    )


def birth(text: str, today: date) -> date | None:
    """A birth date as people type it: 12031942, 12/03/1942, 12 3 1942, 1942-03-12."""
    parts = [part for part in _APART.split(text) if part]
    if len(parts) == _PARTS:
        if len(parts[0]) == _YEAR_DIGITS:
            parts.reverse()
        text = "".join((parts[0].zfill(2), parts[1].zfill(2), parts[2]))
    try:
        return date_of_birth("".join(_APART.split(text)), today)
    except NotUnderstood:
        return None


def number_of(text: str) -> str:
    """A number in E.164 that we may write to or ring; "" for anything else."""
    try:
        return reach(text)[0] if text else ""
    except NotUnderstood:
        return ""


def places(choice: str) -> tuple[int, ...]:
    """The places of an offer that was chosen; none for anything else."""
    if not _PLACES.fullmatch(choice):
        return ()
    return tuple(int(part) for part in choice.split("-"))


def _moving(form: BookingForm) -> Moving:
    if not form.booking_id:
        return Moving.NONE
    wanted = {moving.value: moving for moving in Moving}.get(form.moving, Moving.NONE)
    return wanted or Moving.FIRST


def _kilometres(text: str) -> float:
    return min(float(text), 20_000.0) if re.fullmatch(r"[0-9]{1,5}(\.[0-9]+)?", text) else 0.0


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split() if re.fullmatch(r"[0-9]{1,15}", word))[
        -_MOST_SLOTS:
    ]
