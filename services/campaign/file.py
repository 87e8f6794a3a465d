"""Reads a campaign from a TOML file, and names every mistake in it: file, line, remedy.

Each entry is described in docs/campaigns.md.
"""

from __future__ import annotations

import re
import tomllib

from collections.abc import Collection
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from services.campaign.campaign import ONE_PLACE, BadCampaign, Campaign, Eligible, Reminder
from services.campaign.fields import (
    Clock,
    Context,
    Day,
    EveningCall,
    Group,
    Interval,
    Moment,
    Name,
    Second,
    Service,
    Texts,
    Title,
    Together,
    TogetherIn,
    Zone,
    meant,
    numeric,
    of_file,
    plain_value,
    refuse,
    zone_called,
)
from services.campaign.opening_hours import OpeningHours
from services.campaign.toml_lines import Entry, line_of, lines_of
from services.campaign.words import words_of

_EXAMPLE = "campaigns/demonstration.toml"
_AGE = "it is the age in years on the day of the appointment"
_HOLD = "hold times are at most 20 minutes"
_HOURS = "agents_hours"
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_AT_LINE = re.compile(r"(?P<what>.*?) \(at line (?P<line>\d+), column (?P<column>\d+)\)", re.DOTALL)


def load(path: str | Path, *, texts: Collection[str] | None = None) -> Campaign:
    """Read one file, with the words of its service. Raises BadCampaign with all its mistakes.

    `texts` are the names of written messages that there are; None leaves their names unchecked.
    """
    path = Path(path)
    source, text = parse(path, _EXAMPLE)
    zone = zone_called(source.get("zone")) or ZoneInfo(Campaign.zone)
    try:
        campaign = _CampaignTable.model_validate(
            source, context=Context(zone, "zone" in source, texts)
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


class _Table(BaseModel):
    """A table of the file. `description` of a field: the remedy where it is of another kind."""

    model_config = ConfigDict(extra="forbid", strict=True)

    def given(self) -> dict[str, Any]:
        """What the file says, by the names of our fields."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class _EligibleTable(_Table):
    minimum_age: int = numeric(0, 120, _AGE)
    born_from: Day | None = None
    born_until: Day | None = None
    group: Group = ""
    opens_at: Moment | None = None

    @field_validator("minimum_age")
    @classmethod
    def _adds(cls, age: int, info: ValidationInfo) -> int:
        general = of_file(info).minimum_age
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
        context = of_file(info)
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
    days_before: int = numeric(
        1, 14, "it is how many days before the appointment people are reminded", 2
    )
    at: Clock = Field(None, validate_default=True)
    by_call: bool = Field(
        default=False,
        alias="call",
        description="{} is neither true nor false; write call = true if whoever asked to be rung is"
        " rung then",
    )


_DAY: Any = Field([], description='{} is no list; write ["08:00-12:00", "13:30-18:00"]')


class _HoursTable(_Table):
    zone: Zone | None = None
    calls: Interval = OpeningHours.calls
    monday: list[Interval] = _DAY
    tuesday: list[Interval] = _DAY
    wednesday: list[Interval] = _DAY
    thursday: list[Interval] = _DAY
    friday: list[Interval] = _DAY
    saturday: list[Interval] = _DAY
    sunday: list[Interval] = _DAY

    @field_validator(*_WEEKDAYS)
    @classmethod
    def _in_order(cls, intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
        wrong = []
        for number, (before, one) in enumerate(pairwise(intervals), 1):
            if one[0] < before[1]:
                written = "{:02}:{:02}-{:02}:{:02}".format(*divmod(one[0], 60), *divmod(one[1], 60))
                sentence = f"{written} begins before the interval in front of it ends;"
                wrong.append(((number,), f"{sentence} put them in order, and apart"))
        refuse(wrong)
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

    name: Name = Field(None, validate_default=True)
    title: Title = ""
    zone: Zone = Campaign.zone
    opens_at: Moment | None = None
    closes_at: Moment | None = None
    minimum_age: int = numeric(0, 120, _AGE)
    radius_kilometres: float = numeric(
        1, 1000, "it is how far people are sent, in kilometres as the crow flies", 60
    )
    horizon_days: int = numeric(1, 366, "appointments are given at most a year ahead", 35)
    lead: int = numeric(
        0,
        7 * 24 * 60,
        "it is the time people need to get there, in minutes, a week at most",
        180,
        alias="lead_minutes",
    )
    hold_lease: int = numeric(1, 20, _HOLD, 4, alias="hold_minutes")
    hold_longest: int = numeric(1, 20, _HOLD, 20, alias="hold_minutes_at_most")
    few_places: int = numeric(
        0, 1000, "with fewer free places in reach than this, they are offered one at a time", 12
    )
    doses: int = numeric(1, 2, "a booking has one appointment or two")
    phone_share: int = numeric(
        0,
        100,
        "it is the telephone's part of each centre's places, in percent",
        alias="phone_share_percent",
    )
    phone_share_until: int = numeric(
        0,
        14 * 24,
        "it is how long before their start the telephone's places become everybody's, in hours",
        alias="phone_share_until_hours",
    )
    resume_window: int = numeric(
        1, 60, "a choice is kept an hour at most for whoever rings again", alias="resume_minutes"
    )
    per_number: int = numeric(
        1, 20, "it is how many bookings a telephone number may have before an agent looks at it"
    )
    texts_per_number: int = numeric(
        1,
        50,
        "it is how many reminders and offers a number gets in 24 hours; confirmations do not count",
    )
    waiting_offer: int = numeric(
        1,
        24 * 60,
        "a freed place is kept a day at most for whoever waits for one",
        alias="waiting_offer_minutes",
    )
    between: int = numeric(
        0,
        240,
        "it is the time between the starts of two appointments of one person, in minutes",
        alias="between_minutes",
    )
    travel_minutes: float = numeric(
        0,
        10,
        "it is how much more time lies between two appointments for each kilometre between their"
        " centres, in minutes",
        alias="travel_minutes_per_kilometre",
    )
    second_after_days: Second | None = None
    service: Service = ""
    together: Together = ()
    together_in: TogetherIn = ONE_PLACE
    months_since: int = numeric(
        1, 60, "it is how many months must have passed since a person's last one, by their own word"
    )
    texts: Texts = ()
    text_hours: Interval | None = None
    evening_call: EveningCall = None
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
        opens_at = of_file(info).opens_at
        if opens_at and moment <= opens_at:
            raise ValueError("it closes before it opens; give a later moment")
        return moment

    @field_validator("minimum_age", "opens_at", "closes_at")
    @classmethod
    def _keep(cls, value: Any, info: ValidationInfo) -> Any:
        setattr(of_file(info), str(info.field_name), value)
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
        days = [reminder.days_before for reminder in reminders]
        sentence = "is here twice; one reminder a day is enough, so leave one out"
        refuse(
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
        fields["eligible"] = tuple(Eligible(**rule.given()) for rule in self.eligible)
        if "reminders" in fields:
            fields["reminders"] = tuple(Reminder(**reminder.given()) for reminder in self.reminders)
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
    context = Context(ZoneInfo(Campaign.zone), zone_given=True, texts=None)
    try:
        return _HoursTable.model_validate(table, context=context).hours(Campaign.zone), []
    except ValidationError as wrong:
        errors = wrong.errors(include_url=False)
    told = (_told({**error, "loc": (_HOURS, *error["loc"])}) for error in errors)
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


def _is_table(value: object) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(entry, dict) for entry in value)
    )
