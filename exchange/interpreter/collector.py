"""What a live caller makes of a <Gather>: keys one by one, words, the time-out."""

from exchange.interpreter.caller import Gather, Keys, Silence, Speech

# Twilio listens to speech for so long (seconds) at most.
MAX_SPEECH_S = 60.0
# So many keys are kept of somebody who never stops; a question that counts its keys ends before.
MOST_KEYS = 128
ALL_KEYS = frozenset("0123456789*#")


class Collector:
    """One Gather from the beginning of its prompt to its end; times in seconds of any one clock.

    Whatever ends it comes back as what the caller did, for the call, once; then there is nothing
    more to tell it. Keys that come before it was made or after its end count nowhere: that is how
    Twilio has it. Nothing in here waits, and nothing is safe between threads.

    The rules, and where they come from, are the table of `exchange/tests/test_collector.py`.
    """

    def __init__(self, gather: Gather, at: float) -> None:
        self._gather = gather
        self.typed = ""
        # When the time-out is over; None while the prompt plays and nothing was pressed.
        self.deadline: float | None = None
        self._prompts, self._speaks, self._ended = True, False, False
        # Whether what the caller does stops the prompt.
        self.stops_prompt = False
        if not gather.prompt:
            self.prompt_ended(at)

    def prompt_ended(self, at: float) -> None:
        """Take note that the prompt was heard to its end, or stopped: the time-out begins."""
        self._prompts = False
        if self.deadline is None:
            self.deadline = at + self._gather.timeout_s

    def key(self, digit: str, at: float) -> Keys | Silence | None:
        """Take a key (0-9, `*`, `#`; others are none); return what ends it, or None to go on."""
        if self._ended or digit not in ALL_KEYS or "dtmf" not in self._gather.inputs:
            return None
        late = self.due(at)
        if late is not None:
            return late
        self._stop_prompt()
        if len(self.typed) < MOST_KEYS:
            self.typed += digit
        if self._gather.cut(self.typed)[2]:
            self._ended = True
            return self._keys()
        # A first key ends the listening to words.
        self._speaks = False
        self.deadline = at + self._gather.timeout_s
        return None

    def due(self, at: float) -> Keys | Silence | None:
        """Return what ends it when the time-out is over, and None before."""
        if self._ended or self.deadline is None or at < self.deadline:
            return None
        self._ended = True
        return self._keys() if self.typed else Silence()

    # Words, where there is somebody who understands them

    @property
    def listens(self) -> bool:
        """Whether words still count: the first kind of input wins."""
        return "speech" in self._gather.inputs and not self.typed and not self._ended

    def speaks(self, at: float) -> None:
        """Take note that the caller begins to say something; meanwhile there is no time-out."""
        if not self.listens or self._speaks:
            return
        self._speaks = True
        if self._gather.attributes.get("bargeIn") != "false":
            self._stop_prompt()
        self.deadline = at + MAX_SPEECH_S

    def falls_silent(self, at: float) -> None:
        """Take note that nothing was understood of what the caller said; the time-out begins."""
        if self._speaks:
            self._speaks = False
            self.deadline = None if self._prompts else at + self._gather.timeout_s

    def words(self, text: str, confidence: float | None = None) -> Speech | None:
        """Take what was understood; return what ends it, or None where it does not count."""
        if not self.listens or not text.strip():
            return None
        self._ended = True
        return Speech(text.strip(), confidence)

    def _stop_prompt(self) -> None:
        self.stops_prompt = self.stops_prompt or self._prompts
        self._prompts = False

    def _keys(self) -> Keys:
        return Keys(self.typed, interrupts=self.stops_prompt)
