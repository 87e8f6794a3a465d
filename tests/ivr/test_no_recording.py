"""Nothing asks the provider to record a call: neither a verb nor an option of one.

CNIL: no permanent recording; and what is not recorded cannot leak.
"""

from __future__ import annotations

import ast
import re

from pathlib import Path

from tests.support.keeper import ROOT

# <Record>, and record, recordingStatusCallback, recordingTrack, transcribe … of other verbs and of
# the REST paths, however they are spelled.
ASKS = re.compile(r"record(?!ing\b|_delivery\b|_call_status\b)|transcri", re.IGNORECASE)
# What plays a file of ours that was spoken by an actor, and what deletes at the provider what it
# keeps of a text or call.
PLAYS = {"recording", "TwilioRecords", "ProviderRecords"}


def names(source: str) -> set[str]:
    """Every name, argument and text in code, without comments and docstrings."""
    tree = ast.parse(source)
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            found.add(node.value)
        for field in ("id", "attr", "arg", "name"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                found.add(value)
    return found - PLAYS


def asking(source: str) -> list[str]:
    return sorted(name for name in names(source) if ASKS.search(name))


def test_nothing_that_the_provider_is_told_asks_for_a_recording():
    files = sorted(Path(ROOT, "ivr").glob("*.py"))
    assert len(files) > 10
    found = {file.name: asking(file.read_text("utf-8")) for file in files}
    assert {name: asked for name, asked in found.items() if asked} == {}


def test_the_look_finds_what_would_ask_for_one():
    for planted in (
        "from twilio.twiml.voice_response import Record",
        "Dial(record='record-from-answer')",
        "client.calls.create(recording_status_callback=url)",
        "form = {'Record': 'true'}",
        "Start().transcription()",
    ):
        assert asking(planted), planted
    assert asking("'''Plays a recording.'''\ndef recording(file): ...") == []
