"""The telephone's webhooks. Nothing here fails aloud: an error is a short wait, then on we go."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import structlog
from flask import Blueprint, Response, request

from flows.speech import SILENCE, Input, keys
from ivr.conversation import Answer, Conversation
from ivr.twiml import Addresses, apology, nothing
from prompts.catalogue import load
from services.end_call import record_call_status
from services.store import Store
from services.telemetry import CALLS_ENDED, FAILURES, TURN_SECONDS

# The largest turn number that the store can hold: "the newest there is".
NEWEST = 32767
_NUMBER = re.compile(r"[0-9]{1,5}")
_STATUS = re.compile(r"[a-z-]{1,16}")
# More than anybody types; the engine says what was wrong with it.
_MOST_KEYS = 32

log = structlog.get_logger()


def blueprint(conversation: Conversation, store: Store, addresses: Addresses) -> Blueprint:
    """Routes below /voice; the signature check stands in front of them."""
    voice = Blueprint("voice", __name__, url_prefix="/voice")

    def answered(number: int, tries: int, take: Callable[[str, str], Answer]) -> Response:
        started = time.perf_counter()
        call_id = request.form["CallSid"]
        try:
            answer = take(call_id, request.form.get("From", ""))
            document, step, outcome = answer.document, answer.step, answer.outcome
        except Exception as error:  # noqa: BLE001 (a caller must never hear an error)
            document = apology(load("fr"), addresses, number, tries)
            step, outcome = "", "failed"
            FAILURES.labels(type(error).__name__).inc()
            # The exception's own text may carry what the caller said; its place does not.
            log.error("turn failed", call=call_id, turn=number, error=type(error).__name__,
                      where=_where(error))  # fmt: skip
        seconds = time.perf_counter() - started
        TURN_SECONDS.observe(seconds)
        log.info(
            "turn", call=call_id, turn=number, step=step, outcome=outcome,
            milliseconds=round(seconds * 1000, 1),
        )  # fmt: skip
        return _xml(document)

    @voice.post("/incoming")
    def incoming() -> Response:
        return answered(0, 0, conversation.ring)

    @voice.post("/turn")
    def turn() -> Response:
        number = _count("n", NEWEST)
        again = _count("again", 0)
        if again:
            return answered(
                number, again, lambda call, caller: conversation.again(call, number, caller)
            )
        heard = _heard()
        return answered(
            number, 0, lambda call, caller: conversation.turn(call, number, heard, caller)
        )

    @voice.post("/fallback")
    def fallback() -> Response:
        """The provider could not use an answer of ours. No store is needed to go on from here."""
        log.error(
            "fallback", call=request.form["CallSid"], code=_count_of(request.form.get("ErrorCode"))
        )
        FAILURES.labels("fallback").inc()
        return _xml(apology(load("fr"), addresses, NEWEST, 0))

    @voice.post("/status")
    def status() -> Response:
        state = request.form.get("CallStatus", "")
        call_id = request.form["CallSid"]
        if _STATUS.fullmatch(state):
            try:
                if record_call_status(store, call_id, state):
                    CALLS_ENDED.labels(state).inc()
                log.info("call status", call=call_id, status=state)
            except Exception as error:  # noqa: BLE001 (holds run out by themselves)
                FAILURES.labels(type(error).__name__).inc()
                log.error("call status failed", call=call_id, error=type(error).__name__)
        return _xml(nothing())

    return voice


def _heard() -> Input:
    digits = request.form.get("Digits", "")
    if not digits or request.args.get("silent"):
        return SILENCE
    return keys(digits[:_MOST_KEYS])


def _count(name: str, default: int) -> int:
    value = request.args.get(name, "")
    return min(int(value), NEWEST) if _NUMBER.fullmatch(value) and value.isascii() else default


def _count_of(value: str | None) -> str:
    return value if value and _NUMBER.fullmatch(value) else ""


def _where(error: Exception) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace else ""


def _xml(document: str) -> Response:
    return Response(document, content_type="text/xml; charset=utf-8")


