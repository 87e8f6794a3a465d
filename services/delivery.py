"""How messages are delivered: who makes the words of which kind, and what relays are given."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache

import config

from models.messages.outbox import ClaimedMessage
from services.agents.call_back import CallBack
from services.booking import stand_in
from services.messages import change_notices, reminders, resend
from services.messages.deliver_message import DeliveryDependencies
from services.messages.mails import Mails
from services.messages.notices import Render
from services.messages.provider_pace import PaceSettings, ProviderPace
from services.messages.spend import Budgets, BudgetSettings
from services.ports import LineTypes, WakeUp
from services.queue import voice_messages
from services.service import Service
from services.waiting_list.offer_notices import OfferNotices


def make_notices(service: Service) -> dict[str, Render]:
    """What each kind of notice has become, by kind, with the number that its person called."""

    @lru_cache
    def of(number: str) -> dict[str, Render]:
        return _notices(service, number)

    def render(kind: str) -> Render:
        return lambda connection, store, claimed: of(service.numbers.of(claimed.called).number)[
            kind
        ](connection, store, claimed)

    return {kind: render(kind) for kind in of(service.national_number)}


def _notices(service: Service, number: str) -> dict[str, Render]:
    campaigns = service.campaigns
    first = {
        **change_notices.renders(campaigns.by_name, number),
        **reminders.renders(campaigns.by_name, number),
        **OfferNotices(campaigns.by_name, number).renders(),
        **stand_in.renders(number),
    }
    return {**first, **resend.renders(first, number)}


def make_delivery_dependencies(
    settings: config.Settings,
    service: Service,
    *,
    line_types: LineTypes | None = None,
    partner: Callable[[ClaimedMessage], str] | None = None,
    mails: Mails | None = None,
) -> DeliveryDependencies:
    """What relays have beside the store and the provider.

    Without `line_types` and `partner` in a web worker, which delivers nothing.
    """
    return DeliveryDependencies(
        notices=make_notices(service),
        arrange=voice_messages.arrange,
        campaign=lambda: service.campaign,
        line_types=line_types,
        budgets=make_budgets(settings),
        partner=partner,
        pace=make_pace(settings),
        numbers=service.numbers,
        mails=mails,
    )


def make_pace(settings: config.Settings) -> ProviderPace:
    """How many texts a second leave, by the operator's settings."""
    given = PaceSettings(
        texts_per_second=settings.sms_per_second,
        parts_per_second=settings.sms_sender_parts_per_second or 0.0,
        queue_most=settings.sms_queue_most,
        late_after=timedelta(minutes=settings.sms_late_minutes),
        calls_per_second=settings.calls_per_second,
    )
    return ProviderPace(given, settings.sms_sender)


def make_budgets(settings: config.Settings) -> Budgets:
    """What texts and calls may cost in a day, by the operator's settings."""
    return Budgets(
        BudgetSettings(
            parts_a_day=settings.sms_parts_per_day,
            euros_a_day=settings.sms_euros_per_day,
            parts_a_number=settings.sms_parts_per_number,
            parts_a_client=settings.sms_parts_per_client,
            parts_a_prefix=settings.sms_parts_per_prefix,
            calls_a_day=settings.calls_per_day,
            call_minutes_a_day=settings.call_minutes_per_day,
            euros_a_part=settings.sms_euros_per_part,
            euros_a_part_overseas=settings.sms_euros_per_part_overseas,
            euros_a_minute=settings.call_euros_per_minute,
        )
    )


def make_call_back(settings: config.Settings, service: Service, wake_up: WakeUp) -> CallBack:
    """How promises to ring back are kept, by the campaign of now."""
    means = make_delivery_dependencies(settings, service)
    return CallBack(
        lambda: service.campaign,
        service.national_number,
        wake_up,
        means.still_wanted,
        means.budgets,
        service.numbers,
    )
