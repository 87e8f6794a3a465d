"""Recordings of sentences: played where there are any, and fetched by whoever plays them."""

from __future__ import annotations

from pathlib import Path

import pytest

from flask import Flask

import web.operations.recordings

from flows.speech import Line, Listen, Speech, TurnOutcome
from ivr.twiml import Addresses, render
from prompts.catalogue import FOLDER, Catalogue, load, read
from tests.ivr.line import read as read_document

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


def said(catalogue: Catalogue, *keys: str, listen: Listen | None = None) -> list[str]:
    speech = Speech(tuple(Line(key) for key in keys), listen, TurnOutcome.ENDED)
    document = read_document(render(speech, catalogue, Addresses(BASE), 3).encode())
    verbs = document.gather.children if document.gather else document.verbs
    return [verb.name for verb in verbs]


def test_a_sentence_with_a_recording_is_played_and_the_others_are_said(recorded: Catalogue):
    assert said(recorded, "goodbye") == ["Play", "Hangup"]
    assert said(recorded, "slower", "goodbye") == ["Say", "Play", "Hangup"]
    assert said(load("fr"), "goodbye") == ["Say", "Hangup"]


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
