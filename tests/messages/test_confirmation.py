"""The confirmation by text: one part, whatever the centre is called, and nothing about health."""

from __future__ import annotations

import gzip
import json
import re

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.segments import segment_count
from jobs.feeds import CENTRES_EXTRACT, read_centres
from prompts.catalogue import load
from services.centres.import_centres import CentreRecord
from services.messages import texts
from services.messages.discreet_place import discreet, says_health
from services.messages.sms_parts import ONE_PART, septets, to_gsm
from services.messages.texts import MessagePlace, Writer

PARIS = ZoneInfo("Europe/Paris")
REFERENCE = "4521738908"
NUMBER = "+33974750001"
# The longest day and month of the year in letters, and the shortest.
STARTS = (
    datetime(2026, 9, 30, 10, 45, tzinfo=PARIS),
    datetime(2027, 5, 1, 9, 0, tzinfo=PARIS),
)
# One appointment, or a first and a second one three or four weeks later.
APPOINTMENTS = (
    *((start,) for start in STARTS),
    *((start, start + timedelta(days=days, hours=2)) for start in STARTS for days in (21, 28)),
)
PAIRS = tuple(starts for starts in APPOINTMENTS if len(starts) > 1)
WAY = (
    r"(rue|avenue|av\.?|place|pl\.?|boulevard|bd\.?|rampe|chemin|impasse|allée|quai|route|cours"
    r"|square)"
)
# A street may be named after a doctor or after the hospital that once stood there.
STREET_NAME = re.compile(
    rf"\b{WAY}\s+(du |de la |de l'|de |des |d')?(nouvel |ancien )?([ée]cole de )?"
    r"(docteurs?|dr\.?|m[ée]decine?|h[oô]pital|hospital|hospice|santé|pharmacie|professeur)\b",
    re.IGNORECASE,
)
HEALTH = re.compile(
    r"vaccin|covid|\bh[oô]pita(l|ux)|hospitali|clinique|m[eé]dica|m[eé]decin|\bsant[eé]\b|\bsoins?\b"
    r"|\bchu\b|\bchr?\b|\bchms\b|ehpad|pharmacie|infirmi|dispensaire|polyclinique|g[eé]riatri",
    re.IGNORECASE,
)
derandomized = settings(derandomize=True, database=None, deadline=None, max_examples=400)


def text_for(centre: CentreRecord, starts: Sequence[datetime], language: str = "fr") -> str:
    return texts.confirmation(
        Writer(load(language), REFERENCE, NUMBER),
        starts=starts,
        where=MessagePlace(centre.street, centre.name, centre.postcode, centre.town),
    )


@lru_cache
def centres() -> tuple[CentreRecord, ...]:
    return tuple(read_centres().records)


@lru_cache
def each_text(
    appointments: tuple[tuple[datetime, ...], ...] = APPOINTMENTS,
) -> list[tuple[CentreRecord, str]]:
    return [(centre, text_for(centre, starts)) for centre in centres() for starts in appointments]


def test_the_real_centres_are_all_there():
    assert len(centres()) == 854
    assert gzip.decompress(CENTRES_EXTRACT.read_bytes()).count(b"\n") >= 854


def test_the_text_of_every_real_centre_is_one_part_of_gsm_7():
    for centre, text in each_text():
        assert septets(text) <= ONE_PART, (centre.id, text)
        # The provider counts as well: one part, or the caller's operator charges and cuts.
        assert segment_count(text) == 1, (centre.id, text)


def test_the_text_of_every_real_centre_tells_when_where_and_the_reference():
    for centre, text in each_text():
        assert REFERENCE in text, centre.id
        assert "09 74 75 00 01" in text, centre.id
        assert re.search(r"à \d{1,2}h\d\d", text), centre.id
        if centre.town:
            assert to_gsm(f"{centre.postcode} {centre.town}") in text, centre.id


def test_the_text_of_every_real_centre_tells_both_appointments_and_that_they_are_two():
    """At one place, which is told once."""
    for starts in PAIRS:
        days = [
            f"{start.day}/{start.month:02} à {start.hour}h{start.minute:02}" for start in starts
        ]
        for centre, text in each_text((starts,)):
            assert all(day in text for day in days), (centre.id, text)
            assert text.index(days[0]) < text.index(days[1]), centre.id
            two = r"Allo Rendez-vous : (vos deux rendez-vous|2 rendez-vous|2 RDV) : "
            assert re.match(two, text), (centre.id, text)


def test_nearly_every_real_centre_keeps_its_whole_address_beside_two_appointments():
    """What does not fit is cut from the street; the plain words are given up before that."""
    texts = each_text((PAIRS[0],))
    plain = [text for _, text in texts if "RDV" not in text]
    cut = [
        text
        for one, text in texts
        if to_gsm(discreet(one.street) or discreet(one.name)) not in text
    ]
    assert len(plain) > len(texts) * 0.9
    assert len(cut) < len(texts) * 0.05


def test_the_english_text_of_every_real_centre_is_one_part_with_all_that_matters():
    for centre in centres():
        for starts in APPOINTMENTS:
            text = text_for(centre, starts, "en")
            assert segment_count(text) == 1, (centre.id, text)
            assert text.count(REFERENCE) == 1, centre.id
            assert "09 74 75 00 01" in text, centre.id
            days = [f"{start:%a} {start.day}/{start:%m} at" for start in starts]
            in_full = f"{starts[0]:%A} {starts[0].day} {starts[0]:%B} at"
            assert in_full in text or all(day in text for day in days), (centre.id, text)
            assert not HEALTH.search(STREET_NAME.sub("", text)), (centre.id, text)


def test_the_english_text_of_two_appointments_reads_so():
    text = texts.confirmation(
        Writer(load("en"), REFERENCE, NUMBER),
        starts=PAIRS[0],
        where=MessagePlace("12 rue de la Paix", "Salle des fêtes", "75011", "Paris 11e"),
    )
    assert text == (
        "Allo Rendez-vous: two appointments: Wed 30/09 at 10:45am and Wed 21/10 at 12:45pm,"
        " 12 rue de la Paix, 75011 Paris 11e. Ref. 4521738908. 09 74 75 00 01"
    )


def test_the_text_of_two_appointments_reads_so():
    text = texts.confirmation(
        Writer(load("fr"), REFERENCE, NUMBER),
        starts=PAIRS[0],
        where=MessagePlace("12 rue de la Paix", "Salle des fêtes", "75011", "Paris 11e"),
    )
    assert text == (
        "Allo Rendez-vous : vos deux rendez-vous : mer. 30/09 à 10h45 et mer. 21/10 à 12h45,"
        " 12 rue de la Paix, 75011 Paris 11e. Réf. 4521738908. 09 74 75 00 01"
    )


@pytest.mark.parametrize("starts", APPOINTMENTS)
def test_a_town_too_long_for_one_part_gives_way_before_the_reference(starts: Sequence[datetime]):
    text = texts.confirmation(
        Writer(load("fr"), REFERENCE, NUMBER),
        starts=starts,
        where=MessagePlace("12 rue de la Paix", "", "75011", "[" * 90),
    )
    assert septets(text) <= ONE_PART
    assert re.search(rf"\. Réf(érence|\.) {REFERENCE}\. (Tél\. |)09 74 75 00 01$", text)


def test_the_text_of_every_real_centre_says_nothing_about_health():
    telling = []
    for centre, text in each_text():
        found = HEALTH.search(STREET_NAME.sub("", text))
        if found:
            telling.append(f"{centre.id}: {found[0]!r} in {text}")
    assert not telling, f"{len(telling)} texts, such as\n" + "\n".join(telling[:10])


def test_the_text_of_every_real_centre_is_well_punctuated():
    broken = [
        f"{centre.id}: {text}"
        for centre, text in each_text()
        if re.search(r"\s[.,]|,\s*\.|,\s*,|\.\.|\s{2}|^\s|\s$", text)
    ]
    assert not broken, "\n".join(broken[:10])


def test_no_text_has_a_question_mark_in_the_place_of_a_letter():
    for centre, text in each_text():
        assert "?" not in text, (centre.id, text)


def test_accents_stay_where_the_alphabet_has_them_and_lose_only_the_accent_elsewhere():
    assert to_gsm("Élancourt, à l'Haÿ-les-Roses, œuvre, forêt, Besançon, Noël") == (
        "Élancourt, à l'Hay-les-Roses, oeuvre, foret, Besancon, Noel"
    )
    assert to_gsm("12 n° 3 «ici» – là… l’Île") == '12 no 3 "ici" - là... l\'Ile'


@derandomized
@given(
    street=st.text(max_size=120),
    name=st.text(max_size=80),
    town=st.text(max_size=45),
    starts=st.sampled_from(APPOINTMENTS),
)
def test_the_text_of_any_centre_is_one_part_with_its_reference(
    street: str, name: str, town: str, starts: Sequence[datetime]
):
    text = texts.confirmation(
        Writer(load("fr"), REFERENCE, NUMBER),
        starts=starts,
        where=MessagePlace(street, name, "75011", town),
    )
    assert septets(text) <= ONE_PART
    assert REFERENCE in text


@pytest.mark.parametrize("letters", ["€" * 200, "[" * 200, "{}~|\\^" * 40, "œ" * 200, "é" * 200])
@pytest.mark.parametrize("starts", APPOINTMENTS[1:3])
def test_letters_that_count_twice_are_counted_twice(letters: str, starts: Sequence[datetime]):
    text = texts.confirmation(
        Writer(load("fr"), REFERENCE, NUMBER),
        starts=starts,
        where=MessagePlace(letters, "", "75011", "Paris"),
    )
    assert septets(text) <= ONE_PART
    assert REFERENCE in text


@derandomized
@given(st.text())
def test_any_text_in_gsm_letters_can_be_sent_and_stays_as_it_is_the_second_time(text: str):
    plain = to_gsm(text)
    septets(plain)  # raises for a letter that the alphabet lacks
    assert to_gsm(plain) == plain
    assert plain.count("?") <= sum(text.count(mark) for mark in "?¿⁇⁈⁉？﹖") * 2


@pytest.mark.parametrize(
    "name",
    [
        *("Centre de vaccination", "Hôpital Nord", "HOPITAL SAINT-ANTOINE", "Clinique du Parc"),
        *("Maison médicale", "Maison de santé", "CHU de Rennes", "EHPAD Les Tilleuls"),
        *("Pharmacie Centrale", "Cabinet infirmier", "Centre Covid", "Polyclinique"),
    ],
)
def test_a_name_that_tells_what_it_is_for_is_recognised(name: str):
    assert says_health(name)


@pytest.mark.parametrize(
    "name",
    [
        *("Salle des fêtes", "Gymnase Jaurès", "Mairie annexe", "Espace Jean Moulin"),
        *("Salle Chanzy", "Rue Albert Schweitzer", "Salle du Chapitre", "Château de la Chasse"),
        *("4 avenue du Maréchal Foch", "Salle Basch", "Chemin des Mille Écus"),
    ],
)
def test_a_name_that_tells_nothing_is_kept(name: str):
    assert not says_health(name)


def vectors(shared: Path) -> list[dict[str, object]]:
    file = shared / "data" / "sms" / "segment_vectors.json"
    found: list[dict[str, object]] = json.loads(file.read_text("utf-8"))["vectors"]
    return found


def test_septets_are_counted_as_the_provider_counts_them(shared: Path):
    counted = 0
    for vector in vectors(shared):
        body = str(vector["body"])
        if vector["encoding"] != "GSM-7":
            continue
        assert to_gsm(body) == body, vector["name"]
        assert septets(body) * 7 == vector["message_bits"], vector["name"]
        assert (septets(body) <= ONE_PART) == (vector["segments"] == 1), vector["name"]
        counted += 1
    assert counted >= 5


def test_what_needs_another_alphabet_is_brought_into_ours(shared: Path):
    for vector in vectors(shared):
        septets(to_gsm(str(vector["body"])))
