"""The outside of a telephone call, as `flows.world.World` wants it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from flows.agents import RungPerson
from flows.session import Offer
from flows.understanding.vocabulary import Vocabulary
from flows.world import (
    BookingOrder,
    Choice,
    CodeNeeds,
    Earlier,
    Eligibility,
    Far,
    NamedCentre,
    News,
    OwnPhone,
    Rules,
    Search,
    ServiceWords,
    TakenUp,
    Town,
    Unbooked,
    WaitingListRequest,
)
from models.booking.reach import Proof
from models.call import pace
from models.centres import access
from models.centres.directory import BookableCentre
from models.centres.geography import distance_km
from models.queue import queues
from models.waiting_list.waiting import Waiter
from prompts.catalogue import languages, load
from services.agents import call_back
from services.booking.confirm_booking import Booked, Request, confirm_booking, rank_of
from services.booking.my_bookings import room_for_second
from services.booking.reach import Reach
from services.call.kept_place import KeptPlaces
from services.call.my_appointment import MyAppointments
from services.call.person import CallerInQueue
from services.call.resume_call import find_by_code, new_code, take_up
from services.call.service_words import words_of
from services.campaign.campaign import Campaign
from services.campaign.eligibility import choices, eligibility, first_of, last_of
from services.centres.directory import NearbyCentre, kilometres_to
from services.centres.find_town import main_town_postcodes, town_of, town_of_cedex, towns_named
from services.centres.named_centre import named_centre
from services.messages.notices import Reason
from services.messages.promises import Promise, promise_news
from services.partners.near import OLDEST_ON_THE_PHONE, PartnerOffer, near_place, ordinary
from services.queue import entries as places
from services.queue.entries import what_is_known
from services.queue.promise_callback import promise
from services.queue.typed_callback import ReplyPath, TypedNumber, ask_owner
from services.slots.give_back import give_back_holds, returning
from services.slots.hold_slot import HoldRequest, hold_adjacent, hold_same_slots, hold_slots
from services.slots.look_beyond import farthest
from services.slots.offer import offer_at
from services.vocabulary import vocabulary
from services.waiting_list import entries
from services.work import Work

# Around a centre in whose postcode a person is of whose place no more is known.
_BESIDE_KILOMETRES = 1.0


class CallWorld(CallerInQueue, MyAppointments, KeptPlaces):
    """One turn of one call, asked by its conversation."""

    def rules(self, wanted: tuple[str, ...] = ()) -> Rules:
        campaign, *others = all_of_them = self.wanted(wanted)
        return Rules(
            name=campaign.name,
            minimum_age=self._minimum_age(wanted),
            horizon_days=min(each.horizon_days for each in all_of_them),
            opens_at=max((each.opens_at for each in all_of_them if each.opens_at), default=None),
            closes_at=min((each.closes_at for each in all_of_them if each.closes_at), default=None),
            # What is done together has one dose.
            doses=1 if others else campaign.doses,
            second_after_days=campaign.second_after_days,
            offers_stay=self.store.pace.offers_stay,
            services=len(self.open_campaigns()),
        )

    def _minimum_age(self, wanted: tuple[str, ...]) -> int:
        """The age that all that is wanted asks for.

        While nothing is, the least that any open campaign asks for: who has it may have something.
        """
        if wanted or self.session.wanted:
            return max(campaign.minimum_age_at(self.now()) for campaign in self.wanted(wanted))
        several = self.open_campaigns() or (self.campaign,)
        return min(campaign.minimum_age_at(self.now()) for campaign in several)

    def our_number(self, *, we_ring: bool = False) -> str:
        return (self.number.caller_id or self.service.caller_id) if we_ring else self.number.number

    def greeting(self, language: str) -> str:
        return self.number.greets(language)

    def number_elsewhere(self, postcode: str) -> str | None:
        if not self.number.has_area:
            return None
        found = self.service.directory.postcode(self.reading(), postcode)
        departement = found.departement if found else None
        if self.number.serves(postcode, departement):
            return None
        other = self.service.numbers.serving(postcode, departement)
        self.is_called_by(other)
        return other.number

    def vocabulary(self, language: str) -> Vocabulary:
        return vocabulary(language)

    def town(self, postcode: str) -> Town | None:
        return town_of(self.reading(), self.service.directory, postcode)

    def town_of_cedex(self, code: str) -> Town | None:
        return town_of_cedex(self.reading(), self.service.directory, code)

    def towns(self, text: str) -> tuple[Town, ...]:
        connection, directory = self.reading(), self.service.directory
        found = towns_named(connection, directory, text, self.session.language)
        if not self.number.has_area:
            return found
        # Of towns of one name, callers of a number mean those that it serves.
        here = tuple(town for town in found if self._is_served(town.postcode))
        return here or found

    def _is_served(self, postcode: str) -> bool:
        found = self.service.directory.postcode(self.reading(), postcode)
        return self.number.serves(postcode, found.departement if found else None)

    def hold_nearest(self, search: Search) -> tuple[Offer, ...]:
        campaign, *beside = self.wanted(search.wanted)
        if search.alone:
            campaign = replace(campaign, doses=1)
        # Before the transaction: a search that reads the centres anew keeps no caller waiting.
        near = self._near(search, radius_of(search, campaign))
        earliest, latest = _day_begins(search, near), search.not_after
        if search.second_of:
            near, earliest, latest = self._room_for_second(search)
        self.before_holding()
        held = hold_slots(
            Work(
                self.transaction(),
                self.store,
                campaign,
                tuple(beside),
                commitments=search.commitments,
            ),
            self.holder,
            HoldRequest(
                near=near,
                not_before=max(search.not_before, self.now() + campaign.lead, earliest),
                not_after=latest,
                part_of_day=search.part_of_day,
                skip_slots=search.skip_slots,
                holds=self.holds,
                returning=self._returning(),
            ),
        )
        self.holds = True
        return tuple(
            offer_at(pair.near.centre, pair.place, pair.second, kilometres=pair.near.kilometres)
            for pair in held
        )

    def earliest(self, search: Search, near: Sequence[NearbyCentre]) -> datetime:
        """The first moment at which an appointment may be found there (UTC)."""
        return max(search.not_before, self.now() + self.campaign.lead, _day_begins(search, near))

    def before_holding(self) -> None:
        """What must be true before this call holds something; a call has one set of holds."""

    def hold_again(self, offers: tuple[Offer, ...]) -> tuple[Offer, ...]:
        if not offers:
            return ()
        self.before_holding()
        work = self.work()
        give_back_holds(work.connection, self.holder.id)
        self.holds = True
        held = ((offer, hold_same_slots(work, self.holder, offer)) for offer in offers)
        return tuple(
            offer_at(offer, *places, kilometres=offer.kilometres)
            for offer, places in held
            if places
        )

    def _room_for_second(
        self, search: Search
    ) -> tuple[list[NearbyCentre], datetime, datetime | None]:
        """The one centre at which a second appointment may be, and from when until when (UTC)."""
        connection, store = self.reading(), self.store
        room = room_for_second(Work(connection, store, self.campaign), search.second_of)
        centre = room and self.service.directory.centre(connection, room[0])
        if not room or not centre:
            return [], search.not_before, None
        return [near_search(search, centre)], *room[1]

    def hold_adjacent(
        self, offer: Offer, instead_of: tuple[Offer, ...], wanted: tuple[str, ...] = ()
    ) -> tuple[Offer, ...]:
        held = hold_adjacent(
            self.work(wanted),
            self.holder,
            centre_id=offer.centre_id,
            start=datetime.fromisoformat(offer.start_at),
            zone=ZoneInfo(offer.time_zone),
            instead_of=[place for offer in instead_of for place in offer.places],
        )
        if held is None:
            return ()
        return (offer_at(offer, held.first, held.second, kilometres=offer.kilometres),)

    def languages(self) -> tuple[str, ...]:
        return _languages()

    def _near(self, search: Search, radius_kilometres: float) -> list[NearbyCentre]:
        near = self.service.directory.nearest(
            self.reading(),
            search.latitude,
            search.longitude,
            search.territory,
            radius_kilometres,
            postcode=search.postcode,
            remember=radius_kilometres <= self.campaign.radius_kilometres,
        )
        if search.beyond_kilometres:
            near = [place for place in near if place.kilometres > search.beyond_kilometres]
        if search.centre_id:
            near = [place for place in near if place.centre.id == search.centre_id]
        return near

    def main_towns(self, departement: str) -> tuple[Town, ...]:
        towns = (self.town(code) for code in main_town_postcodes(departement))
        return tuple(town for town in towns if town is not None)

    def centre_named(self, text: str, search: Search) -> NamedCentre | None:
        near = self._near(search, radius_of(search, self.campaign))
        found = named_centre(text, near)
        if found is None:
            return None
        return NamedCentre(found.centre.id, found.centre.name, found.centre.town)

    def has_waiting_list(self, search: Search) -> bool:
        is_placed = bool(search.latitude or search.longitude)
        return is_placed or bool(self._near(search, self.campaign.radius_kilometres))

    def nearest_beyond(self, search: Search) -> Far | None:
        radius = radius_of(search, self.campaign)
        everywhere = self._near(search, farthest(self.campaign))
        campaign, *beside = self.wanted(search.wanted)
        found = self.service.beyond.nearest(
            Work(self.reading(), self.store, campaign, tuple(beside)),
            [place for place in everywhere if place.kilometres > radius],
            max(self.now() + self.campaign.lead, _day_begins(search, everywhere)),
        )
        return Far(found.centre.town, found.kilometres) if found else None

    def own_phone(self, search: Search, closer_than: float) -> OwnPhone | None:
        closer_than = min(closer_than, self.campaign.radius_kilometres)
        found = self.service.directory.nearest_other(
            self.reading(),
            search.latitude,
            search.longitude,
            search.territory,
            closer_than=closer_than,
            postcode=search.postcode,
            today=self.now().astimezone(ZoneInfo(self.campaign.zone)).date(),
        )
        partner = self._partner_near(search, closer_than)
        if partner is not None and (found is None or partner.kilometres <= found.kilometres):
            return OwnPhone(
                name=partner.name,
                town=partner.town,
                kilometres=partner.kilometres,
                number=ordinary(partner.phone),
                platform=self.service.platforms.get(partner.platform, partner.platform),
                minutes=partner.minutes_old,
            )
        if found is None:
            return None
        there = found.centre
        return OwnPhone(
            there.name, there.town, found.kilometres, found.number, spoken=there.spoken_name
        )

    def _partner_near(self, search: Search, closer_than: float) -> PartnerOffer | None:
        """The nearest centre of a partner that had something free not long ago."""
        session = self.session
        # A partner gives appointments for one service.
        if len(session.wanted) > 1 or not self.service.directory.has_partners(self.reading()):
            return None
        found = near_place(
            self.reading(),
            self.store,
            self.campaign,
            (search.latitude, search.longitude),
            search.territory,
            born=session.born_on if session.born else None,
            groups=session.groups,
            kilometres=closer_than,
            oldest=OLDEST_ON_THE_PHONE,
            most=1,
        )
        return found[0] if found and found[0].kilometres < closer_than else None

    def eligibility(
        self, born: date, groups: tuple[str, ...], wanted: tuple[str, ...] = ()
    ) -> Eligibility:
        if wanted or self.session.wanted:
            several = self.wanted(wanted or self.session.wanted)
            return last_of(eligibility(campaign, born, groups, self.now()) for campaign in several)
        several = self.open_campaigns() or (self.campaign,)
        return first_of(eligibility(campaign, born, groups, self.now()) for campaign in several)

    def choices(self, born: date, groups: tuple[str, ...]) -> tuple[Choice, ...]:
        return choices(self.open_campaigns(), born, groups, self.now())

    def service_words(self, campaign: str, language: str) -> ServiceWords:
        return words_of(self.service.campaigns.by_name(campaign), language)

    def join_waiting_list(self, wait: WaitingListRequest) -> int | None:
        here = Search(
            wait.latitude, wait.longitude, wait.territory, self.now(), postcode=wait.postcode
        )
        work = self.work(wait.wanted)
        radius = work.campaign.radius_kilometres
        near = self._near(here, radius)
        where = _waits_at(wait, near, radius)
        if where is None:
            return None
        begins = _day_begins(replace(here, first_day=wait.first_day), near)
        new_id = self.store.chance.identifier()
        entry = entries.join(
            work,
            Waiter(
                born=wait.born,
                number=wait.number,
                postcode=wait.postcode,
                rank=rank_of(work, wait.born, wait.number, for_other=wait.for_other),
                language=wait.language,
                **where,
                not_before=begins if begins > self.now() else None,
                for_other=wait.for_other,
                twin=wait.twin,
                called=self.service.numbers.kept(self.number) or None,
            ),
            new_id,
        )
        self.joined = entry if entry == new_id else ""
        standing = entries.position(work.connection, self.store, entry)
        return standing.ahead if standing else 0

    def promise_news(self, number: str, news: News, at: datetime, *, by_text: bool) -> None:
        promise = Promise(
            number=number,
            news=news,
            at=at,
            by_text=by_text,
            campaign=self.campaign.name,
            known=self.session.known,
            language=self.session.language,
        )
        promise_news(self.transaction(), self.store, promise, call_id=self.of_call)

    def _returning(self) -> str:
        session = self.session
        if not session.caller or session.someone_else:
            # Nothing that is kept is known to be theirs.
            return ""
        return returning(self.store.vault, session.caller, self.turn.call_id)

    def take_up(self, earlier: str) -> TakenUp | None:
        taken = take_up(self.work(), self.turn.call_id, earlier)
        self.holds = True
        if taken is None:
            return None
        self.session = replace(self.session, someone_else=taken.session.someone_else)
        # This call came in by its own number, whatever the other one had.
        return replace(taken, session=taken.session.but(called=self.session.called))

    def new_resume_code(self) -> str:
        self.renew()
        return new_code(self.transaction(), self.store, self.turn.call_id)

    def earlier_by_code(self, code: str, born: date | None = None) -> Earlier | CodeNeeds | None:
        caller = self.session.caller
        return find_by_code(self.work(), self.turn.call_id, code, caller=caller, born=born)

    def remember_pace(self, *, slow: bool) -> None:
        store = self.store
        line = store.vault.index("phone", self.session.caller or None)
        if line:
            self.renew()
            pace.remember(self.transaction(), store.clock, line, slow=slow)

    def reach_of(self, number: str | None) -> Reach:
        """Whether a number is proved: the provider signs where a call comes from.

        It says nothing of who is calling. A withheld line proves nothing.
        """
        line = self.session.caller
        if line and number == line:
            return Reach(Proof.LINE)
        return Reach(place=line)

    def confirm(self, order: BookingOrder) -> str | Unbooked:
        if not self.all_open(order.wanted):
            # One of them closed since it was offered: all of what is wanted or nothing.
            return Unbooked.CLOSED
        number = order.number or self.session.caller or None
        request = Request(
            holder=self.holder,
            offer=order.offer,
            born=order.born,
            postcode=order.postcode,
            number=number,
            text_to=order.number or None,
            call_id=self.of_call,
            for_other=order.for_other,
            of_two=order.of_two,
            groups=order.groups,
            # Two people of one call: a copy of the first one's booking is none of the second's.
            idempotency_suffix="2" if order.second_person else "1",
            reach=self.reach_of(number),
            mail=order.mail or None,
        )
        booked = confirm_booking(
            self.work(order.wanted),
            request,
            catalogue=load(self.session.language),
            national_number=self.our_number(),
        )
        self.text_left = not isinstance(booked, Booked) or booked.text_leaves
        return self.told(booked)

    def wheelchair(self, centre_id: str) -> str:
        return access.told(self.transaction(), centre_id)

    def text_leaves(self, number: str) -> bool:
        # As the booking of this very turn found it, with what else it asks of the number.
        return self.text_left

    def callback_answered(self, rung_for: str) -> RungPerson:
        return call_back.answered(self.transaction(), self.store, rung_for, self.turn.call_id)

    def callback_refused(self, rung_for: str) -> None:
        call_back.refused(self.transaction(), self.store, rung_for)

    def ask_owner(self, number: str, reason: str) -> bool:
        session, store = self.session, self.store
        connection = self.transaction()
        joined_at = None
        if session.line:
            place = queues.load(connection, store.vault, session.line, lock=True)
            if place is None or not places.leave(connection, store, session.line, places.TYPED):
                return False
            joined_at = place.joined_at
        message_id = ask_owner(
            connection,
            store,
            TypedNumber(
                number,
                {**what_is_known(session), "reason": reason},
                session.language,
                self.turn.call_id,
                departement=self._departement(session),
                joined_at=joined_at,
            ),
            ReplyPath(self.campaign, self.number.texted or self.service.reply_number),
        )
        if message_id:
            self.messages.append(message_id)
        return True

    def promise_callback(self, number: str, reason: str) -> bool:
        session = self.session
        # Who never said anything was told no hour.
        at = None if reason == Reason.SILENT else self.callback_at()
        departement = self._departement(session)
        kept = promise(
            self.transaction(),
            self.store,
            number,
            self.turn.call_id,
            {**what_is_known(session), "reason": reason},
            expected_at=at,
            departement=departement,
            called=self.number,
        )
        return kept.is_new


def _waits_at(
    wait: WaitingListRequest, near: Sequence[NearbyCentre], radius: float
) -> dict[str, Any] | None:
    """Where a person waits: around their postcode; else where a search from there would lead.

    A postcode without a position has centres all the same: those of the same postcode, or of the
    same small island. They wait around these, as far as these are from one another; or for the
    first of them, where none of them has a position. None where there is no such centre.
    """
    if wait.latitude or wait.longitude:
        here = (wait.latitude, wait.longitude)
        return _around(here, wait.territory, radius)
    centres = [centre.centre for centre in near]
    stands = [
        (centre.latitude, centre.longitude)
        for centre in centres
        if centre.latitude or centre.longitude
    ]
    if stands:
        first, *others = stands
        apart = max((distance_km(*first, *other) for other in others), default=0.0)
        return _around(first, wait.territory, min(apart + _BESIDE_KILOMETRES, radius))
    return {"centre_id": centres[0].id} if centres else None


def _around(place: tuple[float, float], territory: str, kilometres: float) -> dict[str, Any]:
    latitude, longitude = place
    return {
        "latitude": latitude,
        "longitude": longitude,
        "territory": territory,
        "kilometres": kilometres,
    }


def radius_of(search: Search, campaign: Campaign) -> float:
    """How far is searched, in kilometres: unasked, or as far as the caller would go."""
    return min(search.within_kilometres, farthest(campaign)) or campaign.radius_kilometres


def near_search(search: Search, centre: BookableCentre) -> NearbyCentre:
    """A centre and how far it is from where is searched; 0 where nothing is searched from."""
    if not search.territory:
        return NearbyCentre(0.0, centre)
    return NearbyCentre(kilometres_to(search.latitude, search.longitude, centre), centre)


@lru_cache
def _languages() -> tuple[str, ...]:
    return languages()


def _day_begins(search: Search, near: Sequence[NearbyCentre]) -> datetime:
    """When the first day that a caller may have an appointment begins there (UTC)."""
    if search.first_day == date.min or not near:
        return search.not_before
    # Centres within reach of one another share a time zone: no territory has two.
    zone = ZoneInfo(near[0].centre.time_zone)
    return datetime.combine(search.first_day, time.min, tzinfo=zone).astimezone(UTC)
