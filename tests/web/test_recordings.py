"""Recordings of sentences: played where there are any, and fetched by whoever plays them."""

from __future__ import annotations

import itertools

from datetime import date
from pathlib import Path

import pytest

from flask import Flask

import web.operations.recordings

from flows.speech import Line, Speech, TurnOutcome
from ivr.addresses import Addresses
from ivr.agent_documents import on_hold
from ivr.twiml import apology, crowded, elsewhere, render, told_and_over
from prompts.catalogue import FOLDER, Catalogue, languages, load, read
from prompts.check_rules import long_of, longest
from prompts.joined import words
from tests.ivr.line import read as read_document

pytestmark = pytest.mark.slow

BASE = "https://allo.example"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A language with a recording of its goodbye, and of a piece of a longer line."""
    source = FOLDER / "fr.toml"
    (tmp_path / "fr.toml").write_bytes(source.read_bytes())
    (tmp_path / "audio" / "fr").mkdir(parents=True)
    (tmp_path / "audio" / "fr" / "goodbye.mp3").write_bytes(b"ID3 sound")
    return tmp_path


@pytest.fixture
def recorded(folder: Path) -> Catalogue:
    return read(folder / "fr.toml")


def heard(catalogue: Catalogue, *lines: Line, slow: bool = False) -> list[str | float]:
    """What is heard: files, words and the seconds between them."""
    speech = Speech(lines, None, TurnOutcome.ENDED, slow=slow)
    document = read_document(render(speech, catalogue, Addresses(BASE), 3).encode())
    found: list[str | float] = []
    for verb in document.verbs:
        if verb.name == "Play":
            found.append(verb.text.removeprefix(f"{BASE}/audio/"))
        found += [piece.text or piece.pause_s for piece in verb.pieces]
    return found


def record(folder: Path, language: str, *names: str) -> Catalogue:
    """The language with these recordings."""
    if not (folder / f"{language}.toml").exists():
        (folder / f"{language}.toml").write_bytes((FOLDER / f"{language}.toml").read_bytes())
    (folder / "audio" / language).mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / "audio" / language / name).write_bytes(b"ID3 sound")
    return read(folder / f"{language}.toml")


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize(("slow", "pause"), [(False, 0.4), (True, 0.9)])
def test_every_piece_without_a_value_can_be_a_recording_and_the_rest_is_said(
    folder: Path, language: str, pause: float, *, slow: bool
):
    """Piece by piece of every line with values, with the pauses that are there without them."""
    plain = load(language)
    lines = [
        Line(key, longest([*plain.parts(key), *plain.parts(plain.short(key))]))
        for key in plain.spoken_keys
        if not long_of(key) and any(part.name for part in plain.parts(key))
    ]
    names = {
        take.name
        for line in lines
        for take in plain.takes(plain.short(line.key) if slow else line.key)
        if take.name
    }
    recorded = record(folder, language, *(f"{name}.mp3" for name in names))
    assert len(lines) > 50
    for line in lines:
        takes = recorded.takes(recorded.short(line.key) if slow else line.key)
        now = heard(recorded, line, slow=slow)
        assert [one for one in now if str(one).endswith(".mp3")] == [
            f"{language}/{take.name}.mp3" for take in takes if take.name
        ]
        for one, then in itertools.pairwise(now):
            # Between a voice and a file: the pause of a "|". A file has its own silence.
            if str(one).endswith(".mp3") != str(then).endswith(".mp3"):
                assert pause in {one, then}, (line.key, now)


def test_a_file_that_is_taken_away_leaves_the_line_to_the_voice(folder: Path):
    line = Line("date_of_birth_check", {"born": date(1942, 3, 12)})
    names = [take.name for take in load("fr").takes(line.key) if take.name]
    recorded = record(folder, "fr", f"{names[0]}.mp3", f"{names[-1]}.wav")
    with_files = heard(recorded, line)
    assert with_files[-1] == f"fr/{names[-1]}.wav"
    assert f"fr/{names[0]}.mp3" in with_files
    (folder / "audio/fr" / f"{names[-1]}.wav").unlink()
    (folder / "audio/fr" / f"{names[0]}.mp3").unlink()
    assert heard(read(folder / "fr.toml"), line) == heard(load("fr"), line)


def all_readings(language: str, *lines: Line) -> list[str]:
    """The names of all recordings that say these lines whole, with the names of their places."""
    plain = load(language)
    values = [
        plain.spoken(part, line.values)
        for line in lines
        for part in plain.parts(line.key) + plain.parts(plain.short(line.key))
        if part.name
    ]
    read_whole = [f"said.{'-'.join(words(value))}" for value in values if words(value)]
    return [*plain.script(joined=True), *plain.words_of_values(), *read_whole]


BORN = Line("date_of_birth_check", {"born": date(1942, 3, 12)})


def test_a_sentence_with_a_value_is_joined_of_recordings_word_by_word(folder: Path):
    recorded = record(folder, "fr", *(f"{name}.wav" for name in all_readings("fr")))
    # What stands before the value, the value, what stands behind it, and behind the pause.
    first, *behind = recorded.takes(BORN.key)
    before, *rest = first.files
    said = [f"fr/said.{word}.wav" for word in ("12", "mars", "1942")]
    files = [before, *said, *rest, *(take.recording for take in behind)]
    assert heard(recorded, BORN) == [file for file in files if file]


def test_one_word_that_was_not_read_leaves_the_whole_sentence_to_the_voice(folder: Path):
    names = [name for name in all_readings("fr") if name != "said.mars"]
    recorded = record(folder, "fr", *(f"{name}.wav" for name in names))
    said = heard(recorded, BORN)
    assert "12 mars 1942" in str(said[0]) or any("mars" in str(one) for one in said)
    assert not any("said." in str(one) for one in said)
    # Another date is joined all the same, by the same form of the document.
    may = Line(BORN.key, {"born": date(1942, 5, 12)})
    assert "fr/said.mai.wav" in heard(recorded, may)


def test_a_town_that_was_not_read_is_spelt_where_the_letters_were(folder: Path):
    line = Line("sentence_check_town", {"town": "Vitré"})
    recorded = record(folder, "fr", *(f"{name}.wav" for name in all_readings("fr")))
    letters = [f"fr/said.letter-{one}.wav" for one in "vitre"]
    assert [one for one in heard(recorded, line) if "letter" in str(one)] == letters
    with_name = record(folder, "fr", "said.vitre.wav")
    assert "fr/said.vitre.wav" in heard(with_name, line)


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("slow", [False, True])
def test_who_records_all_replaces_the_voice(folder: Path, language: str, *, slow: bool):
    plain = load(language)
    lines = [
        Line(key, longest([*plain.parts(key), *plain.parts(plain.short(key))]))
        for key in plain.spoken_keys
        if not long_of(key) and any(part.name for part in plain.parts(key))
    ]
    recorded = record(folder, language, *(f"{one}.wav" for one in all_readings(language, *lines)))
    for line in lines:
        files = [str(one) for one in heard(recorded, line, slow=slow)]
        assert all(one.endswith((".wav", ".mp3")) for one in files), (line.key, files)


def test_what_is_said_outside_the_conversation_is_replaced_too(folder: Path):
    keys = ("crowded", "crowded_promised", "callback_over", "agent_gone", "call_on_hold")
    recorded = record(folder, "fr", *(f"{key}.mp3" for key in keys))
    addresses = Addresses(BASE)
    for document, key in (
        (crowded(recorded, addresses, 0, may_ring=True), "crowded"),
        (told_and_over(recorded, "crowded_promised", addresses), "crowded_promised"),
        (on_hold(recorded, addresses), "call_on_hold"),
    ):
        assert f"<Play>{BASE}/audio/fr/{key}.mp3</Play>" in document
        assert "<Say" not in document


def test_while_this_service_fails_nothing_has_to_be_fetched_from_it(folder: Path):
    names = [f"{key}.mp3" for key in load("fr").keys if key.startswith("technical")]
    recorded = record(folder, "fr", *names)
    for document in (
        apology(recorded, Addresses(BASE), 3, 0),
        apology(recorded, Addresses(BASE), 0, 9),
        elsewhere(recorded, Addresses(BASE)),
    ):
        assert "<Play" not in document
        assert "<Say" in document


def test_a_recording_is_fetched_without_a_signature_and_kept_for_a_while(folder: Path):
    app = Flask("recordings")
    app.register_blueprint(web.operations.recordings.blueprint(folder))
    with app.test_client().get("/audio/fr/goodbye.mp3") as answer:
        assert answer.status_code == 200
        assert answer.data == b"ID3 sound"
        assert answer.cache_control.public
        assert answer.cache_control.max_age


@pytest.mark.parametrize(
    "path", ["/audio/fr/other.mp3", "/audio/../fr.toml", "/audio/fr/..%2F..%2Ffr.toml", "/audio/fr"]
)
def test_nothing_else_lies_there(folder: Path, path: str):
    app = Flask("recordings")
    app.register_blueprint(web.operations.recordings.blueprint(folder))
    with app.test_client().get(path) as answer:
        assert answer.status_code == 404
