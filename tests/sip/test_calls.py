"""The service itself, rung over SIP without a network: what it says can be spoken and played."""

from __future__ import annotations

import tomllib

from collections.abc import Iterator

import pytest

from exchange.settings import Settings
from exchange.sip.reading import sentences
from exchange.testing.sip_house import Shelf, SipHouse
from exchange.transport import Reply, WsgiTransport
from tests.support import house as service_house
from tests.support.house import House, mornings
from tests.support.keeper import ROOT

PROMPTS = ROOT / "prompts"
MUSIC = PROMPTS / "audio" / "music" / "waiting.wav"


@pytest.fixture
def booking(database_url: str) -> Iterator[House]:
    with service_house.house(database_url) as made:
        for number, name in ((1, "Salle des fêtes"), (2, "Gymnase Jaurès"), (3, "Mairie annexe")):
            made.opens_centre(
                str(number), name=name, kilometres=number, starts=mornings(20), capacity=2
            )
        yield made


@pytest.fixture
def at_home(booking, monkeypatch, tmp_path) -> SipHouse:
    monkeypatch.chdir(tmp_path)
    settings = Settings(
        service_url=service_house.BASE,
        twilio_auth_token=service_house.TOKEN,
        twilio_account_sid=service_house.ACCOUNT,
    )
    return SipHouse(WsgiTransport(booking.app), settings)


def test_somebody_at_a_telephone_is_booked(booking, at_home):
    caller = at_home.rings("0612345678")
    caller.hears("Pour une personne, tapez 0").presses("1")
    caller.hears("date de naissance").presses("12031942#", every=1)
    caller.hears("12 mars 1942").presses("1")
    caller.hears("code postal").presses("75011", every=1)
    caller.hears("Paris 11e").hears("Gymnase Jaurès").presses("2")
    caller.hears("qui finit par 78").hears("jeudi 26 novembre, demain, à 10 heures").presses("1")
    caller.hears("C'est confirmé").presses("1")
    caller.hears("référence").listens()
    (row,) = booking.bookings()
    assert (row.channel, row.state) == ("phone", "confirmed")
    caller.presses("1").hears("Au revoir").waits(60)
    assert caller.made.ended_normally
    assert caller.log == ["rings", "answered", "hung up"]


def test_who_never_says_anything_is_asked_again_and_not_hung_up_on_at_once(at_home):
    caller = at_home.rings("0612345678")
    caller.waits(60)
    assert not caller.is_over
    assert len(caller.texts) > 3


def test_the_waiting_music_of_the_service_is_played_whole():
    shelf = Shelf({"/audio/music/waiting.wav": Reply(200, MUSIC.read_bytes())})
    assert shelf.plays("/audio/music/waiting.wav") == 40.0


@pytest.mark.parametrize("language", ["fr", "en"])
def test_nothing_is_in_the_prompts_that_the_voices_do_not_read(language):
    said_in = tomllib.loads((PROMPTS / f"{language}.toml").read_text("utf-8"))["say"]
    signs = {
        sign
        for wordings in said_in.values()
        for wording in wordings
        for sentence in sentences(wording.replace("{", " ").replace("}", " "), f"{language}-GB")
        for sign in sentence
    }
    assert {sign for sign in signs if not sign.isalnum()} <= set(" '_,-.:?!;")
    assert {sign for sign in signs if not sign.isascii()} <= set("àâäçéèêëîïôöùûüœÀÂÇÉÈÊÎÔŒ")
