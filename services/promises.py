"""Tell somebody at a later moment: a row of the outbox that is due then.

A text is delivered like any other once it is due. A call waits for whoever makes calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flows.world import News
from models import outbox
from models.database import Connection
from models.outbox import NewMessage
from prompts.catalogue import Catalogue, written_number
from services.confirmation_text import to_gsm
from services.store import Store

# As long as somebody may wait on the list: beyond that nobody remembers having asked.
LONGEST_PROMISE = timedelta(days=180)


@dataclass(frozen=True)
class Promise:
    """What is promised to a number (E.164): to be told at `at` (UTC), by a text or a call.

    `known` is what the person has given already, for nobody is asked twice.
    """

    number: str
    news: News
    at: datetime
    by_text: bool
    campaign: str
    known: dict[str, Any]


def promise_news(
    connection: Connection,
    store: Store,
    promise: Promise,
    *,
    call_id: str | None,
    catalogue: Catalogue,
    national_number: str,
) -> bool:
    """Store the promise in the caller's transaction; False when the same one is kept already.

    The same: to this number, in this campaign, by this way and, where it is about one person, of
    this birth date.
    """
    person = promise.known.get("born", "") if promise.news is News.TURN else ""
    about = f"{promise.campaign}|{promise.news}|{person}|{promise.number}"
    key = store.vault.index("promise", about) or b""
    # The campaign may open later than it was said; whoever delivers it finds which one was meant.
    payload: dict[str, Any] = {"news": promise.news, "campaign": promise.campaign}
    if promise.by_text:
        number = written_number(national_number)
        body = to_gsm(catalogue.text(str(promise.news), {"number": number}))
        payload |= {"body": body}
    else:
        payload |= {"reason": str(promise.news), **promise.known}
    message = NewMessage(
        id=store.chance.identifier(),
        kind="sms" if promise.by_text else "callback",
        dedupe_key=f"{'text' if promise.by_text else 'call'}:{key.hex()}",
        recipient=promise.number,
        payload=payload,
        call_id=call_id,
        due_at=promise.at,
    )
    return outbox.add(connection, store.clock, store.vault, message)
