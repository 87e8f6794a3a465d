"""Webhooks of texts: what became of ours, and what people write to us."""

from __future__ import annotations

import re

import structlog

from flask import Blueprint, Response, request
from twilio.twiml.messaging_response import MessagingResponse

from services.record_delivery import record_delivery
from services.store import Store
from services.telemetry import FAILURES

_MESSAGE_ID = re.compile(r"[0-9a-f]{32}")
_ERROR = re.compile(r"[0-9]{1,6}")

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


def blueprint(store: Store) -> Blueprint:
    """Routes below /sms; the signature check stands in front of them."""
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
        """Nothing depends on a reply by text, and our sender cannot receive any: no answer."""
        log.info("message received", sid=request.form["MessageSid"])
        return _xml()

    return sms


def _xml() -> Response:
    return Response(str(MessagingResponse()), content_type="text/xml; charset=utf-8")
