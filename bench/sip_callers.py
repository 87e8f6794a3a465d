"""Who rings the telephones: `python -m bench.sip_callers PORT`, told what to do on its input.

`begin`: one call, which has the prompt made, and is over; the cost of a prompt that is kept.
`all are there`: a hundred calls, ten a second, until each has answered its questions. `end`: they
hang up, and what they saw is told. Each word is answered with a line of JSON.
"""

from __future__ import annotations

import asyncio
import sys
import time

from dataclasses import dataclass, field
from random import Random

from bench.helpers import tell, word
from bench.sip import A_SECOND, CALLS, KEYS, NUMBER, PROMPT, QUESTIONS
from exchange.sip.parts import pcm_of
from exchange.sip.voice import Voice
from exchange.twiml import Piece
from launcher.ports import HOST
from simulator.ring.handset import Handset, HandsetCall, NotAnswered
from simulator.ring.rtp import Traffic
from simulator.ring.script import is_loud

# Seconds from one group of keys to the next, the time of a webhook between them included.
THINKS = (1.5, 3.5)
# A key takes 200 ms.
TYPES = KEYS * 0.2
TIMES = 200


@dataclass
class SipCaller:
    """One of them, with the keys that it presses; it hears when the first sound comes."""

    sender: str
    keys: list[str]
    call: HandsetCall | None = None
    first_sound_s: float | None = None
    traffic: Traffic = field(default_factory=Traffic)

    async def rings(self, handset: Handset, chance: Random) -> None:
        """Ring, answer what is asked, and stay on the line. Raises NotAnswered."""
        self.call = await handset.call(NUMBER, sender=self.sender, began=self._begins)
        for keys in self.keys:
            await asyncio.sleep(chance.uniform(*THINKS))
            self.call.stream.press(keys)
            await asyncio.sleep(TYPES)

    def _begins(self, call: HandsetCall) -> None:
        call.stream.heard = lambda frame, timestamp: self._hears(call, frame)

    def _hears(self, call: HandsetCall, frame: bytes) -> None:
        if call.answered_at is not None and is_loud(pcm_of(frame, call.stream.law)):
            self.first_sound_s = asyncio.get_running_loop().time() - call.answered_at
            call.stream.heard = None

    async def hangs_up(self) -> None:
        if self.call is not None:
            self.traffic = self.call.stream.traffic
            await self.call.hang_up()


def cached_prompt_ms() -> float:
    """Return what it costs to have a prompt that was said before."""
    with Voice() as voice:
        pieces = [Piece(PROMPT)]
        list(voice.say(pieces, "fr-FR"))
        began = time.perf_counter()
        for _ in range(TIMES):
            list(voice.say(pieces, "fr-FR"))
        return 1000 * (time.perf_counter() - began) / TIMES


async def main(port: int) -> None:
    """Do what is told, word by word."""
    loop = asyncio.get_running_loop()
    chance = Random("a hundred callers")  # noqa: S311 - behaviour, not a secret
    callers = [
        SipCaller(
            f"+33612{number:06d}",
            ["".join(chance.choices("0123456789", k=KEYS)) for _ in range(QUESTIONS)],
        )
        for number in range(CALLS)
    ]
    async with Handset((HOST, port), "callers") as handset:
        await word()
        first = SipCaller("+33612999999", ["0000"])
        await first.rings(handset, chance)
        await first.hangs_up()
        tell(
            first_call_ms=1000 * (first.first_sound_s or 99),
            cached_prompt_ms=await loop.run_in_executor(None, cached_prompt_ms),
        )
        await word()
        rung = []
        for caller in callers:
            rung.append(loop.create_task(caller.rings(handset, Random(caller.sender))))  # noqa: S311
            await asyncio.sleep(1 / A_SECOND)
        outcomes = await asyncio.gather(*rung, return_exceptions=True)
        tell()
        await word()
        await asyncio.gather(*(caller.hangs_up() for caller in callers))
        answered = [
            caller
            for caller, outcome in zip(callers, outcomes, strict=True)
            if not isinstance(outcome, NotAnswered | OSError)
        ]
        tell(
            calls=len(answered),
            keys={caller.sender: caller.keys for caller in callers},
            gap_ms=1000 * max((caller.traffic.gap_s for caller in answered), default=99),
            lost=sum(caller.traffic.lost for caller in answered),
            first_sound_ms=1000
            * max((caller.first_sound_s or 99 for caller in answered), default=99),
        )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
