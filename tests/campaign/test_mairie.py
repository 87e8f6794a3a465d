"""The town hall gives appointments for identity cards: its folder says all there is to say.

Whoever books there by telephone, on the site or at a desk meets no word of another need.
"""

from __future__ import annotations

import re

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from flows.session import Session
from jobs import feeds
from prompts import service_words
from prompts.by_text import by_text
from prompts.catalogue import languages, load
from prompts.check_rules import longest
from prompts.screens import LANGUAGES, screen
from services.campaign.campaigns import Campaigns
from services.campaign.words import wrong
from services.setup.demonstration import prepare
from tests.desk.test_desk import Desk, choose
from tests.online.test_booking import Visitor
from tests.support.house import LANDLINE, MOBILE, House, Phone, house
from tests.support.keeper import ROOT

MAIRIE = ROOT / "campaigns" / "mairie"
RENNES = "35000"
MARKS = re.compile(
    r"""\s(?:class|id|name|href|for|action|data-[\w-]+|aria-\w*by)=("[^"]*"|'[^']*')"""
)
# Of the need that the demonstration is for, and of any other matter of health.
ANOTHER_NEED = re.compile(
    r"vacc?in|vacun|vitale|\bdos[ei]s?\b|\bjabs?\b|covid|inje[ct]|piq[uû]|tarjeta sanitaria"
    r"|insurance card|raison de santé|reasons of health|motivos? de salud|autorité de santé"
    r"|health authority|autoridad sanitaria|motif médical|medical reason|motivo médico",
    re.IGNORECASE,
)


class Town:
    """The service of `make run CAMPAIGN=campaigns/mairie`, and all that left it."""

    def __init__(self, made: House) -> None:
        self.made = made
        self.read: list[str] = []

    def rings(self, number: str = MOBILE) -> Phone:
        return self.made.phone(number).dials()

    def heard(self, phone: Phone) -> str:
        """All documents of a call; they are kept for the look at everything."""
        said = "\n".join(one.decode() for one in phone.documents)
        self.read.append(said)
        return said

    def seen(self, page: str) -> str:
        """A page, without what no reader is shown: names of parts, of fields, of styles."""
        self.read.append(MARKS.sub(" ", page))
        return page

    def sent(self) -> list[str]:
        told = [self.made.text_of(row) for row in self.made.messages("sms")]
        self.read += told
        return told

    def says_nothing_of_another_need(self) -> None:
        for text in self.read:
            found = ANOTHER_NEED.search(text)
            assert found is None, text[max(0, found.start() - 200) : found.end() + 100]


@pytest.fixture
def town(database_url: str) -> Iterator[Town]:
    campaigns = Campaigns.read(MAIRIE, use=service_words.use)
    try:
        with house(database_url, campaign=campaigns.current()) as made:
            report = prepare(
                made.database,
                made.clock,
                read_postcodes=feeds.read_postcodes,
                read_centres=partial(feeds.read_centres, MAIRIE / "centres.csv"),
            )
            assert not [*report.without_hours, *report.unclear_hours, *report.added]
            yield Town(made)
    finally:
        service_words.use(None)


@pytest.mark.parametrize("key", ["", "4"], ids=["fr", "en"])
def test_a_caller_books_a_card_by_telephone(town, key):
    """No age: somebody of fifteen is taken like anybody, and hears of none."""
    phone = town.rings()
    welcome = now(phone)
    if key:
        phone.presses(key)
        welcome = now(phone)
    assert ("for an identity card" if key else "pour une carte d'identité") in welcome
    phone.stays_silent()
    assert not re.search(r"\bà partir de\b|from age", now(phone))
    phone.goes_to("offers", born="12032011", code=RENNES)
    assert "Hôtel de Ville" in now(phone)
    # An offer; then the last look, with the mobile that rings.
    phone.answers("1", "1")
    assert phone.step == "ready"
    brings = "Bring a photograph, your old card" if key else "Apportez photo, ancienne carte"
    assert brings in now(phone)
    assert session_of(town, phone).language == ("en" if key else "fr")
    assert len(town.made.bookings()) == 1
    (text,) = town.sent()
    assert "Allô Rendez-vous" in text or "Allo Rendez-vous" in text
    town.heard(phone)
    town.says_nothing_of_another_need()


def test_a_landline_hears_pencil_and_goodbye_without_another_need(town):
    phone = town.rings(LANDLINE)
    phone.books(born="12031942", code=RENNES)
    assert "Chacun vient pour soi" in told(town.heard(phone))
    town.says_nothing_of_another_need()


def test_whoever_finds_nothing_hears_when_one_may_just_come(town):
    phone = town.rings().goes_to("no_slot", code="20000")
    assert "Sans rendez-vous : le mercredi matin" in now(phone)
    town.heard(phone)
    town.says_nothing_of_another_need()


def test_a_caller_of_paris_is_sent_to_no_town_hall_of_brittany(town):
    phone = town.rings().goes_to("no_slot", code="75011")
    assert "Vitré, à" not in now(phone)
    assert "C'est à Rennes, à Vitré et à Fougères." in now(phone)
    assert "Pour être rappelé dès qu'une place se libère" in now(phone)
    assert "Pour une personne" in now(phone)
    # Not within reach, and not farther either: the wait begins, and no place is held.
    assert phone.presses("1").step == "waiting"
    assert town.made.session(phone.sid).offers == ()


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_visitor_books_a_card_on_the_site(town, language):
    visitor = Visitor(town.made)
    for path in ("/", "/centres", "/confidentialite", "/accessibilite", "/etat"):
        town.seen(visitor.opens(f"{path}?lang={language}").page)
    assert {"fr": "Les mairies", "en": "The town halls"}[language] in "".join(town.read)
    home = town.read[0]
    assert {"fr": "Rendez-vous pour une carte d’identité", "en": "for an identity card"}[
        language
    ] in home
    assert {"fr": "le mercredi de 9", "en": "Wednesday from 9 am"}[language] in home
    assert not re.search(r"\d+ ans ou plus|\d+ or older", home)
    visitor.opens(f"/rendez-vous?lang={language}")
    town.seen(visitor.page)
    town.seen(visitor.sends(path=f"/rendez-vous?lang={language}", whom="self").page)
    steps: list[dict[str, Any]] = [
        {"day": "12", "month": "3", "year": "2011"},
        {"where": RENNES},
    ]
    for fields in steps:
        town.seen(visitor.sends(**fields).page)
    town.seen(visitor.is_at("creneaux").sends(place=visitor.places[0]).page)
    town.seen(visitor.sends(number="06 12 34 56 78", wish="number").page)
    town.seen(visitor.is_at("confirmer").sends().page)
    assert len(town.made.bookings()) == 1
    assert {"fr": "Une photo d’identité de moins de six mois", "en": "less than six months"}[
        language
    ] in visitor.page
    assert {"fr": "empreintes", "en": "fingerprints"}[language] in visitor.page
    calendar = visitor.client.get("/rendez-vous.ics", base_url="https://allo.example")
    town.seen(calendar.get_data(as_text=True))
    town.sent()
    town.says_nothing_of_another_need()


@pytest.mark.parametrize("language", ["fr", "en"])
def test_an_agent_books_a_card_at_the_desk(town, language):
    desk = Desk(town.made)
    phone = town.rings()
    if language == "en":
        phone.presses("4")
    desk.has(phone.goes_to("offers", code=RENNES))
    page = town.seen(desk.client.get(f"/poste?lang={language}").text)
    assert f'<html lang="{language}">' in page
    # What the agent says first, in the caller's language.
    assert "vous cherchez un rendez-vous pour une carte d’identité près de Rennes" in page
    assert "an appointment for an identity card" in screen("en")["at_desk.greeting.seeks"]
    form, read_back = choose(desk, place=RENNES, name1="Odette Martin")
    town.seen(read_back)
    form["postcode"] = RENNES
    town.seen(desk.does("/reserver", **form))
    assert [one.channel for one in town.made.bookings()] == ["agent"]
    for part in ("booking", "actions"):
        town.seen(desk.client.get(f"/poste/travail?part={part}").text)
    town.heard(phone)
    town.sent()
    town.says_nothing_of_another_need()


def test_a_secretary_sees_the_town_hall_without_another_need(town):
    secretary = town.made.signs_in("secretary", centre_id="m1")
    for path in ("/centre", "/centre/imprimer"):
        town.seen(secretary.get(path, follow_redirects=True).text)
    town.says_nothing_of_another_need()


def test_every_sentence_text_and_page_is_free_of_another_need():
    """Not only what these calls came to: all there is, in every language, as it is filled."""
    words = Campaigns.read(MAIRIE).words
    assert words is not None
    for language in languages():
        catalogue, texts = load(language, words), by_text(language, words=words)
        for kind, source in (("call", catalogue), ("text", texts.written)):
            for key in source.spoken_keys:
                for number in range(source.wordings(key)):
                    parts = source.parts(key, number)
                    said = source.say(key, in_town(longest(parts)), number)
                    assert not ANOTHER_NEED.search(said), (language, kind, key, said)
        for key in catalogue.texts:
            written = "".join(part.text for part in catalogue.text_parts(key))
            assert not ANOTHER_NEED.search(written), (language, key)
    for language in LANGUAGES:
        page: Any = screen(language, words)
        for key in page:
            assert not ANOTHER_NEED.search(page[key].replace("{dose}", "")), (language, key)


def test_its_words_are_right():
    words = Campaigns.read(MAIRIE).words
    assert words is not None
    assert wrong(words) == []


def in_town(values: dict[str, Any]) -> dict[str, Any]:
    """Likely values, with the name of a place as this service has them."""
    return {
        name: "Mairie annexe" if isinstance(value, str) and "vaccination" in value else value
        for name, value in values.items()
    }


def told(document: str) -> str:
    """The words of a document, without its mark-up."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", document)).replace("&#x27;", "'")


def now(phone: Phone) -> str:
    """The words that the caller hears now."""
    return told(phone.documents[-1].decode())


def session_of(town: Town, phone: Phone) -> Session:
    return town.made.session(phone.sid)
