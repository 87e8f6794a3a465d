"""Callers and visitors of islands whose postcodes have no position, and centres without one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from sqlalchemy import select, update

from models.centres.tables import WALK_IN_ONLY, centre, postcode
from models.slots.tables import place
from models.waiting_list.tables import waiting_entry
from services.campaign.campaigns import Campaigns
from services.centre_day.centre_life import CentreLife
from services.centre_day.operation import OperationRequest
from services.waiting_list.freed_slot_offers import offer_freed
from services.work import Work
from tests.online.visitors import BORN, Visitor
from tests.support.house import House, house, mornings
from tests.support.rows import change, rows_of

SAINT_BARTH = {"postcode": "97133", "town": "Saint-Barthélemy", "territory": "977"}
SAINT_MARTIN = {"postcode": "97150", "town": "Saint-Martin", "territory": "978"}
TAHITI = {"postcode": "98714", "town": "Papeete", "territory": "987"}
MARQUESAS = {"postcode": "98742", "town": "Nuku-Hiva", "territory": "987"}


@pytest.fixture
def islands(database_url: str) -> Iterator[House]:
    with house(database_url) as made:
        with made.database.transaction() as connection:
            rows = [
                {
                    "code": one["postcode"],
                    "main_town": one["town"],
                    "towns": "[]",
                    "departement": one["territory"],
                    "territory": one["territory"],
                    "latitude": None,
                    "longitude": None,
                    "fingerprint": "",
                }
                for one in (SAINT_BARTH, SAINT_MARTIN, TAHITI, MARQUESAS)
            ]
            connection.execute(postcode.insert(), rows)
        yield made


def opens_at(
    made: House, gid: str, where: dict[str, str], *, mode: str = "ours", **values: Any
) -> None:
    """A centre of an island, without a position if none is among `values`."""
    made.opens_centre(gid, name=f"Salle {gid}", mode=mode, starts=mornings(5), capacity=2)
    nowhere = {"latitude": None, "longitude": None, "departement": where["territory"]}
    with made.database.transaction() as connection:
        connection.execute(
            update(centre).where(centre.c.id == gid).values(**nowhere | where | values)
        )


def test_the_only_centre_of_an_island_is_offered_to_its_people(islands: House):
    opens_at(islands, "1293", SAINT_BARTH)
    islands.opens_centre("9", starts=mornings(5))
    caller = islands.phone().goes_to("offers", code="97133")
    caller.hears_text("Salle 1293, Saint-Barthélemy, dans votre secteur")
    caller.answers("1")
    caller.books(code="97133")
    (booked,) = islands.bookings()
    assert booked.centre_id == "1293"
    # Nobody else hears of it, nor its people of others.
    elsewhere = islands.phone("+33612345679").goes_to("person", code="97150")
    assert elsewhere.step == "person"


def test_a_position_in_such_a_land_is_no_hindrance(islands: House):
    opens_at(islands, "2542", SAINT_MARTIN, latitude=18.07, longitude=-63.08)
    caller = islands.phone().goes_to("offers", code="97150")
    caller.hears_text("Salle 2542, Saint-Martin, dans votre secteur")


def test_no_sea_is_crossed_between_islands_of_one_land(islands: House):
    opens_at(islands, "1", TAHITI, latitude=-17.53, longitude=-149.56)
    assert islands.phone().goes_to("person", code="98742").step == "person"
    caller = islands.phone("+33612345679").goes_to("offers", code="98714")
    caller.hears_text("Salle 1, Papeete, dans votre secteur")


def test_a_centre_with_its_own_telephone_is_named_there(islands: House):
    opens_at(islands, "1293", SAINT_BARTH, mode="own_phone", phones='["+590590277171"]')
    caller = islands.phone().goes_to("own_centre", code="97133")
    caller.hears_text("Salle 1293, à Saint-Barthélemy, dans votre secteur")
    caller.presses("1")
    assert b"+590590277171" in b"".join(caller.documents)
    assert islands.phone("+33612345679").goes_to("person", code="97150").step == "person"


def test_nobody_is_put_through_to_a_centre_that_gives_no_appointments(islands: House):
    opens_at(
        islands,
        "1293",
        SAINT_BARTH,
        mode="own_phone",
        phones='["+590590277171"]',
        walk_in=WALK_IN_ONLY,
    )
    assert islands.phone().goes_to("person", code="97133").step == "person"


def test_where_its_town_stands_is_no_distance_to_be_told(islands: House):
    """In the same postcode nothing is known of the way; from another, about how far it is."""
    islands.opens_centre("1", kilometres=0.0, starts=mornings(5), capacity=2)
    with islands.database.transaction() as connection:
        connection.execute(update(centre).values(roughly=True))
    islands.phone().goes_to("offers").hears_text("Salle des fêtes, Paris 11e, dans votre secteur")
    with islands.database.transaction() as connection:
        connection.execute(update(centre).values(latitude=centre.c.latitude + 0.1))
    caller = islands.phone("+33612345679").goes_to("offers")
    caller.hears_text("à 11 kilomètres")


def test_whoever_was_booked_at_a_centre_that_closed_goes_to_the_other_of_the_island(
    islands: House,
):
    opens_at(islands, "1", SAINT_BARTH)
    islands.phone().books(code="97133")
    opens_at(islands, "2", SAINT_BARTH)
    islands.clock.advance(timedelta(minutes=1))  # type: ignore[attr-defined]
    life = CentreLife(islands.store, Campaigns.fixed(islands.campaign))
    report = life.close_centre("1", OperationRequest("inondation"))
    assert (report.moved, report.cases) == (1, 0)
    assert islands.bookings()[0].centre_id == "2"


def test_visitors_of_the_island_find_it_without_a_distance(islands: House):
    opens_at(islands, "1293", SAINT_BARTH)
    visitor = Visitor(islands)
    visitor.sends("/rendez-vous", whom="self")
    visitor.presses("/rendez-vous/naissance", **BORN)
    visitor.presses("/rendez-vous/commune", where="97133")
    assert visitor.path.endswith("creneaux")
    visitor.reads("Salle 1293")
    assert "à vol d’oiseau" not in visitor.page
    # By the feed's own link, too.
    comes = Visitor(islands).goes("/rendez-vous?centre=1293")
    comes.sends("/rendez-vous?centre=1293", whom="self")
    comes.presses("/rendez-vous/naissance", **BORN)
    comes.presses("/rendez-vous/commune", where="97133").reads("Salle 1293")


# ---------------------------------------------------------------- the waiting list


def waits(made: House) -> list[tuple[str | None, float | None]]:
    columns = (waiting_entry.c.centre_id, waiting_entry.c.kilometres)
    return [tuple(row) for row in rows_of(made.database, select(*columns))]


def fills(made: House) -> None:
    """Nothing is free any more."""
    change(made.database, update(place).values(blocked=True))


def frees(made: House) -> None:
    """A place of each centre is opened again, and offered to whoever waits."""
    change(made.database, update(place).values(blocked=False))
    with made.database.transaction() as connection:
        free = connection.execute(select(place.c.id)).scalars().all()
        offer_freed(Work(connection, made.store, made.campaign), free)


def offered_to(made: House) -> list[str]:
    with made.database.statement() as connection:
        found = connection.execute(
            select(waiting_entry.c.state).order_by(waiting_entry.c.created_at)
        )
        return list(found.scalars())


@pytest.mark.parametrize(
    ("stands", "kept"),
    [
        ({}, ("1293", None)),
        ({"latitude": 17.9, "longitude": -62.85}, (None, 1.0)),
    ],
)
def test_whoever_finds_nothing_on_an_island_waits_for_its_centre(
    islands: House, stands: dict[str, Any], kept: tuple[str | None, float | None]
):
    """They hear of a place there, and of none beyond the sea."""
    opens_at(islands, "1293", SAINT_BARTH, **stands)
    opens_at(islands, "2542", SAINT_MARTIN, latitude=18.07, longitude=-63.08)
    fills(islands)
    islands.phone().goes_to("no_slot", code="97133").presses("1").presses("1")
    assert waits(islands) == [kept]
    frees(islands)
    assert offered_to(islands) == ["offered"]
    ((where,),) = rows_of(
        islands.database,
        select(place.c.centre_id).where(place.c.held_by.like("waiting:%")).distinct(),
    )
    assert where == "1293"


def test_a_visitor_of_the_island_waits_too(islands: House):
    opens_at(islands, "1293", SAINT_BARTH)
    fills(islands)
    visitor = Visitor(islands)
    visitor.sends("/rendez-vous", whom="self")
    visitor.presses("/rendez-vous/naissance", **BORN)
    visitor.presses("/rendez-vous/commune", where="97133")
    assert visitor.path.endswith("attente")
    visitor.presses("/rendez-vous/attente", wish="waiting", number="06 12 34 56 78")
    assert waits(islands) == [("1293", None)]


def test_a_postcode_without_a_position_or_a_centre_is_told_of_and_a_person_helps(islands: House):
    caller = islands.phone().goes_to("person", code="98742")
    caller.hears_text("Pour ce code postal, nous n'avons ni centre ni liste d'attente")
    assert "rappelé dès qu'une place se libère" not in caller.since_input
    assert waits(islands) == []
    visitor = Visitor(islands)
    visitor.sends("/rendez-vous", whom="self")
    visitor.presses("/rendez-vous/naissance", **BORN)
    visitor.presses("/rendez-vous/commune", where="98742")
    visitor.reads("Pour ce code postal, nous n’avons ni centre ni liste d’attente")
    visitor.reads("+33974750001")
