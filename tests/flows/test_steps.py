"""What each step says of itself: where it is counted, what agents call it, and its page."""

import re

from pathlib import Path

import pytest

from flows.questions import TELEPHONE_ONLY, Part
from flows.steps import HELD, STEPS
from prompts.screens import LANGUAGES, screen
from services.supervision.board import OTHER, menu
from web.online import booking, my_appointment

PAGES = Path("web/templates/online")
WITH_A_PAGE = [step for step in STEPS.values() if step.page]


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_step_says_where_it_is_counted_and_whether_it_has_a_page(step):
    assert isinstance(step.part, Part)
    assert step.page == TELEPHONE_ONLY or re.fullmatch("[a-z-]+", step.page)


@pytest.mark.parametrize("name", [*STEPS, *HELD])
@pytest.mark.parametrize("language", LANGUAGES)
def test_agents_have_a_name_for_each_step(language, name):
    assert screen(language)[f"desk.step.{name}"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_supervisors_have_a_name_for_each_part(language):
    assert all(screen(language)[f"board.menu.{part}"] for part in (*Part, OTHER))


def test_each_part_is_one_stretch_of_the_list():
    parts = [step.part for step in STEPS.values()]
    assert list(dict.fromkeys(parts)) == [*Part]
    assert parts == sorted(parts, key=[*Part].index)


@pytest.mark.parametrize(
    "step", ["partner_centre", "calls_offer", "kept_place_check", "callback_check"]
)
def test_no_step_is_counted_among_the_others(step):
    groups = dict(menu({step: 3})["groups"])
    assert groups[str(STEPS[step].part)] == 3
    assert OTHER not in groups


@pytest.mark.parametrize("step", WITH_A_PAGE, ids=lambda step: step.name)
def test_a_step_with_a_page_has_its_template_or_words_for_its_keys(step):
    slugs = {**my_appointment.SLUGS, **booking.SLUGS}
    assert slugs[step.name] == step.page
    if step.page_of_keys:
        for language in LANGUAGES:
            assert {f"book.{step.name}.title", f"book.{step.name}.key_1"} <= {*screen(language)}
        return
    folders = [
        name
        for name, of in (("booking", booking), ("my_appointment", my_appointment))
        if step.name in of.SLUGS
    ]
    assert folders
    for folder in folders:
        assert (PAGES / folder / f"{step.name}.html").exists()


def test_a_step_without_a_page_has_no_template():
    without = {step.name for step in STEPS.values()} - {step.name for step in WITH_A_PAGE}
    assert not [path for path in PAGES.glob("*/*.html") if path.stem in without - {"resume"}]
