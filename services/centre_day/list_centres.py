"""Which centres the directory has, and whether each can be made ours: for an operator's choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from models.centres import directory, takes
from models.centres.geography import distance_km
from models.centres.takes import TakeState
from models.database import Connection
from models.partners.bookings import mirrored
from services.centre_day.take_centres import OURS, TakeWish, refusal_of
from services.letters import bare
from services.refused import OperatorRefused
from services.store import Store

CAN_BE_TAKEN: Final = "can be taken"


class NoSuchPostcode(OperatorRefused):
    """One sentence: nothing can be near it."""


@dataclass(frozen=True)
class ListedCentre:
    """A centre of the directory that is open.

    `standing`: ours, that it can be taken, or why it cannot. `kilometres` as the crow flies from
    the postcode that was asked for; None where none was, or the centre has no position.
    """

    state: TakeState
    standing: str
    kilometres: float | None


def list_centres(
    store: Store, *, near: str = "", departement: str = "", name: str = "", ours: bool = False
) -> list[ListedCentre]:
    """The open centres that are all of this, by id; with `near`, a postcode, the nearest first.

    `name` is a part of the centre's or of its town's, without regard to capitals and accents.
    Raises NoSuchPostcode.
    """
    with store.database.statement() as connection:
        around = _position(connection, near) if near else None
        elsewhere = set(mirrored(connection))
        found = takes.states(connection, departement=departement, every=not departement)
    wanted = bare(name)
    listed = [
        ListedCentre(state, _standing(store, state, elsewhere), _kilometres(state, around))
        for state in found.values()
        if wanted in bare(f"{state.name} {state.source_name} {state.town}")
        and not (ours and state.booking_mode != OURS)
    ]
    if around:
        # Where no person knows how far it is, it comes last.
        listed.sort(key=lambda one: (one.kilometres is None, one.kilometres))
    return listed


def _position(connection: Connection, code: str) -> tuple[float, float]:
    """Degrees. Raises NoSuchPostcode."""
    found = directory.find_postcode(connection, code)
    if found is None or found.latitude is None or found.longitude is None:
        raise NoSuchPostcode(
            f"nobody knows where {code!r} is: --near takes a postcode, as 35000, once `flask "
            "postcodes import FILE` has taken it in"
        )
    return found.latitude, found.longitude


def _standing(store: Store, state: TakeState, elsewhere: set[str]) -> str:
    if state.booking_mode == OURS:
        return OURS
    said = refusal_of(store.clock, state, TakeWish(state.id), elsewhere, anywhere=False)
    # The line names the centre already.
    return said.removeprefix(f"centre {state.id} ({state.name}, {state.town}) ") or CAN_BE_TAKEN


def _kilometres(state: TakeState, around: tuple[float, float] | None) -> float | None:
    if around is None or state.latitude is None or state.longitude is None:
        return None
    return round(distance_km(*around, state.latitude, state.longitude), 1)
