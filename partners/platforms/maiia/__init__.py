"""Maiia: not documented, read by its pages' own answers."""

from __future__ import annotations

from partners.partner import Departements, Partner
from partners.platforms.maiia import reader, walk

PARTNER = Partner(
    shown="Maiia",
    links=walk.LINKS,
    host=reader.SITE,
    hosts=("www.maiia.com",),
    read=reader.read,
    walk=walk.walk,
    departements=Departements(),
)
