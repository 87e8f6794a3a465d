"""Booking links of a platform, as the official file and the partner write them."""

from __future__ import annotations

import re

from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from services.partners.match import PartnerLink


@dataclass(frozen=True)
class Links:
    """How one platform writes them. `platform` stands in the host's name.

    `place` finds, in its one group, what selects one place of a page. With `by_slug` the last part
    of the path alone names the page. `one_place`: a page has one place, whatever its link says.
    """

    platform: str
    place: re.Pattern[str]
    by_slug: bool = False
    one_place: bool = False

    def read(self, link: str) -> PartnerLink | None:
        """What a link leads to; None where that is not this platform.

        Broken forms of the official file are read as they were meant.
        """
        text = unquote(link.strip()).replace("&amp;", "&")
        try:
            parts = urlsplit(text if "://" in text else f"https://{text}")
            host = (parts.hostname or "").lower()
        except ValueError:
            return None
        path = parts.path.strip("/ ").lower()
        if self.platform not in host.split(".") or not path:
            return None
        # A second "?" where "&" was meant; a number may be missing behind "pid=practice-".
        place = self.place.search(text.replace("?", "&"))
        page = path.rsplit("/", 1)[-1] if self.by_slug else path
        return PartnerLink(self.platform, page, place[1].lower() if place else "", self.one_place)


def address_of(value: object) -> SplitResult | None:
    """An address that may be asked: https, or this machine; None for anything else."""
    parts = urlsplit(value) if isinstance(value, str) else None
    if parts is None or not parts.netloc:
        return None
    is_here = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost"}
    return parts if parts.scheme == "https" or is_here else None
