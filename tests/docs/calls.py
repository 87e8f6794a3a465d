"""Writes docs/calls/: whole calls as a reader would hear them, played on the service as it is.

    python -m tests.docs.calls

The calls are recordings of tests/calls: the same run that is tested there is written down here, in
words, with the seconds that they take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from babel import Locale

from flows.engine import PERSON_LINE
from flows.speech import Line, Speech, TurnOutcome
from flows.verification.rehearsal import all_is_told
from ivr.twiml import Take, before_options
from prompts.catalogue import PAUSE, load
from prompts.check_rules import SIGN
from prompts.reading_time import VoicePauses, seconds
from tests.calls import recorded
from tests.support.keeper import ROOT
from tests.support.postgres import empty_stores

FOLDER = ROOT / "docs/calls"
COMMAND = "python -m tests.docs.calls"
# The page of a call, and the recording that it is of. Another call is another line.
CALLS: Mapping[str, str] = {
    "mobile": "two_doses",
    "landline": "booking_landline",
    "couple": "couple",
    "slow": "slow_booked",
    "one_sentence": "one_sentence",
}
ANSWERS = ("presses", "says")
FIRST_OFFER = "start1"
QUOTES = {"fr": "« {} »", "en": "“{}”", "es": "«{}»"}


@dataclass(frozen=True)
class Turn:
    """What the caller did, and what came of it: speeches, and texts as they arrive."""

    done: str
    speeches: list[Speech]
    texts: list[tuple[str, str, Mapping[str, Any]]]
    # Whether the caller may hang up after it: everything was told, or is written.
    told: bool = False


@dataclass(frozen=True)
class Reached:
    """How many answers and spoken seconds a call took up to somewhere."""

    answers: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.answers} answers and {self.seconds:.0f} s"

    def since(self, start: Reached) -> Reached:
        """The same, counted from somewhere else."""
        return Reached(self.answers - start.answers, self.seconds - start.seconds)


@dataclass
class Heard:
    """A call on its way to a page: its lines, and how far the voice has come (seconds)."""

    spoken: float = 0.0
    answers: int = 0
    first_offer: float | None = None
    lines: list[str] = field(default_factory=list)
    # Where the first sentence was said, if the caller began with one; where each booking was
    # made; and where the caller might have hung up.
    sentence: Reached | None = None
    booked: list[Reached] = field(default_factory=list)
    told: Reached | None = None

    @property
    def reached(self) -> Reached:
        return Reached(self.answers, self.spoken)


class Listener(recorded.Play):
    """A recording's run, kept turn by turn."""

    turns: list[Turn]

    def passed(
        self, done: str, speeches: list[Speech], texts: list[tuple[str, str, Mapping[str, Any]]]
    ) -> None:
        verb, _, rest = done.partition(" ")
        if rest.startswith("reference "):
            done = f"{verb} {self.references[int(rest.partition(' ')[2]) - 1]}"
        caller = self.caller
        assert caller is not None
        told = all_is_told(self.house.session(caller.sid))
        self.turns.append(Turn(done, speeches, texts, told))


def played(name: str, url: str) -> tuple[str, list[Turn]]:
    """The title of a recording, and its turns as the service plays them now.

    `url` is that of a migrated, empty database.
    """
    recording = recorded.read(recorded.FOLDER / f"{name}.toml")
    with recorded.opened(recording, url) as made, recorded.listening() as heard:
        listener = Listener(made, heard)
        listener.turns = []
        listener.plays(recording)
    return recording["title"], listener.turns


def heard(turns: list[Turn]) -> Heard:
    """The turns in words, each with the moment at which the voice comes to it."""
    call = Heard()
    for turn in turns:
        verb = turn.done.partition(" ")[0]
        call.answers += verb in ANSWERS
        if call.answers == 1 and verb == "says" and call.sentence is None:
            call.sentence = call.reached
        booked = any(speech.outcome is TurnOutcome.BOOKED for speech in turn.speeches)
        call.booked += [call.reached] * booked
        call.lines.append(f"**{_clock(call.spoken)}** The caller {_does(turn.done)}.")
        for speech in turn.speeches:
            _speaks(call, speech)
        for language, text in _texts(turn):
            call.lines.append(f"*A text leaves:* {_quoted(language, text)}")
        if turn.told and call.told is None:
            call.told = call.reached
    return call


def _texts(turn: Turn) -> list[tuple[str, str]]:
    """The texts that leave, each with its language.

    A text is made shorter until it has room, and signed each time: the last of them leaves.
    """
    leave: dict[str, tuple[str, str]] = {}
    about = ""
    for language, key, values in turn.texts:
        if not key.startswith(SIGN):
            about = str(values.get("reference", key))
        leave[about] = (language, load(language).text(key, values))
    return list(leave.values())


def _speaks(call: Heard, speech: Speech) -> None:
    pace = load(speech.language).pace(slow=speech.slow)
    begins, so_far = call.spoken, ""
    for language, run in groupby(speech.lines, lambda line: line.language or speech.language):
        said = _in_order([(line, _words(line, language, speech)) for line in run], language)
        named = Locale.parse(language).get_language_name("en")
        voice = "The service" if language == speech.language else f"A voice in {named}"
        call.lines.append(
            f"{voice}: {_quoted(language, _as_read(PAUSE.join(said)))}"
            f" *({seconds(PAUSE.join(said), pace):.0f} s)*"
        )
        so_far = PAUSE.join(filter(None, [so_far, *said]))
    _first_offer(call, speech, pace)
    call.spoken = begins + seconds(so_far, pace)
    if speech.outcome is TurnOutcome.ENDED:
        call.lines.append(f"**{_clock(call.spoken)}** The call is over.")


def _in_order(lines: list[tuple[Line, str]], language: str) -> list[str]:
    """The words of these lines in the order in which the telephone says them."""
    said: list[Take] = []
    for line, words in lines:
        take: Take = (load(language), None, words)
        said = before_options([take], said) if line.key == PERSON_LINE else [*said, take]
    return [words for *_, words in said]


def _first_offer(call: Heard, speech: Speech, pace: VoicePauses) -> None:
    """Note when the first offer of the call has been read, day and hour included."""
    if call.first_offer is not None:
        return
    so_far = ""
    for line in speech.lines:
        catalogue = load(line.language or speech.language)
        key = catalogue.short(line.key) if speech.slow else line.key
        for part in catalogue.parts(key, line.wording, aloud=_aloud(line, speech)):
            so_far += part.text
            if part.name:
                so_far += catalogue.spoken(part, line.values, speech.now)
            if part.name == FIRST_OFFER:
                call.first_offer = call.spoken + seconds(so_far, pace)
                return
        so_far += PAUSE


def _words(line: Line, language: str, speech: Speech) -> str:
    catalogue = load(language)
    key = catalogue.short(line.key) if speech.slow else line.key
    return catalogue.say(key, line.values, line.wording, now=speech.now, aloud=_aloud(line, speech))


def _aloud(line: Line, speech: Speech) -> bool:
    """Whether a caller who speaks is told that the answer may be said."""
    return speech.listen is not None and speech.listen.invites and not line.language


def _as_read(marked: str) -> str:
    return " ".join(marked.replace(PAUSE, " ").split())


def _quoted(language: str, text: str) -> str:
    # A star that is said is none of the page's.
    return QUOTES.get(language, "“{}”").format(text).replace("*", "\\*")


def _does(done: str) -> str:
    verb, _, rest = done.partition(" ")
    if verb == "rings":
        return f"rings from a {rest}" if rest in recorded.NUMBERS else "rings"
    if verb == "presses":
        return f"presses `{rest}`"
    return f"says « {rest} »" if verb == "says" else done


def _clock(spoken: float) -> str:
    return f"{int(spoken) // 60}:{int(spoken) % 60:02d}"


def _told(call: Heard) -> str:
    """What the call cost until it was booked, until it might have been left, and as a whole.

    The first two are what `flask calls time` measures; many callers stay on the line after that.
    """
    booked = ""
    if call.booked:
        booked = "Booked after " + ", the second person after ".join(map(str, call.booked))
        if call.sentence:
            booked += f" ({call.booked[-1].since(call.sentence)} after the sentence)"
        booked += "."
    left = f"All is told after {call.told}." if call.told else ""
    offer = f"The first offer at {call.first_offer:.0f} s." if call.first_offer else ""
    whole = f"With what this caller asks for besides, to the goodbye: {call.reached}."
    return " ".join(filter(None, [booked, left, offer, whole]))


def _page(title: str, name: str, call: Heard) -> str:
    about = (
        f"Written by `{COMMAND}` from `tests/calls/{name}.toml`, played on the service. The clock"
        " counts what is spoken (160 words a minute, and the pauses), and not the time that a"
        " caller takes to answer."
    )
    head = [f"# {title}", about, f"**{_told(call)}**"]
    return "\n\n".join([*head, *call.lines]) + "\n"


def pages(create: Callable[[], str]) -> dict[str, str]:
    """The text of each page by the name of its file; `create` makes an empty store for each."""
    made: dict[str, str] = {}
    index = []
    for page, name in CALLS.items():
        title, turns = played(name, create())
        call = heard(turns)
        made[f"{page}.md"] = _page(title, name, call)
        index.append(f"- [{title}]({page}.md). {_told(call)}")
    made["README.md"] = "\n".join(_index(index))
    return made


def _index(lines: list[str]) -> Iterator[str]:
    yield "# Calls, word for word"
    yield ""
    yield "Whole calls as they sound today, in the order of the conversation: who says what, which"
    yield f"keys, how many seconds. `{COMMAND}` writes them anew from the calls that are tested."
    yield ""
    yield from lines
    yield ""


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with empty_stores() as create:
        made = pages(create)
    for old in FOLDER.glob("*.md"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
