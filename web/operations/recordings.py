"""Recordings of sentences, for the provider to fetch: the same for every caller."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, send_from_directory

from prompts.catalogue import AUDIO, FOLDER
from web.marks import public

# A new recording of the same name is heard within the hour.
KEPT_SECONDS = 3600


def blueprint(folder: Path = FOLDER) -> Blueprint:
    """Routes below /audio: files below `audio/` of the prompts, and nothing else."""
    recordings = Blueprint("recordings", __name__, url_prefix="/audio")

    @public
    def send(language: str, name: str) -> Response:
        # One path below one folder: joined safely, so that ".." leads nowhere.
        answer = send_from_directory(folder / AUDIO, f"{language}/{name}", max_age=KEPT_SECONDS)
        answer.cache_control.public = True
        return answer

    recordings.add_url_rule("/<string:language>/<string:name>", "send", send, methods=["GET"])
    return recordings
