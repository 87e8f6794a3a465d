"""Recount the whole store and name every contradiction, while others go on booking."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from models.operations import verify
from services.campaign.campaign import Campaign
from services.store import Store


@dataclass(frozen=True)
class Verified:
    """What was counted."""

    bookings: int
    places: int
    contradictions: int

    def last_line(self) -> str:
        return (
            f"{self.bookings} bookings, {self.places} places, {self.contradictions} contradictions"
        )


def verify_store(
    store: Store, campaigns: Iterable[Campaign], *, limit: int, say: Callable[[str], None]
) -> Verified:
    """Run every check on one state of the store; `say` hears of `limit` contradictions of a kind.

    All of them are counted. Nothing that is said is personal.
    """
    intervals = {
        campaign.name: campaign.second_after_days for campaign in campaigns if campaign.doses > 1
    }
    contradictions = 0
    with verify.snapshot(store.database) as connection:
        for check in verify.checks(store.clock, intervals):
            count = 0
            for sentence in check.found(connection):
                count += 1
                if count <= limit:
                    say(f"{check.kind}: {sentence}")
            if count > limit:
                say(f"{check.kind}: {count - limit} more")
            contradictions += count
        bookings, places = verify.totals(connection)
    return Verified(bookings, places, contradictions)
