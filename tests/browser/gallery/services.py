"""Several services and several numbers at once, on every page where they show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from playwright.sync_api import Browser, Page, expect

from models.slots.services import bits_of
from models.slots.slots import SlotsToOpen, open_slots
from prompts.service_words import Words
from services.campaign.campaign import ONE_PLACE, TWO_PLACES
from services.campaign.campaigns import Campaigns
from services.numbers.numbers import CalledNumber
from services.public.write_state import WriteState
from tests.browser.board_stage import BoardStage, board_stage
from tests.browser.book_stage import Person, Site, site
from tests.browser.desk_stage import AtDesk, DeskStage, desk_stage
from tests.browser.gallery.eye import Eye, Stage
from tests.browser.gallery.mine import links
from tests.browser.secretary_stage import SecretaryStage, secretary_stage
from tests.online.visitors import text_to
from tests.public.services_stage import CARD, COVID, FLU
from tests.support.house import NOON, mornings
from tests.support.service_words import CARD_WORDS


def passports(cards: Words) -> Words:
    """The words of a service like another one, for something else."""
    names = (("une carte d’identité", "un passeport"), ("une carte d'identité", "un passeport"),
             ("an identity card", "a passport"))  # fmt: skip

    def renamed(words: Mapping[str, str]) -> dict[str, str]:
        told = dict(words)
        for old, new in names:
            told = {name: text.replace(old, new) for name, text in told.items()}
        return told

    made = {
        code: replace(one, spoken=renamed(one.spoken), page=renamed(one.page))
        for code, one in cards.languages.items()
    }
    return replace(cards, languages=made)


# Influenza and Covid from 65, as in campaigns/automne; identity cards for everybody.
AUTUMN = (FLU, replace(COVID, minimum_age=65, months_since=6))
CARDS = replace(CARD, opens_at=None)
# As people of the two services' examples would call them.
PASSPORT = replace(
    CARD, name="passeport-2026", service="passeport", opens_at=None, all_words=passports(CARD_WORDS)
)
BRETAGNE = CalledNumber("+33974750035", name="Bretagne", departements=frozenset({"35"}))
ENGLISH = CalledNumber("+33974750044", name="English line", language="en")
OF_CARDS = CalledNumber("+33974750055", name="Mairie", campaign=CARDS.name)
TOO_YOUNG = ("2", "2", "1990")
SEVENTY = ("12", "3", "1956")

# ---------------------------------------------------------------- the site


@contextmanager
def _site(database_url: str, browser: Browser) -> Iterator[Site]:
    """Two services, a third for which there is no place anywhere, a fourth that opens tomorrow."""
    later = replace(PASSPORT, opens_at=NOON + _DAY)
    more = (AUTUMN[1], CARDS, later)
    with site(database_url, browser, campaign=AUTUMN[0], beside=more, numbers=(OF_CARDS,)) as made:
        links(made)
        made.house.opens_centre("4", name="Salle du Covid", kilometres=2.0)
        with made.house.database.transaction() as connection:
            bits = bits_of(connection, ["covid"])
        open_slots(made.house.database, [SlotsToOpen("4", tuple(mornings(3)), 2, services=bits)])
        known = Campaigns.fixed(AUTUMN[0], *more, now=made.house.clock.now)
        WriteState(made.house.store, known)()
        yield made


_DAY = timedelta(days=1)


def as_they_are(made: Site, eye: Eye) -> None:
    page = eye.opens(made.url)
    for name, path in (
        ("home", "/"),
        ("service", "/pour/grippe"),
        ("service-of-its-number", "/pour/carte"),
        ("service-not-open", "/pour/passeport"),
        ("poster", "/pour/carte/affiche"),
        ("centres", "/pour/grippe/centres"),
        ("departement", "/pour/grippe/centres/dep/75"),
        ("departement-none", "/pour/grippe/centres/dep/35"),
        ("state", "/etat"),
        ("start-for-one", "/rendez-vous?pour=grippe"),
    ):
        eye.goes(page, made.url, path)
        eye.sees(page, name)
    for name, where in (("near", "75011"), ("near-none", "20000")):
        eye.goes(page, made.url, "/pour/covid/centres")
        page.fill("#where", where)
        with page.expect_navigation():
            page.keyboard.press("Enter")
        eye.sees(page, name)


def _comes(made: Site, eye: Eye, born: tuple[str, str, str]) -> Person:
    """Somebody for themselves, whose birth date is given."""
    person = made.visitor()
    eye.contexts.append(person.page.context)
    eye.speaks(person.page, made.url)
    person.opens(eye.path("/rendez-vous"))
    person.page.check("input[value=self]")
    person.page.click("main form button")
    return person.is_at("naissance").is_born(*born)


def _answers(person: Person, key: int) -> Person:
    """The answer at this place of a page of keys; -1 for the last."""
    person.page.locator("input[name=key]").nth(key).check()
    person.page.click("main form button")
    return person


def more_than_three(made: Site, eye: Eye) -> None:
    person = _comes(made, eye, SEVENTY).is_at("pour-quoi")
    eye.sees(person.page, "what-for")
    # Nothing is chosen yet.
    person.page.click("main form button")
    person.page.wait_for_selector("#problems")
    eye.sees(person.page, "what-for-wrong")


SITE = Stage("services", _site, (as_they_are, more_than_three))

# ---------------------------------------------------------------- both, booked and changed


@contextmanager
def _autumn(database_url: str, browser: Browser) -> Iterator[Site]:
    flu, covid = AUTUMN
    with site(database_url, browser, campaign=flu, beside=(covid,)) as made:
        links(made)
        yield made


@contextmanager
def _apart(database_url: str, browser: Browser) -> Iterator[Site]:
    """Each of the two takes a place of its own, a quarter of an hour after the other."""
    flu, covid = AUTUMN
    first = replace(flu, together_in=TWO_PLACES)
    with site(database_url, browser, campaign=first, beside=(covid,)) as made:
        links(made)
        quarter = timedelta(minutes=15)
        for gid in ("1", "2", "3"):
            made.house.opens_slots(gid, [start + quarter for start in mornings(34)], 6)
        yield made


def _comes_for_both(made: Site, eye: Eye, kind: str) -> Person:
    """As far as the end, with a look at each page."""
    person = _comes(made, eye, SEVENTY).is_at("pour-quoi")

    def looks(name: str) -> None:
        eye.sees(person.page, f"{kind}-{name}")

    looks("what-for")
    _answers(person, -1).is_at("depuis")
    looks("since")
    _answers(person, 0).is_at("commune").lives().is_at("creneaux")
    looks("offers")
    person.takes().is_at("joindre").is_reached()
    looks("confirm")
    person.confirms().is_at("fait")
    looks("done")
    return person


def _opens_mine(made: Site, person: Person) -> Page:
    """The appointment by the link of its text."""
    link = text_to(made.house).partition(made.url)[2].split('"')[0].split()[0]
    person.opens(link)
    for name, text in zip(("day", "month", "year"), SEVENTY, strict=True):
        person.page.fill(f"#{name}", text)
    person.page.click("main form button")
    person.page.wait_for_url("**/voir")
    return person.page


def both_at_once(made: Site, eye: Eye) -> None:
    person = _comes_for_both(made, eye, "one")
    page = _opens_mine(made, person)
    eye.sees(page, "one-mine")
    _changes_each(page, eye, "one")


def both_apart(made: Site, eye: Eye) -> None:
    person = _comes_for_both(made, eye, "apart")
    page = _opens_mine(made, person)
    eye.sees(page, "apart-mine")
    _changes_each(page, eye, "apart")


def _changes_each(page: Page, eye: Eye, name: str) -> None:
    """Move one half, then cancel the same."""

    def sends(wish: str, ends: str, seen: str) -> None:
        page.click(f"button[value={wish}]")
        page.wait_for_url(f"**/{ends}")
        eye.sees(page, f"{name}-{seen}")

    sends("move", "deplacer-quoi", "move-half")
    sends("then", "creneaux", "move-offers")
    page.locator(".offers button").last.click()
    page.wait_for_url("**/deplacer")
    eye.sees(page, f"{name}-move-check")
    sends("yes", "voir", "half-moved")
    sends("cancel", "annuler-quoi", "cancel-half")
    sends("then", "annuler", "cancel-check")
    sends("yes", "voir", "half-cancelled")


def who_may_not(made: Site, eye: Eye) -> None:
    person = _comes(made, eye, TOO_YOUNG)
    person.page.wait_for_load_state("networkidle")
    eye.sees(person.page, "not-eligible")
    person = _comes(made, eye, SEVENTY).is_at("pour-quoi")
    person.page.locator("input[name=key]").first.wait_for()
    covid = person.page.locator("li", has_text="Covid").locator("input").first
    covid.check()
    person.page.click("main form button")
    _answers(person.is_at("depuis"), 1).is_at("pas-encore-le-moment")
    eye.sees(person.page, "not-since")


def nothing_near(made: Site, eye: Eye) -> None:
    person = _comes(made, eye, SEVENTY).is_at("pour-quoi")
    _answers(person, -1).is_at("depuis")
    _answers(person, 0).is_at("commune").lives("20000").is_at("attente")
    eye.sees(person.page, "none-near")


BOTH = Stage("both", _autumn, (both_at_once, who_may_not, nothing_near))
APART = Stage("both", _apart, (both_apart,))

# ---------------------------------------------------------------- the board


@contextmanager
def _board(database_url: str, _: Browser) -> Iterator[BoardStage]:
    campaigns = (*AUTUMN, CARDS)
    with board_stage(database_url, campaigns=campaigns, numbers=(BRETAGNE, ENGLISH)) as staged:
        yield staged


def the_board(staged: BoardStage, eye: Eye) -> None:
    client = staged.house.signs_in("supervisor", app=staged.app, name="Maxence Durand")
    kept = client.get_cookie(client.cookie)
    assert kept is not None
    page = eye.opens(staged.url, "/supervision", cookie=kept.value)
    for name, path in (
        ("all", "/supervision"),
        ("of-one", "/supervision?pour=grippe"),
        ("of-nothing", "/supervision?pour=carte"),
        ("unsaid", "/supervision?pour=-"),
        ("wall", "/supervision?mur=1"),
    ):
        eye.goes(page, staged.url, path)
        page.wait_for_selector('#freshness[data-state="good"]')
        eye.sees(page, name)
    eye.goes(page, staged.url, "/supervision?pour=grippe")
    page.wait_for_selector('#freshness[data-state="good"]')
    page.select_option("#number-filter", BRETAGNE.number)
    eye.sees(page, "of-number")


BOARD = Stage("numbers", _board, (the_board,))

# ---------------------------------------------------------------- a desk and a centre


@contextmanager
def _desk(database_url: str, browser: Browser) -> Iterator[DeskStage]:
    campaigns = (replace(AUTUMN[0], together_in=ONE_PLACE), AUTUMN[1])
    with desk_stage(browser, database_url, campaigns, (BRETAGNE, ENGLISH)) as staged:
        yield staged


def a_caller_of_two_needs(staged: DeskStage, eye: Eye) -> None:
    desk: AtDesk = staged.sits_down()
    page = desk.page
    eye.contexts.append(page.context)
    eye.speaks(page, staged.url)
    desk.ready()
    visitor = staged.rings()
    visitor.calls()
    for keys in ("1", "12031956", "3", "1", "75011", "0"):
        assert visitor.question() is not None
        visitor.presses(keys)
    expect(page.locator("#answer")).to_be_focused()
    eye.sees(page, "rings")
    desk.answers()
    expect(page.locator(".offers .offer").first).to_be_visible()
    eye.sees(page, "talking")
    page.keyboard.press("2")
    expect(page.locator(".read-back")).to_be_focused()
    eye.sees(page, "read-back")
    page.click("button.confirm")
    expect(page.locator("#booking .card").first).to_be_visible()
    page.locator("#booking .card details.sure summary").first.click()
    eye.sees(page, "booked")
    page.locator("#booking .card button[name=of]").first.click()
    page.wait_for_selector("#booking .read-back, #booking .offers, #booking .buttons")
    page.wait_for_timeout(500)
    eye.sees(page, "moves-half")


DESK = Stage("needs", _desk, (a_caller_of_two_needs,))


@contextmanager
def _centre(database_url: str, _: Browser) -> Iterator[SecretaryStage]:
    with secretary_stage(database_url, people=24, campaigns=AUTUMN) as staged:
        yield staged


def a_day_of_two_services(staged: SecretaryStage, eye: Eye) -> None:
    who = staged.house.employs("secretary", name="Morgan Lefèvre", centre_id="1")
    client = staged.house.signs_in(staff=who, app=staged.app)
    kept = client.get_cookie(client.cookie)
    assert kept is not None
    page = eye.opens(staged.url, "/centre", cookie=kept.value)
    eye.sees(page, "day")
    eye.goes(page, staged.url, "/centre/imprimer")
    eye.sees(page, "print")
    eye.goes(page, staged.url, "/centre")
    page.fill("#born", "12/03/1942")
    with page.expect_navigation():
        page.click('form[action="/centre/arrivee"] button[type=submit]')
    eye.sees(page, "what-for")
    for box in page.locator("input[name=wanted]").all():
        box.check()
    with page.expect_navigation():
        page.click('form[action="/centre/arrivee"] button[type=submit]')
    eye.sees(page, "booked")


CENTRE = Stage("counter", _centre, (a_day_of_two_services,))
