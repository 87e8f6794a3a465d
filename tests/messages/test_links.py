"""Links in texts: for every real centre, no part more than without, and always where it matters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from exchange.segments import segment_count
from prompts.catalogue import languages, load
from services.messages import texts
from services.messages.sms_parts import Encoding, encoding, parts, to_gsm
from services.messages.texts import Dose, MessagePlace, Writer
from services.short_links import LinkKind, Links
from tests.messages.examples import ABOUT, HALL, NUMBER, REFERENCE, SECOND, START, UNTIL, WAS
from tests.messages.test_texts import WRITTEN_NUMBER, places

LINK = Links("https://allo.example", "secret").of_booking(REFERENCE, [START, SECOND])
LINKED = {**ABOUT, "link": LINK}
BOTH = (START, SECOND)


def confirmations(language: str) -> Iterator[tuple[MessagePlace, str]]:
    """Each with the link, of one appointment and of two."""
    writer = Writer(load(language), **LINKED)
    for where in places():
        for starts in ((START,), BOTH):
            yield where, texts.confirmation(writer, starts=starts, where=where)


def test_a_confirmation_has_its_link_and_the_number_to_ring():
    for language in languages():
        for where, text in confirmations(language):
            assert parts(text) == segment_count(text) <= 2, (where, text)
            assert encoding(text) is Encoding.GSM_7
            assert REFERENCE in text
            assert WRITTEN_NUMBER in text, text
            assert text.endswith(LINK), text


def test_a_link_costs_nobody_more_of_the_address_than_its_postcode():
    for where, text in confirmations("fr"):
        assert to_gsm(where.town or where.postcode) in text, text
        assert to_gsm(where.told) in text, text


def test_whoever_must_ring_to_learn_where_it_is_reads_so():
    hidden = [one for one in confirmations("fr") if not one[0].told]
    assert hidden
    for where, text in hidden:
        assert "(pour l'adresse, appelez-nous)" in text, where


def test_a_reminder_always_has_it():
    for language in languages():
        catalogue = load(language)
        for where in places():
            for tomorrow, which in ((False, None), (True, 2)):
                text = texts.reminder(
                    Writer(catalogue, **LINKED),
                    starts=(START,),
                    where=where,
                    tomorrow=tomorrow,
                    which=which,
                )
                assert text.endswith(LINK), text
                assert parts(text) <= 2, text


def test_other_texts_have_it_where_it_takes_no_part_more():
    one, two = Dose(1, START, HALL), Dose(2, SECOND, HALL)
    moved, gone = replace(one, was=WAS), replace(one, became="cancelled")
    for language in languages():
        catalogue = load(language)
        for make, doses in (
            (texts.moved, (moved,)),
            (texts.moved, (moved, two)),
            (texts.cancelled, (gone,)),
            (texts.restored, (replace(one, became="restored"),)),
            (texts.kept, (one,)),
        ):
            text, without = (
                make(Writer(catalogue, **about), doses=doses) for about in (LINKED, ABOUT)
            )
            assert parts(text) == parts(without), text
            assert text in {without, f"{without} {LINK}"}


def test_what_is_to_be_finished_has_its_link_and_the_number_in_one_part():
    link = Links("https://allo.example", "secret").of_code("204061", START)
    assert f"/{LinkKind.CODE}/" in link
    longest = max((where.town for where in places()), key=len)
    for language in languages():
        catalogue = load(language)
        text = texts.unfinished(catalogue, town=longest, until=UNTIL, number=NUMBER, link=link)
        for told in (text, texts.filled(catalogue, "finish", number=NUMBER, link=link)):
            assert parts(told) == 1, told
            assert link in told
            assert WRITTEN_NUMBER in told
            assert encoding(told) is Encoding.GSM_7
