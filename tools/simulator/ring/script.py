"""A caller who goes by the ear: presses the next keys when the voice has fallen silent.

It knows nothing of what is said. A prompt has ended when there is nothing to be heard for a while
after something was; then a person would press.
"""

from __future__ import annotations

import asyncio
import contextlib

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from exchange.sip import music
from exchange.sip.parts import FRAME, FRAME_S, RATE, WIDTH, Law, Sound, pcm_of
from exchange.sip.samples import audioop
from tools.simulator.ring.handset import Handset, HandsetCall
from tools.simulator.ring.rtp import Traffic

# Seconds of sound before anything counts as speech, that a click is no prompt.
SPEECH_S: Final = 0.2
# Of 32,768; speech has thousands, the noise of G.711 less than a hundred.
LOUD: Final = 250
# Two clocks may differ by so much before a stream is taken to have begun anew.
ASTRAY: Final = RATE


def is_loud(pcm: bytes) -> bool:
    """Return whether 16-bit samples hold more than the noise of a line."""
    return audioop.rms(pcm, WIDTH) > LOUD


@dataclass
class Listening:
    """Notices the end of what is said: `quiet_s` of silence after speech. Takes 20 ms at a time."""

    quiet_s: float
    _loud: int = 0
    _quiet: int = 0

    def hears(self, pcm: bytes) -> bool:
        """Take 16-bit samples in; return True once for each prompt, when it has ended."""
        if is_loud(pcm):
            self._loud += 1
            self._quiet = 0
            return False
        self._quiet += 1
        if self.spoken and self._quiet * FRAME_S >= self.quiet_s:
            self._loud = self._quiet = 0
            return True
        return False

    @property
    def spoken(self) -> bool:
        """Whether a prompt has begun."""
        return self._loud * FRAME_S >= SPEECH_S

    def begins_anew(self) -> None:
        """Forget what was heard: the next prompt begins."""
        self._loud = self._quiet = 0


class Recording:
    """Both sides of a call as µ-law on one line of time, from the answer on; bounded.

    What they say is laid by its timestamps, so that a late packet is where it belongs.
    """

    def __init__(self, longest_s: float) -> None:
        self._most = round(longest_s * RATE)
        self._ours = bytearray()
        self._theirs = bytearray()
        self._anchor: int | None = None

    @property
    def ours(self) -> Sound:
        """What the caller said and pressed, as long as the other side."""
        return Sound(bytes(self._ours.ljust(self.samples, b"\xff")))

    @property
    def theirs(self) -> Sound:
        """What the service said, as long as the other side."""
        return Sound(bytes(self._theirs.ljust(self.samples, b"\xff")))

    @property
    def samples(self) -> int:
        """How long it is."""
        return max(len(self._ours), len(self._theirs))

    def says(self, at_s: float, sound: Sound) -> None:
        """Lay what the caller says at so many seconds after the answer."""
        self._lay(self._ours, round(at_s * RATE), sound.ulaw)

    def hears(self, at_s: float, timestamp: int, sound: Sound) -> None:
        """Lay a packet that came at `at_s`, where its timestamp belongs."""
        at = round(at_s * RATE)
        place = at if self._anchor is None else _signed(timestamp - self._anchor)
        if self._anchor is None or abs(place - at) > ASTRAY:
            place = at
            self._anchor = timestamp - at
        self._lay(self._theirs, place, sound.ulaw)

    def _lay(self, into: bytearray, at: int, sound: bytes) -> None:
        end = min(at + len(sound), self._most)
        if not 0 <= at < end:
            return
        if len(into) < end:
            into.extend(b"\xff" * (end - len(into)))
        into[at:end] = sound[: end - at]


@dataclass(frozen=True)
class Group:
    """Keys that are pressed in one go; none let a prompt pass.

    At its end, or so many seconds after it began: for a caller who knows what comes.
    """

    keys: str
    after_s: float | None = None

    def __str__(self) -> str:
        return self.keys if self.after_s is None else f"{self.keys}@{self.after_s:g}"


@dataclass
class Rung:
    """What came of a call. Seconds count from the answer.

    `keys` are those that were pressed and when; `prompts` how often the voice fell silent; `ended`
    as `HandsetCall.how` has it, or `time was up`.
    """

    recording: Recording
    traffic: Traffic
    keys: list[tuple[float, str]] = field(default_factory=list)
    prompts: int = 0
    answered_after_s: float = 0.0
    first_sound_s: float | None = None
    seconds: float = 0.0
    ended: str = ""
    left_over: tuple[Group, ...] = ()

    @property
    def pressed(self) -> str:
        """All keys, in order."""
        return "".join(key for _, key in self.keys)


class Caller:
    """Rings once and plays a script: a group of keys for each prompt.

    When the groups are used up it listens on until the other side ends the call; if it `leaves`, it
    hangs up itself at the end of the next prompt. After `longest_s` it does in any case. `told` is
    called with a line for people. `answered`: how many documents the service has answered in this
    call; where it is known, what still sounds of the prompt before is not taken for the next one.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        *,
        quiet_s: float,
        longest_s: float,
        leaves: bool = False,
        told: Callable[[str], None] | None = None,
        answered: Callable[[], int] | None = None,
    ) -> None:
        self._answered, self._given = answered, 0
        self._left = list(groups)
        self._listening = Listening(quiet_s)
        self._longest_s = longest_s
        self._leaves = leaves
        self._done = asyncio.Event()
        self._began_s: float | None = None
        self._told = told
        self._call: HandsetCall | None = None
        self._rung = Rung(Recording(longest_s), Traffic())

    async def rings(self, handset: Handset, to: str) -> Rung:
        """Make the call, to its end. Raises NotAnswered."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        call = await handset.call(to, began=self._begins)
        answered = call.answered_at or loop.time()
        self._rung.answered_after_s = answered - asked
        self._says(f"answered after {1000 * self._rung.answered_after_s:.0f} ms")
        over = [loop.create_task(event.wait()) for event in (call.ended, self._done)]
        try:
            done, _ = await asyncio.wait(
                over, timeout=self._longest_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for task in over:
                task.cancel()
            await call.hang_up()
        if not done:
            call.how = "time was up"
        self._rung.seconds = loop.time() - answered
        self._rung.ended = call.how
        self._rung.traffic = call.stream.traffic
        self._rung.left_over = tuple(self._left)
        return self._rung

    def _begins(self, call: HandsetCall) -> None:
        self._call = call
        call.stream.heard = self._hears
        call.stream.pressed = self._presses

    @property
    def _now_s(self) -> float:
        """Seconds since the answer."""
        call = self._call
        if call is None or call.answered_at is None:
            return 0.0
        return asyncio.get_running_loop().time() - call.answered_at

    def _hears(self, frame: bytes, timestamp: int) -> None:
        call = self._call
        if call is None or len(frame) != FRAME:
            return
        law: Law = call.stream.law
        pcm = pcm_of(frame, law)
        self._rung.recording.hears(self._now_s, timestamp, Sound.of_pcm(pcm))
        if self._rung.first_sound_s is None and is_loud(pcm):
            self._rung.first_sound_s = self._now_s
        if self._answered is not None and self._answered() <= self._given:
            return
        ended = self._listening.hears(pcm)
        if not self._listening.spoken:
            self._began_s = None
        elif self._began_s is None:
            self._began_s = self._now_s
        if ended:
            self._rung.prompts += 1
        if ended or self._is_early():
            self._answers()

    def _is_early(self) -> bool:
        """Whether the next keys do not wait for the end of the prompt, and are due."""
        after_s = self._left[0].after_s if self._left else None
        if after_s is None or self._began_s is None:
            return False
        return self._now_s - self._began_s + SPEECH_S >= after_s

    def _answers(self) -> None:
        call = self._call
        if call is None:
            return
        if not self._left:
            if self._leaves:
                self._done.set()
            return
        group = self._left.pop(0)
        self._given += 1
        doing = f"presses {group.keys}" if group.keys else "lets it pass"
        self._says(f"{self._now_s:6.1f} s  {doing}")
        # What comes from now on is the next prompt.
        self._listening.begins_anew()
        if group.keys:
            call.stream.press(group.keys)

    def _presses(self, digit: str) -> None:
        # A key stops what is said.
        self._listening.begins_anew()
        at = self._now_s
        self._rung.keys.append((at, digit))
        self._rung.recording.says(at, music.keys(digit))

    def _says(self, line: str) -> None:
        if self._told is not None:
            with contextlib.suppress(BrokenPipeError):
                self._told(line)


def _signed(difference: int) -> int:
    """Return a difference of two timestamps of 32 bits, which may have gone round."""
    return (difference + 0x80000000) % 0x100000000 - 0x80000000
