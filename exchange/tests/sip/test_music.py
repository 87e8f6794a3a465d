"""What is heard by who waits, made by arithmetic."""

import math

import pytest

from exchange.sip import music
from exchange.sip.parts import RATE
from exchange.tests.sip.tones import audioop


def loudness(pcm: bytes, at_s: float, for_s: float = 0.25) -> int:
    """Return the mean loudness of a stretch of it."""
    return audioop.rms(pcm[round(at_s * RATE) * 2 : round((at_s + for_s) * RATE) * 2], 2)


def share(pcm: bytes, hertz: float) -> float:
    """Return how much of a sound is at that frequency, from 0 to 1 (Goertzel)."""
    samples = memoryview(pcm).cast("h")
    swing = 2 * math.cos(math.tau * hertz / RATE)
    before = now = 0.0
    for sample in samples:
        before, now = now, sample + swing * now - before
    power = now * now + before * before - swing * now * before
    return 2 * power / (len(samples) * sum(sample * sample for sample in samples))


def test_the_music_is_half_a_minute_long_at_most_and_the_same_each_time():
    assert 20 <= music.waiting().seconds <= 30
    assert music.waiting() is music.waiting()
    assert music.waiting.__wrapped__() == music.waiting()


def test_the_music_is_quiet_and_never_stops():
    pcm = music.waiting().pcm
    stretches = [loudness(pcm, at / 4) for at in range(round(music.waiting().seconds) * 4)]
    # Between -38 and -20 dB of full scale: well below the voice, at -16.
    assert min(stretches) > 400
    assert max(stretches) < 3_300
    assert audioop.max(pcm, 2) < 6_300


def test_the_music_goes_round_without_a_gap_or_a_click():
    pcm = music.waiting().pcm
    samples = memoryview(pcm).cast("h")
    steps = [abs(one - other) for one, other in zip(samples[1:], samples[:-1], strict=True)]
    assert abs(samples[0] - samples[-1]) <= max(steps)
    twice = pcm + pcm
    middle = len(pcm) / 2 / RATE
    assert loudness(twice, middle - 0.1, 0.2) > 400


def test_a_beep_is_short_and_ends_softly():
    beep = music.beep()
    assert beep.seconds == 0.2
    assert share(beep.pcm, 880) > 0.95
    assert abs(memoryview(beep.pcm).cast("h")[-1]) < 300


def test_the_ringing_tone_is_that_of_france():
    ringback = music.ringback()
    assert ringback.seconds == 5.0
    assert share(ringback.pcm[: 3 * RATE], 440) > 0.95
    assert audioop.max(ringback.pcm[3 * RATE :], 2) == 0


@pytest.mark.parametrize(
    ("key", "low", "high"), [("1", 697, 1209), ("6", 770, 1477), ("*", 941, 1209), ("#", 941, 1477)]
)
def test_keys_sound_with_two_tones_each(key, low, high):
    sound = music.keys(key)
    assert sound.seconds == 0.2
    tones = sound.pcm[: RATE // 10 * 2]
    assert share(tones, low) > 0.4
    assert share(tones, high) > 0.4


def test_a_w_between_keys_is_a_pause():
    assert music.keys("1w2").seconds == 0.9
    assert music.keys("W").seconds == 1.0
    assert music.keys("").seconds == 0.0
    assert music.keys("x").seconds == 0.0
