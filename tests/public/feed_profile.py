"""What the feed of free slots says of centres, against the specification's profile of Location.

Sources: the table of fields in "Slot Publisher" of SMART Scheduling Links, and its profiles
`vaccine-location` and `vaccine-location-address`; what HL7's later guide asks for as well (an
identifier, at least one way to reach the place), so that a reader of either can use it.
"""

from __future__ import annotations

import re

from typing import Any
from urllib.parse import urlsplit

from models.centres.geography import is_plausible

_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_PHONE = re.compile(r"\+[1-9]\d{6,14}|3\d{3}")
_STATE = re.compile(r"\d\d|2[AB]|9[78]\d")


def faults(location: Any) -> list[str]:
    """What does not fit the profile; empty where all does."""
    address = location.get("address", {})
    telecom = location.get("telecom", [])
    phones = [one["value"] for one in telecom if one["system"] == "phone"]
    pages = [one["value"] for one in telecom if one["system"] == "url"]
    position = location.get("position")
    fits = {
        "resourceType": location.get("resourceType") == "Location",
        "id": bool(_ID.fullmatch(location.get("id", ""))),
        "identifier": all(
            one.get("system") and one.get("value") for one in location.get("identifier", [{}])
        ),
        "name": _is_text(location.get("name")),
        "line": bool(address.get("line")) and all(map(_is_text, address["line"])),
        "city": _is_text(address.get("city")),
        "state": bool(_STATE.fullmatch(address.get("state", ""))),
        "postalCode": bool(re.fullmatch(r"\d{5}", address.get("postalCode", ""))),
        "text": "text" not in address,
        "phone": bool(phones) and all(map(_PHONE.fullmatch, phones)),
        "url": bool(pages) and all(urlsplit(one).scheme == "https" for one in pages),
        "position": position is None
        or is_plausible(position["latitude"], position["longitude"], address.get("state", "")),
        "empty": not any(value in ("", None, [], {}) for value in location.values()),
    }
    return [name for name, is_right in fits.items() if not is_right]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
