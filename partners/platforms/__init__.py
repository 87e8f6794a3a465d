"""The partners, a file or a folder each: what declares a PARTNER is found here.

docs/adding.md has the recipe for a new one.
"""

from __future__ import annotations

import pkgutil

from importlib import import_module
from typing import Final

from partners.partner import Partner, Reader
from services.partners.match import PartnerLink


def _found() -> dict[str, Partner]:
    files = [import_module(f"{__name__}.{one.name}") for one in pkgutil.iter_modules(__path__)]
    partners: list[Partner] = [file.PARTNER for file in files]
    return {one.name: one for one in partners}


PARTNERS: Final = _found()
READERS: Final[dict[str, Reader]] = {
    name: read
    for one in PARTNERS.values()
    for name, read in ({one.name: one.read} | dict(one.more_readers)).items()
}


def read_link(link: str) -> PartnerLink | None:
    """What a booking link leads to; None where that is no partner."""
    return next((found for one in PARTNERS.values() if (found := one.links.read(link))), None)
