"""An agent's desk at this moment: whom they have, their file, and what all parts of it show."""

from __future__ import annotations

import secrets

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from flask import jsonify, redirect, render_template, request, url_for

from models.accounts.staff import Staff
from models.agents import agents as agent_rows
from models.database import Connection
from models.desk import desk as rows
from models.desk.desk import Now
from models.queue import queues
from models.queue.queues import QueueEntry
from services.accounts.staff import READ_FILE
from services.accounts.staff import read_file as say_that_it_is_read
from services.agents import hand_back, presence, wrap_up
from services.agents.presence import PAUSES, Current
from services.agents.provider_commands import CommandResult
from services.booking.find_booking import FoundBooking
from services.desk import cases
from services.desk.caller_profile import CallerProfile, draft_of, read_caller_profile
from services.desk.messages import BookingMessages, told
from services.desk.offers import AtDesk, Desk, hand_to_call, let_go, take_over
from services.ports import CallControl, WakeUp
from services.service import Service
from services.store import Store
from web.desk.state import WITH_ENTRY, DeskState, iso
from web.desk.voice_token import device_page
from web.pages import with_voice, words
from web.written import DeskWords

# Why a file is read without a typed reason.
CALL = "call"
# In what an agent filled in: whether the caller's places are the desk's, the slots they heard, and
# the one they chose.
TAKEN, HEARD, CHOSEN = "taken", "heard", "chosen_slot"
_NONCE_BYTES = 12
# So long a file that was shown counts as read, and may be worked on; then it is read anew, which is
# written down anew.
FILE_OPEN = timedelta(hours=1)


@dataclass(frozen=True)
class DeskParts:
    """What the desk is made of."""

    store: Store
    service: Service
    control: CallControl
    wake_up: WakeUp


@dataclass(frozen=True)
class AgentSession:
    """An agent's desk at this moment; `entry` is whom they have, if anybody."""

    staff: Staff
    now: Now | None
    entry: QueueEntry | None
    desk: Desk

    @property
    def state(self) -> str:
        return self.now.state if self.now else "offline"


class OtherCall(Exception):
    """What a page wanted was about a caller whom its agent does not have any more."""


def agent_session_of(
    connection: Connection, store: Store, staff: Staff, *, about: str | None = None
) -> AgentSession:
    """Where an agent is, with the entry that is theirs.

    `about` is the entry that a page's wish names, "" for none: that it is theirs is decided in the
    wish's own transaction, and stays so until its end, for the entry is locked. Raises OtherCall.
    """
    if about:
        queues.load(connection, store.vault, about, lock=True)
    now = rows.now_of(connection, staff.id)
    if about is not None:
        has = now.entry_id if now is not None and now.state in WITH_ENTRY else None
        if about != (has or ""):
            raise OtherCall
    entry = None
    if now is not None and now.entry_id and now.state in WITH_ENTRY:
        entry = queues.load(connection, store.vault, now.entry_id)
    if entry is None:
        return AgentSession(staff, now, None, Desk(staff.id))
    desk = Desk(
        staff.id,
        entry.id,
        entry.origin_call_id or entry.call_id or "",
        entry.number,
        entry.language,
    )
    return AgentSession(staff, now, entry, desk)


def has_read(connection: Connection, store: Store, seat: AgentSession, subject: str) -> bool:
    """Whether this file was shown to this agent within FILE_OPEN, and that is written down."""
    return rows.has_acted(connection, store.clock, seat.staff.id, READ_FILE, subject, FILE_OPEN)


def caller_profile_of(
    connection: Connection, store: Store, seat: AgentSession
) -> CallerProfile | None:
    """The file of the caller an agent has; that it was read is written down, once."""
    if seat.entry is None:
        return None
    entry_id = seat.entry.id
    if not has_read(connection, store, seat, entry_id):
        say_that_it_is_read(connection, store, seat.staff, entry_id, why=CALL)
    return read_caller_profile(connection, store, seat.entry, desk_holder=seat.desk.holder_id)


def go_on_with_their_places(
    connection: Connection, store: Store, service: Service, seat: AgentSession
) -> bool:
    """What the caller's call holds is the desk's, once for each entry; False where it was."""
    if seat.entry is None:
        return False
    entry = queues.load(connection, store.vault, seat.entry.id, lock=True)
    if entry is None or draft_of(entry).get(TAKEN):
        return False
    file = read_caller_profile(connection, store, entry)
    if file.session is not None:
        take_over(AtDesk(connection, store, service, seat.desk), file.session, seat.desk.call_id)
    heard: dict[str, Any] = {HEARD: [], CHOSEN: 0}
    if file.session is not None:
        heard[HEARD] = [offer.offer.slot_id for offer in file.offers]
        heard[CHOSEN] = next((offer.offer.slot_id for offer in file.offers if offer.chosen), 0)
    draft = {**draft_of(entry), **heard, TAKEN: True}
    rows.remember(connection, store.vault, entry.id, draft)
    return True


def give_their_places_back(
    connection: Connection, store: Store, service: Service, seat: AgentSession
) -> None:
    """The caller goes back to the machine, with what it had offered them."""
    if seat.entry is None:
        return
    file = read_caller_profile(connection, store, seat.entry)
    if file.session is None:
        let_go(connection, seat.desk)
    else:
        call_id = seat.entry.call_id or seat.desk.call_id
        at = AtDesk(connection, store, service, seat.desk)
        hand_to_call(at, file.session, call_id)
    rows.remember(connection, store.vault, seat.entry.id, {**draft_of(seat.entry), TAKEN: False})


def told_of(
    store: Store, service: Service, connection: Connection | None = None
) -> Callable[[FoundBooking], BookingMessages]:
    """What a template asks a booking's messages by; in a transaction, or with one of its own."""

    def read(found: FoundBooking) -> BookingMessages:
        if connection is not None:
            return told(connection, store, service, found)
        with store.database.statement() as own:
            return told(own, store, service, found)

    return read


def new_nonce() -> str:
    """What makes a form one action, however often it is sent."""
    return secrets.token_hex(_NONCE_BYTES)


class DeskPage:
    """The page's parts as templates want them."""

    def __init__(self, parts: DeskParts, state: DeskState) -> None:
        self._parts = parts
        self._state = state

    def context(
        self, seat: AgentSession, file: CallerProfile | None, **more: Any
    ) -> dict[str, Any]:
        """What every part of the page may show."""
        store = self._parts.store
        current_call = presence.current(store, seat.staff.id) if seat.now is not None else None
        return {
            "seat": seat,
            "file": file,
            "w": DeskWords(words()),
            "iso": iso,
            "new_nonce": new_nonce,
            "told_of": told_of(store, self._parts.service),
            "cases": self._cases(seat),
            "pauses": PAUSES,
            "codes": wrap_up.CODES,
            "steps": hand_back.STEPS,
            "note_letters": wrap_up.NOTE_LETTERS,
            "call": current_call,
            "third": current_call.third if current_call and current_call.is_mine else None,
            "watch": self._watch(current_call),
            "line": self._state.line(),
            "struggling": self._state.struggling(),
            **more,
        }

    def _cases(self, seat: AgentSession) -> cases.Cases | None:
        """What waits for an agent who has time; whoever has a caller has none."""
        if seat.entry is not None:
            return None
        with self._parts.store.database.statement() as connection:
            return cases.waiting(connection)

    def _watch(self, call: Current | None) -> list[str]:
        if call is None or not call.heard_by:
            return []
        with self._parts.store.database.statement() as connection:
            names = rows.names_of(connection, [who for who, _mode in call.heard_by])
        return [
            words().text(f"desk.watch.{mode}", name=names.get(who, ""))
            for who, mode in call.heard_by
        ]

    def whole(self, seat: AgentSession, file: CallerProfile | None, **more: Any) -> str:
        """The whole page."""
        with_voice()
        store = self._parts.store
        with store.database.statement() as connection:
            phone = agent_rows.telephone(connection, store.vault, seat.staff.id)
            others = rows.colleagues(connection, seat.staff.id)
        said = request.args.get("dit", "")
        return render_template(
            "desk/page.html",
            device=device_page(),
            phone=phone or "",
            colleagues=others,
            said=_sentence(said),
            **self.context(seat, file, **more),
        )


def _sentence(key: str) -> str:
    """What a redirect has to tell: a key of ours, or nothing."""
    for table in ("told", "why"):
        name = f"desk.{table}.{key}"
        if key.replace("_", "").isalpha() and name in words() and "{" not in words()[name]:
            return words()[name]
    return ""


def wants_json() -> bool:
    """Whether a script asks, that shows the sentence itself."""
    best = request.accept_mimetypes.best_match(["text/html", "application/json"])
    return best == "application/json"


def answer(asked: CommandResult, told: str) -> Any:
    """What became of a wish, in a sentence: as JSON, or on the page that is led back to."""
    key = (told if not asked.later else "soon") if asked.done or asked.later else asked.why
    done = asked.done or asked.later
    if wants_json():
        sentence = _sentence(key) or words().text("desk.why.refused", code=asked.why)
        body = jsonify(done=done, why=asked.why, later=asked.later, message=sentence)
        return body, HTTPStatus.OK if done else HTTPStatus.CONFLICT
    if not _sentence(key):
        key = "no_answer"
    return redirect(url_for("desk.page", dit=key), HTTPStatus.SEE_OTHER)
