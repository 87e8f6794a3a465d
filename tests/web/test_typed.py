"""What is pasted into a field is read, whatever stands around and between its figures."""

from __future__ import annotations

import pytest

from web.typed import answers, clean, figures

PASTED = [
    "75011",
    " 75 011 ",
    "7 5 0 1 1",
    "75\u00a0011",
    "75\u202f011",
    "75.011",
    "75-011",
    "75\u2011011",
    "75\u2013011",
    "７５０１１",
    "\u200e75011\u200f",
    "\ufeff75\u200b011",
    "٧٥٠١١",
    "75_011\n",
]


@pytest.mark.parametrize("text", PASTED)
def test_figures_are_read_whatever_stands_between_them(text: str):
    assert figures(clean(text, 40)) == "75011"
    assert answers({"where": text, "code": text, "year": text}, 40) == dict.fromkeys(
        ("where", "code", "year"), "75011"
    )


@pytest.mark.parametrize("text", ["2A004", "Saint-Étienne", "L’Haÿ-les-Roses", "3 rue", "mars", ""])
def test_what_is_no_figures_stays_as_it_was_written(text: str):
    assert answers({"where": text, "month": text}, 40) == {"where": text, "month": text}


def test_a_whole_date_in_the_first_field_keeps_its_signs():
    assert answers({"day": "12.\u00a0"}, 40) == {"day": "12"}
    assert answers({"day": "１ ２"}, 40) == {"day": "12"}
    assert answers({"day": "3\u20114\u201142"}, 40) == {"day": "3-4-42"}


def test_a_long_paste_is_cut_after_its_blanks():
    assert clean(" " * 300 + "75011", 5) == "75011"
    assert clean("x" * 5000, 120) == "x" * 120
