"""Partners beside several services: their slots are for one of them, which the operator says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from click.testing import CliRunner
from sqlalchemy import select

from commands import partners as commands
from jobs import partner_feeds
from jobs.partner_mirror import mirror_all
from models.booking.tables import booking
from models.clock import DatabaseClock
from models.partners.tables import partner_centre
from partners.partners_file import BadPartnersFile, read_partners_file
from services.campaign.campaign import Campaign
from services.campaign.campaigns import Campaigns
from services.centres.directory import Directory
from services.partners.booking import NotAsked, PlacedOrder, Why
from services.partners.near import near
from services.service import Service
from tests.booking.test_services import BOTH, COVID, GRIPPE
from tests.partners.test_partner_channels import SESSION, partner
from tests.support.house import House, house
from tests.support.keldoc import CENTRE, Beside, beside
from tests.support.rows import rows_of

FILE = """
contact = "https://vaccination.example.fr/contact"
[maiia]
departements = ["35"]
"""


@pytest.fixture
def made(database_url: str) -> Iterator[House]:
    with house(database_url, campaign=GRIPPE, beside=[COVID]) as made:
        yield made


def service_with(made: House, *campaigns: Campaign) -> Service:
    directory = Directory(made.database, centres_fresh_seconds=0)
    known = Campaigns.fixed(*campaigns, now=made.clock.now)
    return Service(directory, known, made.settings.national_number)


def names(made: House, *wanted: str, campaigns: tuple[Campaign, ...] = BOTH) -> list[str]:
    """The partners' centres that somebody who wants these campaigns is shown."""
    service = service_with(made, *campaigns)
    with made.database.statement() as connection:
        found = near(connection, made.store, service, SESSION.but(wanted=wanted))
    return sorted(one.name for one in found)


def test_a_partners_slots_are_offered_for_their_service_only(made: House):
    partner(made, "Halle", service="covid")
    partner(made, "Mairie", service="grippe")
    partner(made, "Sans nom")
    assert names(made, COVID.name) == ["Halle"]
    assert names(made, GRIPPE.name) == ["Mairie"]
    # Who wants both at once is not sent somewhere for one of them.
    assert names(made, GRIPPE.name, COVID.name) == []


def test_with_one_service_all_is_for_it(made: House):
    partner(made, "Sans nom")
    alone = replace(GRIPPE, service="", together=())
    assert names(made, campaigns=(alone,)) == ["Sans nom"]


# ---------------------------------------------------------------- the file


def written(folder: Path, *lines: str) -> Path:
    path = folder / "partners.toml"
    path.write_text("\n".join([FILE.strip(), *lines, ""]), "utf-8")
    return path


@pytest.mark.parametrize(
    ("lines", "services", "service", "refused"),
    [
        ((), {""}, "", ""),
        ((), {"covid"}, "covid", ""),
        (('service = "covid"',), {"covid", "grippe"}, "covid", ""),
        (
            (),
            {"covid", "grippe"},
            "",
            (
                "[maiia]: there are several services (covid, grippe), and nothing says which of"
                ' them its motives are for; write service = "covid", or another of them'
            ),
        ),
        (
            ('service = "zona"',),
            {"covid", "grippe"},
            "",
            '[maiia]: service = "zona" is of no campaign; there are covid, grippe',
        ),
    ],
)
def test_the_file_says_what_a_platform_is_for(
    tmp_path: Path, lines: tuple[str, ...], services: set[str], service: str, refused: str
):
    told, why = read_partners_file(written(tmp_path, *lines)).for_services(services)
    assert why == ([refused] if refused else [])
    assert [one.service for one in told.platforms] == ([] if refused else [service])


def test_what_is_no_name_of_a_service_is_a_sentence_with_its_line(tmp_path: Path):
    with pytest.raises(BadPartnersFile) as bad:
        read_partners_file(written(tmp_path, 'service = "La grippe"'))
    assert "partners.toml:4: service is what its motives are for" in str(bad.value)


def test_a_platform_without_it_is_neither_checked_nor_read(made: House, tmp_path: Path):
    path = written(tmp_path)
    group = commands.make(made.database, made.clock, str(path), lambda: ("covid", "grippe"))
    for args in (["check", str(path)], ["run"]):
        done = CliRunner().invoke(group, args)
        assert done.exit_code == 1
        assert "nothing says which of them its motives are for" in done.output
    clock = DatabaseClock()
    tasks = partner_feeds.feed_tasks(str(path), made.database, clock, ("covid", "grippe"))
    assert tasks == []
    assert len(partner_feeds.feed_tasks(str(path), made.database, clock, ("covid",))) == 1


# ---------------------------------------------------------------- booked there


@pytest.fixture
def keldoc(database_url: str) -> Iterator[Beside]:
    with beside(database_url) as one:
        one.house.campaign, one.house.beside = GRIPPE, (COVID,)
        one.service = service_with(one.house, *BOTH)
        yield one


def is_for(one: Beside, service: str) -> None:
    centre = one.keldoc.centres[CENTRE]
    one.keldoc.centres[CENTRE] = replace(centre, service=service)


def test_a_keldoc_centre_is_booked_for_its_service_only(keldoc: Beside):
    is_for(keldoc, "covid")
    keldoc.opens()
    assert mirror_all(keldoc.house.store, keldoc.keldoc, *BOTH) == 1
    (row,) = rows_of(keldoc.house.database, select(partner_centre.c.service))
    assert row.service == "covid"
    asked: Any = keldoc.asks(campaign=GRIPPE.name)
    assert asked == NotAsked(Why.NOT_OFFERED)
    asked = keldoc.asks(campaign=COVID.name)
    assert isinstance(asked, PlacedOrder)
    keldoc.delivers()
    (made,) = rows_of(keldoc.house.database, select(booking.c.campaign))
    assert made.campaign == COVID.name


def test_one_that_does_not_say_so_is_not_read(keldoc: Beside):
    keldoc.opens()
    assert mirror_all(keldoc.house.store, keldoc.keldoc, *BOTH) == 0
    assert rows_of(keldoc.house.database, select(partner_centre)) == []


def test_a_service_that_closed_meanwhile_is_not_asked_for(keldoc: Beside):
    is_for(keldoc, "covid")
    keldoc.opens()
    assert mirror_all(keldoc.house.store, keldoc.keldoc, *BOTH) == 1
    closed = replace(COVID, closes_at=keldoc.house.clock.now())
    keldoc.service = service_with(keldoc.house, GRIPPE, closed)
    assert keldoc.asks(campaign=COVID.name) == NotAsked(Why.NOT_OFFERED)
