"""Opening hours as centres wrote them in the official file: free text, one cell a day.

What is read is what can be read without guessing: times in pairs, in rising order, with nothing
around them but words that change nothing. A condition ("à partir du 25/01", "sauf matin du 18"),
overlapping or contradictory times, a missing half: the cell counts as not understood, the raw words
are kept for an agent to read, and the day has no hours.

Editions of 2021 from summer on also tell when people may come without an appointment, behind the
hours for appointments: "8-16h/sans rendez-vous 8-15h". The hours of the day are the first ones.
"""

from __future__ import annotations

import re

from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Final

from partners.motives import plain

Interval = tuple[str, str]

MORNING: Final[Interval] = ("09:00", "12:00")
AFTERNOON: Final[Interval] = ("14:00", "17:00")


class Meaning(Enum):
    """What a cell tells."""

    HOURS = "hours"
    CLOSED = "closed"
    EMPTY = "empty"
    NOT_TOLD = "not told"  # "à préciser", "en attente": the centre does not know yet
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class HoursCell:
    """One cell: local times "HH:MM", in rising order; none unless it means hours."""

    meaning: Meaning
    intervals: tuple[Interval, ...] = ()
    # Some of what the cell says was left out (an interval that ends before it begins).
    partial: bool = False


_CLOSED: Final = {"", "ferme", "fermee", "fermeture", "ferme au public", "centre ferme"}
_OPEN: Final = (
    (re.compile(r"ouverte?"), (MORNING, AFTERNOON)),
    (re.compile(r"ouverte? (?:le )?matin"), (MORNING,)),
    (re.compile(r"ouverte? l?'?apres-midi"), (AFTERNOON,)),
)
_NOT_TOLD = re.compile(
    r"(?:non |a |pas )?(?:re)?(?:precise[rs]?|confirme[rs]?|complete[rs]?|definir|definie?s?)"
    r"(?: a ce jour)?|en (?:cours|attente)\b.*|pas d'horaires reguliers"
)
_APPOINTMENT = re.compile(r"\brendez[- ]?vous\b|\br\. ?d\. ?v\b\.?")
# "Accès sans rendez-vous possible : 11h-14h", "accès libre".
_WALK_IN_WORDS = re.compile(
    r"\b(?:acces|accueil|passage|vaccination) (?=sans rdv)|(?<=sans rdv)(?: possible| ?:)+"
)
_FREE_ACCESS = re.compile(r"\b(?:en )?(?:acces|entree) libre\b")
_EITHER = r"avec (?:et|ou|/) ?sans rdv|avec ?/ ?sans rdv|(?:avec|sans) ou (?:avec|sans) rdv"
# Words that may stand around the times without changing them.
_HARMLESS = re.compile(
    rf"\(?(?<![a-z0-9])(?:{_EITHER}|sur rdv(?: uniquement)?|uniquement sur rdv|sans rdv|avec rdv"
    r"|a confirmer|non[- ]stop|en continu|journee continue|toute la journee|sans interruption"
    r"|de|entre|et|a|puis)\b\)?"
)
# Behind the hours for appointments: those of people who come without one.
_WALK_IN_HOURS = re.compile(r"(?<=\d|h)\s*(?:[/,;.+&(|-]|\bet\b)\s*sans rdv\b(?=\D*\d)")
# Two kinds of hours in another order: which times are whose would be a guess.
_WITH, _WITHOUT = re.compile(r"\bavec rdv\b"), re.compile(r"\bsans rdv\b")
_BETWEEN_TIMES = re.compile(r"\d.*\bsans rdv\b.*\d")
# "9h17h", as against "9h17".
_JOINED = re.compile(r"(?<=\d)h(?=\d{1,2}h)")
_NOON = re.compile(r"(?<!apres)(?<!apres[ -])\bmidi\b")
_MIDNIGHT = re.compile(r"\bminuit\b")
_TIME = re.compile(
    r"""(?<!\d)(?P<hour>\d{1,2})
    (?:
        \s*h+\s*-\s*(?P<dashed>3\d|4\d|5\d|00)(?!\d|\s*[h:.]) |   # "12h-30"
        \s*h+\s*(?P<minute>\d{2})?(?!\d|\s*[h:]) |                # "9h", "9 h 30", "17hh30"
        \s*[:.]\s*(?P<colon>\d{2})(?!\d|\s*[:.]) |                # "09:00", "10: 00", "8.30"
        -(?P<zeros>00)(?!\d|\s*[h:.])                             # "13-00"
    )?
    \s*h?(?!\d)""",
    re.VERBOSE,
)
_BETWEEN = re.compile(r"[\s/,;&+|-]*")
_LAST_MINUTE = 24 * 60


def read_day(cell: str) -> HoursCell:
    """Read the hours of one day. `ouvert` alone means 9 to 12 and 14 to 17 (issue 10.1)."""
    text = _FREE_ACCESS.sub("sans rdv", _APPOINTMENT.sub("rdv", plain(cell)))
    text = _WALK_IN_WORDS.sub("", text)
    if text in _CLOSED:
        return HoursCell(Meaning.CLOSED if text else Meaning.EMPTY)
    for pattern, intervals in _OPEN:
        if pattern.fullmatch(text):
            return HoursCell(Meaning.HOURS, intervals)
    if _NOT_TOLD.fullmatch(text):
        return HoursCell(Meaning.NOT_TOLD)
    text = _JOINED.sub("h ", _MIDNIGHT.sub("24h", _NOON.sub("12h", text)))
    told, *walk_in = _WALK_IN_HOURS.split(text)
    found = _intervals(told)
    others = [_intervals(part.rstrip(" )")) for part in walk_in]
    if found is None or None in others or _says_two(told):
        return HoursCell(Meaning.UNCLEAR)
    kept = [pair for pair in found if pair[0] < pair[1]]
    rising = all(before[1] <= after[0] for before, after in pairwise(kept))
    if not kept or not rising:
        return HoursCell(Meaning.UNCLEAR)
    # A visitor who comes without an appointment may have hours of their own: the words tell them.
    beside = any(not _is_within(pair, kept) for pairs in others for pair in pairs or ())
    hours = tuple((_clock(start), _clock(end)) for start, end in kept)
    return HoursCell(Meaning.HOURS, hours, partial=beside or len(kept) < len(found))


def _says_two(text: str) -> bool:
    """Whether hours with and hours without an appointment are told apart in some other way."""
    alone = re.sub(_EITHER, " ", text)
    return bool((_WITH.search(alone) and _WITHOUT.search(alone)) or _BETWEEN_TIMES.search(alone))


def _is_within(pair: tuple[int, int], kept: list[tuple[int, int]]) -> bool:
    return any(start <= pair[0] and pair[1] <= end for start, end in kept)


def _intervals(text: str) -> list[tuple[int, int]] | None:
    """Pairs of minutes after midnight; None where something else stands in the text."""
    times = _times(_HARMLESS.sub(" ", text))
    if times is None or len(times) % 2:
        return None
    pairs = zip(times[::2], times[1::2], strict=True)
    # A day that ends at 00:00 ends at midnight.
    return [(start, end if end or not start else _LAST_MINUTE) for start, end in pairs]


def _times(text: str) -> list[int] | None:
    """Minutes after midnight of all times, or None where anything else stands in the text."""
    found = []
    end = 0
    for match in _TIME.finditer(text):
        if not _BETWEEN.fullmatch(text, end, match.start()):
            return None
        minute = next(
            (match[name] for name in ("dashed", "minute", "colon", "zeros") if match[name]), "0"
        )
        moment = int(match["hour"]) * 60 + int(minute)
        if int(minute) > 59 or moment > _LAST_MINUTE:  # noqa: PLR2004
            return None
        found.append(moment)
        end = match.end()
    return found if _BETWEEN.fullmatch(text, end) else None


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
