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
from tests.messages.test_texts import HEALTH, WRITTEN_NUMBER, places

LINK = Links("https://allo.example", "secret").of_booking(REFERENCE, [START, SECOND])
LINKED = {**ABOUT, "link": LINK}
BOTH = (START, SECOND)


def confirmations(language: str, **more: object) -> Iterator[tuple[MessagePlace, str, str]]:
    """Each with and without the link, of one appointment and of two."""
    catalogue = load(language)
    for where in places():
        for starts in ((START,), BOTH):
            given = {"starts": starts, "where": where, **more}
            yield (
                where,
                texts.confirmation(Writer(catalogue, **LINKED), **given),  # type: ignore[arg-type]
                texts.confirmation(Writer(catalogue, **ABOUT), **given),  # type: ignore[arg-type]
            )


def test_a_confirmation_stays_one_part_and_the_common_one_has_its_link():
    told = {language: list(confirmations(language)) for language in languages()}
    for where, text, _ in (one for each in told.values() for one in each):
        assert parts(text) == segment_count(text) == 1, (where, text)
        assert encoding(text) is Encoding.GSM_7
        assert REFERENCE in text
        # The page behind the link tells the number, and the other texts do.
        assert WRITTEN_NUMBER in text or LINK in text
        assert not HEALTH.search(text.replace(LINK, "")), text
    for each in told.values():
        alone, both = each[::2], each[1::2]
        assert sum(LINK in text for _, text, _ in alone) > 0.98 * len(alone)
        assert sum(LINK in text for _, text, _ in both) > 0.74 * len(both)
        # One appointment nearly always leaves room for the number, too.
        assert sum(WRITTEN_NUMBER in text for _, text, _ in alone) > 0.88 * len(alone)
    assert sum(LINK in text for _, text, _ in told["fr"][1::2]) > 0.85 * len(places())


def test_a_link_costs_nobody_more_of_the_address_than_its_postcode():
    for where, text, without in confirmations("fr"):
        if LINK in text:
            assert to_gsm(where.town or where.postcode) in text, text
            assert to_gsm(where.told) in text, text
        else:
            assert text == without


def test_whoever_must_ring_to_learn_where_it_is_has_the_number():
    hidden = [one for one in confirmations("fr") if not one[0].told]
    assert hidden
    for where, text, _ in hidden:
        assert "(pour l'adresse, appelez-nous)" in text
        assert WRITTEN_NUMBER in text, (where, text)


def test_a_reminder_and_what_was_asked_for_on_a_page_always_have_it():
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
        for _, text, _ in confirmations(language, asked=True):
            assert LINK in text
            assert parts(text) <= 2
            assert WRITTEN_NUMBER in text


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
