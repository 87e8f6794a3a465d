"""Webhooks of the calls that we make to keep a promise: what is said first, and how they end.

From its first answer on such a call is a conversation like any other: its next webhooks are those
of `ivr.voice`. The provider is never asked to find out whether a machine answered, for that keeps a
person waiting; we speak at once, and a person answers.
"""

from __future__ import annotations

import re
import time

import structlog

from flask import Blueprint, Response, request

from ivr.addresses import Addresses
from ivr.answer import xml
from ivr.conversation import LANGUAGE, Conversation, TurnAnswer
from ivr.twiml import document, sorry_called_back, told_and_over
from prompts.catalogue import load
from services.agents.call_back import CallBack
from services.store import Store
from services.telemetry import CALLS_ENDED, FAILURES, TURN_SECONDS

_ID = re.compile(r"[0-9a-f]{32}")
_STATUS = re.compile(r"[a-z-]{1,16}")
_COUNT = re.compile(r"[0-9]")
_DURATION = re.compile(r"[0-9]{1,6}")
# So often a failure of ours is apologised for; then the line is let go, and rung again later.
PATIENCE = 3

log = structlog.get_logger()


def blueprint(
    store: Store, conversation: Conversation, addresses: Addresses, call_back: CallBack
) -> Blueprint:
    """Routes below /voice; the signature check stands in front of them."""
    lines = _Lines(store, conversation, addresses, call_back)
    made = Blueprint("callback_lines", __name__, url_prefix="/voice")
    made.add_url_rule("/callback", "answered", lines.answered, methods=["POST"])
    made.add_url_rule("/callback-status", "status", lines.status, methods=["POST"])
    return made


class _Lines:
    """The webhooks as methods; the form is the one of the request being answered."""

    def __init__(
        self, store: Store, conversation: Conversation, addresses: Addresses, call_back: CallBack
    ) -> None:
        self._store = store
        self._conversation = conversation
        self._addresses = addresses
        self._call_back = call_back

    def answered(self) -> Response:
        """A person or a machine picked up."""
        started = time.perf_counter()
        call_id, try_id = request.form["CallSid"], _id(request.args.get("leg", ""))
        again = request.args.get("again", "")
        failed = int(again) if _COUNT.fullmatch(again) and again.isascii() else 0
        try:
            answer = self._answer(call_id, try_id)
        except Exception as error:  # noqa: BLE001 (a caller must never hear an error)
            FAILURES.labels(type(error).__name__).inc()
            log.error("callback failed", call=call_id, error=type(error).__name__)
            if failed >= PATIENCE:
                return xml(told_and_over(load(LANGUAGE), "callback_nobody"))
            return xml(sorry_called_back(load(LANGUAGE), self._addresses, try_id, failed + 1))
        seconds = time.perf_counter() - started
        TURN_SECONDS.observe(seconds)
        log.info(
            "callback answered",
            call=call_id,
            step=answer.step,
            outcome=answer.outcome,
            milliseconds=round(seconds * 1000, 1),
        )
        return xml(answer.document)

    def _answer(self, call_id: str, try_id: str) -> TurnAnswer:
        known = self._conversation.first_answer(call_id)
        if known is not None:
            return known
        with self._store.database.transaction() as connection:
            session = self._call_back.rung(connection, self._store, try_id, call_id)
        if session is None:
            # Rung twice for one promise, or for one that is over by now.
            return TurnAnswer(
                told_and_over(load(LANGUAGE), "callback_over", self._addresses), "", "over"
            )
        return self._conversation.rung(call_id, session)

    def status(self) -> Response:
        """Note the state of a call; reports come in any order. The answer is always the same."""
        state, call_id = request.form.get("CallStatus", ""), request.form["CallSid"]
        try_id = _id(request.args.get("leg", ""))
        if _STATUS.fullmatch(state):
            try:
                if self._conversation.status(call_id, state):
                    CALLS_ENDED.labels(state).inc()
                lasted = _seconds(request.form.get("CallDuration", ""))
                outcome = self._call_back.told(self._store, try_id, call_id, state, lasted)
                log.info("callback status", call=call_id, status=state, outcome=outcome)
            except Exception as error:  # noqa: BLE001 (the dispatcher looks after it)
                FAILURES.labels(type(error).__name__).inc()
                log.error("callback status failed", call=call_id, error=type(error).__name__)
        return xml(document())


def _seconds(value: str) -> int | None:
    """How long a call lasted, which is told once it is over."""
    return int(value) if _DURATION.fullmatch(value) else None


def _id(value: str) -> str:
    return value if _ID.fullmatch(value) else ""
