"""The outside of a telephone call, as `flows.world.World` wants it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flows.session import Offer, Session
from flows.world import Order, Rules, Search, Town
from prompts.catalogue import load
from services.campaign import Campaign
from services.confirm_booking import Request, confirm_booking
from services.directory import Directory
from services.hold_slot import Wanted, hold_slots
from services.promise_callback import promise_callback
from services.take_turn import Turn


@dataclass(frozen=True)
class Service:
    """What all calls share."""

    directory: Directory
    campaign: Campaign
    national_number: str


class CallWorld:
    """One turn of one call. `messages` are the ids of what the outbox got in this turn."""

    def __init__(self, service: Service, turn: Turn, session: Session) -> None:
        self._service = service
        self._turn = turn
        self._session = session
        self.messages: list[str] = []
        self._holds = bool(session.offers)

    def now(self) -> datetime:
        return self._turn.store.clock.now()

    def rules(self) -> Rules:
        campaign = self._service.campaign
        return Rules(
            name=campaign.name,
            minimum_age=campaign.minimum_age,
            horizon_days=campaign.horizon_days,
            opens_at=campaign.opens_at,
            closes_at=campaign.closes_at,
        )

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
        campaign = self._service.campaign
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
            self._turn.call_id,
            Wanted(
                near=[one for one in near if one.kilometres > beyond] if beyond else near,
                not_before=max(search.not_before, self.now() + campaign.lead),
                part_of_day=search.part_of_day,
                skip_slots=search.skip_slots,
                holds=self._holds,
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
            )
            for one in held
        )

    def confirm(self, order: Order) -> str | None:
        offer = order.offer
        turn = self._turn
        request = Request(
            holder=turn.call_id,
            channel="phone",
            place_id=offer.place_id,
            slot_id=offer.slot_id,
            centre_id=offer.centre_id,
            start_at=datetime.fromisoformat(offer.start_at),
            local_start=offer.local_start,
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
            self._service.campaign,
            request,
            catalogue=load(self._session.language),
            national_number=self._service.national_number,
        )
        if booked is None:
            return None
        if booked.message_id:
            self.messages.append(booked.message_id)
        return booked.reference

    def promise_callback(self, number: str, reason: str) -> bool:
        session = self._session
        known = {
            "reason": reason,
            "born": session.born,
            "postcode": session.postcode,
            "reference": session.reference,
            "language": session.language,
        }
        turn = self._turn
        return promise_callback(turn.transaction(), turn.store, number, turn.call_id, known)
