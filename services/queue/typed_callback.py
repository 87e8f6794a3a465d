"""A call that is asked for at a typed number: the machine rings it only where its owner said yes.

A caller from a number is reached there; a visitor who types one may type a stranger's. So a typed
number gets one text a day at most, and its owner may answer OUI. Nothing depends on that answer:
without one, and for a number that gets no text, an agent has a case and rings, with the number in
front of them. What was asked for keeps its place in the line either way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from models.call import calls
from models.database import Connection
from models.desk import cases
from models.queue import queues, requests
from models.queue.requests import ASKED, CASE, OVER, CallbackRequest
from prompts.catalogue import load
from services.campaign.call_hours import next_text_at
from services.campaign.campaign import Campaign
from services.messages import text_names, texts
from services.messages.phone_capabilities import takes_texts
from services.messages.topics import Topic
from services.messages.write_message import open_case, write_message
from services.numbers.numbers import Numbers
from services.queue.promise_callback import promise
from services.store import Store

# The kind of the case that an agent settles by ringing.
TYPED_CALLBACK: Final = "typed_callback"
TEXT: Final = "callback_consent"
# A person who has just been asked about has the telephone near; then an agent rings.
ANSWER_WITHIN: Final = timedelta(minutes=30)
# A yes that comes later than that is to something else.
ANSWER_COUNTS: Final = timedelta(days=2)
_NO_ANSWER, _NO_TEXT = "no answer to the text", "a number that gets no text"
YES, RUNG, CLOSED = "yes", "rung", "closed"
_AT_ONCE = 100


@dataclass(frozen=True)
class TypedNumber:
    """A wish to be rung at `number` (E.164), which the caller of `call_id` typed.

    `known` is what they gave; `joined_at` (UTC) the place in the line that they had, None: now.
    """

    number: str
    known: Mapping[str, Any]
    language: str
    call_id: str | None
    departement: str | None = None
    joined_at: datetime | None = None


@dataclass(frozen=True)
class ReplyPath:
    """Where an answer can be written, and the campaign whose hours and texts hold.

    `number` empty: nowhere, and no text is written.
    """

    campaign: Campaign
    number: str


def ask_owner(
    connection: Connection, store: Store, wish: TypedNumber, reply: ReplyPath
) -> str | None:
    """Store the wish in the caller's transaction, and ask the number's owner; gives the text's id.

    A number that was promised a call already, or whose owner is being asked, is not
    asked a second time: what is known of that call stays as it is.
    """
    clock = store.clock
    live = queues.promise_to(connection, store.vault, wish.number)
    if live is not None and not live.message_id:
        return None
    within = ANSWER_COUNTS
    if requests.open_of_number(connection, clock, store.vault, wish.number, within):
        return None
    request_id = store.chance.identifier()
    message_id = _write(connection, store, wish, reply, request_id)
    asks = next_text_at(reply.campaign, wish.number, clock.now())
    new = CallbackRequest(
        id=request_id,
        number=wish.number,
        known=wish.known,
        language=wish.language,
        departement=wish.departement,
        call_id=wish.call_id,
        state=ASKED if message_id else CASE,
        joined_at=wish.joined_at or clock.now(),
        answer_until=asks + ANSWER_WITHIN if message_id else None,
    )
    requests.add(connection, clock, store.vault, new)
    if message_id is None:
        open_case(connection, store, TYPED_CALLBACK, _NO_TEXT, request_id=request_id)
    return message_id


def _write(
    connection: Connection, store: Store, wish: TypedNumber, reply: ReplyPath, request_id: str
) -> str | None:
    """The one text of the day to this number; None where there is none."""
    campaign = reply.campaign
    if not reply.number or not takes_texts(wish.number) or not text_names.wanted(campaign, TEXT):
        return None
    index = store.vault.index("phone", wish.number) or b""
    day = store.clock.now().astimezone(campaign.hours.zone).date()
    body = texts.filled(load(wish.language), TEXT, number=reply.number)
    return write_message(
        connection,
        store,
        "sms",
        wish.number,
        {"body": body},
        key=f"consent:{index.hex()}:{day.isoformat()}",
        call_id=wish.call_id,
        topic=Topic.CALL_CONSENT,
    )


def owner_agrees(
    connection: Connection, store: Store, number: str, numbers: Numbers | None = None
) -> bool:
    """The owner of this number (E.164) wrote yes: they are rung in their place of the line.

    False where no call was asked for there. One yes is one call. `numbers` know in whose queue
    it waits.
    """
    found = requests.open_of_number(connection, store.clock, store.vault, number, ANSWER_COUNTS)
    if found is None:
        return False
    requests.move(connection, store.clock, found.id, OVER, YES)
    cases.close_of_request(connection, store.clock, found.id)
    _promise(connection, store, found, numbers)
    return True


def agent_rings(
    connection: Connection, store: Store, request_id: str, numbers: Numbers | None = None
) -> str | None:
    """An agent decides to ring; gives the place in the line, None where it was settled before.

    `numbers` know in whose queue it waits.
    """
    found = requests.load(connection, store.vault, request_id, lock=True)
    if found is None or not requests.move(connection, store.clock, request_id, OVER, RUNG):
        return None
    return _promise(connection, store, found, numbers)


def agent_closes(connection: Connection, store: Store, request_id: str) -> None:
    """An agent settled it otherwise."""
    requests.move(connection, store.clock, request_id, OVER, CLOSED)


def _promise(
    connection: Connection, store: Store, found: CallbackRequest, numbers: Numbers | None
) -> str | None:
    called = calls.called_of(connection, found.call_id)
    kept = promise(
        connection,
        store,
        found.number,
        found.call_id,
        {**found.known, "language": found.language},
        departement=found.departement,
        joined_at=found.joined_at,
        called=numbers.of(called) if numbers else None,
    )
    return kept.entry_id


def give_to_agents(store: Store) -> int:
    """What got no answer in time becomes a case for an agent; gives how many. A periodic task."""
    given = 0
    with store.database.statement() as connection:
        found = requests.unanswered(connection, store.clock, limit=_AT_ONCE)
    for request_id in found:
        with store.database.transaction() as connection:
            if requests.move(connection, store.clock, request_id, CASE):
                open_case(connection, store, TYPED_CALLBACK, _NO_ANSWER, request_id=request_id)
                given += 1
    return given
