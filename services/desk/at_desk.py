"""An agent at their desk: the caller on their line, and what of that caller they may see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from models.accounts.staff import Staff
from models.agents.agents import telephone
from models.database import Connection
from models.desk import desk as rows
from models.desk.desk import Now, colleagues, now_of, offices
from models.queue import queues
from models.queue.queues import QueueEntry
from services.accounts.staff import READ_FILE, read_file
from services.booking.find_booking import FoundBooking, read_booking
from services.desk.caller_profile import CallerProfile, draft_of, read_caller_profile
from services.desk.offers import Desk, DeskWork, hand_to_call, let_go, take_over
from services.desk.watched import note_opened
from services.service import Service
from services.store import Store

# What pages show of agents and centres as it is stored.
__all__ = ["Now", "colleagues", "now_of", "offices", "telephone"]

# Why a file is read without a typed reason.
CALL = "call"
# In what an agent filled in: whether the caller's places are the desk's, the slots they heard, and
# the one they chose.
TAKEN, HEARD, CHOSEN = "taken", "heard", "chosen_slot"
# So long a file that was shown counts as read, and may be worked on; then it is read anew, which is
# written down anew.
FILE_OPEN = timedelta(hours=1)
TALKING = "talking"
# An agent has an entry in these.
WITH_ENTRY = frozenset({"reserved", TALKING, "wrapup"})


@dataclass(frozen=True)
class AgentSession:
    """An agent's desk at this moment; `entry` is their caller, if there is one."""

    staff: Staff
    now: Now | None
    entry: QueueEntry | None
    desk: Desk

    @property
    def state(self) -> str:
        return self.now.state if self.now else "offline"

    @property
    def is_callback(self) -> bool:
        """Whether their entry is a number to ring: no caller came by themselves."""
        return self.entry is not None and self.entry.kind == queues.CALLBACK


class OtherCall(Exception):
    """What a page wanted was about a caller that its agent does not have any more."""


def agent_session_of(
    connection: Connection, store: Store, staff: Staff, *, about: str | None = None
) -> AgentSession:
    """Where an agent is, with the entry that is theirs.

    `about` is the entry that a page's wish names, "" for none: that it is theirs is decided in the
    wish's own transaction, and stays so until its end, for the entry is locked. Raises OtherCall.
    """
    if about:
        queues.load(connection, store.vault, about, lock=True)
    now = now_of(connection, staff.id)
    entry_id = now.entry_id if now is not None and now.state in WITH_ENTRY else None
    if about is not None and about != (entry_id or ""):
        raise OtherCall
    entry = queues.load(connection, store.vault, entry_id) if entry_id else None
    if entry is None:
        return AgentSession(staff, now, None, Desk(staff.id))
    call_id = entry.origin_call_id or entry.call_id or ""
    desk = Desk(staff.id, entry.id, call_id, entry.number, entry.language, entry.called)
    return AgentSession(staff, now, entry, desk)


class AtDesk(DeskWork):
    """An agent within one transaction. `agent_session` is as it was when the transaction began.

    Raises OtherCall, as `agent_session_of` does.
    """

    def __init__(
        self,
        connection: Connection,
        store: Store,
        service: Service,
        staff: Staff,
        *,
        about: str | None = None,
    ) -> None:
        self.connection, self.store, self.service = connection, store, service
        self.staff = staff
        self._kept: dict[str, Any] = {}
        self.agent_session = agent_session_of(connection, store, staff, about=about)

    @property
    def desk(self) -> Desk:  # type: ignore[override]
        return self.agent_session.desk

    @property
    def entry(self) -> QueueEntry | None:
        return self.agent_session.entry

    @property
    def is_on_line(self) -> bool:
        """Whether the agent has a caller to talk with: the person is the reason by being there."""
        return self.entry is not None and self.agent_session.state == TALKING

    def look_again(self) -> None:
        """Read the agent's session once more, after this transaction changed it."""
        self.agent_session = agent_session_of(self.connection, self.store, self.staff)

    # ------------------------------------------------------------ what the agent reads

    def has_read(self, subject: str) -> bool:
        """Whether this file was shown to the agent within FILE_OPEN, and that is written down."""
        return rows.has_acted(
            self.connection, self.store.clock, self.staff.id, READ_FILE, subject, FILE_OPEN
        )

    def caller_profile(self) -> CallerProfile | None:
        """The file of the caller an agent has; that it was read is written down, once."""
        if self.entry is None:
            return None
        first = not self.has_read(self.entry.id)
        if first:
            read_file(self.connection, self.store, self.staff, self.entry.id, why=CALL)
        profile = read_caller_profile(
            self.connection, self.store, self.entry, desk_holder=self.desk.holder_id
        )
        for found in profile.bookings if first else ():
            note_opened(self.connection, self.store, self.staff.id, found.file)
        return profile

    def read_booking(self, booking_id: str) -> FoundBooking | None:
        """A booking, and that this agent reads it: the call is the reason, or one was given."""
        first = not self.has_read(booking_id)
        if first:
            why = CALL if self.entry else ""
            details: dict[str, Any] = {"entry": self.entry.id} if self.entry else {}
            read_file(self.connection, self.store, self.staff, booking_id, why=why, **details)
        found = read_booking(self.connection, self.store, booking_id)
        if first and found is not None:
            note_opened(self.connection, self.store, self.staff.id, found.file)
        return found

    # ------------------------------------------------------------ what is kept with the entry

    def remember(self, **fields: Any) -> None:
        """Keep these with what the agent filled in for the caller; without a caller, nothing."""
        if self.entry is not None:
            # The entry is as it was when the act began; what this act kept before stays.
            self._kept.update(fields)
            draft = {**draft_of(self.entry), **self._kept}
            rows.remember(self.connection, self.store.vault, self.entry.id, draft)

    def take_places_over(self) -> bool:
        """What the caller's call holds is the desk's, once for each entry; False where it was."""
        if self.entry is None:
            return False
        entry = queues.load(self.connection, self.store.vault, self.entry.id, lock=True)
        if entry is None or draft_of(entry).get(TAKEN):
            return False
        file = read_caller_profile(self.connection, self.store, entry)
        heard: dict[str, Any] = {HEARD: [], CHOSEN: 0}
        if file.session is not None:
            take_over(self, file.session, self.desk.call_id)
            heard[HEARD] = [offer.offer.slot_id for offer in file.offers]
            heard[CHOSEN] = next((offer.offer.slot_id for offer in file.offers if offer.chosen), 0)
        draft = {**draft_of(entry), **heard, TAKEN: True}
        rows.remember(self.connection, self.store.vault, entry.id, draft)
        return True

    def give_places_back(self) -> None:
        """The caller goes back to the machine, with what it had offered them."""
        if self.entry is None:
            return
        file = read_caller_profile(self.connection, self.store, self.entry)
        if file.session is None:
            let_go(self.connection, self.desk)
        else:
            hand_to_call(self, file.session, self.entry.call_id or self.desk.call_id)
        self.remember(**{TAKEN: False})
