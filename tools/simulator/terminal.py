"""What a call looks like in a terminal: what is heard is printed, what is pressed is typed."""

import re
import select
import sys
import textwrap
import time

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TextIO

from exchange.interpreter import (
    Call,
    ConferenceWait,
    Gather,
    HangUp,
    Heard,
    Input,
    Keys,
    QueueWait,
    SentRequest,
    Silence,
    Speech,
)
from exchange.legs import KeysLeg, Leg

LOOK_S = 0.2
WIDTH = 100


@dataclass
class Printer:
    """Writes the call down as it goes, unless quiet."""

    out: TextIO
    quiet: bool = False

    def line(self, text: str = "") -> None:
        if not self.quiet:
            self.out.write(text + "\n")
            self.out.flush()

    def heard(self, heard: Heard) -> None:
        """Write what reaches the caller's ear."""
        match heard.kind:
            case "say":
                self.line(
                    textwrap.fill(
                        heard.text, WIDTH, initial_indent="  « ", subsequent_indent="    "
                    )
                )
            case "pause":
                self.line(f"  … ({heard.seconds:g} s)")
            case kind:
                self.line(f"  [{kind}: {heard.text}]")

    def texts(self, number: str, texts: Iterable[str]) -> None:
        """Write the texts that came to a number."""
        for text in texts:
            self.line(f"SMS to {number}:")
            self.line(textwrap.indent(text, "  | "))

    def sent(self, request: SentRequest) -> None:
        """Write a webhook's answer time."""
        status = request.status or "no answer"
        path = re.sub(r"^https?://[^/]+", "", request.url)
        self.line(f"  [{request.elapsed_ms:.0f} ms, {status}, {path.partition('?')[0]}]")
        if "QueuePosition" in request.form and "QueueResult" not in request.form:
            place, size = request.form["QueuePosition"], request.form.get("CurrentQueueSize", "?")
            self.line(f"  [in the queue: number {place} of {size}]")


@dataclass
class Reported:
    """A leg that prints what the caller does; the doing is another leg's.

    It waits in a queue for `patience_s` seconds at most, on the wall's clock, and is told of a
    person who takes the call.
    """

    leg: Leg
    printer: Printer
    patience_s: float = 0.0
    _since: float | None = None
    _met: bool = False

    def answers(self, call: Call, gather: Gather) -> Input:
        stays = bool(self.patience_s and call.queue) and not isinstance(self.leg, KeysLeg)
        # A caller who waits for a person takes no other offer meanwhile; given keys are pressed.
        action = Silence() if stays else self.leg.answers(call, gather)
        match action:
            case Keys(digits):
                self.printer.line(f"> {digits}")
            case Speech(text):
                self.printer.line(f'> "{text}"')
            case Silence():
                self.printer.line(f"> (silence, {gather.timeout_s:g} s)")
            case HangUp():
                self.printer.line("> (hangs up)")
        return action

    def waits(self, call: Call, queue: QueueWait) -> Input:
        if not self.patience_s:
            return self.leg.waits(call, queue)
        if self._since is None:
            self._since = time.monotonic()
            self.printer.line(f"(waits in the queue, {self.patience_s:g} s at most)")
        return HangUp() if time.monotonic() - self._since > self.patience_s else Silence()

    def confers(self, call: Call, wait: ConferenceWait) -> Input:
        """See `Talker`: talk until the other side ends it."""
        if wait.seat.others and not self._met:
            self._met = True
            self.printer.line("(talks with somebody)")
        return Silence()


def typed_line(prompt: str, ordered: Callable[[], bool]) -> str | None:
    """Return the line that is typed, or None as soon as `ordered()`, which is looked at meanwhile.

    Raises EOFError at the end of what is typed.
    """
    sys.stdout.write(prompt)
    sys.stdout.flush()
    while not select.select([sys.stdin], [], [], LOOK_S)[0]:
        if ordered():
            sys.stdout.write("\n")
            return None
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line


@dataclass
class TerminalLeg:
    """A person: types keys, or words after a quotation mark; Enter alone waits for the time-out.

    An order that takes the call out of a question comes in the middle of the line that is typed.
    """

    read: Callable[[str], str] | None = None
    printer: Printer = field(default_factory=lambda: Printer(sys.stdout))
    _others: int = -1

    def answers(self, call: Call, gather: Gather) -> Input:
        while True:
            typed = self._line("> ", call)
            if typed is None:
                return HangUp()
            if call.mailbox:
                return Silence()
            keys = typed.replace(" ", "")
            if not keys:
                return Silence()
            if typed.startswith('"') and "speech" in gather.inputs:
                return Speech(typed.strip('"'))
            if not set(keys) - set("0123456789*#"):
                return Keys(keys)
            self.printer.line('  (keys are 0-9, * and #; what is said starts with ")')

    def waits(self, call: Call, queue: QueueWait) -> Input:
        """See `Leg`: the waiting goes on by itself; Ctrl-C hangs up."""
        if call.shared:
            return Silence()
        typed = self._line("(in the queue; Enter waits, Ctrl-C hangs up) ", call)
        return HangUp() if typed is None else Silence()

    def confers(self, call: Call, wait: ConferenceWait) -> Input:
        """See `Talker`: talk until the other side ends it, or Ctrl-C."""
        others = wait.seat.others
        if others != self._others:
            self._others = others
            self.printer.line(
                "(you are talking with somebody; Ctrl-C hangs up)" if others else "(nobody is here)"
            )
        return Silence()

    def _line(self, prompt: str, call: Call) -> str | None:
        """Return what is typed without blanks around it, None for hanging up."""
        try:
            if self.read is not None:
                return self.read(prompt).strip()
            return (typed_line(prompt, lambda: bool(call.mailbox)) or "").strip()
        except (EOFError, KeyboardInterrupt):
            return None
