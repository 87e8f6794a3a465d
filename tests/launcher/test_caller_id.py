"""The number that people see when we ring them is a setting of its own, and no mobile's."""

from __future__ import annotations

import pytest

import config


def settings(**given: object) -> config.Settings:
    return config.load(_env_file=None, **given)


def test_in_development_it_is_the_national_number():
    assert settings().outbound_caller_id == settings().national_number == "+33974750001"
    assert settings().calls_per_second == 1.0


@pytest.mark.parametrize(
    "number", ["+33612345678", "+33712345678", "+33700000000", "+262692123456", "+590690123456"]
)
def test_a_mobile_is_refused_in_a_sentence_that_says_why(number: str):
    with pytest.raises(config.BadSettings, match="OUTBOUND_CALLER_ID is a French mobile number"):
        settings(outbound_caller_id=number)


@pytest.mark.parametrize("number", ["0974750001", "+0974750001", "33974750001", "+33 9 74 75", "?"])
def test_what_is_no_international_number_is_refused(number: str):
    with pytest.raises(config.BadSettings, match="OUTBOUND_CALLER_ID must be a number"):
        settings(outbound_caller_id=number)


@pytest.mark.parametrize(
    "number", ["+33142685300", "+33974750001", "+33806123456", "+262262123456", "+14155550123"]
)
def test_other_numbers_are_taken(number: str):
    assert settings(outbound_caller_id=number).outbound_caller_id == number


@pytest.mark.parametrize("rate", [0, -1])
def test_an_account_that_may_begin_no_call_is_refused(rate: float):
    with pytest.raises(config.BadSettings, match="CALLS_PER_SECOND"):
        settings(calls_per_second=rate)
