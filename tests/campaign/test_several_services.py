"""Campaigns of several services: which are open, what contradicts, and what a person may have."""

from __future__ import annotations

import shutil

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from prompts.service_words import USUAL, WORDS
from services.campaign.campaign import ONE_PLACE, TWO_PLACES, BadCampaign, places_of
from services.campaign.campaigns import Campaigns, load_all
from services.campaign.eligibility import choices, eligibility, first_of, last_of
from services.campaign.file import load
from tests.campaign.files import save, small
from tests.support.house import NOON, campaign_with

DAY = timedelta(days=1)
GRIPPE = campaign_with(name="grippe-2026", service="grippe", together=("covid",), minimum_age=65)
COVID = campaign_with(name="covid-2026", service="covid", minimum_age=70)
CARDS = campaign_with(name="cards", service="cards", minimum_age=0)
ALL = (GRIPPE, COVID, CARDS)


def files(folder: Path, **texts: tuple[str, ...]) -> list[Path]:
    """Campaigns by their names and lines, each with words of its own beside it."""
    for name in texts:
        shutil.copytree(USUAL, folder / name / WORDS, dirs_exist_ok=True)
    return [save(folder / f"{name}.toml", small(name, *more)) for name, more in texts.items()]


def problems(paths: list[Path]) -> list[str]:
    with pytest.raises(BadCampaign) as bad:
        load_all(paths)
    return list(bad.value.problems)


def test_a_file_says_its_service_and_what_is_done_with_it(tmp_path: Path):
    lines = ('service = "grippe"', 'together = ["covid"]', 'together_in = "two"')
    (path,) = files(tmp_path, grippe=lines)
    campaign = load(path)
    assert (campaign.service, campaign.together) == ("grippe", ("covid",))
    assert places_of([campaign, COVID]) == TWO_PLACES
    assert places_of([GRIPPE, COVID]) == ONE_PLACE
    (alone,) = files(tmp_path, alone=())
    assert (load(alone).service, load(alone).together) == ("", ())


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (('service = "La grippe"',), "is no name of a service"),
        (('service = "a-very-long-name-of-a-service"',), "is no name of a service"),
        (('together = ["covid"]',), "it is of no service itself"),
        (('service = "grippe"', 'together = ["grippe"]'), "a service is here twice"),
        (('service = "grippe"', "together = []"), "is no list of services"),
        (('service = "grippe"', "doses = 2", 'together = ["covid"]'), "has one dose"),
        (
            ('service = "grippe"', 'together = ["covid"]', 'together_in = "both"'),
            'is neither "one" nor "two"',
        ),
        (('service = "grippe"', 'together_in = "two"'), "nothing is done together"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, lines: tuple[str, ...], says: str):
    (path,) = files(tmp_path, bad=lines)
    with pytest.raises(BadCampaign) as bad:
        load(path)
    (problem,) = bad.value.problems
    assert says in problem
    assert problem.startswith(f"{path}, line {9 + len(lines)}: ")


def test_two_that_callers_could_not_tell_apart(tmp_path: Path):
    paths = files(tmp_path, grippe=('service = "grippe"',), plain=())
    (problem,) = problems(paths)
    assert problem.startswith(f"{paths[1]}, line 1: service: it is open together with {paths[0]}")
    # One after the other they may lie in one folder.
    ends = "closes_at = 2026-01-01T00:00:00+01:00"
    begins = "opens_at = 2026-02-01T00:00:00+01:00"
    paths = files(tmp_path, grippe=(begins, 'service = "grippe"'), plain=(ends,))
    assert len(load_all(paths)) == 2


def test_two_services_that_have_one_name(tmp_path: Path):
    paths = files(tmp_path, covid=('service = "covid"',), grippe=('service = "grippe"',))
    assert len(load_all(paths)) == 2
    for name in ("covid", "grippe"):
        shutil.rmtree(tmp_path / name)
    (problem,) = problems(paths)
    assert problem == (
        f"{paths[0]}, line 10: service: callers hear the same words for it as for {paths[1]};"
        f" write its own in {tmp_path}/covid/words/"
    )


def test_a_service_that_no_campaign_has(tmp_path: Path):
    paths = files(tmp_path, grippe=('service = "grippe"', 'together = ["covid"]'))
    (problem,) = problems(paths)
    assert problem.startswith(f"{paths[0]}, line 11: together: no campaign here is of the service")


def test_two_that_say_differently_how_they_are_done_together(tmp_path: Path):
    paths = files(
        tmp_path,
        covid=('service = "covid"', 'together = ["grippe"]', 'together_in = "two"'),
        grippe=('service = "grippe"', 'together = ["covid"]'),
    )
    (problem,) = problems(paths)
    assert problem.startswith(f"{paths[0]}, line 12: together_in: {paths[1]} says")


def test_a_running_service_keeps_what_it_had_when_files_come_to_contradict(tmp_path: Path):
    files(tmp_path, grippe=('service = "grippe"',))
    seconds = [0.0]
    campaigns = Campaigns.read(tmp_path, now=lambda: NOON, ticks=lambda: seconds[0])
    files(tmp_path, plain=())
    for _ in range(3):
        seconds[0] += 10
        campaigns.current()
    assert [one.name for one in campaigns.all()] == ["grippe"]
    (tmp_path / "plain.toml").unlink()
    files(tmp_path, covid=('service = "covid"',))
    for _ in range(3):
        seconds[0] += 10
        campaigns.current()
    assert [one.service for one in campaigns.open_now()] == ["covid", "grippe"]


def test_of_each_service_the_one_that_opened_last_is_open():
    early = replace(GRIPPE, name="grippe-2025", opens_at=NOON - 300 * DAY)
    now = replace(GRIPPE, opens_at=NOON - DAY)
    later = replace(COVID, opens_at=NOON + DAY)
    moment = [NOON]
    campaigns = Campaigns.fixed(early, now, later, CARDS, now=lambda: moment[0])
    assert [one.name for one in campaigns.open_now()] == ["cards", "grippe-2026"]
    moment[0] += 2 * DAY
    assert [one.name for one in campaigns.open_now()] == ["cards", "grippe-2026", "covid-2026"]


def test_who_knows_one_service_alone_finds_it_as_before():
    plain = campaign_with(name="plain")
    campaigns = Campaigns.fixed(plain, now=lambda: NOON)
    assert campaigns.open_now() == (campaigns.current(),) == (plain,)
    closed = replace(plain, closes_at=NOON - DAY)
    assert Campaigns.fixed(closed, now=lambda: NOON).open_now() == ()


@pytest.mark.parametrize(
    ("born", "may"),
    [
        (date(1940, 1, 1), ["grippe", "covid", "cards"]),
        (date(1959, 1, 1), ["grippe", "cards"]),
        (date(1990, 1, 1), ["cards"]),
    ],
)
def test_a_person_chooses_among_what_they_may_have(born: date, may: list[str]):
    found = choices(ALL, born, (), NOON)
    assert [one.service for one in found] == may
    together = {one.service: one.together for one in found}
    # Both of two that are done together, if they may have both; whichever of the two says so.
    both = "covid" in may
    assert together.get("grippe", ()) == ((COVID.name,) if both else ())
    assert together.get("covid", ()) == ((GRIPPE.name,) if both else ())
    assert together["cards"] == ()


def test_who_may_have_nothing_yet_hears_of_the_first_that_they_may():
    # 64 now: influenza comes before Covid.
    born = date(1962, 6, 1)
    told = [eligibility(one, born, (), NOON) for one in (GRIPPE, COVID)]
    assert first_of(told).day_from == date(2027, 6, 1)
    assert last_of(told).day_from == date(2032, 6, 1)
    old = [eligibility(one, date(1940, 1, 1), (), NOON) for one in (GRIPPE, COVID)]
    assert last_of([*told, *old]).first_day is None
    assert first_of([*told, *old]).first_day is not None
