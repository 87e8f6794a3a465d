"""The table of towns as a worker reads it from the store, at the first town that is said."""

from __future__ import annotations

from sqlalchemy import event

from flows.understanding.town_names import towns
from jobs import feeds
from models.centres import geography
from services.centres.directory import Directory
from services.centres.find_town import main_town_postcodes, town_of_cedex
from services.centres.import_postcodes import PostcodeFeed, TownRow, import_postcodes
from services.centres.towns import areas, departement_name
from services.vocabulary import vocabulary

FEED = PostcodeFeed(
    rows=4,
    towns=(
        TownRow("35500", "35015", "Balazé", 48.17, -1.18, 2319),
        TownRow("35500", "35360", "Vitré", 48.114, -1.193, 19365),
        TownRow("97400", "97411", "Saint-Denis", -20.93, 55.44, 155634),
        TownRow("93200", "93066", "Saint-Denis", 48.92, 2.35, 149077),
    ),
)


def test_the_store_gives_back_what_was_imported(database):
    import_postcodes(database, FEED)
    directory = Directory(database)
    with database.statement() as connection:
        table = directory.towns(connection)
    assert len(table) == 4
    (vitre,) = towns("j'habite à Vitré", vocabulary("fr"), table)
    assert (vitre.postcode, vitre.departement_name) == ("35500", "Ille-et-Vilaine")
    both = towns("Saint-Denis", vocabulary("fr"), table)
    assert [town.inhabitants for town in both] == [155634, 149077]


def test_more_codes_than_a_portion_are_all_read(database, monkeypatch):
    monkeypatch.setattr("models.centres.directory._PORTION", 2)
    rows = tuple(
        TownRow(f"35{number:03d}", f"35{number:03d}", f"Ville {'abcdefg'[number]}", 48.0, -1.0)
        for number in range(7)
    )
    import_postcodes(database, PostcodeFeed(rows=7, towns=rows))
    with database.statement() as connection:
        assert len(Directory(database).towns(connection)) == 7


def test_the_towns_are_read_once_and_an_empty_store_is_asked_again(database):
    directory = Directory(database)
    with database.statement() as connection:
        assert len(directory.towns(connection)) == 0
    import_postcodes(database, FEED)
    with database.statement() as connection:
        assert len(directory.towns(connection)) == 4
        asked: list[str] = []
        event.listen(connection, "before_cursor_execute", lambda *args: asked.append(args[2]))
        directory.towns(connection)
    assert asked == []


def test_every_departement_has_a_name_and_a_region_that_callers_may_say():
    known = {area.code: area for area in areas()}
    mainland = {f"{number:02d}" for number in range(1, 96)} - {"20"}
    assert mainland | {"2A", "2B", "971", "972", "973", "974", "976", geography.MONACO} <= set(
        known
    )
    assert all(area.name and area.regions for area in known.values())
    assert departement_name("2A") == "Corse-du-Sud"
    assert departement_name("00") == ""
    assert "Bretagne" in known["35"].regions


# Beside the code of its office, or of the only office that begins so.
CEDEX = {
    "35042": "Rennes",
    "35506": "Vitré",
    "33076": "Bordeaux",
    "72051": "Le Mans",
    "73011": "Chambéry",
    "97306": "Cayenne",
    "98713": "Papeete",
    "98845": "Nouméa",
    # It is Le Havre's: not always right, so that it is read back before it counts.
    "76055": "Rouen",
    # Which of several: the town is asked for.
    **dict.fromkeys(("75231", "69287", "94151", "97156", "99999", "35", "35500x")),
}


def test_a_cedex_code_leads_to_the_office_that_delivers_it(database):
    import_postcodes(database, feeds.read_postcodes())
    directory = Directory(database)
    with database.statement() as connection:
        found = {code: town_of_cedex(connection, directory, code) for code in CEDEX}
    assert {code: town.name if town else None for code, town in found.items()} == CEDEX
    rennes = found["35042"]
    assert rennes
    assert rennes.postcode == "35000"
    assert main_town_postcodes("987") == ("98714",)
