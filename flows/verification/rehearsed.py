"""Centres, offers, services and bookings of the calls that are rehearsed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from flows.session import BookedService, CallerBooking, KeptOffer, MineState, Offer, Session
from flows.world import (
    Choice,
    Eligibility,
    Far,
    OwnPhone,
    ReminderHours,
    ServiceWords,
    TakenUp,
    Town,
)

# A Wednesday, nine o'clock in Paris.
MORNING = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
OPENING = datetime(2026, 12, 1, 7, 0, tzinfo=UTC)
PARIS = ZoneInfo("Europe/Paris")
MOBILE = "+33612345678"
LANDLINE = "+33491223344"
REFERENCE = "4521738908"

TOWNS = {
    "75011": Town("75011", "Paris 11e", "metropole", 48.859, 2.378),
    "20000": Town("20000", "Ajaccio", "corse", 41.935, 8.701, "Corse-du-Sud"),
    "20200": Town("20200", "Bastia", "corse", 42.697, 9.451, "Haute-Corse"),
    "35500": Town("35500", "Vitré", "metropole", 48.124, -1.209, "Ille-et-Vilaine"),
    "69001": Town("69001", "Lyon 1er", "metropole", 45.769, 4.829, "Rhône"),
    "69002": Town("69002", "Lyon 2e", "metropole", 45.749, 4.826, "Rhône"),
    "69003": Town("69003", "Lyon 3e", "metropole", 45.753, 4.869, "Rhône"),
}
APART = timedelta(days=22, minutes=30)


# The same evening, and some days later.
WHEN_WE_RING = ReminderHours(
    MORNING.astimezone(PARIS).replace(hour=18),
    (MORNING + timedelta(days=8)).astimezone(PARIS).replace(hour=10),
)


@dataclass(frozen=True)
class Centre:
    """A centre as it is read to a caller."""

    gid: str
    name: str
    street: str
    kilometres: float
    postcode: str = "75011"
    town: str = "Paris 11e"


CENTRES = (
    Centre("1", "Salle des fêtes", "12 rue de la Paix", 0.4),
    Centre("2", "Gymnase Jaurès", "3 place du Marché", 4.1),
    Centre("3", "Mairie annexe", "1 rue de l'Église", 12.2),
)

# As long as the names of real centres mostly are.
TYPICAL_CENTRES = (
    Centre("1", "Salle polyvalente Jean Moulin", "12 rue de la Paix", 0.4),
    Centre(
        "2", "Centre de vaccination, gymnase Jaurès", "3 place du Marché", 4.1, "75019", "Paris"
    ),
    Centre("3", "Espace culturel de la Mairie", "1 rue de l'Église", 12.2, "93200", "Saint-Denis"),
)


@lru_cache
def offers(
    count: int = 3,
    *,
    one_centre: bool = False,
    first: int = 0,
    second: bool = False,
    centres: Sequence[Centre] = CENTRES,
) -> tuple[Offer, ...]:
    """`count` offers, nearest first; of one centre, they are a day apart.

    `second`: each with its second appointment, 22 days and half an hour later.
    """
    made = []
    for number in range(count):
        centre = centres[0 if one_centre else number]
        start = MORNING.replace(hour=9) + timedelta(days=1 + (number if one_centre else 0))
        made.append(
            Offer(
                place_id=first + number + 1,
                slot_id=first + number + 101,
                centre_id=centre.gid,
                name=centre.name,
                street=centre.street,
                postcode=centre.postcode,
                town=centre.town,
                start_at=start.isoformat(),
                time_zone="Europe/Paris",
                kilometres=centre.kilometres,
                second_place_id=first + number + 1001 if second else 0,
                second_slot_id=first + number + 1101 if second else 0,
                second_start_at=(start + APART).isoformat() if second else "",
            )
        )
    return tuple(made)


# A centre that books for itself, and a town far away that has free slots.
OWN_PHONE = OwnPhone("Clinique des Lilas", "Les Lilas", 3.2, "+33142030405")
# At a partner; the first has a telephone, too.
PARTNER_PHONE = OwnPhone("Gymnase Japy", "Les Lilas", 3.4, "+33142030406", "Doctolib", 12)
PARTNER = OwnPhone("Gymnase Japy", "Les Lilas", 3.4, "", "Doctolib", 65)
FAR = Far("Laval", 65.3)
FAR_CENTRES = (
    Centre("11", "Parc des expositions", "1 rue du Parc", 41.0),
    Centre("12", "Salle polyvalente", "2 rue de la Gare", 58.0),
)

PLENTY = offers()
PAIRS = offers(second=True)


@lru_cache
def my_booking(
    *starts: datetime, state: MineState = MineState.AHEAD, **changes: Any
) -> CallerBooking:
    """A booking at the nearest centre; of one start it is the first appointment."""
    first, *later = starts or (MORNING.replace(hour=9) + timedelta(days=3),)
    centre = CENTRES[0]
    mine = CallerBooking(
        id="b" * 32,
        version=1,
        state=state,
        name=centre.name,
        street=centre.street,
        town="Paris 11e",
        time_zone="Europe/Paris",
        first_start=first.isoformat(),
        second_start=later[0].isoformat() if later else "",
        postcode="75011",
        slots=(901, 902) if later else (901,),
    )
    return replace(mine, **changes)


@lru_cache
def kept_place(*, second: bool = False, text_to: str = MOBILE) -> KeptOffer:
    """A place that is kept for a person of the waiting list, for two hours more."""
    (offer,) = offers(1, second=second)
    return KeptOffer("w" * 32, (MORNING + timedelta(hours=2)).isoformat(), text_to, offer)


SERVICE_WORDS = {
    "flu-2026": ServiceWords("la grippe", ("grippe", "influenza")),
    "covid-2026": ServiceWords("le Covid", ("covid", "corona")),
    "card-2026": ServiceWords("la carte d'identité", ("carte (d'identité|)", "identité")),
    "passport-2026": ServiceWords("le passeport", ("passeport",)),
    "deed-2026": ServiceWords("un acte de naissance", ("acte (de naissance|)",)),
}


def services(
    *,
    since: int = 6,
    apart: bool = False,
    card: bool = False,
    all_together: bool = False,
    town: bool = False,
) -> tuple[Choice, ...]:
    """An autumn with two services, in one appointment unless they are `apart`; or with a third.

    `town`: at the number of a town hall, which has five.

    `since`: months that must have passed since the last one of the second. `all_together`: the
    third is in one appointment with the two.
    """
    may = Eligibility(MORNING.date())
    names = ("flu-2026", "covid-2026", "card-2026")
    of_two = () if apart else names if all_together else names[:2]
    flu, covid, other = (tuple(name for name in of_two if name != wanted) for wanted in names)
    return (
        Choice("flu-2026", "flu", may, flu),
        Choice("covid-2026", "covid", may, covid, months_since=since),
        *((Choice("card-2026", "card", may, other if all_together else ()),) if card else ()),
        *(Choice(f"{paper}-2026", paper, may) for paper in ("card", "passport", "deed") if town),
    )


def neighbours() -> tuple[Offer, ...]:
    """Offers of two places, half an hour apart, for two things that are done in turn."""
    half_an_hour = timedelta(minutes=30)
    return tuple(
        replace(
            pair,
            second_start_at=(datetime.fromisoformat(pair.start_at) + half_an_hour).isoformat(),
        )
        for pair in PAIRS
    )


def my_halves(*, days_apart: int = 0) -> CallerBooking:
    """A booking of two services: in one appointment, or some days apart."""
    day = MORNING.replace(hour=9) + timedelta(days=3)
    starts = (day, day + timedelta(days=days_apart)) if days_apart else (day,)
    doses = (1, 2) if days_apart else (1, 1)
    flu, covid = services()
    return replace(
        my_booking(*starts),
        services=tuple(
            BookedService(one.service, one.campaign, dose, start.isoformat(), "1", 901)
            for one, dose, start in zip((flu, covid), doses, (starts[0], starts[-1]), strict=True)
        ),
    )


FIRST_DAY = MORNING.replace(hour=9) + timedelta(days=3)
MY_PAIR = my_booking(FIRST_DAY, FIRST_DAY + APART)


@lru_cache
def cut_call(
    step: str = "confirm",
    *,
    found: tuple[Offer, ...] = PLENTY,
    kept: bool = True,
    reference: str = "",
) -> TakenUp:
    """A call that was cut at a step after the choice; `kept`: its slot is there still."""
    town = TOWNS["75011"]
    session = Session(
        step=step,
        alive=True,
        trail=("welcome", "date_of_birth", "date_of_birth_check", "postcode"),
        born="1942-03-12",
        postcode=town.postcode,
        town=town.name,
        latitude=town.latitude,
        longitude=town.longitude,
        territory=town.territory,
        offers=found,
        offered=tuple(offer.slot_id for offer in found),
        chosen=0,
        number_answered=True,
        reference=reference,
    )
    return TakenUp(session, kept)
