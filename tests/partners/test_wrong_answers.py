"""Whatever stands anywhere in an answer, a reader gives slots, or says that it is no answer."""

from __future__ import annotations

import copy

from collections.abc import Iterator
from typing import Any

import pytest

from jobs.partner_files import READERS
from partners.reading import Context, NotAnAnswer
from tests.partners import answers

WRONG: tuple[Any, ...] = (
    *(None, True, -1, 1e308, "", "x\0\ud800", "2021-05-03", [], {}, [[]], [{}], {"id": {}}),
    *("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"),
)
ANSWERS = {
    "doctolib page": ("doctolib", answers.doctolib_page()),
    "doctolib slots": (
        "doctolib",
        answers.doctolib_slots(
            {
                "start_date": "2021-05-03T09:00:00Z",
                "agenda_id": 21,
                "steps": [{"visit_motive_id": 11}, {"start_date": "2021-06-03T09:00:00Z"}],
            },
            ["2021-05-03T09:10:00Z", "2021-06-03T09:10:00Z"],
            next_slot="2021-06-01",
            total=2,
        ),
    ),
    "maiia": (
        "maiia",
        answers.maiia_page(
            answers.maiia_centre(),
            answers.maiia_reason("Première injection", injectionType="FIRST"),
            answers.maiia_slot("2021-05-03T09:00:00Z"),
        ),
    ),
    "keldoc motives": ("keldoc", answers.keldoc_motives((7, "INJ1"))),
    "keldoc slots": ("keldoc", answers.keldoc_slots("2021-05-03T09:00:00Z")),
}
Path = tuple[str | int, ...]


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    if isinstance(value, (dict, list)):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(one, (*path, key))


def changed(answer: Any, path: Path, wrong: Any) -> Any:
    if not path:
        return wrong
    copied = copy.deepcopy(answer)
    inner = copied
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = wrong
    return copied


@pytest.mark.parametrize("name", ANSWERS)
def test_no_answer_breaks_a_reader(name):
    platform, answer = ANSWERS[name]
    read = READERS[platform]
    known = Context()
    for own, other in ANSWERS.values():
        known = known.plus(READERS[own](other, Context()))
    for path in places(answer):
        for wrong in WRONG:
            wronged = changed(answer, path, wrong)
            for context in (Context(), known):
                try:
                    reading = read(wronged, context)
                except NotAnAnswer:
                    continue
                context.plus(reading)
                told = [*reading.notes, *(one.motive for one in reading.slots)]
                "\n".join(told).encode()
                assert all(0 <= slot.dose <= 3 for slot in reading.slots)
                assert all(len(centre.id) <= 80 for centre in reading.centres)
