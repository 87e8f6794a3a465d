"""Which centre of ours a partner's centre is.

Sure is what the official file's own link says, what the operator's file names by gid, or what
stands at the same place under nearly the same name. Everything else that could be is written down
for a person, and what a person settled no machine changes.
"""

from __future__ import annotations

import math
import re

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from rapidfuzz import fuzz

from flows.understanding.vocabulary import plain
from models.centres import geography
from models.database import Connection
from models.partners import rows
from models.partners.rows import OurCentre, PartnerCentreRow

LINK: Final = "link"
ID: Final = "id"
LIKENESS: Final = "likeness"
PERSON: Final = "person"
UNSURE: Final = "unsure"
NONE: Final = "none"

# Kilometres: of one place told twice, and how far a link may be off its centre.
_SAME_PLACE: Final = 0.3
_OF_ITS_LINK: Final = 2.0
# Of 100: how alike names are that mean one centre, how much more than the next, and from where on
# a person should look.
_ALIKE: Final = 85
_AHEAD: Final = 10
_PERHAPS: Final = 55
_MOST_CANDIDATES: Final = 5
_CELLS_A_DEGREE: Final = 100
# Words of nearly every name.
_COMMON: Final = re.compile(
    r"\b(?:centres?|vaccinations?|covid|19|anti|de|du|des|la|le|les|l|d|a|contre|site|salle)\b"
)


@dataclass(frozen=True, slots=True)
class PartnerLink:
    """A booking link: two mean the same page when their `page` is the same.

    `page` is the path without slashes around it, or what of it the platform goes by. `place` is the
    one place of the page that a link selects. `one_place`: the page has one, whatever a link says.
    """

    platform: str
    page: str
    place: str = ""
    one_place: bool = False


# What a link leads to; None where that is no partner.
ReadLink = Callable[[str], PartnerLink | None]


@dataclass(frozen=True)
class CentreMatch:
    """`centre_id` is set where it is sure; `candidates` are (centre id, 0 to 100), best first."""

    centre_id: str | None
    matched: str
    candidates: tuple[tuple[str, int], ...] = ()


_NOTHING: Final = CentreMatch(None, NONE)


class Matcher:
    """Our centres, ready to be compared with."""

    def __init__(self, centres: Sequence[OurCentre], read_link: ReadLink) -> None:
        self._read_link = read_link
        self._by_id = {centre.id: centre for centre in centres}
        self._by_page: dict[tuple[str, str], list[tuple[OurCentre, PartnerLink]]] = defaultdict(
            list
        )
        self._by_cell: dict[tuple[int, int], list[OurCentre]] = defaultdict(list)
        self._by_postcode: dict[str, list[OurCentre]] = defaultdict(list)
        for centre in centres:
            link = read_link(centre.booking_link)
            if link:
                self._by_page[link.platform, link.page].append((centre, link))
            if centre.latitude is not None and centre.longitude is not None:
                self._by_cell[_cell(centre.latitude, centre.longitude)].append(centre)
            self._by_postcode[centre.postcode].append(centre)

    def find(self, told: PartnerCentreRow, gid: str = "") -> CentreMatch:
        """What a partner's centre is; `gid` is what the operator's file says it is."""
        if gid in self._by_id:
            return CentreMatch(gid, ID)
        by_link = self._of_link(told)
        if by_link.matched == LINK:
            return by_link
        by_place = self._of_place(told)
        if by_place.matched == LIKENESS and by_link.matched == UNSURE:
            # A page that another centre names: both stand, a person decides.
            named = dict(by_link.candidates)
            if by_place.centre_id not in named:
                return by_link
        if by_place.matched == LIKENESS or by_link.matched == NONE:
            return by_place
        return by_link

    def _of_link(self, told: PartnerCentreRow) -> CentreMatch:
        link = self._read_link(told.link)
        if link is None:
            return _NOTHING
        named = self._by_page.get((link.platform, link.page), [])
        selected = [one for one, own in named if own.place and own.place == link.place]
        others = [one for one, own in named if not own.place or not link.place]
        for some, is_selected in ((selected, True), (others, False)):
            # Of several places on a page, one that our link does not select must be at the spot.
            several = bool(link.place) and not link.one_place
            reach = _SAME_PLACE if several else _OF_ITS_LINK
            fitting = [centre for centre in some if is_selected or _is_near(told, centre, reach)]
            if len(fitting) == 1:
                return CentreMatch(fitting[0].id, LINK)
            best = _best(told, fitting)
            if best:
                return CentreMatch(best, LINK)
        return _unsure(told, selected or others)

    def _of_place(self, told: PartnerCentreRow) -> CentreMatch:
        around = self._around(told)
        scores = _scores(told, around)
        best = _best(told, around)
        if best:
            return CentreMatch(best, LIKENESS)
        return _unsure(told, [one for score, one in scores if score >= _PERHAPS])

    def _around(self, told: PartnerCentreRow) -> list[OurCentre]:
        """Ours at the same place; without a position, in the same postcode."""
        if told.latitude is None or told.longitude is None:
            return self._by_postcode.get(told.postcode, []) if told.postcode else []
        row, column = _cell(told.latitude, told.longitude)
        return [
            centre
            for down in (-1, 0, 1)
            for right in (-1, 0, 1)
            for centre in self._by_cell.get((row + down, column + right), ())
            if _kilometres(told, centre) <= _SAME_PLACE
        ]


def settle(connection: Connection, partner_centre_id: str, centre_id: str | None) -> bool:
    """A person says what it is (None: no centre of ours), for ever; False if there is none such."""
    return rows.set_match(connection, partner_centre_id, centre_id, PERSON)


def likeness(one: str, other: str) -> int:
    """How alike two names of centres are, 0 to 100; words that nearly all have count little."""
    first, second = plain(one), plain(other)
    told, known = _COMMON.sub(" ", first).split(), _COMMON.sub(" ", second).split()
    if not told or not known:
        return round(fuzz.token_sort_ratio(first, second) * 0.8)
    first, second = " ".join(told), " ".join(known)
    # A name within another's is half an answer: "Lorient" stands in many.
    return round((fuzz.token_set_ratio(first, second) + fuzz.token_sort_ratio(first, second)) / 2)


def _best(told: PartnerCentreRow, ours: Sequence[OurCentre]) -> str:
    """The one whose name is alike, and more so than any other's; "" where there is none such."""
    scores = _scores(told, ours)
    if not scores or scores[0][0] < _ALIKE:
        return ""
    if len(scores) > 1 and scores[1][0] > scores[0][0] - _AHEAD:
        return ""
    return scores[0][1].id


def _unsure(told: PartnerCentreRow, ours: Sequence[OurCentre]) -> CentreMatch:
    if not ours:
        return _NOTHING
    scores = _scores(told, ours)[:_MOST_CANDIDATES]
    return CentreMatch(None, UNSURE, tuple((one.id, score) for score, one in scores))


def _scores(told: PartnerCentreRow, ours: Sequence[OurCentre]) -> list[tuple[int, OurCentre]]:
    scores = [(likeness(told.name, our.name), our) for our in ours]
    return sorted(scores, key=lambda pair: (-pair[0], pair[1].id))


def _is_near(told: PartnerCentreRow, one: OurCentre, reach: float) -> bool:
    """Whether a page's place can be the centre that names the page; what is unknown can."""
    if told.latitude is None or one.latitude is None:
        return reach > _SAME_PLACE and told.postcode in {"", one.postcode}
    return _kilometres(told, one) <= reach


def _kilometres(told: PartnerCentreRow, one: OurCentre) -> float:
    places = (told.latitude, told.longitude, one.latitude, one.longitude)
    known = [place for place in places if place is not None]
    return geography.distance_km(*known) if len(known) == len(places) else math.inf


def _cell(latitude: float, longitude: float) -> tuple[int, int]:
    """About a kilometre each way, so that nine of them hold everything near."""
    return math.floor(latitude * _CELLS_A_DEGREE), math.floor(longitude * _CELLS_A_DEGREE)
