"""Webhooks of the lines that we ring for agents, supervisors and third persons.

What is answered here is decided by one transaction in services.agents.connect_agent; nothing is
asked of the provider. A line that fails here fails aloud (503): the provider asks again, and an
agent who is not reached after that leaves the caller's place as it was.
"""

from __future__ import annotations

import re

from collections.abc import Callable

import structlog

from flask import Blueprint, Response, request
from twilio.twiml.voice_response import Hangup

from flows.session import Session
from flows.steps.with_agent import taken
from ivr import agent_documents as documents
from ivr.addresses import Addresses
from ivr.answer import xml
from ivr.conversation import LANGUAGE
from ivr.twiml import document, render, told_and_over
from prompts.catalogue import languages, load
from services.agents import connect_agent
from services.agents.connect_agent import Brought, DialCallback
from services.agents.presence import Leg
from services.store import Store
from services.telemetry import FAILURES

_ID = re.compile(r"[0-9a-f]{32}")
_STATUS = re.compile(r"[a-z-]{1,16}")
_JOINED, _LEFT = "participant-join", "participant-leave"
_BROWSER = "client:"
_ACCEPTS = "1"
_DONE = "completed"
_SPOKEN = frozenset(languages())

log = structlog.get_logger()


def blueprint(
    store: Store,
    addresses: Addresses,
    *,
    dial_callback: DialCallback | None = None,
) -> Blueprint:
    """Routes below /voice; the signature check stands in front of them.

    `dial_callback` rings the number of a promise once its agent is there.
    """
    lines = _Lines(store, addresses, dial_callback)
    made = Blueprint("agent_lines", __name__, url_prefix="/voice")
    for path, view in (
        ("/agent", lines.picked_up),
        ("/third", lines.picked_up),
        ("/supervisor", lines.picked_up),
        ("/agent-accept", lines.accept),
        ("/agent-left", lines.left),
        ("/leg", lines.status),
        ("/conference", lines.conference),
        ("/hold", lines.hold),
    ):
        name = path.strip("/").replace("-", "_")
        made.add_url_rule(path, name, _aloud(view, name), methods=["POST"])
    return made


def bring(addresses: Addresses) -> connect_agent.Bring:
    """The turn by which a caller comes to their agent, as TwiML."""

    def brought(session: Session, conference: str, in_menu: bool, next_number: int) -> Brought:  # noqa: FBT001
        after, speech = taken(session, conference, in_menu=in_menu)
        document = render(speech, load(speech.language), addresses, next_number)
        return Brought(after, speech.outcome, document)

    return brought


def _aloud(view: Callable[[], str], name: str) -> Callable[[], Response]:
    def answer() -> Response:
        try:
            document = view()
        except Exception as error:  # noqa: BLE001 (the provider asks again)
            FAILURES.labels(type(error).__name__).inc()
            log.error("agent's line failed", at=name, error=type(error).__name__)
            return Response("", status=503, content_type="text/plain")
        return xml(document)

    return answer


class _Lines:
    """The webhooks as methods; the form is the one of the request being answered."""

    def __init__(self, store: Store, addresses: Addresses, dial: DialCallback | None) -> None:
        self._store = store
        self._addresses = addresses
        self._bring = bring(addresses)
        self._dial = dial

    def picked_up(self) -> str:
        """A leg of ours is answered: by a browser, an agent's own telephone, or a third person."""
        leg = connect_agent.picked_up(self._store, _id("leg"), request.form["CallSid"])
        if leg is None:
            return told_and_over(load(LANGUAGE), "agent_gone", self._addresses)
        # In a browser the agent has clicked; a third person rung from outside is not asked for a
        # key.
        if leg.staff_id is None or leg.to.startswith(_BROWSER):
            return self._enters(leg)
        return documents.press_one(load(LANGUAGE), self._addresses, leg.id)

    def accept(self) -> str:
        """The key of an own telephone."""
        leg_id = _id("leg")
        if request.form.get("Digits") != _ACCEPTS:
            return documents.press_one(load(LANGUAGE), self._addresses, leg_id)
        leg = connect_agent.picked_up(self._store, leg_id, request.form["CallSid"])
        return (
            self._enters(leg)
            if leg
            else told_and_over(load(LANGUAGE), "agent_gone", self._addresses)
        )

    def _enters(self, leg: Leg) -> str:
        call_id = request.form["CallSid"]
        entering = connect_agent.enters(self._store, leg.id, call_id, self._bring, self._dial)
        log.info("line enters", kind=leg.kind, call=call_id, enters=entering is not None)
        if entering is None:
            return told_and_over(load(LANGUAGE), "agent_gone", self._addresses)
        said = "third_called" if leg.kind == "third" and leg.staff_id is None else ""
        catalogue = load(entering.language if said else LANGUAGE)
        return documents.into_conference(
            entering, self._addresses, leg.id, catalogue=catalogue, said=said
        )

    def left(self) -> str:
        """A participant is out of the conversation: they hung up, or were let go."""
        self._told(_DONE)
        return document(Hangup())

    def status(self) -> str:
        """Note the state of a leg; reports may come in any order."""
        status = request.form.get("CallStatus", "")
        if _STATUS.fullmatch(status):
            self._told(status)
        return document()

    def _told(self, status: str) -> None:
        call_id, leg_id = request.form["CallSid"], _id("leg")
        ended = connect_agent.leg_told(self._store, leg_id, call_id, status)
        if ended is not None:
            log.info("line over", kind=ended.kind, call=call_id, status=status)

    def conference(self) -> str:
        """Note who joins and leaves. Here the provider first tells the id of the conference."""
        form = request.form
        event = form.get("StatusCallbackEvent", "")
        entry_id = _id("entry")
        if entry_id and event in {_JOINED, _LEFT}:
            connect_agent.seen_in_conference(
                self._store,
                entry_id,
                form["ConferenceSid"],
                form.get("CallSid", ""),
                joined=event == _JOINED,
            )
        return document()

    def hold(self) -> str:
        """What a caller on hold hears."""
        language = request.args.get("language", "")
        spoken = language if language in _SPOKEN else LANGUAGE
        return documents.on_hold(load(spoken), self._addresses)


def _id(name: str) -> str:
    value = request.args.get(name, "")
    return value if _ID.fullmatch(value) else ""
