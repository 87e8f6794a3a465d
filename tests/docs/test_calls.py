"""The calls of docs/calls/ are word for word what the service says today."""

from __future__ import annotations

import re

from collections.abc import Callable

import pytest

from commands.common_call import PATHS
from tests.calls.recorded import FOLDER as RECORDINGS
from tests.docs import calls

BARS = {path.name: path.bars for path in PATHS}
# What a call took up to somewhere, as a page's head has it.
REACHED = r"(\d+) answers and (\d+) s"


@pytest.fixture(scope="module")
def pages(new_store: Callable[[], str]) -> dict[str, str]:
    return calls.pages(new_store)


def told(text: str, where: str) -> list[int]:
    """Answers and seconds that the head of a page tells; `where`: the words around them."""
    found = re.search(where.format(REACHED), text)
    assert found, f"{text[:400]}: {where}"
    return [int(one) for one in found.groups()]


def test_the_pages_are_of_today(pages: dict[str, str]):
    written = {path.name: path.read_text("utf-8") for path in calls.FOLDER.glob("*.md")}
    assert written == pages, f"`{calls.COMMAND}` writes them anew; read the difference"


def test_each_page_is_of_a_call_that_is_tested_and_can_be_read_aloud():
    assert {"mobile", "landline", "couple", "slow", "one_sentence"} <= calls.CALLS.keys()
    for page, name in calls.CALLS.items():
        assert (RECORDINGS / f"{name}.toml").exists()
        text = (calls.FOLDER / f"{page}.md").read_text("utf-8")
        # Neither a pause mark nor a value that was left out, nor the voice's own mark-up.
        assert not re.search(r"[|{}<>]", text), page
        head = r"\*\*Booked after .* The first offer at \d+ s\. .* to the goodbye: .*\.\*\*"
        assert re.search(head, text), page
        # It is played to its end.
        assert text.endswith("The call is over.\n"), page


@pytest.mark.parametrize(
    ("page", "path", "where"),
    [
        ("mobile", "mobile", "All is told after {}"),
        ("landline", "landline", "All is told after {}"),
        ("couple", "couple", "All is told after {}"),
        ("one_sentence", "one sentence", r"\({} after the sentence\)"),
    ],
)
def test_the_calls_that_have_bars_are_within_them_as_they_are_told(
    pages: dict[str, str], page: str, path: str, where: str
):
    """So that a reader who compares a page with its bar compares the same part of a call."""
    answers, seconds = told(pages[f"{page}.md"], where)
    assert answers == BARS[path].answers
    assert seconds <= BARS[path].seconds
