"""The statement of accessibility says what the audit counted."""

from __future__ import annotations

import pytest

from prompts.screens import LANGUAGES, screen
from services.public.accessibility import AUDIT
from tests.support.house import House


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_statement_says_what_the_audit_counted(made: House, language: str):
    page = made.app.test_client().get(f"/accessibilite?lang={language}").get_data(as_text=True)
    words = screen(language)
    said = words.text(
        "statement.results",
        concerned=AUDIT.concerned,
        met=AUDIT.met,
        percent=AUDIT.percent,
        gaps=len(AUDIT.gaps),
        none=AUDIT.not_applicable,
    )
    assert said in page
    assert words["statement.partly"] in page
    assert AUDIT.state == "partly"
    assert str(AUDIT.on.year) in page
    gaps = {key for key in words if key.startswith("statement.gap.")}
    assert gaps == {f"statement.gap.{one.replace('.', '_')}" for one in AUDIT.gaps}
    for key in gaps:
        assert words[key] in page
        assert key.rpartition(".")[2].replace("_", ".") in words[key]
    # Ways of recourse, and how to reach us.
    assert "defenseurdesdroits.fr" in page
    assert "71120" in page
    assert "tel:+33974750001" in page
