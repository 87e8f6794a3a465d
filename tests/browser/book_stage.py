"""The public site on a loopback port, with a clock that goes on, and visitors with a browser."""

from __future__ import annotations

import threading

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from playwright.sync_api import Browser, Page
from werkzeug.serving import make_server

from services.campaign.campaign import Campaign
from services.numbers.numbers import CalledNumber
from services.store import NO_LIMITS, ReachLimits
from tests.browser.stage import PATIENCE_MS, Quiet, shelf
from tests.support.house import NOON, House, campaign_with, mornings
from tests.support.running_clock import RunningClock

# Two doses, and everything in reach is offered: what a couple of January 2021 met.
CAMPAIGN = campaign_with(doses=2, few_places=1)


@dataclass
class Site:
    house: House
    url: str
    browser: Browser
    pages: list[Page] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def visitor(self, **options: Any) -> Person:
        """Somebody at a page; `options` are those of `PageShelf.take`."""
        self.pages.append(shelf.take(self.browser, **options))
        return Person(self, self.pages[-1])


class Person:
    """Somebody at the site, who fills in what is there."""

    def __init__(self, site: Site, page: Page) -> None:
        self.site, self.page = site, page
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: site.troubles.append(str(error)))
        page.on("console", self._noted)

    def _noted(self, message: Any) -> None:
        # A form that is answered with what is wrong in it is no trouble of the page.
        if message.type == "error" and "422" not in message.text:
            self.site.troubles.append(message.text)

    def another_tab(self) -> Person:
        return Person(self.site, self.page.context.new_page())

    def opens(self, path: str = "/rendez-vous") -> Person:
        self.page.goto(self.site.url + path)
        return self

    def is_at(self, slug: str) -> Person:
        self.page.wait_for_url(f"**/rendez-vous/{slug}*")
        return self

    def starts(self, whom: str = "self") -> Person:
        self.opens()
        self.page.check(f"input[value={whom}]")
        self.page.click("main form button")
        return self.is_at("naissance")

    def is_born(self, day: str = "12", month: str = "3", year: str = "1942") -> Person:
        for name, text in (("day", day), ("month", month), ("year", year)):
            self.page.fill(f"#{name}", text)
        self.page.click("main form button")
        return self

    def lives(self, where: str = "75011") -> Person:
        self.page.fill("#where", where)
        self.page.click("main form button")
        return self

    def takes(self, number: int = 0) -> Person:
        self.page.locator(".offers button").nth(number).click()
        return self

    def is_reached(self, number: str = "06 12 34 56 78") -> Person:
        self.page.fill("#number", number)
        self.page.click("button[value=number]")
        return self.is_at("confirmer")

    def comes_to_offers(self, whom: str = "self") -> Person:
        self.starts(whom).is_born().is_at("commune").lives().is_at("creneaux")
        return self

    def comes_to_confirm(self, whom: str = "self", number: str = "06 12 34 56 78") -> Person:
        return self.comes_to_offers(whom).takes().is_at("joindre").is_reached(number)

    def confirms(self) -> Person:
        self.page.click("button.confirm")
        return self


@contextmanager
def site(
    database_url: str,
    browser: Browser,
    around: Callable[[Any], Any] = lambda app: app,
    campaign: Campaign = CAMPAIGN,
    *,
    beside: Sequence[Campaign] = (),
    numbers: Sequence[CalledNumber] = (),
    reach: ReachLimits = NO_LIMITS,
) -> Iterator[Site]:
    """A house whose pages say that they are at the loopback address that they are at.

    `around` is put around the application, as a proxy stands in front of it. `beside` are campaigns
    of other services.
    """
    clock = RunningClock(NOON)
    house = House(
        database_url, clock=clock, campaign=campaign, beside=beside, numbers=numbers, reach=reach
    )
    house.knows_postcodes()
    starts = mornings(34)
    for gid, name, away in (
        ("1", "Salle Olympe de Gouges", 0.4),
        ("2", "Gymnase Jean Jaurès", 4.1),
        ("3", "Mairie annexe", 12.2),
    ):
        house.opens_centre(gid, name=name, kilometres=away, starts=starts, capacity=6)
    try:
        with open_to_visitors(house, browser, around) as made:
            yield made
    finally:
        house.close()


@contextmanager
def open_to_visitors(
    house: House, browser: Browser, around: Callable[[Any], Any] = lambda app: app
) -> Iterator[Site]:
    """The site of a house that is there already."""
    nobody = Flask("nobody")
    server = make_server("127.0.0.1", 0, nobody, threaded=True, request_handler=Quiet)
    url = f"http://127.0.0.1:{server.server_port}"
    server.app = around(house.application(public_base_url=url))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    made = Site(house, url, browser)
    try:
        yield made
    finally:
        for page in made.pages:
            shelf.give_back(page)
        server.shutdown()
        thread.join()
        server.server_close()
    assert made.troubles == [], made.troubles
