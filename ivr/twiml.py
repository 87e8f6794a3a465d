"""Turns speech into TwiML: the one function between the conversation and the provider's words."""

from __future__ import annotations

import re

from dataclasses import dataclass
from functools import lru_cache
from xml.sax.saxutils import escape

from twilio.twiml.voice_response import Gather, Pause, Redirect, Say, VoiceResponse

from flows.speech import Listen, Speech
from prompts.catalogue import PAUSE, Catalogue, Part

# Connection overrides: two more tries on connection failure, 5xx or a slow answer, all of it
# inside the fifteen seconds that the provider gives a webhook.
OVERRIDES = "#rc=2&rp=ct,rt,5xx&ct=2000&rt=4500"
SLOW_RATE = "85%"
# The largest turn number that the store can hold: "the newest there is".
NEWEST = 32767
ELSEWHERE_PAUSE = 8
# Marks a blank while a document is made; nothing that is said has a letter of the private area.
_MARK = "\ue000{}\ue001"
_MARKS = re.compile("\ue000([0-9]+)\ue001")
_NEXT = 999


@dataclass(frozen=True)
class Pace:
    """Waits in seconds, pauses in milliseconds. The first key has `first_key` + `between` seconds.

    The provider's time-out starts after what is nested in the Gather and again at each key, so a
    silent Pause inside gives the long wait for the first key and leaves the short one in between.
    """

    pause: int
    menu_first_key: int
    entry_first_key: int
    between: int


NORMAL = Pace(pause=400, menu_first_key=5, entry_first_key=7, between=5)
SLOW = Pace(pause=900, menu_first_key=8, entry_first_key=10, between=8)


class Addresses:
    """The telephone's own addresses. Paths are plain ASCII; what varies is in the query."""

    def __init__(self, public_base_url: str) -> None:
        self._base = public_base_url

    def turn(self, number: int | str) -> str:
        return f"{self._base}/voice/turn?n={number}{OVERRIDES}"

    def silence(self, number: int | str) -> str:
        return f"{self._base}/voice/turn?n={number}&silent=1{OVERRIDES}"

    def again(self, number: int, tries: int) -> str:
        """Where a call goes on after a failure of ours: the last answer is said again."""
        return f"{self._base}/voice/turn?n={number}&again={tries}{OVERRIDES}"


def render(speech: Speech, catalogue: Catalogue, addresses: Addresses, next_number: int) -> str:
    """The document for one turn; it always says what happens on silence."""
    shape = tuple((line.key, line.wording) for line in speech.lines)
    pieces = _form(shape, speech.listen, speech.slow, catalogue, addresses)
    filled = []
    for piece in pieces:
        if isinstance(piece, str):
            filled.append(piece)
        elif piece is _NUMBER:
            filled.append(str(next_number))
        else:
            values = speech.lines[piece.line].values
            filled.append(escape(catalogue.spoken(piece.part, values)))
    return "".join(filled)


@dataclass(frozen=True)
class _Blank:
    """A place in a document for the value of one part of one line."""

    line: int
    part: Part


_NUMBER = _Blank(-1, Part(""))


@lru_cache
def _form(
    shape: tuple[tuple[str, int], ...],
    listen: Listen | None,
    slow: bool,  # noqa: FBT001
    catalogue: Catalogue,
    addresses: Addresses,
) -> tuple[str | _Blank, ...]:
    """A document as a form: text, and blanks for what differs from caller to caller.

    Made by the provider's library once for each sentence or combination of sentences.
    """
    blanks: list[_Blank] = []
    sentences = []
    for number, (key, wording) in enumerate(shape):
        said = ""
        for part in catalogue.parts(key, wording):
            said += part.text
            if part.name:
                said += _MARK.format(len(blanks))
                blanks.append(_Blank(number, part))
        sentences.append(said)
    document = _document(sentences, listen, catalogue, addresses, slow=slow)
    pieces: list[str | _Blank] = []
    # The marks of blanks and of the number of the next turn are all that is split off.
    for position, piece in enumerate(_MARKS.split(document)):
        if position % 2 == 0:
            pieces.append(piece)
        else:
            pieces.append(_NUMBER if int(piece) == _NEXT else blanks[int(piece)])
    return tuple(pieces)


def _document(
    sentences: list[str],
    listen: Listen | None,
    catalogue: Catalogue,
    addresses: Addresses,
    *,
    slow: bool,
) -> str:
    pace = SLOW if slow else NORMAL
    said = _say(catalogue, sentences, pace, slow=slow)
    response = VoiceResponse()
    if listen is None:
        response.append(said)
        response.hangup()
        return str(response)
    next_number = _MARK.format(_NEXT)
    gather = Gather(
        action=addresses.turn(next_number),
        method="POST",
        input="dtmf",
        language=catalogue.voice_language,
        num_digits=listen.digits,
        timeout=pace.between,
        # A menu takes the # for what it is, a wrong key; an entry ends with it.
        finish_on_key="" if listen.is_menu else "#",
    )
    gather.append(said)
    gather.append(Pause(length=pace.menu_first_key if listen.is_menu else pace.entry_first_key))
    response.append(gather)
    response.append(Redirect(addresses.silence(next_number), method="POST"))
    return str(response)


def apology(
    catalogue: Catalogue, addresses: Addresses, number: int, tries: int, *, patience: int = 3
) -> str:
    """What a caller hears when something of ours fails: truth, a pause, and on we go."""
    key = "technical" if number else "technical_start"
    if tries >= patience:
        key = "technical_long"
    response = VoiceResponse()
    response.append(_say(catalogue, [catalogue.say(key, {}, tries)], NORMAL))
    response.append(Pause(length=min(2 + 2 * tries, 15)))
    response.append(Redirect(addresses.again(number, tries + 1), method="POST"))
    return str(response)


def elsewhere(catalogue: Catalogue, addresses: Addresses) -> str:
    """A document to lie at another origin: it speaks when ours cannot be reached at all.

    It leads back here after a pause; while we cannot be reached, the provider comes to it again.
    """
    response = VoiceResponse()
    response.append(_say(catalogue, [catalogue.say("technical_elsewhere", {})], NORMAL))
    response.append(Pause(length=ELSEWHERE_PAUSE))
    response.append(Redirect(addresses.again(NEWEST, 1), method="POST"))
    return str(response)


def nothing() -> str:
    """The answer to a callback that wants none."""
    return str(VoiceResponse())


def _say(catalogue: Catalogue, sentences: list[str], pace: Pace, *, slow: bool = False) -> Say:
    say = Say(language=catalogue.voice_language, voice=catalogue.voice)
    pieces = [piece.strip() for piece in PAUSE.join(sentences).split(PAUSE) if piece.strip()]
    for position, piece in enumerate(pieces):
        if position:
            say.break_(time=f"{pace.pause}ms")
        # A space on both sides: what a machine reads as text must not run together.
        text = f" {piece} "
        if slow:
            say.prosody(text, rate=SLOW_RATE)
        else:
            say.append(text)
    return say
