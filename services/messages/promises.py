"""Tell a person at a later moment: a row of the outbox that is due then.

Its words are made when it goes (`services.waiting_list.offer_notices`), because the moment may be
put off: the campaign opens later than announced, or the person's turn comes on another day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flows.world import News
from models.database import Connection
from models.messages import look_ups
from services.messages.topics import Topic
from services.messages.write_message import write_message
from services.store import Store

# News that waits for one number. Any caller can type a number, and its owner must not be flooded. A
# couple in two campaigns has as many.
MOST_NEWS = 4
KIND = "callback"


@dataclass(frozen=True)
class Promise:
    """What is promised to a number (E.164): to be told at `at` (UTC), by a text or a call.

    `known` is what the person has given already, so that it is not asked again.
    """

    number: str
    news: News
    at: datetime
    by_text: bool
    campaign: str
    known: dict[str, Any]
    language: str = "fr"


def promise_news(
    connection: Connection, store: Store, promise: Promise, *, call_id: str | None
) -> bool:
    """Store the promise in the caller's transaction; False when the same one is kept already.

    The same: to this number, in this campaign, by this way and, where it is about one person, of
    this birth date. False, too, where the number waits for MOST_NEWS already: the caller cannot
    learn from the answer what others have asked for.
    """
    person = promise.known.get("born", "") if promise.news is News.TURN else ""
    about = f"{promise.campaign}|{promise.news}|{person}|{promise.number}"
    key = store.vault.index("promise", about) or b""
    if look_ups.count_pending(connection, store.vault, KIND, promise.number) >= MOST_NEWS:
        return False
    payload = {
        **promise.known,
        "reason": str(promise.news),
        "news": str(promise.news),
        # The campaign may open later than announced; the delivery finds which one was meant.
        "campaign": promise.campaign,
        "language": promise.language,
        "by_text": promise.by_text,
    }
    written = write_message(
        connection,
        store,
        KIND,
        promise.number,
        payload,
        key=f"{'text' if promise.by_text else 'call'}:{key.hex()}",
        topic=Topic.NEWS,
        call_id=call_id,
        due_at=promise.at,
    )
    return written is not None
