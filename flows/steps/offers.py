"""Up to three slots, nearest centre first, held while the call lives; and ways to hear others."""

from __future__ import annotations

import math
import re

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial

from flows.questions import TELEPHONE_ONLY, Go, Miss, Move, Part, Question, menu
from flows.session import CallerKind, Moving, Offer, Session
from flows.speech import Line
from flows.steps.common import NO_SUCH_KEY, Patient, Step, in_words_for, what_for
from flows.steps.moving import MOVE_CHECK, NOTHING_ELSE, for_move
from flows.steps.service_over import SERVICE, is_over, over_meanwhile
from flows.understanding import birthday
from flows.understanding.clauses import clauses
from flows.understanding.offered import ReadOut, Wanted, after_correction, wanted_among
from flows.world import Search, World

OTHERS_KEY = "4"
# A caller who would go so far hears of more than one centre there.
FAR_MORE_KILOMETRES = 30.0
# Nearer offers than this are near enough, for callers who book elsewhere too.
FAR_KILOMETRES = 10.0
# Said before the offers of a campaign with two appointments.
SECOND_COMES_WITH_IT = "second_comes_with_it"
# The postcode as it was typed, with its town, and how to correct it.
TYPED_POSTCODE = "typed_postcode"
# How the names of most centres begin, which tells none from another.
_GENERIC = re.compile(
    r"^(?:centre (?:de |d['’])vaccination(?: (?:de|du|des|à) |[ ,:-]+))(?=\w)", re.IGNORECASE
)
# The number of a house at the head of its street: "15", "19 bis", "2-4".
_HOUSE = re.compile(r"^[\d /-]+(?:bis|ter|quater|[a-d])?\b[ ,]*", re.IGNORECASE)
# Steps that stand on what a search found.
AFTER_SEARCH = frozenset(
    {
        "offers",
        "other_offers",
        "part_of_day",
        MOVE_CHECK,
        NOTHING_ELSE,
        "own_centre",
        "partner_centre",
        "no_slot",
        "waiting",
        "couple_choice",
        "reach",
        "reach_number",
        "reach_check",
        "confirm",
    }
)


def search_nearest(
    session: Session,
    world: World,
    *,
    not_before: datetime | None = None,
    part_of_day: str = "",
    beyond_kilometres: float = 0.0,
    lines: tuple[Line, ...] = (),
    anew: bool = False,
) -> Go:
    """Find and hold, then read the offers, or say that there is none.

    A caller who asks the same again within `Rules.offers_stay` gets what they got, so that asking
    quickly finds nothing that others do not find; `anew` where it is known to be gone. No day
    is offered on which the person is still too young. Offers that were read before are skipped;
    when nothing else is left they are read again, and the caller is told so.
    """
    session, lines = _at_their_number(session, world, lines)
    if is_over(session, world):
        over = over_meanwhile(session, session.wanted, world)
        return replace(over, lines=(*lines, *over.lines))
    plain = plain_search(session, world)
    search = replace(
        plain,
        not_before=max(plain.not_before, not_before or plain.not_before),
        part_of_day=part_of_day,
        beyond_kilometres=beyond_kilometres,
        skip_slots=session.offered,
    )
    key = _search_key(session, plain)
    # Other days, or farther away, are other questions.
    is_plain = not (part_of_day or beyond_kilometres or not_before)
    if is_plain and not anew and _was_found_lately(session, key, world):
        stays = world.hold_again(session.offers or session.found)
        if stays or session.found_for.endswith(_NOTHING):
            return _found(session, stays, plain, world, lines)
    offers = world.hold_nearest(search)
    if not offers and beyond_kilometres:
        # Farther away was asked for, and beyond the campaign's own radius there may be something.
        session, offers = _hold_beyond(session, search, world)
    if not offers and session.offered:
        offers = world.hold_nearest(plain)
        if offers:
            lines = (*lines, Line("no_others"))
    if not offers and session.centre_id:
        lines = (*lines, Line("none_at_centre"))
        session = session.but(centre_id="")
        plain = plain_search(session, world)
        offers = world.hold_nearest(plain)
    # What was asked for may be far away for its own reasons; only a first search tells how it is.
    first = search == plain
    if is_plain and world.rules().offers_stay:
        session = session.but(
            found_for=key if offers else f"{key}{_NOTHING}", found_at=world.now().isoformat()
        )
    return _found(session, offers, plain, world, lines, first=first)


def search_for_typed(session: Session, world: World, *, lines: tuple[Line, ...] = ()) -> Go:
    """The same from a postcode that was typed, which is read back: by the offers, or before all.

    Where what the caller wants is closed, it is read with what is found for something else.
    """
    found = search_nearest(session, world, lines=lines)
    if found.step in {"offers", SERVICE}:
        return found
    read = Line(TYPED_POSTCODE, {"postcode": session.postcode, "town": session.town})
    return replace(found, lines=(read, *found.lines))


def _at_their_number(
    session: Session, world: World, lines: tuple[Line, ...]
) -> tuple[Session, tuple[Line, ...]]:
    """A caller who rang another area's number goes on as if they had rung their own."""
    if not session.called or not session.postcode or session.moving:
        return session, lines
    other = world.number_elsewhere(session.postcode)
    if other is None:
        return session, lines
    return session.but(called=other), (*lines, Line("number_elsewhere", {"number": other}))


# Behind the key of a search that found nothing.
_NOTHING = " -"


def _search_key(session: Session, plain: Search) -> str:
    """A key of the question: from where, how far, from which day on, for which person."""
    where = (
        round(plain.latitude, 3),
        round(plain.longitude, 3),
        *((plain.postcode,) if not (plain.latitude or plain.longitude) else ()),
        plain.within_kilometres,
        plain.centre_id,
        plain.first_day.isoformat(),
        plain.second_of,
        int(plain.alone),
        int(session.second_person),
        *plain.wanted,
        *(commitment.start_at for commitment in plain.commitments),
    )
    return "|".join(map(str, where))


def _was_found_lately(session: Session, key: str, world: World) -> bool:
    if session.found_for.removesuffix(_NOTHING) != key or not session.found_at:
        return False
    since = world.now() - datetime.fromisoformat(session.found_at)
    return since < world.rules().offers_stay


def _found(
    session: Session,
    offers: tuple[Offer, ...],
    plain: Search,
    world: World,
    lines: tuple[Line, ...],
    *,
    first: bool = True,
) -> Go:
    """On to the offers, or to what is said where there is none."""
    session, elsewhere = _elsewhere(session, plain, offers, world, first=first)
    searched = session.but(
        offers=offers,
        found=(),
        offered=session.offered + tuple(offer.slot_id for offer in offers),
        chosen=-1,
        adjacent=(),
        # One step back must not lead to offers that are no more.
        trail=tuple(step for step in session.trail if step not in AFTER_SEARCH),
    )
    step = elsewhere or found_or_not(searched)
    if step == "no_slot" and not world.has_waiting_list(plain):
        # No centre is known there: a caller hears so before they choose to wait and give a number.
        return Go(searched, "person", (*lines, Line("waiting_nowhere")), remember=False)
    return Go(
        searched,
        step,
        lines,
        remember=session.step not in AFTER_SEARCH,
    )


def found_or_not(session: Session) -> str:
    """The step that reads what was found, or says that it was nothing."""
    if session.offers:
        return "offers"
    return NOTHING_ELSE if session.moving else "no_slot"


def plain_search(session: Session, world: World) -> Search:
    """From where the caller is, as far as they would go, on any day on which they may come."""
    search = Search(
        latitude=session.latitude,
        longitude=session.longitude,
        territory=session.territory,
        not_before=world.now(),
        first_day=first_day(session, world),
        within_kilometres=session.within,
        centre_id=session.centre_id,
        postcode=session.postcode,
        wanted=session.wanted,
        commitments=tuple(
            replace(commitment, companion=commitment.person != session.person)
            for commitment in session.commitments
        ),
    )
    return for_move(session, search)


def first_day(session: Session, world: World) -> date:
    """The first day on which this person may have an appointment.

    A person who may not book any more, because the campaign changed meanwhile, counts from the day
    on which they reach the least age.
    """
    found = world.eligibility(session.born_on, session.groups, session.wanted)
    return found.first_day or birthday(session.born_on, world.rules(session.wanted).minimum_age)


def _hold_beyond(
    session: Session, search: Search, world: World
) -> tuple[Session, tuple[Offer, ...]]:
    far = world.nearest_beyond(search)
    if far is None:
        return session, ()
    session = session.but(within=far.kilometres + FAR_MORE_KILOMETRES)
    return session, world.hold_nearest(replace(search, within_kilometres=session.within))


def _elsewhere(
    session: Session, search: Search, offers: tuple[Offer, ...], world: World, *, first: bool
) -> tuple[Session, str]:
    """Where else there is something; and the step that tells it, where it must come first."""
    if session.moving:
        # A caller who moves has an appointment here, and keeps it meanwhile.
        return session, ""
    far = None if offers else world.nearest_beyond(search)
    session = session.but(
        far_town=far.town if far else "",
        far_kilometres=far.kilometres if far else 0.0,
    )
    nearest = offers[0].kilometres if offers else far.kilometres if far else math.inf
    if offers and (nearest < FAR_KILOMETRES or not first):
        return session, ""
    own = world.own_phone(search, nearest / 2)
    if own is None or (own.name, own.number) == (session.own_name, session.own_phone):
        # Told already, or nothing to tell.
        return session, ""
    known = session.but(
        own_name=own.name,
        own_spoken=own.spoken,
        own_town=own.town,
        own_kilometres=own.kilometres,
        own_phone=own.number,
        own_platform=own.platform,
        own_minutes=own.minutes,
    )
    return known, "partner_centre" if own.platform else "own_centre"


def choose(session: Session, world: World) -> Move:
    """Go on with what was chosen; for two people, an adjacent place is held as well."""
    if session.moving:
        return Go(session, MOVE_CHECK)
    if not session.is_first_of_two:
        return reach_or_confirm(session, world)
    adjacent = world.hold_adjacent(session.choice, session.adjacent, session.wanted)
    session = session.but(adjacent=adjacent)
    return reach_or_confirm(session, world) if adjacent else Go(session, "couple_choice")


def reach_or_confirm(session: Session, world: World) -> Go:
    """Tell a caller without a number how to find the held slot again; then go on."""
    lines: tuple[Line, ...] = ()
    if session.caller_kind == CallerKind.NONE and not session.coded:
        code = world.new_resume_code()
        if code:
            session, lines = session.but(coded=True), (Line("resume_code_told", {"code": code}),)
    if session.caller_kind == CallerKind.MOBILE and not session.number_answered:
        # The last look names this telephone, and has a key for another one.
        session = session.but(number=session.caller, number_answered=True)
    return Go(session, "confirm" if session.number_answered else "reach", lines)


def other_days(session: Session, world: World) -> Go:
    """From the day after the last one heard, as the caller's calendar counts days."""
    latest = max(offer.local_start for offer in session.offers)
    next_day = datetime.combine(latest.date() + timedelta(days=1), time.min, tzinfo=latest.tzinfo)
    return search_nearest(session, world, not_before=next_day.astimezone(UTC))


def _begins(day: date, session: Session) -> datetime:
    """When a day begins by the clock of what was offered (UTC)."""
    zone = session.offers[0].local_start.tzinfo
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


class Offers(Patient):
    name = "offers"
    part = Part.OFFERS
    page = "creneaux"
    after = "town_which"

    def question(self, session: Session, world: World) -> Question:
        offers = session.offers
        one_centre = len({offer.centre_id for offer in offers}) == 1 and len(offers) > 1
        before = what_for(session, world)
        prompt = f"offers_one_centre_{len(offers)}" if one_centre else f"offers_{len(offers)}"
        if session.second_person and offers == session.adjacent:
            beside = menu(prompt, **_values(session))
            return replace(beside, lead="offer_beside", before=before)
        pairs = all(offer.comes_twice for offer in offers)
        lead = SECOND_COMES_WITH_IT if pairs else ""
        if _reads_typed_postcode(session):
            lead = in_words_for(offers[0], TYPED_POSTCODE) if pairs else TYPED_POSTCODE
        values = _values(session) | {"postcode": session.postcode, "town": session.town}
        question = menu(prompt, after=world.rules(session.wanted).second_after_days, **values)
        return replace(question, lead=lead, before=before)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == OTHERS_KEY and session.moving == Moving.SECOND:
            # At the same centre, within some days: there is no other question.
            return other_days(session, world)
        if pressed == OTHERS_KEY:
            return Go(session, "other_offers")
        if pressed in ("1", "2", "3") and int(pressed) <= len(session.offers):
            return choose(session.but(chosen=int(pressed) - 1), world)
        return NO_SUCH_KEY

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        words = world.vocabulary(session.language)
        told = [
            ReadOut(offer.local_start, offer.kilometres, f"{offer.said} {offer.name} {offer.town}")
            for offer in session.offers
        ]
        today = world.now().astimezone(told[0].start.tzinfo).date()
        read = partial(wanted_among, vocabulary=words, told=told, today=today)
        # "Le premier, non, le deuxième"; "demain je ne peux pas, donc vendredi".
        last = after_correction(text, words, words.concluding)
        wanted: Wanted | None = None
        for said in dict.fromkeys((last, text)):
            wanted = read(said)
            if wanted and len(wanted.fitting) == 1:
                return self.take(session, str(wanted.fitting[0] + 1), world)
            asks = wanted is None or said != text
            if asks and (move := super().hear(session, said, world)):
                return move
        parts = [part.fitting for said in clauses(text, words) if (part := read(said))]
        alone = {fitting[0] for fitting in parts if len(fitting) == 1}
        if len(alone) == 1 and (wanted is None or wanted.fitting):
            return self.take(session, str(alone.pop() + 1), world)
        return self._anew(session, wanted, world) if wanted else None

    def _anew(self, session: Session, wanted: Wanted, world: World) -> Move | None:
        """What is done where not one offer fits alone."""
        if wanted.fitting:
            return Miss("reason.several_fit")
        if wanted.day is not None:
            return search_nearest(session, world, not_before=_begins(wanted.day, session))
        return search_nearest(session, world, part_of_day=wanted.part) if wanted.part else None


class _BackToOffers(Step):
    """Two failed tries, then the offers that are still held."""

    patience = 3

    def give_up(self, session: Session, world: World) -> Move:
        return Go(session, "offers", remember=False)


class OtherOffers(_BackToOffers):
    """Other days, morning or afternoon, farther away, another town or a centre by its name."""

    name = "other_offers"
    part = Part.OFFERS
    page = TELEPHONE_ONLY

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "1" and session.offers:
            return other_days(session, world)
        if pressed == "2":
            return Go(session, "part_of_day")
        if pressed == "3" and session.offers:
            farthest = max(offer.kilometres for offer in session.offers)
            # Farther than a centre that was asked for by its name lie all the others.
            anywhere = session.but(centre_id="")
            return search_nearest(anywhere, world, beyond_kilometres=farthest)
        if pressed == OTHERS_KEY:
            return Go(session, "town")
        return NO_SUCH_KEY


class PartOfDay(_BackToOffers):
    name = "part_of_day"
    part = Part.OFFERS
    page = TELEPHONE_ONLY

    def take(self, session: Session, pressed: str, world: World) -> Move:
        parts = {"1": "morning", "2": "afternoon"}
        if pressed not in parts:
            return NO_SUCH_KEY
        return search_nearest(session, world, part_of_day=parts[pressed])


def _reads_typed_postcode(session: Session) -> bool:
    """Whether these are the first offers after a postcode was typed: one step back leads there.

    Of a call that was cut nothing is read that was typed in it: another person may listen.
    """
    first = session.offered == tuple(offer.slot_id for offer in session.offers)
    return session.trail[-1:] == ("postcode",) and first and not session.resumed


def short_name(name: str) -> str:
    """What people call a centre: its name without what all of them are called."""
    own = _GENERIC.sub("", name).strip() or name
    return own[:1].upper() + own[1:]


def _street(offer: Offer) -> str:
    """The street as a taxi driver is told it, without the number of the house."""
    street = _HOUSE.sub("", offer.street).strip()
    return street[:1].lower() + street[1:]


def _values(session: Session) -> dict[str, object]:
    """What the offers are told by: each by its place, town and distance, day and hour."""
    values: dict[str, object] = {}
    places = {(each.in_town, each.centre_id, _street(each)) for each in session.offers}
    towns = Counter(town for town, *_ in places)
    streets = Counter((town, street) for town, _, street in places)
    # A town that all have is told once, before them, or was read with the postcode.
    common = len(towns) == 1 < len(places)
    is_read = _reads_typed_postcode(session) and session.town in towns
    values["common"] = next(iter(towns)) if common and not is_read else ""
    for number, offer in enumerate(session.offers, start=1):
        name, street = short_name(offer.said), _street(offer)
        # Of several places in one town the street tells which is meant, or the name in one street.
        alone = towns[offer.in_town] == 1
        which = street if street and streets[offer.in_town, street] == 1 else name
        where = [part for part in ("" if alone else which, "" if common else offer.in_town) if part]
        values[f"place{number}"] = offer.said
        values[f"name{number}"] = ", ".join(dict.fromkeys((name, *where)))
        values[f"spot{number}"] = ", ".join(where)
        values[f"town{number}"] = offer.in_town if alone else f"{offer.in_town}, {which}"
        values[f"distance{number}"] = offer.kilometres
        values[f"start{number}"] = offer.local_start
    return values
