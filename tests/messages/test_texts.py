"""Every text, in both languages, for every real centre: short enough, discreet, and of use."""

from __future__ import annotations

import csv
import re

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.segments import segment_count
from jobs.feeds import read_centres
from prompts.catalogue import languages, load
from services.campaign.campaign import Campaign
from services.centre_day.operation import OperationKind
from services.centres.centre_names import centre_names
from services.messages import text_names, texts
from services.messages.discreet_place import discreet, says_what_for
from services.messages.sms_parts import Encoding, encoding, parts, to_gsm
from services.messages.text_names import NAMES, PIECE
from services.messages.texts import Dose, MessagePlace, Writer
from tests.messages import examples
from tests.messages.examples import (
    ABOUT,
    BEGIN,
    END,
    GYM,
    HALL,
    LINK,
    NUMBER,
    PAGE,
    REFERENCE,
    SECOND,
    SECOND_WAS,
    START,
    WAS,
    in_page,
    of_no_place,
    of_place,
)
from tests.support.house import CAMPAIGN

WRITTEN_NUMBER = "09 74 75 00 01"
# What no text may say but in the name or the street of a place, and what none may say at all.
HEALTH = re.compile(
    r"vaccin|covid|h[oô]pital|hospi|clini|m[eé]dica|m[eé]decin|sant[eé]\b|\bsoins?\b|soign"
    r"|\bCHR?U?\b|ehpad|pharma|infirmi|dispensaire|chirurg|docteur|patient|\bdoses?\b|malad|injec",
    re.IGNORECASE,
)
WHAT_FOR = re.compile(
    r"vaccin|covid|injec|\bdoses?\b|infect|malad|épidémi|dépist|chirurgie|\bsoins?\b|urgence|psych"
    r"|patient|professionnels\b",
    re.IGNORECASE,
)
# The one answer to whoever writes of an emergency speaks of one.
URGENT = "reply_emergency"
derandomized = settings(derandomize=True, database=None, deadline=None, max_examples=150)


@lru_cache
def places() -> tuple[MessagePlace, ...]:
    """Where the 854 centres are, as the store has them; one that several share is there once."""
    feed = read_centres()
    return tuple(
        dict.fromkeys(
            MessagePlace(
                record.street,
                centre_names(record.name, record.town, feed.towns).written,
                record.postcode,
                record.town,
            )
            for record in feed.records
        )
    )


# By day so many of them are looked at for their length alone, and every so many of the others.
LONGEST, STEP = 20, 30
Told = tuple[str, MessagePlace | None, str]


@lru_cache
def longest_first() -> tuple[MessagePlace, ...]:
    """Order the places by how little room their words leave in a text."""
    return tuple(sorted(places(), key=lambda one: -len(f"{one.told}{one.commune}")))


@lru_cache
def every_text(language: str, step: int) -> list[Told]:
    """Make each text of the longest places and of every `step`-th of the others."""
    catalogue = load(language)
    some = (*longest_first()[:LONGEST], *longest_first()[LONGEST::step])
    told: list[Told] = [
        (key, where, make(catalogue)) for where in some for key, make in of_place(where)
    ]
    longest = max((where.town for where in places()), key=len)
    return [*told, *((key, None, make(catalogue)) for key, make in of_no_place(longest))]


def each_text(step: int) -> Iterator[Told]:
    for language in languages():
        yield from every_text(language, step)


@pytest.fixture(
    params=[
        pytest.param(STEP, id="some places"),
        pytest.param(1, id="every place", marks=[pytest.mark.long, pytest.mark.timeout(600)]),
    ]
)
def step(request: pytest.FixtureRequest) -> int:
    """Of how many places one is looked at, beside the longest."""
    return int(request.param)


# ---------------------------------------------------------------- all of them


def test_each_key_is_a_text_that_is_looked_at_here_or_a_piece_of_one():
    """Or a new text would be in no test and in no table."""
    looked_at = {key for key, _ in (*of_place(HALL), *of_no_place())}
    for language in languages():
        for key in load(language).texts:
            if key.startswith(PIECE):
                continue
            assert re.sub("_(short|brief|tight|link)", "", key) in looked_at, key
            assert text_names.name_of(key) in NAMES, key


def test_no_text_is_longer_than_two_parts(step: int):
    for key, where, text in each_text(step):
        assert encoding(text) is Encoding.GSM_7, (key, where)
        assert parts(text) == segment_count(text), (key, where)
        assert 1 <= parts(text) <= 2, (key, where, text)


def test_no_text_says_what_it_is_for(step: int):
    told = [
        (key, text) for key, _, text in each_text(step) if key != URGENT and WHAT_FOR.search(text)
    ]
    assert not told, told[:5]


def test_nothing_but_the_name_of_a_place_says_a_word_about_health():
    for language in languages():
        for key, make in (*of_place(HALL), *of_no_place()):
            assert key == URGENT or not HEALTH.search(make(load(language))), key


def test_each_text_names_the_number_to_ring_and_nobody_is_to_answer(step: int):
    for key, where, text in each_text(step):
        assert WRITTEN_NUMBER in text, (key, where)
        assert not re.search(r"répond|reply|écrivez[ -]nous|renvoyez", text, re.IGNORECASE), key
        assert "?" not in text, key


def test_each_text_of_a_place_says_when_and_where_and_of_which_booking(step: int):
    """The place by its name, and by as much of its street as has room."""
    # Of all but those that were chosen for their length.
    named, whole = Counter[bool](), Counter[bool]()
    days = (
        r"30/0?9|30 septembre|30 September|30 de septiembre"
        r"|21/10|21 octobre|21 October|21 de octubre"
    )
    for key, where, text in each_text(step):
        if where is None:
            continue
        assert to_gsm(where.town or where.postcode) in text, (key, text)
        name = to_gsm(where.name).partition(", ")[0].split()
        # Twice in one text the longest of all towns leaves no room; there are no two places there.
        if key != "closed_apart" or len(where.town) < 45:
            assert " ".join(name[:3]) in text, (key, where, text)
        assert key.startswith("offer") or REFERENCE in text, (key, text)
        assert re.search(days, text), (key, text)
        # To a cancelled place no person comes any more: no street.
        if key.startswith("cancelled") or where in longest_first()[:LONGEST]:
            continue
        named[bool(where.name)] += 1
        whole[to_gsm(where.told) in text] += 1
    # The rest are centres of vaccination by name, and a name that the street has.
    assert named[True] > named[False] * 4
    # Less whole are those of a closed place whose people go to another one: both are told.
    assert whole[True] > whole[False] * 18


def test_a_place_without_a_street_or_without_a_name_has_its_sentence():
    def told(street: str, name: str) -> str:
        where = MessagePlace(street, name, "29820", "Bohars")
        return texts.confirmation(Writer(load("fr"), **ABOUT), starts=(START,), where=where)

    road, site = "Route de Ploudalmézeau", "CHU Brest, site de Bohars, unité épidémique"
    assert f"CHU Brest, site de Bohars, {road}, 29820 Bohars. Réf" in told(road, site)
    assert f"10h45, {road}, 29820 Bohars. Réf" in told(road, "Centre de vaccination")
    ask = "29820 Bohars (pour l'adresse, appelez-nous). Réf"
    assert "10h45, Salle des fetes, 29820 Bohars. Réf" in told("", "Salle des fêtes")
    assert f"10h45, {ask}" in told("", "Centre de vaccination")


def test_every_text_is_well_punctuated(step: int):
    broken = re.compile(r"\s[.,]|,\s*[.,]|\.\.|\s{2}|^\s|\s$|\(\)|\{|\}")
    assert not [(key, text) for key, _, text in each_text(step) if broken.search(text)][:5]


def test_people_are_spoken_to_politely_and_in_whole_words(step: int):
    """An appointment is no "RDV", but where the longest address left no room."""
    for key, where, text in every_text("fr", step):
        assert not re.search(r"\b(tu|ton|ta|tes|toi|svp|stp|cf|pb|tjs|dispo)\b", text), (key, text)
        if "RDV" in text:
            assert key == "confirmation_both", key
            assert where is not None
            plain = text.replace("2 RDV", "Vos deux rendez-vous")
            assert parts(plain) > 1, text


@derandomized
@given(
    street=st.text(max_size=160),
    name=st.text(max_size=120),
    town=st.text(max_size=60),
    key=st.sampled_from(sorted(key for key, _ in of_place(HALL))),
    language=st.sampled_from(languages()),
)
def test_no_place_whatever_makes_a_text_too_long(
    street: str, name: str, town: str, key: str, language: str
):
    where = MessagePlace(street, name, "75011", town)
    text = dict(of_place(where, replace(where, street=f"{street} bis")))[key](load(language))
    assert parts(text) <= 2
    assert WRITTEN_NUMBER in text
    assert key.startswith("offer") or REFERENCE in text


def test_each_text_begins_with_the_service_and_says_that_it_is_about_an_appointment(step: int):
    """But for answers to what somebody wrote, who knows what they wrote about."""
    about = {"fr": "rendez-vous", "en": r"appointments?|booking|appts?", "es": "citas?"}
    for language in languages():
        for key, _, text in every_text(language, step):
            begins = re.match(r"Allo Rendez-vous ?: (?=[^A-Z]|RDV|APPT)", text)
            assert begins, (key, text)
            words = re.compile(rf"\b({about[language]}|RDV)\b")
            assert key.startswith("reply_") or words.search(text[begins.end() :]), (key, text)


def test_nothing_that_is_cut_becomes_another_word():
    """ "Ch" of "Chirac" is a hospital."""
    cut = 0
    for before in range(30):
        street = f"{'la ' * before}Avenue Jacques et Bernadette Chirac"
        where = MessagePlace(street, "", "19100", "Brive-la-Gaillarde")
        one, two = Dose(1, START, where), Dose(2, SECOND, where, was=SECOND_WAS)
        text = texts.moved(Writer(load("fr"), **ABOUT), doses=(one, two), kind="day_closed")
        told = re.search(r"12h45, (.*), (?:19100 )?Brive", text)
        whole = street.split()
        assert told, text
        assert told[1].split() == whole[: len(told[1].split())], text
        cut += told[1] != street
    assert cut > 10


# ---------------------------------------------------------------- what of a place is told


def test_what_is_told_of_the_real_centres_says_not_what_for(shared: Path):
    """Over the whole file as it was published."""
    (file,) = (shared / "data" / "centres").glob("*.csv")
    with file.open(encoding="utf-8-sig") as opened:
        rows = list(csv.DictReader(opened, delimiter=";"))
    assert len(rows) == 854
    told = [
        where
        for row in rows
        for where in (
            discreet(f"{row['adr_num']} {row['adr_voie']}"),
            discreet(row["nom"]),
            discreet(row["com_nom"]),
        )
    ]
    assert not [where for where in told if WHAT_FOR.search(where)][:10]
    # And no town is taken for a ward.
    assert all(discreet(row["com_nom"]) for row in rows if row["com_nom"])


@pytest.mark.parametrize(
    ("name", "told"),
    [
        *(("Centre de vaccination", ""), ("Covax", ""), ("CeGIDD", ""), ("CDV31 Boulogne", "")),
        *(("Hôpital Nord", "Hôpital Nord"), ("Maison de santé", "Maison de santé")),
        ("CHU de Rennes - Bâtiment de chirurgie", "CHU de Rennes"),
        ("IHU, Méditerranée Infection", "IHU"),
        ("Hôpital Clairval, centre de soins urgents", "Hôpital Clairval"),
        ("Salle Chanzy (réservé aux professionnels)", "Salle Chanzy"),
    ],
)
def test_a_name_is_told_without_what_it_is_for(name: str, told: str):
    assert discreet(name) == told
    assert says_what_for(name) == (name != told)


@pytest.mark.parametrize(
    ("street", "told"),
    [
        ("12 Rue du Docteur Roux", "12 Rue du Dr Roux"),
        ("1 Rue Docteur et Madame Delmas", "1 Rue Dr et Madame Delmas"),
        ("27 Rue de la Concorde", "27 Rue de la Concorde"),
        ("CHEMIN DE LA PLANE", "CHEMIN DE LA PLANE"),
        ("Place du Centre", "Place du Centre"),
        ("Centre culturel", "Centre culturel"),
        ("5 rue X - Centre de vaccination", "5 rue X"),
        # What a spreadsheet made of house numbers reads like an hour.
        ("1:00 AM Place Victor Pauchet", "1 Place Victor Pauchet"),
        ("02-avr rue Henri Dunant", "2-4 rue Henri Dunant"),
        ("10-déc rue Cornet, 93500 PANTIN", "10-12 rue Cornet"),
        ("64 64 route de lisieux", "64 route de lisieux"),
        ("3 rue de Berry 93330 Neuilly-sur-Marne", "3 rue de Berry"),
    ],
)
def test_a_street_is_told_as_its_sign_has_it(street: str, told: str):
    assert discreet(street) == told


# ---------------------------------------------------------------- how each reads


def french(key: str) -> str:
    return dict((*of_place(HALL), *of_no_place()))[key](load("fr"))


def test_a_move_tells_the_new_hour_and_the_old_one():
    assert french("changed") == (
        "Allo Rendez-vous : votre rendez-vous est déplacé : mercredi 30 septembre à 10h45,"
        " Salle des fetes, 12 rue de la Paix, 75011 Paris 11e, au lieu du mer. 23/09 à 11h15."
        " Référence 4521738908. Pour toute question, appelez le 09 74 75 00 01"
    )


def test_a_move_of_one_dose_says_that_the_other_stays():
    assert "Le second ne change pas : mer. 21/10 à 12h45." in french("changed_first")
    assert "Le premier ne change pas : mer. 30/09 à 10h45." in french("changed_second")


def test_doses_that_move_to_two_places_are_told_with_both():
    one, two = Dose(1, START, HALL, was=WAS), Dose(2, SECOND, GYM, was=SECOND_WAS)
    text = texts.moved(Writer(load("fr"), **ABOUT), doses=(one, two))
    hall = "Salle des fetes, 12 rue de la Paix, 75011 Paris 11e"
    assert f"Le premier : mer. 30/09 à 10h45, {hall}." in text
    assert (
        "Le second : mer. 21/10 à 12h45, Gymnase Jaurès, 30 route de Rennes, 35500 Vitré." in text
    )


def test_a_change_is_told_by_what_changed():
    """The hour, the place, or both; what stays is never told as changed, nor the reverse."""

    def told(*doses: Dose, **more: object) -> str:
        return texts.moved(Writer(load("fr"), **ABOUT), doses=doses, **more)  # type: ignore[arg-type]

    hour, place = Dose(1, START, HALL, was=WAS), Dose(1, START, HALL, was=START, elsewhere=True)
    assert "autre lieu" not in told(hour)
    hall = "Salle des fetes, 12 rue de la Paix, 75011 Paris 11e"
    assert f"10h45, {hall}, au lieu du mer. 23/09 à 11h15" in told(hour)
    elsewhere = f"10h45, autre lieu : {hall}, "
    assert f"{elsewhere}jour et heure inchangés." in told(place)
    assert f"{elsewhere}jour et heure inchangés." in told(place, kind="centre_closed")
    both = replace(hour, elsewhere=True)
    assert f"{elsewhere}au lieu du mer. 23/09 à 11h15." in told(both)

    second = Dose(2, SECOND, HALL, was=SECOND, elsewhere=True)
    pair = told(place, second, kind="centre_closed")
    assert f"autre lieu : {hall}, jours et heures inchangés." in pair
    assert "ne change pas" not in pair
    # Of two that come to one place, one may have been there before.
    apart = told(place, replace(second, was=SECOND_WAS, elsewhere=False))
    assert apart.count("autre lieu") == 1
    assert f"Le second : mer. 21/10 à 12h45, {hall}" in apart


def test_what_is_cancelled_is_told_with_its_place():
    told = french("cancelled")
    assert told == (
        "Allo Rendez-vous : votre rendez-vous du mer. 30/09 à 10h45, Salle des fetes, Paris 11e,"
        " est annulé. Réf. 4521738908. Pour en prendre un autre : 09 74 75 00 01"
    )
    assert "10h45 et mer. 21/10 à 12h45, Salle des fetes, Paris 11e. Réf" in french(
        "cancelled_both"
    )
    both = (Dose(1, START, HALL, became="cancelled"), Dose(2, SECOND, GYM, became="cancelled"))
    assert "11e, et mer. 21/10 à 12h45, Gymnase Jaurès, Vitré. Réf" in texts.cancelled(
        Writer(load("fr"), **ABOUT), doses=both
    )
    assert "second rendez-vous, mer. 21/10 à 12h45, Salle" in french("cancelled_second")
    # By its street, where its name says what it is for; by its town alone, where nothing is left.
    gone = Dose(1, START, MessagePlace("1 rue X", "Centre de vaccination", "35500", "Vitré"))
    assert "10h45, 1 rue X, Vitré, est" in texts.cancelled(
        Writer(load("fr"), **ABOUT), doses=[gone]
    )
    gone = replace(gone, where=replace(gone.where, street=""))
    assert "10h45, Vitré, est" in texts.cancelled(Writer(load("fr"), **ABOUT), doses=[gone])


def test_nothing_that_moved_makes_no_text():
    with pytest.raises(ValueError, match="none of these appointments has moved"):
        texts.moved(Writer(load("fr"), **ABOUT), doses=(Dose(1, START, HALL),))


@pytest.mark.parametrize("kind", list(OperationKind))
def test_whoever_is_moved_by_us_hears_why_in_plain_words(kind: OperationKind):
    doses = (Dose(1, START, HALL, was=WAS),)
    for language in languages():
        text = texts.moved(Writer(load(language), **ABOUT), doses=doses, kind=kind, back=False)
        assert re.match(r"Allo [^:]+: [a-z][^.]+\. (Votre nouveau|Your new|Su nueva)", text), text
        assert not re.search("operation|capacity|_", text)
    back = texts.moved(Writer(load("fr"), **ABOUT), doses=doses, kind=kind, back=True)
    assert back.startswith("Allo Rendez-vous : votre ancienne date est de nouveau possible. ")


def test_a_case_promises_that_a_person_rings_and_tells_of_the_dose_that_goes():
    doses = (Dose(1, START, HALL), Dose(2, SECOND, HALL))

    def told(*gone: int) -> str:
        return texts.case(Writer(load("fr"), **ABOUT), doses=doses, kind="day_closed", gone=gone)

    text = told(2)
    assert "Celui du mercredi 21 octobre à 12h45 ne peut pas avoir lieu." in text
    assert "Une personne vous appellera" in text
    assert "30/09" not in text
    assert "Ceux du mer. 30/09 à 10h45 et du mer. 21/10" in told()


def test_what_is_stored_of_a_change_becomes_its_text():
    """The payloads of services.booking.change_booking and services.centre_day.move_people."""
    dose = {
        "dose": 1,
        "became": "moved",
        "start": START.isoformat(),
        "was": WAS.isoformat(),
        "was_centre_id": "1",
        "time_zone": "Europe/Paris",
        "centre_id": "1",
        "name": "Salle",
        "street": "12 rue de la Paix",
        "postcode": "75011",
        "town": "Paris",
    }
    payload = {"what": "moved", "reference": REFERENCE, "version": 2, "doses": [dose]}
    by_us = {"operation": "x", "kind": "hour_moved"}

    def text(**more: object) -> str:
        return texts.of_change(load("fr"), {**payload, **more}, number=NUMBER)

    assert text().startswith(
        "Allo Rendez-vous : votre rendez-vous est déplacé : mercredi 30 septembre à 10h45, Salle"
    )
    assert "autre lieu" not in text()
    assert "autre lieu : Salle, 12 rue" in text(doses=[{**dose, "was_centre_id": "2"}])
    assert "l'heure de votre rendez-vous a changé. " in text(**by_us)
    assert "votre ancienne date est de nouveau possible. " in text(**by_us, undo=True)
    stays = [{**dose, "became": "kept", "was": None}]
    assert "votre rendez-vous est maintenu : " in text(what="kept", doses=stays, **by_us)
    assert "Une personne vous appellera" in text(what="case", case="c", doses=stays, **by_us)
    gone = [{**dose, "became": "cancelled", "was": None}]
    assert "est annulé" in text(what="cancelled", doses=gone)
    back = [{**dose, "became": "restored", "was": None}]
    assert "est rétabli" in text(what="restored", doses=back)
    with pytest.raises(KeyError):
        text(what="lost")


def test_a_reminder_of_one_of_two_says_which():
    def remind(**more: object) -> str:
        where = {"starts": (START,), "where": MessagePlace("1 rue X", "", "35500", "Vitré")}
        return texts.reminder(Writer(load("fr"), **ABOUT), **where, **more)  # type: ignore[arg-type]

    assert "rappel : votre rendez-vous est mer. 30/09 à 10h45, 1 rue" in remind()
    assert "rappel : votre premier rendez-vous est mer" in remind(which=1)
    assert "demain mer. 30/09 à 10h45 : votre second rendez-vous" in remind(which=2, tomorrow=True)
    # Where it takes two parts all the same, for its link, the day is written in full.
    linked = Writer(load("fr"), **ABOUT, link=LINK)
    told = texts.reminder(linked, starts=(START,), where=HALL, tomorrow=True)
    assert "rappel : votre rendez-vous est demain, mercredi 30 septembre à 10h45" in told
    assert LINK in told


def test_hours_are_those_of_the_moments_given():
    """Whoever calls gives them in the centre's own zone; nothing here changes it."""
    there = datetime.fromisoformat("2026-09-30T07:30:00+04:00")
    for language, hour in (("fr", "à 7h30"), ("en", "at 7:30 am")):
        text = texts.confirmation(Writer(load(language), **ABOUT), starts=(there,), where=HALL)
        assert hour in text


# ---------------------------------------------------------------- what a campaign leaves out


def campaign(*listed: str) -> Campaign:
    return replace(CAMPAIGN, texts=listed)


def test_a_campaign_that_lists_none_sends_all():
    assert text_names.left_out(campaign()) == ()
    assert all(text_names.wanted(campaign(), name) for name in NAMES)
    # A booking outlives its campaign.
    assert all(text_names.wanted(None, name) for name in NAMES)


def test_a_campaign_sends_what_it_lists_and_the_confirmation():
    listed = campaign("reminder_tomorrow_short", "callback_lost")
    # A person who forgot that they are booked is told in any case, too.
    sent = {"confirmation", "code", "already", "reminder", "callback_lost"}
    assert {name for name in NAMES if text_names.wanted(listed, name)} == sent
    assert set(text_names.left_out(listed)) == set(NAMES) - sent


# ---------------------------------------------------------------- for reading


def test_the_page_shows_each_text_as_it_is_sent():
    """`python -m tests.messages.examples` writes it anew."""
    page = PAGE.read_text("utf-8")
    assert in_page(page) == page
    assert page.index(BEGIN) < page.index(END)
    for name in NAMES:
        assert f"`{name}`" in page
    assert examples.table().count("\n") > 30
