"""French rules for who rings and who writes: what is forbidden by form, and what nobody knows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from click.testing import CliRunner, Result

import config

from commands.legal import make
from services.findings import Level
from services.health.french_rules import forbidden_number, of_sender, rules
from tests.operations.test_production_settings import FIT

ALLOWED = "+33974751234"


@pytest.fixture
def check() -> Callable[..., Result]:
    """`flask legal check` with these settings."""

    def run(number: str = ALLOWED, sender: str = "MairieVitre", registered_on: str = "") -> Result:
        command = make({"OUTBOUND_CALLER_ID": number}, {"SMS_SENDER": sender}, registered_on)
        return CliRunner().invoke(command, ["check"])

    return run


@pytest.mark.parametrize(
    "number",
    ["+33612345678", "+33142685300", "+33549123456", "+262262123456", "+262692123456"],
)
def test_mobile_and_ordinary_numbers_are_not_shown_by_machines(number: str):
    assert forbidden_number(number)


@pytest.mark.parametrize(
    "number", [ALLOWED, "+33162123456", "+33568123456", "+33806123456", "+14155550123", "3975"]
)
def test_others_are(number: str):
    assert forbidden_number(number) == ""


def test_the_command_says_each_rule_its_source_and_what_it_binds(check: Callable[..., Result]):
    said = check().stdout
    for rule in rules():
        assert rule.says in said
        assert f"source: {rule.source}\n  binds: {rule.binds}\n  judged: {rule.judged}" in said
        # A year stands in each source, or it is an article of a code.
        assert "20" in rule.source or "article" in rule.source
    assert len({rule.judged for rule in rules()}) == 3


def test_canvassing_and_advertising_bind_nothing_here():
    free = [rule for rule in rules() if rule.binds.startswith("nothing")]
    assert ["STOP" in rule.says for rule in free] == [True, False]
    assert "Canvassing" in free[1].says
    assert "call back that was asked for" in free[1].binds


@pytest.mark.parametrize(
    ("number", "sender"),
    [("+33142685300", "MairieVitre"), (ALLOWED, "RDV"), (ALLOWED, "rendez vous")],
)
def test_what_is_forbidden_by_form_ends_in_1(
    check: Callable[..., Result], number: str, sender: str
):
    done = check(number, sender)
    assert done.exit_code == 1
    assert "bad " in done.stdout


def test_the_default_sender_is_told_what_to_do(check: Callable[..., Result]):
    done = check(sender=config.load(_env_file=None).sms_sender)
    assert done.exit_code == 0
    assert "AlloRDV is not known to be registered and has the generic word rdv" in done.stdout
    assert "SMS_SENDER_REGISTERED_ON" in done.stdout


def test_a_sender_is_well_once_it_is_registered_on_a_day():
    assert of_sender("MairieVitre", "").level is Level.WARNING
    assert of_sender("MairieVitre", "2026-03-01").level is Level.GOOD
    assert of_sender("36180", "").level is Level.GOOD
    # A date makes nothing allowed that is forbidden by form.
    assert of_sender("RDV", "2026-03-01").level is Level.BAD


@pytest.mark.parametrize("day", ["yesterday", "2026-13-01", str(date.today() + timedelta(days=2))])  # noqa: DTZ011
def test_the_day_of_registration_is_a_day_that_was(day: str):
    with pytest.raises(config.BadSettings, match="SMS_SENDER_REGISTERED_ON must be a day"):
        config.load(_env_file=None, sms_sender_registered_on=day)


@pytest.mark.parametrize(
    ("name", "value"), [("OUTBOUND_CALLER_ID", "+33142685300"), ("SMS_SENDER", "Info")]
)
def test_production_starts_with_nothing_that_is_forbidden(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
):
    for each, given in (FIT | {name: value}).items():
        monkeypatch.setenv(each, given)
    with pytest.raises(config.BadSettings, match=f"{name} is a"):
        config.load(_env_file=None)


def test_production_starts_with_a_sender_of_which_nothing_is_known(monkeypatch: pytest.MonkeyPatch):
    for each, given in FIT.items():
        monkeypatch.setenv(each, given)
    assert config.load(_env_file=None).sms_sender_registered_on == ""
