"""The page of an agent's desk: what its parts show, and how an act of the agent is answered."""

from __future__ import annotations

import secrets

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from flask import jsonify, redirect, render_template, request, url_for
from flask_wtf.csrf import generate_csrf
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from models.database import Connection
from services.agents import callback_outcome, conversation, presence
from services.agents.presence import PAUSES
from services.agents.provider_commands import CommandResult
from services.booking.find_booking import FoundBooking
from services.desk import cases
from services.desk.at_desk import AgentSession, colleagues, telephone
from services.desk.caller_profile import DONE, CallerProfile, draft_of
from services.desk.messages import BookingMessages, told
from services.numbers.numbers import CalledNumber
from services.ports import CallControl, WakeUp
from services.public.offered import shown
from services.service import Service
from services.store import Store
from web.desk.greeting import greeting_of
from web.desk.state import DeskState, iso, watch_of
from web.desk.voice_token import device_page
from web.pages import with_voice, words
from web.written import DeskWords

_NONCE_BYTES = 12
_FIELDS = (
    '<input type="hidden" name="csrf_token" value="%s">'
    '<input type="hidden" name="entry" value="%s">'
)


def told_of(
    store: Store,
    service: Service,
    connection: Connection | None = None,
) -> Callable[[FoundBooking], BookingMessages]:
    """What a template asks a booking's messages by; in a transaction, or with one of its own."""

    def read(found: FoundBooking) -> BookingMessages:
        if connection is not None:
            return told(connection, store, service, found)
        with store.database.statement() as own:
            return told(own, store, service, found)

    return read


@pass_context
def csrf_fields(context: Context) -> Markup:
    """The hidden fields of a form of the desk, as templates ask for them.

    A form is about the caller of its page and no other: it names their entry.
    """
    session = context.get("agent_session")
    entry = session.entry.id if session and session.entry else ""
    # Markup would put both in place by code that reads the whole text letter by letter.
    return Markup(_FIELDS % (escape(generate_csrf()), escape(entry)))  # noqa: S704


def new_nonce() -> str:
    """What makes a form one action, however often it is sent."""
    return secrets.token_hex(_NONCE_BYTES)


class DeskPage:
    """What the desk is made of, and the page's parts as templates want them."""

    def __init__(
        self, store: Store, service: Service, control: CallControl, wake_up: WakeUp
    ) -> None:
        self.store, self.service, self.control = store, service, control
        self.wake_up = wake_up
        self.state = DeskState(store)

    def context(
        self, agent_session: AgentSession, file: CallerProfile | None, **more: Any
    ) -> dict[str, Any]:
        """What every part of the page may show."""
        store, staff_id = self.store, agent_session.staff.id
        current_call = presence.current(store, staff_id) if agent_session.now is not None else None
        written = DeskWords(words(), store.clock.now())
        watch = watch_of(store, current_call, written) if current_call is not None else []
        return {
            "agent_session": agent_session,
            "file": file,
            "w": written,
            "iso": iso,
            "new_nonce": new_nonce,
            "told_of": told_of(store, self.service),
            "cases": self._cases(agent_session),
            "pauses": PAUSES,
            "codes": conversation.CODES,
            "steps": conversation.STEPS,
            "note_letters": conversation.NOTE_LETTERS,
            "call": current_call,
            "greeting": greeting_of(file) if file is not None else None,
            "called": self._called(agent_session),
            "services_named": self.services_named,
            "is_callback": agent_session.is_callback,
            "is_dialled": current_call is not None and current_call.is_dialled,
            "callback_outcomes": callback_outcomes(file),
            "callback_before": callback_outcome.WHILE_RINGING
            if current_call is not None and current_call.is_dialled
            else callback_outcome.BEFORE_TALK,
            "evident": evident_code(file) if file is not None else "",
            "third": current_call.third if current_call and current_call.is_mine else None,
            "watch": [row["text"] for row in watch],
            "line": self.state.line(),
            "struggling": self.state.struggling(),
            **more,
        }

    def services_named(self, wanted: Sequence[str]) -> list[str]:
        """The services of campaigns, as an agent reads them."""
        known = (self.service.campaigns.by_name(service) for service in wanted)
        return [
            shown(campaign, words().language).name for campaign in known if campaign is not None
        ]

    def _called(self, agent_session: AgentSession) -> CalledNumber | None:
        """The number of ours that the caller rang; None without a caller, or with one number."""
        numbers = self.service.numbers
        if agent_session.entry is None or not numbers.several():
            return None
        return numbers.of(agent_session.entry.called)

    def _cases(self, agent_session: AgentSession) -> cases.Cases | None:
        """What waits for an agent who has time; an agent with a caller has none."""
        if agent_session.entry is not None:
            return None
        with self.store.database.statement() as connection:
            return cases.waiting(connection, self.store)

    def own_phone_and_colleagues(self, connection: Connection, staff_id: str) -> dict[str, Any]:
        """The agent's own telephone ("" without one), and the colleagues who could take over."""
        phone = telephone(connection, self.store.vault, staff_id)
        return {"phone": phone or "", "colleagues": colleagues(connection, staff_id)}

    def whole(self, agent_session: AgentSession, file: CallerProfile | None, **more: Any) -> str:
        """The whole page."""
        with_voice()
        with self.store.database.statement() as connection:
            others = self.own_phone_and_colleagues(connection, agent_session.staff.id)
        return render_template(
            "desk/page.html",
            device=device_page(),
            said=_sentence(request.args.get("dit", "")),
            autofocus=agent_session.state == "talking",
            now=self.store.clock.now(),
            words=words(),
            **others,
            **self.context(agent_session, file, **more),
        )


def callback_outcomes(file: CallerProfile | None) -> list[str]:
    """What an agent may say of a call back, with the one of reached and booked that is true."""
    booked = file is not None and evident_code(file) == callback_outcome.BOOKED
    wrong = callback_outcome.REACHED if booked else callback_outcome.BOOKED
    return [outcome for outcome in callback_outcome.OUTCOMES if outcome != wrong]


def evident_code(file: CallerProfile) -> str:
    """What the conversation was, by what the agent did last for the caller; "" for nothing."""
    draft = draft_of(file.entry)
    return str(draft.get(DONE, ""))


def _sentence(key: str) -> str:
    """What a redirect has to tell: a key of ours, or nothing."""
    for table in ("desk.told", "desk.why", "at_desk.told", "at_desk.why"):
        name = f"{table}.{key}"
        if key.replace("_", "").isalpha() and name in words() and "{" not in words()[name]:
            return words()[name]
    return ""


def wants_json() -> bool:
    """Whether a script asks, that shows the sentence itself."""
    best = request.accept_mimetypes.best_match(["text/html", "application/json"])
    return best == "application/json"


def answer(asked: CommandResult, told: str) -> Any:
    """What became of a wish, in a sentence: as JSON, or on the page that is led back to."""
    done = asked.done or asked.later
    key = ("soon" if asked.later else told) if done else asked.why
    if wants_json():
        sentence = _sentence(key) or words().text("desk.why.refused", code=asked.why)
        body = jsonify(done=done, why=asked.why, later=asked.later, message=sentence)
        return body, HTTPStatus.OK if done else HTTPStatus.CONFLICT
    if not _sentence(key):
        key = "no_answer"
    return redirect(url_for("desk.page", dit=key), HTTPStatus.SEE_OTHER)
