"""Turns speech into TwiML: the one function between the conversation and the provider's words."""

from __future__ import annotations

import re

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any
from xml.sax.saxutils import escape

from twilio.twiml.voice_response import Dial, Gather, Pause, Play, Redirect, Say, VoiceResponse

from flows.speech import Line, Listen, Speech
from prompts.catalogue import PAUSE, Catalogue, Part, load

# Connection overrides: two more tries on connection failure, 5xx or a slow answer, all of it
# inside the fifteen seconds that the provider gives a webhook.
OVERRIDES = "#rc=2&rp=ct,rt,5xx&ct=2000&rt=4500"
# The largest turn number that the store can hold: "the newest there is".
NEWEST = 32767
ELSEWHERE_PAUSE = 8
# Seconds between two checks whether there is capacity for a call now.
CROWDED_SECONDS = 8
# Marks a blank while a document is made; nothing that is said has a letter of the private area.
_MARK = "\ue000{}\ue001"
_MARKS = re.compile("\ue000([0-9]+)\ue001")
_NEXT, _NAME = 999, 998
# Below /audio of this service.
MUSIC = "music/waiting.wav"
# Where a slow voice pauses: at the marks, and after every sentence and part of one.
_ENDS = re.compile(r"\||(?<=[.!?:;,])\s+")


@dataclass(frozen=True)
class SpeechRate:
    """Waits in seconds, pauses in milliseconds. The first key has `first_key` + `between` seconds.

    The provider's time-out starts after what is nested in the Gather and again at each key, so a
    silent Pause inside gives the long wait for the first key and leaves the short one in between.
    """

    pause: int
    menu_first_key: int
    entry_first_key: int
    between: int
    # How long nothing must be said until a spoken answer is over.
    end_of_speech: int


NORMAL = SpeechRate(pause=400, menu_first_key=5, entry_first_key=7, between=5, end_of_speech=3)
SLOW = SpeechRate(pause=900, menu_first_key=8, entry_first_key=10, between=8, end_of_speech=5)
# How long a centre's own telephone may ring before the caller is back here.
RING_SECONDS = 30


class Addresses:
    """The telephone's own addresses. Paths are plain ASCII; what varies is in the query."""

    def __init__(self, public_base_url: str) -> None:
        self._base = public_base_url

    def turn(self, number: int | str) -> str:
        return f"{self._base}/voice/turn?n={number}{OVERRIDES}"

    def silence(self, number: int | str) -> str:
        return f"{self._base}/voice/turn?n={number}&silent=1{OVERRIDES}"

    def returned(self, number: int | str) -> str:
        """Where a call comes back to from a line that it was connected to."""
        return f"{self._base}/voice/turn?n={number}&returned=1{OVERRIDES}"

    def called_back(self, try_id: str, tries: int) -> str:
        """Where a call that we made goes on after a failure of ours, before it has a turn."""
        return f"{self._base}/voice/callback?leg={try_id}&again={tries}{OVERRIDES}"

    def at(self, path: str) -> str:
        """Any other of the telephone's own addresses; `path` with its query."""
        return f"{self._base}{path}{OVERRIDES}"

    def queued(self, number: int | str) -> str:
        """Where a call comes to when it is out of the queue, for whatever reason."""
        return f"{self._base}/voice/turn?n={number}&queued=1{OVERRIDES}"

    def wait(self, waiting: QueueListener) -> str:
        """The address of what a caller in the queue hears."""
        return f"{self._base}/voice/wait?{waiting.query}{OVERRIDES}"

    def wait_key(self, waiting: QueueListener) -> str:
        """Where a key goes that is pressed there."""
        return f"{self._base}/voice/wait-key?{waiting.query}{OVERRIDES}"

    @property
    def music(self) -> str:
        """The music that waiting callers hear; `prompts/make_music.py` made it."""
        return self.recording(MUSIC)

    def recording(self, file: str) -> str:
        """Where the provider fetches a recording from; it is the same for every caller."""
        return f"{self._base}/audio/{file}"

    def after_failures(self, document: str, failed: int) -> str:
        """An answer said again, with how many of the caller's answers in a row were lost here."""
        if not failed:
            return document
        turns = f"{self._base}/voice/turn?"
        return document.replace(f"{turns}n=", f"{turns}failed={failed}&amp;n=")

    def again(self, number: int, tries: int, failed: int = 0) -> str:
        """Where a call goes on after a failure of ours: the last answer is said again."""
        lost = f"&failed={failed}" if failed else ""
        return f"{self._base}/voice/turn?n={number}&again={tries}{lost}{OVERRIDES}"


@dataclass(frozen=True)
class QueueListener:
    """A caller in the queue: the voice they hear, and how far the announcements have come.

    `keeps`: something is held for them. `told` is the shortest wait (seconds) that they heard of,
    -1 for none.
    """

    language: str
    slow: bool = False
    keeps: bool = False
    round: int = 0
    told: int = -1
    # The id of their place, so that what is pressed is about this one and no later one.
    place: str = ""

    @property
    def query(self) -> str:
        kept = f"&slow={self.slow:d}&keeps={self.keeps:d}"
        place = f"&place={self.place}" if self.place else ""
        return f"language={self.language}{kept}&round={self.round}&told={self.told}{place}"


def render(speech: Speech, catalogue: Catalogue, addresses: Addresses, next_number: int) -> str:
    """The document for one turn; it always says what happens on silence."""
    shape = tuple((line.key, line.wording, line.language) for line in speech.lines)
    to = _Elsewhere(speech.dial, speech.queue, bool(speech.conference), speech.keeps)
    pieces = _form(shape, speech.listen, speech.slow, to, catalogue, addresses)
    filled = []
    for piece in pieces:
        if isinstance(piece, str):
            filled.append(piece)
        elif piece is _NUMBER:
            filled.append(str(next_number))
        elif piece is _CONFERENCE:
            filled.append(escape(speech.conference))
        else:
            line = speech.lines[piece.line]
            said_in = load(line.language) if line.language else catalogue
            filled.append(escape(said_in.spoken(piece.part, line.values)))
    return "".join(filled)


@dataclass(frozen=True)
class _Blank:
    """A place in a document for the value of one part of one line."""

    line: int
    part: Part


_NUMBER = _Blank(-1, Part(""))
_CONFERENCE = _Blank(-2, Part(""))
_OURS = {_NEXT: _NUMBER, _NAME: _CONFERENCE}


@dataclass(frozen=True)
class _Elsewhere:
    """Where a call is connected behind the last words, if it is."""

    dial: str = ""
    queue: str = ""
    conference: bool = False
    keeps: bool = False


@lru_cache(1024)
def _form(  # noqa: PLR0917 (the key of the cache)
    shape: tuple[tuple[str, int, str], ...],
    listen: Listen | None,
    slow: bool,  # noqa: FBT001
    to: _Elsewhere,
    catalogue: Catalogue,
    addresses: Addresses,
) -> tuple[str | _Blank, ...]:
    """A document as a form: text, and blanks for what differs from caller to caller.

    Made by the provider's library once for each sentence or combination of sentences.
    """
    blanks: list[_Blank] = []
    sentences: list[_Sentence] = []
    for number, (key, wording, language) in enumerate(shape):
        said_in = load(language) if language else catalogue
        shown = said_in.short(key) if slow else key
        for take in said_in.takes(shown, wording):
            said = ""
            for part in take.parts:
                said += part.text
                if part.name:
                    said += _MARK.format(len(blanks))
                    blanks.append(_Blank(number, part))
            played = addresses.recording(take.recording) if take.recording else ""
            sentences.append(_Sentence(said, said_in, played))
    document = _document(sentences, listen, catalogue, addresses, slow=slow, to=to)
    pieces: list[str | _Blank] = []
    # The marks of blanks and of the number of the next turn are all that is split off.
    for position, piece in enumerate(_MARKS.split(document)):
        if position % 2 == 0:
            pieces.append(piece)
        else:
            number = int(piece)
            pieces.append(_OURS[number] if number in _OURS else blanks[number])
    return tuple(pieces)


@dataclass(frozen=True)
class _Sentence:
    """What is said, with the language and voice that say it."""

    text: str
    catalogue: Catalogue
    # Where a recording of it lies; empty where the voice says it.
    recording: str = ""


def _document(
    sentences: list[_Sentence],
    listen: Listen | None,
    catalogue: Catalogue,
    addresses: Addresses,
    *,
    slow: bool,
    to: _Elsewhere,
) -> str:
    pace = SLOW if slow else NORMAL
    says = _says(sentences, pace, slow=slow)
    response = VoiceResponse()
    next_number = _MARK.format(_NEXT)
    if listen is None:
        for said in says:
            response.append(said)
        _connect(response, to, catalogue, addresses, next_number, slow=slow)
        return str(response)
    gather = Gather(
        action=addresses.turn(next_number),
        method="POST",
        language=catalogue.voice_language,
        num_digits=listen.digits,
        timeout=pace.between,
        # A menu takes the # for what it is, a wrong key; an entry ends with it.
        finish_on_key="" if listen.is_menu else "#",
        **_ears(listen, pace),
    )
    for said in says:
        gather.append(said)
    gather.append(Pause(length=pace.menu_first_key if listen.is_menu else pace.entry_first_key))
    response.append(gather)
    response.append(Redirect(addresses.silence(next_number), method="POST"))
    return str(response)


def _connect(
    response: VoiceResponse,
    to: _Elsewhere,
    catalogue: Catalogue,
    addresses: Addresses,
    next_number: str,
    *,
    slow: bool,
) -> None:
    """To another line, to the queue or to an agent; else the call is over."""
    returned = addresses.returned(next_number)
    if to.dial:
        response.dial(to.dial, timeout=RING_SECONDS, action=returned)
    elif to.queue:
        queued = addresses.queued(next_number)
        waiting = QueueListener(catalogue.language, slow=slow, keeps=to.keeps)
        response.enqueue(
            to.queue,
            action=queued,
            method="POST",
            wait_url=addresses.wait(waiting),
            wait_url_method="POST",
        )
        # Should the provider not know what to do with a queue, the caller is not left in silence.
        response.redirect(queued, method="POST")
    elif to.conference:
        dial = Dial(action=returned, method="POST")
        dial.conference(
            _MARK.format(_NAME),
            start_conference_on_enter=True,
            end_conference_on_exit=False,
            beep="false",
            wait_url=addresses.music,
            wait_method="GET",
            # A caller who comes after the agent has gone opens a conference of their own: report
            # that, too.
            status_callback=addresses.at(f"/voice/conference?entry={_MARK.format(_NAME)}"),
            status_callback_method="POST",
            status_callback_event="join leave",
        )
        response.append(dial)
        response.redirect(returned, method="POST")
    else:
        response.hangup()


def waiting_document(  # noqa: PLR0917
    catalogue: Catalogue,
    addresses: Addresses,
    lines: Sequence[Line],
    offers: Line | None,
    now: QueueListener,
    then: QueueListener,
    *,
    music: bool = True,
) -> str:
    """What a caller in the queue hears: lines, the keys they may press, music, and on to `then`.

    Without an offer no key is taken.
    """
    pace = SLOW if now.slow else NORMAL
    says = _says(_sentences(catalogue, addresses, lines, slow=now.slow), pace, slow=now.slow)
    response = VoiceResponse()
    if offers is None:
        for said in says:
            response.append(said)
        if music:
            response.play(addresses.music)
    else:
        gather = Gather(
            action=addresses.wait_key(now),
            method="POST",
            input="dtmf",
            num_digits=1,
            timeout=1,
            finish_on_key="",
        )
        offered = _sentences(catalogue, addresses, [offers], slow=now.slow)
        says += _says(offered, pace, slow=now.slow)
        for said in says:
            gather.append(said)
        gather.append(Play(addresses.music))
        response.append(gather)
    response.append(Redirect(addresses.wait(then), method="POST"))
    return str(response)


def out_of_the_queue(
    catalogue: Catalogue, addresses: Addresses, lines: Sequence[Line], now: QueueListener
) -> str:
    """The call leaves the queue, after these lines; the turn behind it says what comes."""
    pace = SLOW if now.slow else NORMAL
    response = VoiceResponse()
    for said in _says(_sentences(catalogue, addresses, lines, slow=now.slow), pace, slow=now.slow):
        response.append(said)
    response.leave()
    return str(response)


def _sentences(
    catalogue: Catalogue, addresses: Addresses, lines: Sequence[Line], *, slow: bool
) -> list[_Sentence]:
    """Lines with their values, as they are said to one caller alone."""
    found = []
    for line in lines:
        key = catalogue.short(line.key) if slow else line.key
        for take in catalogue.takes(key, line.wording):
            said = ""
            for part in take.parts:
                said += part.text
                if part.name:
                    said += catalogue.spoken(part, line.values)
            played = addresses.recording(take.recording) if take.recording else ""
            found.append(_Sentence(said, catalogue, played))
    return found


def _ears(listen: Listen, pace: SpeechRate) -> dict[str, Any]:
    """What a Gather takes. Whole sentences are waited for: never `auto`, which cuts a pause off."""
    if not listen.speech:
        return {"input": "dtmf"}
    ears: dict[str, Any] = {
        "input": "dtmf speech",
        "speech_timeout": pace.end_of_speech,
        # It would put asterisks into what people say.
        "profanity_filter": False,
    }
    if listen.hints:
        ears["hints"] = ", ".join(listen.hints)
    return ears


def apology(
    catalogue: Catalogue,
    addresses: Addresses,
    number: int,
    tries: int,
    *,
    failed: int = 0,
    patience: int = 3,
) -> str:
    """What a caller hears when this service fails: the truth, a pause; then the call goes on."""
    key = "technical" if number else "technical_start"
    if tries >= patience:
        key = "technical_long"
    response = VoiceResponse()
    response.append(_say(catalogue, [catalogue.say(key, {}, tries)], NORMAL))
    response.append(Pause(length=min(2 + 2 * tries, 15)))
    response.append(Redirect(addresses.again(number, tries + 1, failed), method="POST"))
    return str(response)


def crowded(catalogue: Catalogue, addresses: Addresses, tries: int, *, may_ring: bool) -> str:
    """What a new call hears when there are too many: a choice, music, and another look.

    `tries` counts the looks before. `may_ring`: there is a number on which to ring them.
    """
    then = addresses.at(f"/voice/crowded?crowded={tries}")
    key = "crowded" if may_ring else "crowded_withheld"
    if tries:
        key = "crowded_still" if may_ring else "crowded_withheld_still"
    response = VoiceResponse()
    said = _say(catalogue, [catalogue.say(key, {})], NORMAL)
    if may_ring:
        gather = Gather(
            action=then,
            method="POST",
            input="dtmf",
            num_digits=1,
            timeout=CROWDED_SECONDS,
            finish_on_key="",
        )
        gather.append(said)
        response.append(gather)
    else:
        response.append(said)
        response.append(Pause(length=CROWDED_SECONDS))
    response.append(Redirect(then, method="POST"))
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


def sorry_called_back(catalogue: Catalogue, addresses: Addresses, try_id: str, tries: int) -> str:
    """What a person whom we rang hears when this service fails at once."""
    response = VoiceResponse()
    response.append(_say(catalogue, [catalogue.say("technical_start", {}, tries)], NORMAL))
    response.append(Pause(length=min(2 + 2 * tries, 15)))
    response.append(Redirect(addresses.called_back(try_id, tries), method="POST"))
    return str(response)


def told_and_over(catalogue: Catalogue, key: str) -> str:
    """One sentence without values, and the call is over."""
    response = VoiceResponse()
    response.append(_say(catalogue, [catalogue.say(key, {})], NORMAL))
    response.hangup()
    return str(response)


def sentence(catalogue: Catalogue, key: str, wording: int = 0) -> Say:
    """One sentence without values, the same for all callers."""
    return _say(catalogue, [catalogue.say(key, {}, wording)], NORMAL)


def nothing() -> str:
    """The answer to a callback that wants none."""
    return str(VoiceResponse())


def _says(sentences: list[_Sentence], pace: SpeechRate, *, slow: bool) -> list[Say | Play]:
    """One <Say> for each run of sentences in one language, and a <Play> for each recording."""
    spoken: list[Say | Play] = []
    for (said_in, recording), run in groupby(sentences, lambda one: (one.catalogue, one.recording)):
        if recording:
            spoken.append(Play(recording))
        else:
            spoken.append(_say(said_in, [one.text for one in run], pace, slow=slow))
    return spoken


def _say(
    catalogue: Catalogue, sentences: list[str], pace: SpeechRate, *, slow: bool = False
) -> Say:
    say = Say(language=catalogue.voice_language, voice=catalogue.voice)
    for position, piece in enumerate(_pieces(PAUSE.join(sentences), slow=slow)):
        if position:
            say.break_(time=f"{pace.pause}ms")
        # A space on both sides: what a machine reads as text must not run together.
        say.append(f" {piece} ")
    return say


def _pieces(said: str, *, slow: bool) -> list[str]:
    """What is said in one breath. Slow means more and longer pauses, never a drawling voice.

    How fast a voice speaks makes no difference to what people can follow; how much of it they must
    keep in mind does (docs/prompts.md).
    """
    pieces = _ENDS.split(said) if slow else said.split(PAUSE)
    return [stripped for piece in pieces if (stripped := piece.strip())]
