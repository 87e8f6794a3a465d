"""The outside of a telephone call, as `flows.world.World` wants it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

from flows.session import Offer, Session
from flows.understanding.vocabulary import Vocabulary
from flows.world import Order, Rules, Search, Town, Unbooked
from prompts.catalogue import load
from services.allocate import Channel, Chosen, Taker
from services.campaign import Campaign
from services.campaigns import Campaigns
from services.confirm_booking import NotBooked, Request, confirm_booking
from services.directory import Directory, Near
from services.give_back import returning
from services.hold_slot import Wanted, hold_slots
from services.promise_callback import promise_callback
from services.take_turn import Turn


class Service:
    """What all calls share."""

    def __init__(
        self, directory: Directory, campaign: Campaign | Campaigns, national_number: str
    ) -> None:
        self.directory = directory
        self.campaigns = campaign if isinstance(campaign, Campaigns) else Campaigns.fixed(campaign)
        self.national_number = national_number

    @property
    def campaign(self) -> Campaign:
        """The campaign of now."""
        return self.campaigns.current()


class CallWorld:
    """One turn of one call. `messages` are the ids of what the outbox got in this turn."""

    def __init__(self, service: Service, turn: Turn, session: Session) -> None:
        self._service = service
        # One for the whole turn, whatever opens or is changed meanwhile.
        self._campaign = service.campaign
        self._turn = turn
        self._session = session
        self.messages: list[str] = []
        self._holds = bool(session.offers)
        self._taker = Taker(Channel.PHONE, turn.call_id)

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
        )

    def hold_nearest(self, search: Search) -> tuple[Offer, ...]:
        campaign = self._campaign
        # Before the transaction: a search that reads the centres anew keeps nobody waiting.
        near = self._service.directory.nearest(
            self._turn.reading(),
            search.latitude,
            search.longitude,
            search.territory,
            campaign.radius_kilometres,
        )
        beyond = search.beyond_kilometres
        held = hold_slots(
            self._turn.transaction(),
            self._turn.store,
            campaign,
            self._taker,
            Wanted(
                near=[one for one in near if one.kilometres > beyond] if beyond else near,
                not_before=max(
                    search.not_before, self.now() + campaign.lead, _day_begins(search, near)
                ),
                part_of_day=search.part_of_day,
                skip_slots=search.skip_slots,
                holds=self._holds,
                returning=self._returning(),
            ),
        )
        self._holds = True
        return tuple(
            Offer(
                place_id=one.place.place_id,
                slot_id=one.place.slot_id,
                centre_id=one.near.centre.id,
                name=one.near.centre.name,
                street=one.near.centre.street,
                postcode=one.near.centre.postcode,
                town=one.near.centre.town,
                start_at=one.place.start_at.isoformat(),
                time_zone=one.near.centre.time_zone,
                kilometres=one.near.kilometres,
                second_place_id=one.second.place_id if one.second else 0,
                second_slot_id=one.second.slot_id if one.second else 0,
                second_start_at=one.second.start_at.isoformat() if one.second else "",
            )
            for one in held
        )

    def _returning(self) -> str:
        caller = self._turn.store.vault.index("phone", self._session.caller or None)
        return returning(caller, "") if caller else ""

    def confirm(self, order: Order) -> str | Unbooked:
        offer = order.offer
        turn = self._turn
        first = Chosen(offer.place_id, offer.slot_id, datetime.fromisoformat(offer.start_at))
        chosen, local_starts = [first], [offer.local_start]
        if offer.local_second:
            second_start = datetime.fromisoformat(offer.second_start_at)
            chosen.append(Chosen(offer.second_place_id, offer.second_slot_id, second_start))
            local_starts.append(offer.local_second)
        request = Request(
            taker=self._taker,
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
            call_id=turn.call_id,
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

    def promise_callback(self, number: str, reason: str) -> bool:
        known = {"reason": reason, **self._session.known}
        turn = self._turn
        return promise_callback(turn.transaction(), turn.store, number, turn.call_id, known)


@lru_cache
def vocabulary(language: str) -> Vocabulary:
    """The words of a language. Raises FileNotFoundError for one that is not here."""
    catalogue = load(language)
    return Vocabulary.read(language, catalogue.locale, catalogue.heard)


def _day_begins(search: Search, near: Sequence[Near]) -> datetime:
    """When the first day that a caller may have an appointment begins there (UTC)."""
    if search.first_day == date.min or not near:
        return search.not_before
    # Centres within reach of one another share a time zone: no territory has two.
    zone = ZoneInfo(near[0].centre.time_zone)
    return datetime.combine(search.first_day, time.min, tzinfo=zone).astimezone(UTC)
