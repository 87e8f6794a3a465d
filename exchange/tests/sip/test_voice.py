"""Who speaks on a line, and what happens where nobody can."""

import importlib.util
import logging
import shutil
import sys
import threading

from pathlib import Path
from typing import Any

import pytest

from exchange.sip import voice as voices
from exchange.sip.kept import OVERHEAD, Kept
from exchange.sip.parts import WIDTH, Sound
from exchange.sip.piped import Lost, Piped
from exchange.sip.reading import sentences, voice_of
from exchange.sip.voice import AFTER_SENTENCE_S, Voice
from exchange.tests.sip.tones import audioop, tone, wav
from exchange.twiml import Piece

ZERO = "Pour parler à une personne, tapez 0."

# A worker that notes what it is asked, and answers a second of sound. Its first argument is the
# file of its notes; a second names how it goes wrong, once ("once …") or each time.
FAKE = """
import os, sys, time
notes, fault = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
asked, answers = sys.stdin.buffer, sys.stdout.buffer
while len(head := asked.read(4)) == 4:
    question = asked.read(int.from_bytes(head)).decode()
    before = os.path.getsize(notes) if os.path.exists(notes) else 0
    with open(notes, "a", encoding="utf-8") as file:
        file.write(question.replace("\\n", "|") + "\\n")
    wrong = fault.removeprefix("once ") if before == 0 or not fault.startswith("once ") else ""
    if wrong == "dies":
        sys.exit(1)
    if wrong == "hangs":
        asked.read()
    if wrong == "talks":
        answers.write(b"Traceback (most recent call last):")
        answers.flush()
        continue
    sound = b"" if wrong == "cannot" else b"\\x80" * 8000
    answers.write(len(sound).to_bytes(4) + sound)
    answers.flush()
"""


class Cabin:
    """Voices with a fake worker, and what that was asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.notes = folder / "asked"
        self._folder, self._monkeypatch = folder, monkeypatch
        self._opened: list[Voice] = []
        self.now = 1000.0

    def voice(self, fault: str = "", *, espeak: str = "", **settings: Any) -> Voice:
        """Return one that speaks; `fault` is how its workers go wrong."""
        self._monkeypatch.setattr(shutil, "which", lambda name: espeak or None)
        command = [sys.executable, "-c", FAKE, str(self.notes), fault]
        settings.setdefault("patience_s", 20.0)
        made = Voice(command=command, now=lambda: self.now, **settings)
        self._opened.append(made)
        return made

    def espeak(self, hertz: int = 8000) -> str:
        """Return a program that says a second of something as espeak-ng does."""
        words, program = self._folder / "said.wav", self._folder / "espeak-ng"
        words.write_bytes(wav(tone(500, hertz), hertz))
        program.write_text(f"#!/bin/sh\ncat > /dev/null\ncat {words}\n")
        program.chmod(0o755)
        return str(program)

    @property
    def asked(self) -> list[tuple[str, ...]]:
        """What the workers were asked: voice, speed and text."""
        if not self.notes.exists():
            return []
        return [tuple(line.split("|")) for line in self.notes.read_text("utf-8").splitlines()]

    def close(self) -> None:
        for one in self._opened:
            one.close()


@pytest.fixture
def cabin(tmp_path, monkeypatch):
    made = Cabin(tmp_path, monkeypatch)
    yield made
    made.close()


@pytest.fixture(scope="module")
def pico():
    """The real voice."""
    with Voice("nanotts") as made:
        yield made


def said(voice: Voice, *pieces: Piece | str, language: str = "fr-FR") -> Sound:
    """Return all that is heard, as one."""
    all_pieces = [Piece(piece) if isinstance(piece, str) else piece for piece in pieces]
    return Sound(b"".join(sound.ulaw for sound in voice.say(all_pieces, language)))


# What is kept


def test_a_sentence_is_made_once_and_kept_for_all_prompts(cabin):
    voice = cabin.voice()
    said(voice, f"Bonjour. {ZERO}")
    said(voice, f"Que voulez-vous ? {ZERO}")
    assert [text for *_, text in cabin.asked] == ["Bonjour.", ZERO, "Que voulez-vous ?"]


def test_the_same_words_in_another_language_or_at_another_rate_are_another_sound(cabin):
    voice = cabin.voice()
    for piece in (Piece("Taxi."), Piece("Taxi.", language="en-GB"), Piece("Taxi.", rate=2)):
        said(voice, piece)
        said(voice, piece)
    assert cabin.asked == [
        ("fr-FR", "0.85", "Taxi."),
        ("en-GB", "", "Taxi."),
        ("fr-FR", "1.7", "Taxi."),
    ]


def test_what_is_kept_is_bounded_and_the_oldest_goes_first(cabin):
    voice = cabin.voice(most_bytes=3 * (OVERHEAD + 11_000))
    for text in ("Un.", "Deux.", "Trois.", "Un.", "Quatre.", "Un.", "Deux."):
        said(voice, text)
        assert voice._kept._bytes <= 3 * (OVERHEAD + 11_000)
    assert [text for *_, text in cabin.asked] == ["Un.", "Deux.", "Trois.", "Quatre.", "Deux."]


def test_one_thread_makes_a_sound_while_others_wait_for_it():
    kept: Kept[str] = Kept(1000)
    arrived, begun, finish = threading.Semaphore(0), threading.Event(), threading.Event()
    made, got = [], []

    def make():
        made.append("sound")
        begun.set()
        assert finish.wait(20)
        return b"sound"

    def caller():
        arrived.release()
        got.append(kept.get("text", make))

    callers = [threading.Thread(target=caller) for _ in range(8)]
    for one in callers:
        one.start()
    for _ in callers:
        assert arrived.acquire(timeout=20)
    assert begun.wait(20)
    finish.set()
    for one in callers:
        one.join(20)
    assert made == ["sound"]
    assert got == [b"sound"] * 8


def test_what_could_not_be_made_is_made_by_who_asks_next():
    kept: Kept[str] = Kept(1000)
    with pytest.raises(ZeroDivisionError):
        kept.get("text", lambda: bytes(1 // 0))
    assert kept.get("text", lambda: None) is None
    assert kept.get("text", lambda: b"sound") == b"sound"


# Workers


@pytest.mark.parametrize("fault", ["once dies", "once hangs", "once talks"])
def test_a_worker_that_is_lost_is_replaced_and_asked_again(cabin, fault):
    voice = cabin.voice(fault, patience_s=3.0 if "hangs" in fault else 20.0)
    assert said(voice, "Bonjour.").seconds == 1 + AFTER_SENTENCE_S
    assert [text for *_, text in cabin.asked] == ["Bonjour.", "Bonjour."]
    assert len(voice._idle) == 1


def test_after_two_losses_espeak_speaks_and_workers_rest_for_a_while(cabin):
    voice = cabin.voice("dies", espeak=cabin.espeak())
    assert said(voice, "Bonjour.").seconds == pytest.approx(1 + AFTER_SENTENCE_S, abs=0.01)
    assert len(cabin.asked) == 2
    said(voice, "Au revoir.")
    assert len(cabin.asked) == 2
    cabin.now += voices.RESTS_S
    said(voice, "Merci.")
    assert len(cabin.asked) == 4


def test_a_text_that_the_synthesis_cannot_say_is_said_by_espeak(cabin):
    voice = cabin.voice("cannot", espeak=cabin.espeak(hertz=22_050))
    assert said(voice, "Bonjour.").seconds == pytest.approx(1 + AFTER_SENTENCE_S, abs=0.01)
    assert len(cabin.asked) == 1


def test_where_nobody_speaks_it_is_silent_for_as_long_and_the_log_says_so_once(cabin, caplog):
    voice = cabin.voice("cannot")
    with caplog.at_level(logging.WARNING):
        heard = said(voice, "Née le 12 mars 1942.", "Merci de votre appel.")
    assert set(heard.ulaw) == {0xFF}
    assert heard.seconds == pytest.approx(41 / 15 / 0.85, abs=0.01)
    assert [record.getMessage() for record in caplog.records] == [
        "voice: nobody speaks: prompts are silent"
    ]


def test_without_the_package_espeak_speaks_from_the_beginning(cabin, monkeypatch, caplog):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    program = cabin.espeak()
    monkeypatch.setattr(shutil, "which", lambda name: program)
    with caplog.at_level(logging.WARNING), Voice() as voice:
        assert said(voice, "Bonjour.").seconds > 1
        said(voice, "Au revoir.")
        assert not voice._idle
    assert [record.getMessage() for record in caplog.records] == [
        "voice: py-nanotts is not installed",
        "voice: espeak-ng speaks",
    ]


def test_a_voice_that_is_off_is_silent_and_starts_nothing(cabin):
    voice = cabin.voice(kind="off", espeak=cabin.espeak())
    voice.start()
    assert set(said(voice, "Bonjour.").ulaw) == {0xFF}
    assert not cabin.asked


def test_no_more_workers_are_started_than_may_speak_at_once(cabin):
    voice = cabin.voice(workers=2)
    threads = [
        threading.Thread(target=said, args=(voice, f"Numéro {number}.")) for number in range(20)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join(20)
    assert len(cabin.asked) == 20
    assert 1 <= len(voice._idle) <= 2


def test_closing_ends_the_workers_and_what_is_said_afterwards_is_silent(cabin):
    voice = cabin.voice()
    voice.start()
    said(voice, "Bonjour.")
    (worker,) = voice._idle
    voice.close()
    assert not Path(f"/proc/{worker.pid}").exists()
    assert set(said(voice, "Au revoir.").ulaw) == {0xFF}
    assert len(cabin.asked) == 1


def test_a_worker_leaves_when_nobody_is_there_to_ask_it(tmp_path):
    worker = Piped([sys.executable, "-c", FAKE, str(tmp_path / "asked")])
    worker.ask(b"fr-FR\n\nBonjour.", 20)
    worker._in.close()
    assert worker._process.wait(20) == 0
    with pytest.raises(Lost):
        worker.ask(b"fr-FR\n\nBonjour.", 20)
    worker.close()


def test_a_command_that_is_not_there_is_a_lost_worker():
    with pytest.raises(Lost):
        Piped(["/nowhere/at/all"])


# Pieces


def test_pauses_are_silence_and_bounded(cabin):
    sounds = list(cabin.voice().say([Piece(pause_s=0.5), Piece("Oui."), Piece(pause_s=99)], "fr"))
    assert [sound.seconds for sound in sounds] == [0.5, 1.3, 10.0]
    assert set(sounds[0].ulaw) == {0xFF}


@pytest.mark.parametrize(("rate", "speed"), [(0.5, "0.5"), (0.01, "0.2"), (40, "5.0"), (1, "")])
def test_the_rate_is_the_speed_of_the_voice_within_its_bounds(cabin, rate, speed):
    said(cabin.voice(), Piece("Yes.", rate=rate), language="en-US")
    assert cabin.asked == [("en-US", speed, "Yes.")]


@pytest.mark.parametrize(
    ("language", "voice"),
    [
        ("fr-FR", "fr-FR"),
        ("fr-CA", "fr-FR"),
        ("en-GB", "en-GB"),
        ("en-AU", "en-GB"),
        ("en-US", "en-US"),
        ("en", "en-US"),
        ("de-AT", "de-DE"),
        ("ar-AE", "fr-FR"),
        ("", "fr-FR"),
    ],
)
def test_every_language_has_a_voice(language, voice):
    assert voice_of(language) == voice


def test_a_piece_in_another_language_is_said_by_its_own_voice(cabin):
    said(cabin.voice(), "Bonjour.", Piece("For English, press 9.", language="en-GB"))
    assert [voice for voice, *_ in cabin.asked] == ["fr-FR", "en-GB"]


# Reading


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Bonjour. Ici Allô Rendez-vous, oui !", ["Bonjour.", "Ici Allô Rendez-vous, oui !"]),
        ("Madame Leroy et M. Martin.", ["Madame Leroy et M. Martin."]),
        ("At 2.5 km, 9 a.m. or later.", ["At 2.5 km, 9 a.m. or later."]),
        ("l’heure\u202f: «\u00a0oui\u00a0» – non…", ["l'heure : oui, non."]),
        ("Tapez 1 - ou 2", ["Tapez 1, ou 2"]),
        ("Le 16 h, ou 9h. Et 16h30 ?", ["Le 16 heures, ou 9 heures.", "Et 16h30 ?"]),
        ("St-Malo, Ste-Anne et St Brieuc", ["Saint-Malo, Sainte-Anne et Saint-Brieuc"]),
        ("12 bd Foch, 3 av. Jean, n°4", ["12 boulevard Foch, 3 avenue Jean, numéro 4"]),
        ("CHU DE RENNES, RUE DE L'ÉTÉ", ["CHU de RENNES, rue de L'été"]),
        ("Oui 😀\u200d\x07 <b>&</b>\u00ad !", ["Oui b & /b !"]),
        ("e\u0301te\u0301", ["été"]),
        ("😀 … —", []),
        ("", []),
    ],
)
def test_french_is_made_readable(text, read):
    assert list(sentences(text, "fr-FR")) == read


def test_a_long_sentence_is_cut_where_it_breathes():
    breaths = sentences(("Un très long passage, " * 40) + "voilà.", "fr-FR")
    assert all(len(breath) <= 240 and breath[-1] in ",." for breath in breaths)
    assert " ".join(breaths).count("passage") == 40
    assert all(len(breath) <= 240 for breath in sentences("x" * 4000, "fr-FR"))


# The real voice


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("À 16h30.", "À 16 heures 30."),
        ("À 9h05.", "À 9 heures 5."),
        ("À 16 h.", "À 16 heures."),
        ("À vol d’oiseau.", "À vol d'oiseau."),
        ("À 12 km.", "À 12 kilomètres."),
        ("«\u00a0Oui\u00a0»", "Oui"),
        ("Mme Leroy.", "madame Leroy."),
        ("St-Malo.", "Saint-Malo."),
        ("Oui 😀", "Oui"),
    ],
)
def test_two_ways_to_write_it_sound_the_same(pico, written, spoken):
    assert said(pico, written) == said(pico, spoken)


def test_digits_apart_are_said_one_by_one(pico):
    assert said(pico, "3 5 4 0 0.").seconds > said(pico, "35400.").seconds
    assert said(pico, "45, 21.").seconds > said(pico, "4521.").seconds


def test_a_rate_of_one_half_takes_about_twice_as_long(pico):
    quick, slow = said(pico, ZERO), said(pico, Piece(ZERO, rate=0.5))
    assert 1.5 < slow.seconds / quick.seconds < 2.5


@pytest.mark.parametrize(
    ("language", "text"), [("fr-FR", ZERO), ("en-GB", "Press 0."), ("en-US", "Press 0.")]
)
def test_voices_are_equally_loud_and_never_clip(pico, language, text):
    pcm = said(pico, text, language=language).pcm
    frames = [audioop.rms(pcm[at : at + 320], WIDTH) for at in range(0, len(pcm), 320)]
    loud = [loudness for loudness in frames if loudness > 200]
    mean = (sum(loudness**2 for loudness in loud) / len(loud)) ** 0.5
    # From -19 to -13 dB of full scale.
    assert 3_700 < mean < 7_400
    assert audioop.max(pcm, WIDTH) < 23_800


def test_the_same_text_sounds_the_same_whatever_was_said_before(pico):
    texts = [
        ("en-GB", "Hello."),
        ("fr-FR", ZERO),
        ("en-US", "Hello there."),
        ("en-GB", "Bye, now."),
    ]
    with Voice("nanotts", most_bytes=0) as other:
        first = {text: said(other, text[1], language=text[0]) for text in texts}
        for text in texts * 3:
            assert said(other, text[1], language=text[0]) == first[text]


def test_texts_that_no_prompt_has_are_said_or_silent_and_nothing_breaks(pico):
    odd = [
        "<speed level='9'>",
        "日本語",
        "A" * 3000,
        "\x00",
        "¿" * 50,
        "1" * 200,
        "&#0;",
        "a\nb\nc",
    ]
    for text in odd:
        assert said(pico, text).seconds < 400
    assert said(pico, "Toujours là.").seconds > 0.5
