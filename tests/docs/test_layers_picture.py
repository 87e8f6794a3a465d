"""The picture of the architecture is drawn from the import contracts, and is of today."""

from __future__ import annotations

from tests.docs.layers_picture import PICTURE, columns, drawing


def test_the_picture_shows_the_contracts_of_today():
    assert PICTURE.read_text("utf-8") == drawing(), "python -m tests.docs.layers_picture"


def test_every_domain_of_the_use_cases_is_in_it():
    titles = dict(columns())
    assert {"project/", "services/", "models/", "web/"} <= set(titles)
    assert ["waiting_list", "partners"] in titles["services/"]
