"""Pages that a person meets when something is in their way: no cookies, a night, a limit, others.

Each of these stages has its own house, for what stands in the way of one would do so of all.
"""

from __future__ import annotations

import time

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from itsdangerous import TimestampSigner
from playwright.sync_api import Browser, Page
from sqlalchemy import update

from models.slots.tables import place
from services.store import ReachLimits
from tests.browser.book_stage import Person, Site, open_to_visitors, site
from tests.browser.gallery.eye import Eye, Stage
from tests.browser.gallery.mine import booked, links, proves
from tests.support.house import LANDLINE
from tests.support.keldoc import beside
from tests.support.rows import change
from web.online.cookies import BOOKING_LIVES

_NIGHT = BOOKING_LIVES + timedelta(hours=8)


def _comes(made: Site, eye: Eye) -> Person:
    person = made.visitor()
    eye.contexts.append(person.page.context)
    eye.speaks(person.page, made.url)
    person.opens(eye.path("/rendez-vous"))
    person.page.check("input[value=self]")
    person.page.click("main form button")
    return person


def _comes_to_reach(made: Site, eye: Eye) -> Person:
    person = _comes(made, eye).is_at("naissance").is_born().is_at("commune")
    return person.lives().is_at("creneaux").takes().is_at("joindre")


def _forgives(made: Site) -> None:
    """A page that is gone is what this walk wants, and a browser calls it an error."""
    made.troubles = [one for one in made.troubles if "status of 410" not in one]


# ---------------------------------------------------------------- a browser that takes no cookies


def _refuses_cookies(app: Any) -> Any:
    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            kept = [one for one in headers if one[0].lower() != "set-cookie"]
            return start_response(status, kept, *more)

        answer: Iterable[bytes] = app(environ, start)
        return answer

    return application


@contextmanager
def _without_cookies(database_url: str, browser: Browser) -> Iterator[Site]:
    with site(database_url, browser, around=_refuses_cookies) as made:
        yield made


def no_cookies(made: Site, eye: Eye) -> None:
    person = _comes(made, eye).is_at("naissance")
    eye.sees(person.page, "told")
    _forgives(made)


# ---------------------------------------------------------------- a page that was open over night


@contextmanager
def _plain(database_url: str, browser: Browser) -> Iterator[Site]:
    with site(database_url, browser) as made:
        links(made)
        yield made


def over_night(made: Site, eye: Eye) -> None:
    person = _comes_to_reach(made, eye)
    page = person.page
    page.fill("#number", "06 12 34 56 78")
    later = int(time.time() + _NIGHT.total_seconds())
    with patch.object(TimestampSigner, "get_timestamp", lambda _self: later):
        page.click("button[value=number]")
        page.wait_for_selector("#day")
        eye.sees(page, "asked")
        proves(person, day="13")
        page.wait_for_selector("#problems")
        eye.sees(page, "other-date")
        proves(person)
        person.is_at("confirmer")
    _forgives(made)


def goes_on_by_telephone(made: Site, eye: Eye) -> None:
    """The page of somebody who rang with the code of their visit."""
    person = _comes_to_reach(made, eye)
    page = person.page
    page.click("aside form button")
    page.wait_for_selector("ol strong.number")
    code = "".join(page.inner_text("ol strong.number").split())
    made.house.phone(LANDLINE).dials().answers("7", code, "1")
    eye.goes(page, made.url, "/rendez-vous/joindre")
    eye.sees(page, "elsewhere")


def _opens_mine(made: Site, eye: Eye, link: str) -> Page:
    """Somebody's own appointment, by the link of its text."""
    person = made.visitor()
    eye.contexts.append(person.page.context)
    eye.speaks(person.page, made.url)
    person.opens(link)
    proves(person)
    person.page.wait_for_url("**/voir")
    return person.page


def nothing_else_to_move_to(made: Site, eye: Eye) -> None:
    page = _opens_mine(made, eye, booked(made, "+33612345671"))
    free = place.c.booking_id.is_(None)
    page.click("button[value=move]")
    page.wait_for_selector("button[value=both]")
    change(made.house.database, update(place).where(free).values(blocked=True))
    page.click("button[value=both]")
    page.wait_for_url("**/rien-d-autre")
    eye.sees(page, "nothing-else")
    eye.goes(page, made.url, "/mon-rendez-vous/commune")
    eye.sees(page, "postcode")
    change(made.house.database, update(place).where(free).values(blocked=False))


def was_there(made: Site, eye: Eye) -> None:
    """Some days after both appointments: last of all, for the days go by for everybody."""
    link = booked(made, "+33612345672")
    made.house.clock.moment += timedelta(days=23)  # type: ignore[attr-defined]
    page = _opens_mine(made, eye, link)
    eye.sees(page, "past")


# ---------------------------------------------------------------- a limit that is met


@contextmanager
def _limited(database_url: str, browser: Browser) -> Iterator[Site]:
    """Whoever types a number proves it: somebody else booked with it before."""
    with site(database_url, browser, reach=ReachLimits(per_number=1)) as made:
        yield made


def _books(made: Site, eye: Eye, *born: str) -> Person:
    """Somebody of this birth date confirms with the same number as others."""
    person = _comes(made, eye).is_at("naissance").is_born(*born).is_at("commune")
    person.lives().is_at("creneaux").takes().is_at("joindre").is_reached()
    return person.confirms()


def proves_a_number(made: Site, eye: Eye) -> None:
    _books(made, eye, "1", "2", "1941").is_at("fait")
    page = _books(made, eye, "12", "3", "1942").is_at("code").page
    eye.sees(page, "asked")
    page.fill("#code", "000000")
    page.click("button[value=code]")
    page.wait_for_selector("main p.note[role=status]")
    eye.sees(page, "wrong")


# ---------------------------------------------------------------- a centre that a partner books


@contextmanager
def _partner(database_url: str, browser: Browser) -> Iterator[Site]:
    with beside(database_url) as one:
        one.opens()
        one.mirrors()
        with open_to_visitors(one.house, browser) as made:
            yield made


def at_a_partner(made: Site, eye: Eye) -> None:
    person = _comes(made, eye).is_at("naissance").is_born().is_at("commune")
    person.lives().is_at("attente")
    page = person.page
    eye.sees(page, "offers")
    page.locator("button[name=partner]").first.click()
    person.is_at("coordonnees")
    eye.sees(page, "name")
    for name, text in (("first_name", "Jeanne"), ("number", "06 12 34 56 78")):
        page.fill(f"#{name}", text)
    page.click("main form button")
    page.wait_for_selector("#problems")
    eye.sees(page, "name-wrong")
    page.fill("#last_name", "Martin")
    page.click("main form button")
    person.is_at("demande")
    eye.sees(page, "waits")


NO_COOKIES = Stage("cookies", _without_cookies, (no_cookies,))
NIGHT = Stage("night", _plain, (over_night,))
OTHERWISE = Stage("mine", _plain, (goes_on_by_telephone, nothing_else_to_move_to, was_there))
LIMITED = Stage("code", _limited, (proves_a_number,))
PARTNER = Stage("partner", _partner, (at_a_partner,))
SELDOM = (NO_COOKIES, NIGHT, OTHERWISE, LIMITED, PARTNER)
