"""What callers say, as the provider sends it: time that they need, and choices in their words."""

from __future__ import annotations

from tests.ivr.line import Line
from tests.support.house import House


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


def test_the_town_that_was_corrected_is_read_back(service: House):
    caller = service.phone().goes_to("postcode").stays_silent()
    caller.says("j'habite à Rennes même, enfin non, à Paris onzième").hears_text("Paris 11e")
