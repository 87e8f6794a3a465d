"""States of the outside that a turn may meet, by name: the walk tries a turn in each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache, partial
from typing import Any

from flows.agents import (
    AfterAgent,
    AfterQueue,
    BackFromAgent,
    NoPerson,
    QueuePlace,
    RungPerson,
    Unavailable,
)
from flows.session import MineState, Offer
from flows.verification.rehearsal import RehearsedWorld
from flows.verification.rehearsed import (
    FAR,
    FAR_CENTRES,
    MORNING,
    MY_PAIR,
    OPENING,
    OWN_PHONE,
    PAIRS,
    PARIS,
    PARTNER,
    PARTNER_PHONE,
    REFERENCE,
    TOWNS,
    WHEN_WE_RING,
    cut_call,
    kept_place,
    my_booking,
    my_halves,
    neighbours,
    offers,
    services,
)
from flows.world import Choice, NamedCentre, NotChanged, NotMine, ReminderHours, Unbooked

# Makes an outside for one turn, with these options of it.
Make = Callable[..., RehearsedWorld]
Scenarios = dict[str, Callable[[], RehearsedWorld]]

LYON = tuple(TOWNS[code] for code in ("69001", "69002", "69003"))
CENTRE = NamedCentre("2", "Gymnase Jaurès", "Paris 11e")
A_PLACE = "e" * 32


def scenarios(make: Make) -> Scenarios:
    """What the outside can be like when a turn asks something of it."""
    return {
        "plenty": make,
        "two": partial(make, found=offers(2)),
        "one": partial(make, found=offers(1)),
        "one centre": partial(make, found=offers(3, one_centre=True)),
        "two of one centre": partial(make, found=offers(2, one_centre=True)),
        "nothing": partial(make, found=()),
        "nothing else": partial(make, found_anew=()),
        "taken, others": partial(make, reference=Unbooked.GONE),
        "taken, nothing": partial(make, reference=Unbooked.GONE, found=()),
        "a person needed": partial(make, reference=Unbooked.PERSON),
        "a number not proved": partial(make, proof_wanted=True),
        "nothing proved": partial(make, reference=Unbooked.NOT_PROVED),
        "pairs": partial(two_doses, make),
        "two pairs": partial(two_doses, make, offers(2, second=True)),
        "one pair": partial(two_doses, make, offers(1, second=True)),
        "pairs of one centre": partial(two_doses, make, offers(3, one_centre=True, second=True)),
        "two pairs of one centre": partial(
            two_doses, make, offers(2, one_centre=True, second=True)
        ),
        "a pair taken, others": partial(two_doses, make, reference=Unbooked.GONE),
        "a pair taken, nothing": partial(two_doses, make, (), reference=Unbooked.GONE),
        "promised before": partial(make, promises_new=False),
        "nothing, but far": partial(make, found=(), far=FAR),
        "no two, but far": partial(two_doses, make, (), far=FAR),
        "nothing, an own centre": partial(make, found=(), own=OWN_PHONE),
        "far, an own centre": partial(make, found=offers(2, centres=FAR_CENTRES), own=OWN_PHONE),
        "nothing, a partner's centre": partial(make, found=(), own=PARTNER),
        "far, a partner's centre": partial(
            make, found=offers(2, centres=FAR_CENTRES), own=PARTNER_PHONE
        ),
        "a group": partial(make, groups={"soignants": 30}),
        "told by age": partial(make, tell_at=OPENING),
        "their turn": partial(make, turn_at=OPENING, tell_at=OPENING),
        "not for all": partial(make, day_known=False),
        "few wait": partial(make, found=(), ahead=3),
        "nobody can wait": partial(make, found=(), ahead=None),
        "a town named": partial(make, named_towns=(TOWNS["35500"],)),
        "two towns named": partial(make, named_towns=(TOWNS["20000"], TOWNS["20200"])),
        "three towns named": partial(make, named_towns=LYON),
        "a centre named": partial(make, named_centre=CENTRE),
        "a centre named, nothing": partial(make, found=(), named_centre=CENTRE),
        "one place for two": partial(make, adjacent=False),
        "rung in the evening only": partial(make, calls=replace(WHEN_WE_RING, before=None)),
        "too near to be rung": partial(make, calls=ReminderHours()),
        "two services": partial(several, make, services()),
        "two services apart": partial(several, make, services(apart=True)),
        "three services": partial(several, make, services(card=True, since=0)),
        "the service with a time of waiting": partial(several, make, services()[1:]),
        "a service closed meanwhile": partial(
            several, make, services()[:1], reference=Unbooked.CLOSED
        ),
        "no service any more": partial(several, make, (), reference=Unbooked.CLOSED),
        "cut, not kept": partial(make, cut=cut_call(kept=False)),
        "cut before all was told": partial(
            make, cut=cut_call("ready", reference=REFERENCE), mine=my_booking()
        ),
        "cut, taken up elsewhere": partial(make, cut=None),
        "cut, codes are guessed": partial(make, cut=cut_call(), codes_guessed=True),
        "cut at a pair": partial(two_doses, make, cut=cut_call(found=PAIRS)),
    }


def rare_scenarios(make: Make) -> Scenarios:
    """Outsides that one call each meets: see FAR_AWAY. At every turn they would cost too much."""
    return {
        "three services apart": partial(several, make, services(apart=True, card=True, since=0)),
        "three services in one": partial(
            several, make, services(card=True, since=0, all_together=True)
        ),
        "five services": partial(several, make, services(since=0, town=True)),
        "five services apart": partial(several, make, services(since=0, town=True, apart=True)),
        "four services apart": partial(several, make, services(since=0, town=True, apart=True)[:4]),
        "two services in turn": partial(several, make, services(since=0), found=neighbours()),
        "wheelchairs come in": partial(make, wheelchairs="yes"),
        "stairs": partial(make, wheelchairs="no"),
        **language_scenarios(make),
    }


def language_scenarios(make: Make) -> Scenarios:
    """More languages than a menu has keys for; English stands for a fourth without a file."""
    return {"four languages": partial(make, spoken_here=("fr", "en", "es", "en"))}


def my_scenarios(make: Make) -> Scenarios:
    """What there may be of an appointment, for a caller who rings about one."""
    second = my_booking(first_start="", second_start=MY_PAIR.second_start)
    of_mine = {
        "one": my_booking(),
        "one, undo": my_booking(undo=True),
        "the second left": second,
        "apart": replace(MY_PAIR, second_name="Gymnase Jaurès", second_town="Vitré"),
        "elsewhere": my_booking(postcode=""),
        "of another campaign": my_booking(movable=False),
        "place closed": my_booking(off=(1,)),
        "both places closed": replace(MY_PAIR, off=(1, 2)),
        "one place of two closed": replace(MY_PAIR, off=(2,)),
        "two services": my_halves(),
        "two services, apart": my_halves(days_apart=2),
        "another hour": my_booking(changed="hour", changed_doses=(1,), texted=True),
        "another place": my_booking(changed="place", changed_doses=(1,)),
        "another hour and place for the second": replace(
            MY_PAIR, changed="hour_place", changed_doses=(2,)
        ),
        "kept far": my_booking(kept_far=72),
        "past": my_booking(state=MineState.PAST),
        "both past": replace(MY_PAIR, state=MineState.PAST),
        "cancelled": my_booking(state=MineState.CANCELLED),
        "both cancelled": replace(MY_PAIR, state=MineState.CANCELLED),
        "cancelled, undo": my_booking(state=MineState.CANCELLED, undo=True),
        "both cancelled, undo": replace(MY_PAIR, state=MineState.CANCELLED, undo=True),
    }
    found: dict[str, Callable[[], RehearsedWorld]] = {
        f"mine: {name}": partial(make, mine=mine) for name, mine in of_mine.items()
    }
    for why in NotChanged:
        found[f"mine: not changed, {why.name}"] = partial(make, mine=my_booking(), not_changed=why)
    return found | {
        "mine: both": partial(two_doses, make, mine=MY_PAIR),
        "mine: both, taken": partial(two_doses, make, mine=MY_PAIR, not_changed=NotChanged.GONE),
        "mine: nothing else": partial(make, found=(), mine=my_booking()),
        "mine: no other second": partial(make, found=(), mine=second),
        "mine: guarded": partial(make, mine=my_booking(), guarded=True),
        "not mine": make,
        "not mine, too often": partial(make, mine=NotMine.PERSON, texts=False),
    }


def line_scenarios(make: Make, campaign: str = "") -> Scenarios:
    """What the line for a person can be like, and a place in it; `campaign`: one of CAMPAIGNS."""
    if campaign:
        make = partial(make, rules_=CAMPAIGNS[campaign](make).rules_)
    found: Scenarios = {
        "line: open": partial(make, person=QueuePlace(A_PLACE, "fr", 3, 300)),
        "line: next": partial(make, person=QueuePlace(A_PLACE, "fr", 0)),
        "line: rung in vain": partial(make, person=QueuePlace(A_PLACE, "fr", 0, rung_in_vain=True)),
        "line: no promise": partial(make, callback_after=None),
        "line: later today": partial(make, callback_after=timedelta(hours=3)),
        "line: tomorrow": partial(make, callback_after=timedelta(hours=24)),
        "line: just taken": partial(make, place_promised=False),
    }
    for seconds in (30, 3600, 5000, 7000, 9000):
        found[f"line: {seconds} seconds"] = partial(
            make, person=QueuePlace(A_PLACE, "fr", 1, seconds)
        )
    for why in NoPerson:
        none = Unavailable(why, opens_at=OPENING.astimezone(PARIS), wait_seconds=5000)
        found[f"line: {why}"] = partial(make, person=none)
    for after in AfterQueue:
        found[f"place: {after}"] = partial(make, place=after)
    for what in AfterAgent:
        back = BackFromAgent(what, step="date_of_birth", conference=A_PLACE, queue="fr")
        found[f"agent: {what}"] = partial(make, agent=back)
    for step in ("offers", "my_reference"):
        back = BackFromAgent(AfterAgent.HANDED_BACK, step=step)
        found[f"agent: {step}"] = partial(make, agent=back)
    return found


def rung_scenarios(make: Make, rung_as: str) -> Scenarios:
    """What awaits a person we rang, in the way that `rung_as` tells."""
    by_machine = rung_as not in {"asked", "cut"}
    there = (RungPerson.MACHINE,) if by_machine else (RungPerson.AGENT, RungPerson.LINE)
    found: Scenarios = {
        f"rung: {state.name.lower()}": partial(make, answered=state)
        for state in (*there, RungPerson.OVER)
    }
    if RungPerson.MACHINE in there:
        taken = partial(make, answered=RungPerson.MACHINE, cut=None)
        found["rung: taken up elsewhere"] = taken
    return found


def not_yet_open(make: Make) -> RehearsedWorld:
    return make(rules_=replace(make().rules_, opens_at=OPENING))


def closed(make: Make) -> RehearsedWorld:
    return make(rules_=replace(make().rules_, closes_at=MORNING))


def several(make: Make, may_have: tuple[Choice, ...], **options: Any) -> RehearsedWorld:
    """Several services, of which the person may have some."""
    return make(may_have=may_have, rules_=replace(make().rules_, services=2), **options)


def two_doses(make: Make, found: tuple[Offer, ...] = PAIRS, **options: Any) -> RehearsedWorld:
    """A campaign in which each person comes twice."""
    return make(found=found, rules_=replace(make().rules_, doses=2), **options)


CAMPAIGNS: Mapping[str, Callable[[Make], RehearsedWorld]] = {
    "not yet open": not_yet_open,
    "closed": closed,
}


# What may be kept for a person who waits, and what becomes of it.
KEPT: Mapping[str, Mapping[str, Any]] = {
    "kept": {},
    "kept, a landline": {"kept": kept_place(text_to="")},
    "kept, a pair": {"kept": kept_place(second=True)},
    "kept, taken by others": {"reference": Unbooked.GONE},
    "kept, a person needed": {"reference": Unbooked.PERSON},
    "kept, off the list": {"waits_on": False},
}


def kept_scenarios(make: Make) -> Scenarios:
    """What a caller may meet when a place is kept at their number."""
    found: Scenarios = {
        name: partial(make, **{"kept": kept_place(), **options}) for name, options in KEPT.items()
    }
    return found | {"kept for somebody else": make}


class Weathers:
    """Outsides by their names, and which of them are alike in some of what they hold."""

    def __init__(self, begins: Scenarios) -> None:
        self.begins = begins
        worlds = {name: begin() for name, begin in begins.items()}
        # Two values that are written the same way are the same, and are numbered: equal ones may
        # still differ, like two moments of different zones.
        numbers: dict[str, int] = {}
        self._holds = {
            name: {
                what: numbers.setdefault(repr(value), len(numbers))
                for what, value in ({"": type(world)} | vars(world)).items()
            }
            for name, world in worlds.items()
        }
        self._alike: dict[frozenset[str], dict[str, tuple[int, ...]]] = {}

    def alike(self, attributes: frozenset[str]) -> dict[str, tuple[int, ...]]:
        """By the name of each weather, what it holds in these: alike ones have an equal tuple."""
        if attributes not in self._alike:
            self._alike[attributes] = {
                name: (
                    holds[""],
                    *(holds[attribute] for attribute in sorted(attributes) if attribute in holds),
                )
                for name, holds in self._holds.items()
            }
        return self._alike[attributes]


@lru_cache(maxsize=64)
def weathers_of(found: Callable[..., Scenarios], make: Make, *options: str) -> Weathers:
    return Weathers(found(make, *options))
