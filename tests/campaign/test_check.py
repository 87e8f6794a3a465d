"""`flask campaign check`, as an operator runs it."""

from __future__ import annotations

import pytest

from tests.campaign.files import DEMONSTRATION, EXAMPLE, save, small
from tests.support.house import house

ON_THE_DAY = "on the day of the appointment"


@pytest.fixture
def check(database_url):
    with house(database_url) as made:

        def run(*arguments: object):
            words = ["campaign", "check", *map(str, arguments)]
            return made.app.test_cli_runner().invoke(args=words)

        yield run


def test_a_campaign_that_is_right_is_summed_up(check):
    done = check(EXAMPLE)
    assert done.exit_code == 0
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"{EXAMPLE}: right",
        "  name: hiver-2021 (Hiver 2021)",
        "  opens: 2021-01-14 08:00 Europe/Paris",
        "  closes: 2021-06-30 20:00 Europe/Paris",
        "  doses: 2, 21 to 28 days apart",
        "  between two appointments of a person: 30 minutes, and 1 for each kilometre",
        "  who: 6 months after their last one, by their own word",
        "  who: 75 years or older on the day of the appointment",
        f"  who: 65 years or older {ON_THE_DAY}, from 2021-02-20 08:00 Europe/Paris on",
        "  who: born from 1939-01-01 until 1949-12-31, from 2021-02-01 08:00 Europe/Paris on",
        f"  who: whoever certifies to be of the group soignants and 50 years or older {ON_THE_DAY}",
        "  texts: all",
        "  reminders: 2 days before at 10:00 (with calls), 1 day before at 09:00",
        "  calls in the evening: from 18:00 on, for who asked for it",
    ]


def test_mistakes_are_lines_on_standard_error(check, tmp_path):
    bad = save(tmp_path / "bad.toml", small("bad", "doses = 3", "per_number = 0"))
    worse = save(tmp_path / "worse.toml", "name = 3\n[")
    done = check(EXAMPLE, bad, worse)
    assert done.exit_code == 1
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        f"{bad}, line 10",
        f"{bad}, line 11",
        f"{worse}, line 2",
    ]
    assert lines[0].endswith(
        "doses: 3 is not between 1 and 2; a booking has one appointment or two"
    )


@pytest.mark.parametrize("name", ["goodbye", "part_your"], ids=["a sentence", "a piece of texts"])
def test_texts_are_looked_up_in_the_prompts(check, tmp_path, name):
    done = check(save(tmp_path / "x.toml", small("x", f'texts = ["confirmation", "{name}"]')))
    assert done.exit_code == 1
    assert f'texts: "{name}" is not in [text] of prompts/' in done.stderr


def test_what_a_campaign_leaves_out_is_said(check, tmp_path):
    done = check(save(tmp_path / "x.toml", small("x", 'texts = ["reminder_tomorrow", "offer"]')))
    assert done.exit_code == 0
    (told,) = [line for line in done.stdout.splitlines() if line.startswith("  texts: ")]
    sent, left_out = told.removeprefix("  texts: ").split("; left out: ")
    assert sent == "confirmation (always), code (always), reminder, offer, already (always)"
    assert {"changed", "closed", "unfinished", "reply"} <= set(left_out.split(", "))
    assert not {"confirmation", "reminder", "offer"} & set(left_out.split(", "))


def test_two_of_one_name_are_a_mistake_and_one_file_twice_is_none(check, tmp_path):
    one = save(tmp_path / "a.toml", small("x"))
    assert check(one, one).exit_code == 0
    other = save(tmp_path / "b.toml", small("x"))
    done = check(one, other)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"{other}, line 1: name: {one} has the name")
    assert check(tmp_path).stderr == done.stderr


def test_no_file_is_one_sentence(check, tmp_path):
    done = check(tmp_path / "none.toml")
    assert done.exit_code == 1
    assert done.stderr == (
        f"{tmp_path / 'none.toml'}: there is no such file; name one, as"
        " campaigns/demonstration.toml\n"
    )
    assert check().exit_code == 2


def test_the_help_has_an_example(check):
    done = check("--help")
    assert done.exit_code == 0
    assert "Example: flask campaign check campaigns/demonstration.toml" in done.stdout


def test_the_demonstration_is_right(check):
    done = check(DEMONSTRATION)
    assert done.exit_code == 0
    assert "  opens: already open\n  closes: never\n" in done.stdout
