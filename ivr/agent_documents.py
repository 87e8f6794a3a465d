"""What agents, supervisors and third persons hear on the lines that we ring for them, as TwiML.

A participant who leaves never ends a conference. The provider reports who left, and this service
decides which participants stay together.
"""

from __future__ import annotations

from twilio.twiml.voice_response import Dial, Hangup, Play

from ivr.addresses import Addresses
from ivr.twiml import document, one_key, sentence
from prompts.catalogue import Catalogue
from services.agents.connect_agent import Entering

# Seconds for the key; the words are said so often.
_KEY_SECONDS = 5
_WORDINGS = 3
# Events of a conference to report. Only what its first participant asks for counts: that is ours.
_EVENTS = "start end join leave mute hold"


def press_one(catalogue: Catalogue, addresses: Addresses, leg_id: str) -> str:
    """Ask for a key on a telephone that was picked up: a voice box presses none."""
    action = addresses.at(f"/voice/agent-accept?leg={leg_id}")
    asked = (
        sentence(catalogue, "agent_press_1", wording, addresses=addresses)
        for wording in range(_WORDINGS)
    )
    return document(*(one_key(action, _KEY_SECONDS, said) for said in asked), Hangup())


def into_conference(
    entering: Entering,
    addresses: Addresses,
    leg_id: str,
    *,
    catalogue: Catalogue | None = None,
    said: str = "",
) -> str:
    """Into the conversation, after the sentence `said`; when it is over, /voice/agent-left."""
    dial = Dial(action=addresses.at(f"/voice/agent-left?leg={leg_id}"), method="POST")
    dial.conference(
        entering.conference,
        start_conference_on_enter=True,
        end_conference_on_exit=False,
        beep="false",
        # A participant who waits there for the other hears nothing.
        wait_url="",
        muted=True if entering.muted else None,
        coach=entering.coached_sid or None,
        status_callback=addresses.at(f"/voice/conference?entry={entering.conference}"),
        status_callback_method="POST",
        status_callback_event=_EVENTS,
    )
    first = [sentence(catalogue, said, addresses=addresses)] if said and catalogue else []
    return document(*first, dial)


def on_hold(catalogue: Catalogue, addresses: Addresses) -> str:
    """A caller on hold: a sentence, then music for as long as it takes."""
    said = sentence(catalogue, "call_on_hold", addresses=addresses)
    return document(said, Play(addresses.music, loop=0))
