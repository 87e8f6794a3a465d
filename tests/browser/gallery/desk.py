"""An agent's desk: a caller who gave up at the offers, a case, and nobody at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, expect

from tests.browser.desk_stage import (
    AtDesk,
    DeskStage,
    desk_stage,
    gives_up_at_the_offers,
    reaches_nobody,
)
from tests.browser.gallery.eye import Eye, Stage


@contextmanager
def begins(database_url: str, browser: Browser) -> Iterator[DeskStage]:
    with desk_stage(browser, database_url) as staged:
        yield staged


def _sits_down(staged: DeskStage, eye: Eye) -> AtDesk:
    desk = staged.sits_down()
    eye.contexts.append(desk.page.context)
    eye.speaks(desk.page, staged.url)
    return desk


def _searches(page: Page, born: str) -> None:
    page.fill("#born1", born)
    page.locator("#born1").press("Enter")


def a_call(staged: DeskStage, eye: Eye) -> None:
    desk = _sits_down(staged, eye)
    page = desk.page
    eye.sees(page, "away")
    desk.ready()
    eye.sees(page, "ready")
    gives_up_at_the_offers(staged.rings())
    expect(page.locator("#answer")).to_be_focused()
    eye.sees(page, "rings")
    desk.answers()
    expect(page.locator(".offers .offer")).to_have_count(3)
    eye.sees(page, "talking")
    _searches(page, "31021942")
    expect(page.locator("#born1-error")).to_be_visible()
    eye.sees(page, "wrong")
    _searches(page, "12031942")
    expect(page.locator(".offers")).to_be_focused()
    page.keyboard.press("2")
    expect(page.locator(".read-back")).to_be_focused()
    eye.sees(page, "read-back")
    desk.hangs_up()
    desk.is_("wrapup")
    eye.sees(page, "wrap-up")
    page.select_option("#code", "information")
    page.click("#actions .primary")
    desk.is_("ready")
    page.click('form[action="/poste/absent"] button')
    desk.is_("offline")


def a_case(staged: DeskStage, eye: Eye) -> None:
    reaches_nobody(staged.house, "+33698765432")
    page = _sits_down(staged, eye).page
    page.locator("#cases .cases button").first.click()
    expect(page.locator("#case-title")).to_be_focused()
    eye.sees(page, "case")


WALKS = (a_call, a_case)
STAGE = Stage("desk", begins, WALKS)
