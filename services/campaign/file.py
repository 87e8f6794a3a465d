"""Reads a campaign from a TOML file, and names every mistake in it: file, line, remedy.

Each entry is described in docs/campaigns.md.
"""

from __future__ import annotations

import difflib
import re
import tomllib

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from flows.understanding.vocabulary import plain
from services.campaign.campaign import (
    LONGEST_SERVICE,
    ONE_PLACE,
    TWO_PLACES,
    BadCampaign,
    Campaign,
    Eligible,
    Reminder,
    is_service,
)
from services.campaign.opening_hours import OpeningHours
from services.campaign.toml_lines import Entry, line_of, lines_of
from services.campaign.words import words_of

_EXAMPLE = "campaigns/demonstration.toml"
LONGEST_NAME = 40  # the column of a booking that holds it
LONGEST_TITLE = 80
_LATEST_SECOND = 366
_AGE = "it is the age in years on the day of the appointment"
_HOLD = "hold times are at most 20 minutes"
_HOURS = "agents_hours"
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NAME = re.compile(r"\w[\w .-]*")
_GROUP = re.compile(r"[a-z][a-z0-9_-]*")
_INTERVAL = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_MIDNIGHT = 24 * 60
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
# No text is sent and no number rung at night, even if a reminder is late.
_EARLIEST_REMINDER, _LATEST_REMINDER = 8 * 60, 19 * 60
_AT_LINE = re.compile(r"(?P<what>.*?) \(at line (?P<line>\d+), column (?P<column>\d+)\)", re.DOTALL)
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


def load(path: str | Path, *, texts: Collection[str] | None = None) -> Campaign:
    """Read one file, with the words of its service. Raises BadCampaign with all its mistakes.

    `texts` are the names of written messages that there are; None leaves their names unchecked.
    """
    path = Path(path)
    source, text = parse(path, _EXAMPLE)
    zone = _zone_called(source.get("zone")) or ZoneInfo(Campaign.zone)
    try:
        campaign = _CampaignTable.model_validate(
            source, context=_Context(zone, "zone" in source, texts)
        ).campaign()
        return replace(campaign, all_words=words_of(path))
    except ValidationError as wrong:
        lines = lines_of(text)
        problems = sorted(
            (line_of(lines, entry) or _last_line(source, lines), _labelled(entry, sentence))
            for entry, sentence in map(_told, wrong.errors(include_url=False))
        )
    raise BadCampaign(*(f"{path}, line {line}: {sentence}" for line, sentence in problems))


def line_of_name(path: Path) -> int:
    """The line on which a readable file gives the campaign's name."""
    return line_of_entry(path, "name")


def line_of_entry(path: Path, entry: str) -> int:
    """The line on which a readable file gives an entry; of one that it has not, its name's."""
    lines = lines_of(parse(path, _EXAMPLE)[1])
    return lines.get((entry,)) or lines["name",]


def parse(
    path: Path, example: str, bad: type[Exception] = BadCampaign
) -> tuple[dict[str, Any], str]:
    """What a file of TOML says, and its text. Raises `bad` with one sentence.

    `example` is a file that there is, for who named one that is not there.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise bad(f"{path}: there is no such file; name one, as {example}") from None
    except OSError as error:
        raise bad(
            f"{path}: this file cannot be read ({error.strerror}); it must be a file that the"
            " service may read"
        ) from None
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise bad(f"{path}, line {line}: this is not UTF-8; save it as UTF-8") from None
    try:
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as error:
        raise bad(_not_toml(path, text, str(error))) from None


def _not_toml(path: Path, text: str, message: str) -> str:
    found = _AT_LINE.fullmatch(message)
    if found:
        line, what = int(found["line"]), f"{found['what']} at column {found['column']}"
    else:
        # "… (at end of document)": what was begun last is not ended.
        line, what = text.rstrip("\n").count("\n") + 1, message
    return (
        f"{path}, line {line}: this is not TOML ({what});"
        ' write entry = 12, entry = "words" or entry = 2021-01-14T08:00:00+01:00, each once'
    )


@dataclass
class _Context:
    """What a part of the file must know of the rest: its zone, the texts that there are."""

    zone: ZoneInfo
    zone_given: bool
    texts: Collection[str] | None
    # Of the campaign itself, as far as it is right.
    minimum_age: int | None = None
    opens_at: datetime | None = None
    closes_at: datetime | None = None


def _of_file(info: ValidationInfo) -> _Context:
    return cast("_Context", info.context)


def _number(
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
    zone, given = _of_file(info).zone, _of_file(info).zone_given
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


def _zone_called(name: object) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if isinstance(name, str) else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _zone(value: object) -> str:
    found = _zone_called(value)
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
    known = _of_file(info).texts
    wrong = []
    for number, name in enumerate(given):
        if known is not None and name not in known:
            sentence = f"{plain_value(name)} is not in [text] of prompts/; {meant(name, known)}"
            wrong.append(((number,), sentence))
        elif name in given[:number]:
            wrong.append(((number,), f"{plain_value(name)} is here twice; leave one out"))
    _refuse(wrong)
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


_Moment = Annotated[datetime, BeforeValidator(_moment)]
_Day = Annotated[date, BeforeValidator(_day)]
_Interval = Annotated[tuple[int, int], BeforeValidator(_interval)]
_Clock = Annotated[int, BeforeValidator(_clock)]
_Zone = Annotated[str, BeforeValidator(_zone)]


def _refuse(wrong: Sequence[tuple[Entry, str]]) -> None:
    """Tell of each mistake at its own place below the entry that is validated."""
    if wrong:
        raise ValidationError.from_exception_data(
            "",
            [
                {"type": "value_error", "loc": at, "input": None, "ctx": {"error": sentence}}
                for at, sentence in wrong
            ],
        )


class _Table(BaseModel):
    """A table of the file. `description` of a field: the remedy where it is of another kind."""

    model_config = ConfigDict(extra="forbid", strict=True)

    def given(self) -> dict[str, Any]:
        """What the file says, by the names of our fields."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class _EligibleTable(_Table):
    minimum_age: int = _number(0, 120, _AGE)
    born_from: _Day | None = None
    born_until: _Day | None = None
    group: Annotated[str, BeforeValidator(_group)] = ""
    opens_at: _Moment | None = None

    @field_validator("minimum_age")
    @classmethod
    def _adds(cls, age: int, info: ValidationInfo) -> int:
        general = _of_file(info).minimum_age
        if general is not None and age >= general:
            raise ValueError(
                f"{age} adds nobody to the campaign's minimum_age of {general};"
                " give a lower age, or leave this [[eligible]] out"
            )
        return age

    @field_validator("born_until")
    @classmethod
    def _follows(cls, until: date, info: ValidationInfo) -> date:
        born_from = info.data.get("born_from")
        if born_from and born_from > until:
            raise ValueError(
                f"{until} is before born_from; give the later day here (both are included)"
            )
        return until

    @field_validator("opens_at")
    @classmethod
    def _while_open(cls, moment: datetime, info: ValidationInfo) -> datetime:
        context = _of_file(info)
        if context.opens_at and moment < context.opens_at:
            raise ValueError(
                "it is before the campaign's own opens_at; give a later moment or leave it out"
            )
        if context.closes_at and moment >= context.closes_at:
            raise ValueError("the campaign is closed by then; give an earlier moment")
        return moment

    @model_validator(mode="after")
    def _says_who(self) -> _EligibleTable:
        if not self.model_fields_set - {"opens_at"}:
            raise ValueError(
                "it says not who; add minimum_age, born_from, born_until or group below"
            )
        return self


class _ReminderTable(_Table):
    days_before: int = _number(
        1, 14, "it is how many days before the appointment people are reminded", 2
    )
    at: _Clock = Field(None, validate_default=True)
    by_call: bool = Field(
        default=False,
        alias="call",
        description="{} is neither true nor false; write call = true if whoever asked to be rung is"
        " rung then",
    )


_DAY: Any = Field([], description='{} is no list; write ["08:00-12:00", "13:30-18:00"]')


class _HoursTable(_Table):
    zone: _Zone | None = None
    calls: _Interval = OpeningHours.calls
    monday: list[_Interval] = _DAY
    tuesday: list[_Interval] = _DAY
    wednesday: list[_Interval] = _DAY
    thursday: list[_Interval] = _DAY
    friday: list[_Interval] = _DAY
    saturday: list[_Interval] = _DAY
    sunday: list[_Interval] = _DAY

    @field_validator(*_WEEKDAYS)
    @classmethod
    def _in_order(cls, intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
        wrong = []
        for number, (before, one) in enumerate(pairwise(intervals), 1):
            if one[0] < before[1]:
                written = "{:02}:{:02}-{:02}:{:02}".format(*divmod(one[0], 60), *divmod(one[1], 60))
                sentence = f"{written} begins before the interval in front of it ends;"
                wrong.append(((number,), f"{sentence} put them in order, and apart"))
        _refuse(wrong)
        return intervals

    @model_validator(mode="after")
    def _says_when(self) -> _HoursTable:
        if not self.model_fields_set & set(_WEEKDAYS):
            raise ValueError('no weekday is named; add monday = ["08:00-19:00"] and so on')
        return self

    def hours(self, zone: str) -> OpeningHours:
        """The hours; `zone` (IANA) is the one around, for a table that names none."""
        weekdays = tuple(tuple(getattr(self, day)) for day in _WEEKDAYS)
        return OpeningHours(self.zone or zone, weekdays, self.calls)


class _CampaignTable(_Table):
    """The whole file. An entry that others are compared with stands above them."""

    name: Annotated[str, BeforeValidator(_name)] = Field(None, validate_default=True)
    title: Annotated[str, BeforeValidator(_title)] = ""
    zone: _Zone = Campaign.zone
    opens_at: _Moment | None = None
    closes_at: _Moment | None = None
    minimum_age: int = _number(0, 120, _AGE)
    radius_kilometres: float = _number(
        1, 1000, "it is how far people are sent, in kilometres as the crow flies", 60
    )
    horizon_days: int = _number(1, 366, "appointments are given at most a year ahead", 35)
    lead: int = _number(
        0,
        7 * 24 * 60,
        "it is the time people need to get there, in minutes, a week at most",
        180,
        alias="lead_minutes",
    )
    hold_lease: int = _number(1, 20, _HOLD, 4, alias="hold_minutes")
    hold_longest: int = _number(1, 20, _HOLD, 20, alias="hold_minutes_at_most")
    few_places: int = _number(
        0, 1000, "with fewer free places in reach than this, they are offered one at a time", 12
    )
    doses: int = _number(1, 2, "a booking has one appointment or two")
    phone_share: int = _number(
        0,
        100,
        "it is the telephone's part of each centre's places, in percent",
        alias="phone_share_percent",
    )
    phone_share_until: int = _number(
        0,
        14 * 24,
        "it is how long before their start the telephone's places become everybody's, in hours",
        alias="phone_share_until_hours",
    )
    resume_window: int = _number(
        1, 60, "a choice is kept an hour at most for whoever rings again", alias="resume_minutes"
    )
    per_number: int = _number(
        1, 20, "it is how many bookings a telephone number may have before an agent looks at it"
    )
    texts_per_number: int = _number(
        1,
        50,
        "it is how many reminders and offers a number gets in 24 hours; confirmations do not count",
    )
    waiting_offer: int = _number(
        1,
        24 * 60,
        "a freed place is kept a day at most for whoever waits for one",
        alias="waiting_offer_minutes",
    )
    between: int = _number(
        0,
        240,
        "it is the time between the starts of two appointments of one person, in minutes",
        alias="between_minutes",
    )
    travel_minutes: float = _number(
        0,
        10,
        "it is how much more time lies between two appointments for each kilometre between their"
        " centres, in minutes",
        alias="travel_minutes_per_kilometre",
    )
    second_after_days: Annotated[tuple[int, int], BeforeValidator(_second)] | None = None
    service: Annotated[str, BeforeValidator(_service)] = ""
    together: Annotated[tuple[str, ...], BeforeValidator(_together)] = ()
    together_in: Annotated[str, BeforeValidator(_together_in)] = ONE_PLACE
    months_since: int = _number(
        1, 60, "it is how many months must have passed since a person's last one, by their own word"
    )
    texts: Annotated[tuple[str, ...], BeforeValidator(_texts)] = ()
    text_hours: _Interval | None = None
    evening_call: Annotated[
        int | None, BeforeValidator(lambda given: None if given is False else _clock(given))
    ] = None
    eligible: list[_EligibleTable] = Field(
        [], description="it is no list of tables; begin each with a line [[eligible]]"
    )
    agents_hours: _HoursTable | None = Field(
        None, description="it is no table; begin it with a line [agents_hours]"
    )
    reminders: list[_ReminderTable] = Field(
        [],
        description="it is no list of tables; begin each with a line [[reminders]],"
        " or write reminders = [] for none",
    )

    @field_validator("closes_at")
    @classmethod
    def _after_opening(cls, moment: datetime, info: ValidationInfo) -> datetime:
        opens_at = _of_file(info).opens_at
        if opens_at and moment <= opens_at:
            raise ValueError("it closes before it opens; give a later moment")
        return moment

    @field_validator("minimum_age", "opens_at", "closes_at")
    @classmethod
    def _keep(cls, value: Any, info: ValidationInfo) -> Any:
        setattr(_of_file(info), str(info.field_name), value)
        return value

    @field_validator("hold_longest")
    @classmethod
    def _long_enough(cls, most: int, info: ValidationInfo) -> int:
        if most < info.data.get("hold_lease", 0):
            raise ValueError(
                f"{most} is less than hold_minutes; it is the time in all, so give as much or more"
            )
        return most

    @field_validator("reminders")
    @classmethod
    def _one_a_day(cls, reminders: list[_ReminderTable]) -> list[_ReminderTable]:
        days = [one.days_before for one in reminders]
        sentence = "is here twice; one reminder a day is enough, so leave one out"
        _refuse(
            [
                ((number, "days_before"), f"{day} {sentence}")
                for number, day in enumerate(days)
                if day in days[:number]
            ]
        )
        return reminders

    def campaign(self) -> Campaign:
        # Without an age, everybody may come.
        fields = {"minimum_age": 0, **self.given()}
        for name in fields.keys() & _UNITS.keys():
            fields[name] *= _UNITS[name]
        fields["eligible"] = tuple(Eligible(**one.given()) for one in self.eligible)
        if "reminders" in fields:
            fields["reminders"] = tuple(Reminder(**one.given()) for one in self.reminders)
        if self.agents_hours:
            fields["agents_hours"] = self.agents_hours.hours(self.zone)
        return Campaign(**fields)


# Whose fields are durations, and what one of their numbers is.
_UNITS = {
    "lead": timedelta(minutes=1),
    "hold_lease": timedelta(minutes=1),
    "hold_longest": timedelta(minutes=1),
    "phone_share_until": timedelta(hours=1),
    "resume_window": timedelta(minutes=1),
    "waiting_offer": timedelta(minutes=1),
    "between": timedelta(minutes=1),
}
_TABLES: dict[str, type[_Table]] = {
    "": _CampaignTable,
    "eligible": _EligibleTable,
    "reminders": _ReminderTable,
    _HOURS: _HoursTable,
}


def hours_of(table: dict[str, Any]) -> tuple[OpeningHours | None, list[tuple[Entry, str]]]:
    """The hours that a table like a campaign's agents_hours gives, or None and its mistakes.

    Each mistake with its place below the table.
    """
    context = _Context(ZoneInfo(Campaign.zone), zone_given=True, texts=None)
    try:
        return _HoursTable.model_validate(table, context=context).hours(Campaign.zone), []
    except ValidationError as wrong:
        errors = wrong.errors(include_url=False)
    told = (_told({**one, "loc": (_HOURS, *one["loc"])}) for one in errors)
    return None, [(entry[1:], sentence) for entry, sentence in told]


def entries_of(table: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a table by the names that they have in the file."""
    return {field.alias or name: field for name, field in table.model_fields.items()}


def _told(error: ErrorDetails) -> tuple[Entry, str]:
    """Where a mistake is, and a sentence with its remedy."""
    entry, value = error["loc"], error["input"]
    *path, key = (part for part in entry if isinstance(part, str))
    known = entries_of(_TABLES[path[0] if path else ""])
    kind = error["type"]
    if kind == "value_error":
        return entry, str(error["ctx"]["error"])
    if kind == "extra_forbidden":
        return entry, f"there is no such entry; {meant(key, known)}"
    field = known[key]
    remedy = field.description or ""
    if kind == "missing":
        where = "below" if path else "above"
        example = field.examples[0] if field.examples else ""
        return entry, f"this entry is needed; add {key} = {example} {where} this line: {remedy}"
    if not field.examples:
        return entry, remedy.format(plain_value(value))
    lowest, highest = (
        getattr(limit, name) for limit, name in zip(field.metadata, ("ge", "le"), strict=True)
    )
    if kind in {"greater_than_equal", "less_than_equal"}:
        return entry, f"{value} is not between {lowest} and {highest}; {remedy}"
    number = "number" if kind == "float_type" else "whole number"
    return entry, (
        f"{plain_value(value)} is not a {number}; write one from {lowest} to {highest},"
        f" without quotes: {remedy}"
    )


def _labelled(entry: Entry, sentence: str) -> str:
    return ".".join(key for key in entry if isinstance(key, str)) + f": {sentence}"


def _last_line(source: dict[str, Any], lines: dict[Entry, int]) -> int:
    """The last line on which an entry begins that is in no table: above it, more may stand."""
    tables = [lines[key,] for key, value in source.items() if _is_table(value)]
    above = [
        line
        for entry, line in lines.items()
        if len(entry) == 1 and (not tables or line < min(tables))
    ]
    return max(above, default=1)


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


def _is_table(value: object) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(one, dict) for one in value)
    )


def _offset(moment: datetime) -> str:
    return moment.isoformat()[-len("+01:00") :]
