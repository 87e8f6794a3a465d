"""Signing in, one's account, a person's rights, and the supervisors' smaller pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta

from playwright.sync_api import Browser, Page
from sqlalchemy import update

from models.accounts import factors
from models.accounts import staff as staff_rows
from models.accounts.factors import Passkey
from models.accounts.staff import Staff
from models.messages.outbox import HELD
from models.messages.tables import message
from services.accounts import four_eyes
from services.accounts.four_eyes import Wish
from services.accounts.second_factor import new_recovery_codes, recovery_index
from services.booking.confirm_booking import Booked
from services.booking.reach import Reach
from services.desk.watched import watch
from services.slots.allocate import Channel, Holder
from services.supervision.clusters import find_clusters
from tests.browser.gallery.eye import Eye, Stage
from tests.browser.stage import served
from tests.support.forms import PASSWORD, code_of, has_code
from tests.support.house import House, house, mornings
from tests.support.rows import holds, orders, request_for


@dataclass
class Office:
    house: House
    url: str

    def cookie(self, role: str = "supervisor", *, staff: Staff | None = None) -> str:
        client = self.house.signs_in(role, staff=staff, app=self.house.app)
        kept = client.get_cookie(client.cookie)
        assert kept is not None
        return kept.value


@contextmanager
def begins(database_url: str, _: Browser) -> Iterator[Office]:
    with house(database_url) as made:
        made.opens_centre("1", starts=mornings(30), capacity=20)
        # The telephone signs for its own address, the browser comes to another one.
        caller = made.phone().goes_to("reach")
        caller.answers("1").books()
        made.settings = made.settings.model_copy(update={"public_base_url": "http://127.0.0.1"})
        made.__dict__.pop("app", None)
        with served(made.app) as url:
            yield Office(made, url)


def _types(page: Page, **fields: str) -> None:
    """Fill in, send, and wait for what comes."""
    for name, text in fields.items():
        page.fill(f"#{name}", text)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def signing_in(office: Office, eye: Eye) -> None:
    login = f"entre.{eye.language}"
    who = office.house.employs("agent", login=login, password=PASSWORD, temporary=True)
    secret = has_code(office.house, who.id)
    page = eye.opens(office.url, "/connexion?next=/compte")
    eye.sees(page, "sign-in")
    _types(page, login=login, password="wrong wrong wrong")
    eye.sees(page, "sign-in-wrong")
    _types(page, password=PASSWORD)
    eye.sees(page, "code")
    _types(page, code="000000")
    eye.sees(page, "code-wrong")
    _types(page, code=code_of(office.house, secret))
    eye.sees(page, "first-password")
    page.fill("#new", "le soleil brille sur Brest")
    _types(page, again="le soleil brille sur Lyon")
    eye.sees(page, "first-password-wrong")


def a_first_factor(office: Office, eye: Eye) -> None:
    login = f"neuf.{eye.language}"
    office.house.employs("supervisor", login=login, password=PASSWORD)
    page = eye.opens(office.url, "/connexion?next=/compte")
    _types(page, login=login, password=PASSWORD)
    page.wait_for_selector("figure svg")
    eye.sees(page, "first-factor")


def ones_account(office: Office, eye: Eye) -> None:
    who = office.house.employs("supervisor", name="Maxence Durand")
    store, now = office.house.store, office.house.clock.now()
    with office.house.database.transaction() as connection:
        for number, name in enumerate(("clé bleue", "")):
            key = f"{eye.language}{number}"
            made = Passkey(key, who.id, key.encode(), b"public", 0, (), name, now, None)
            factors.add_passkey(connection, office.house.clock, made)
        indexes = [recovery_index(store.vault, who.id, one) for one in new_recovery_codes()]
        factors.replace_codes(connection, office.house.clock, who.id, indexes)
        staff_rows.begin_session(
            connection, office.house.clock, f"another-{eye.language}", who.id, strong=True
        )
    page = eye.opens(office.url, "/compte", cookie=office.cookie(staff=who))
    eye.sees(page, "account")
    for name, path in (
        ("change-password", "/connexion/mot-de-passe?next=/compte"),
        ("recovery", "/compte/secours?next=/compte"),
        ("proof", "/compte/preuve?next=/compte"),
    ):
        eye.goes(page, office.url, path)
        eye.sees(page, name)


def recovery_codes(office: Office, eye: Eye) -> None:
    page = eye.opens(office.url, "/compte/secours?next=/compte", cookie=office.cookie())
    with page.expect_navigation():
        page.click("main form button[type=submit]")
    page.wait_for_selector(".recovery-codes")
    eye.sees(page, "recovery-codes")


def watched_names(office: Office, eye: Eye) -> None:
    page = eye.opens(office.url, "/supervision/noms", cookie=office.cookie())
    eye.sees(page, "watched-empty")
    page.fill("#name", "Xyz")
    _types(page, born="12/13/1942")
    eye.sees(page, "watched-wrong")
    by = office.house.employs("supervisor", name="Dominique Bernard")
    for number in range(2):
        watch(office.house.store, "Camille Durand-Lefebvre", date(1942, 3, 1 + number), by=by.id)
    eye.goes(page, office.url, "/supervision/noms")
    eye.sees(page, "watched")


def approvals(office: Office, eye: Eye) -> None:
    cookie = office.cookie()
    page = eye.opens(office.url, "/supervision/accords", cookie=cookie)
    eye.sees(page, "approvals-empty")
    others = office.house.employs("supervisor", name="Dominique Bernard")
    store = office.house.store
    four_eyes.ask(store, Wish(four_eyes.CENTRE, "centre_closed 1", 1240, "operator root"))
    four_eyes.ask(store, Wish(four_eyes.MOVED, "day_closed 1", 60, others.id))
    eye.goes(page, office.url, "/supervision/accords")
    eye.sees(page, "approvals")


def held_back(office: Office, eye: Eye) -> None:
    page = eye.opens(office.url, "/supervision/retenus", cookie=office.cookie())
    eye.sees(page, "held-empty")
    now = office.house.clock.now()
    with office.house.database.transaction() as connection:
        held = {"held_at": now, "held_why": "number", "error_code": HELD, "state": "pending"}
        connection.execute(update(message).values(**held, due_at=now + timedelta(hours=14)))
    eye.goes(page, office.url, "/supervision/retenus")
    eye.sees(page, "held")


def groups(office: Office, eye: Eye) -> None:
    page = eye.opens(office.url, "/supervision/groupes", cookie=office.cookie())
    eye.sees(page, "groups-empty")
    for number in range(6):
        _resembles(office.house, number)
    find_clusters(office.house.store, 4)
    eye.goes(page, office.url, "/supervision/groupes")
    eye.sees(page, "groups")
    with page.expect_navigation():
        page.click('form[action="/supervision/groupes/voir"] button')
    eye.sees(page, "group-opened")


def _resembles(made: House, number: int) -> None:
    holder = f"W{number:032x}"
    held = holds(made, holder, channel=Channel.WEB)[0]
    asked = request_for(held, holder)
    phone = f"+3361100{number:04d}"
    booked = orders(
        made,
        replace(
            asked,
            holder=Holder(Channel.WEB, holder),
            call_id=None,
            born=date(1939, 1, 1) + timedelta(days=number),
            number=phone,
            text_to=phone,
            name="Sacha Invente",
            reach=Reach(place=f"198.51.100.{number}"),
        ),
    )
    assert isinstance(booked, Booked)


def a_person(office: Office, eye: Eye) -> None:
    page = eye.opens(office.url, "/poste/personne", cookie=office.cookie("agent"))
    eye.sees(page, "person")
    page.fill("#person-born", "12/03/1950")
    _types(page, **{"person-number": "06 12 34 56 78"})
    eye.sees(page, "person-refused")
    page.fill("#person-born", "12/03/1942")
    _types(page, **{"person-number": "06 12 34 56 78"})
    page.wait_for_selector("#kept-title")
    eye.sees(page, "person-kept")
    with page.expect_navigation():
        page.locator('form[action="/poste/personne/copie"] button').first.click()
    eye.sees(page, "person-copy")


WALKS = (
    signing_in,
    a_first_factor,
    ones_account,
    recovery_codes,
    watched_names,
    approvals,
    held_back,
    groups,
    a_person,
)
STAGE = Stage("staff", begins, WALKS)
