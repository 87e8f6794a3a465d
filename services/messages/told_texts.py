"""What a text that left says, found from its words alone: which of the texts, and of which booking.

For a restore: the provider keeps only the words of what was sent (`services.backups.restore`).
"""

from __future__ import annotations

import re

from collections.abc import Mapping
from functools import lru_cache
from zoneinfo import ZoneInfo

from models.booking.changes import BookingDetails
from prompts.catalogue import languages, load
from prompts.values import Part
from services.messages.sms_parts import to_gsm
from services.messages.text_names import PIECE, name_of

# Texts that say when a person is booked, as it stays.
STANDING = frozenset({"confirmation", "already", "restored", "kept", "reminder", "evening"})
# Texts that leave nothing to be done: answers, codes of some minutes, news that stays true.
PASSING = frozenset({"code", "reply", "opening", "turn", "finish", "unfinished"})
# Texts that promise another call to their number.
PROMISING = frozenset({"callback_missed", "callback_late", "callback_consent"})

_LINK = r"(?: https?://\S+)?"
_TEN_DIGITS = re.compile(r"(?<!\d)\d(?: ?\d){9}(?!\d)")
_FORMS = ("written_day_hour", "short_day_hour", "tight_day_hour")


def name_of_words(body: str) -> str:
    """Which of services.messages.texts.NAMES these words are; empty for none of them."""
    return next((name for name, pattern in _patterns() if pattern.fullmatch(body)), "")


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Those with the most letters of their own first: what fits two is the longer one."""
    found = []
    for language in languages():
        catalogue = load(language)
        for key in catalogue.texts:
            if key.startswith(PIECE):
                continue
            parts = catalogue.text_parts(key)
            begins = re.escape(to_gsm(catalogue.text_parts("part_from")[0].text.strip(" :")))
            written = "".join(re.escape(to_gsm(bit.text)) + ".+?" * bool(bit.name) for bit in parts)
            letters = sum(len(bit.text) for bit in parts)
            # A text of an earlier version does not name the service, and begins with a capital.
            whole = f"(?:{begins}[^:]*: )?{written}{_LINK}"
            found.append((letters, name_of(key), re.compile(whole, re.DOTALL | re.IGNORECASE)))
    found.sort(key=lambda one: -one[0])
    return tuple((name, pattern) for _, name, pattern in found)


def references_in(body: str) -> list[str]:
    """Whatever may be a reference in it: runs of ten digits, the number to ring among them."""
    return [found.replace(" ", "") for found in _TEN_DIGITS.findall(body)]


def says_what_is(body: str, name: str, file: BookingDetails, zones: Mapping[str, str]) -> bool:
    """Whether a text of a name of STANDING says of a booking what the store says of it.

    A reminder says one of its appointments, every other text all of them. `zones` are the time
    zones of centres by their ids.
    """
    if name not in STANDING or not file.live:
        return False
    said = []
    for booked in file.live:
        local = booked.start_at.astimezone(ZoneInfo(zones[booked.centre_id]))
        forms = (_written(language, form, local) for language in languages() for form in _FORMS)
        said.append(any(form in body for form in forms))
    return any(said) if name == "reminder" else all(said)


def _written(language: str, form: str, local: object) -> str:
    return to_gsm(load(language).spoken(Part("", "start", form), {"start": local}))
