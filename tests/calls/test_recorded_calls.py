"""The calls of tests/calls/*.toml are played; see `recorded` for their form."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.calls import recorded


@pytest.mark.parametrize("file", recorded.recordings(), ids=lambda file: file.stem)
def test_a_recorded_call(file: Path, database_url: str, pytestconfig: pytest.Config):
    recording = recorded.read(file)
    now = recorded.played(recording, database_url)
    if pytestconfig.getoption("--update"):
        file.write_text(recorded.written(now), "utf-8")
        return
    for kept, turn in zip(recording["turn"], now["turn"], strict=True):
        assert turn == kept


def test_a_recording_is_written_as_it_is_read():
    """What `--update` writes is what the tests compare with, and nothing else changes in a file."""
    for file in recorded.recordings():
        assert recorded.written(recorded.read(file)) == file.read_text("utf-8"), file.name
