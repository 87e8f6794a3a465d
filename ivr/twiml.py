"""Turns speech into TwiML: the one function between the conversation and the provider's words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from twilio.twiml.voice_response import Gather, Pause, Redirect, Say, VoiceResponse

from flows.speech import Line, Listen, Outcome, Speech
from prompts.catalogue import PAUSE, Catalogue

# Connection overrides: two more tries on connection failure, 5xx or a slow answer, all of it
# inside the fifteen seconds that the provider gives a webhook.
OVERRIDES = "#rc=2&rp=ct,rt,5xx&ct=2000&rt=4500"
SLOW_RATE = "85%"
# The largest turn number that the store can hold: "the newest there is".
NEWEST = 32767
ELSEWHERE_PAUSE = 8
# Stands for the number of a turn while a document is kept; no other number has so many digits.
_NUMBER_HERE = 2718281828459045


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

    def turn(self, number: int) -> str:
        return f"{self._base}/voice/turn?n={number}{OVERRIDES}"

    def silence(self, number: int) -> str:
        return f"{self._base}/voice/turn?n={number}&silent=1{OVERRIDES}"

    def again(self, number: int, tries: int) -> str:
        """Where a call goes on after a failure of ours: the last answer is said again."""
        return f"{self._base}/voice/turn?n={number}&again={tries}{OVERRIDES}"


def render(speech: Speech, catalogue: Catalogue, addresses: Addresses, next_number: int) -> str:
    """The document for one turn; it always says what happens on silence."""
    # A question with nothing of the caller's in it is the same for all but for the turn's number.
    lines = tuple((line.key, line.wording, tuple(line.values.items())) for line in speech.lines)
    if not all(isinstance(value, int) for _, _, values in lines for _, value in values):
        return _document(speech, catalogue, addresses, next_number)
    before, after, silent = _same_for_all(lines, speech.listen, speech.slow, catalogue, addresses)
    return f"{before}{next_number}{after}{next_number}{silent}" if after else before


@lru_cache
def _same_for_all(
    lines: tuple[tuple[str, int, tuple[tuple[str, int], ...]], ...],
    listen: Listen | None,
    slow: bool,  # noqa: FBT001
    catalogue: Catalogue,
    addresses: Addresses,
) -> tuple[str, str, str]:
    """Such a document, in the pieces around the number of the next turn."""
    said = tuple(Line(key, dict(values), wording) for key, wording, values in lines)
    speech = Speech(said, listen, Outcome.ASKED, catalogue.language, slow)
    document = _document(speech, catalogue, addresses, _NUMBER_HERE)
    before, *rest = document.split(str(_NUMBER_HERE))
    after, silent = rest or ("", "")
    return before, after, silent


def _document(speech: Speech, catalogue: Catalogue, addresses: Addresses, next_number: int) -> str:
    pace = SLOW if speech.slow else NORMAL
    said = _say(
        catalogue,
        [catalogue.say(line.key, line.values, line.wording) for line in speech.lines],
        pace,
        slow=speech.slow,
    )
    response = VoiceResponse()
    if speech.listen is None:
        response.append(said)
        response.hangup()
        return str(response)
    listen = speech.listen
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
