"""Slots for the caller of an agent: found, held and chosen as in any call, on the desk's own name.

A desk holds for one entry of the line (or, without a caller, for one agent), like a call does for
its caller; what the caller's call held goes over to it, so that agent and caller go on with the
same slot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from flows.session import CallerBooking, CallerKind, Commitment, Moving, Offer, Party, Session
from flows.steps.offers import plain_search
from flows.understanding import NotUnderstood, telephone
from flows.world import Eligibility, Far, OwnPhone, Search, Town
from models.booking import changes
from models.call import turns
from models.database import Connection
from models.desk import desk as rows
from models.slots import services
from models.slots.slots import HeldAppointment
from services.call.take_turn import Turn
from services.call.world import CallWorld
from services.campaign.campaign import Campaign, places_together
from services.centres.directory import NearWalkIn, kilometres_to
from services.service import Service
from services.slots.allocate import Channel, Holder, just_after, second_days
from services.slots.give_back import give_back_holds, returning, take_back
from services.slots.hold_slot import hold_same_slots
from services.slots.offer import offer_at
from services.store import Store
from services.work import Work

# Nothing is held for a desk longer than this after the agent last did something about it.
HOLD_LONGEST = timedelta(minutes=10)
MOST_TOWNS = 5


@dataclass(frozen=True)
class Desk:
    """The agent and the caller: `entry_id` is empty where there is no caller. `number` is E.164.

    `called` is the number of ours that the caller rang; None: the default.
    """

    staff_id: str
    entry_id: str = ""
    call_id: str = ""
    number: str = ""
    language: str = "fr"
    called: str | None = None

    @property
    def holder_id(self) -> str:
        """The name that its places are held under (37 letters)."""
        return f"desk:{self.entry_id or self.staff_id}"

    @property
    def holder(self) -> Holder:
        return Holder(Channel.AGENT, self.holder_id)


@dataclass(frozen=True)
class SearchCriteria:
    """The people of the appointments, and where and when they would go.

    `born` has one date for each person who comes. `from_day` is by the centre's calendar. For a
    move, `mine` is the booking and `moving` says which of its appointments.
    """

    born: tuple[date, ...]
    town: Town
    groups: tuple[str, ...] = ()
    part_of_day: str = ""
    from_day: date | None = None
    beyond_kilometres: float = 0.0
    within_kilometres: float = 0.0
    centre: str = ""
    skip_slots: tuple[int, ...] = ()
    mine: CallerBooking | None = None
    moving: str = Moving.NONE


@dataclass(frozen=True)
class OffersFound:
    """What is held now; where that is nothing, why, and where else there is something.

    `not_yet` is of the first person who may not book. `no_such_centre`: no name near means it.
    `walk_in`: where people may go without an appointment, for the agent to tell.
    """

    offers: tuple[Offer, ...] = ()
    not_yet: Eligibility | None = None
    far: Far | None = None
    own: OwnPhone | None = None
    walk_in: NearWalkIn | None = None
    no_such_centre: bool = False


@dataclass(frozen=True)
class OnDesk:
    """An offer that this desk holds, until when (UTC)."""

    offer: Offer
    until: datetime


class _Work(Turn):
    """A desk's request in the place of a call's turn: its transaction is there already."""

    def __init__(self, store: Store, connection: Connection, desk: Desk) -> None:
        super().__init__(store, desk.holder_id, 0)
        self._given = connection

    def reading(self) -> Connection:
        return self._given

    def transaction(self) -> Connection:
        return self._given


class DeskWorld(CallWorld):
    """What a call may ask of the outside, asked by an agent for a caller."""

    def __init__(
        self,
        service: Service,
        store: Store,
        connection: Connection,
        desk: Desk,
        session: Session | None = None,
    ) -> None:
        session = session or Session(
            language=desk.language, caller=desk.number, called=desk.called or ""
        )
        super().__init__(service, _Work(store, connection, desk), session)
        self.holder = desk.holder
        self.holds = True

    def as_here(self, campaign: Campaign) -> Campaign:
        return for_desks(super().as_here(campaign))


@dataclass
class DeskWork:
    """A desk at work, in the caller's transaction."""

    connection: Connection
    store: Store
    service: Service
    desk: Desk
    # The campaigns of which the caller wants one appointment each, by name; none: the one of now.
    wanted: tuple[str, ...] = ()

    @property
    def campaign(self) -> Campaign:
        """The campaign of now, or the first that is wanted, for what is held here."""
        return self.campaigns[0]

    @property
    def campaigns(self) -> tuple[Campaign, ...]:
        """All of which the same appointment is; there is at least one."""
        known = (self.service.campaigns.by_name(name) for name in self.wanted)
        found = tuple(for_desks(campaign) for campaign in known if campaign is not None)
        return found or (for_desks(self.service.campaign),)

    @property
    def work(self) -> Work:
        first, *beside = self.campaigns
        return Work(self.connection, self.store, first, tuple(beside))

    def services(self) -> tuple[Campaign, ...]:
        """What a caller may be asked to choose from: open campaigns of several named services."""
        found = self.world().open_campaigns()
        return found if len(found) > 1 else ()

    def number_told(self, called: str | None = None) -> str:
        """Which of our numbers a text tells people to ring (E.164).

        `called` is that of the booking it is about, where it is about one.
        """
        return self.service.numbers.of(called or self.desk.called).number

    def alone(self) -> None:
        """Other requests of this desk wait until the transaction ends."""
        rows.alone(self.connection, self.desk.holder_id)

    def world(self, session: Session | None = None) -> DeskWorld:
        return DeskWorld(self.service, self.store, self.connection, self.desk, session)


def for_desks(campaign: Campaign) -> Campaign:
    """The campaign, with holds no longer than a desk's."""
    return replace(campaign, hold_longest=min(campaign.hold_longest, HOLD_LONGEST))


def towns(at: DeskWork, text: str) -> tuple[Town, ...]:
    """The town of a postcode, or those that a name may mean, best first."""
    world = at.world()
    text = text.strip()
    if text.isdecimal():
        found = world.town(text) or world.town_of_cedex(text)
        return (found,) if found else ()
    return world.towns(text)[:MOST_TOWNS] if text else ()


def find_offers(at: DeskWork, wish: SearchCriteria) -> OffersFound:
    """Give back what the desk holds, then find and hold up to three slots."""
    at.alone()
    session = _session(at.desk, wish).but(wanted=at.wanted, commitments=_committed(at, wish))
    world = at.world(session)
    if not wish.mine:
        for born in wish.born:
            eligible = world.eligibility(born, wish.groups, at.wanted)
            if eligible.first_day is None:
                if at.wanted:
                    # What is held may have been found for another service.
                    let_go(at.connection, at.desk)
                return OffersFound(not_yet=eligible)
    search = replace(_search(session, wish, world), wanted=at.wanted)
    if wish.centre:
        named = world.centre_named(wish.centre, search)
        if named is None:
            return OffersFound(no_such_centre=True)
        search = replace(search, centre_id=named.id)
    offers = world.hold_nearest(search)
    if not offers and wish.skip_slots:
        # Nothing else is left: what was seen before is better than nothing.
        offers = world.hold_nearest(replace(search, skip_slots=_own_slots(wish)))
    if offers or wish.mine:
        return OffersFound(offers)
    far = world.nearest_beyond(search)
    closer_than = far.kilometres / 2 if far else at.campaign.radius_kilometres
    own = world.own_phone(search, closer_than)
    walk_in = at.service.directory.nearest_walk_in(
        at.connection,
        (search.latitude, search.longitude),
        search.territory,
        closer_than=at.campaign.radius_kilometres,
        today=world.now().astimezone(ZoneInfo(at.campaign.zone)).date(),
        postcode=search.postcode,
    )
    return OffersFound(far=far, own=own, walk_in=walk_in)


def _session(desk: Desk, wish: SearchCriteria) -> Session:
    town = wish.town
    return Session(
        language=desk.language,
        caller=desk.number,
        whom=Party.TWO if len(wish.born) > 1 else Party.SELF,
        born=wish.born[0].isoformat() if wish.born else "",
        groups=wish.groups,
        postcode=town.postcode,
        town=town.name,
        latitude=town.latitude,
        longitude=town.longitude,
        territory=town.territory,
        within=wish.within_kilometres,
        mine=wish.mine,
        moving=wish.moving,
    )


def _committed(at: DeskWork, wish: SearchCriteria) -> tuple[Commitment, ...]:
    """What these people have already on the caller's number: an agent may know.

    What is to move itself is found again by its booking.
    """
    if not at.desk.number:
        return ()
    seen = (
        (born, file.id)
        for born in dict.fromkeys(wish.born)
        for file in rows.bookings_that_fit(
            at.connection, at.store.vault, number=at.desk.number, born=born
        )
        if file.live and not file.is_stand_in and (wish.mine is None or file.id != wish.mine.id)
    )
    return tuple(
        Commitment(booking_id, each.centre_id, each.start_at.isoformat(), born.isoformat())
        for born, booking_id in seen
        for each in changes.load_as_any(at.connection, at.store.vault, booking_id).ahead(
            at.store.clock.now()
        )
    )


def _search(session: Session, wish: SearchCriteria, world: CallWorld) -> Search:
    """As in a call; for two people, not before either may come."""
    search = plain_search(session, world)
    first = search.first_day
    for born in wish.born[1:]:
        one = plain_search(session.but(born=born.isoformat()), world)
        first = max(first, one.first_day)
    return replace(
        search,
        first_day=max(first, wish.from_day or first),
        part_of_day=wish.part_of_day,
        beyond_kilometres=wish.beyond_kilometres,
        skip_slots=(*_own_slots(wish), *wish.skip_slots),
    )


def _own_slots(wish: SearchCriteria) -> tuple[int, ...]:
    """Where a booking that is to move is already."""
    return wish.mine.slots if wish.mine else ()


def hold_for_second(at: DeskWork, offer: Offer, instead_of: Sequence[Offer] = ()) -> Offer | None:
    """A place for a second person beside the first's, within the hour; None where none is free."""
    at.alone()
    world = at.world()
    adjacent = world.hold_adjacent(offer, tuple(instead_of), at.wanted)
    return adjacent[0] if adjacent else None


def take_over(at: DeskWork, session: Session, call_id: str) -> tuple[Offer, ...]:
    """What the caller's call holds, or is kept for them, is the desk's from now on.

    Of what was chosen and not kept any more, another place of the same slot will do. Nothing is
    taken from a call whose own confirmation was quicker: that is a booking by now. Again, it gives
    what is held already.
    """
    at.alone()
    kept_as = returning(at.store.vault, session.caller, call_id, someone_else=session.someone_else)
    holders = (kept_as, call_id, at.desk.holder_id)
    took = []
    for number, offer in enumerate((*session.offers, *session.adjacent)):
        had = take_back(at.work, holders, offer.places, holder=at.desk.holder_id)
        again = offer
        if not had and number == session.chosen and not session.reference:
            held = hold_same_slots(at.work, at.desk.holder, offer)
            had, again = (
                bool(held),
                offer_at(offer, *held, kilometres=offer.kilometres) if held else offer,
            )
        if had:
            took.append(again)
    return tuple(took)


def hand_to_call(at: DeskWork, session: Session, call_id: str) -> None:
    """The machine goes on: what the call was offered is its own again, the rest is free."""
    for offer in (*session.offers, *session.adjacent):
        take_back(
            Work(at.connection, at.store, at.service.campaign),
            (at.desk.holder_id,),
            offer.places,
            holder=call_id,
        )
    give_back_holds(at.connection, at.desk.holder_id)


def keep(at: DeskWork) -> None:
    """The page is open: what it shows is held on, up to HOLD_LONGEST after it was found."""
    turns.renew(at.connection, at.store.clock, at.desk.holder_id, at.campaign.hold_lease)


def let_go(connection: Connection, desk: Desk) -> int:
    """The caller is served: whatever was held besides is free at once."""
    return len(give_back_holds(connection, desk.holder_id))


def on_desk(at: DeskWork, town: Town | None = None, *, alone: bool = False) -> list[OnDesk]:
    """What the desk holds, as offers: soonest first, nearest first where a town is given.

    With two doses, a second appointment belongs to the first one that it can follow; `alone`: each
    is one that moves without the other.
    """
    held = rows.held_by(at.connection, at.store.clock, [at.desk.holder_id])
    bits = services.known(at.connection) if len(at.campaigns) > 1 else {}
    pairs = (
        [(held_place, None) for held_place in held]
        if alone
        else paired(held, *at.campaigns, bits=bits)
    )
    offers = [
        OnDesk(
            _offer(first, second, town),
            min(first.until, second.until) if second else first.until,
        )
        for first, second in pairs
    ]
    return sorted(offers, key=lambda each: (each.offer.kilometres, each.offer.start_at))


def paired(
    held: Sequence[HeldAppointment], *campaigns: Campaign, bits: Mapping[str, int] | None = None
) -> list[tuple[HeldAppointment, HeldAppointment | None]]:
    """First appointments with their second ones, of places in the order of their starts.

    Two services that take two neighbouring places are such a pair, too: the first place serves the
    first of them, the second the others. `bits` are those of services by name. A place without its
    neighbour is no appointment for both, and is left out.
    """
    if places_needed(campaigns) == 1:
        return [(held_place, None) for held_place in held]
    pairs, left = [], list(held)
    both = len(campaigns) > 1
    firsts = [
        held_place for held_place in held if not both or _serves(held_place, campaigns[:1], bits)
    ]
    for first in firsts:
        if first not in left:
            continue
        left.remove(first)
        opens, closes = second_within(campaigns, first.start_at, ZoneInfo(first.time_zone))
        second = next(
            (
                each
                for each in left
                if each.centre_id == first.centre_id
                and opens <= each.start_at < closes
                and (not both or _serves(each, campaigns[1:], bits))
            ),
            None,
        )
        if second is not None:
            left.remove(second)
        elif both:
            left.append(first)
            continue
        pairs.append((first, second))
    return pairs


def _serves(
    held: HeldAppointment, campaigns: Sequence[Campaign], bits: Mapping[str, int] | None
) -> bool:
    """Whether a place serves all of these."""
    known = bits or {}
    return held.services == 0 or all(
        held.services & known.get(campaign.service, 0) for campaign in campaigns
    )


def places_needed(campaigns: Sequence[Campaign]) -> int:
    """How many places an appointment of these campaigns takes."""
    return places_together(campaigns) if len(campaigns) > 1 else campaigns[0].doses


def second_within(
    campaigns: Sequence[Campaign], first: datetime, zone: ZoneInfo
) -> tuple[datetime, datetime]:
    """When the second place of an appointment may begin (UTC): from, and before."""
    if len(campaigns) > 1:
        return just_after(first)
    return second_days(campaigns[0], first, zone)


def _offer(first: HeldAppointment, second: HeldAppointment | None, town: Town | None) -> Offer:
    away = 0.0
    if town is not None:
        away = kilometres_to(town.latitude, town.longitude, first)
    return offer_at(first, first, second, kilometres=away)


def reach(typed: str) -> tuple[str, CallerKind]:
    """A number as an agent types it, as E.164 and its use. Raises NotUnderstood."""
    digits = "".join(letter for letter in typed if letter.isdecimal() or letter == "+")
    if not digits:
        raise NotUnderstood("number_incomplete")
    return telephone(digits)
