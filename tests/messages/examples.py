"""Every text that leaves, as somebody might get it: for reading, and for the table of the docs.

`python -m tests.messages.examples` writes the table of docs/messages.md anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from prompts.catalogue import Catalogue, load
from services.messages import texts
from services.messages.sms_parts import parts
from services.messages.texts import Dose, MessagePlace, Writer
from tests.support.keeper import ROOT

PAGE = ROOT / "docs" / "messages.md"
BEGIN = "<!-- texts: python -m tests.messages.examples -->"
END = "<!-- end of texts -->"

PARIS = ZoneInfo("Europe/Paris")
REFERENCE = "4521738908"
NUMBER = "+33974750001"
# The longest day and month of the year in letters, at a long hour.
START = datetime(2026, 9, 30, 10, 45, tzinfo=PARIS)
SECOND = datetime(2026, 10, 21, 12, 45, tzinfo=PARIS)
WAS = datetime(2026, 9, 23, 11, 15, tzinfo=PARIS)
SECOND_WAS = datetime(2026, 10, 14, 10, 30, tzinfo=PARIS)
UNTIL = datetime(2026, 9, 23, 16, 30, tzinfo=PARIS)
HALL = MessagePlace("12 rue de la Paix", "Salle des fêtes", "75011", "Paris 11e")
GYM = MessagePlace("30 route de Rennes", "Gymnase Jaurès", "35500", "Vitré")
LINK = "https://allo.example/s/4k0QZr8Wm2TdXb1"
ABOUT: dict[str, Any] = {"reference": REFERENCE, "number": NUMBER}

Made = Callable[[Catalogue], str]


def of_place(where: MessagePlace, other: MessagePlace | None = None) -> Iterator[tuple[str, Made]]:
    """Each text that tells of a place, by its key in `[text]` without its shorter forms.

    `other` is where a second dose is, when the two are apart.
    """
    one = Dose(1, START, where)
    two = Dose(2, SECOND, other or where)
    moved, moved_two = replace(one, was=WAS), replace(two, was=SECOND_WAS)
    apart = replace(moved_two, where=other or replace(where, street=f"{where.street}, aile B"))
    both = (START, SECOND)

    def tell(make: Callable[..., str], *doses: Dose, **more: object) -> Made:
        return lambda catalogue: make(Writer(catalogue, **ABOUT), doses=doses, **more)

    def remind(*starts: datetime, tomorrow: bool = False, which: int | None = None) -> Made:
        return lambda catalogue: texts.reminder(
            Writer(catalogue, **ABOUT),
            starts=starts or (START,),
            where=where,
            tomorrow=tomorrow,
            which=which,
        )

    def book(make: Callable[..., str], starts: Sequence[datetime]) -> Made:
        return lambda catalogue: make(Writer(catalogue, **ABOUT), starts=starts, where=where)

    def offer(starts: Sequence[datetime]) -> Made:
        return lambda catalogue: texts.offer(
            catalogue, starts=starts, where=where, kilometres=4.0, until=UNTIL, number=NUMBER
        )

    yield "confirmation", book(texts.confirmation, (START,))
    yield "confirmation_both", book(texts.confirmation, both)
    yield "already", book(texts.already, (START,))
    yield "already_both", book(texts.already, both)
    yield from _elsewhere(tell, (one, two), (moved_two, apart))
    day = {"kind": "day_closed"}
    yield "changed", tell(texts.moved, moved)
    yield "changed_both", tell(texts.moved, moved, moved_two)
    yield "changed_apart", tell(texts.moved, moved, apart)
    yield "changed_first", tell(texts.moved, moved, two)
    yield "changed_second", tell(texts.moved, one, moved_two)
    part = replace(moved, dose=2, services=("covid",))
    rest = Dose(1, moved.was or START, one.where, services=("grippe",))
    yield "changed_part", tell(texts.moved, rest, part)
    yield from _gone(tell, one, replace(apart, was=None))
    yield "restored", tell(texts.restored, replace(one, became="restored"))
    back, back_two = (replace(each, became="restored") for each in (one, two))
    yield "restored_both", tell(texts.restored, back, back_two)
    yield "restored_second", tell(texts.restored, replace(one, became="kept"), back_two)
    half = replace(one, became="kept", services=("grippe",))
    yield "restored_part", tell(texts.restored, half, replace(back, services=("covid",)))
    yield "closed", tell(texts.moved, moved, **day)
    yield "closed_both", tell(texts.moved, moved, moved_two, **day)
    yield "closed_apart", tell(texts.moved, moved, apart, **day)
    yield "closed_first", tell(texts.moved, moved, two, **day)
    yield "closed_second", tell(texts.moved, one, moved_two, **day)
    yield "kept", tell(texts.kept, one)
    yield "kept_both", tell(texts.kept, one, two)
    yield "reminder", remind()
    yield "reminder_tomorrow", remind(tomorrow=True, which=2)
    same_day = (START, START.replace(hour=12))
    yield "reminder_both", remind(*same_day)
    yield "reminder_tomorrow_both", remind(*same_day, tomorrow=True)
    yield "evening", book(texts.evening, (START,))
    yield "evening_both", book(texts.evening, both)
    yield "offer", offer((START,))
    yield "offer_both", offer(both)


def _gone(tell: Callable[..., Made], one: Dose, apart: Dose) -> Iterator[tuple[str, Made]]:
    """Cancelled: the only appointment, both, at one place or two, or one of them."""
    two = replace(apart, where=one.where)
    gone = replace(one, became="cancelled")
    yield "cancelled", tell(texts.cancelled, gone)
    first = "cancelled_with_first"
    yield "cancelled_both", tell(texts.cancelled, gone, replace(two, became=first))
    yield "cancelled_apart", tell(texts.cancelled, gone, replace(apart, became=first))
    kept = replace(one, became="kept_second_missing")
    yield "cancelled_second", tell(texts.cancelled, kept, replace(two, became="cancelled"))
    half = replace(gone, services=("covid",))
    yield "cancelled_part", tell(texts.cancelled, half, replace(one, became="kept"))
    other = replace(two, became="cancelled", services=("covid",))
    yield "cancelled_one", tell(texts.cancelled, replace(one, became="kept"), other)


def _elsewhere(
    tell: Callable[..., Made], stays: tuple[Dose, Dose], moves: tuple[Dose, Dose]
) -> Iterator[tuple[str, Made]]:
    """Moved to another place, at the same hour: one of two doses, or both."""
    (one, two), (moved_two, apart) = stays, moves
    day = {"kind": "day_closed"}
    there, there_two = (replace(each, was=each.start, elsewhere=True) for each in (one, two))
    yield "changed", tell(texts.moved, there)
    yield "changed_both", tell(texts.moved, there, there_two)
    yield "changed_apart", tell(texts.moved, there, apart)
    yield "changed_first", tell(texts.moved, there, two)
    yield "changed_second", tell(texts.moved, one, replace(moved_two, elsewhere=True))
    yield "closed", tell(texts.moved, there, **day)
    yield "closed_both", tell(texts.moved, there, replace(moved_two, elsewhere=True), **day)
    yield "closed_apart", tell(texts.moved, there, replace(apart, elsewhere=True), **day)
    yield "closed_first", tell(texts.moved, there, two, **day)
    yield "closed_second", tell(texts.moved, one, there_two, **day)
    yield "closed_far", tell(texts.far, there, kind="centre_closed", kilometres=149)
    yield "closed_far_both", tell(texts.far, there, there_two, **day, kilometres=149)


def of_no_place(town: str = "Vitré") -> Iterator[tuple[str, Made]]:
    """The other texts."""
    one, two = Dose(1, START, HALL), Dose(2, SECOND, HALL)

    def tell(make: Callable[..., str], *doses: Dose, **more: object) -> Made:
        return lambda catalogue: make(Writer(catalogue, **ABOUT), doses=doses, **more)

    yield "closed_case", tell(texts.case, one, kind="centre_closed")
    yield "closed_case_both", tell(texts.case, one, two, kind="day_closed")
    for name in ("opening", "turn"):
        yield name, lambda catalogue, name=name: texts.filled(catalogue, name, number=NUMBER)  # type: ignore[misc]
    for name in ("callback_missed", "callback_lost", "callback_late", "callback_consent"):
        yield (
            name,
            lambda catalogue, name=name: texts.filled(  # type: ignore[misc]
                catalogue, name, due=START, number=NUMBER
            ),
        )
    yield (
        "unfinished",
        lambda catalogue: texts.unfinished(catalogue, town=town, until=UNTIL, number=NUMBER),
    )
    yield "finish", lambda catalogue: texts.filled(catalogue, "finish", number=NUMBER, link=LINK)
    yield "code", lambda catalogue: texts.filled(catalogue, "code", number=NUMBER, code="204061")
    for key in sorted(load("fr").texts):
        if key.startswith("reply_"):
            yield key, lambda catalogue, key=key: texts.filled(catalogue, key, number=NUMBER)  # type: ignore[misc]


def table() -> str:
    """Each text of one appointment in French, with the parts that it takes.

    Its beginning is left out; place and number to ring are [lieu] and [numéro]. Where English takes
    other parts, both are told.
    """
    sender, place = "Allo Rendez-vous : ", "Salle des fetes, 12 rue de la Paix, 75011 Paris 11e"
    number = "09 74 75 00 01"
    rows = {}
    for key, make in (*of_place(HALL), *of_no_place()):
        if key.endswith(("_both", "_apart", "_first", "_second", "_part", "_one")):
            continue
        french, english = make(load("fr")), make(load("en"))
        taken = "/".join(dict.fromkeys(str(parts(text)) for text in (french, english)))
        shown = french.removeprefix(sender).replace(place, "[lieu]").replace(number, "[numéro]")
        rows[key] = f"| `{key}` | {taken} | {shown} |"
    return "\n".join(["| text | parts | in French |", "|---|---|---|", *rows.values()])


def in_page(page: str) -> str:
    """The page with the table as it must be."""
    begin, end = page.index(BEGIN), page.index(END)
    return f"{page[:begin]}{BEGIN}\n{table()}\n{page[end:]}"


if __name__ == "__main__":
    path = Path(PAGE)
    path.write_text(in_page(path.read_text("utf-8")), "utf-8")
