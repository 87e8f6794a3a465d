"""A speaker who is not there: the exchange's voice reads what `flask prompts script --voice` asks.

    python -m tests.support.speaker [--language fr] [NAME-OF-A-TOWN-OR-PLACE …]

Each recording goes into prompts/audio/LANGUAGE/, cut as the script says; what lies there stays.
Needs the extra for telephones (`make sip`).
"""

from __future__ import annotations

import argparse
import sys
import wave

from pathlib import Path

from commands.prompts import readings
from exchange.sip.parts import RATE, WIDTH, Sound
from exchange.sip.samples import audioop
from exchange.sip.voice import Voice
from exchange.twiml import Piece
from prompts.catalogue import AUDIO, FOLDER, load
from prompts.joined import SAID, words

# Where a sample is no louder, nothing is heard: the voice's own noise.
_NOISE = 300
# Silence (seconds) that is left at an end where nothing is joined, and where something is.
_OWN_END = 0.25
_JOINED_END = 0.03
# All are as loud as each other: the root mean square of their samples.
_LOUDNESS = 3000


def read_all(language: str, names: list[str]) -> int:
    """Write what is missing; how many recordings those were."""
    catalogue = load(language)
    wanted = readings(catalogue) | {f"{SAID}{'-'.join(words(name))}": name for name in names}
    around = catalogue.script(joined=True).keys() - catalogue.script().keys()
    folder = FOLDER / AUDIO / language
    folder.mkdir(parents=True, exist_ok=True)
    made = 0
    with Voice() as voice:
        for name, text in wanted.items():
            file = folder / f"{name}.wav"
            if not file.exists():
                sounds = voice.say([Piece(text.replace("|", " "))], catalogue.voice_language)
                pcm = b"".join(sound.pcm for sound in sounds)
                _write(file, _cut(pcm, joined=name.startswith(SAID) or name in around))
                made += 1
    return made


def _cut(pcm: bytes, *, joined: bool) -> bytes:
    """Without the silence at both ends, but for what belongs there."""
    samples = memoryview(pcm).cast("h")
    heard = [place for place, one in enumerate(samples) if abs(one) > _NOISE]
    if not heard:
        return pcm
    keep = round(_JOINED_END * RATE)
    cut = pcm[max(0, heard[0] - keep) * WIDTH : (heard[-1] + keep) * WIDTH]
    cut = audioop.mul(cut, WIDTH, _LOUDNESS / max(1, audioop.rms(cut, WIDTH)))
    return cut if joined else cut + Sound.silent(_OWN_END).pcm


def _write(file: Path, pcm: bytes) -> None:
    with wave.open(str(file), "wb") as opened:
        opened.setnchannels(1)
        opened.setsampwidth(WIDTH)
        opened.setframerate(RATE)
        opened.writeframes(pcm)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--language", default="fr")
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    sys.stdout.write(f"{read_all(asked.language, asked.names)} recordings\n")
