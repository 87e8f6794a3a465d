"""A process that understands speech: `python -m exchange.sip.whisper_worker MODEL`.

Asked over its standard input and answering on its output, see `piped`: a line of JSON with language
and hints, then 16-bit samples at 8 kHz; JSON with text and confidence comes back.
"""

import json
import math
import os
import signal
import sys

import faster_whisper
import numpy as np

_LENGTH = 4
# Who thinks that nobody spoke is right from here on.
_NO_SPEECH = 0.8
# Two samples of one: a low-pass of 39 taps at half the band, so that nothing false is heard above.
_AT = np.arange(-19, 20)
_TAPS = np.sinc(_AT / 2) * np.hamming(len(_AT))


def samples(pcm: bytes) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    """Return 8 kHz as the model wants it: 16 kHz, from -1 to 1."""
    narrow = np.frombuffer(pcm, np.int16).astype(np.float32) / 32768
    wide = np.zeros(2 * len(narrow), np.float32)
    wide[::2] = narrow
    return np.convolve(wide, _TAPS, "same").astype(np.float32)


def words(
    model: faster_whisper.WhisperModel, head: dict[str, str], pcm: bytes
) -> dict[str, object]:
    """Return what is said, and the mean likelihood of its words."""
    found, _ = model.transcribe(
        samples(pcm),
        language=head["language"],
        initial_prompt=head["hints"] or None,
        condition_on_previous_text=False,
        without_timestamps=True,
        beam_size=5,
    )
    spoken = [one for one in found if one.no_speech_prob < _NO_SPEECH]
    if not spoken:
        return {"text": "", "confidence": 0.0}
    likely = sum(one.avg_logprob for one in spoken) / len(spoken)
    return {"text": " ".join(one.text.strip() for one in spoken), "confidence": math.exp(likely)}


def main() -> None:
    """Answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Packets go first, and the voice.
    os.nice(10)
    # What others print must not come between the answers.
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    model = faster_whisper.WhisperModel(sys.argv[1], device="cpu", compute_type="int8")
    while len(length := asked.read(_LENGTH)) == _LENGTH:
        head, _, pcm = asked.read(int.from_bytes(length)).partition(b"\n")
        answer = json.dumps(words(model, json.loads(head), pcm)).encode()
        try:
            answers.write(len(answer).to_bytes(_LENGTH) + answer)
            answers.flush()
        except BrokenPipeError:
            break


if __name__ == "__main__":
    main()
