"""What answers mean: here digits as they are typed, in the modules words as they are recognised.

Every function gives a value, or the reason why there is none.

Reasons are keys of `prompts/` below `reason.`.
"""

from __future__ import annotations

import re

from collections.abc import Iterable
from datetime import date
from functools import cache
from zoneinfo import ZoneInfo

import phonenumbers

from flows.session import CallerKind

# What "today" means to a caller, and the hour at which a campaign opens.
COUNTRY_ZONE = ZoneInfo("Europe/Paris")
# No person in France has reached 123; the call script refuses beyond 120.
OLDEST_AGE = 120
# No person who was born earlier lives, whatever the day.
FIRST_BIRTH_YEAR = 1900
_DIGITS = re.compile(r"[0-9]+")
# As dialled in France and in its overseas départements, or international.
_NUMBER = re.compile(r"[0-9]{10}|(?:\+|00)[0-9]+")
# As dialled in the region that it is of.
_NATIONAL = re.compile(r"0[1-9][0-9]{8}")
_DATE_LENGTHS = (6, 8)
# France writes its overseas numbers like its own, but they belong to regions of their own.
# France comes last, for its own plan takes some of theirs (0269, 0596) for mainland numbers.
REGIONS = ("RE", "GP", "GF", "MQ", "YT", "PM", "BL", "MF", "NC", "PF", "WF", "FR")
_MOBILES = frozenset(
    {phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE}
)
# Numbers that cost no more than an ordinary call: no premium (089), shared (081, 082) or free
# numbers.
_ORDINARY = _MOBILES | {
    phonenumbers.PhoneNumberType.FIXED_LINE,
    phonenumbers.PhoneNumberType.VOIP,
}


# Regions beside REGIONS whose ordinary numbers are served, by the operator's wish.
_also_served: set[str] = set()


def serve_also(regions: Iterable[str]) -> None:
    """Take ordinary numbers of these regions (ISO 3166, "BE"), too; said once, at the start."""
    _also_served.clear()
    _also_served.update(regions)


class NotUnderstood(Exception):
    """The answer has no one meaning; `reason` says why, in words of `prompts/`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def is_digits(typed: str) -> bool:
    """ASCII digits only: the telephone has no others, whatever `str.isdigit` thinks."""
    return _DIGITS.fullmatch(typed) is not None


def number(typed: str, most_digits: int) -> int:
    """A whole number of at most so many digits, or -1, which nothing that is asked for can be."""
    return int(typed) if is_digits(typed) and len(typed) <= most_digits else -1


def date_of_birth(typed: str, today: date) -> date:
    """Eight digits DDMMYYYY, or six DDMMYY where only one century is possible.

    Raises NotUnderstood: incomplete, century (two are possible), no_such_date, future, too_old.
    """
    if not is_digits(typed) or len(typed) not in _DATE_LENGTHS:
        raise NotUnderstood("date_incomplete")
    day, month, year = int(typed[:2]), int(typed[2:4]), int(typed[4:])
    if len(typed) == max(_DATE_LENGTHS):
        return checked_date(year, month, day, today)
    possible = []
    refusal = NotUnderstood("no_such_date")
    for century in (1900, 2000):
        try:
            possible.append(checked_date(century + year, month, day, today))
        except NotUnderstood as reason:
            refusal = reason
    if len(possible) > 1:
        raise NotUnderstood("century")
    if not possible:
        raise refusal
    return possible[0]


def checked_date(year: int, month: int, day: int, today: date, *, living: bool = True) -> date:
    """A day on which a living person can be born. Raises NotUnderstood.

    `living` False: any day since 1900, for what was said is understood before it is judged.
    """
    try:
        born = date(year, month, day)
    except (ValueError, OverflowError):
        raise NotUnderstood("no_such_date") from None
    if born > today:
        raise NotUnderstood("future")
    if year < FIRST_BIRTH_YEAR or (living and birthday(born, OLDEST_AGE + 1) <= today):
        raise NotUnderstood("too_old")
    return born


def birthday(born: date, age: int) -> date:
    """The day on which that age is reached; 29 February counts on 1 March in other years."""
    try:
        return born.replace(year=born.year + age)
    except ValueError:
        return date(born.year + age, 3, 1)


def _may_be_of(region: str, national: str) -> bool:
    """Whether a number as it is dialled within a country may be one of this region.

    Where its pattern does not match, with the 0 in front or without, `is_valid_number` says no. To
    ask that of twelve regions takes ten times as long.
    """
    pattern = _pattern_of(region)
    return bool(pattern.fullmatch(national[1:]) or pattern.fullmatch(national))


@cache
def _pattern_of(region: str) -> re.Pattern[str]:
    """What every number of a region is like, without what is dialled in front of it."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    every = metadata.general_desc if metadata else None
    # Of a region that is not described, any number may be.
    return re.compile((every and every.national_number_pattern) or "[0-9]+")


def telephone(typed: str) -> tuple[str, CallerKind]:
    """A French number, mainland or overseas, as E.164 and what it can be used for.

    Or one of a region that is served as well, in international form.

    Raises NotUnderstood: number_incomplete, or number_unusable (foreign, short, premium).
    """
    if not _NUMBER.fullmatch(typed):
        raise NotUnderstood("number_incomplete")
    # An international number says itself where it belongs.
    regions: Iterable[str] = REGIONS if is_digits(typed) else REGIONS[-1:]
    if _NATIONAL.fullmatch(typed):
        regions = (region for region in regions if _may_be_of(region, typed))
    for region in regions:
        try:
            parsed = phonenumbers.parse(typed, region)
        except phonenumbers.NumberParseException:
            continue
        if not phonenumbers.is_valid_number(parsed):
            continue
        if phonenumbers.region_code_for_number(parsed) not in {*REGIONS, *_also_served}:
            continue
        kind = phonenumbers.number_type(parsed)
        if kind not in _ORDINARY:
            raise NotUnderstood("number_unusable")
        e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
        return e164, CallerKind.MOBILE if kind in _MOBILES else CallerKind.LANDLINE
    raise NotUnderstood("number_incomplete" if is_digits(typed) else "number_unusable")
