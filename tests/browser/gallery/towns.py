"""Two towns of one name, and a postcode of which nobody knows where it is."""

from __future__ import annotations

import json

from models.centres.tables import postcode
from tests.support.house import House

NAMESAKES = "Saint-Rémy"
NOWHERE = "98742"


def knows_more_towns(made: House) -> None:
    rows = [
        _row("01310", NAMESAKES, "01", "metropole", (46.19, 5.17)),
        _row("12200", NAMESAKES, "12", "metropole", (44.35, 2.03)),
        _row(NOWHERE, "Nuku-Hiva", "987", "987", (None, None)),
    ]
    with made.database.transaction() as connection:
        connection.execute(postcode.insert(), rows)


def _row(
    code: str,
    town: str,
    departement: str,
    territory: str,
    position: tuple[float | None, float | None],
) -> dict[str, object]:
    return {
        "code": code,
        "main_town": town,
        "towns": json.dumps([{"name": town, "departement": departement}]),
        "departement": departement,
        "territory": territory,
        "latitude": position[0],
        "longitude": position[1],
        "fingerprint": "",
    }
