"""Values of a campaign's file: each is read, or refused with a sentence that says the remedy."""

from __future__ import annotations

import difflib
import re

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo

from flows.understanding.vocabulary import plain
from services.campaign.campaign import LONGEST_SERVICE, ONE_PLACE, TWO_PLACES, is_service
from services.campaign.toml_lines import Entry

LONGEST_NAME = 40  # the column of a booking that holds it
LONGEST_TITLE = 80
_LATEST_SECOND = 366
_NAME = re.compile(r"\w[\w .-]*")
_GROUP = re.compile(r"[a-z][a-z0-9_-]*")
_INTERVAL = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_MIDNIGHT = 24 * 60
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
# No text is sent and no number rung at night, even if a reminder is late.
_EARLIEST_REMINDER, _LATEST_REMINDER = 8 * 60, 19 * 60
# Words about illness, French and English, without accents. Callers certify a profession or a
# household, never a diagnosis; a false alarm costs the author of the file another name.
_ILLNESS = re.compile(
    r"diab|cancer|tumeur|tumou?r|oncol|leuc[eé]mi|leuk|malad|pathol|disease|illness|sympt"
    r"|asthm|obes|insuffi|cardiaq|cardiac|renal|dialy|hepat|cirrho|pulmon|respirat|bpco|copd"
    r"|immun|greff|transplant|trisom|hiv|hypertens|alzheimer|parkinson|epilep|sclero|mucovis"
    r"|cystic|drepano|sickle|thromb|anemi|allerg|depress|psych|schizo|bipol|dement|demence"
    r"|enceinte|grossesse|pregnan|handicap|disab|invalid|fragil|vulnerab|comorb|chroni|raison|reason"
    r"|patient|risque|\brisks?\b|\bald\b|\bvih\b|\bsida\b|\baids\b|\bill\b|\bsick"
)


@dataclass
class Context:
    """What a part of the file must know of the rest: its zone, the texts that there are."""

    zone: ZoneInfo
    zone_given: bool
    texts: Collection[str] | None
    # Of the campaign itself, as far as it is right.
    minimum_age: int | None = None
    opens_at: datetime | None = None
    closes_at: datetime | None = None


def of_file(info: ValidationInfo) -> Context:
    return cast("Context", info.context)


def numeric(
    lowest: int, highest: int, remedy: str, example: int | None = None, *, alias: str | None = None
) -> Any:
    """An entry that is a number; it is needed where there is an example of what to add."""
    return Field(
        None if example is None else ...,
        alias=alias,
        ge=lowest,
        le=highest,
        description=remedy,
        examples=[example],
    )


def _name(name: object) -> str:
    remedy = f'give 1 to {LONGEST_NAME} letters, digits, spaces, dots and hyphens, as name = "2021"'
    if name is None:
        raise ValueError(f"a campaign needs a name; {remedy}")
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise ValueError(f"{plain_value(name)} cannot be its name; {remedy}")
    return name


def _title(title: object) -> str:
    if isinstance(title, str) and len(title) <= LONGEST_TITLE and title.isprintable():
        return title
    raise ValueError(f"it is no title; write one line of {LONGEST_TITLE} letters or less")


def _moment(value: object, info: ValidationInfo) -> datetime:
    """A moment in UTC: written with its offset, or by the clocks of the campaign's zone."""
    zone, given = of_file(info).zone, of_file(info).zone_given
    if not isinstance(value, datetime):
        raise ValueError(  # noqa: TRY004 (pydantic passes no TypeError on)
            f"{plain_value(value)} is no moment; write day and hour as 2021-01-14T08:00:00+01:00,"
            " without quotes"
        )
    if value.tzinfo is None:
        if not given:
            raise ValueError(
                f"{value.isoformat()} has no zone; write {value.isoformat()}"
                f'{_offset(value.replace(tzinfo=zone))}, or add zone = "{zone.key}"'
            )
        return _local(value, zone)
    shown = value.astimezone(zone)
    # A time in UTC is not mistaken for local time; one written with +01:00 in summer is.
    if given and value.utcoffset() not in {timedelta(0), shown.utcoffset()}:
        raise ValueError(
            f"{value.isoformat()} is {shown:%Y-%m-%d %H:%M} in {zone.key};"
            f" write {value.replace(tzinfo=None).isoformat()} for the time on the clocks there"
            f" or {shown.isoformat()} for this very moment"
        )
    return value.astimezone(UTC)


def _local(value: datetime, zone: ZoneInfo) -> datetime:
    first, second = (value.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    before, after = first.utcoffset(), second.utcoffset()
    if before is None or after is None or before == after:
        return first.astimezone(UTC)
    if before < after:
        real = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
        raise ValueError(
            f"{value.isoformat()} does not exist in {zone.key}, where the clocks skip it;"
            f" write {real.isoformat()}"
        )
    raise ValueError(
        f"{value.isoformat()} comes twice in {zone.key}; write"
        f" {first.isoformat()} or {second.isoformat()}"
    )


def zone_called(name: object) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if isinstance(name, str) else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _zone(value: object) -> str:
    found = zone_called(value)
    if found is None:
        raise ValueError(
            f"{plain_value(value)} is no time zone; write one as Europe/Paris, Indian/Reunion or"
            " America/Martinique, in quotes"
        )
    return found.key


def _day(value: object) -> date:
    if type(value) is date:
        return value
    raise ValueError(f"{plain_value(value)} is no day; write it as 1944-12-31, without quotes")


def _group(value: object) -> str:
    if isinstance(value, str) and len(value) <= LONGEST_NAME:
        # Checked first: an author who writes an illness with a capital should get the real reason.
        if says_illness(value):
            raise ValueError(
                f"{plain_value(value)} speaks of an illness, and no medical reason is asked for or"
                " kept; name who they are, by profession or household, or use an age"
            )
        if _GROUP.fullmatch(value):
            return value
    raise ValueError(
        f"{plain_value(value)} is no name of a group; give 1 to {LONGEST_NAME} small letters"
        " without accents, digits and hyphens, as soignants"
    )


def _interval(text: object) -> tuple[int, int]:
    found = _INTERVAL.fullmatch(text) if isinstance(text, str) else None
    if found:
        hours = [int(part) for part in found.groups()]
        start, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
        if max(hours[1], hours[3]) < 60 and start < end <= _MIDNIGHT:  # noqa: PLR2004
            return start, end
    raise ValueError(
        f'{plain_value(text)} are no hours of one day; write "08:00-12:00", at the latest "…-24:00"'
    )


def _clock(given: object) -> int:
    """A minute after midnight within the hours allowed for reminders. Raises ValueError."""
    found = _CLOCK.fullmatch(given) if isinstance(given, str) else None
    minute = int(found[1]) * 60 + int(found[2]) if found else -1
    if _EARLIEST_REMINDER <= minute <= _LATEST_REMINDER:
        return minute
    raise ValueError(
        f'{plain_value(given)} is no hour of theirs; write one from "08:00" to "19:00", in quotes'
    )


def _second(value: object, info: ValidationInfo) -> tuple[int, int]:
    if (
        not isinstance(value, list)
        or len(value) != 2  # noqa: PLR2004
        or not all(type(days) is int for days in value)
    ):
        raise ValueError(f"{plain_value(value)} are no two numbers of days; write them as [21, 28]")
    least, most = value
    if not 1 <= least <= most <= _LATEST_SECOND:
        raise ValueError(
            f"{plain_value(value)} is no interval; give the least and the most days between the two"
            f" appointments, from 1 to {_LATEST_SECOND}"
        )
    # No doses: not given. Wrong ones are not there at all, and told.
    if info.data.get("doses", 2) in {None, 1}:
        raise ValueError("with one dose there is no second; add doses = 2 or leave this out")
    return least, most


def _texts(given: object, info: ValidationInfo) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise ValueError(f'{plain_value(given)} is no list of names; write ["confirmation"]')
    known = of_file(info).texts
    wrong = []
    for number, name in enumerate(given):
        if known is not None and name not in known:
            sentence = f"{plain_value(name)} is not in [text] of prompts/; {meant(name, known)}"
            wrong.append(((number,), sentence))
        elif name in given[:number]:
            wrong.append(((number,), f"{plain_value(name)} is here twice; leave one out"))
    refuse(wrong)
    return tuple(given)


def _service(value: object) -> str:
    if isinstance(value, str) and is_service(value):
        return value
    raise ValueError(
        f"{plain_value(value)} is no name of a service; give 1 to {LONGEST_SERVICE} small letters"
        " without accents, digits and hyphens, as grippe"
    )


def _together(given: object, info: ValidationInfo) -> tuple[str, ...]:
    if not isinstance(given, list) or not given:
        raise ValueError(f'{plain_value(given)} is no list of services; write ["covid"]')
    names = tuple(map(_service, given))
    own = info.data.get("service")
    if not own:
        raise ValueError('it is of no service itself; add service = "grippe" above')
    if own in names or len(set(names)) < len(names):
        raise ValueError("a service is here twice; name each other one once")
    # No doses: not given. Wrong ones are not there at all, and told.
    if info.data.get("doses") == 2:  # noqa: PLR2004
        raise ValueError("what is done in one appointment has one dose; leave this or doses out")
    return names


def _together_in(value: object, info: ValidationInfo) -> str:
    if value not in {ONE_PLACE, TWO_PLACES}:
        raise ValueError(f'{plain_value(value)} is neither "{ONE_PLACE}" nor "{TWO_PLACES}"')
    if "together" in info.data and not info.data["together"]:
        raise ValueError('nothing is done together; add together = ["covid"] or leave this out')
    return str(value)


Moment = Annotated[datetime, BeforeValidator(_moment)]
Day = Annotated[date, BeforeValidator(_day)]
Interval = Annotated[tuple[int, int], BeforeValidator(_interval)]
Clock = Annotated[int, BeforeValidator(_clock)]
Zone = Annotated[str, BeforeValidator(_zone)]
Name = Annotated[str, BeforeValidator(_name)]
Title = Annotated[str, BeforeValidator(_title)]
Group = Annotated[str, BeforeValidator(_group)]
Second = Annotated[tuple[int, int], BeforeValidator(_second)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]
Service = Annotated[str, BeforeValidator(_service)]
Together = Annotated[tuple[str, ...], BeforeValidator(_together)]
TogetherIn = Annotated[str, BeforeValidator(_together_in)]
EveningCall = Annotated[
    int | None, BeforeValidator(lambda given: None if given is False else _clock(given))
]


def refuse(wrong: Sequence[tuple[Entry, str]]) -> None:
    """Tell of each mistake at its own place below the entry that is validated."""
    if wrong:
        raise ValidationError.from_exception_data(
            "",
            [
                {"type": "value_error", "loc": at, "input": None, "ctx": {"error": sentence}}
                for at, sentence in wrong
            ],
        )


def meant(name: str, known: Iterable[str]) -> str:
    """The remedy for a name that there is not."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def says_illness(name: str) -> bool:
    """Whether the name of a group tells of an illness or another medical reason."""
    return _ILLNESS.search(plain(name)) is not None


def plain_value(value: object) -> str:
    """A value as it may stand in a sentence: short, on one line, nearly as in the file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime | date):
        return value.isoformat()
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    shown = " ".join(shown.split())
    return shown if len(shown) <= LONGEST_NAME else shown[:LONGEST_NAME] + "…"


def _offset(moment: datetime) -> str:
    return moment.isoformat()[-len("+01:00") :]
