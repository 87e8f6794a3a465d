"""The music of the queue is ours, goes round without a gap, and is no load for the service."""

from __future__ import annotations

import wave

import pytest

from ivr.addresses import MUSIC
from prompts.catalogue import AUDIO, FOLDER
from prompts.make_music import FILE, RATE, samples
from tests.support.house import House, house

MOST_BYTES = 400_000
SHORTEST_SECONDS = 30


@pytest.fixture(scope="module")
def frames() -> bytes:
    with wave.open(str(FILE)) as music:
        assert (music.getnchannels(), music.getframerate(), music.getsampwidth()) == (1, RATE, 1)
        return bytes(music.readframes(music.getnframes()))


@pytest.mark.long
def test_it_is_what_the_script_makes(frames: bytes):
    made = [round(127.5 + 127 * value) for value in samples()]
    assert len(made) == len(frames)
    # The last bit of a sine is another on other processors.
    assert max(abs(one - two) for one, two in zip(made, frames, strict=True)) <= 1


def test_it_lasts_longer_than_announcements_are_apart(frames: bytes):
    assert len(frames) / RATE > SHORTEST_SECONDS
    assert FILE.stat().st_size <= MOST_BYTES


def test_it_is_loud_enough_never_too_loud_and_never_silent(frames: bytes):
    assert 200 < max(frames) < 255
    assert 0 < min(frames) < 55
    for second in range(len(frames) // RATE):
        heard = frames[second * RATE : (second + 1) * RATE]
        assert max(heard) - min(heard) > 20, f"nothing is heard in second {second}"
    # From its end to its beginning it does not click.
    assert abs(frames[0] - frames[-1]) < 30


def test_it_is_where_the_telephone_looks_for_it_and_may_be_kept(database_url: str):
    assert FOLDER / AUDIO / MUSIC == FILE
    made: House
    with house(database_url) as made, made.app.test_client().get(f"/audio/{MUSIC}") as answer:
        assert answer.status_code == 200
        assert answer.data == FILE.read_bytes()
        assert answer.headers["Content-Type"] in {"audio/x-wav", "audio/wav"}
        assert "max-age=3600" in answer.headers["Cache-Control"]
        assert "public" in answer.headers["Cache-Control"]
