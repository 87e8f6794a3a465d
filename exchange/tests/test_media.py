"""How long recordings last."""

import io
import wave

import pytest

from exchange.media import Recordings, seconds
from exchange.testing.fixtures import BASE, Documents
from exchange.transport import ConnectFailed, Reply


def wav(length_s: float) -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(b"\0\0" * int(8000 * length_s))
    return written.getvalue()


# A frame's header for 64,000 bits a second, that is 8,000 bytes.
MP3 = b"\xff\xfb\x50\x00"


@pytest.mark.parametrize(
    ("audio", "length"),
    [
        (wav(30), 30.0),
        (wav(0.5), 0.5),
        (MP3 + bytes(40_000 - 4), 5.0),
        (b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128) + MP3 + bytes(8000 - 4), 1.0),
        (b"<html>", None),
        (wav(1)[:24], None),
        (b"", None),
        (b"\xff\xfb\x00\x00", None),
    ],
)
def test_the_length_of_a_recording_is_read(audio, length):
    assert seconds(audio) == length


def test_a_recording_is_fetched_once():
    service = Documents({"/music.wav": Reply(200, wav(2)), "/gone": ConnectFailed()})
    recordings = Recordings(service)
    assert [recordings.length(f"{BASE}/music.wav#rc=1") for _ in range(3)] == [2.0] * 3
    assert [recordings.length(f"{BASE}/nowhere") for _ in range(2)] == [None, None]
    # What did not answer may do so later.
    assert [recordings.length(f"{BASE}/gone") for _ in range(2)] == [None, None]
    asked = [sent.url.removeprefix(BASE) for sent in service.sent]
    assert asked == ["/music.wav", "/nowhere", "/gone", "/gone"]


def test_waiting_music_takes_its_time(house):
    here = house(
        {
            "/in": '<Enqueue waitUrl="/wait">fr</Enqueue>',
            "/wait": '<Play loop="2">/music.wav</Play><Play>/unknown.wav</Play>',
            "/music.wav": Reply(200, wav(30)),
            "/unknown.wav": Reply(404),
            "/status": "",
        }
    )
    call = here.rings()
    assert [heard.seconds for heard in call.heard] == [60.0, 3.0]
    call.silence()
    assert here.forms("/wait")[-1]["QueueTime"] == "63"
    assert len(here.sent("/music.wav")) == 1
