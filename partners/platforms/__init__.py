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
    files = [
        import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)
    ]
    partners: list[Partner] = [file.PARTNER for file in files]
    return {partner.name: partner for partner in partners}


PARTNERS: Final = _found()
READERS: Final[dict[str, Reader]] = {
    name: read
    for partner in PARTNERS.values()
    for name, read in ({partner.name: partner.read} | dict(partner.more_readers)).items()
}


def read_link(link: str) -> PartnerLink | None:
    """What a booking link leads to; None where that is no partner."""
    return next(
        (found for partner in PARTNERS.values() if (found := partner.links.read(link))), None
    )
