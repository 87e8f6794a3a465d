"""What became of a call, judged by what was heard, and what it cost the caller who made it.

Spoken seconds are words at 160 a minute with the pauses between them; seconds of the call also
have the waits: until the first key, between keys, through a silence.
"""

import re

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median

from exchange.interpreter import (
    Call,
    Gather,
    HangUp,
    Heard,
    Input,
    Keys,
    QueueWait,
    Silence,
    Speech,
)
from exchange.legs import Leg
from tools.simulator import tongues

WORDS_PER_MINUTE = 160
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=\D)")
WORD = re.compile(r"\S*\w\S*")

# A caller who presses one of these asked for the same words, or for the question before.
SAME_AGAIN = frozenset({"9", "8", "*", "**"})
LAST_WORDS = 3


class Ending(StrEnum):
    """How a call ended, for the caller who made it."""

    BOOKED = "booked"
    PERSON = "person"
    PROMISED = "promised"
    # The service said goodbye and promised nothing.
    GOODBYE = "goodbye"
    LEFT = "left"
    FAILED = "failed"


GOOD_ENDINGS = frozenset({Ending.BOOKED, Ending.PERSON, Ending.PROMISED})


def after_confirmation(spoken: list[str]) -> list[str]:
    """Return what was said from the sentence that confirms the booking on."""
    for number, text in enumerate(spoken):
        for sentence in SENTENCE_END.split(text):
            if tongues.ends("confirmed").search(sentence) and not tongues.ends(
                "unconfirmed"
            ).search(sentence):
                return spoken[number:]
    return []


def heard_references(spoken: list[str]) -> list[str]:
    """Return the different references (ten digits each) heard with a confirmation, in order."""
    told = after_confirmation(spoken)
    found: list[str] = []
    for number, text in enumerate(told):
        # A reference may be cut over two <Say>: the word in one, its digits in the next.
        matches = list(tongues.reference().finditer(text))
        across = tongues.reference().search(" ".join(told[number : number + 2]))
        for match in matches or ([across] if across else []):
            digits = re.sub(r"\D", "", match["digits"])
            if digits not in found:
                found.append(digits)
    return found


def heard_reference(spoken: list[str]) -> str | None:
    """Return the ten digits of the first reference heard with a confirmation, or None."""
    return next(iter(heard_references(spoken)), None)


def reference_in(texts: list[str]) -> str | None:
    """Return the ten digits after the word reference in the first text that has them."""
    for text in texts:
        if found := tongues.reference().search(text):
            return re.sub(r"\D", "", found["digits"])
    return None


def told_in_writing(spoken: list[str]) -> bool:
    """Return whether a booking was confirmed and all of it comes as a text."""
    return any(map(tongues.ends("text_promised").search, after_confirmation(spoken)))


def ending(call: Call, *, queued: bool = False) -> Ending:
    """Judge a call that is over by what was said in it; `queued`: it came to a person's queue."""
    left = call.end_reason == "caller-hung-up"
    booked = heard_reference(call.spoken) or told_in_writing(call.spoken)
    if booked and (call.ended_normally or left):
        return Ending.BOOKED
    if call.dialed or queued:
        return Ending.PERSON
    if left:
        return Ending.LEFT
    if not call.ended_normally:
        return Ending.FAILED
    last = SENTENCE_END.split(call.last_spoken)[-LAST_WORDS:]
    return Ending.PROMISED if any(map(tongues.ends("promised").search, last)) else Ending.GOODBYE


def spoken_seconds(heard: Iterable[Heard]) -> float:
    """Return how long this takes to be said: words, and the pauses between them."""
    return sum(map(_seconds, heard))


def _seconds(heard: Heard) -> float:
    if heard.kind != "say":
        return heard.seconds
    return sum(piece.pause_s + speech_seconds(piece.text) / piece.rate for piece in heard.pieces)


def speech_seconds(text: str) -> float:
    """Return how long a person takes to say `text`."""
    return len(WORD.findall(text)) * 60 / WORDS_PER_MINUTE


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, as they are said."""
    return [sentence for sentence in SENTENCE_END.split(text.strip()) if sentence]


def says_again(before: str, now: str, leads: Iterable[str] = ()) -> bool:
    """Return whether `now` is what was said before, whatever stands in front of either.

    `leads` are sentences that a service puts in front of a question when it asks once more; they
    do not make two wordings different. Of others it is enough that one text ends with the other.
    """
    skipped = frozenset(leads)
    earlier, later = (
        [sentence for sentence in sentences(text) if sentence not in skipped]
        for text in (before, now)
    )
    shorter, longer = sorted((earlier, later), key=len)
    return bool(shorter) and longer[-len(shorter) :] == shorter


@dataclass(frozen=True)
class Turn:
    """What was said to the caller, and what the caller did; in seconds, speech and waiting.

    `keys` are those of the keys pressed that counted.
    """

    heard: str
    did: Input | None
    spoken_s: float
    waited_s: float
    keys: str = ""

    @property
    def asked_again(self) -> bool:
        """Whether the caller asked for the same words, so that hearing them is no fault."""
        return self.keys in SAME_AGAIN or self.keys.endswith("*")


@dataclass
class Witness:
    """A leg that writes down what is said and done; the doing is another leg's.

    `reaction_s` is from the end of a prompt to the first key or word, `key_gap_s` from key to key.
    `keeps_time`: the call's clock moves with what is heard and waited, for a service that looks at
    how long a call lasts. Once it `is_over`, the caller hangs up at the next question.
    """

    leg: Leg
    reaction_s: float = 1.5
    key_gap_s: float = 0.8
    turns: list[Turn] = field(default_factory=list)
    queued: bool = False
    keeps_time: bool = False
    is_over: Callable[[], bool] = lambda: False
    _mark: int = 0

    def answers(self, call: Call, gather: Gather) -> Input:
        text = call.since_input
        did = HangUp() if self.is_over() else self.leg.answers(call, gather)
        heard = call.heard[self._mark :]
        before, prompt = heard[: len(heard) - len(gather.prompt)], list(gather.prompt)
        # The long wait for the first key is a Pause at the end of the Gather.
        wait = 0.0
        while prompt and prompt[-1].kind == "pause":
            wait += prompt.pop().seconds
        if isinstance(did, Keys) and did.interrupts:
            prompt = []
        self._mark = len(call.heard)
        waited = self._waited(did, gather, wait)
        keys = gather.cut(did.digits)[0] if isinstance(did, Keys) else ""
        self.turns.append(Turn(text, did, spoken_seconds([*before, *prompt]), waited, keys))
        if self.keeps_time:
            lasted = sum(turn.spoken_s + turn.waited_s for turn in self.turns)
            # Back where a key ended a wait for the first one: that went by for the call alone.
            call.clock.advance(lasted - (call.clock.now() - call.started).total_seconds())
        return did

    def waits(self, call: Call, queue: QueueWait) -> Input:
        self.queued = True
        return self.leg.waits(call, queue)

    def ends(self, call: Call) -> None:
        """Write down the last words of a call that is over."""
        heard = call.heard[self._mark :]
        self._mark = len(call.heard)
        left = self.turns and isinstance(self.turns[-1].did, HangUp)
        text = "" if left else call.since_input
        self.turns.append(Turn(text, None, spoken_seconds(heard), 0.0))

    def _waited(self, did: Input, gather: Gather, first_key_s: float) -> float:
        match did:
            case Keys(digits):
                typing = (len(digits) - 1) * self.key_gap_s
                whole = gather.cut(digits)[2]
                return self.reaction_s + typing + (0 if whole else gather.timeout_s)
            case Speech(text):
                return self.reaction_s + speech_seconds(text)
            case Silence():
                return first_key_s + gather.timeout_s
            case HangUp():
                return 0.0

    def repeated(self, leads: Iterable[str] = ()) -> list[str]:
        """Return each text that was said twice in a row without having been asked for again."""
        pairs = zip(self.turns, self.turns[1:], strict=False)
        known = tuple(leads)
        return [
            now.heard
            for before, now in pairs
            if not before.asked_again and says_again(before.heard, now.heard, known)
        ]

    @property
    def alive(self) -> bool:
        """Whether the caller ever pressed or said anything."""
        return any(isinstance(turn.did, Keys | Speech) for turn in self.turns)


@dataclass(frozen=True)
class Report:
    """One call: how it ended and what it cost. `puzzles` are prompts that could not be read."""

    person: str
    ending: Ending
    references: tuple[str, ...]
    answers: int
    spoken_s: float
    seconds: float
    alive: bool
    # Whether anything at all was heard of the service.
    heard: bool
    repeated: tuple[str, ...] = ()
    puzzles: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether the caller has an appointment, a person, or the promise of one."""
        return self.ending in GOOD_ENDINGS

    @property
    def hung_up_on(self) -> bool:
        """Whether a caller who gave a sign of life heard a goodbye and nothing else."""
        return self.alive and self.ending in {Ending.GOODBYE, Ending.FAILED}


def report(
    person: str,
    call: Call,
    witness: Witness,
    puzzles: Sequence[str] = (),
    leads: Iterable[str] = (),
) -> Report:
    """Sum up a call that is over."""
    turns = witness.turns
    return Report(
        person=person,
        ending=ending(call, queued=witness.queued),
        references=tuple(heard_references(call.spoken)),
        answers=sum(isinstance(turn.did, Keys | Speech) for turn in turns),
        spoken_s=sum(turn.spoken_s for turn in turns),
        seconds=sum(turn.spoken_s + turn.waited_s for turn in turns),
        alive=witness.alive,
        heard=any(request.status is not None for request in call.requests),
        repeated=tuple(witness.repeated(leads)),
        puzzles=tuple(puzzles),
    )


def table(reports: Iterable[Report]) -> str:
    """Return a Markdown table, one line for each kind of person; figures are medians."""
    by_person: dict[str, list[Report]] = {}
    for judged in reports:
        by_person.setdefault(judged.person, []).append(judged)
    head = (
        "| temperament | calls | booked | person or promise | other end | same words twice"
        " | answers | spoken s | call s |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    )
    return "\n".join([head, *_lines(by_person)])


def _lines(by_person: dict[str, list[Report]]) -> Iterator[str]:
    for person, calls in by_person.items():
        booked = sum(call.ending is Ending.BOOKED for call in calls)
        kept = sum(call.ending in {Ending.PERSON, Ending.PROMISED} for call in calls)
        figures = [
            len(calls),
            booked,
            kept,
            len(calls) - booked - kept,
            sum(bool(call.repeated) for call in calls),
            round(median(call.answers for call in calls)),
            round(median(call.spoken_s for call in calls)),
            round(median(call.seconds for call in calls)),
        ]
        yield f"| {person} | {' | '.join(map(str, figures))} |"
