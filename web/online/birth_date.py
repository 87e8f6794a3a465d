"""A birth date that is given as a proof: one day, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

from flows.understanding import NotUnderstood, checked_date, is_digits
from flows.understanding.dates import dates
from services.online.answers import NotTaken
from services.vocabulary import vocabulary
from web import typed

_LETTERS: Final = 40


def birth_date(form: Mapping[str, str], today: date, language: str) -> date:
    """What stands in three fields, or all of it in the first. Raises NotTaken."""
    found = typed.answers({name: form.get(name, "") for name in ("day", "month", "year")}, _LETTERS)
    day, month, year = found["day"], found["month"], found["year"]
    if not (day or month or year):
        raise NotTaken("day", "date_empty")
    if is_digits(day) and is_digits(month) and is_digits(year):
        try:
            return checked_date(int(year), int(month), int(day), today)
        except NotUnderstood:
            raise NotTaken("day", "date") from None
    readings = dates(f"{day} {month} {year}".strip(), vocabulary(language), today)
    if len(readings) != 1:
        raise NotTaken("day", "date")
    return readings[0]
