"""Turns speech into TwiML: the one function between the conversation and the provider's words."""

from __future__ import annotations

import re

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any
from xml.sax.saxutils import escape

from twilio.twiml import TwiML
from twilio.twiml.voice_response import (
    Dial,
    Enqueue,
    Gather,
    Hangup,
    Leave,
    Pause,
    Play,
    Redirect,
    Say,
    VoiceResponse,
)

from flows.engine import PERSON_LINE
from flows.speech import Line, Listen, Speech
from ivr.addresses import NEWEST, Addresses, QueueListener, number_of_day
from ivr.ssml import Spoken, marked_up
from prompts import reading_time
from prompts.catalogue import PAUSE, Catalogue, load
from prompts.reading_time import VoicePauses, pieces
from prompts.values import Part

ELSEWHERE_PAUSE = 8
# Seconds between two checks whether there is capacity for a call now.
CROWDED_SECONDS = 8
# Marks a value while a document is made; nothing that is said has a letter of the private area.
_MARK = "\ue000{}\ue001"
_MARKS = re.compile("\ue000([0-9]+)\ue001")
# What is said in one go: in which language, its recording where there is one, and its words.
Take = tuple[Catalogue, str | None, str]


@dataclass(frozen=True)
class SpeechRate:
    """Waits in seconds. The first key has `first_key` + `between` seconds.

    The provider's time-out starts after what is nested in the Gather and again at each key, so a
    silent Pause inside gives the long wait for the first key and leaves the short one in between.
    Slow means more and longer pauses, never a drawling voice: how fast a voice speaks makes no
    difference to what people can follow; how much of it they must keep in mind does
    (docs/prompts.md).
    """

    voice: VoicePauses
    menu_first_key: int
    entry_first_key: int
    between: int
    # How long nothing must be said until a spoken answer is over.
    end_of_speech: int


NORMAL = SpeechRate(
    reading_time.NORMAL, menu_first_key=5, entry_first_key=7, between=5, end_of_speech=3
)
SLOW = SpeechRate(
    reading_time.SLOW, menu_first_key=8, entry_first_key=10, between=8, end_of_speech=5
)
# How long a caller who asked for time is waited for.
MOMENT_SECONDS = 20
# How long a centre's own telephone may ring before the caller is back here.
RING_SECONDS = 30


def render(
    speech: Speech,
    catalogue: Catalogue,
    addresses: Addresses,
    next_number: int,
    day: date | None = None,
) -> str:
    """The document for one turn; it always says what happens on silence.

    `day`: as of `number_of_day`.
    """
    listen, slow, number = speech.listen, speech.slow, number_of_day(next_number, day)
    aloud = listen is not None and listen.invites
    values = _Values(slow=slow, now=speech.now)
    says = _says(speech.lines, catalogue, addresses, values, aloud=aloud)
    if listen is None:
        return values.filled(document(*says, *_connected(speech, catalogue, addresses, number)))
    asked = _question(says, listen, catalogue, addresses.turn(number), slow=slow)
    silence = Redirect(addresses.turn(number, "silent"), method="POST")
    return values.filled(document(asked, silence))


class _Values:
    """The values of one caller: as marks while a document is made, then as they are spoken.

    A value is said as its format has it, and never read again for digits or pauses as the words
    around it are. `now`: as `Speech` has it; None: the moment is not known. `in_clips`: recordings
    may say values, too.
    """

    def __init__(self, *, slow: bool, now: datetime | None = None, in_clips: bool = True) -> None:
        self.slow, self.now, self.in_clips = slow, now, in_clips
        self._spoken: list[str] = []

    def mark(self, said_in: Catalogue, part: Part, line: Line) -> str:
        """What stands in the text for the value of a part of a line."""
        if part.format in said_in.marked_formats:
            said = said_in.marked(part, line.values, self.now)
            pace = (SLOW if self.slow else NORMAL).voice
            self._spoken.append(marked_up(said, said_in.speaker, pace))
        else:
            self._spoken.append(escape(said_in.spoken(part, line.values, self.now)))
        return _MARK.format(len(self._spoken) - 1)

    def filled(self, made: str) -> str:
        """The document with the values in their places."""
        return _MARKS.sub(lambda mark: self._spoken[int(mark[1])], made)


def _question(
    says: Iterable[TwiML], listen: Listen, catalogue: Catalogue, action: str, *, slow: bool
) -> Gather:
    pace = SLOW if slow else NORMAL
    gather = Gather(
        action=action,
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
    first = pace.menu_first_key if listen.is_menu else pace.entry_first_key
    return gather.append(Pause(length=MOMENT_SECONDS - pace.between if listen.patient else first))


def _connected(
    speech: Speech, catalogue: Catalogue, addresses: Addresses, number: str
) -> list[TwiML]:
    """To another line, to the queue or to an agent; else the call is over."""
    returned = addresses.turn(number, "returned")
    if speech.dial:
        return [Dial(speech.dial, timeout=RING_SECONDS, action=returned)]
    if speech.queue:
        queued = addresses.turn(number, "queued")
        waiting = QueueListener(catalogue.language, slow=speech.slow, keeps=speech.keeps)
        enqueue = Enqueue(
            speech.queue,
            action=queued,
            method="POST",
            wait_url=addresses.at(f"/voice/wait?{waiting.query}"),
            wait_url_method="POST",
        )
        # Should the provider not know what to do with a queue, the caller is not left in silence.
        return [enqueue, Redirect(queued, method="POST")]
    if speech.conference:
        dial = Dial(action=returned, method="POST")
        dial.conference(
            speech.conference,
            start_conference_on_enter=True,
            end_conference_on_exit=False,
            beep="false",
            wait_url=addresses.music,
            wait_method="GET",
            # A caller who comes after the agent has gone opens a conference of their own: report
            # that, too.
            status_callback=addresses.at(f"/voice/conference?entry={speech.conference}"),
            status_callback_method="POST",
            status_callback_event="join leave",
        )
        return [dial, Redirect(returned, method="POST")]
    return [Hangup()]


def waiting_document(
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
    goes_on = Redirect(addresses.at(f"/voice/wait?{then.query}"), method="POST")
    told = [*lines, *([offers] if offers else [])]

    def verbs(heard: Sequence[TwiML]) -> list[TwiML]:
        if offers is None:
            return [*heard, *([Play(addresses.music)] if music else []), goes_on]
        action = addresses.at(f"/voice/wait-key?{now.query}")
        return [one_key(action, 1, *heard, Play(addresses.music)), goes_on]

    return _said_to(now, addresses, told, verbs)


def out_of_the_queue(now: QueueListener, addresses: Addresses, lines: Sequence[Line]) -> str:
    """The call leaves the queue, after these lines; the turn behind it says what comes."""
    return _said_to(now, addresses, lines, lambda heard: [*heard, Leave()])


def _said_to(
    now: QueueListener,
    addresses: Addresses,
    lines: Sequence[Line],
    verbs: Callable[[Sequence[TwiML]], list[TwiML]],
) -> str:
    """A document of lines with their values, for one caller in the queue alone.

    `verbs` gives what the provider does, of what is said.
    """
    catalogue, values = load(now.language), _Values(slow=now.slow, in_clips=False)
    heard = _says(lines, catalogue, addresses, values)
    return values.filled(document(*verbs(heard)))


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
    day: date | None = None,
) -> str:
    """What a caller hears when this service fails: the truth, a pause; then the call goes on.

    `day`: as of `number_of_day`.
    """
    key = "technical" if number else "technical_start"
    if tries >= patience:
        key = "technical_long"
    return _sorry(catalogue, key, tries, addresses.again(number, tries + 1, failed, day))


def sorry_called_back(catalogue: Catalogue, addresses: Addresses, try_id: str, tries: int) -> str:
    """What a person we rang hears when this service fails at once."""
    then = addresses.at(f"/voice/callback?leg={try_id}&again={tries}")
    return _sorry(catalogue, "technical_start", tries, then)


def _sorry(catalogue: Catalogue, key: str, tries: int, then: str) -> str:
    pause = Pause(length=min(2 + 2 * tries, 15))
    return document(sentence(catalogue, key, tries), pause, Redirect(then, method="POST"))


def crowded(catalogue: Catalogue, addresses: Addresses, tries: int, *, may_ring: bool) -> str:
    """What a new call hears when there are too many: a choice, music, and another look.

    `tries` counts the looks before. `may_ring`: there is a number on which to ring them.
    """
    then = addresses.at(f"/voice/crowded?crowded={tries}")
    key = "crowded" if may_ring else "crowded_withheld"
    if tries:
        key = "crowded_still" if may_ring else "crowded_withheld_still"
    said = sentence(catalogue, key, addresses=addresses)
    waits = [said, Pause(length=CROWDED_SECONDS)]
    if may_ring:
        waits = [one_key(then, CROWDED_SECONDS, said)]
    return document(*waits, Redirect(then, method="POST"))


def elsewhere(catalogue: Catalogue, addresses: Addresses) -> str:
    """A document to lie at another origin: it speaks when ours cannot be reached at all.

    It leads back here after a pause; while we cannot be reached, the provider comes to it again.
    """
    back = Redirect(addresses.again(NEWEST, 1), method="POST")
    said = sentence(catalogue, "technical_elsewhere")
    return document(said, Pause(length=ELSEWHERE_PAUSE), back)


def told_and_over(catalogue: Catalogue, key: str, addresses: Addresses | None = None) -> str:
    """One sentence without values, and the call is over; see `sentence` for `addresses`."""
    return document(sentence(catalogue, key, addresses=addresses), Hangup())


def document(*verbs: TwiML) -> str:
    """What the provider does, verb by verb; without any, the answer to a report that wants none."""
    response = VoiceResponse()
    for verb in verbs:
        response.append(verb)
    return str(response)


def one_key(action: str, seconds: int, *heard: TwiML) -> Gather:
    """Take one key while this is heard, and `seconds` after it."""
    gather = Gather(
        action=action,
        method="POST",
        input="dtmf",
        num_digits=1,
        timeout=seconds,
        finish_on_key="",
    )
    for verb in heard:
        gather.append(verb)
    return gather


def sentence(
    catalogue: Catalogue, key: str, wording: int = 0, *, addresses: Addresses | None = None
) -> Say | Play:
    """One sentence without values, the same for all callers.

    By its recording where there is one, and by the voice without `addresses`: when this service
    fails, nothing can be fetched from it.
    """
    recording = addresses and catalogue.recording(key, wording)
    if addresses and recording:
        return Play(addresses.recording(recording))
    return _say(catalogue, [catalogue.say(key, {}, wording)])


def _says(
    lines: Sequence[Line],
    catalogue: Catalogue,
    addresses: Addresses,
    values: _Values,
    *,
    aloud: bool = False,
) -> list[Say | Play]:
    """One <Say> for each run of sentences in one language, and a <Play> for each recording.

    `aloud`: what is said in the language of the call tells a caller who speaks that the answer may
    be said.
    """
    said: list[Take] = []
    for line in lines:
        said_in = load(line.language) if line.language else catalogue
        key = said_in.short(line.key) if values.slow else line.key
        takes: list[Take] = []
        for take in said_in.takes(key, line.wording, aloud=aloud and not line.language):
            heard = None
            if line.values and values.in_clips and said_in.joins:
                heard = said_in.joined(take, line.values, values.now)
            if heard is not None:
                files: list[str] = []
                for place, part in enumerate(take.parts):
                    if file := take.files[place]:
                        files.append(file)
                    if place in heard:
                        files += said_in.clips(part, line.values, values.now) or ()
                takes += [(said_in, file, "" if n else take.text) for n, file in enumerate(files)]
                continue
            filled = (
                part.text + (values.mark(said_in, part, line) if part.name else "")
                for part in take.parts
            )
            takes.append((said_in, take.recording, "".join(filled)))
        said = before_options(takes, said) if line.key == PERSON_LINE else [*said, *takes]
    runs = [(of, [text for *_, text in run]) for of, run in groupby(said, lambda take: take[:2])]
    spoken: list[Say | Play] = []
    for place, ((said_in, recording), texts) in enumerate(runs):
        if recording:
            spoken += [Play(addresses.recording(recording))] * len(texts)
            continue
        # Between a voice and a recording there is the pause that stands between two pieces.
        after = place > 0 and runs[place - 1][0][1] is not None
        before = place + 1 < len(runs) and runs[place + 1][0][1] is not None
        spoken.append(_say(said_in, texts, slow=values.slow, after=after, before=before))
    return spoken


def before_options(person: list[Take], said: list[Take]) -> list[Take]:
    """Key 0 is told first of a menu's keys, behind what the menu is about."""
    takes = [
        (said_in, recording, piece)
        for said_in, recording, text in said
        for piece in ([text] if recording else text.split(PAUSE))
    ]
    option = re.compile(rf"\b{re.escape(person[0][0].press)} [1-79]\b", re.IGNORECASE)
    first = (place for place, (*_, text) in enumerate(takes) if option.search(text))
    place = next(first, len(takes))
    return [*takes[:place], *person, *takes[place:]]


def _say(
    catalogue: Catalogue,
    sentences: list[str],
    *,
    slow: bool = False,
    after: bool = False,
    before: bool = False,
) -> Say:
    """`after` and `before` a recording there is a pause."""
    pace = (SLOW if slow else NORMAL).voice
    spoken = Spoken(catalogue, pace, slow=slow)
    for position, piece in enumerate(pieces(PAUSE.join(sentences), pace)):
        if position or after:
            spoken.pause(pace.pause)
        # A space on both sides: what a machine reads as text must not run together.
        spoken.words(f" {piece} ")
    if before:
        spoken.pause(pace.pause)
    return spoken.done()
