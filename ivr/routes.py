"""The telephone's routes: who is let in, and what answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from flask import Flask

import config

from ivr import agent_lines, callback_lines, signature, sms, voice, waiting
from ivr.addresses import Addresses
from ivr.conversation import Conversation
from ivr.crowded import Crowded
from services.agents.call_back import CallBack
from services.call.text_conversation import TextConversations, TextLimits
from services.parts import Parts


def guard(app: Flask, settings: config.Settings) -> None:
    """Let in what the provider signed, before any route."""
    app.config["MAX_CONTENT_LENGTH"] = signature.MOST_BYTES
    check = signature.SignatureCheck(
        settings.public_base_url,
        settings.twilio_account_sid,
        (settings.twilio_auth_token, settings.twilio_auth_token_previous),
    )
    signature.guard(app, check)


def register(
    app: Flask, parts: Parts, call_back: CallBack, refuses_call: Callable[[], bool]
) -> None:
    """Add what answers calls and texts; where `refuses_call`, a call hears that it is crowded."""
    settings, store, service = parts.settings, parts.store, parts.service
    addresses = Addresses(settings.public_base_url)
    conversation = Conversation(store, service, addresses, parts.wake_up)
    limits = TextLimits(
        settings.text_answers_per_number, timedelta(seconds=settings.text_answer_seconds)
    )
    for blueprint in (
        voice.blueprint(conversation, addresses, Crowded(store, addresses, refuses_call)),
        waiting.blueprint(store, service, addresses),
        callback_lines.blueprint(store, conversation, addresses, call_back),
        agent_lines.blueprint(store, addresses, dial_callback=call_back.dial),
        sms.blueprint(
            store,
            service,
            reply_number=settings.sms_reply_number,
            text_number=settings.text_booking_number,
            conversations=TextConversations(store, service, parts.wake_up, limits),
        ),
    ):
        app.register_blueprint(blueprint)
