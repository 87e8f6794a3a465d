"""`flask prompts recordings check`: what a speaker must read, cut or record anew."""

from __future__ import annotations

import array
import math
import shutil
import wave

from pathlib import Path

import pytest

from click.testing import CliRunner, Result

from commands.prompts import make, readings
from prompts.catalogue import FOLDER, read

pytestmark = pytest.mark.slow

RATE = 8000
WORD = "said.lundi"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(FOLDER / "fr.toml", tmp_path)
    (tmp_path / "audio" / "fr").mkdir(parents=True)
    return tmp_path


def speak(
    folder: Path,
    name: str,
    *,
    seconds: float = 0.5,
    of_full: float = 0.1,
    before: float = 0.0,
    after: float = 0.0,
) -> None:
    """A tone in the place of a voice, with silence around it."""
    tone = [
        max(-32767, min(32767, round(32767 * of_full * math.sin(2 * math.pi * 440 * at / RATE))))
        for at in range(round(seconds * RATE))
    ]
    samples = [0] * round(before * RATE) + tone + [0] * round(after * RATE)
    with wave.open(str(folder / "audio" / "fr" / f"{name}.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(array.array("h", samples).tobytes())


def checked(folder: Path, language: str = "fr") -> Result:
    return CliRunner().invoke(make(folder), ["recordings", "check", "--language", language])


def said_of(folder: Path, name: str) -> list[str]:
    lines = checked(folder).stderr.splitlines()
    return [line.removeprefix(f"{name}: ") for line in lines if line.startswith(f"{name}: ")]


def test_what_was_not_read_is_named(folder: Path):
    speak(folder, WORD)
    answer = checked(folder)
    assert answer.exit_code == 1
    wanted = readings(read(folder / "fr.toml"))
    missing = {line.partition(":")[0] for line in answer.stderr.splitlines()}
    assert missing == wanted.keys() - {WORD}
    assert answer.stdout == f"fr: 1 of {len(wanted)} are recorded.\n"


def test_all_that_is_read_well_is_right(folder: Path):
    for name in readings(read(folder / "fr.toml")):
        speak(folder, name, seconds=0.2)
    answer = checked(folder)
    assert (answer.exit_code, answer.stderr) == (0, "")


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ({"of_full": 4.0}, "clipped"),
        ({"of_full": 0.9}, "louder than the others"),
        ({"of_full": 0.01}, "quieter than the others"),
        ({"seconds": 3.0}, "s; its words take"),
        ({"before": 0.1}, "100 ms of silence at its beginning"),
        ({"after": 0.2}, "200 ms of silence at its end"),
    ],
)
def test_what_a_caller_would_hear_of_a_bad_recording_is_said(
    folder: Path, how: dict[str, float], what: str
):
    for name in ("said.mardi", "said.jeudi", "said.vendredi"):
        speak(folder, name)
    speak(folder, WORD, **how)
    assert any(what in line for line in said_of(folder, WORD))
    assert said_of(folder, "said.mardi") == []


def test_a_file_that_is_no_sound_is_said_and_the_others_are_looked_at(folder: Path):
    speak(folder, "said.mardi", of_full=4.0)
    (folder / "audio" / "fr" / f"{WORD}.wav").write_bytes(b"no sound")
    assert "write a WAV" in said_of(folder, WORD)[0]
    assert "clipped" in said_of(folder, "said.mardi")[0]
    speak(folder, "said.jeudi", of_full=0.0)
    assert said_of(folder, "said.jeudi") == ["nothing is heard in it; record it again"]


def test_a_language_that_there_is_not_is_refused(folder: Path):
    answer = checked(folder, "de")
    assert answer.exit_code == 2
    assert "there is no de.toml" in answer.stderr


def test_a_speaker_sees_how_a_sentence_is_cut():
    lines = CliRunner().invoke(make(), ["script", "--voice"]).stdout.splitlines()
    at = lines.index("   J'ai compris cette date de naissance : le / [24 septembre 1942] / .")
    assert (
        lines[at + 1]
        == "date_of_birth_check.1.part1a.wav   J'ai compris cette date de naissance : le"
    )
    assert "said.septembre.wav   septembre" in lines
    assert "said.letter-v.wav   V" in lines
