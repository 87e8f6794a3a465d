"""A process that speaks with py-nanotts: `python -m exchange.sip.voice_worker`.

It exists because the synthesis holds the interpreter for up to 160 ms, eight packets of every call.
Asked over its standard input and answering on its output, see `piped`: voice, speed and text in
three lines, and µ-law comes back, or nothing where it cannot. Few imports: each costs every worker.
"""

import os
import signal
import sys

import py_nanotts

from exchange.sip.narrow import spoken

RATE = 16_000
# Half of what it does by itself, which clips; and what makes its voices equally loud then.
VOLUME = 0.5
GAINS = {"en-GB": 0.95, "de-DE": 1.2, "es-ES": 0.72}
_LENGTH = 4


def say(voice: str, speed: str, text: str) -> bytes:
    """Return µ-law of what is said; `speed` is a factor, or empty for the voice's own."""
    pcm = py_nanotts.NanoTTS().speak(
        text, voice=voice, speed=float(speed) if speed else None, volume=VOLUME
    )
    return spoken(pcm, RATE, GAINS.get(voice, 1.0))


def main() -> None:
    """Answer until nobody asks any more."""
    # Whoever asks ends it by closing the pipe; a Ctrl-C at the terminal reaches both.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Packets go first.
    os.nice(5)
    # The first words of all take three times as long: nobody waits for these.
    say("fr-FR", "", "Bonjour.")
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    while len(head := asked.read(_LENGTH)) == _LENGTH:
        voice, speed, text = asked.read(int.from_bytes(head)).decode().split("\n", 2)
        try:
            ulaw = say(voice, speed, text)
        except (RuntimeError, ValueError):
            # What it says of its failure may hold the text.
            ulaw = b""
        try:
            answers.write(len(ulaw).to_bytes(_LENGTH) + ulaw)
            answers.flush()
        except BrokenPipeError:
            break


if __name__ == "__main__":
    main()
