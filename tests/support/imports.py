"""What the tests of imports and slots share: small files, a clock, the commands."""

from __future__ import annotations

import csv

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from click.testing import CliRunner, Result

from commands import centres, slots
from commands import store as store_commands
from models.clock import FixedClock
from models.crypto import Vault
from models.database import Database
from services.campaign.campaigns import Campaigns
from services.centre_day.centre_life import CentreLife
from services.store import Store
from tests.support.house import CAMPAIGN

MONDAY = datetime(2021, 1, 18, 7, 0, tzinfo=UTC)
DAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
HEADER = (
    *("gid", "nom", "adr_num", "adr_voie", "com_cp", "com_insee", "com_nom"),
    *("lat_coor1", "long_coor1", *(f"rdv_{day}" for day in DAYS), "lieu_tel"),
    *("date_fermeture", "date_ouverture", "rdv_site_web", "rdv_tel", "rdv_modalites"),
)

Run = Callable[..., Result]


def centre_row(gid: str, /, **cells: str) -> dict[str, str]:
    """A centre in Vitré, open on Mondays, with what a test wants to be different."""
    row = dict.fromkeys(HEADER, "")
    row |= {
        "gid": gid,
        "nom": f"Centre {gid}",
        "adr_voie": "Rue de la Gare",
        "com_cp": "35500",
        "com_insee": "35360",
        "com_nom": "Vitré",
        "lat_coor1": "48.1226",
        "long_coor1": "-1.2161",
        "rdv_lundi": "9h-12h",
        "rdv_tel": "02 99 74 00 00",
    }
    return row | cells


def write_centres(path: Path, rows: list[dict[str, str]], header: tuple[str, ...] = HEADER) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(
            file, header, delimiter=";", lineterminator="\r\n", restval="", extrasaction="ignore"
        )
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def clock() -> FixedClock:
    """Monday, 18 January 2021, 08:00 in Paris."""
    return FixedClock(MONDAY)


@pytest.fixture
def run(database: Database, clock: FixedClock) -> Run:
    """Run a command line as an operator does."""
    store = Store(database, Vault([bytes(32)]), clock)
    life = CentreLife(store, Campaigns.fixed(CAMPAIGN))
    group = click.Group()
    group.add_command(centres.make(database, clock, life))
    group.add_command(centres.make_postcodes(database))
    group.add_command(slots.make(store, life))
    group.add_command(store_commands.make_demo(database, clock))

    def invoke(*arguments: object) -> Result:
        result = CliRunner().invoke(group, [str(argument) for argument in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


@pytest.fixture
def official_file(shared: Path) -> Path:
    """The real file of 15 January 2021."""
    return shared / "data" / "centres" / "centres-vaccination_2021-01-15.csv"


@pytest.fixture
def laposte_file(shared: Path) -> Path:
    """The real file of postcodes."""
    return shared / "data" / "postcodes" / "laposte_hexasmal.csv"
