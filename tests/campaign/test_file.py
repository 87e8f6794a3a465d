"""A campaign file says what it means, and each mistake in it names its line and a remedy."""

from __future__ import annotations

import re
import tomllib

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.campaign import file
from services.campaign.campaign import REMINDERS, BadCampaign, Eligible, Reminder
from services.campaign.fields import says_illness
from services.campaign.file import entries_of, load
from services.campaign.opening_hours import OpeningHours
from services.campaign.toml_lines import Entry, lines_of
from services.messages.text_names import text_names
from tests.campaign.files import DEMONSTRATION, EXAMPLE, small
from tests.support.keeper import ROOT

GOOD = EXAMPLE.read_text("utf-8")
TEXTS = text_names("fr")


@pytest.fixture
def problems(tmp_path: Path):
    """What is wrong with a text, without the name of its file."""

    def of(text: str | bytes) -> list[str]:
        path = tmp_path / "x.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(BadCampaign) as refusal:
            load(path, texts=TEXTS)
        assert str(refusal.value) == "\n".join(refusal.value.problems)
        for problem in refusal.value.problems:
            assert problem.startswith(f"{path}, line ")
            assert "\n" not in problem
        return [problem.removeprefix(f"{path}, ") for problem in refusal.value.problems]

    return of


# Each mistake: what stands in the good file, what stands there instead, what is
# said of it, and the remedy (or how it begins).
MISTAKES = [
    (
        "days_before = 1\n",
        "days_before = 2\n",
        "reminders.days_before: 2 is here twice",
        "one reminder a day is enough, so leave one out",
    ),
    (
        "days_before = 1\n",
        "days_before = 15\n",
        "reminders.days_before: 15 is not between 1 and 14",
        "it is how many days before the appointment people are reminded",
    ),
    (
        'at = "09:00"',
        'at = "9:00"',
        'reminders.at: "9:00" is no hour of theirs',
        'write one from "08:00" to "19:00", in quotes',
    ),
    (
        'evening_call = "18:00"',
        'evening_call = "20:30"',
        'evening_call: "20:30" is no hour of theirs',
        'write one from "08:00" to "19:00", in quotes',
    ),
    (
        "call = true\n",
        "call = 1\n",
        "reminders.call: 1 is neither true nor false",
        "write call = true if whoever asked to be rung is rung then",
    ),
    (
        "hold_minutes = 4\n",
        "hold_minutes = 25\n",
        "hold_minutes: 25 is not between 1 and 20",
        "hold times are at most 20 minutes",
    ),
    (
        "hold_minutes_at_most = 20",
        "hold_minutes_at_most = 21",
        "hold_minutes_at_most: 21 is not between 1 and 20",
        "hold times are at most 20 minutes",
    ),
    (
        "hold_minutes_at_most = 20",
        "hold_minutes_at_most = 3",
        "hold_minutes_at_most: 3 is less than hold_minutes",
        "it is the time in all, so give as much or more",
    ),
    (
        "minimum_age = 75",
        'minimum_age = "75"',
        'minimum_age: "75" is not a whole number',
        "write one from 0 to 120, without quotes: it is the age in years",
    ),
    (
        "minimum_age = 75",
        "minimum_age = 75.5",
        "minimum_age: 75.5 is not a whole number",
        "write one from 0 to 120",
    ),
    (
        "few_places = 12",
        "few_places = true",
        "few_places: true is not a whole number",
        "",
    ),
    (
        "radius_kilometres = 60",
        "radius_kilometres = nan",
        "radius_kilometres: nan is not between 1 and 1000",
        "it is how far people are sent",
    ),
    (
        "horizon_days = 42",
        "horizon_days = 367",
        "horizon_days: 367 is not between 1 and 366",
        "appointments are given at most a year ahead",
    ),
    (
        "between_minutes = 30",
        "between_minutes = 241",
        "between_minutes: 241 is not between 0 and 240",
        "it is the time between the starts of two appointments of one person",
    ),
    (
        "travel_minutes_per_kilometre = 1",
        "travel_minutes_per_kilometre = -1",
        "travel_minutes_per_kilometre: -1 is not between 0 and 10",
        "it is how much more time lies between two appointments for each kilometre",
    ),
    (
        "lead_minutes = 180",
        "lead_minutes = -1",
        "lead_minutes: -1 is not between 0 and 10080",
        "it is the time people need to get there",
    ),
    (
        "doses = 2",
        "doses = 3",
        "doses: 3 is not between 1 and 2",
        "a booking has one appointment or two",
    ),
    (
        "phone_share_percent = 40",
        "phone_share_percent = 101",
        "phone_share_percent: 101 is not between 0 and 100",
        "it is the telephone's part of each centre's places",
    ),
    (
        "phone_share_until_hours = 48",
        "phone_share_until_hours = 1000",
        "phone_share_until_hours: 1000 is not between 0 and 336",
        "it is how long before their start",
    ),
    (
        "resume_minutes = 10",
        "resume_minutes = 90",
        "resume_minutes: 90 is not between 1 and 60",
        "a choice is kept an hour at most",
    ),
    (
        "per_number = 2",
        "per_number = 0",
        "per_number: 0 is not between 1 and 20",
        "it is how many bookings a telephone number may have",
    ),
    (
        "waiting_offer_minutes = 120",
        "waiting_offer_minutes = 0",
        "waiting_offer_minutes: 0 is not between 1 and 1440",
        "a freed place is kept a day at most",
    ),
    (
        "phone_share_percent = 40",
        "phone_share_per_cent = 40",
        "phone_share_per_cent: there is no such entry",
        "did you mean phone_share_percent?",
    ),
    (
        "per_number = 2",
        "per_number = 2\nxyzzy = 1",
        "xyzzy: there is no such entry",
        "there are agents_hours, between_minutes, closes_at",
    ),
    (
        'name = "hiver-2021"',
        'name = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"',
        'name: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx… cannot be its name',
        "give 1 to 40 letters",
    ),
    (
        'name = "hiver-2021"',
        'name = "hiver|2021"',
        'name: "hiver|2021" cannot be its name',
        "give 1 to 40 letters",
    ),
    (
        'title = "Hiver 2021"',
        "title = 2021",
        "title: it is no title",
        "write one line of 80 letters or less",
    ),
    (
        "opens_at = 2021-01-14T08:00:00\n",
        'opens_at = "2021-01-14"\n',
        'opens_at: "2021-01-14" is no moment',
        "write day and hour as 2021-01-14T08:00:00+01:00, without quotes",
    ),
    (
        "opens_at = 2021-01-14T08:00:00\n",
        "opens_at = 2021-01-14\n",
        "opens_at: 2021-01-14 is no moment",
        "write day and hour",
    ),
    (
        "closes_at = 2021-06-30T20:00:00",
        "closes_at = 2021-06-30T20:00:00+01:00",
        "closes_at: 2021-06-30T20:00:00+01:00 is 2021-06-30 21:00 in Europe/Paris",
        "write 2021-06-30T20:00:00 for the time on the clocks there or 2021-06-30T21:00:00+02:00",
    ),
    (
        "closes_at = 2021-06-30T20:00:00",
        "closes_at = 2021-03-28T02:30:00",
        "closes_at: 2021-03-28T02:30:00 does not exist in Europe/Paris, where the clocks skip it",
        "write 2021-03-28T03:30:00",
    ),
    (
        "closes_at = 2021-06-30T20:00:00",
        "closes_at = 2021-10-31T02:30:00",
        "closes_at: 2021-10-31T02:30:00 comes twice in Europe/Paris",
        "write 2021-10-31T02:30:00+02:00 or 2021-10-31T02:30:00+01:00",
    ),
    (
        "second_after_days = [21, 28]",
        "second_after_days = [28, 21]",
        "second_after_days: [28, 21] is no interval",
        "give the least and the most days",
    ),
    (
        "second_after_days = [21, 28]",
        "second_after_days = 21",
        "second_after_days: 21 are no two numbers of days",
        "write them as [21, 28]",
    ),
    (
        "second_after_days = [21, 28]",
        "second_after_days = [21, 28.0]",
        "second_after_days: [21, 28.0] are no two numbers of days",
        "write them as [21, 28]",
    ),
    (
        '    "changed",',
        '    "change",',
        'texts: "change" is not in [text] of prompts/',
        "did you mean changed?",
    ),
    (
        '    "changed",',
        '    "confirmation",',
        'texts: "confirmation" is here twice',
        "leave one out",
    ),
    (
        'group = "soignants"',
        'group = "diabete"',
        'eligible.group: "diabete" speaks of an illness, and no medical reason is',
        "",
    ),
    (
        'group = "soignants"',
        'group = "Les soignants"',
        'eligible.group: "Les soignants" is no name of a group',
        "give 1 to 40 small letters",
    ),
    (
        'group = "soignants"',
        'group = ""',
        'eligible.group: "" is no name of a group',
        "",
    ),
    (
        "minimum_age = 65",
        "minimum_age = 80",
        "eligible.minimum_age: 80 adds nobody to the campaign's minimum_age of 75",
        "give a lower age",
    ),
    (
        "minimum_age = 65",
        "minimum_age = 130",
        "eligible.minimum_age: 130 is not between 0 and 120",
        "",
    ),
    (
        "minimum_age = 65",
        "min_age = 65\nborn_from = 1900-01-01",
        "eligible.min_age: there is no such entry",
        "did you mean minimum_age?",
    ),
    (
        "born_from = 1939-01-01",
        "born_from = 1939-01-01T00:00:00",
        "eligible.born_from: 1939-01-01T00:00:00 is no day",
        "write it as 1944-12-31, without quotes",
    ),
    (
        "born_until = 1949-12-31",
        "born_until = 1938-12-31",
        "eligible.born_until: 1938-12-31 is before born_from",
        "give the later day here",
    ),
    (
        "opens_at = 2021-02-20T08:00:00",
        "opens_at = 2020-02-20T08:00:00",
        "eligible.opens_at: it is before the campaign's own opens_at",
        "give a later moment or leave it out",
    ),
    (
        "opens_at = 2021-02-20T08:00:00",
        "opens_at = 2021-06-30T20:00:00",
        "eligible.opens_at: the campaign is closed by then",
        "give an earlier moment",
    ),
    (
        'saturday = ["08:00-12:00", "13:30-18:00"]',
        'saturday = ["08:00-12:00", "11:30-18:00"]',
        "agents_hours.saturday: 11:30-18:00 begins before the interval in front of it ends",
        "",
    ),
    (
        'monday = ["08:00-19:00"]',
        'monday = ["8h-19h"]',
        'agents_hours.monday: "8h-19h" are no hours of one day',
        'write "08:00-12:00"',
    ),
    (
        'calls = "08:00-20:00"',
        'calls = "20:00-08:00"',
        'agents_hours.calls: "20:00-08:00" are no hours of one day',
        "",
    ),
    (
        'monday = ["08:00-19:00"]',
        'monday = ["19:00-08:00"]',
        'agents_hours.monday: "19:00-08:00" are no hours of one day',
        "",
    ),
    (
        'monday = ["08:00-19:00"]',
        'monday = ["08:60-19:00"]',
        'agents_hours.monday: "08:60-19:00" are no hours of one day',
        "",
    ),
    (
        'monday = ["08:00-19:00"]',
        'monday = "08:00-19:00"',
        'agents_hours.monday: "08:00-19:00" is no list',
        'write ["08:00-12:00", "13:30-18:00"]',
    ),
    (
        "sunday = []",
        "lundi = []",
        "agents_hours.lundi: there is no such entry",
        "",
    ),
    (
        'zone = "Europe/Paris"\nmonday',
        'zone = "Paris"\nmonday',
        'agents_hours.zone: "Paris" is no time zone',
        "write one as Europe/Paris",
    ),
    (
        'zone = "Europe/Paris"\nopens',
        'zone = "../Paris"\nopens',
        'zone: "../Paris" is no time zone',
        "write one as Europe/Paris",
    ),
]


@pytest.mark.parametrize(
    ("right", "wrong", "what", "remedy"), MISTAKES, ids=[mistake[2][:50] for mistake in MISTAKES]
)
def test_a_mistake_is_named_with_its_line_and_remedy(problems, right, wrong, what, remedy):
    assert GOOD.count(right) == 1
    text = GOOD.replace(right, wrong)
    # The entry that is wrong begins where the two texts part.
    line = next(
        number
        for number, (old, new) in enumerate(
            zip(GOOD.splitlines(), text.splitlines(), strict=False), 1
        )
        if old != new
    )
    (problem,) = problems(text)
    number, sentence = re.fullmatch(r"line (\d+): (.*)", problem).groups()  # type: ignore[union-attr]
    assert int(number) == line
    assert sentence.startswith(f"{what}; {remedy}" if remedy else what)


def test_all_mistakes_are_named_at_once_in_the_order_of_the_file(problems):
    text = (
        GOOD.replace("minimum_age = 75", "minimum_age = 175")
        .replace('title = "Hiver 2021"', "title = 2021")
        .replace("per_number = 2", "per_number = 200")
        .replace('group = "soignants"', 'group = "cancer"')
        .replace("sunday = []", 'sunday = ["x"]')
    )
    found = problems(text)
    assert [problem.split(": ")[1] for problem in found] == [
        "title",
        "minimum_age",
        "per_number",
        "eligible.group",
        "agents_hours.sunday",
    ]
    lines = [int(problem.split(":")[0].removeprefix("line ")) for problem in found]
    assert lines == sorted(lines)


@pytest.mark.parametrize(
    "entry",
    sorted(
        entry for entry, field in entries_of(file._CampaignTable).items() if field.is_required()
    ),
)
def test_a_missing_entry_is_named_with_what_to_add(problems, tmp_path, entry):
    text = re.sub(rf"(?m)^{entry} = .*\n", "", small("x", "[[eligible]]", "group = 'soignants'"))
    (problem,) = problems(text)
    said = re.fullmatch(
        rf"line (\d+): {entry}: this entry is needed; add ({entry} = \d+) above this line: .+",
        problem,
    )
    assert said is not None
    # Doing as one is told helps.
    lines = text.splitlines()
    lines.insert(int(said[1]) - 1, said[2])
    cured = tmp_path / "cured.toml"
    cured.write_text("\n".join(lines), "utf-8")
    load(cured)


def test_a_campaign_needs_a_name(problems):
    (problem,) = problems(small("x").replace('name = "x"\n', ""))
    assert "name: a campaign needs a name; give 1 to 40 letters" in problem


def test_an_empty_file_lacks_all_that_is_needed(problems):
    found = problems("")
    assert len(found) == 7
    assert all(problem.startswith("line 1: ") for problem in found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (small("x", "doses 2"), r"line 10: this is not TOML \(.* at column 7\); write entry = 12"),
        (small("x", "few_places = 3"), r"line 10: this is not TOML \(Cannot overwrite"),
        (small("x", 'texts = ["a",'), r"line 10: this is not TOML \(.*end of document.*\)"),
        (b'name = "x"\ntitle = "\xe9t\xe9"\n', r"line 2: this is not UTF-8; save it as UTF-8"),
    ],
)
def test_what_is_no_toml_names_its_line_too(problems, text, said):
    (problem,) = problems(text)
    assert re.match(said, problem), problem


def test_a_moment_without_any_zone_is_refused_with_both_remedies(problems):
    (problem,) = problems(small("x", "opens_at = 2021-07-14T08:00:00"))
    assert problem == (
        "line 10: opens_at: 2021-07-14T08:00:00 has no zone; write 2021-07-14T08:00:00+02:00,"
        ' or add zone = "Europe/Paris"'
    )


def test_it_may_not_close_before_it_opens(problems):
    text = GOOD.replace("closes_at = 2021-06-30T20:00:00", "closes_at = 2021-01-14T08:00:00")
    assert "line 12: closes_at: it closes before it opens; give a later moment" in problems(text)


def test_an_interval_without_a_second_dose_is_refused(problems):
    (problem,) = problems(GOOD.replace("doses = 2", "doses = 1"))
    assert problem.endswith("with one dose there is no second; add doses = 2 or leave this out")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["eligible = 5"], "line 10: eligible: it is no list of tables; begin each with a line"),
        (["[eligible]", "minimum_age = 3"], "line 10: eligible: it is no list of tables"),
        (["[[eligible]]"], "line 10: eligible: it says not who; add minimum_age, born_from"),
        (["agents_hours = 5"], "line 10: agents_hours: it is no table; begin it with a line"),
        (["[agents_hours]"], "line 10: agents_hours: no weekday is named; add monday ="),
        (["reminders = 5"], "line 10: reminders: it is no list of tables; begin each with a line"),
        (["evening_call = true"], "line 10: evening_call: true is no hour of theirs; write one"),
        (["texts = 'a'"], 'line 10: texts: "a" is no list of names; write ["confirmation"]'),
    ],
)
def test_a_part_of_another_kind_is_named(problems, lines, said):
    (problem,) = problems(small("x", *lines))
    assert problem.startswith(said)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadCampaign, match=r"none\.toml: there is no such file; name one, as"):
        load(tmp_path / "none.toml")
    with pytest.raises(BadCampaign, match=r"cannot be read \(Is a directory\); it must be a file"):
        load(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        *("diabete", "diabète", "Diabétiques", "cancer", "malades-chroniques", "ald", "vih"),
        *("insuffisance_renale", "greffés", "femmes-enceintes", "high-risk", "immuno", "asthma"),
    ],
)
def test_no_group_is_a_medical_reason(name):
    assert says_illness(name)


@pytest.mark.parametrize(
    "name",
    [
        *("soignants", "pompiers", "residents-ehpad", "enseignants", "aides-a-domicile"),
        *(
            "infirmiers",
            "caldoches",
            "pharmaciens",
            "militaires",
            "vihiers",
            "professionnels-sante",
        ),
    ],
)
def test_a_profession_or_a_household_is_a_group(name):
    assert not says_illness(name)


def test_the_example_means_what_it_says():
    example = load(EXAMPLE, texts=TEXTS)
    assert example.name == "hiver-2021"
    assert example.title == "Hiver 2021"
    assert example.opens_at == datetime(2021, 1, 14, 7, tzinfo=UTC)
    assert example.closes_at == datetime(2021, 6, 30, 18, tzinfo=UTC)
    assert (example.minimum_age, example.radius_kilometres, example.horizon_days) == (75, 60, 42)
    assert example.lead == timedelta(hours=3)
    assert (example.doses, example.second_after_days) == (2, (21, 28))
    assert (example.hold_lease, example.hold_longest) == (
        timedelta(minutes=4),
        timedelta(minutes=20),
    )
    assert (example.phone_share, example.phone_share_until) == (40, timedelta(hours=48))
    assert example.resume_window == timedelta(minutes=10)
    assert (example.few_places, example.per_number) == (12, 2)
    assert example.waiting_offer == timedelta(hours=2)
    assert example.eligible == (
        Eligible(minimum_age=65, opens_at=datetime(2021, 2, 20, 7, tzinfo=UTC)),
        Eligible(
            born_from=date(1939, 1, 1),
            born_until=date(1949, 12, 31),
            opens_at=datetime(2021, 2, 1, 7, tzinfo=UTC),
        ),
        Eligible(group="soignants", minimum_age=50),
    )
    week = ((8 * 60, 19 * 60),)
    saturday = ((8 * 60, 12 * 60), (13 * 60 + 30, 18 * 60))
    assert example.agents_hours == OpeningHours(
        "Europe/Paris", (week, week, week, week, week, saturday, ())
    )
    assert example.texts[0] == "confirmation"
    assert example.reminders == (Reminder(2, 10 * 60, by_call=True), Reminder(1, 9 * 60))
    assert example.evening_call == 18 * 60


def test_what_is_left_out_has_the_defaults_of_the_campaign(tmp_path):
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xef\xbb\xbf" + small("x").replace("\n", "\r\n").encode())
    campaign = load(path)
    assert (campaign.doses, campaign.second_after_days, campaign.phone_share) == (1, (21, 28), 40)
    assert campaign.zone == "Europe/Paris"
    assert (campaign.opens_at, campaign.closes_at, campaign.eligible) == (None, None, ())
    assert campaign.agents_hours is None
    assert campaign.reminders == REMINDERS
    assert campaign.evening_call == 18 * 60


def test_reminders_and_calls_of_the_evening_can_be_left_out(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text(small("x", "reminders = []", "evening_call = false"))
    assert load(path).reminders == ()
    assert load(path).evening_call is None


def test_a_moment_may_be_written_in_utc_whatever_the_zone(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text(small("x", 'zone = "Indian/Reunion"', "opens_at = 2021-07-14T04:00:00Z"))
    assert load(path).opens_at == datetime(2021, 7, 14, 4, tzinfo=UTC)
    path.write_text(small("x", 'zone = "Indian/Reunion"', "opens_at = 2021-07-14T08:00:00"))
    assert load(path).opens_at == datetime(2021, 7, 14, 4, tzinfo=UTC)


def test_the_demonstration_is_open_whatever_the_date_for_those_of_1939_to_1944():
    demonstration = load(DEMONSTRATION, texts=TEXTS)
    assert (demonstration.opens_at, demonstration.closes_at) == (None, None)
    assert demonstration.doses == 2
    for now in (datetime(2021, 1, 14, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)):
        assert demonstration.is_open(now)
        for born in (date(1939, 1, 1), date(1944, 12, 31)):
            assert demonstration.eligible_on(born, now.date(), at=now)


@pytest.mark.parametrize(
    "entry",
    sorted({entry for table in file._TABLES.values() for entry in entries_of(table)}),
)
def test_every_entry_is_in_the_example_and_in_the_documentation(entry):
    assert re.search(rf"(?m)^(# )?(\[+{entry}\]+|{entry} = )", GOOD)
    documented = (ROOT / "docs" / "campaigns.md").read_text("utf-8")
    assert entry in {"tuesday", "wednesday", "thursday", "friday", "saturday"} or re.search(
        rf"`\[*{entry}\]*`", documented
    )


def test_an_illness_is_refused_with_what_to_name_instead(problems):
    (problem,) = problems(GOOD.replace('group = "soignants"', 'group = "cancer"'))
    assert problem.endswith(
        "and no medical reason is asked for or kept;"
        " name who they are, by profession or household, or use an age"
    )


# ---------------------------------------------------------------- the line of an entry


DOCUMENT = r'''# name = "a comment"

name = "a # in quotes, [eligible], name = 2"  # minimum_age = 4
long = """
minimum_age = 1
[nothing]
one quote " two "" three \""" and at the end two"""""
literal = """""" # empty
raw = \'\'\'
other = 2 \ \'\'
\'\'\'
"quoted key" = 3.5
'literal key' = 'a \ '
"\u00e9t\u00e9" = -1e3
dotted . "and quoted".key = 2021-01-14 08:00:00
list = [  # of four
    1,

    "two ]",  # "five"
    [3, 4,
     5], { a = 1, b.c = [6,
     7] },
]
empty = []
none = {}

[table.inner]
moment = 2021-01-14T08:00:00+01:00

[[eligible]]
minimum_age = 65

[[eligible]]  # the second
group = "x"
[eligible.more]
deep = 1
[[eligible.many]]
a = 1
[[eligible.many]]
a = 2

[ table . other ]
a = 1'''.replace(r"\'", "'")


def found_in(document: str) -> dict[Entry, Any]:
    def walk(path: Entry, value: Any) -> dict[Entry, Any]:
        found = {path: value} if path else {}
        if isinstance(value, list):
            value = dict(enumerate(value))
        if isinstance(value, dict):
            for key, one in value.items():
                found |= walk((*path, key), one)
        return found

    return walk((), tomllib.loads(document))


def test_every_entry_and_nothing_else_has_a_line():
    assert set(lines_of(DOCUMENT)) == set(found_in(DOCUMENT))


@pytest.mark.parametrize("entry", sorted(found_in(DOCUMENT), key=str), ids=str)
def test_a_line_is_the_one_on_which_the_entry_begins(entry):
    """Cut before its line, the document does not have it; each line says what it should."""
    lines = DOCUMENT.splitlines()
    line = lines_of(DOCUMENT)[entry]
    beginning = lines[line - 1]
    key = next(part for part in reversed(entry) if isinstance(part, str))
    if entry == ("list", 1):
        assert beginning.strip().startswith('"two ]"')
    elif entry == ("list", 2, 2):
        assert beginning.strip() == "5], { a = 1, b.c = [6,"
    elif entry == ("list", 3, "b", "c", 1):
        assert beginning.strip() == "7] },"
    elif entry[0] != "list":
        assert key in beginning or "u00e9" in beginning
        earlier = "\n".join(lines[: line - 1])
        assert entry not in found_in(earlier)


def test_elements_of_an_array_have_lines_of_their_own():
    lines = lines_of("a = [\n1,\n# 2,\n3, 4]\n")
    assert lines == {("a",): 1, ("a", 0): 2, ("a", 1): 4, ("a", 2): 4}
