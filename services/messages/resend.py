"""What is sent once more because a staff member asked for it: a message that failed, or a call.

Neither carries words of its own. A replacement says what the original would say now, and a
confirmation is made anew from the present booking. So nothing outdated is told again, and a
message that is not needed any more is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from models.booking import changes
from models.database import Connection
from models.messages import messages, outbox
from models.messages.messages import CONFIRMATIONS
from models.messages.outbox import FAILING, RESEND, ClaimedMessage
from prompts.catalogue import load
from services.messages import delivery_failures
from services.messages.change_notices import as_written, call_about
from services.messages.deliver_message import SMS, VOICE
from services.messages.notices import Later, ReadyNotice, Render
from services.messages.texts import text_of_what_comes
from services.messages.topics import Topic
from services.refused import OperatorRefused
from services.store import Store

# So many are written in one transaction.
AT_ONCE = 200


def renders(notices: Mapping[str, Render], national_number: str) -> dict[str, Render]:
    """The kinds that are made here; `notices` makes those in whose place one may go."""

    def again(
        connection: Connection, store: Store, claimed: ClaimedMessage
    ) -> ReadyNotice | Later | None:
        root = delivery_failures.root_of(connection, store, claimed)
        if root is None or root.id == claimed.id:
            return None
        if root.kind == SMS:
            return _confirmation(connection, store, root, national_number)
        render = notices.get(root.kind)
        if root.kind == VOICE:
            render = _by_voice
        return render(connection, store, root) if render else None

    def text(connection: Connection, store: Store, claimed: ClaimedMessage) -> ReadyNotice | None:
        """A confirmation that did not leave at once tells what its booking is by now."""
        if not claimed.booking_id or claimed.topic not in CONFIRMATIONS:
            return as_written(connection, store, claimed)
        return _confirmation(connection, store, claimed, national_number)

    return {RESEND: again, VOICE: _by_voice, SMS: text}


def _by_voice(connection: Connection, store: Store, claimed: ClaimedMessage) -> ReadyNotice | None:
    """The appointment, told by a call to the number on file; None where nothing lies ahead."""
    file = changes.load(connection, store.vault, claimed.booking_id or "")
    if file is None or not file.number:
        return None
    call = call_about(connection, store, file.id, Topic.VOICE)
    return ReadyNotice(file.number, call=call) if call else None


def _confirmation(
    connection: Connection, store: Store, root: ClaimedMessage, national_number: str
) -> ReadyNotice | None:
    file = changes.load(connection, store.vault, root.booking_id or "")
    # It may go where its person asked for it, without that being where they can be reached.
    recipient = root.recipient or (file.number if file else None)
    if file is None or not recipient or root.topic not in CONFIRMATIONS:
        return None
    text = text_of_what_comes(connection, store, file, load(file.language), national_number)
    if not text:
        return None
    topic = Topic(root.topic) if root.topic else Topic.CONFIRMATION
    return ReadyNotice(recipient, text, call_about(connection, store, file.id, topic))


# ---------------------------------------------------------------- what an operator asks for


class NotAgain(OperatorRefused):
    """One sentence: why a message does not go again."""


@dataclass(frozen=True)
class ResendPlan:
    """What would go again, by id, and how many are left out: something goes for them already."""

    message_ids: tuple[str, ...]
    left_out: int


def plan_one(store: Store, message_id: str) -> ResendPlan:
    """A single message. Raises NotAgain."""
    with store.database.statement() as connection:
        found = outbox.load(connection, store.vault, message_id)
        if found is None:
            raise NotAgain(f"there is no message {message_id}")
        if found.state not in FAILING:
            raise NotAgain(f"message {message_id} is {found.state}: only what failed goes again")
        if not messages.may_go_again(connection, message_id):
            raise NotAgain(
                f"message {message_id} does not go again: another one goes in its place,"
                " its person was written to since, or it spoke of an hour that is past"
            )
    return ResendPlan((message_id,), 0)


def plan_topic(store: Store, topic: Topic, states: Sequence[str], since: datetime) -> ResendPlan:
    """All about a topic that came to nothing since a moment (UTC), oldest first."""
    with store.database.statement() as connection:
        found = messages.undelivered(connection, topic=str(topic), states=states, since=since)
    ids = tuple(one for one, may in found.items() if may)
    return ResendPlan(ids, len(found) - len(ids))


def carry_out(store: Store, plan: ResendPlan) -> Iterator[tuple[int, int]]:
    """Write what goes again; gives for each step how many were looked at, and how many written.

    Messages that were sent again, or arrived, since the plan was made are left out. Safe to repeat.
    """
    ids = plan.message_ids
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        with store.database.transaction() as connection:
            written = messages.send_again(connection, store.clock, some)
        yield len(some), len(written)
