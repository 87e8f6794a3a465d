"""Webhooks of texts: what became of ours, and what people write to us."""

from __future__ import annotations

import re

from collections.abc import Sequence
from functools import partial

import structlog

from flask import Blueprint, Response, request
from twilio.twiml.messaging_response import MessagingResponse

from services.call.text_conversation import TextConversations
from services.messages.delivery_failures import record_delivery
from services.messages.incoming_text import IncomingText, take_text
from services.queue.typed_callback import owner_agrees
from services.service import Service
from services.store import Store
from services.telemetry import FAILURES

_MESSAGE_ID = re.compile(r"[0-9a-f]{32}")
_ERROR = re.compile(r"[0-9]{1,6}")
_COUNT = re.compile(r"[0-9]{1,3}")

# The provider's words for what became of a text, in ours.
STATES = {
    "accepted": "sent",
    "scheduled": "sent",
    "queued": "sent",
    "sending": "sent",
    "sent": "sent",
    "partially_delivered": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "undelivered",
    "failed": "failed",
    "canceled": "failed",
}

log = structlog.get_logger()


def blueprint(
    store: Store,
    service: Service | None = None,
    *,
    reply_number: str = "",
    text_number: str = "",
    conversations: TextConversations | None = None,
) -> Blueprint:
    """Routes below /sms; the signature check stands in front of them.

    `reply_number` is the number of ours that texts may come in on, beside the senders of numbers
    that are numbers themselves; without any, none is understood.
    `text_number` is the one that people book by: what comes in there is an answer in one of these
    `conversations`. The two may be the same.
    """
    sms = Blueprint("sms", __name__, url_prefix="/sms")

    @sms.post("/status")
    def status() -> Response:
        state = STATES.get(request.form.get("MessageStatus", ""))
        ours = request.args.get("m", "")
        code = request.form.get("ErrorCode", "")
        sid = request.form["MessageSid"]
        if state:
            try:
                moved = record_delivery(
                    store,
                    sid,
                    state,
                    message_id=ours if _MESSAGE_ID.fullmatch(ours) else None,
                    error_code=code if _ERROR.fullmatch(code) else None,
                )
                log.info("message status", sid=sid, state=state, moved=moved, code=code[:6])
            except Exception as error:  # noqa: BLE001 (the provider does not ask again)
                FAILURES.labels(type(error).__name__).inc()
                log.error("message status failed", sid=sid, error=type(error).__name__)
        return _xml()

    @sms.post("/incoming")
    def incoming() -> Response:
        """What people write. A failure is a 503, so that the provider delivers the text again."""
        sid = request.form["MessageSid"]
        to = request.form.get("To", "")
        books = conversations is not None and bool(text_number) and to == text_number
        answers = to == reply_number or (service is not None and bool(service.numbers.texted(to)))
        if service is None or not to or not (books or answers):
            # Nothing depends on a reply by text, and our sender may be unable to receive any.
            log.info("message received", sid=sid)
            return _xml()
        written = IncomingText(
            sid,
            sender=request.form.get("From", ""),
            body=request.form.get("Body", ""),
            to=to,
            settled=bool(request.form.get("OptOutType")),
            pictures=_pictures(request.form.get("NumMedia", "")),
        )
        try:
            if books and conversations is not None:
                answer = conversations.take(written)
            else:
                answer = take_text(
                    store,
                    service.campaign,
                    written,
                    numbers=service.numbers,
                    agrees=partial(owner_agrees, numbers=service.numbers),
                )
        except Exception as error:  # noqa: BLE001 (its text may hold what was written)
            FAILURES.labels(type(error).__name__).inc()
            log.error("message not taken", sid=sid, error=type(error).__name__)
            return _xml(status=503)
        log.info("message received", sid=sid, wish=answer.wish, answered=len(answer.texts))
        return _xml(answer.texts)

    return sms


def _pictures(told: str) -> int:
    return int(told) if _COUNT.fullmatch(told) else 0


def _xml(answers: Sequence[str] = (), *, status: int = 200) -> Response:
    document = MessagingResponse()
    for answer in answers:
        document.message(answer)
    return Response(str(document), status, content_type="text/xml; charset=utf-8")
