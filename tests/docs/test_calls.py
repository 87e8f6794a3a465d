"""The calls of docs/calls/ are word for word what the service says today."""

from __future__ import annotations

import re

from tests.calls.recorded import FOLDER as RECORDINGS
from tests.docs import calls


def test_the_pages_are_of_today():
    written = {path.name: path.read_text("utf-8") for path in calls.FOLDER.glob("*.md")}
    assert written == calls.pages(), f"`{calls.COMMAND}` writes them anew; read the difference"


def test_each_page_is_of_a_call_that_is_tested_and_can_be_read_aloud():
    assert {"mobile", "landline", "couple", "slow", "one_sentence"} <= calls.CALLS.keys()
    for page, name in calls.CALLS.items():
        assert (RECORDINGS / f"{name}.toml").exists()
        text = (calls.FOLDER / f"{page}.md").read_text("utf-8")
        # Neither a pause mark nor a value that was left out, nor the voice's own mark-up.
        assert not re.search(r"[|{}<>]", text), page
        assert re.search(
            r"\*\*\d+ answers, \d+ s spoken to the goodbye; the first offer at \d+ s\.\*\*", text
        )
