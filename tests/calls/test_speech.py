"""Speech and keypad together, as the provider sends them."""

from __future__ import annotations

from sqlalchemy import select

from exchange.interpreter import Gather
from models.call.tables import turn
from tests.ivr.line import Line
from tests.support.house import House, Phone


def gather_of(caller: Phone) -> Gather:
    assert isinstance(caller.waiting, Gather)
    return caller.waiting


def test_the_provider_waits_for_whole_sentences(service: House):
    caller = service.phone().goes_to("date_of_birth").stays_silent()
    attributes = gather_of(caller).attributes
    assert attributes["input"] == "dtmf speech"
    assert int(attributes["speechTimeout"]) >= 3
    assert attributes["language"] == "fr-FR"
    assert "février" in attributes["hints"]
    assert len(attributes["hints"]) < 2000


def test_a_result_without_confidence_or_with_a_strange_one_is_taken(service: House):
    line = Line(service.app)
    document = line.rings()
    document = line.presses(document, "1")
    for strange in ("", "high", "NaN", "7", "-1"):
        document = line.hear(document.action, SpeechResult="douze mars 1942", Confidence=strange)
        assert "12 mars 1942" in document.said
        document = line.presses(document, "*")


def test_what_was_said_is_sealed_with_the_turn(service: House):
    caller = service.phone().goes_to("date_of_birth").stays_silent()
    caller.says("douze mars quarante-deux")
    with service.database.statement() as connection:
        bodies = connection.execute(select(turn.c.body_enc)).scalars().all()
    assert not [body for body in bodies if b"quarante" in body]


def test_english_is_spoken_by_an_english_voice_and_the_text_is_english(service: House):
    caller = service.phone().dials()
    assert ("en-GB", True) in {(one.language, "English" in one.text) for one in caller.heard}
    caller.presses("4").hears_text("For a person, press 0")
    caller.goes_to("reach").presses("1").goes_to("reference")
    (text,) = service.messages("sms")
    assert "Reference" in service.text_of(text)
    assert gather_of(caller).attributes["language"] == "en-GB"
