"""Booking links of Doctolib, Maiia and Keldoc, as the official file and partners write them.

Two links mean the same page when their `page` is the same; `place` is the one place of the page
that a link selects. Broken forms of the official file are read as they were meant.
"""

from __future__ import annotations

import re

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

DOCTOLIB: Final = "doctolib"
MAIIA: Final = "maiia"
KELDOC: Final = "keldoc"
PLATFORMS: Final = (DOCTOLIB, MAIIA, KELDOC)

_PID = re.compile(r"[?&]pid=(practice-\d+)")
_CENTRE = re.compile(r"[?&]centerid=([0-9a-f]+)", re.IGNORECASE)
_CABINET = re.compile(r"[?&]cabinet=(\d+)")
_PLACES: Final = {DOCTOLIB: _PID, MAIIA: _CENTRE, KELDOC: _CABINET}


@dataclass(frozen=True, slots=True)
class PartnerLink:
    """`page` is the path without slashes around it; for Doctolib its last part, the slug."""

    platform: str
    page: str
    place: str = ""


def read_link(link: str) -> PartnerLink | None:
    """What a link leads to; None where it leads to none of the three."""
    text = unquote(link.strip()).replace("&amp;", "&")
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host = (parts.hostname or "").lower()
    except ValueError:
        return None
    platform = next((name for name in PLATFORMS if name in host.split(".")), "")
    path = parts.path.strip("/ ").lower()
    if not platform or not path:
        return None
    # A second "?" where "&" was meant; a number may be missing behind "pid=practice-".
    place = _PLACES[platform].search(text.replace("?", "&"))
    page = path.rsplit("/", 1)[-1] if platform == DOCTOLIB else path
    return PartnerLink(platform, page, place[1].lower() if place else "")
