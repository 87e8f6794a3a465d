"""Doctolib: not documented, read by its pages' own answers."""

from __future__ import annotations

import re

from partners.partner import Departements, Partner
from partners.platforms.doctolib import reader, walk

PARTNER = Partner(
    shown="Doctolib",
    links=walk.LINKS,
    host="https://partners.doctolib.fr",
    hosts=("partners.doctolib.fr", "www.doctolib.fr"),
    read=reader.read,
    walk=walk.walk,
    # By name: "ain", "ville-de-paris".
    departements=Departements(re.compile(r"[a-z0-9][a-z0-9-]{1,60}"), "ain"),
)
