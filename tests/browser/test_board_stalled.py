"""A PostgreSQL that is locked under a supervisor: what the board says at 1, 8 and 60 seconds.

`--basetemp=FOLDER` says where the pictures of it stay.
"""

from __future__ import annotations

import re

from pathlib import Path

import pytest

from playwright.sync_api import Browser

from tests.browser.board_stage import board_stage
from tests.browser.board_stalled import watch

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(300)]


@pytest.mark.parametrize(
    ("name", "locked_for", "at_the_end"), [("locked", 50, True), ("gone", 66, False)]
)
def test_no_old_number_looks_like_one_of_now(
    *,
    browser: Browser,
    database_url: str,
    tmp_path: Path,
    name: str,
    locked_for: float,
    at_the_end: bool,
):
    with board_stage(database_url) as staged:
        first, second, third = watch(browser, staged, tmp_path, name, locked_for)
    # Figures of a second ago are figures of now.
    assert (first.is_fresh, first.banner) == (True, "")
    assert "Le service ne répond pas" in second.banner
    assert second.banner.startswith("Chiffres de 11")
    assert set(second.states) == {"old"}
    assert set(second.acts) == {"le service ne répond pas"}
    # After fifty seconds it answers again, and all is of now; else it says how old it is.
    assert third.is_fresh is at_the_end
    assert ("old" in third.states) is not at_the_end
    # Told in steps of ten seconds, then in minutes.
    assert at_the_end or re.search("il y a (0:50|1:00)", third.banner)
