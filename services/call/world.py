"""The outside of a telephone call, as `flows.world.World` wants it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

from flows.session import Offer, Session
from flows.understanding.town_names import towns as named_towns
from flows.understanding.vocabulary import Vocabulary
from flows.world import (
    BookingOrder,
    Earlier,
    Eligibility,
    Far,
    NamedCentre,
    News,
    OwnPhone,
    Rules,
    RungPerson,
    Search,
    TakenUp,
    Town,
    Unbooked,
    WaitingListRequest,
)
from models.call import pace
from models.centres.geography import distance_km
from prompts.catalogue import languages, load
from services.agents import call_back
from services.booking.confirm_booking import NotBooked, Request, confirm_booking, rank_of
from services.booking.my_bookings import room_for_second
from services.call.by_telephone import ByTelephone
from services.call.kept_place import KeptPlaces
from services.call.my_appointment import MyAppointments
from services.call.person import CallerInQueue
from services.call.resume_call import find_by_code, new_code, take_up
from services.call.take_turn import Turn
from services.campaign.eligibility import eligibility
from services.centres.directory import NearbyCentre
from services.centres.main_towns import main_town_postcodes
from services.centres.named_centre import named_centre
from services.centres.towns import departement_name
from services.messages.notices import Reason
from services.messages.promises import Promise, promise_news
from services.partners.near import (
    OLDEST_ON_THE_PHONE,
    PartnerOffer,
    near_place,
    ordinary,
)
from services.queue.entries import what_is_known
from services.queue.promise_callback import promise
from services.service import Service
from services.slots.allocate import Channel, Chosen, Holder, Pair
from services.slots.give_back import returning
from services.slots.hold_adjacent import hold_adjacent
from services.slots.hold_slot import HoldRequest, hold_slots
from services.slots.look_beyond import WHOLE_LAND_KILOMETRES
from services.vocabulary import vocabulary
from services.waiting_list import entries
from services.waiting_list.entries import Waiter


class CallWorld(CallerInQueue, MyAppointments, KeptPlaces, ByTelephone):
    """One turn of one call. `messages` are the ids of what the outbox got in this turn."""

    def __init__(self, service: Service, turn: Turn, session: Session) -> None:
        self._service = service
        # One for the whole turn, whatever opens or is changed meanwhile.
        self._campaign = service.campaign
        self._campaigns = service.campaigns
        self._national_number = service.national_number
        self._caller_id = service.caller_id
        self._turn = turn
        self._session = session
        self.messages: list[str] = []
        self._holds = bool(session.offers)
        self._holder = Holder(Channel.PHONE, turn.call_id)
        # The call that a booking or a promise is of, where there is one.
        self._call_id: str | None = turn.call_id
        self._directory = service.directory
        self._wait_estimates = service.wait_estimates

    def now(self) -> datetime:
        return self._turn.store.clock.now()

    def rules(self) -> Rules:
        campaign = self._campaign
        return Rules(
            name=campaign.name,
            minimum_age=campaign.minimum_age_at(self.now()),
            horizon_days=campaign.horizon_days,
            opens_at=campaign.opens_at,
            closes_at=campaign.closes_at,
            doses=campaign.doses,
            second_after_days=campaign.second_after_days,
        )

    def vocabulary(self, language: str) -> Vocabulary:
        return vocabulary(language)

    def town(self, postcode: str) -> Town | None:
        found = self._service.directory.postcode(self._turn.reading(), postcode)
        if found is None:
            return None
        return Town(
            postcode=found.code,
            name=found.main_town,
            territory=found.territory,
            # A code without any position has no slot near it: the null island is far from all.
            latitude=found.latitude or 0.0,
            longitude=found.longitude or 0.0,
            departement=departement_name(found.departement),
        )

    def towns(self, text: str) -> tuple[Town, ...]:
        table = self._service.directory.towns(self._turn.reading())
        found = []
        for named in named_towns(text, vocabulary(self._session.language), table):
            # By its own name: a postcode's main town may be another.
            town = self.town(named.postcode)
            if town is not None:
                found.append(replace(town, name=named.name, departement=named.departement_name))
        return tuple(found)

    def hold_nearest(self, search: Search) -> tuple[Offer, ...]:
        campaign = replace(self._campaign, doses=1) if search.alone else self._campaign
        # Before the transaction: a search that reads the centres anew keeps nobody waiting.
        near = self._near(search, search.within_kilometres or campaign.radius_kilometres)
        earliest, latest = _day_begins(search, near), search.not_after
        if search.second_of:
            near, earliest, latest = self._room_for_second(search)
        held = hold_slots(
            self._turn.transaction(),
            self._turn.store,
            campaign,
            self._holder,
            HoldRequest(
                near=near,
                not_before=max(search.not_before, self.now() + campaign.lead, earliest),
                not_after=latest,
                part_of_day=search.part_of_day,
                skip_slots=search.skip_slots,
                holds=self._holds,
                returning=self._returning(),
            ),
        )
        self._holds = True
        return tuple(
            _at(
                Offer(
                    place_id=one.place.place_id,
                    slot_id=one.place.slot_id,
                    centre_id=one.near.centre.id,
                    name=one.near.centre.name,
                    street=one.near.centre.street,
                    postcode=one.near.centre.postcode,
                    town=one.near.centre.town,
                    start_at="",
                    time_zone=one.near.centre.time_zone,
                    kilometres=one.near.kilometres,
                ),
                Pair(one.place, one.second),
            )
            for one in held
        )

    def _room_for_second(
        self, search: Search
    ) -> tuple[list[NearbyCentre], datetime, datetime | None]:
        """The one centre at which a second appointment may be, and from when until when (UTC)."""
        connection, store = self._turn.reading(), self._turn.store
        room = room_for_second(connection, store, self._campaign, search.second_of)
        centre = room and self._service.directory.centre(connection, room[0])
        if not room or not centre:
            return [], search.not_before, None
        (earliest, latest), away = room[1], 0.0
        if search.latitude or search.longitude:
            away = distance_km(search.latitude, search.longitude, centre.latitude, centre.longitude)
        return [NearbyCentre(away, centre)], earliest, latest

    def hold_adjacent(self, offer: Offer, instead_of: tuple[Offer, ...]) -> tuple[Offer, ...]:
        held = hold_adjacent(
            self._turn.transaction(),
            self._turn.store,
            self._campaign,
            self._holder,
            centre_id=offer.centre_id,
            start=datetime.fromisoformat(offer.start_at),
            zone=ZoneInfo(offer.time_zone),
            instead_of=[place for one in instead_of for place in one.places],
        )
        return (_at(offer, held),) if held else ()

    def languages(self) -> tuple[str, ...]:
        return _languages()

    def _near(self, search: Search, radius_kilometres: float) -> list[NearbyCentre]:
        near = self._service.directory.nearest(
            self._turn.reading(),
            search.latitude,
            search.longitude,
            search.territory,
            radius_kilometres,
            remember=radius_kilometres <= self._campaign.radius_kilometres,
        )
        if search.beyond_kilometres:
            near = [one for one in near if one.kilometres > search.beyond_kilometres]
        if search.centre_id:
            near = [one for one in near if one.centre.id == search.centre_id]
        return near

    def main_towns(self, departement: str) -> tuple[Town, ...]:
        towns = (self.town(code) for code in main_town_postcodes(departement))
        return tuple(town for town in towns if town is not None)

    def centre_named(self, text: str, search: Search) -> NamedCentre | None:
        near = self._near(search, search.within_kilometres or self._campaign.radius_kilometres)
        found = named_centre(text, near)
        if found is None:
            return None
        return NamedCentre(found.centre.id, found.centre.name, found.centre.town)

    def nearest_beyond(self, search: Search) -> Far | None:
        radius = search.within_kilometres or self._campaign.radius_kilometres
        everywhere = self._near(search, WHOLE_LAND_KILOMETRES)
        found = self._service.beyond.nearest(
            self._turn.reading(),
            self._turn.store,
            self._campaign,
            [one for one in everywhere if one.kilometres > radius],
            max(self.now() + self._campaign.lead, _day_begins(search, everywhere)),
        )
        return Far(found.centre.town, found.kilometres) if found else None

    def own_phone(self, search: Search, closer_than: float) -> OwnPhone | None:
        closer_than = min(closer_than, self._campaign.radius_kilometres)
        found = self._service.directory.nearest_other(
            self._turn.reading(),
            search.latitude,
            search.longitude,
            search.territory,
            closer_than=closer_than,
            today=self.now().astimezone(ZoneInfo(self._campaign.zone)).date(),
        )
        partner = self._partner_near(search, closer_than)
        if partner is not None and (found is None or partner.kilometres <= found.kilometres):
            return OwnPhone(
                name=partner.name,
                town=partner.town,
                kilometres=partner.kilometres,
                number=ordinary(partner.phone),
                platform=self._service.platforms.get(partner.platform, partner.platform),
                minutes=partner.minutes_old,
            )
        if found is None:
            return None
        return OwnPhone(found.centre.name, found.centre.town, found.kilometres, found.number)

    def _partner_near(self, search: Search, closer_than: float) -> PartnerOffer | None:
        """The nearest centre of a partner that had something free not long ago."""
        session = self._session
        found = near_place(
            self._turn.reading(),
            self._turn.store,
            self._campaign,
            (search.latitude, search.longitude),
            search.territory,
            born=session.born_on if session.born else None,
            groups=session.groups,
            kilometres=closer_than,
            oldest=OLDEST_ON_THE_PHONE,
            most=1,
        )
        return found[0] if found and found[0].kilometres < closer_than else None

    def eligibility(self, born: date, groups: tuple[str, ...]) -> Eligibility:
        return eligibility(self._campaign, born, groups, self.now())

    def join_waiting_list(self, wait: WaitingListRequest) -> int | None:
        campaign, store = self._campaign, self._turn.store
        if not (wait.latitude or wait.longitude):
            return None
        here = Search(wait.latitude, wait.longitude, wait.territory, self.now())
        near = self._near(here, campaign.radius_kilometres)
        connection = self._turn.transaction()
        begins = _day_begins(replace(here, first_day=wait.first_day), near)
        entry = entries.join(
            connection,
            store,
            campaign,
            Waiter(
                born=wait.born,
                number=wait.number,
                postcode=wait.postcode,
                rank=rank_of(
                    connection, store, campaign, wait.born, wait.number, for_other=wait.for_other
                ),
                language=wait.language,
                latitude=wait.latitude,
                longitude=wait.longitude,
                territory=wait.territory,
                kilometres=campaign.radius_kilometres,
                not_before=begins if begins > self.now() else None,
                for_other=wait.for_other,
                twin=wait.twin,
            ),
        )
        standing = entries.position(connection, store, entry)
        return standing.ahead if standing else 0

    def promise_news(self, number: str, news: News, at: datetime, *, by_text: bool) -> None:
        promise = Promise(
            number=number,
            news=news,
            at=at,
            by_text=by_text,
            campaign=self._campaign.name,
            known=self._session.known,
            language=self._session.language,
        )
        turn = self._turn
        promise_news(turn.transaction(), turn.store, promise, call_id=self._call_id)

    def _returning(self) -> str:
        session = self._session
        if not session.caller or session.someone_else:
            # Nothing that is kept is known to be theirs.
            return ""
        return returning(self._turn.store.vault, session.caller, self._turn.call_id)

    def take_up(self, earlier: str) -> TakenUp | None:
        turn = self._turn
        taken = take_up(turn.transaction(), turn.store, self._campaign, turn.call_id, earlier)
        self._holds = True
        if taken is not None:
            self._session = replace(self._session, someone_else=taken.session.someone_else)
        return taken

    def new_resume_code(self) -> str:
        turn = self._turn
        self._renew()
        return new_code(turn.transaction(), turn.store, turn.call_id)

    def earlier_by_code(self, code: str) -> Earlier | None:
        turn = self._turn
        return find_by_code(turn.transaction(), turn.store, self._campaign, turn.call_id, code)

    def remember_pace(self, *, slow: bool) -> None:
        store = self._turn.store
        line = store.vault.index("phone", self._session.caller or None)
        if line:
            self._renew()
            pace.remember(self._turn.transaction(), store.clock, line, slow=slow)

    def _renew(self) -> None:
        if self._holds:
            self._turn.renew(self._campaign.hold_lease)

    def confirm(self, order: BookingOrder) -> str | Unbooked:
        offer = order.offer
        turn = self._turn
        first = Chosen(offer.place_id, offer.slot_id, datetime.fromisoformat(offer.start_at))
        chosen, local_starts = [first], [offer.local_start]
        if offer.local_second:
            second_start = datetime.fromisoformat(offer.second_start_at)
            chosen.append(Chosen(offer.second_place_id, offer.second_slot_id, second_start))
            local_starts.append(offer.local_second)
        request = Request(
            holder=self._holder,
            chosen=tuple(chosen),
            centre_id=offer.centre_id,
            local_starts=tuple(local_starts),
            street=offer.street,
            centre_name=offer.name,
            town=offer.town,
            centre_postcode=offer.postcode,
            born=order.born,
            postcode=order.postcode,
            number=order.number or self._session.caller or None,
            text_to=order.number or None,
            call_id=self._call_id,
            for_other=order.for_other,
            groups=order.groups,
            # Two people of one call: a copy of the first one's booking is none of the second's.
            idempotency_suffix="2" if order.second_person else "1",
        )
        booked = confirm_booking(
            turn.transaction(),
            turn.store,
            self._campaign,
            request,
            catalogue=load(self._session.language),
            national_number=self._service.national_number,
        )
        if isinstance(booked, NotBooked):
            return Unbooked.PERSON if booked.person_needed else Unbooked.GONE
        if booked.message_id:
            self.messages.append(booked.message_id)
        return booked.reference

    def callback_answered(self, rung_for: str) -> RungPerson:
        turn = self._turn
        return call_back.answered(turn.transaction(), turn.store, rung_for, turn.call_id)

    def callback_refused(self, rung_for: str) -> None:
        call_back.refused(self._turn.transaction(), self._turn.store, rung_for)

    def promise_callback(self, number: str, reason: str) -> bool:
        turn, session = self._turn, self._session
        # Who never said anything was told no hour.
        at = None if reason == Reason.SILENT else self.callback_at()
        departement = self._departement(session)
        kept = promise(
            turn.transaction(),
            turn.store,
            number,
            turn.call_id,
            {**what_is_known(session), "reason": reason},
            expected_at=at,
            departement=departement,
        )
        return kept.is_new


def _at(offer: Offer, held: Pair) -> Offer:
    """The same centre, at the times that are held."""
    second = held.second
    return replace(
        offer,
        place_id=held.first.place_id,
        slot_id=held.first.slot_id,
        start_at=held.first.start_at.isoformat(),
        second_place_id=second.place_id if second else 0,
        second_slot_id=second.slot_id if second else 0,
        second_start_at=second.start_at.isoformat() if second else "",
    )


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
