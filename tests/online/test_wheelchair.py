"""Access with a wheelchair: what the file says, an operator's word over it, where it is shown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sqlalchemy import select, update

from models.centres import centres
from models.centres.tables import centre
from partners.official_centres import wheelchair
from services.centre_day.wheelchair import AccessRefused, WheelchairAccess
from tests.online.test_booking import Visitor
from tests.support.house import House, house, mornings
from tests.support.rows import change, rows_of


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("oui", "yes"),
        ("Oui.", "yes"),
        ("OUI", "yes"),
        ("oui (le parcours est fléché)", "yes"),
        ("Oui accès d'accès à la rue", "yes"),
        ("non", "no"),
        ("NON", "no"),
        ("oui mais compliqué", ""),
        ("Oui, sauf le week-end", ""),
        ("accessible sous conditions", ""),
        ("Non précisé", ""),
        ("", ""),
        ("Du 11 au 15/ janvier : 13h à 17h A partir du 18 janvier 9h -12h et 13h-17h", ""),
    ],
)
def test_what_centres_wrote_is_read_and_a_yes_with_a_but_is_none(text: str, told: str):
    assert wheelchair(text) == told


@pytest.fixture
def town(database_url: str) -> Iterator[House]:
    with house(database_url) as made:
        for gid, told in (("1", "yes"), ("2", "no"), ("3", "")):
            made.opens_centre(gid, name=f"Salle {gid}", kilometres=int(gid), starts=mornings(9))
            change(made.database, update(centre).where(centre.c.id == gid).values(wheelchair=told))
        yield made


def test_it_is_shown_on_offers_hours_check_and_confirmation_where_it_is_told(town: House):
    visitor = Visitor(town).comes_to_offers()
    assert visitor.page.count("Accessible en fauteuil roulant") == 1
    assert visitor.page.count("Pas accessible en fauteuil roulant") == 1
    assert "non renseigné" not in visitor.page
    visitor.opens("/rendez-vous/jours?jour=2026-11-26")
    assert visitor.page.count("Accessible en fauteuil roulant") == 1
    visitor.opens("/rendez-vous/creneaux").sends(place=visitor.places[0]).sends(wish="none")
    assert "Accessible en fauteuil roulant" in visitor.is_at("confirmer").page
    assert "Accessible en fauteuil roulant" in visitor.sends().is_at("fait").page


def test_the_page_of_a_centre_says_also_that_nobody_told_it(town: House):
    shown = [Visitor(town).opens(f"/centres/{gid}").page for gid in "123"]
    assert "Accessible en fauteuil roulant" in shown[0]
    assert "Pas accessible en fauteuil roulant" in shown[1]
    assert "Accès non renseigné par le centre" in shown[2]


def test_an_operators_word_stands_over_every_import_until_it_is_taken_back(town: House):
    access = WheelchairAccess(town.store, lambda: "marie")
    assert access.read("2").told == "no"
    assert access.say("2", "yes").told == "yes"
    (row,) = rows_of(town.database, select(centre).where(centre.c.id == "2"))
    again = {name: row._mapping[name] for name in row._mapping} | {"closed": False}
    for name in ("closed_at", "created_at", "updated_at", "source_mode", "our_wheelchair"):
        del again[name]
    centres.save(town.database, town.clock, [again | {"wheelchair": "no"}])
    assert access.read("2").told == "yes"
    assert "Accessible en fauteuil roulant" in Visitor(town).opens("/centres/2").page
    assert access.say("2", "unset").told == "no"
    assert access.say("2", "unset").told == "no"
    with pytest.raises(AccessRefused, match="no centre 99"):
        access.say("99", "yes")
