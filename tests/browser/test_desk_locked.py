"""A PostgreSQL that is locked under an agent in a call: what the desk says at 1, 8 and 60 seconds.

`--basetemp=FOLDER` says where the pictures of it stay.
"""

from __future__ import annotations

import time

from pathlib import Path

import pytest

from playwright.sync_api import Browser, expect

from tests.browser.desk_stage import desk_stage, gives_up_at_the_offers
from tests.browser.stage import PATIENCE_MS
from tests.support.locks import locked

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(400)]

LOOKED_AT = (1, 8, 60)
# Each request of a desk reads whose session it is.
SESSIONS = "staff_session"


def test_an_agent_is_told_and_loses_nothing(browser: Browser, database_url: str, tmp_path: Path):
    with desk_stage(browser, database_url) as staged:
        desk = staged.sits_down()
        page = desk.page
        desk.ready()
        gives_up_at_the_offers(staged.rings())
        desk.answers()
        expect(page.locator(".offers .offer")).to_have_count(3)
        page.fill("#name1", "Odette Martin")
        trouble = page.locator("#trouble")
        with locked(database_url, SESSIONS):
            began = time.monotonic()
            page.keyboard.press("Enter")
            for second in LOOKED_AT:
                page.wait_for_timeout(max(1000 * (began + second - time.monotonic()), 0))
                page.screenshot(path=tmp_path / f"locked-{second}s.png", full_page=True)
                if second > 1:
                    expect(trouble).to_contain_text("ne répond pas")
                # The call goes on, and what was typed stands there.
                desk.is_("talking")
                expect(page.locator("#name1")).to_have_value("Odette Martin")
        expect(trouble).to_be_hidden(timeout=4 * PATIENCE_MS)
        page.screenshot(path=tmp_path / "unlocked.png", full_page=True)
        expect(page.locator("#name1")).to_have_value("Odette Martin")
        # A second press is as good as the first would have been.
        page.locator("#name1").press("Enter")
        expect(page.locator(".offers .offer").first).to_be_visible()
        desk.is_("talking")
