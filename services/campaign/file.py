"""Reads a campaign from a TOML file, and names every mistake in it: file, line, remedy.

Each entry is described in docs/campaigns.md.
"""

from __future__ import annotations

import difflib
import re
import tomllib
import unicodedata

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.campaign.campaign import (
    REMINDERS,
    AgentsHours,
    BadCampaign,
    Campaign,
    Eligible,
    Reminder,
)
from services.campaign.toml_lines import Entry, lines_of


@dataclass(frozen=True)
class _Number:
    """An entry that is a number, and the field of Campaign that it fills."""

    field: str
    lowest: int
    highest: int
    remedy: str
    example: int
    unit: timedelta | None = None
    needed: bool = False
    whole: bool = True


_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
_AGE = "it is the age in years on the day of the appointment"
_HOLD = "hold times are at most 20 minutes"

_NUMBERS = {
    "minimum_age": _Number("minimum_age", 0, 120, _AGE, 75, needed=True),
    "radius_kilometres": _Number(
        "radius_kilometres",
        1,
        1000,
        "it is how far people are sent, in kilometres as the crow flies",
        100,
        needed=True,
        whole=False,
    ),
    "horizon_days": _Number(
        "horizon_days",
        1,
        366,
        "appointments are given at most a year ahead",
        35,
        needed=True,
    ),
    "lead_minutes": _Number(
        "lead",
        0,
        7 * 24 * 60,
        "it is the time people need to get there, in minutes, a week at most",
        180,
        unit=_MINUTE,
        needed=True,
    ),
    "hold_minutes": _Number("hold_lease", 1, 20, _HOLD, 4, unit=_MINUTE, needed=True),
    "hold_minutes_at_most": _Number("hold_longest", 1, 20, _HOLD, 20, unit=_MINUTE, needed=True),
    "few_places": _Number(
        "few_places",
        0,
        1000,
        "with fewer free places in reach than this, they are offered one at a time",
        12,
        needed=True,
    ),
    "doses": _Number("doses", 1, 2, "a booking has one appointment or two", 1),
    "phone_share_percent": _Number(
        "phone_share",
        0,
        100,
        "it is the telephone's part of each centre's places, in percent",
        40,
    ),
    "phone_share_until_hours": _Number(
        "phone_share_until",
        0,
        14 * 24,
        "it is how long before their start the telephone's places become everybody's, in hours",
        48,
        unit=_HOUR,
    ),
    "resume_minutes": _Number(
        "resume_window",
        1,
        60,
        "a choice is kept an hour at most for whoever rings again",
        10,
        unit=_MINUTE,
    ),
    "per_number": _Number(
        "per_number",
        1,
        20,
        "it is how many bookings a telephone number may have before an agent looks at it",
        2,
    ),
    "texts_per_number": _Number(
        "texts_per_number",
        1,
        50,
        "it is how many reminders and offers a number gets in 24 hours; confirmations do not count",
        6,
    ),
    "waiting_offer_minutes": _Number(
        "waiting_offer",
        1,
        24 * 60,
        "a freed place is kept a day at most for whoever waits for one",
        120,
        unit=_MINUTE,
    ),
}
_TOP = frozenset(
    {
        *_NUMBERS,
        *("name", "title", "zone", "opens_at", "closes_at"),
        *("second_after_days", "eligible", "agents_hours", "texts", "text_hours"),
        *("reminders", "evening_call"),
    }
)
_ELIGIBLE = frozenset({"minimum_age", "born_from", "born_until", "group", "opens_at"})
_REMINDER = frozenset({"days_before", "at", "call"})
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_HOURS = frozenset({"zone", "calls", *_WEEKDAYS})

LONGEST_NAME = 40  # the column of a booking that holds it
LONGEST_TITLE = 80
_LATEST_SECOND = 366
_NAME = re.compile(r"\w[\w .-]*")
_GROUP = re.compile(r"[a-z][a-z0-9_-]*")
_INTERVAL = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_MIDNIGHT = 24 * 60
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
# Nobody is written to or rung at night, however late it gets.
_EARLIEST_REMINDER, _LATEST_REMINDER = 8 * 60, 19 * 60
_MOST_DAYS_BEFORE = 14
_AT_LINE = re.compile(r"(?P<what>.*?) \(at line (?P<line>\d+), column (?P<column>\d+)\)", re.DOTALL)
# Words about illness, French and English, without accents. Whoever books certifies who they are
# (a profession, a household), never why; a false alarm costs the author of the file another name.
_ILLNESS = re.compile(
    r"diab|cancer|tumeur|tumou?r|oncol|leuc[eé]mi|leuk|malad|pathol|disease|illness|sympt"
    r"|asthm|obes|insuffi|cardiaq|cardiac|renal|dialy|hepat|cirrho|pulmon|respirat|bpco|copd"
    r"|immun|greff|transplant|trisom|hiv|hypertens|alzheimer|parkinson|epilep|sclero|mucovis"
    r"|cystic|drepano|sickle|thromb|anemi|allerg|depress|psych|schizo|bipol|dement|demence"
    r"|enceinte|grossesse|pregnan|handicap|disab|invalid|fragil|vulnerab|comorb|chroni|raison|reason"
    r"|patient|risque|\brisks?\b|\bald\b|\bvih\b|\bsida\b|\baids\b|\bill\b|\bsick"
)


def load(path: str | Path, *, texts: Collection[str] | None = None) -> Campaign:
    """Read one file. Raises BadCampaign with all its mistakes.

    `texts` are the names of written messages that there are; None leaves their names unchecked.
    """
    path = Path(path)
    source, text = _parse(path)
    reader = _Reader(path, source, lines_of(text))
    campaign = reader.campaign(texts)
    if campaign is None:
        raise BadCampaign(*reader.sentences())
    return campaign


def line_of_name(path: Path) -> int:
    """The line on which a readable file gives the campaign's name."""
    return lines_of(_parse(path)[1])["name",]


def _parse(path: Path) -> tuple[dict[str, Any], str]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise BadCampaign(
            f"{path}: there is no such file; name one, as campaigns/demonstration.toml"
        ) from None
    except OSError as error:
        raise BadCampaign(
            f"{path}: this file cannot be read ({error.strerror}); it must be a file that the"
            " service may read"
        ) from None
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadCampaign(f"{path}, line {line}: this is not UTF-8; save it as UTF-8") from None
    try:
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as error:
        raise BadCampaign(_not_toml(path, text, str(error))) from None


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


class _Reader:
    def __init__(self, path: Path, source: dict[str, Any], lines: dict[Entry, int]) -> None:
        self._path = path
        self._source = source
        self._lines = lines
        self._problems: list[tuple[int, str]] = []
        self._zone_given = "zone" in source
        self._zone = Campaign.zone

    def sentences(self) -> list[str]:
        """All that is wrong, in the order of the file."""
        return [
            f"{self._path}, line {line}: {sentence}" for line, sentence in sorted(self._problems)
        ]

    def campaign(self, texts: Collection[str] | None) -> Campaign | None:
        """What the file says; None when `sentences` says what is wrong."""
        self._unknown((), self._source, _TOP)
        fields: dict[str, Any] = {"name": self._name()}
        for key in _NUMBERS:
            fields |= self._number(key)
        fields |= self._title()
        # Before the moments, for some are read in it.
        self._zone = self._a_zone(("zone",), self._source.get("zone", Campaign.zone))
        fields["zone"] = self._zone
        for key in ("opens_at", "closes_at"):
            fields[key] = self._moment((key,), self._source.get(key))
        if self._later(fields["opens_at"], fields["closes_at"]):
            self._wrong(("closes_at",), "it closes before it opens; give a later moment")
        fields |= self._second(fields.get("doses"))
        fields["eligible"] = self._all_eligible(fields)
        fields["agents_hours"] = self._agents_hours()
        fields["texts"] = self._texts(texts)
        fields["reminders"] = self._reminders()
        fields["evening_call"] = self._evening_call()
        if "text_hours" in self._source:
            hours = self._interval(("text_hours",), self._source["text_hours"])
            fields |= {"text_hours": hours} if hours else {}
        least, most = fields.get("hold_lease"), fields.get("hold_longest")
        if least and most and least > most:
            self._wrong(
                ("hold_minutes_at_most",),
                f"{_plain(self._source['hold_minutes_at_most'])} is less than hold_minutes;"
                " it is the time in all, so give as much or more",
            )
        return None if self._problems else Campaign(**fields)

    # What is wrong

    def _wrong(self, entry: Entry, sentence: str, *, line: int | None = None) -> None:
        label = ".".join(key for key in entry if isinstance(key, str))
        self._problems.append((line or self._line(entry), f"{label}: {sentence}"))

    def _line(self, entry: Entry) -> int:
        """The line of an entry, or of the nearest thing around it."""
        for length in range(len(entry), 0, -1):
            if entry[:length] in self._lines:
                return self._lines[entry[:length]]
        return self._last_line()

    def _last_line(self) -> int:
        """The last line on which an entry begins that is in no table: above it, more may stand."""
        tables = [self._lines[key,] for key, value in self._source.items() if _is_table(value)]
        lines = [line for entry, line in self._lines.items() if len(entry) == 1]
        above = [line for line in lines if not tables or line < min(tables)]
        return max(above, default=1)

    def _unknown(self, table: Entry, given: dict[str, Any], known: Iterable[str]) -> None:
        known = sorted(known)
        for key in given:
            if key not in known:
                near = difflib.get_close_matches(key, known, 1)
                remedy = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
                self._wrong((*table, key), f"there is no such entry; {remedy}")

    # The kinds of entries

    def _name(self) -> str:
        name = self._source.get("name")
        remedy = (
            f'give 1 to {LONGEST_NAME} letters, digits, spaces, dots and hyphens, as name = "2021"'
        )
        if name is None:
            self._wrong(("name",), f"a campaign needs a name; {remedy}")
        elif not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
            self._wrong(("name",), f"{_plain(name)} cannot be its name; {remedy}")
        return str(name)

    def _title(self) -> dict[str, str]:
        title = self._source.get("title", "")
        if isinstance(title, str) and len(title) <= LONGEST_TITLE and title.isprintable():
            return {"title": title}
        self._wrong(
            ("title",), f"it is no title; write one line of {LONGEST_TITLE} letters or less"
        )
        return {}

    def _number(self, key: str) -> dict[str, Any]:
        """The field and its value; empty where there is none or a wrong one."""
        entry = _NUMBERS[key]
        if key not in self._source:
            if entry.needed:
                self._wrong(
                    (key,),
                    f"this entry is needed; add {key} = {entry.example} above this line:"
                    f" {entry.remedy}",
                    line=self._last_line(),
                )
            return {}
        value = self._in_range(
            (key,), self._source[key], (entry.lowest, entry.highest), entry.remedy, entry.whole
        )
        if value is None:
            return {}
        return {entry.field: value if entry.unit is None else value * entry.unit}

    def _in_range(
        self,
        entry: Entry,
        value: object,
        between: tuple[int, int],
        remedy: str,
        whole: bool = True,  # noqa: FBT001, FBT002
    ) -> int | float | None:
        lowest, highest = between
        kinds, kind = ((int,), "whole number") if whole else ((int, float), "number")
        if isinstance(value, bool) or not isinstance(value, kinds):
            self._wrong(
                entry,
                f"{_plain(value)} is not a {kind}; write one from {lowest} to {highest},"
                f" without quotes: {remedy}",
            )
            return None
        assert isinstance(value, int | float)  # noqa: S101 (for the type checker)
        if not lowest <= value <= highest:
            self._wrong(entry, f"{value} is not between {lowest} and {highest}; {remedy}")
            return None
        return value

    def _a_zone(self, entry: Entry, value: object) -> str:
        try:
            return ZoneInfo(value).key if isinstance(value, str) else self._no_zone(entry, value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return self._no_zone(entry, value)

    def _no_zone(self, entry: Entry, value: object) -> str:
        self._wrong(
            entry,
            f"{_plain(value)} is no time zone; write one as Europe/Paris, Indian/Reunion or"
            " America/Martinique, in quotes",
        )
        return Campaign.zone

    def _moment(self, entry: Entry, value: object) -> datetime | None:
        """A moment in UTC: written with its offset, or by the clocks of the campaign's zone."""
        if value is None:
            return None
        zone = ZoneInfo(self._zone)
        if not isinstance(value, datetime):
            self._wrong(
                entry,
                f"{_plain(value)} is no moment; write day and hour as 2021-01-14T08:00:00+01:00,"
                " without quotes",
            )
            return None
        if value.tzinfo is None:
            if not self._zone_given:
                self._wrong(
                    entry,
                    f"{value.isoformat()} has no zone; write {value.isoformat()}"
                    f'{_offset(value.replace(tzinfo=zone))}, or add zone = "{self._zone}"',
                )
                return None
            return self._local(entry, value, zone)
        shown = value.astimezone(zone)
        # Written in UTC nobody takes it for the time on the clocks; +01:00 in summer they do.
        if self._zone_given and value.utcoffset() not in {timedelta(0), shown.utcoffset()}:
            self._wrong(
                entry,
                f"{value.isoformat()} is {shown:%Y-%m-%d %H:%M} in {self._zone};"
                f" write {value.replace(tzinfo=None).isoformat()} for the time on the clocks there"
                f" or {shown.isoformat()} for this very moment",
            )
            return None
        return value.astimezone(UTC)

    def _local(self, entry: Entry, value: datetime, zone: ZoneInfo) -> datetime | None:
        first, second = (value.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
        before, after = first.utcoffset(), second.utcoffset()
        if before is None or after is None or before == after:
            return first.astimezone(UTC)
        if before < after:
            real = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
            self._wrong(
                entry,
                f"{value.isoformat()} does not exist in {self._zone}, where the clocks skip it;"
                f" write {real.isoformat()}",
            )
        else:
            self._wrong(
                entry,
                f"{value.isoformat()} comes twice in {self._zone}; write"
                f" {first.isoformat()} or {second.isoformat()}",
            )
        return None

    @staticmethod
    def _later(one: datetime | None, other: datetime | None) -> bool:
        return one is not None and other is not None and one >= other

    # Larger parts

    def _second(self, doses: int | None) -> dict[str, tuple[int, int]]:
        entry: Entry = ("second_after_days",)
        value = self._source.get("second_after_days")
        if value is None:
            return {}
        whole = isinstance(value, list) and all(type(days) is int for days in value)
        if not whole or len(value) != 2:  # noqa: PLR2004
            self._wrong(
                entry, f"{_plain(value)} are no two numbers of days; write them as [21, 28]"
            )
            return {}
        least, most = value
        if not 1 <= least <= most <= _LATEST_SECOND:
            self._wrong(
                entry,
                f"{_plain(value)} is no interval; give the least and the most days between the two"
                f" appointments, from 1 to {_LATEST_SECOND}",
            )
        elif doses == 1 or "doses" not in self._source:
            self._wrong(entry, "with one dose there is no second; add doses = 2 or leave this out")
        return {"second_after_days": (least, most)}

    def _all_eligible(self, fields: dict[str, Any]) -> tuple[Eligible, ...]:
        given = self._source.get("eligible", [])
        if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
            self._wrong(
                ("eligible",), "it is no list of tables; begin each with a line [[eligible]]"
            )
            return ()
        found = []
        for number, one in enumerate(given):
            table: Entry = ("eligible", number)
            self._unknown(table, one, _ELIGIBLE)
            eligible = self._eligible(table, one, fields.get("minimum_age"))
            opens_at = eligible.opens_at
            if self._later(fields["opens_at"], opens_at) and opens_at != fields["opens_at"]:
                self._wrong(
                    (*table, "opens_at"),
                    "it is before the campaign's own opens_at; give a later moment or leave it out",
                )
            if self._later(opens_at, fields["closes_at"]):
                self._wrong(
                    (*table, "opens_at"), "the campaign is closed by then; give an earlier moment"
                )
            found.append(eligible)
        return tuple(found)

    def _eligible(self, table: Entry, given: dict[str, Any], general_age: int | None) -> Eligible:
        age = given.get("minimum_age")
        if age is not None:
            age = self._in_range((*table, "minimum_age"), age, (0, 120), _AGE)
            if age is not None and general_age is not None and age >= general_age:
                self._wrong(
                    (*table, "minimum_age"),
                    f"{age} adds nobody to the campaign's minimum_age of {general_age};"
                    " give a lower age, or leave this [[eligible]] out",
                )
        born_from = self._day((*table, "born_from"), given.get("born_from"))
        born_until = self._day((*table, "born_until"), given.get("born_until"))
        if born_from and born_until and born_from > born_until:
            self._wrong(
                (*table, "born_until"),
                f"{born_until} is before born_from; give the later day here (both are included)",
            )
        if not {"minimum_age", "born_from", "born_until", "group"} & set(given):
            self._wrong(
                table, "it says not who; add minimum_age, born_from, born_until or group below"
            )
        return Eligible(
            minimum_age=int(age or 0),
            born_from=born_from,
            born_until=born_until,
            group=self._group((*table, "group"), given.get("group", "")),
            opens_at=self._moment((*table, "opens_at"), given.get("opens_at")),
        )

    def _day(self, entry: Entry, value: object) -> date | None:
        if value is None or type(value) is date:
            return value
        self._wrong(entry, f"{_plain(value)} is no day; write it as 1944-12-31, without quotes")
        return None

    def _group(self, entry: Entry, value: object) -> str:
        if value == "" and self._lines.get(entry) is None:
            return ""
        if not isinstance(value, str) or not value or len(value) > LONGEST_NAME:
            self._wrong(entry, f"{_plain(value)} is no name of a group; {_GROUP_REMEDY}")
        # First, for whoever writes an illness with a capital should learn the real reason.
        elif says_illness(value):
            self._wrong(
                entry,
                f"{_plain(value)} speaks of an illness, and no medical reason is asked for or kept;"
                " name who they are, by profession or household, or use an age",
            )
        elif not _GROUP.fullmatch(value):
            self._wrong(entry, f"{_plain(value)} is no name of a group; {_GROUP_REMEDY}")
        return str(value)

    def _agents_hours(self) -> AgentsHours | None:
        given = self._source.get("agents_hours")
        if given is None:
            return None
        table: Entry = ("agents_hours",)
        if not isinstance(given, dict):
            self._wrong(table, "it is no table; begin it with a line [agents_hours]")
            return None
        self._unknown(table, given, _HOURS)
        weekdays = tuple(self._weekday((*table, day), given.get(day, [])) for day in _WEEKDAYS)
        if not set(given) & set(_WEEKDAYS):
            self._wrong(table, 'no weekday is named; add monday = ["08:00-19:00"] and so on')
        zone = self._a_zone((*table, "zone"), given.get("zone", self._zone))
        calls = "calls" in given and self._interval((*table, "calls"), given["calls"])
        return AgentsHours(zone, weekdays, calls) if calls else AgentsHours(zone, weekdays)

    def _weekday(self, entry: Entry, given: object) -> tuple[tuple[int, int], ...]:
        if not isinstance(given, list):
            self._wrong(entry, f'{_plain(given)} is no list; write ["08:00-12:00", "13:30-18:00"]')
            return ()
        intervals: list[tuple[int, int]] = []
        for number, text in enumerate(given):
            interval = self._interval((*entry, number), text)
            if interval is None:
                continue
            if intervals and interval[0] < intervals[-1][1]:
                self._wrong(
                    (*entry, number),
                    f"{text} begins before the interval in front of it ends;"
                    " put them in order, and apart",
                )
            intervals.append(interval)
        return tuple(intervals)

    def _interval(self, entry: Entry, text: object) -> tuple[int, int] | None:
        found = _INTERVAL.fullmatch(text) if isinstance(text, str) else None
        if found:
            hours = [int(part) for part in found.groups()]
            start, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
            if max(hours[1], hours[3]) < 60 and start < end <= _MIDNIGHT:  # noqa: PLR2004
                return start, end
        self._wrong(
            entry,
            f'{_plain(text)} are no hours of one day; write "08:00-12:00", at the latest "…-24:00"',
        )
        return None

    def _reminders(self) -> tuple[Reminder, ...]:
        given = self._source.get("reminders")
        if given is None:
            return REMINDERS
        if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
            self._wrong(
                ("reminders",),
                "it is no list of tables; begin each with a line [[reminders]],"
                " or write reminders = [] for none",
            )
            return ()
        found: list[Reminder] = []
        for number, one in enumerate(given):
            table: Entry = ("reminders", number)
            self._unknown(table, one, _REMINDER)
            days = self._in_range(
                (*table, "days_before"),
                one.get("days_before"),
                (1, _MOST_DAYS_BEFORE),
                "it is how many days before the appointment people are reminded",
            )
            if days is not None and any(days == other.days_before for other in found):
                self._wrong(
                    (*table, "days_before"),
                    f"{days} is here twice; one reminder a day is enough, so leave one out",
                )
            at = self._clock((*table, "at"), one.get("at"))
            by_call = one.get("call", False)
            if not isinstance(by_call, bool):
                self._wrong(
                    (*table, "call"),
                    f"{_plain(by_call)} is neither true nor false; write call = true if whoever"
                    " asked to be rung is rung then",
                )
            elif days is not None and at is not None:
                found.append(Reminder(int(days), at, by_call=by_call))
        return tuple(found)

    def _evening_call(self) -> int | None:
        if "evening_call" not in self._source:
            return Campaign.evening_call
        given = self._source["evening_call"]
        return None if given is False else self._clock(("evening_call",), given)

    def _clock(self, entry: Entry, given: object) -> int | None:
        """A minute after midnight at which nobody sleeps."""
        found = _CLOCK.fullmatch(given) if isinstance(given, str) else None
        minute = int(found[1]) * 60 + int(found[2]) if found else -1
        if _EARLIEST_REMINDER <= minute <= _LATEST_REMINDER:
            return minute
        self._wrong(
            entry,
            f'{_plain(given)} is no hour of theirs; write one from "08:00" to "19:00", in quotes',
        )
        return None

    def _texts(self, known: Collection[str] | None) -> tuple[str, ...]:
        given = self._source.get("texts", [])
        if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
            self._wrong(("texts",), f'{_plain(given)} is no list of names; write ["confirmation"]')
            return ()
        for number, name in enumerate(given):
            if known is not None and name not in known:
                near = difflib.get_close_matches(name, known, 1)
                remedy = f"did you mean {near[0]}?" if near else f"there are {_listed(known)}"
                self._wrong(
                    ("texts", number), f"{_plain(name)} is not in [text] of prompts/; {remedy}"
                )
            elif name in given[:number]:
                self._wrong(("texts", number), f"{_plain(name)} is here twice; leave one out")
        return tuple(given)


_GROUP_REMEDY = (
    f"give 1 to {LONGEST_NAME} small letters without accents, digits and hyphens, as soignants"
)


def says_illness(name: str) -> bool:
    """Whether the name of a group tells of an illness or another medical reason."""
    plain = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", name.casefold())
        if not unicodedata.combining(letter)
    )
    return _ILLNESS.search(re.sub(r"[\W_]+", " ", plain)) is not None


def _plain(value: object) -> str:
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


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
