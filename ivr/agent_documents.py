"""What agents, supervisors and third persons hear on the lines that we ring for them, as TwiML.

A participant who leaves never ends a conference. The provider reports who left, and this service
decides which participants stay together.
"""

from __future__ import annotations

from twilio.twiml.voice_response import Dial, Gather, Hangup, Play, VoiceResponse

from ivr.twiml import Addresses, sentence
from prompts.catalogue import Catalogue
from services.agents.connect_agent import Entering

# Seconds for the key; the words are said so often.
_KEY_SECONDS = 5
_WORDINGS = 3
# Events of a conference to report. Only what its first participant asks for counts: that is ours.
_EVENTS = "start end join leave mute hold"


def press_one(catalogue: Catalogue, addresses: Addresses, leg_id: str) -> str:
    """Ask for a key on a telephone that was picked up: a voice box presses none."""
    response = VoiceResponse()
    for wording in range(_WORDINGS):
        gather = Gather(
            action=addresses.at(f"/voice/agent-accept?leg={leg_id}"),
            method="POST",
            input="dtmf",
            num_digits=1,
            timeout=_KEY_SECONDS,
            finish_on_key="",
        )
        gather.append(sentence(catalogue, "agent_press_1", wording))
        response.append(gather)
    response.append(Hangup())
    return str(response)


def into_conference(
    entering: Entering,
    addresses: Addresses,
    leg_id: str,
    *,
    catalogue: Catalogue | None = None,
    said: str = "",
) -> str:
    """Into the conversation, after the sentence `said`; when it is over, /voice/agent-left."""
    response = VoiceResponse()
    if said and catalogue:
        response.append(sentence(catalogue, said))
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
    response.append(dial)
    return str(response)


def gone(catalogue: Catalogue) -> str:
    """Tell the agent who picked up that the caller has gone."""
    response = VoiceResponse()
    response.append(sentence(catalogue, "agent_gone"))
    response.append(Hangup())
    return str(response)


def over() -> str:
    """Behind a conversation: the line is let go."""
    response = VoiceResponse()
    response.append(Hangup())
    return str(response)


def on_hold(catalogue: Catalogue, music: str) -> str:
    """A caller on hold: a sentence, then music (an absolute URL) for as long as it takes."""
    response = VoiceResponse()
    response.append(sentence(catalogue, "call_on_hold"))
    response.append(Play(music, loop=0))
    return str(response)
