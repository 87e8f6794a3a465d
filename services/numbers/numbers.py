"""The numbers that people call here, and what each of them decides.

They lie in one file (NUMBERS_FILE), which `services.numbers.file` reads and `.watch` reads again.
Without a file there is one number: that of NATIONAL_NUMBER.
"""

from __future__ import annotations

import re

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from services.campaign.opening_hours import OpeningHours

# How a provider writes where a call over SIP went: sip:+33974750001@house.example;transport=udp.
_SIP = re.compile(r"sips?:([^@;]+)(?:@.*)?")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_DIALLED = re.compile(r"\+?[0-9]{3,15}")


class BadNumbers(Exception):
    """What is wrong with a file: one sentence for each mistake, with file, line and remedy."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class CalledNumber:
    """One number, as it is dialled: E.164, or a short one. What is empty is as without a file.

    A call begins in `language`. `campaign` is the name of the one it is for. `departements` and
    `postcodes` are the area it serves; both empty: the whole country. `greeting` has the first
    sentence of the welcome by language. `hours` are when agents answer. Callers wait for an agent
    in `queue`; after `overflow` agents of `overflow_queue` take them too. Texts come from `sender`,
    and `caller_id` is what people see who are rung.
    """

    number: str
    name: str = ""
    language: str = ""
    campaign: str = ""
    departements: frozenset[str] = frozenset()
    postcodes: frozenset[str] = frozenset()
    greeting: tuple[tuple[str, str], ...] = ()
    hours: OpeningHours | None = None
    queue: str = ""
    overflow_queue: str = ""
    overflow: timedelta = timedelta()
    sender: str = ""
    caller_id: str = ""

    @property
    def texted(self) -> str:
        """Where people may answer its texts: the sender, where that is a number of its own."""
        return self.sender if _E164.fullmatch(self.sender) else ""

    @property
    def has_area(self) -> bool:
        return bool(self.departements or self.postcodes)

    def serves(self, postcode: str, departement: str | None) -> bool:
        """Whether people of this postcode, in this département, are of its area."""
        return not self.has_area or postcode in self.postcodes or departement in self.departements

    def greets(self, language: str) -> str:
        """The first sentence of the welcome; empty for the usual one."""
        return dict(self.greeting).get(language, "")


def dialled(to: str) -> str:
    """The number that a provider's `To` means; empty where it is none."""
    found = _SIP.fullmatch(to)
    number = (found[1] if found else to).strip()
    return number if _DIALLED.fullmatch(number) else ""


@dataclass(frozen=True)
class Known:
    """What a file is compared with. None: it is not compared with that.

    `campaigns` and `queues` are names; `staffed` are the queues that a person answers.
    """

    languages: Collection[str]
    campaigns: Collection[str] | None = None
    queues: Collection[str] | None = None
    staffed: Collection[str] | None = None


class Numbers:
    """Made by `fixed`, or by `services.numbers.watch.read`. May be used by several threads."""

    def __init__(
        self,
        national: str,
        numbers: Iterable[CalledNumber] = (),
        *,
        watch: Callable[[], Sequence[CalledNumber] | None] | None = None,
    ) -> None:
        """`national` is NATIONAL_NUMBER; `watch` gives the numbers when they changed, else None."""
        self._national = national
        self._watch = watch
        self._take(numbers)

    @classmethod
    def fixed(cls, national: str, *numbers: CalledNumber) -> Numbers:
        """Numbers that never change."""
        return cls(national, numbers)

    def _take(self, numbers: Iterable[CalledNumber]) -> None:
        found = {number.number: number for number in numbers}
        default = found.get(self._national) or CalledNumber(self._national)
        self._now = (found, default)

    @property
    def _present(self) -> tuple[dict[str, CalledNumber], CalledNumber]:
        changed = self._watch() if self._watch else None
        if changed is not None:
            self._take(changed)
        return self._now

    def all(self) -> tuple[CalledNumber, ...]:
        """Those of the file, in its order; none without a file."""
        return tuple(self._present[0].values())

    def several(self) -> tuple[CalledNumber, ...]:
        """What people may call, the default first; none where there is one number alone.

        What shows numbers beside one another shows nothing where this is empty.
        """
        found, default = self._present
        others = tuple(number for number in found.values() if number.number != default.number)
        return (default, *others) if others else ()

    @property
    def default(self) -> CalledNumber:
        """NATIONAL_NUMBER, as the file has it where it has it."""
        return self._present[1]

    def of(self, number: str | None) -> CalledNumber:
        """What a call, booking or message keeps of its number; the default where that is gone."""
        found, default = self._present
        return found.get(number or "") or default

    def for_campaign(self, name: str) -> CalledNumber:
        """The number that is for a campaign of this name, else the default."""
        found, default = self._present
        return next((number for number in found.values() if number.campaign == name), default)

    def called(self, to: str) -> CalledNumber | None:
        """The number that a provider's `To` means; None where the file does not have it.

        Without a file every call is one to the default.
        """
        found, default = self._present
        number = dialled(to)
        if not found or number == default.number:
            return default
        return found.get(number)

    def texted(self, to: str) -> CalledNumber | None:
        """The number whose texts are answered at `to`; None where no number has it as its own."""
        return next(
            (number for number in self._present[0].values() if to and number.texted == to), None
        )

    def kept(self, one: CalledNumber) -> str:
        """What is kept of a call to a number: itself where the file has it, else nothing."""
        return one.number if one.number in self._present[0] else ""

    def serving(self, postcode: str, departement: str | None) -> CalledNumber:
        """The number whose area a postcode is in; the default where there is none."""
        found, default = self._present
        near = (
            number
            for number in found.values()
            if number.has_area and number.serves(postcode, departement)
        )
        return next(near, default)
