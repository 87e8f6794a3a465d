"""Ask the provider what a line is, once, outside of any webhook, and remember what it says."""

from __future__ import annotations

from datetime import timedelta

import structlog

from models.messages.phone_lines import Remembered
from services.messages.phone_capabilities import (
    REFUSAL,
    PhoneKind,
    kind_of_number,
    remember_kind,
    remembered_of,
)
from services.ports import Busy, LineTypes, NoAnswer, ProviderRefused
from services.store import Store

# Numbers move between networks and kinds; half a year is what the provider's own data lasts.
FRESH_FOR = timedelta(days=180)

log = structlog.get_logger()


def look_up_line(
    store: Store, types: LineTypes, number: str, known: Remembered | None
) -> Remembered | None:
    """What is remembered of a number (E.164), after a look-up where it was not asked yet.

    Whatever fails changes nothing: the number's plan says what it can get. What cannot be told is
    remembered too, and not asked again before FRESH_FOR.
    """
    if kind_of_number(number) is PhoneKind.NONE or _is_fresh(store, known):
        return known
    try:
        kind = types.kind(number)
    except (ProviderRefused, Busy, NoAnswer) as error:
        log.warning("line not looked up", error=type(error).__name__)
        return known
    with store.database.transaction() as connection:
        remember_kind(connection, store, number, PhoneKind(kind) if kind else None, "lookup")
        return remembered_of(connection, store, number)


def _is_fresh(store: Store, known: Remembered | None) -> bool:
    if known is None:
        return False
    # What its refusals have shown is nearer to the truth than any register.
    if known.source == REFUSAL and known.kind:
        return True
    asked = known.looked_up_at
    return asked is not None and asked > store.clock.now() - FRESH_FOR
