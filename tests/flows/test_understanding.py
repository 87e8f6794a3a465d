"""What typed digits mean: dates of birth and telephone numbers."""

from __future__ import annotations

import re

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from flows import understanding
from flows.session import CallerKind
from flows.understanding import (
    NotUnderstood,
    birthday,
    checked_date,
    date_of_birth,
    is_digits,
    telephone,
)

TODAY = date(2026, 11, 25)
REASONS = {
    *("date_incomplete", "century", "no_such_date", "future", "too_old"),
    *("number_incomplete", "number_unusable"),
}
derandomized = settings(derandomize=True, database=None, deadline=None, max_examples=300)


def reason(typed: str, today: date = TODAY) -> str:
    with pytest.raises(NotUnderstood) as refused:
        date_of_birth(typed, today)
    return refused.value.reason


def value_or_reason(understand: Callable[..., Any], *given: object) -> Any:
    """What was understood, or the word for why nothing was."""
    try:
        return understand(*given)
    except NotUnderstood as refused:
        return refused.reason


# ---------------------------------------------------------------- dates


@pytest.mark.parametrize(
    ("typed", "born"),
    [
        ("12031942", date(1942, 3, 12)),
        ("01011930", date(1930, 1, 1)),
        ("31121939", date(1939, 12, 31)),
        ("29021936", date(1936, 2, 29)),
        ("29022000", date(2000, 2, 29)),
        # Today's child, and somebody who is 120 until tomorrow.
        ("25112026", date(2026, 11, 25)),
        ("26111905", date(1905, 11, 26)),
    ],
)
def test_eight_digits_are_a_day_a_month_and_a_year(typed: str, born: date):
    assert date_of_birth(typed, TODAY) == born


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("31021940", "no_such_date"),
        ("30021940", "no_such_date"),
        ("29021941", "no_such_date"),
        ("29021900", "no_such_date"),
        ("31041940", "no_such_date"),
        ("00031942", "no_such_date"),
        ("12001942", "no_such_date"),
        ("12131942", "no_such_date"),
        ("32011942", "no_such_date"),
        ("12030000", "no_such_date"),
        ("00000000", "no_such_date"),
        ("99999999", "no_such_date"),
        # The American order is no date here.
        ("03251942", "no_such_date"),
        ("26112026", "future"),
        ("01012040", "future"),
        ("31129999", "future"),
        ("25111905", "too_old"),
        ("24111905", "too_old"),
        ("15071850", "too_old"),
        ("01010001", "too_old"),
        ("", "date_incomplete"),
        ("1", "date_incomplete"),
        ("1203", "date_incomplete"),
        ("1203194", "date_incomplete"),
        ("120319420", "date_incomplete"),
        ("12" * 250, "date_incomplete"),
        ("1203*942", "date_incomplete"),
        ("12 03 1942", "date_incomplete"),
        ("12/03/42", "date_incomplete"),
        ("-2031942", "date_incomplete"),
        ("１２０３１９４２", "date_incomplete"),
        ("١٢٠٣١٩٤٢", "date_incomplete"),
        ("1203194²", "date_incomplete"),
        ("douze", "date_incomplete"),
    ],
)
def test_what_is_no_date_of_birth_is_refused_for_its_own_reason(typed: str, why: str):
    assert reason(typed) == why


@pytest.mark.parametrize(
    ("typed", "born"),
    [
        # 2042 is still to come, 1942 is the only one.
        ("120342", date(1942, 3, 12)),
        ("261126", date(1926, 11, 26)),
        ("311299", date(1999, 12, 31)),
        ("010127", date(1927, 1, 1)),
        # 1904 is more than 120 years ago.
        ("120304", date(2004, 3, 12)),
        ("251105", date(2005, 11, 25)),
        # Only 2000 had this day; nobody lives who was born in 1900.
        ("290200", date(2000, 2, 29)),
        ("290236", date(1936, 2, 29)),
    ],
)
def test_six_digits_are_understood_where_the_century_can_only_be_one(typed: str, born: date):
    assert date_of_birth(typed, TODAY) == born


@pytest.mark.parametrize("typed", ["251126", "010126", "150310", "261105", "290208", "290212"])
def test_six_digits_that_fit_two_centuries_ask_for_the_century(typed: str):
    assert reason(typed) == "century"


@pytest.mark.parametrize(
    ("typed", "why"),
    [("310240", "no_such_date"), ("290227", "no_such_date"), ("001242", "no_such_date")],
)
def test_six_digits_that_fit_no_century_are_refused_for_a_reason(typed: str, why: str):
    assert reason(typed) == why


def test_the_oldest_birthday_is_counted_in_the_calendar_and_not_in_days():
    # A hundred and twenty until the day before the birthday; born on 29 February, on 1 March.
    assert checked_date(1904, 2, 29, date(2025, 2, 28)) == date(1904, 2, 29)
    with pytest.raises(NotUnderstood, match="too_old"):
        checked_date(1904, 2, 29, date(2025, 3, 1))


@pytest.mark.parametrize(
    ("born", "age", "day"),
    [
        (date(1942, 3, 12), 75, date(2017, 3, 12)),
        (date(1936, 2, 29), 75, date(2011, 3, 1)),
        (date(1936, 2, 29), 80, date(2016, 2, 29)),
        (date(1942, 3, 12), 0, date(1942, 3, 12)),
    ],
)
def test_a_birthday_on_29_february_is_kept_on_1_march_in_other_years(
    born: date, age: int, day: date
):
    assert birthday(born, age) == day


@pytest.mark.parametrize("day", [0, 32, 99, 10**9, -1])
def test_a_day_beyond_all_measure_is_no_such_date(day: int):
    with pytest.raises(NotUnderstood, match="no_such_date"):
        checked_date(1942, 3, day, TODAY)


@derandomized
@given(st.dates(date(1906, 1, 1), TODAY))
def test_every_day_of_a_living_person_is_understood_as_typed(born: date):
    assert date_of_birth(f"{born:%d%m%Y}", TODAY) == born


@derandomized
@given(st.dates(date(1906, 1, 1), TODAY))
def test_six_digits_never_give_another_day_than_the_one_meant(born: date):
    assert value_or_reason(date_of_birth, f"{born:%d%m%y}", TODAY) in {born, "century"}


@derandomized
@given(st.text(max_size=40) | st.from_regex(r"[0-9*#]{0,12}", fullmatch=True))
def test_whatever_is_typed_for_a_date_is_a_date_or_a_reason(typed: str):
    born = value_or_reason(date_of_birth, typed, TODAY)
    if isinstance(born, date):
        assert TODAY - timedelta(days=121 * 366) < born <= TODAY
    else:
        assert born in REASONS


@pytest.mark.parametrize("typed", ["", "١", "１", "²", "½", "1 ", "1\n", "+1", "1.0"])
def test_only_the_keys_of_a_telephone_are_digits(typed: str):
    assert not is_digits(typed)


# ---------------------------------------------------------------- telephones


@pytest.mark.parametrize(
    ("typed", "number", "kind"),
    [
        ("0612345678", "+33612345678", CallerKind.MOBILE),
        ("0756341278", "+33756341278", CallerKind.MOBILE),
        ("0142685300", "+33142685300", CallerKind.LANDLINE),
        ("0299740000", "+33299740000", CallerKind.LANDLINE),
        ("0974750001", "+33974750001", CallerKind.LANDLINE),
        # Overseas, dialled as at home.
        ("0692123456", "+262692123456", CallerKind.MOBILE),
        ("0262123456", "+262262123456", CallerKind.LANDLINE),
        ("0639012345", "+262639012345", CallerKind.MOBILE),
        ("0269601234", "+262269601234", CallerKind.LANDLINE),
        ("0690123456", "+590690123456", CallerKind.MOBILE),
        ("0590271234", "+590590271234", CallerKind.LANDLINE),
        ("0694201234", "+594694201234", CallerKind.MOBILE),
        ("0594101234", "+594594101234", CallerKind.LANDLINE),
        ("0696201234", "+596696201234", CallerKind.MOBILE),
        ("0596301234", "+596596301234", CallerKind.LANDLINE),
        # As the provider writes them.
        ("+33612345678", "+33612345678", CallerKind.MOBILE),
        ("+262692123456", "+262692123456", CallerKind.MOBILE),
        ("+596596301234", "+596596301234", CallerKind.LANDLINE),
        ("+68987123456", "+68987123456", CallerKind.MOBILE),
        ("+687751234", "+687751234", CallerKind.MOBILE),
        ("0033612345678", "+33612345678", CallerKind.MOBILE),
    ],
)
def test_french_numbers_are_understood_with_what_they_can_be_used_for(
    typed: str, number: str, kind: CallerKind
):
    assert telephone(typed) == (number, kind)


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.long)])
def test_only_regions_of_which_a_number_cannot_be_are_left_out(
    monkeypatch: pytest.MonkeyPatch, step: int
):
    numbers = [f"0{beginning}12345" for beginning in range(1000, 10000, step)]
    left_out = [value_or_reason(telephone, one) for one in numbers]
    # None looks like that: each region is asked.
    monkeypatch.setattr(understanding, "_NATIONAL", re.compile("(?!)"))
    assert left_out == [value_or_reason(telephone, one) for one in numbers]


@pytest.mark.parametrize(
    "typed",
    [
        *("0899123456", "0890123456", "0892123456", "0897123456"),  # premium
        *("0810123456", "0820123456", "0826123456"),  # shared cost
        *("0800123456", "0805123456"),  # free to call, and nobody's own
        *("+41791234567", "+14158675309", "+8613812345678", "+33899123456", "+881612345678"),
    ],
)
def test_premium_shared_free_and_foreign_numbers_are_never_called_back(typed: str):
    with pytest.raises(NotUnderstood, match="number_unusable"):
        telephone(typed)


@pytest.mark.parametrize(
    "typed",
    [
        *("3975", "3646", "15", "112", "17", "118218", "1"),
        *("061234567", "06123456789", "0000000000", "1111111111", "0012345678", "06" * 250, ""),
    ],
)
def test_short_and_incomplete_numbers_ask_for_ten_digits(typed: str):
    with pytest.raises(NotUnderstood, match="number_incomplete"):
        telephone(typed)


@derandomized
@given(st.text(max_size=40) | st.from_regex(r"[0-9*#+]{0,16}", fullmatch=True))
def test_whatever_is_typed_for_a_number_is_e164_in_ascii_or_a_reason(typed: str):
    understood = value_or_reason(telephone, typed)
    if isinstance(understood, tuple):
        number, kind = understood
        assert number.startswith("+")
        assert is_digits(number[1:])
        assert kind in {CallerKind.MOBILE, CallerKind.LANDLINE}
    else:
        assert understood in REASONS


@pytest.mark.parametrize(
    "typed", ["٠٦١٢٣٤٥٦٧٨", "０６１２３４５６７８", "0612345678;ext=5", "06 12 34 56 78 poste 9"]
)
def test_what_no_telephone_can_type_is_not_guessed_at(typed: str):
    with pytest.raises(NotUnderstood):
        telephone(typed)
