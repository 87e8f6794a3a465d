"""Places on the map: départements, lands that no sea cuts, time zones, distances.

Départements are written as INSEE writes them: "01" to "95", "2A", "2B", three digits overseas, and
"98" for Monaco, which has a French postcode. "" stands for unknown.
"""

from __future__ import annotations

import math
import re

from collections.abc import Mapping
from typing import Final

EARTH_RADIUS_KM: Final = 6371.0088
# Latitude and longitude in degrees.
Position = tuple[float, float]
METROPOLE: Final = "metropole"
DEFAULT_TIME_ZONE: Final = "Europe/Paris"
MONACO: Final = "98"

# Since 2007 two former communes of Guadeloupe are collectivities of their own; many files still
# carry the codes from before.
_FORMER_COMMUNES: Final = {"97123": "977", "97127": "978"}
_POSTCODES_OF_COLLECTIVITIES: Final = {"97133": "977", "97150": "978", "98799": "989"}
# Guyane has communes of the size of départements: what is far elsewhere is a third of it there.
_WIDE: Final = {"973": 3.0}
_INSEE = re.compile(r"(?:\d{2}|2[AB])\d{3}")
# Corsica's postcodes begin with 20 on the whole island; the third digit tells the half.
_CORSE_DU_SUD: Final = {"200", "201"}

# Islands where a vaccination centre stood in January 2021: people of the island need not cross, and
# people of the other shore are not sent there. Islands without a centre count with their shore.
_ISLANDS: Final = {
    "85350": "yeu",
    "97112": "marie-galante",
    "97134": "marie-galante",
    "97140": "marie-galante",
}

_TIME_ZONES: Final[Mapping[str, str]] = {
    "971": "America/Guadeloupe",
    "972": "America/Martinique",
    "973": "America/Cayenne",
    "974": "Indian/Reunion",
    "975": "America/Miquelon",
    "976": "Indian/Mayotte",
    "977": "America/St_Barthelemy",
    "978": "America/Marigot",
    "986": "Pacific/Wallis",
    "987": "Pacific/Tahiti",
    "988": "Pacific/Noumea",
}

# One island each, with no other inhabited one: a person there reaches every centre of it. La
# Poste gives their postcodes no position, so that nothing is near by distance.
_ONE_ISLAND: Final = frozenset({"977", "978"})

# South, west, north, east in degrees, generous by some tenths: meant to catch a swapped latitude
# and longitude or a lost sign, not to draw a border.
_BOXES: Final[Mapping[str, tuple[float, float, float, float]]] = {
    METROPOLE: (42.0, -5.6, 51.5, 8.6),
    "corse": (41.2, 8.3, 43.2, 9.8),
    "971": (15.6, -62.0, 16.8, -60.8),
    "972": (14.2, -61.5, 15.1, -60.6),
    "973": (1.8, -54.9, 6.1, -51.3),
    "974": (-21.6, 55.0, -20.7, 56.0),
    "975": (46.5, -56.7, 47.4, -55.9),
    "976": (-13.3, 44.8, -12.4, 45.5),
    "977": (17.7, -63.1, 18.1, -62.6),
    "978": (17.9, -63.3, 18.3, -62.9),
    "986": (-14.8, -178.7, -12.9, -175.8),
    "987": (-28.5, -155.2, -7.4, -134.0),
    "988": (-23.2, 158.0, -17.5, 172.5),
}


def departement(insee: str, postcode: str) -> str:
    """Tell the département of a commune from its INSEE code, or else its postcode; "" if unknown.

    The INSEE code goes first because some postcodes reach over a département's border.
    """
    if _INSEE.fullmatch(insee) and not insee.startswith(("00", "96", "99")):
        overseas = insee.startswith(("97", "98"))
        return _FORMER_COMMUNES.get(insee, insee[:3] if overseas else insee[:2])
    return _departement_of_postcode(postcode) if is_postcode(postcode) else ""


def _departement_of_postcode(postcode: str) -> str:
    if postcode.startswith("20"):
        return "2A" if postcode[:3] in _CORSE_DU_SUD else "2B"
    if postcode.startswith("980"):
        return MONACO
    if postcode.startswith(("97", "98")):
        return _POSTCODES_OF_COLLECTIVITIES.get(postcode, postcode[:3])
    return postcode[:2]


def is_postcode(text: str) -> bool:
    """Five digits that begin like a French postcode. It need not be given to any town."""
    return bool(re.fullmatch(r"[0-9]{5}", text)) and text[:2] not in {"00", "96", "99"}


def territory(departement: str, postcode: str = "") -> str:
    """Name the land that no sea cuts, in at most 16 characters; "" for an unknown département."""
    if postcode in _ISLANDS:
        return _ISLANDS[postcode]
    if departement in {"2A", "2B"}:
        return "corse"
    if departement.startswith(("97", "98")) and departement != MONACO:
        return departement
    return METROPOLE if departement else ""


def is_one_island(territory: str) -> bool:
    """Whether a territory is one small island, of which no distances are known."""
    return territory in _ONE_ISLAND


def time_zone(departement: str) -> str:
    """IANA name of the time zone of a département; Paris time where it is unknown."""
    return _TIME_ZONES.get(departement, DEFAULT_TIME_ZONE)


def is_plausible(latitude: float, longitude: float, departement: str) -> bool:
    """Whether a position (degrees) can lie in the département's land, or in any when unknown."""
    land = territory(departement)
    boxes = [_BOXES[land]] if land in _BOXES else list(_BOXES.values())
    return any(
        south <= latitude <= north and west <= longitude <= east
        for south, west, north, east in boxes
    )


def is_far(one: Position, other: Position, kilometres: float, departement: str) -> bool:
    """Whether two positions (degrees) are farther apart than that, or thrice that in Guyane."""
    return distance_km(*one, *other) > kilometres * _WIDE.get(departement, 1.0)


def distance_km(latitude1: float, longitude1: float, latitude2: float, longitude2: float) -> float:
    """Great-circle distance in kilometres between two positions in degrees (haversine)."""
    phi1, phi2 = math.radians(latitude1), math.radians(latitude2)
    half_phi = (phi2 - phi1) / 2
    half_lambda = math.radians(longitude2 - longitude1) / 2
    h = math.sin(half_phi) ** 2 + math.cos(phi1) * math.cos(phi2) * math.sin(half_lambda) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(h)))


def degrees_east(latitude: float, kilometres: float) -> float:
    """How many degrees of longitude lie on either side in a circle of so many kilometres.

    Its widest place is a little nearer to the pole than its middle, at `latitude` (degrees). A
    circle around a pole has all of them.
    """
    angle = kilometres / EARTH_RADIUS_KM
    towards_pole = math.cos(math.radians(latitude))
    if angle >= math.pi / 2 or math.sin(angle) >= towards_pole:
        return 180.0
    return math.degrees(math.asin(math.sin(angle) / towards_pole))
