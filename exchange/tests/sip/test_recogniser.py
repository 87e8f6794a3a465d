"""Callers who speak: where they begin and end, and who understands them."""

import importlib.util
import logging
import random
import sys
import threading

from collections.abc import Iterable
from pathlib import Path

import pytest

from exchange.sip import listening
from exchange.sip.listening import (
    BEFORE_FRAMES,
    MOST_WAITING,
    Endpoints,
    Listener,
    NoRecogniser,
    recogniser_of,
)
from exchange.sip.whisper import Understood, Whisper
from exchange.tests.sip.tones import tone

FRAME = 320

# A process that "understands" by telling what it was asked, or goes wrong.
FAKE = """
import json, os, sys
notes, fault, model = sys.argv[1:]
asked, answers = sys.stdin.buffer, sys.stdout.buffer
first = not os.path.exists(notes)
with open(notes, "a") as file:
    file.write(model + chr(10))
while len(length := asked.read(4)) == 4:
    head, _, pcm = asked.read(int.from_bytes(length)).partition(b"\\n")
    head = json.loads(head)
    if fault == "once dies" and first:
        sys.exit(1)
    if fault == "once hangs" and first:
        asked.read()
    text = f" {head['language']} {head['hints']} {len(pcm)} "
    answer = {"text": "" if fault == "hears nothing" else text, "confidence": 1.5}
    said = b"<html>" if fault == "once talks" and first else json.dumps(answer).encode()
    answers.write(len(said).to_bytes(4) + said)
    answers.flush()
"""


def speech(seconds: float, loud: int = 6_000) -> bytes:
    return tone(300, seconds=seconds, loud=loud)


def hush(seconds: float, loud: int = 60) -> bytes:
    chance = random.Random(8)  # noqa: S311 - noise
    samples = [chance.randint(-loud, loud) for _ in range(round(8000 * seconds))]
    return b"".join(sample.to_bytes(2, sys.byteorder, signed=True) for sample in samples)


def frames(*parts: bytes) -> list[bytes]:
    pcm = b"".join(parts)
    return [pcm[at : at + FRAME] for at in range(0, len(pcm), FRAME)]


def ends_at(endpoints: Endpoints, pcm_frames: Iterable[bytes]) -> float | None:
    """Return the seconds after which a caller has ended, or None."""
    for number, frame in enumerate(pcm_frames, 1):
        if endpoints.take(frame):
            return number / 50
    return None


class Scribe(Whisper):
    """Understands whatever it is told to; `waits` holds it back."""

    def __init__(self, *answers: Understood | None, waits: bool = False) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[float, str, str]] = []
        self.begun, self.go = threading.Semaphore(0), threading.Event()
        self.closed = False
        if not waits:
            self.go.set()

    def words(self, pcm: bytes, language: str, hints: str) -> Understood | None:
        self.asked.append((len(pcm) / 16_000, language, hints))
        self.begun.release()
        assert self.go.wait(20)
        return self.answers.pop(0) if self.answers else None

    def close(self) -> None:
        self.closed = True


class Told:
    """What a call is told."""

    def __init__(self) -> None:
        self.all: list[tuple[str, float | None]] = []
        self._some = threading.Event()

    def __call__(self, text: str, confidence: float | None) -> None:
        self.all.append((text, confidence))
        self._some.set()

    def waits(self) -> list[tuple[str, float | None]]:
        assert self._some.wait(20)
        return self.all


@pytest.fixture
def listens():
    """Return a listener with a scribe."""
    opened: list[Listener] = []

    def make(scribe, **settings):
        opened.append(Listener(scribe, **settings))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


# Where a caller begins and ends


def test_a_caller_has_ended_after_a_second_of_silence():
    endpoints = Endpoints(silence_s=1.0)
    assert ends_at(endpoints, frames(hush(2), speech(1.5), hush(3))) == pytest.approx(4.5, abs=0.1)
    # A little before the beginning is kept, and the silence at the end.
    kept = len(endpoints.pcm) / 16_000
    assert kept == pytest.approx(BEFORE_FRAMES / 50 + 1.5 + 1.0, abs=0.1)


def test_a_breath_within_an_answer_does_not_end_it():
    parts = [hush(1), speech(0.5), hush(0.8), speech(0.5), hush(2)]
    assert ends_at(Endpoints(silence_s=1.0), frames(*parts)) == pytest.approx(3.8, abs=0.1)


@pytest.mark.parametrize(
    "noise",
    [
        [hush(5)],
        [hush(1), speech(0.04), hush(3)],
        [bytes(80_000)],
        [hush(10, loud=400)],
        [b"\x00\x10" * 160, bytes(80_000)],
    ],
    ids=["hush", "click", "nothing at all", "a noisy line", "a knock"],
)
def test_noise_is_no_speech(noise):
    endpoints = Endpoints()
    assert ends_at(endpoints, frames(*noise)) is None
    assert not endpoints.started


def test_a_caller_is_heard_over_a_noisy_line():
    parts = [hush(3, loud=500), speech(1, loud=9_000), hush(3, loud=500)]
    assert ends_at(Endpoints(silence_s=1.0), frames(*parts)) == pytest.approx(5.0, abs=0.2)


def test_whoever_does_not_stop_is_cut():
    endpoints = Endpoints(silence_s=1.0, most_s=5.0)
    assert ends_at(endpoints, frames(speech(60))) == pytest.approx(5.0, abs=0.5)
    assert len(endpoints.pcm) / 16_000 == pytest.approx(5.0, abs=0.1)
    assert not endpoints.take(speech(0.02))


# Listening


def test_what_was_said_is_told_once_when_it_ends(listens):
    scribe, told = Scribe(Understood("le 12 mars 1942", 0.8)), Told()
    hearing = listens(scribe).begin("fr-FR", "janvier, février", told)
    for frame in frames(hush(1), speech(1)):
        hearing.take(frame)
    assert hearing.speaking
    for frame in frames(hush(3), speech(2), hush(3)):
        hearing.take(frame)
    assert told.waits() == [("le 12 mars 1942", 0.8)]
    assert not hearing.speaking
    assert [asked[1:] for asked in scribe.asked] == [("fr-FR", "janvier, février")]


def test_what_was_not_understood_is_told_as_nothing(listens):
    told = Told()
    hearing = listens(Scribe(None)).begin("fr-FR", "", told)
    for frame in frames(speech(1), hush(2)):
        hearing.take(frame)
    assert told.waits() == [("", None)]


def test_whoever_is_listened_to_no_more_is_told_nothing(listens):
    scribe, told, other = Scribe(Understood("un", 0.9), waits=True), Told(), Told()
    listener = listens(scribe)
    first, second = listener.begin("fr", "", told), listener.begin("fr", "", other)
    for hearing in (first, second):
        for frame in frames(speech(1), hush(2)):
            hearing.take(frame)
    assert scribe.begun.acquire(timeout=20)
    first.close()
    assert not first.speaking
    scribe.go.set()
    assert other.waits() == [("", None)]
    assert told.all == []


def test_more_answers_at_once_than_can_wait_count_as_silence(listens, caplog):
    scribe = Scribe(waits=True)
    listener, all_told = listens(scribe), [Told() for _ in range(MOST_WAITING + 2)]
    with caplog.at_level(logging.WARNING):
        for number, told in enumerate(all_told):
            hearing = listener.begin("fr", "", told)
            for frame in frames(speech(1), hush(2)):
                hearing.take(frame)
            if not number:
                # The first is being understood, and waits no more.
                assert scribe.begun.acquire(timeout=20)
    assert [len(told.all) for told in all_told] == [0] * (MOST_WAITING + 1) + [1]
    assert len(caplog.records) == 1
    scribe.go.set()
    assert [told.waits() for told in all_told] == [[("", None)]] * len(all_told)


def test_closing_tells_who_waits_and_lets_go(listens):
    scribe, told = Scribe(), Told()
    listener = Listener(scribe)
    hearing = listener.begin("fr", "", told)
    for frame in frames(speech(1), hush(2)):
        hearing.take(frame)
    listener.close()
    assert told.waits() == [("", None)]
    assert scribe.closed


# The process that understands


@pytest.fixture
def whisper(tmp_path):
    opened: list[Whisper] = []

    def make(fault="", model="", **settings):
        command = [sys.executable, "-c", FAKE, str(tmp_path / "started"), fault]
        opened.append(Whisper(model, command=command, **settings))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def test_the_process_is_asked_in_the_language_with_the_hints_that_mean_something(whisper):
    heard = whisper().words(bytes(3200), "fr-FR", "$OOV_CLASS_DIGIT_SEQUENCE, un, deux")
    assert heard == Understood("fr un, deux 3200", 1.0)


def test_a_text_of_nothing_is_nothing(whisper):
    assert whisper("hears nothing").words(bytes(3200), "fr-FR", "") is None


@pytest.mark.parametrize("fault", ["once dies", "once talks", "once hangs"])
def test_a_process_that_is_lost_is_silence_and_another_one_is_there_next_time(
    whisper, fault, caplog
):
    made = whisper(fault, patience_s=3.0 if "hangs" in fault else 20.0)
    with caplog.at_level(logging.WARNING):
        assert made.words(bytes(3200), "fr-FR", "Martin") is None
    assert "Martin" not in caplog.text
    assert made.words(bytes(3200), "fr-FR", "") == Understood("fr  3200", 1.0)


def test_the_model_is_the_one_that_was_asked_for(whisper, tmp_path):
    for model in ("", "/models/mine"):
        whisper(model=model).words(bytes(320), "fr-FR", "")
    assert (tmp_path / "started").read_text().split() == ["base", "/models/mine"]


def test_a_process_that_cannot_be_started_is_silence():
    made = Whisper(command=["/nowhere/at/all"])
    assert made.words(bytes(320), "fr-FR", "") is None
    made.close()


# What the operator asks for


def test_without_the_setting_nobody_listens():
    assert recogniser_of("") is None


def test_a_recogniser_that_nobody_knows_is_named():
    with pytest.raises(NoRecogniser, match="SIP_RECOGNISER=parrot: it may be empty, or whisper"):
        recogniser_of("parrot")


def test_what_is_not_installed_is_named_with_how_to_install_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NoRecogniser) as refused:
        recogniser_of("whisper")
    assert str(refused.value) == (
        "SIP_RECOGNISER=whisper needs the package faster-whisper: "
        ".venv/bin/pip install faster-whisper"
    )


def test_what_is_installed_is_started_with_its_model(monkeypatch):
    asked: list[str] = []

    class Fake(Scribe):
        def __init__(self, model: str) -> None:
            super().__init__()
            asked.append(model)

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(listening, "Whisper", Fake)
    for setting in ("whisper", "whisper:/models/mine"):
        listener = recogniser_of(setting)
        assert listener is not None
        listener.close()
    assert asked == ["", "/models/mine"]


def test_the_room_does_not_need_what_the_recogniser_needs():
    # Only the process that understands imports it.
    room = Path(listening.__file__).parent
    importing = [
        file.name for file in room.glob("*.py") if "import faster_whisper" in file.read_text()
    ]
    assert importing == ["whisper_worker.py"]
