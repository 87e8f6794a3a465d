"""Public booking: a couple from the first question to the last page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from playwright.sync_api import Browser, Page
from sqlalchemy import update

from models.slots.tables import place
from services.campaign.campaign import Eligible
from tests.browser.book_stage import Person, Site, site
from tests.browser.gallery.eye import Eye, Stage
from tests.browser.gallery.towns import NAMESAKES, NOWHERE, knows_more_towns
from tests.support.house import NOON, campaign_with
from tests.support.rows import change

# In Corsica, where this stage has no centre.
FAR = "20000"


@contextmanager
def begins(database_url: str, browser: Browser) -> Iterator[Site]:
    with site(database_url, browser) as made:
        knows_more_towns(made.house)
        yield made


def _comes(made: Site, eye: Eye) -> Person:
    person = made.visitor()
    eye.contexts.append(person.page.context)
    eye.speaks(person.page, made.url)
    person.opens(eye.path("/rendez-vous"))
    return person


def _starts(person: Person, whom: str) -> Person:
    person.page.check(f"input[value={whom}]")
    person.page.click("main form button")
    return person.is_at("naissance")


def a_couple(made: Site, eye: Eye) -> None:
    person = _comes(made, eye)
    page = person.page
    eye.sees(page, "start")
    _starts(person, "two")
    eye.sees(page, "birth")
    person.is_born("31", "2", "1942")
    page.wait_for_selector("#problems")
    eye.sees(page, "birth-wrong")
    person.is_born().is_at("commune")
    eye.sees(page, "where")
    person.lives("Xyzzy")
    page.wait_for_selector("#problems")
    eye.sees(page, "where-wrong")
    person.lives().is_at("creneaux")
    eye.sees(page, "offers")
    person.takes().is_at("joindre")
    eye.sees(page, "reach")
    page.fill("#number", "12")
    page.click("button[value=number]")
    page.wait_for_selector("#problems")
    eye.sees(page, "reach-wrong")
    person.is_reached("06 12 34 56 70" if eye.language == "fr" else "06 12 34 56 71")
    eye.sees(page, "confirm")
    person.confirms().is_at("fait")
    eye.sees(page, "first-done")
    page.click("main form button")
    person.is_at("naissance").is_born("1", "4", "1944").is_at("creneaux")
    person.takes().is_at("confirmer").confirms().is_at("fait")
    eye.sees(page, "done")


def no_place_near(made: Site, eye: Eye) -> None:
    """There is no centre near; then the first question once more."""
    person = _comes(made, eye)
    page = person.page
    _starts(person, "self").is_born().is_at("commune")
    person.lives(FAR).is_at("attente")
    eye.sees(page, "no-slot")
    eye.goes(page, made.url, "/rendez-vous/pour-qui")
    eye.sees(page, "for-whom")


def waits_and_leaves(made: Site, eye: Eye) -> None:
    """Somebody who wants to be told of a place, and then does not any more."""
    person = _comes(made, eye)
    page = person.page
    _starts(person, "self").is_born("3", "6", "1943").is_at("commune")
    person.lives(FAR).is_at("attente")
    page.fill("#number", "06 12 34 56 80" if eye.language == "fr" else "06 12 34 56 81")
    page.click("button[value=waiting]")
    person.is_at("note")
    eye.sees(page, "told")
    page.click("details.given summary")
    page.click("details.given button")
    page.wait_for_url("**/liste-quittee*")
    eye.sees(page, "left")


def nowhere(made: Site, eye: Eye) -> None:
    """A postcode of which nothing is known but its name: a person helps."""
    person = _comes(made, eye)
    _starts(person, "self").is_born("4", "6", "1943").is_at("commune")
    person.lives(NOWHERE).is_at("par-telephone")
    eye.sees(person.page, "person")


def one_of_two_towns(made: Site, eye: Eye) -> None:
    person = _comes(made, eye)
    _starts(person, "self").is_born("5", "6", "1943").is_at("commune")
    person.lives(NAMESAKES).is_at("laquelle")
    eye.sees(person.page, "which-town")


def comes_again(made: Site, eye: Eye) -> None:
    """Somebody who begins once more, and is asked whether they go on."""
    person = _comes(made, eye)
    page = person.page
    _starts(person, "self").is_born("6", "6", "1943").is_at("commune")
    eye.goes(page, made.url, "/rendez-vous")
    _starts_at(page)
    person.is_at("reprendre")
    eye.sees(page, "resume")


def _starts_at(page: Page) -> None:
    page.check("input[value=self]")
    page.click("main form button")


def a_day_first(made: Site, eye: Eye) -> None:
    """Somebody who chooses a day, and then looks at its hours."""
    person = _comes(made, eye)
    page = person.page
    _starts(person, "self").is_born("2", "5", "1943").is_at("commune")
    person.lives().is_at("creneaux")
    eye.goes(page, made.url, "/rendez-vous/jours")
    eye.sees(page, "days")
    page.locator("main li a").first.click()
    page.wait_for_selector("main form button")
    eye.sees(page, "hours")


def gone(made: Site, eye: Eye) -> None:
    """A page of a visit that nobody has any more."""
    page = eye.opens(made.url, "/rendez-vous/creneaux")
    eye.sees(page, "gone")


def too_young(made: Site, eye: Eye) -> None:
    person = _comes(made, eye)
    _starts(person, "other").is_born("1", "1", "2019")
    person.page.wait_for_load_state("networkidle")
    eye.sees(person.page, "not-eligible")


WALKS = (
    a_couple,
    no_place_near,
    waits_and_leaves,
    nowhere,
    one_of_two_towns,
    comes_again,
    a_day_first,
    gone,
    too_young,
)
STAGE = Stage("booking", begins, WALKS)

# ---------------------------------------------------------------- at other times, for other people

_DAY = timedelta(days=1)
CARERS = Eligible(minimum_age=50, group="soignants")


@contextmanager
def _before(database_url: str, browser: Browser) -> Iterator[Site]:
    campaign = campaign_with(opens_at=NOON + _DAY)
    with site(database_url, browser, campaign=campaign) as made:
        yield made


@contextmanager
def _after(database_url: str, browser: Browser) -> Iterator[Site]:
    campaign = campaign_with(closes_at=NOON - _DAY)
    with site(database_url, browser, campaign=campaign) as made:
        yield made


@contextmanager
def _for_a_group(database_url: str, browser: Browser) -> Iterator[Site]:
    """And of each slot one place is left, so that a couple cannot have two."""
    campaign = campaign_with(eligible=(CARERS, Eligible(minimum_age=75)))
    with site(database_url, browser, campaign=campaign) as made:
        change(made.house.database, update(place).where(place.c.number > 1).values(blocked=True))
        yield made


def not_open_yet(made: Site, eye: Eye) -> None:
    person = _comes(made, eye)
    _starts_at(person.page)
    person.is_at("ouverture")
    eye.sees(person.page, "not-open")


def over(made: Site, eye: Eye) -> None:
    person = _comes(made, eye)
    _starts_at(person.page)
    person.is_at("fin")
    eye.sees(person.page, "over")


def asked_for_a_group(made: Site, eye: Eye) -> None:
    person = _comes(made, eye)
    _starts(person, "self").is_born("1", "1", "1970").is_at("situation")
    eye.sees(person.page, "group")


def one_place_for_two(made: Site, eye: Eye) -> None:
    person = _comes(made, eye)
    _starts(person, "two").is_born().is_at("commune").lives().is_at("creneaux")
    person.takes().is_at("a-deux")
    eye.sees(person.page, "couple-choice")


BEFORE = Stage("booking-before", _before, (not_open_yet,))
AFTER = Stage("booking-after", _after, (over,))
GROUP = Stage("booking-group", _for_a_group, (asked_for_a_group, one_place_for_two))
