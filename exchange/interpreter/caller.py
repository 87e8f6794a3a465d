"""What a caller does, what reaches the caller's ear, and what a call waits for."""

from collections.abc import Mapping
from dataclasses import dataclass

from exchange.orders import Seat
from exchange.twiml import Piece

DEFAULT_GATHER_TIMEOUT_S = 5.0
# What a caller hears where nothing else was asked for: music, which is no recording of anybody's.
HOLD_MUSIC = "(hold music)"


class HungUp(Exception):
    """The caller is gone while something is played or waited for.

    A leg may raise it wherever it is asked or told something, and a clock wherever time passes;
    the call turns it into the receiver put down.
    """


@dataclass(frozen=True)
class Keys:
    """Keys pressed one after another: digits, `*`, `#`; after the prompt, or into it."""

    digits: str
    interrupts: bool = False


@dataclass(frozen=True)
class Speech:
    """What was understood of what the caller said; confidence 0.0 to 1.0, or None when absent."""

    text: str
    confidence: float | None = 0.92


@dataclass(frozen=True)
class Silence:
    """Nothing until the time-out; in a queue, one more round of the waiting document.

    In a conference, a second more of talk.
    """


@dataclass(frozen=True)
class HangUp:
    """The caller puts the receiver down."""


Input = Keys | Speech | Silence | HangUp


@dataclass(frozen=True)
class Heard:
    """Something that reached the caller's ear, in seconds.

    Kinds: `say`, `play`, `pause`, `dial`, and `beep` for who comes or goes in a conference.

    `pieces` is what is said cut where the voice pauses or changes, for a leg that speaks. `url` is
    where a recording is, and `digits` are the keys that are played instead of one; a `play` with
    neither is music while the caller waits, for good where it lasts 0 seconds. All of it is heard
    `loop` times, 0 for ever: until an order or the caller ends it. `seconds` counts each time, and
    of ever one: where time is not real, once is what a caller needs to hear.
    """

    kind: str
    text: str
    seconds: float = 0.0
    language: str = ""
    pieces: tuple[Piece, ...] = ()
    url: str = ""
    digits: str = ""
    loop: int = 1


@dataclass(frozen=True)
class Gather:
    """A <Gather> that waits: its attributes as written, and what they mean."""

    attributes: Mapping[str, str]
    prompt: tuple[Heard, ...]
    action: str

    @property
    def inputs(self) -> frozenset[str]:
        """`dtmf`, `speech` or both."""
        return frozenset(self.attributes.get("input", "dtmf").split())

    @property
    def timeout_s(self) -> float:
        """Seconds of silence after the prompt, and between two keys."""
        value = self.attributes.get("timeout", "")
        return float(value) if value.isdecimal() else DEFAULT_GATHER_TIMEOUT_S

    @property
    def num_digits(self) -> int | None:
        """The number of keys that ends it, or None."""
        value = self.attributes.get("numDigits")
        return int(value) if value else None

    @property
    def finish_on_key(self) -> str:
        """The key that ends it, or an empty string for none."""
        return self.attributes.get("finishOnKey", "#")

    @property
    def posts_silence(self) -> bool:
        """Whether silence is sent to the action (`actionOnEmptyResult`)."""
        return self.attributes.get("actionOnEmptyResult") == "true"

    @property
    def language(self) -> str:
        """The language speech is recognised in."""
        return self.attributes.get("language", "en-US")

    @property
    def text(self) -> str:
        return " ".join(heard.text for heard in self.prompt if heard.kind == "say")

    @property
    def prompt_s(self) -> float:
        """How long the prompt lasts, in seconds."""
        return sum(heard.seconds for heard in self.prompt)

    def cut(self, digits: str) -> tuple[str, str, bool]:
        """Return the digits that count, the key that ended them, and whether they are complete."""
        collected = ""
        for key in digits:
            if key == self.finish_on_key:
                return collected, key, True
            collected += key
            if len(collected) == self.num_digits:
                return collected, "", True
        return collected, "", False


@dataclass(frozen=True)
class QueueWait:
    """The caller is in a queue and has heard one round of its waiting document."""

    queue: str
    sid: str


@dataclass(frozen=True)
class ConferenceWait:
    """The caller is in a conference; `seat` is how things stand there.

    `since_s` is for how many seconds it has been in it.
    """

    conference: str
    sid: str
    seat: Seat
    since_s: float = 0.0


Wait = Gather | QueueWait | ConferenceWait


class Look:
    """Not the caller, but an order: look into the mailbox."""


LOOK = Look()
