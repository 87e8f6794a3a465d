"""What callers say, as the provider sends it: time that they need, and choices in their words."""

from __future__ import annotations

from exchange.interpreter import Gather
from tests.ivr.line import Line
from tests.support.house import House, Phone


def hears(caller: Phone) -> str:
    assert isinstance(caller.waiting, Gather)
    return str(caller.waiting.attributes["input"])


def test_a_caller_who_looks_for_glasses_is_waited_for_twenty_seconds(service: House):
    line = Line(service.app)
    document = line.presses(line.presses(line.rings(), "1"), "1")
    document = line.hear(document.action, SpeechResult="euh attendez, je mets mes lunettes")
    assert "Prenez votre temps" in document.said
    gather = document.gather
    assert gather is not None
    pauses = [int(one.attributes["length"]) for one in gather.children if one.name == "Pause"]
    assert pauses[-1] + int(gather.attributes["timeout"]) == 20
    document = line.stays_silent(document)
    assert "Je suis toujours là" in document.said
    document = line.hear(document.action, SpeechResult="le douze mars quarante-deux")
    assert "12 mars 1942" in document.said


def test_a_caller_who_asks_the_husband_may_go_on_in_words(service: House):
    caller = service.phone().goes_to("offers")
    caller.says("attendez je demande à mon mari").stays_silent().says("attendez encore un peu")
    assert hears(caller) == "dtmf speech"
    caller.says("le premier de la liste")
    assert caller.step in {"reach", "confirm"}


def test_two_births_are_asked_and_none_is_taken(service: House):
    caller = service.phone().goes_to("date_of_birth").stays_silent()
    caller.says("je suis né le trois mars mais mon mari le quatre mai quarante")
    caller.hears_text("deux dates de naissance")
    assert service.session(caller.sid).born == ""


def test_the_town_that_was_corrected_is_read_back(service: House):
    caller = service.phone().goes_to("postcode").stays_silent()
    caller.says("j'habite à Rennes même, enfin non, à Paris onzième").hears_text("Paris 11e")
