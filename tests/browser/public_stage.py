"""A public site with something on it: centres of every kind, places left, a past incident."""

from __future__ import annotations

import json

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import update

from models.centres.tables import centre
from models.partners import rows
from models.partners.rows import PartnerCentreRow, PartnerSlot
from models.partners.tables import partner_feed
from models.public import incidents
from models.supervision import snapshots
from services.campaign.campaigns import Campaigns
from services.public.write_state import ROOM, WriteState
from tests.browser.stage import served
from tests.support.house import CAMPAIGN, NOON, House, house, mornings

PAGES = {
    "home": "/",
    "centres": "/centres",
    "departement": "/centres/dep/75",
    "centre": "/centres/1",
    "state": "/etat",
    "privacy": "/confidentialite",
    "accessibility": "/accessibilite",
}
HOURS = json.dumps(
    {str(day): [["09:00", "12:00"], ["14:00", "17:30"]] for day in range(5)}
    | {"5": [["09:00", "12:00"]]}
)


@dataclass
class Site:
    house: House
    url: str
    app: Flask
    write: WriteState


def fill(made: House) -> None:
    """Ours, a partner's, one of its own; two départements with places."""
    starts = mornings(12)
    made.opens_centre("1", name="Salle Olympe de Gouges", kilometres=0.4, starts=starts, capacity=4)
    made.opens_centre("2", name="Gymnase Jean Jaurès", kilometres=4.1, mode="own_phone")
    made.opens_centre("3", name="Maison de santé", kilometres=6.3, mode="partner")
    made.opens_centre("4", name="Mairie annexe", kilometres=12.2)
    made.opens_centre("5", name="Centre des Congrès", code="35000", starts=starts[:3], capacity=40)
    made.opens_centre("6", name="Clinique réservée", kilometres=1.2, mode="reserved")
    link = "https://www.doctolib.fr/vaccination-covid-19/paris/maison-de-sante"
    with made.database.transaction() as connection:
        connection.execute(update(centre).values(hours=HOURS, phones='["+33144556677"]'))
        connection.execute(update(centre).where(centre.c.id == "3").values(booking_link=link))
        told = PartnerCentreRow("doctolib:practice-3", "doctolib", "Maison de santé", link=link)
        read_at = NOON - timedelta(minutes=12)
        slot = PartnerSlot(NOON + timedelta(days=2, hours=3))
        rows.replace_centre(connection, read_at, told, [slot])
        rows.set_match(connection, told.id, "3", "link")
        connection.execute(
            partner_feed.insert().values(platform="doctolib", tried_at=read_at, read_at=read_at)
        )
        pace = {"agents": 3, "share": 3.0, "mean": 300.0, "free": (240.0, 260.0, 280.0)}
        snapshots.put(connection, made.clock, "pace", {"fr": pace})
        incidents.begin(
            connection,
            made.clock,
            "0" * 32,
            kind=incidents.STORE,
            began_at=NOON - timedelta(days=2, minutes=14),
            ended_at=NOON - timedelta(days=2),
        )


def room(made: House, **body: Any) -> None:
    """What the waiting room's own process would have written."""
    with made.database.transaction() as connection:
        snapshots.put(connection, made.clock, ROOM, body)


@contextmanager
def public_site(database_url: str) -> Iterator[Site]:
    with house(database_url) as made:
        fill(made)
        app = made.application(public_base_url="http://127.0.0.1")
        write = WriteState(made.store, Campaigns.fixed(CAMPAIGN, now=made.clock.now))
        write()
        made.clock.advance(timedelta(seconds=40))  # type: ignore[attr-defined]
        with served(app) as url:
            yield Site(made, url, app, write)
