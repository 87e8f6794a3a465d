"""Public booking: a couple from the first question to the last page."""

from __future__ import annotations

from tests.browser.book_stage import Person, Site, site
from tests.browser.gallery.eye import Eye, Stage

# In Corsica, where this stage has no centre.
FAR = "20000"


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


WALKS = (a_couple, no_place_near, a_day_first, gone, too_young)
STAGE = Stage("booking", site, WALKS)
