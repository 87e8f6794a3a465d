"""Recordings from the service, made ready for a telephone, and what folds into the voice."""

import logging
import threading

from pathlib import Path

import pytest

from exchange.sip.kept import OVERHEAD
from exchange.sip.narrow import Narrow, narrowed, spoken
from exchange.sip.parts import pcm_of
from exchange.sip.settings import FETCHED_BYTES
from exchange.sip.sounds import AGAIN_S, FRESH_S, MOST_URLS, Unplayable, decoded
from exchange.testing.sip_house import BASE, Shelf
from exchange.tests.sip.tones import audioop, decibels, riff, tone, wav
from exchange.transport import ConnectFailed, ReadTimedOut, Reply

# Half a second of 1 kHz, encoded by LAME: 16 kHz, 16 kbit/s.
MP3 = (Path(__file__).parent / "tone.mp3").read_bytes()


def recording(seconds: float = 1.0) -> Reply:
    return Reply(200, wav(tone(440, seconds=seconds)))


# Fetched


def test_a_recording_is_fetched_once_whatever_the_fragment():
    shelf = Shelf({"/music.wav": recording(2)})
    assert [shelf.plays(f"/music.wav#rc={again}") for again in range(3)] == [2.0] * 3
    assert shelf.asked == ["/music.wav"]


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(404), "status 404"),
        (Reply(302, wav(tone(440))), "status 302"),
        (ConnectFailed("caller=+33612345678"), "ConnectFailed"),
        (ReadTimedOut("caller=+33612345678"), "ReadTimedOut"),
        (Reply(200, b"<html>"), "neither WAV nor MP3"),
        (Reply(200, b"RIFF" + bytes(FETCHED_BYTES)), "10485764 bytes are too many"),
    ],
)
def test_what_cannot_be_had_is_none_and_tried_again_a_little_later(reply, why, caplog):
    shelf = Shelf({"/hello.wav?who=me": reply})
    with caplog.at_level(logging.WARNING):
        assert [shelf.plays("/hello.wav?who=me") for _ in range(3)] == [None] * 3
    assert shelf.asked == ["/hello.wav?who=me"]
    assert [record.getMessage() for record in caplog.records] == [
        f"no sound of {BASE}/hello.wav: {why}"
    ]
    shelf.recordings[f"{BASE}/hello.wav?who=me"] = recording()
    shelf.now += AGAIN_S
    assert shelf.plays("/hello.wav?who=me") == 1.0


def test_a_recording_that_was_made_anew_is_heard_after_a_while():
    shelf = Shelf({"/a.wav": recording(1)})
    assert shelf.plays("/a.wav") == 1.0
    shelf.recordings[f"{BASE}/a.wav"] = recording(2)
    shelf.now += FRESH_S - 1
    assert shelf.plays("/a.wav") == 1.0
    shelf.now += 1
    assert [shelf.plays("/a.wav"), shelf.plays("/a.wav")] == [2.0, 2.0]
    assert shelf.asked == ["/a.wav"] * 2


def test_what_is_kept_is_bounded():
    names = [f"/{number}.wav" for number in range(5)]
    shelf = Shelf(dict.fromkeys(names, recording(1)), most_bytes=3 * (8000 + OVERHEAD))
    for name in [*names, *names[2:], names[0]]:
        assert shelf.plays(name) == 1.0
    assert shelf.asked == [*names, names[0]]


def test_what_is_remembered_of_addresses_is_bounded():
    shelf = Shelf({})
    for number in range(MOST_URLS + 50):
        assert shelf.plays(f"/{number}") is None
    assert len(shelf.sounds._missing) == MOST_URLS


def test_a_recording_longer_than_ten_minutes_is_cut():
    assert len(decoded(wav(tone(440, seconds=3)), most_seconds=2)) == 16_000


def test_many_callers_wait_for_one_fetch():
    shelf = Shelf({"/a.wav": recording()})
    begun, finish = threading.Event(), threading.Event()

    def slow():
        begun.set()
        assert finish.wait(20)

    shelf.before = slow
    heard: list[float | None] = []
    arrived = threading.Semaphore(0)

    def caller():
        arrived.release()
        heard.append(shelf.plays("/a.wav"))

    callers = [threading.Thread(target=caller) for _ in range(6)]
    for one in callers:
        one.start()
    for _ in callers:
        assert arrived.acquire(timeout=20)
    assert begun.wait(20)
    finish.set()
    for one in callers:
        one.join(20)
    assert heard == [1.0] * 6
    assert shelf.asked == ["/a.wav"]


# Decoded


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000])
@pytest.mark.parametrize(
    ("kind", "bits", "make"),
    [
        (1, 8, lambda pcm: audioop.bias(audioop.lin2lin(pcm, 2, 1), 1, 128)),
        (1, 16, lambda pcm: pcm),
        (1, 24, lambda pcm: audioop.lin2lin(pcm, 2, 3)),
        (6, 8, lambda pcm: audioop.lin2alaw(pcm, 2)),
        (7, 8, lambda pcm: audioop.lin2ulaw(pcm, 2)),
    ],
)
def test_wav_files_of_every_kind_and_rate_sound_as_they_should(rate, kind, bits, make):
    ulaw = decoded(riff(kind, bits, make(tone(1000, rate)), rate))
    assert abs(len(ulaw) - 8000) <= 1
    assert abs(decibels(pcm_of(ulaw, "PCMU"))) < 0.5


def test_two_channels_are_heard_as_one():
    left = audioop.tostereo(tone(1000), 2, 1, 0)
    both = audioop.tostereo(tone(1000), 2, 1, 1)
    assert abs(decibels(pcm_of(decoded(wav(both, channels=2)), "PCMU"))) < 0.5
    assert abs(decibels(pcm_of(decoded(wav(left, channels=2)), "PCMU")) + 6) < 0.5


def test_mp3_is_decoded():
    ulaw = decoded(MP3)
    assert len(ulaw) / 8000 == pytest.approx(0.5, abs=0.1)
    # Encoded at 12,000; the file begins and ends with a little silence.
    assert abs(decibels(pcm_of(ulaw, "PCMU"), 12_000)) < 1.0


GOOD = riff(1, 16, tone(440))


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"RIFF",
        b"<html>nothing to hear</html>",
        riff(1, 16, b""),
        riff(1, 16, bytes(100), rate=0),
        riff(1, 16, bytes(100), rate=2**30),
        riff(1, 16, bytes(100), channels=0),
        riff(99, 16, bytes(100)),
        MP3[:20] + bytes(500),
        bytes(range(256)) * 40,
    ],
)
def test_what_is_no_sound_is_unplayable(broken):
    with pytest.raises(Unplayable):
        decoded(broken)


@pytest.mark.parametrize("audio", [GOOD, MP3], ids=["wav", "mp3"])
def test_a_file_that_is_cut_or_garbled_breaks_nothing(audio):
    for at in range(0, len(audio), len(audio) // 40):
        for mangled in (audio[:at], audio[:at] + b"\xff" * 8 + audio[at + 8 :]):
            try:
                assert len(decoded(mangled, 2.0)) <= 16_000
            except Unplayable:
                continue


# Brought to 8 kHz


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("hertz", [4700, 5000, 6000, 7500])
def test_what_a_telephone_cannot_carry_does_not_fold_into_the_voice(rate, hertz):
    assert decibels(narrowed(tone(hertz, rate), rate)) < -30


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("hertz", [300, 1000, 2000, 3300])
def test_what_it_can_carry_stays_as_loud(rate, hertz):
    assert abs(decibels(narrowed(tone(hertz, rate), rate))) < 1.0


def test_leaving_samples_out_would_fold():
    folded, _ = audioop.ratecv(tone(5000, 16_000), 2, 1, 16_000, 8000, None)
    assert decibels(folded) > -15


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
def test_piece_by_piece_is_the_same_as_at_once(rate):
    pcm, narrow = tone(1000, rate, 0.7), Narrow(rate)
    pieces = [narrow.feed(pcm[at : at + 998]) for at in range(0, len(pcm), 998)]
    joined, whole = b"".join(pieces) + narrow.rest(), narrowed(pcm, rate)
    assert abs(len(joined) - len(whole)) <= 2
    apart = audioop.add(joined[: len(whole) - 2], audioop.mul(whole[:-2], 2, -1), 2)
    # Rates that are no multiple begin each piece a rounding apart.
    assert audioop.max(apart, 2) <= 2


@pytest.mark.parametrize("samples", [0, 1, 2, 39, 40, 41])
def test_the_shortest_sounds_have_their_length(samples):
    assert len(narrowed(bytes(samples * 2), 16_000)) // 2 == samples // 2


def test_speech_is_rid_of_the_silence_around_it_and_never_clips():
    pcm = bytes(16_000) + tone(1000, 16_000, 1.0, loud=32_000) + bytes(32_000)
    ulaw = spoken(pcm, 16_000, gain=3.0)
    assert len(ulaw) / 8000 == pytest.approx(1.06, abs=0.03)
    assert 22_000 < audioop.max(pcm_of(ulaw, "PCMU"), 2) < 24_000
    assert spoken(bytes(16_000), 16_000) == b""
