"""A service with its dispatcher, a simulator with its telephones, and agents at their desks."""

from __future__ import annotations

import re

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from flask import Flask
from jinja2 import Undefined
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import update

from exchange.interpreter import Keys
from exchange.numbers import to_e164
from ivr.provider import make_control
from models.accounts.staff import Staff
from models.desk import cases
from models.desk.cases import NewCase
from models.messages import outbox
from models.messages.tables import message
from services.accounts.staff import set_phone
from services.campaign.campaign import Campaign
from services.numbers.numbers import CalledNumber
from tests.browser.stage import (
    PATIENCE_MS,
    Visitor,
    at_a_port,
    dispatches,
    exchange_for,
    serves,
    shelf,
)
from tests.support.house import CAMPAIGN, NOON, House, house, mornings
from tests.support.running_clock import RunningClock
from tools.simulator.answers import AnswersLeg

BORN = {"dob": "12031942", "postcode": "75011"}
MOBILE = "+33612345678"


@dataclass
class DeskStage:
    """`url` is the service's address, `simulator_url` that of the telephones."""

    house: House
    app: Flask
    url: str
    simulator: Any
    simulator_url: str
    browser: Browser
    pages: list[Page] = field(default_factory=list)

    def opens(self, width: int = 1280, height: int = 900, *, hasty: bool = False) -> Page:
        page = shelf.take(self.browser, width=width, height=height, hasty=hasty)
        self.pages.append(page)
        return page

    def rings(self, width: int = 500) -> Visitor:
        """Somebody at a telephone of the simulator."""
        visitor = Visitor(self.opens(width, hasty=True), self.simulator_url)
        visitor.by_keyboard = True
        visitor.hurries()
        return visitor

    def sits_down(self, name: str = "Camille Martin", *, width: int = 1280) -> AtDesk:
        """An agent signs in and opens the desk."""
        staff = self.house.employs("agent", name=name)
        page = self.opens(width)
        desk = AtDesk(self, page, staff)
        desk.comes()
        return desk


@dataclass
class AtDesk:
    """An agent in front of their page."""

    stage: DeskStage
    page: Page
    staff: Staff
    troubles: list[str] = field(default_factory=list)

    def comes(self) -> None:
        client = self.stage.house.signs_in(staff=self.staff, app=self.stage.app)
        kept = client.get_cookie(client.cookie)
        assert kept is not None
        cookie = {"name": "allo", "value": kept.value, "url": self.stage.url}
        self.page.context.add_cookies([cookie])  # type: ignore[list-item]
        self.listens_for_trouble()
        self.page.goto(f"{self.stage.url}/poste")

    def listens_for_trouble(self) -> None:
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on(
            "console",
            lambda one: (
                self.troubles.append(f"{one.text} {one.location}") if one.type == "error" else None
            ),
        )

    def is_(self, state: str) -> None:
        expect(self.page.locator(f"#state [data-state={state}]")).to_be_visible()

    def presses(self, keys: str) -> None:
        self.page.keyboard.press(keys)

    def ready(self) -> None:
        self.presses("Alt+p")
        self.is_("ready")

    def ready_for_next(self) -> None:
        """Whoever waits rings at once."""
        self.presses("Alt+p")
        self.is_("reserved")

    def has_a_telephone(self) -> Visitor:
        """A telephone of their own, at which they are rung."""
        visitor = self.stage.rings()
        with visitor.page.expect_response("**/telephone/rung?*"):
            number = to_e164(visitor.page.evaluate("caller()"))
        assert number
        set_phone(self.stage.house.store, self.staff.id, number)
        self.page.reload()
        self.page.select_option("#voice", "phone")
        expect(self.page.locator("#told")).to_have_text("C’est noté.")
        return visitor

    def takes_up(self, telephone: Visitor) -> None:
        """Somebody takes a call at a telephone, and presses 1 as they are asked to."""
        telephone.page.click("#take")
        telephone.turn = 0
        telephone.question()
        telephone.presses("1")
        self.is_("talking")

    def answers(self) -> None:
        expect(self.page.locator("#answer")).to_be_focused()
        self.presses("Enter")
        self.is_("talking")

    def talks(self) -> Visitor:
        """Say ready, and answer a caller who gave up at the offers; the caller's telephone."""
        self.ready()
        caller = self.stage.rings()
        gives_up_at_the_offers(caller)
        self.answers()
        state_of(caller.page, WITH_PERSON)
        return caller

    def hangs_up(self) -> None:
        """It is asked once, and answered by the keyboard."""
        self.presses("Alt+x")
        expect(self.page.locator("#hang-up-sure")).to_be_focused()
        self.presses("Enter")

    def reopens(self) -> None:
        """The browser is gone, and another one is there."""
        self.page.close()
        self.page = self.page.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.listens_for_trouble()
        self.page.goto(f"{self.stage.url}/poste")


def gives_up_at_the_offers(visitor: Visitor) -> None:
    """A caller who types date and postcode, hears offers, and asks for a person."""
    leg = AnswersLeg(BORN, MOBILE)
    visitor.calls()
    while (question := visitor.question()) and "Autre jour ou lieu" not in visitor.told():
        answer = visitor.answer(leg, question)
        assert isinstance(answer, Keys)
        visitor.presses(answer.digits)
    visitor.presses("0")


def goes_to_the_date(visitor: Visitor) -> None:
    leg = AnswersLeg(BORN, MOBILE)
    visitor.calls()
    while (question := visitor.question()) and "huit chiffres" not in visitor.told():
        answer = visitor.answer(leg, question)
        assert isinstance(answer, Keys)
        visitor.presses(answer.digits)


@contextmanager
def desk_stage(
    browser: Browser,
    database_url: str,
    campaigns: Sequence[Campaign] = (CAMPAIGN,),
    numbers: Sequence[CalledNumber] = (),
) -> Iterator[DeskStage]:
    (server, url), (simulating, simulator_url) = (at_a_port(Flask("none")) for _ in range(2))
    with ExitStack() as stack:
        first, *beside = (replace(one, doses=1) for one in campaigns)
        made = stack.enter_context(
            house(
                database_url,
                clock=RunningClock(NOON),
                campaign=first,
                beside=beside,
                numbers=numbers,
            )
        )
        for gid, name, away in (
            ("1", "Salle Olympe de Gouges", 0.4),
            ("2", "Gymnase Jean Jaurès", 4.1),
            ("3", "Mairie annexe", 12.2),
        ):
            made.opens_centre(gid, name=name, kilometres=away, starts=mornings(30), capacity=4)
        changed: dict[str, Any] = {
            "public_base_url": url,
            "twilio_api_base_url": simulator_url,
            "simulator_port": simulating.server_port,
            "calls_per_second": 50.0,
        }
        settings = made.settings.model_copy(update=changed)
        control = make_control(settings)
        app = made.application(control, **changed)
        # A caller may go between a page's question and its answer: that is empty, as in production.
        app.jinja_env.undefined = Undefined
        simulated = exchange_for(stack, url, url, simulator_port=simulating.server_port)
        server.app, simulating.app = app, simulated
        serves(stack, server, simulating)
        dispatches(stack, made, settings, control, made.service())
        staged = DeskStage(
            made, app, url, simulated.extensions["simulator"], simulator_url, browser
        )
        try:
            yield staged
        finally:
            for page in staged.pages:
                shelf.give_back(page)


def reaches_nobody(made: House, number: str = MOBILE) -> str:
    """Somebody books from a number, and their text arrives nowhere; the booking's id."""
    made.phone(number).goes_to("reach").presses("1").goes_to("reference")
    row = made.messages("sms")[-1]
    with made.database.transaction() as connection:
        outbox.sent(connection, made.clock, row.id, f"SM{row.id}")
        code = "30006"
        outbox.move_state(connection, made.clock, row.id, "undelivered", error_code=code)
        looked = update(message).where(message.c.dedupe_key == f"follows:{row.id}")
        connection.execute(looked.values(state="dropped", error_code="case"))
        new = NewCase(
            made.store.chance.identifier(),
            "undelivered",
            f"confirmation {code}",
            booking_id=row.booking_id,
            message_id=row.id,
        )
        cases.add(connection, made.clock, new)
    return str(row.booking_id)


def spoken(page: Page) -> str:
    """What the page told its listeners last."""
    return re.sub(r"\s+", " ", page.locator("#told").inner_text())


# ---------------------------------------------------------------- for tests

WITH_PERSON = "En ligne avec une personne"


@pytest.fixture
def staged(browser: Browser, database_url: str) -> Iterator[DeskStage]:
    """The desk, the service behind it and callers."""
    with desk_stage(browser, database_url) as made:
        yield made


@pytest.fixture
def desk(staged: DeskStage) -> Iterator[AtDesk]:
    """An agent who sits down; no error of their pages is forgiven."""
    made = staged.sits_down()
    yield made
    assert made.troubles == []


def state_of(page: Page, words: str) -> None:
    expect(page.locator("#state")).to_have_text(words)
