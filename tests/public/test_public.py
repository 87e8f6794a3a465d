"""The pages that are the same for everybody: kept by anyone, asking nobody, in two languages."""

from __future__ import annotations

import re

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sqlalchemy import update

from app.web import make_app
from jobs.partner_files import NAMES
from models.centres.tables import centre
from models.supervision import snapshots
from services.campaign.campaigns import Campaigns
from services.campaign.opening_hours import OpeningHours
from services.centres.directory import Directory
from services.parts import Parts
from services.public.write_state import WriteState
from services.queue.wait_estimate import forget_throughput
from services.service import Service
from tests.support.house import BASE, CAMPAIGN, NOON, House, mornings
from tests.support.statements import statements
from web.public.pages import HOME_PATIENCE_SECONDS
from web.public.words import Sayings

FIXED = ("/", "/confidentialite", "/accessibilite", "/robots.txt", "/.well-known/security.txt")
CENTRES = ("/centres", "/centres/dep/75", "/centres/1")
STATE = ("/etat", "/etat.json")


@pytest.fixture
def site(made: House) -> House:
    """A house that remembers centres as a web worker does."""
    made.opens_centre("1", name="Salle Olympe", kilometres=0.4, starts=mornings(3), capacity=2)
    made.opens_centre("2", name="Gymnase", kilometres=4.1, mode="own_phone")
    made.opens_centre("3", name="Maison", kilometres=6.3, mode="partner")
    made.opens_centre("4", name="Hôpital réservé", kilometres=0.2, mode="reserved")
    made.opens_centre("5", name="Salle bretonne", code="35000")
    with made.database.transaction() as connection:
        connection.execute(update(centre).values(phones='["+33144556677"]'))
        partner = centre.c.id == "3"
        link = "https://www.doctolib.fr/centre/maison"
        connection.execute(update(centre).where(partner).values(booking_link=link))
    WriteState(made.store, Campaigns.fixed(CAMPAIGN, now=made.clock.now))()
    made.app = app_of(made)
    return made


def app_of(made: House, campaign: Any = CAMPAIGN) -> Any:
    service = Service(
        Directory(made.database), campaign, made.settings.national_number, platforms=lambda: NAMES
    )
    return make_app(Parts(made.settings, made.store, service, made.woken))


def posts(made: House, where: str, *, lang: str = "", app: Any = None) -> Any:
    client = (app or made.app).test_client()
    return client.post(f"/centres{lang}", data={"where": where}, headers={"Origin": BASE})


# ---------------------------------------------------------------- kept by anyone


def test_pages_may_be_kept_by_anyone_and_are_the_same_for_everybody(site: House):
    signed_in = site.signs_in("agent", app=site.app)
    for path in (*FIXED, *CENTRES, *STATE):
        plain = site.app.test_client().get(path)
        assert plain.status_code == 200, path
        policy = plain.headers["Cache-Control"]
        seconds = {"/robots.txt": 3600, "/.well-known/security.txt": 3600}.get(path, 60)
        seconds = 5 if path in STATE else seconds
        assert policy.startswith(f"public, max-age={seconds}, s-maxage={seconds}, stale-while-")
        assert "stale-if-error=86400" in policy
        assert "Set-Cookie" not in plain.headers, path
        assert "Vary" not in plain.headers, path
        # Whoever asks, whatever their browser remembers or prefers.
        others = {"Accept-Language": "en", "Cookie": "__Host-allo-lang=en; __Host-allo=stolen"}
        assert site.app.test_client().get(path, headers=others).data == plain.data, path
        mine = signed_in.get(path)
        assert mine.data == plain.data, path
        assert "Set-Cookie" not in mine.headers
        again = site.app.test_client().get(path, headers={"If-None-Match": plain.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b""), path


def test_the_language_is_that_of_the_address_and_nothing_remembers_it(site: House):
    for path in ("/", "/centres", "/centres/1", "/etat"):
        client = site.app.test_client()
        english = client.get(f"{path}?lang=en")
        assert '<html lang="en">' in english.text
        assert "Set-Cookie" not in english.headers
        assert f'href="{path}" lang="fr"' in english.text
        french = client.get(path).text
        assert '<html lang="fr">' in french
        assert f'href="{path}?lang=en" lang="en"' in french
        # Links lead on in the same language.
        assert 'href="/etat?lang=en"' in english.text
        assert 'href="/etat"' in french
        assert client.get(f"{path}?lang=%3Cb%3E").text == french


def test_nothing_public_costs_a_database_trip_unless_a_person_acts(
    site: House, monkeypatch: pytest.MonkeyPatch
):
    # What is asked for each second is asked for once here, however slow the machine is.
    monkeypatch.setattr("services.public.state.KEPT_SECONDS", 1e9)
    client = site.app.test_client()
    # The first one in each worker reads who is at work, for all after it.
    client.get("/")
    with statements(site.database) as seen:
        for path in (*FIXED, *(f"{one}?lang=en" for one in FIXED)):
            client.get(path)
        client.get("/", headers={"Cookie": "__Host-allo=some-token"})
    assert seen == []
    for path in (*CENTRES, *STATE):
        # The first one in each worker reads what all after it share.
        client.get(path)
    with statements(site.database) as seen:
        for path in (*CENTRES, *STATE) * 2:
            client.get(path)
    assert seen == []
    with statements(site.database) as seen:
        assert posts(site, "75011").status_code == 200
    assert len(seen) <= 2, seen


def test_a_404_is_kept_by_nobody(site: House):
    for path in ("/centres/nothing", "/centres/dep/00", "/nowhere", "/centres/4"):
        answer = site.app.test_client().get(path)
        assert answer.status_code == 404
        assert answer.headers["Cache-Control"] == "no-store"


def test_whatever_goes_wrong_a_person_reads_a_page_and_a_machine_does_not(
    site: House, monkeypatch: pytest.MonkeyPatch
):
    client = site.app.test_client()
    missing = client.get("/nowhere?lang=en")
    assert missing.status_code == 404
    assert "There is nothing at this address." in missing.text
    assert "Set-Cookie" not in client.get("/nowhere").headers
    for path in ("/api/nothing", "/assets/nothing.css"):
        assert "Allô" not in client.get(path).text

    def refuse(*_: object) -> None:
        raise RuntimeError("the store does not answer")

    monkeypatch.setattr(site.database, "statement", refuse)
    failed = posts(site, "75011")
    assert failed.status_code == 500
    assert "un rendez-vous confirmé reste confirmé" in failed.text.lower()
    assert 'href="tel:+33974750001"' in failed.text


# ---------------------------------------------------------------- what they say


def told_of_people(app: Any, path: str = "/") -> str:
    text = app.test_client().get(path).text.replace("\u00a0", " ")
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


ALWAYS = OpeningHours("Europe/Paris", (((0, 24 * 60),),) * 7)


@pytest.mark.parametrize("path", ["/", "/etat"])
def test_what_the_machine_answers_and_what_a_person_does_are_told_apart(
    site: House, path: str, monkeypatch: pytest.MonkeyPatch
):
    """A campaign whose people may be asked for day and night, and nobody is there."""
    monkeypatch.setattr("services.public.state.KEPT_SECONDS", 0.0)
    campaign = replace(CAMPAIGN, agents_hours=ALWAYS)
    app = app_of(site, campaign)
    write = WriteState(site.store, Campaigns.fixed(campaign, now=site.clock.now))
    write()
    text = told_of_people(app, path)
    assert re.search(
        r"Service automatique.{0,60}[Rr]épond jour et nuit|Il répond jour et nuit", text
    )
    assert re.search(r"[Pp]ersonne n’est au poste", text)
    # Nothing says that a person answers day and night.
    assert "quand quelqu’un est au poste" in text
    assert not re.search(r"personne[^.:]{0,40}jour et nuit", text)
    with site.database.transaction() as connection:
        pace = {"fr": {"agents": 3, "share": 3.0, "mean": 300.0, "free": (0.0, 0.0, 0.0)}}
        snapshots.put(connection, site.clock, "pace", pace)
    forget_throughput()
    write()
    text = told_of_people(app, path)
    assert "3 personnes" in text
    assert "ersonne n’est au poste" not in text
    # Figures of another hour say nothing of now.
    clock: Any = site.clock
    clock.advance(timedelta(minutes=5))
    assert "3 personnes" not in told_of_people(app, path)


def test_the_first_page_says_when_that_was_and_waits_for_no_store(
    site: House, monkeypatch: pytest.MonkeyPatch
):
    WriteState(site.store, Campaigns.fixed(CAMPAIGN, now=site.clock.now))()
    told = told_of_people(site.application())
    # A copy of the page that a cache kept stays true.
    assert "Personne n’est au poste. Relevé mercredi 25 novembre 2026 à 9 h" in told
    assert "Elle répond du lundi" in told
    waited: list[float | None] = []
    monkeypatch.setattr("threading.Thread.join", lambda _self, seconds=None: waited.append(seconds))
    assert site.application().test_client().get("/").status_code == 200
    assert waited == [HOME_PATIENCE_SECONDS]


def test_the_first_page_says_the_moment_of_the_opening_and_is_not_kept_beyond_it(site: House):
    opens_at = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
    app = app_of(site, replace(CAMPAIGN, opens_at=opens_at))
    text = app.test_client().get("/").text.replace("\u00a0", " ")
    assert "Les rendez-vous ouvrent mardi 1er décembre 2026 à 9 h (heure de Paris)." in text
    english = app.test_client().get("/?lang=en").text.replace("\u00a0", " ")
    assert "Tuesday 1 December 2026 at 9 am" in english
    clock: Any = site.clock
    clock.moment = opens_at - timedelta(seconds=20)
    policy = app.test_client().get("/").headers["Cache-Control"]
    assert "max-age=20, s-maxage=20, stale-while-revalidate=0" in policy
    clock.moment = opens_at
    opened = app.test_client().get("/")
    assert "Les rendez-vous ouvrent" not in opened.text
    assert "max-age=60" in opened.headers["Cache-Control"]


def test_after_the_end_one_can_still_see_an_appointment(site: House):
    closed = replace(CAMPAIGN, closes_at=NOON - timedelta(days=1))
    text = app_of(site, closed).test_client().get("/").text
    assert "terminée depuis" in text
    assert 'class="button" href="/rendez-vous"' not in text
    assert 'href="/mon-rendez-vous"' in text


def test_every_page_has_the_number_to_ring(site: House):
    for path in ("/", "/confidentialite", "/accessibilite", *CENTRES, "/etat"):
        text = site.app.test_client().get(path).text
        assert 'href="tel:+33974750001"' in text
        assert "09 74 75 00 01" in text.replace("\u00a0", " ")
        # It is never called what it is not.
        assert "maintenance" not in text.lower()


def test_whoever_finds_a_hole_finds_a_contact(site: House):
    text = site.app.test_client().get("/.well-known/security.txt").text
    told = dict(line.split(": ", 1) for line in text.splitlines())
    assert told["Contact"] == "tel:+33974750001"
    expires = datetime.fromisoformat(told["Expires"])
    # RFC 9116 recommends less than a year.
    assert timedelta(days=90) < expires - NOON < timedelta(days=365)
    assert told["Canonical"] == f"{BASE}/.well-known/security.txt"
    site.settings = site.settings.model_copy(update={"security_contact": "mailto:a@b.example"})
    other = site.application().test_client().get("/.well-known/security.txt").text
    assert other.startswith("Contact: mailto:a@b.example\n")


def test_robots_stay_out_of_visits(site: House):
    text = site.app.test_client().get("/robots.txt").text
    assert "Disallow: /mon-rendez-vous" in text
    assert "Disallow: /r/" in text
    assert "Disallow: /\n" not in text


# ---------------------------------------------------------------- centres


def test_centres_by_distance_say_how_they_take_bookings_and_what_is_free(site: House):
    page = posts(site, "75 011")
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    text = " ".join(re.sub(r"<[^>]+>", " ", page.text).replace("\u00a0", " ").split())
    order = [text.index(name) for name in ("Salle Olympe", "Gymnase", "Maison")]
    assert order == sorted(order)
    assert "Salle bretonne" not in text
    assert "réservé" not in text
    assert "moins de 1 km" in text
    assert "jeudi 26 novembre à 10 h 4 places sur ce site" in text
    assert "Par téléphone, au centre : 01 44 55 66 77" in text
    assert 'href="https://www.doctolib.fr/centre/maison"' in page.text
    assert "Sur Doctolib" in text


def test_a_centre_that_stands_where_its_town_is_has_no_distance_there(made: House):
    made.opens_centre("1", name="Salle", kilometres=0.0, starts=mornings(1))
    made.opens_centre("2", name="Gymnase", kilometres=11.0, starts=mornings(1))
    with made.database.transaction() as connection:
        connection.execute(update(centre).values(roughly=True))
    text = posts(made, "75011").text.replace("\u00a0", " ")
    assert "dans ce secteur" in text
    assert "11 km" in text
    assert "moins de 1 km" not in text


def test_where_people_come_without_an_appointment_it_is_said_and_nothing_is_booked(made: House):
    made.opens_centre("1", name="Barnum", mode="own_phone")
    made.opens_centre("2", name="Salle", mode="partner")
    made.opens_centre("3", name="Lycée", mode="own_phone")
    made.opens_centre("4", name="Halle", starts=mornings(3))
    with made.database.transaction() as connection:
        for gid, way in (("1", "only"), ("2", "also"), ("3", ""), ("4", "also")):
            connection.execute(update(centre).where(centre.c.id == gid).values(walk_in=way))
        connection.execute(
            update(centre).where(centre.c.id == "1").values(phones='["+33144556677"]')
        )
    client = made.app.test_client()
    pages = {gid: client.get(f"/centres/{gid}").text for gid in ("1", "2", "3", "4")}
    assert "ce centre ne donne pas de rendez-vous" in pages["1"]
    assert "Appelez avant de vous déplacer" in pages["1"]
    assert "donne ses rendez-vous" not in pages["1"]
    assert "on peut aussi y aller sans rendez-vous" in pages["2"]
    assert "donne ses rendez-vous sur son propre site" in pages["2"]
    assert "sans rendez-vous" not in pages["3"]
    assert "on peut aussi y aller sans rendez-vous" in pages["4"]
    assert "Prendre rendez-vous ici" in pages["4"]
    listed = client.get("/centres/dep/75").text.replace("\u00a0", " ")
    assert "Sans rendez-vous : on y va directement." in listed
    assert listed.count("On peut aussi y aller sans rendez-vous.") == 2
    for code, told in (("en", "just go there"), ("es", "se va directamente")):
        assert told in client.get(f"/centres/1?lang={code}").text


def test_a_town_is_found_by_its_name_and_what_is_not_known_is_said(site: House):
    assert "Salle bretonne" in posts(site, "rennes").text
    # A CEDEX code is that of its town.
    assert "Salle bretonne" in posts(site, "35042").text
    english = posts(site, "35000", lang="?lang=en")
    assert "Centres near Rennes" in english.text
    for where, told in (
        ("", "Écrivez un code postal"),
        ("<b>99999</b>", "Nous ne connaissons pas"),
    ):
        refused = posts(site, where)
        assert refused.status_code == 400
        assert told in refused.text
        assert "<b>99999" not in refused.text
    # What was typed is still there, and no address ever has it.
    assert 'value="99999"' in posts(site, "99999").text
    assert site.app.test_client().get("/centres?where=75011").text.count("75011") == 0


def test_another_site_cannot_send_the_form(site: House):
    client = site.app.test_client()
    headers = {"Origin": "https://elsewhere.example"}
    answer = client.post("/centres", data={"where": "75011"}, headers=headers)
    assert answer.status_code == 403
    assert "La demande venait d’un autre site." in answer.text


def test_a_centre_has_a_page_and_no_link_but_the_webs(site: House):
    page = site.app.test_client().get("/centres/1").text.replace("\u00a0", " ")
    assert 'href="/rendez-vous"' in page
    assert "01 44 55 66 77" in page
    assert "le centre n’a pas donné d’horaires" in page.lower()
    assert "Nous ne pouvons pas y réserver" in site.app.test_client().get("/centres/3").text
    with site.database.transaction() as connection:
        bad = "javascript:alert(1)"
        connection.execute(update(centre).where(centre.c.id == "3").values(booking_link=bad))
    assert "javascript" not in app_of(site).test_client().get("/centres/3").text


# ---------------------------------------------------------------- words


def test_waits_moments_and_numbers_read_as_people_say_them(site: House):
    with site.app.test_request_context("/"):
        from web.pages import speak, words  # noqa: PLC0415

        said = Sayings(words())
        waits = {40: "moins d’une minute", 61: "environ 2 minutes", 595: "environ 10 minutes",
                 601: "environ 15 minutes", 10_000: "plus de 2 heures"}  # fmt: skip
        assert {wait: said.wait(wait) for wait in waits} == waits
        agos = {30: "à l’instant", 720: "il y a 12 minutes", 3 * 3600: "il y a 3 heures",
                80 * 3600: "il y a 3 jours"}  # fmt: skip
        told = {ago: said.ago(NOON - timedelta(seconds=ago), NOON) for ago in agos}
        assert told == agos
        assert said.count(12_345) == "12\u202f345"
        assert said.phone("3975") == "3975"
        week = [(0, [("09:00", "12:00"), ("14:00", "17:30")]), (1, [("09:00", "12:00")])]
        assert [line.replace("\u00a0", " ") for line in said.week(week)] == [
            "le lundi, de 9 h à 12 h et de 14 h à 17 h 30",
            "le mardi, de 9 h à 12 h",
        ]
        speak("en")
        assert Sayings(words()).wait(595) == "about 10 minutes"


@pytest.mark.parametrize(
    ("language", "month", "free"),
    [
        ("fr", "en un mois au plus", "gratuit"),
        ("en", "within a month at most", "free"),
        ("es", "en un mes como máximo", "gratis"),
    ],
)
def test_the_page_on_data_says_whom_to_ask_within_which_time_and_where_to_complain(
    made: House, language: str, month: str, free: str
):
    page = made.app.test_client().get(f"/confidentialite?lang={language}").text
    assert month in page
    assert free in page
    # Whom to ask, and where to complain.
    assert "tel:+33974750001" in page
    assert "www.cnil.fr" in page
    for kept in ("24", "30", "180", "13"):
        assert kept in page
