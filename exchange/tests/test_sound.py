"""What a leg with real sound is told of what is heard."""

from dataclasses import asdict

import pytest

from exchange.interpreter import Call, Heard
from exchange.interpreter.caller import HOLD_MUSIC
from exchange.testing.fixtures import BASE
from exchange.transport import ReadTimedOut
from exchange.twiml import Piece

ABSENT = {"url": "", "digits": "", "loop": 1}


@pytest.mark.parametrize(
    ("verb", "differs"),
    [
        ("<Say>Bonjour.</Say>", {}),
        ('<Say loop="3">Bonjour.</Say>', {"loop": 3}),
        ('<Say loop="0">Bonjour.</Say>', {"loop": 0}),
        ("<Play>/music.wav</Play>", {"url": f"{BASE}/music.wav"}),
        ("<Play>music.wav?x=1</Play>", {"url": f"{BASE}/a/music.wav?x=1"}),
        ("<Play>http://other.test/music.wav</Play>", {"url": "http://other.test/music.wav"}),
        ('<Play loop="0">/music.wav</Play>', {"url": f"{BASE}/music.wav", "loop": 0}),
        ('<Play digits="12w#"/>', {"digits": "12w#"}),
        ('<Pause length="2"/>', {}),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_a_verb_says_where_its_sound_is_and_how_often(ring, verb, differs, nested):
    document = f"<Gather>{verb}</Gather>" if nested else verb
    call = ring({"/in": "<Redirect>/a/b</Redirect>", "/a/b": document})
    told = asdict(call.heard[0])
    assert {name: told[name] for name in ABSENT} == {**ABSENT, **differs}


def test_what_is_said_is_told_once_and_lasts_as_often_as_it_is_heard(ring):
    call = ring({"/in": f'<Say loop="3">{"a" * 15}</Say>'})
    (heard,) = call.heard
    assert (heard.pieces, heard.seconds, call.duration_s) == ((Piece("a" * 15),), 3.0, 3)


@pytest.mark.parametrize(("loop", "seconds"), [(1, 8.0), (2, 16.0), (0, 8.0)])
def test_a_recording_lasts_as_often_as_it_is_played(house, monkeypatch, loop, seconds):
    here = house({"/in": f'<Play loop="{loop}">/music.wav</Play>'})
    monkeypatch.setattr(here.board, "length", {f"{BASE}/music.wav": 8.0}.get)
    assert here.rings().heard[0].seconds == seconds


def test_music_of_our_own_is_a_recording_without_an_address(house):
    here = house({"/in": "<Enqueue>fr</Enqueue>", "/status": ""})
    assert here.rings().heard == [Heard("play", HOLD_MUSIC, 3.0)]


@pytest.mark.parametrize(
    ("attribute", "music"),
    [("", None), ('waitUrl=""', ""), ('waitUrl="music.wav"', f"{BASE}/a/music.wav")],
)
def test_what_whoever_is_alone_in_a_conference_hears(house, attribute, music):
    here = house({"/a/in": f"<Dial><Conference {attribute}>entry-1</Conference></Dial>"})
    calls: list[Call] = []
    told: list[str | None] = []
    calls.append(here.call(path="/a/in", seated_by=lambda _: told.append(calls[0].music_url)))
    calls[0].dial()
    assert told == [music]


def test_a_service_that_is_silent_for_fifteen_seconds_gives_way_to_its_fallback(ring):
    table = {"/in": ReadTimedOut(), "/fall": "<Say>Pardon.</Say>"}
    call = ring(table, fallback_url=f"{BASE}/fall")
    assert (call.spoken, call.duration_s) == (["Pardon."], 16)
