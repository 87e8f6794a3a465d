"""Which centre an address asks for (/rendez-vous?centre=…&creneau=…), which slot, which service.

The slots that we publish lead there with both, a centre's page with the first. Ids of centres and
slots say nothing about a person, so they may stand in an address. Nor does a service, which stands
on posters (?pour=…): it says what an address is for, and not which person. A malformed id counts as
not given, and is no error.
"""

from __future__ import annotations

import re

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlencode

from prompts.catalogue import COUNTRY_LANGUAGE

CENTRE: Final = "centre"
SLOT: Final = "creneau"
SERVICE: Final = "pour"
_MOST_LETTERS = 64
_MOST_DIGITS = 18
_MOST_FIELDS = 20
# As the campaigns' files name them (services.campaign.file).
_SERVICE = re.compile(r"[a-z0-9][a-z0-9-]{0,19}")


@dataclass(frozen=True)
class AskedCentre:
    """Each is empty where it was not asked for; `slot` is the digits of an id."""

    centre: str = ""
    slot: str = ""
    service: str = ""

    def query(self, code: str) -> str:
        """The address' query in a language: one for each that means something else."""
        return urlencode(({"lang": code} if code != COUNTRY_LANGUAGE else {}) | self.fields)

    @property
    def fields(self) -> dict[str, str]:
        found = {CENTRE: self.centre, SLOT: self.slot, SERVICE: self.service}
        return {name: text for name, text in found.items() if text}


NOTHING: Final = AskedCentre()


def asked_centre(fields: Mapping[str, str]) -> AskedCentre:
    """What fields of a form or of an address ask for."""
    centre, slot = fields.get(CENTRE, ""), fields.get(SLOT, "")
    service = fields.get(SERVICE, "")
    if not _SERVICE.fullmatch(service):
        service = ""
    if not 0 < len(centre) <= _MOST_LETTERS or not centre.isprintable():
        return AskedCentre(service=service) if service else NOTHING
    is_id = slot.isascii() and slot.isdecimal() and len(slot) <= _MOST_DIGITS
    return AskedCentre(centre, slot.lstrip("0") if is_id else "", service)


def asked_in(query: str) -> AskedCentre:
    """The same of a query as it came."""
    if "=" not in query:
        return NOTHING
    try:
        found = parse_qsl(query, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return NOTHING
    # The first of several, as everywhere.
    return asked_centre(dict(reversed(found)))
