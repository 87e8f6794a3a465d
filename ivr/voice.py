"""The telephone's webhooks. Nothing here fails aloud: an error is a short wait, then on we go."""

from __future__ import annotations

import re
import time

from collections.abc import Callable, Mapping
from datetime import date

import structlog

from flask import Blueprint, Response, abort, request

from flows.speech import RETURNED, SILENCE, Input, keys, queued, spoken
from ivr.addresses import NEWEST, Addresses
from ivr.answer import xml
from ivr.caller import shown_by
from ivr.conversation import LANGUAGE, Conversation, TurnAnswer
from ivr.crowded import PERSON, Crowded
from ivr.twiml import apology, document
from prompts.catalogue import load
from services.telemetry import CALLS_ENDED, FAILURES, TURN_SECONDS

_NUMBER = re.compile(r"[0-9]{1,5}")
_DAY = re.compile(r"20[0-9]{6}", re.ASCII)
# What a turn may come by without a key or a word of the caller.
_WITHOUT_ANSWER = ("silent", "returned", "queued")
_STATUS = re.compile(r"[a-z-]{1,16}")
# More than a caller types; the engine says what was wrong with it.
_MOST_KEYS = 32
# A minute of speech; the engine takes less of it.
_MOST_LETTERS = 1000

PREFIX = "/voice"
# What a form or a query is made of.
Fields = Mapping[str, str]

log = structlog.get_logger()


def blueprint(
    conversation: Conversation, addresses: Addresses, crowd: Crowded | None = None
) -> Blueprint:
    """Routes below /voice; the signature check stands in front of them.

    `crowd` has the short answer for new calls where they are too many.
    """
    voice = Blueprint("voice", __name__, url_prefix=PREFIX)
    for name, answer in Answers(conversation, addresses, crowd).by_name.items():
        voice.add_url_rule(f"/{name}", name, _view(answer), methods=["POST"])
    return voice


def _view(answer: Callable[[Fields, Fields], str]) -> Callable[[], Response]:
    return lambda: xml(answer(request.form, request.args))


class Answers:
    """The webhooks as methods: from the fields of a form and of an address to the document.

    What comes here is signed. Raises werkzeug.exceptions.Forbidden for what is refused all the
    same.
    """

    def __init__(
        self, conversation: Conversation, addresses: Addresses, crowd: Crowded | None
    ) -> None:
        self._conversation = conversation
        self._addresses = addresses
        self._crowd = crowd

    @property
    def by_name(self) -> dict[str, Callable[[Fields, Fields], str]]:
        """Each by the last part of its webhook's path."""
        named: dict[str, Callable[[Fields, Fields], str]] = {
            "incoming": self.incoming,
            "turn": self.turn,
            "fallback": self.fallback,
            "status": self.status,
        }
        if self._crowd is not None:
            named["crowded"] = self.crowded
        return named

    def incoming(self, form: Fields, _args: Fields) -> str:
        short = self._crowd.answer(form) if self._crowd else None
        return short or self._answered(form, 0, 0, self._conversation.ring)

    def crowded(self, form: Fields, args: Fields) -> str:
        """A caller who got the short answer stayed on the line, or pressed a key."""
        short = self._crowd.again(form, args) if self._crowd else None
        if short:
            return short
        if form.get("Digits") == PERSON:
            # They have asked for a person: the welcome would ask them again.
            return self._answered(form, 0, 0, self._conversation.ring_for_person)
        return self._answered(form, 0, 0, self._conversation.ring)

    def turn(self, form: Fields, args: Fields) -> str:
        number = _count(args, "n", NEWEST)
        again, failed = _count(args, "again", 0), _count(args, "failed", 0)
        day, talk = _day(args), self._conversation
        if again:
            return self._answered(
                form,
                number,
                again,
                lambda call, caller, to: talk.again(call, number, caller, failed, to, day),
                failed=failed,
                day=day,
            )
        answered = "Digits" in form or "SpeechResult" in form
        if not answered and not any(args.get(name) for name in _WITHOUT_ANSWER):
            # Names and values are signed as one run of letters: cut elsewhere, "Digits=1" becomes
            # "Digit=s1". The provider itself never posts here without one of these.
            abort(403)
        heard = _heard(form, args)
        return self._answered(
            form,
            number,
            0,
            lambda call, caller, to: talk.turn(call, number, heard, caller, to, day),
            failed=failed + 1,
            day=day,
        )

    def fallback(self, form: Fields, _args: Fields) -> str:
        """The provider could not use an answer of ours. No store is needed to go on from here."""
        code = form.get("ErrorCode", "")
        log.error(
            "fallback",
            call=form["CallSid"],
            code=code if _NUMBER.fullmatch(code) else "",
        )
        FAILURES.labels("fallback").inc()
        return apology(load(LANGUAGE), self._addresses, NEWEST, 0)

    def status(self, form: Fields, _args: Fields) -> str:
        """Note how the call ended. The answer is the same whether the call is known or not."""
        state = form.get("CallStatus", "")
        call_id = form["CallSid"]
        if _STATUS.fullmatch(state):
            try:
                if self._conversation.status(call_id, state):
                    CALLS_ENDED.labels(state).inc()
                log.info("call status", call=call_id, status=state)
            except Exception as error:  # noqa: BLE001 (holds run out by themselves)
                FAILURES.labels(type(error).__name__).inc()
                log.error("call status failed", call=call_id, error=type(error).__name__)
        return document()

    def _answered(
        self,
        form: Fields,
        number: int,
        tries: int,
        take: Callable[[str, str, str], TurnAnswer],
        *,
        failed: int = 0,
        day: date | None = None,
    ) -> str:
        """Answer, or apologise and come back: `tries` counts that, `failed` lost answers on end."""
        started = time.perf_counter()
        call_id = form["CallSid"]
        try:
            # In a call that we made, the caller is the person who was rung.
            if form.get("Direction", "").startswith("outbound"):
                answer = take(call_id, form.get("To", ""), "")
            else:
                answer = take(call_id, shown_by(form), form.get("To", ""))
        except Exception as error:  # noqa: BLE001 (a caller must never hear an error)
            words = load(LANGUAGE)
            sorry = apology(words, self._addresses, number, tries, failed=failed, day=day)
            answer = TurnAnswer(sorry, "", "failed")
            FAILURES.labels(type(error).__name__).inc()
            # The exception's own text may carry what the caller said; its place does not.
            log.error(
                "turn failed",
                call=call_id,
                turn=number,
                error=type(error).__name__,
                where=_where(error),
            )
        seconds = time.perf_counter() - started
        TURN_SECONDS.observe(seconds)
        log.info(
            "turn",
            call=call_id,
            turn=number,
            step=answer.step,
            outcome=answer.outcome,
            milliseconds=round(seconds * 1000, 1),
        )
        return answer.document


def _heard(form: Fields, args: Fields) -> Input:
    if args.get("returned"):
        return RETURNED
    if args.get("queued"):
        return queued(form.get("QueueResult", "")[:_MOST_KEYS])
    if args.get("silent"):
        return SILENCE
    digits = form.get("Digits", "")
    if digits:
        return keys(digits[:_MOST_KEYS])
    text = form.get("SpeechResult", "").strip()
    return spoken(text[:_MOST_LETTERS], _confidence(form)) if text else SILENCE


def _confidence(form: Fields) -> float | None:
    """The recogniser's belief in its words; it may say none, and what it says may be no number."""
    try:
        confidence = float(form.get("Confidence", ""))
    except ValueError:
        return None
    return confidence if 0 <= confidence <= 1 else None


def _count(args: Fields, name: str, default: int) -> int:
    value = args.get(name, "")
    return min(int(value), NEWEST) if _NUMBER.fullmatch(value) and value.isascii() else default


def _day(args: Fields) -> date | None:
    """The day on which the call rang, as the address tells it; None where it tells none."""
    told = args.get("d", "")
    if not _DAY.fullmatch(told):
        return None
    try:
        return date(int(told[:4]), int(told[4:6]), int(told[6:]))
    except ValueError:
        return None


def _where(error: Exception) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace else ""
