"""Today and tomorrow on pages: beside the date for the eye, and not on paper."""

from __future__ import annotations

from datetime import UTC, datetime

from prompts.screens import screen
from web.written import Written

NOW = datetime(2026, 11, 29, 21, 30, tzinfo=UTC)
MONDAY = "2026-11-30T14:00:00+00:00"


def written(language: str, now: datetime | None = NOW) -> Written:
    return Written(screen(language), now)


def test_a_page_says_tomorrow_with_the_date():
    assert written("fr").day_hour(MONDAY) == "lundi 30 novembre à 15h00 (demain)"
    assert written("en").day_hour(MONDAY).endswith(" (tomorrow)")
    assert written("es").day_hour(MONDAY).endswith(" (mañana)")
    # By the clock of the place: in Réunion Monday has begun.
    assert written("fr").day_hour(MONDAY, "Indian/Reunion").endswith("à 18h00 (aujourd'hui)")


def test_paper_and_other_days_have_the_date_alone():
    assert written("fr").date_hour(MONDAY) == "lundi 30 novembre à 15h00"
    assert written("fr", None).day_hour(MONDAY) == "lundi 30 novembre à 15h00"
    assert written("fr").day_hour("2026-12-01T14:00:00+00:00") == "mardi 1er décembre à 15h00"
