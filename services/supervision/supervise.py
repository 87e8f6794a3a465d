"""What a supervisor does to the queues, the agents and the floor of the telephone.

Every act is one transaction with its line in the history, which says what was before and after it.
An act on many is looked at first (`look_at`: how many it concerns). A setting can be taken back as
long as no supervisor has set it again since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from models.accounts import staff as staff_rows
from models.accounts.staff import RecordedAct, Staff
from models.agents import agents
from models.booking import freezes
from models.database import Connection
from models.messages import messages, outbox
from models.messages.messages import HeldMessage
from models.queue import call_queues, queues
from models.queue.call_queues import STATES, CallQueue
from models.queue.handling import PUTS_DOWN
from models.supervision import alerts, board, settings
from services.accounts.staff import record_act
from services.agents import (
    callback_outcome,
    connect_agent,
    presence,
    provider_commands,
    reserve,
    take_over,
    transfer,
)
from services.campaign import phone_share
from services.campaign.campaign import Campaign
from services.ports import CallControl
from services.queue.promise_callback import BY_MACHINE
from services.store import Store
from services.supervision import cancel_freeze
from services.supervision.alerts import DEFAULTS, RANGES, SETTING
from services.supervision.board_queues import UNANSWERED

__all__ = ["STATES", "HeldMessage"]

LONGEST_ANNOUNCEMENT: Final = 200
LONGEST_OVERFLOW: Final = 120
# An act on more than this many is asked about twice.
MANY: Final = 1
# A reason has so many letters at least; spaces and signs are none.
SHORTEST_REASON: Final = 5

# Acts that set something, by their word in the history, and so can be taken back.
QUEUE_STATE: Final = "queue_state"
ANNOUNCEMENT: Final = "queue_announcement"
TRANSLATIONS: Final = "queue_translations"
OVERFLOW: Final = "queue_overflow"
AGENT_QUEUES: Final = "agent_queues"
FLOOR: Final = "phone_floor"
THRESHOLD: Final = "threshold"
LET_GO: Final = "messages_let_go"
UNDONE: Final = "undone"
FREEZE_LIFTED: Final = "freeze_lifted"
_COLUMNS: Final = {
    QUEUE_STATE: "state",
    ANNOUNCEMENT: "announcement",
    TRANSLATIONS: "translations",
    OVERFLOW: "overflow_minutes",
}
CAN_BE_UNDONE: Final = frozenset({*_COLUMNS, AGENT_QUEUES, FLOOR, THRESHOLD})
# What a supervisor may see of acts on their page; reading files has a page of its own.
ACTS: Final = (
    *sorted(CAN_BE_UNDONE),
    # As it was called while English was the only other language.
    "queue_announcement_en",
    UNDONE,
    "entry_reassigned",
    "agent_signed_out",
    "agent_paused",
    "alert_seen",
    FREEZE_LIFTED,
    LET_GO,
    "listen",
    "whisper",
    "join",
    "left",
    transfer.BEGUN,
    transfer.DONE,
    transfer.CANCELLED,
    transfer.THREE,
    "hold",
    "unhold",
    "handed_back",
    callback_outcome.CLOSED,
    take_over.TAKEN_OVER,
    "wall_opened",
    "session_ended",
)


class ActRefused(Exception):
    """A word for the page: why it was not done, and nothing was changed."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class ActScope:
    """How much an act would concern: queues, people who wait in them, and agents."""

    queues: int = 0
    waiting: int = 0
    agents: int = 0
    busy: int = 0


# ---------------------------------------------------------------- what budgets hold back


def held_messages(store: Store, *, limit: int) -> tuple[list[HeldMessage], int]:
    """Messages that budgets hold back, the longest held first, and how many there are in all."""
    with store.database.statement() as connection:
        return messages.list_held(connection, limit=limit), messages.held(connection).count


def let_go(store: Store, who: Staff, message_ids: Sequence[str]) -> int:
    """Send these all the same; gives how many: one that left or was sent meanwhile is none.

    Each is counted beyond its budgets. One act for each message, with what it is of.
    """
    with store.database.transaction() as connection:
        gone = outbox.let_go(connection, store.clock, list(dict.fromkeys(message_ids)), who.id)
        for message_id in gone:
            record_act(connection, store, who.id, LET_GO, message_id)
    return len(gone)


# ---------------------------------------------------------------- queues


def set_state(store: Store, who: Staff, queue_ids: Sequence[str], state: str) -> int:
    """hours, open, callback_only or closed; gives how many changed. Raises Refused.

    Callers who wait keep their place: the state decides about new callers.
    """
    if state not in STATES:
        raise ActRefused("value")
    return _set_queues(store, who, queue_ids, {QUEUE_STATE: state})


def set_announcement(
    store: Store,
    who: Staff,
    queue_ids: Sequence[str],
    text: str,
    translations: Mapping[str, str] | None = None,
) -> int:
    """What callers in the queue hear, in French; empty for nothing. Raises Refused.

    `translations` are by the code of another language ("en"), and not taken without the French.
    A caller whose language has none hears that there is one in another language.
    """
    text = _spoken(text)
    spoken = {code: _spoken(words) for code, words in (translations or {}).items()}
    others = {code: words for code, words in spoken.items() if words}
    if others and not text:
        raise ActRefused("announcement")
    return _set_queues(store, who, queue_ids, {ANNOUNCEMENT: text, TRANSLATIONS: others})


def _spoken(text: str) -> str:
    text = " ".join(text.split())
    if len(text) > LONGEST_ANNOUNCEMENT or not text.isprintable() or set(text) & set("<>&"):
        raise ActRefused("announcement")
    return text


def set_overflow(store: Store, who: Staff, queue_ids: Sequence[str], minutes: int) -> int:
    """After how long the national queue takes those who wait, too. Raises Refused."""
    if not 0 <= minutes <= LONGEST_OVERFLOW:
        raise ActRefused("value")
    return _set_queues(store, who, queue_ids, {OVERFLOW: minutes})


def _set_queues(
    store: Store, who: Staff, queue_ids: Sequence[str], values: Mapping[str, Any]
) -> int:
    """Set what these acts set; gives in how many queues anything changed."""
    changed = set()
    with store.database.transaction() as connection:
        for queue_id in sorted(set(queue_ids)):
            queue = _queue(connection, queue_id)
            for what, value in values.items():
                before = getattr(queue, _COLUMNS[what])
                if before == value:
                    continue
                call_queues.set_queue(connection, store.clock, queue_id, **{_COLUMNS[what]: value})
                _record(connection, store, who, what, queue_id, (before, value))
                changed.add(queue_id)
    return len(changed)


def _queue(connection: Connection, queue_id: str) -> CallQueue:
    found = call_queues.find_queue(connection, queue_id)
    if found is None:
        raise ActRefused("queue")
    return found


# ---------------------------------------------------------------- agents


def move_agents(
    store: Store, who: Staff, staff_ids: Sequence[str], queue_ids: Sequence[str]
) -> int:
    """Whose callers agents take from now on; none: the national queues of their languages.

    Gives how many agents changed. Raises Refused.
    """
    wanted = sorted(set(queue_ids))
    changed = 0
    with store.database.transaction() as connection:
        for queue_id in wanted:
            _queue(connection, queue_id)
        for staff_id in sorted(set(staff_ids)):
            _agent(connection, store, staff_id)
            before = call_queues.of_member(connection, staff_id)
            if before == wanted:
                continue
            call_queues.set_memberships(connection, staff_id, wanted)
            _record(connection, store, who, AGENT_QUEUES, staff_id, (before, wanted))
            changed += 1
    return changed


def _agent(connection: Connection, store: Store, staff_id: str) -> None:
    """Raises Refused for an account that takes no calls. Two changes of one agent run in turn."""
    found = staff_rows.by_id(connection, store.vault, staff_id, lock=True)
    if found is None or found.disabled:
        raise ActRefused("agent")


def pause_agents(store: Store, who: Staff, staff_ids: Sequence[str], reason: str) -> int:
    """At once, or after their call; gives how many. Raises Refused."""
    if reason not in presence.PAUSES:
        raise ActRefused("value")
    return _stop(store, who, staff_ids, "agent_paused", reason)


def sign_out_agents(store: Store, who: Staff, staff_ids: Sequence[str]) -> int:
    """Offline at once, or after their call; their page stays signed in. Raises Refused."""
    return _stop(store, who, staff_ids, "agent_signed_out", presence.OFFLINE)


def _stop(store: Store, who: Staff, staff_ids: Sequence[str], what: str, wished: str) -> int:
    """Stop agents one by one, each with its line in the history first."""
    before: dict[str, str] = {}
    with store.database.transaction() as connection:
        for staff_id in sorted(set(staff_ids)):
            _agent(connection, store, staff_id)
            now = agents.get(connection, staff_id)
            if now is None:
                raise ActRefused("agent")
            before[staff_id] = now.state
            _record(connection, store, who, what, staff_id, (now.state, wished))
    for staff_id in before:
        presence.stop(store, staff_id, wished)
    return len(before)


def reassign(store: Store, control: CallControl, who: Staff, entry_id: str, staff_id: str) -> None:
    """Give a caller who waits, or is about to be rung for, to this agent. Raises Refused.

    A caller who talks with an agent stays with them: that would be a transfer, at the desk.
    """
    with store.database.transaction() as connection:
        entry = queues.load(connection, store.vault, entry_id, lock=True)
        if entry is None or entry.state not in {"waiting", "reserved"}:
            raise ActRefused("gone")
        if entry.reason in BY_MACHINE:
            raise ActRefused("gone")
        before = entry.staff_id
        if before == staff_id:
            return
        # The earlier agent is not to blame and is ready for the next caller.
        if before and not connect_agent.give_back(connection, store, entry, before, ""):
            raise ActRefused("gone")
        made = reserve.reserve_entry(connection, store, staff_id, entry_id)
        if made is None:
            raise ActRefused("not_ready")
        _record(connection, store, who, "entry_reassigned", entry_id, (before, staff_id))
    provider_commands.carry_out(store, control, made.intent_id)
    if before is not None:
        provider_commands.sweep(store, control)


# ---------------------------------------------------------------- settings


def set_floor(store: Store, who: Staff, campaign: Campaign, percent: int | None) -> int:
    """Raise the telephone's share of each centre; None: that of the campaign. Raises Refused.

    Gives how many settings changed, as all of these do.
    """
    if percent is not None and not campaign.phone_share <= percent <= phone_share.MOST:
        raise ActRefused("floor")
    if percent == campaign.phone_share:
        percent = None
    return _set(store, who, FLOOR, phone_share.SETTING, percent)


def set_threshold(store: Store, who: Staff, name: str, value: float | None) -> int:
    """When an alert is raised; None: as usual. Raises Refused."""
    if name not in RANGES:
        raise ActRefused("value")
    least, most = RANGES[name]
    if value is not None and not least <= value <= most:
        raise ActRefused("value")
    if value == DEFAULTS[name]:
        value = None
    return _set(store, who, THRESHOLD, SETTING + name, value)


def _set(store: Store, who: Staff, what: str, name: str, value: Any) -> int:
    with store.database.transaction() as connection:
        before = settings.value(connection, name)
        if before == value:
            return 0
        _put(connection, store, who, name, value)
        _record(connection, store, who, what, name, (before, value))
    return 1


def _put(connection: Connection, store: Store, who: Staff, name: str, value: Any) -> None:
    if value is None:
        settings.forget(connection, name)
    else:
        settings.write(connection, store.clock, name, value, who.id)


def see_alert(store: Store, who: Staff, alert_id: str) -> bool:
    """Note that this supervisor looks after the alert; False where another does already."""
    with store.database.transaction() as connection:
        if not alerts.seen(connection, alert_id, who.id):
            return False
        record_act(connection, store, who.id, "alert_seen", alert_id)
    return True


def lift_freeze(store: Store, who: Staff, reason: str) -> None:
    """Let callers and visitors cancel by themselves again. Raises ActRefused.

    Why not: `reason` (it says too little), `no_freeze` (none lasts). The reason names no person.
    """
    reason = " ".join(reason.split())
    if sum(letter.isalpha() for letter in reason) < SHORTEST_REASON:
        raise ActRefused("reason")
    with store.database.transaction() as connection:
        freeze_id = freezes.lift(connection, store.clock, who.id)
        if freeze_id is None:
            raise ActRefused("no_freeze")
        alerts.end(connection, store.clock, cancel_freeze.ALERT)
        record_act(connection, store, who.id, FREEZE_LIFTED, freeze_id, reason)


# ---------------------------------------------------------------- looking first, taking back


def look_at(store: Store, *, queue_ids: Sequence[str], staff_ids: Sequence[str]) -> ActScope:
    """What an act would concern at this moment; nothing is changed."""
    with store.database.statement() as connection:
        known = {queue.id for queue in call_queues.all_queues(connection)} & set(queue_ids)
        line = board.in_line(connection, store.clock, PUTS_DOWN)
        working = {agent.staff_id: agent.state for agent in board.agents(connection)}
    concerned = [working[staff_id] for staff_id in set(staff_ids) if staff_id in working]
    return ActScope(
        queues=len(known),
        waiting=sum(row.count for row in line if row.state in UNANSWERED and row.queue_id in known),
        agents=len(concerned),
        busy=sum(state in agents.BUSY for state in concerned),
    )


def undo(store: Store, who: Staff, number: int) -> None:
    """Take an act back, by its number in the history. Raises Refused.

    Why not: `gone` (no such act), `not_undoable`, `changed` (it was set again since).
    """
    with store.database.transaction() as connection:
        found = _written(connection, store, number)
        act = found.act
        if act.what not in CAN_BE_UNDONE:
            raise ActRefused("not_undoable")
        before, after = act.details.get("before"), act.details.get("after")
        if _value(connection, act.what, act.subject) != after:
            raise ActRefused("changed")
        _set_back(connection, store, who, what=act.what, subject=act.subject, value=before)
        details = {"act": number, "before": after, "after": before}
        record_act(connection, store, who.id, UNDONE, act.subject, act.what, details)


def _written(connection: Connection, store: Store, number: int) -> RecordedAct:
    for act in staff_rows.acts(connection, store.vault, limit=1, before=number + 1):
        if act.number == number:
            return act
    raise ActRefused("gone")


def _value(connection: Connection, what: str, subject: str) -> Any:
    if what in _COLUMNS:
        return getattr(_queue(connection, subject), _COLUMNS[what])
    if what == AGENT_QUEUES:
        return call_queues.of_member(connection, subject)
    return settings.value(connection, subject)


def _set_back(
    connection: Connection, store: Store, who: Staff, *, what: str, subject: str, value: Any
) -> None:
    if what in _COLUMNS:
        call_queues.set_queue(connection, store.clock, subject, **{_COLUMNS[what]: value})
    elif what == AGENT_QUEUES:
        _agent(connection, store, subject)
        call_queues.set_memberships(connection, subject, value)
    else:
        _put(connection, store, who, subject, value)


def _record(  # noqa: PLR0917 (who did what to what)
    connection: Connection,
    store: Store,
    who: Staff,
    what: str,
    subject: str,
    values: tuple[Any, Any],
) -> None:
    """`values` are what was there before it and after it."""
    details = dict(zip(("before", "after"), values, strict=True))
    record_act(connection, store, who.id, what, subject, details=details)
