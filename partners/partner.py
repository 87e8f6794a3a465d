"""What one partner is made of: declared once, in its file or folder in `partners/platforms/`."""

from __future__ import annotations

import re

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from partners.links import Links
from partners.reading import Context, Reading
from partners.walking import ReadingPlan, Walk

Reader = Callable[[Any, Context], Reading]
# Where a mistake is in a table of the operator's file, and the sentence about it.
Mistake = tuple[tuple[str | int, ...], str]
_NUMBER: Final = re.compile(r"\d{2}|2[AB]|9[78]\d")


@dataclass(frozen=True)
class Departements:
    """How the platform's own lists name a département; `example` is told with a mistake."""

    pattern: re.Pattern[str] = _NUMBER
    example: str = "75 or 2A"


@dataclass(frozen=True)
class Partner:
    """A platform whose free slots can be read.

    `shown` is its name as people know it. It is asked at `host`, and what it answers may lead to
    `hosts` (names). `read` understands one recorded answer, `walk` says what is asked in which
    order.
    """

    shown: str
    links: Links
    host: str
    read: Reader
    walk: Callable[[ReadingPlan], Walk]
    hosts: tuple[str, ...] = ()
    # Further addresses that the operator's file may change, by the entry's name.
    more_hosts: Mapping[str, str] = field(default_factory=dict)
    # None: it has no lists, and is read by links alone.
    departements: Departements | None = None
    # Readers of other answers of it, by the name that `flask partners read` knows.
    more_readers: Mapping[str, Reader] = field(default_factory=dict)
    # What is wrong with its table `booking`; None where nothing is booked there from here.
    check_booking: Callable[[Any], Iterator[Mistake]] | None = None

    @property
    def name(self) -> str:
        return self.links.platform
