"""What a person writes when asked where they live: a postcode, or a town by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flows.understanding.town_names import towns as named_towns
from models.database import Connection
from services.centres.directory import Directory
from services.centres.towns import departement_name
from services.vocabulary import vocabulary

MOST_TOWNS: Final = 6
_POSTCODE_DIGITS: Final = 5


@dataclass(frozen=True)
class NamedTown:
    """`departement` is its name."""

    postcode: str
    name: str
    departement: str


def find_towns(
    connection: Connection, directory: Directory, text: str, language: str
) -> tuple[NamedTown, ...]:
    """The towns that are meant, the likeliest first; none where none is known.

    A postcode is one of them, by its main town.
    """
    digits = "".join(text.split())
    if digits.isascii() and digits.isdigit():
        found = directory.postcode(connection, digits) if len(digits) == _POSTCODE_DIGITS else None
        if found is None:
            return ()
        return (NamedTown(found.code, found.main_town, departement_name(found.departement)),)
    named = named_towns(text, vocabulary(language), directory.towns(connection))
    return tuple(
        NamedTown(one.postcode, one.name, one.departement_name) for one in named[:MOST_TOWNS]
    )
