"""The part of the operator's file of partners that says which Keldoc centres are booked from here.

    [keldoc.booking]
    base = "https://www.keldoc.com/partners"
    [[keldoc.booking.centres]]
    centre = "3c4f…"        # gid of the official file
    agendas = [552, 553]
    motives = [366, 367]    # of each dose; one for all where there is but one
    service = "covid"       # what they are for, where there are several services

The key pair is no part of any file: it is KELDOC_KEY and KELDOC_SECRET.
"""

from __future__ import annotations

import tomllib

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from partners.links import address_of
from partners.partner import Mistake
from services.campaign.campaign import is_service

if TYPE_CHECKING:
    from partners.platforms.keldoc.booking import BookedCentre

BASE: Final = "https://www.keldoc.com/partners"
MOST_AGENDAS, MOST_DOSES = 10, 3


def mistakes(booking: Any) -> Iterator[Mistake]:
    """What is wrong with the table [keldoc.booking]."""
    if not isinstance(booking, dict):
        yield (), "booking is a table: write [keldoc.booking]"
        return
    for key in booking.keys() - {"base", "centres"}:
        yield (key,), f"{key} is not known: there are base, centres"
    base = booking.get("base", BASE)
    if address_of(base) is None or base.endswith("/"):
        yield ("base",), f"base is an address like {BASE}, without a slash at its end"
    centres = booking.get("centres", [])
    if not isinstance(centres, list) or not centres:
        yield ("centres",), "centres are missing: write [[keldoc.booking.centres]] for each"
        return
    for number, one in enumerate(centres):
        for entry, sentence in _centre_mistakes(one):
            yield ("centres", number, *entry), sentence
    names = [centre.get("centre") for centre in centres if isinstance(centre, dict)]
    for name in {centre for centre in names if names.count(centre) > 1}:
        yield ("centres",), f"centre {name} is there twice"


def _centre_mistakes(one: Any) -> Iterator[Mistake]:
    if not isinstance(one, dict):
        yield (), "a centre is a table with centre, agendas and motives"
        return
    for key in one.keys() - {"centre", "agendas", "motives", "service"}:
        yield (key,), f"{key} is not known: there are agendas, centre, motives, service"
    service = one.get("service", "")
    if not isinstance(service, str) or (service and not is_service(service)):
        yield ("service",), 'service is what its motives are for, as in a campaign: "covid"'
    if not isinstance(one.get("centre"), str) or not one["centre"]:
        yield ("centre",), "centre is the gid of a centre of the official file"
    if not _is_ids(one.get("agendas"), MOST_AGENDAS):
        yield ("agendas",), f"agendas are 1 to {MOST_AGENDAS} numbers, each once"
    if not _is_ids(one.get("motives"), MOST_DOSES, once=False):
        yield ("motives",), f"motives are 1 to {MOST_DOSES} numbers, one for each dose"


def _is_ids(value: Any, most: int, *, once: bool = True) -> bool:
    if not isinstance(value, list) or not 1 <= len(value) <= most:
        return False
    whole = all(
        isinstance(number, int) and not isinstance(number, bool) and number > 0 for number in value
    )
    return whole and (not once or len(set(value)) == len(value))


def read_booking(path: Path) -> tuple[str, tuple[BookedCentre, ...]] | None:
    """The base of the API and the centres; None where the file has none of it.

    The file was read before, so that all that is wrong was told. Raises ValueError, OSError.
    """
    # With its HTTP client; the file is checked in every command of `flask`.
    from partners.platforms.keldoc.booking import BookedCentre  # noqa: PLC0415

    booking = tomllib.loads(path.read_text("utf-8")).get("keldoc", {}).get("booking")
    if booking is None:
        return None
    wrong = next(mistakes(booking), None)
    if wrong is not None:
        raise ValueError(wrong[1])
    centres = tuple(
        BookedCentre(
            centre["centre"],
            tuple(centre["agendas"]),
            tuple(centre["motives"]),
            centre.get("service", ""),
        )
        for centre in booking["centres"]
    )
    return booking.get("base", BASE), centres
