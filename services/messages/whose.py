"""Name the person that a text or mail is about, if several people share a number or an address.

A couple's two texts are told apart by the year of birth; by the month, too, where the year is the
same, and by a number where that is. The day is never told: with the reference, which stands in the
text, it would be all that "my appointment" asks for (docs/decisions/0046). Who is alone on their
telephone is told nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Self

from babel.dates import format_skeleton

from models.booking import changes
from models.booking.changes import BookingDetails
from models.booking.look_up import OnOneNumber
from models.database import Connection
from prompts.catalogue import Catalogue
from services.store import Store


@dataclass(frozen=True)
class Whose:
    """The person of a text: `month` where the year is another's as well; `nth` of such people."""

    born: date
    month: bool = False
    nth: int = 0

    @classmethod
    def among(cls, born: date, rank: int, people: Iterable[OnOneNumber]) -> Self | None:
        """One of these people (first come, first); None where there is no other."""
        mine = (born, rank)
        listed = list(dict.fromkeys((person.born, person.rank) for person in people))
        others = [person for person in listed if person != mine]
        if not others:
            return None
        same_year = [each for each, _ in others if each.year == born.year]
        if not same_year:
            return cls(born)
        if all(each.month != born.month for each in same_year):
            return cls(born, month=True)
        alike = [
            each
            for each in (listed if mine in listed else [*listed, mine])
            if (each[0].year, each[0].month) == (born.year, born.month)
        ]
        return cls(born, month=True, nth=alike.index(mine) + 1)

    def signed(self, catalogue: Catalogue, words: str) -> str:
        """The words with the service and the person before them."""
        told = str(self.born.year)
        if self.month:
            told = format_skeleton("yMMMM", self.born, locale=catalogue.locale)
        key = "part_from_nth" if self.nth else "part_from_born"
        return catalogue.text(key, {"born": told, "nth": self.nth, "text": words})


def of_booking(connection: Connection, store: Store, file: BookingDetails) -> Whose | None:
    """Whose a booking is among those of its number; the same statement for no booking at all."""
    people = changes.people_at(
        connection, store.clock, store.vault, "phone", file.number or "", file.campaign
    )
    if file.born is None or not file.number:
        return None
    return Whose.among(file.born, file.rank, people)


def of_mail(
    connection: Connection, store: Store, file: BookingDetails, *, of_two: bool = False
) -> Whose | None:
    """Return whose a booking is among those of its address of e-mail, or else of its number.

    `of_two`: the other person may not be booked yet.
    """
    if file.born is None:
        return None
    people = changes.people_at(
        connection, store.clock, store.vault, "mail", file.mail or "", file.campaign
    )
    return (
        Whose.among(file.born, file.rank, people)
        or of_booking(connection, store, file)
        or (Whose(file.born) if of_two else None)
    )
