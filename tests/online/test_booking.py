"""Public booking by its pages: what a browser sends and is shown, without a script and with one."""

from __future__ import annotations

import re

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from flask.testing import FlaskClient
from icalendar import Calendar
from sqlalchemy import select

from flows.steps import STEPS
from models.booking.tables import booking
from models.waiting_list.tables import waiting_entry
from prompts.screens import screen
from services.campaign.campaign import Eligible
from tests.support.house import BASE, NOON, House, campaign_with, house, mornings
from tests.support.keldoc import beside
from tests.support.rows import clock_of
from web.tickets import STANDS_FOR

COOKIE = "__Host-allo-visit"
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')
PLACE = re.compile(r'name="place" value="([0-9]+)"')
BOOSTED = {"HX-Request": "true", "HX-Boosted": "true"}
BROWSERS = pytest.mark.usefixtures("browsers")


class Visitor:
    """Somebody with a browser, who fills in what is on the page; without scripts, or `scripted`."""

    scripted = False

    def __init__(self, made: House, client: FlaskClient | None = None) -> None:
        self.made = made
        self.client = client or made.app.test_client()
        self.page, self.path, self.status = "", "", 0
        # Pages that came in the answer to a form.
        self.swaps = 0

    def opens(self, path: str) -> Visitor:
        return self._shown(self.client.get(path, base_url=BASE))

    def sends(self, *, follow: bool = True, path: str = "", **fields: str) -> Visitor:
        """Send the form of this page with these fields."""
        swaps = self.scripted and f'action="{path or self.path}" hx-boost="true"' in self.page
        answer = self.client.post(
            path or self.path,
            base_url=BASE,
            headers={"Origin": BASE} | (BOOSTED if swaps else {}),
            data=dict(HIDDEN.findall(self.page)) | fields,
        )
        return self._swapped(answer) if swaps else self._shown(answer, follow=follow)

    def _swapped(self, answer: Any) -> Visitor:
        """Show what a script puts in the place of the page: the one that its address has, too."""
        self._shown(answer)
        if "HX-Push-Url" not in answer.headers:
            # An error stays at the address of its form.
            assert self.status == 422 or answer.status_code == 303
            return self
        at_once = self.page
        self.opens(answer.headers["HX-Push-Url"])
        assert (self.status, self.page) == (200, at_once)
        self.swaps += 1
        return self

    def _shown(self, answer: Any, *, follow: bool = True) -> Visitor:
        while follow and answer.status_code in {302, 303}:
            answer = self.client.get(answer.headers["Location"], base_url=BASE)
        self.path = answer.request.path
        self.status, self.page = answer.status_code, answer.get_data(as_text=True)
        return self

    def is_at(self, slug: str) -> Visitor:
        assert self.path == f"/rendez-vous/{slug}", self.path
        return self

    @property
    def places(self) -> list[str]:
        return PLACE.findall(self.page)

    def starts(self, whom: str = "self") -> Visitor:
        return self.opens("/rendez-vous").sends(whom=whom).is_at("naissance")

    def is_born(self, day: str = "12", month: str = "3", year: str = "1942") -> Visitor:
        return self.sends(day=day, month=month, year=year)

    def comes_to_offers(self, whom: str = "self") -> Visitor:
        self.starts(whom).is_born().is_at("commune").sends(where="75011").is_at("creneaux")
        return self

    def comes_to_reach(self, whom: str = "self") -> Visitor:
        return self.comes_to_offers(whom).sends(place=self.places[0]).is_at("joindre")

    def comes_to_confirm(self, whom: str = "self", number: str = "06 12 34 56 78") -> Visitor:
        self.comes_to_reach(whom)
        return self.sends(number=number, wish="number").is_at("confirmer")

    @property
    def reference(self) -> str:
        found = re.search(r'class="number reference">([0-9 ]+)<', self.page)
        assert found, self.page
        return found[1].replace(" ", "")


@pytest.fixture(params=[False, True], ids=["no script", "script"])
def browsers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of visits that both kinds of browsers go through alike."""
    monkeypatch.setattr(Visitor, "scripted", request.param)


@pytest.fixture
def open_house(made: House) -> House:
    made.opens_centre("1", name="Salle Olympe de Gouges", kilometres=0.4, starts=mornings(30))
    made.opens_centre("2", name="Gymnase Jean Jaurès", kilometres=4.1, starts=mornings(30))
    made.opens_centre("3", name="Mairie annexe", kilometres=12.2, starts=mornings(30))
    return made


@pytest.fixture
def visitor(open_house: House) -> Visitor:
    return Visitor(open_house)


@pytest.fixture
def two_doses(database_url: str) -> Iterator[House]:
    with house(database_url, campaign=campaign_with(doses=2, few_places=1)) as one:
        one.opens_centre("1", starts=mornings(34), capacity=2)
        yield one


@BROWSERS
def test_one_person_is_booked_from_the_first_page_to_the_last(open_house: House, visitor: Visitor):
    visitor.comes_to_confirm()
    assert "12 mars 1942" in visitor.page
    assert "06 12 34 56 78" in visitor.page
    visitor.sends().is_at("fait")
    (booked,) = open_house.bookings()
    assert (booked.channel, booked.reference) == ("web", visitor.reference)
    (message,) = open_house.messages()
    assert message.id in open_house.woken.messages
    assert open_house.held() == 0
    # Asked for again, sent again, gone back from: the same page, and one booking.
    for slug in ("fait", "confirmer", "creneaux", "naissance", "pour-qui"):
        visitor.opens(f"/rendez-vous/{slug}").is_at("fait")
    visitor.sends(path="/rendez-vous/confirmer").is_at("fait")
    assert len(open_house.bookings()) == 1
    # Five answers, none of which a script asked for a second time.
    assert visitor.swaps == (5 if visitor.scripted else 0)


def test_an_answer_with_the_next_page_counts_as_two_requests(
    open_house: House, monkeypatch: pytest.MonkeyPatch
):
    """The gate reckons by requests how many visits may begin (web.admission.gate)."""
    monkeypatch.setattr(Visitor, "scripted", True)
    counted: list[int] = []
    behind = open_house.app.wsgi_app

    def in_front(environ: dict[str, Any], start_response: Any) -> Any:
        answer = behind(environ, start_response)
        counted.append(environ.get(STANDS_FOR, 1))
        return answer

    monkeypatch.setattr(open_house.app, "wsgi_app", in_front)
    visitor = Visitor(open_house).comes_to_offers()
    # The first page, its form, the page that it leads to; then each form with the next page, which
    # is looked at once more here.
    assert counted == [1, 1, 1, 2, 1, 2, 1]
    visitor.sends(place="0").is_at("creneaux")
    assert counted[7:] == [1]


@BROWSERS
def test_two_doses_and_two_people_side_by_side(two_doses: House):
    visitor = Visitor(two_doses).comes_to_confirm("two")
    assert "Confirmer les deux rendez-vous" in visitor.page
    visitor.sends().is_at("fait")
    first = visitor.reference
    visitor.sends().is_at("naissance")
    assert "Seconde personne" in visitor.page
    assert "Référence" in visitor.page
    visitor.is_born("1", "avril", "1944").is_at("creneaux")
    assert "À côté du rendez-vous" in visitor.page
    visitor.sends(place=visitor.places[0]).is_at("confirmer").sends().is_at("fait")
    assert first[:2] in visitor.page
    rows = two_doses.bookings()
    assert len({row.reference for row in rows}) == 2
    assert sorted(row.dose for row in rows) == [1, 1, 2, 2]
    assert len({row.start_at for row in rows if row.dose == 1}) == 1
    assert two_doses.held() == 0


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        (("31", "2", "1942"), "n’existe pas"),
        (("12", "", "1942"), "le jour, le mois et l’année"),
        (("", "", ""), "Écrivez la date de naissance"),
        (("12", "3", "2042"), "dans le futur"),
        (("12", "3", "1802"), "trop ancienne"),
        (("1" * 60, "3", "1942"), "n’existe pas"),
    ],
)
def test_a_wrong_date_keeps_what_was_typed_and_says_what_to_do(
    visitor: Visitor, typed: tuple[str, str, str], reason: str
):
    visitor.starts().is_born(*typed).is_at("naissance")
    assert visitor.status == 422
    assert 'id="problems"' in visitor.page
    assert reason in visitor.page
    assert "<title>Erreur :" in visitor.page.replace("\u00a0", " ")
    for name, text in zip(("day", "month", "year"), typed, strict=True):
        assert re.search(rf'id="{name}"[^>]*value="{text}"', visitor.page), name
    # And the next try goes on from there.
    visitor.is_born().is_at("commune")


@pytest.mark.parametrize(
    "typed",
    [
        ("12/03/1942", "", ""),
        ("12031942", "", ""),
        ("1942-03-12", "", ""),
        ("12 mars 1942", "", ""),
        ("12", "mars", "42"),
        ("12", "03", "42"),
    ],
)
def test_dates_as_people_write_them(visitor: Visitor, typed: tuple[str, str, str]):
    visitor.starts().is_born(*typed).is_at("commune")
    assert "12 mars 1942" in visitor.page


def test_a_cedex_code_is_that_of_its_town_or_it_is_said_that_it_may_be_one(visitor: Visitor):
    visitor.starts().is_born().sends(where="75231").is_at("commune")
    assert "peut-être un code CEDEX" in visitor.page
    visitor.sends(where="35042").is_at("attente")
    assert "Rennes" in visitor.page


def test_places_and_numbers_that_are_not_understood(visitor: Visitor):
    visitor.starts().is_born()
    for where in ("", "7501", "99999", "Zzyzzx"):
        visitor.sends(where=where).is_at("commune")
        assert visitor.status == 422
        assert f'value="{where}"' in visitor.page
    visitor.sends(where="75 011").is_at("creneaux").sends(place=visitor.places[0]).is_at("joindre")
    for number in ("", "06 12 34", "+44 20 7946 0958", "08 99 12 34 56"):
        visitor.sends(number=number, wish="number").is_at("joindre")
        assert visitor.status == 422
        assert f'value="{number}"' in visitor.page


@BROWSERS
def test_no_number_and_a_landline_are_no_condition(open_house: House):
    for number, wish in (("", "none"), ("04 91 22 33 44", "number")):
        visitor = Visitor(open_house).comes_to_offers()
        visitor.sends(place=visitor.places[0]).sends(number=number, wish=wish).is_at("confirmer")
        visitor.sends().is_at("fait")
        assert "aucun SMS" in visitor.page
        assert "Nous appellerons" not in visitor.page
    assert len(open_house.bookings()) == 2
    assert open_house.messages() == []
    visitor = Visitor(open_house).starts().is_born(year="1941").sends(where="75011")
    visitor.sends(place=visitor.places[0]).sends(number="04 91 22 33 44", calls="yes")
    visitor.is_at("confirmer").sends().is_at("fait")
    assert "Nous appellerons le 04 91 22 33 44" in visitor.page
    with open_house.database.statement() as connection:
        wished = connection.execute(select(booking.c.calls)).scalars().all()
    assert sorted(wished) == [False, False, True]


@BROWSERS
def test_going_back_shows_what_was_typed_and_a_new_answer_drops_what_depended_on_it(
    open_house: House, visitor: Visitor
):
    visitor.comes_to_confirm()
    visitor.opens("/rendez-vous/naissance").is_at("naissance")
    assert re.search(r'id="year"[^>]*value="1942"', visitor.page)
    # The rest is known, so only the slots are asked for anew.
    visitor.is_born("12", "3", "1943").is_at("creneaux")
    visitor.opens("/rendez-vous/confirmer").is_at("creneaux")
    assert open_house.held() == len(visitor.places)
    visitor.opens("/rendez-vous/pour-qui").sends(whom="other").is_at("naissance")
    assert open_house.held() == 0


@BROWSERS
def test_too_young_is_told_when_and_put_down_to_be_told(open_house: House, visitor: Visitor):
    visitor.starts().is_born("12", "3", "1952").is_at("pas-encore")
    assert "75 ans" in visitor.page
    visitor.opens("/rendez-vous/commune").is_at("pas-encore")
    visitor.opens("/rendez-vous/naissance").is_born().is_at("commune")
    # Close enough to be promised.
    visitor.opens("/rendez-vous/naissance").is_born("20", "1", "1952").is_at("pas-encore")
    visitor.sends(wish="tell", number="0612345678").is_at("note")
    assert "préviendrons" in visitor.page


CARERS = Eligible(minimum_age=50, group="soignants")


@BROWSERS
def test_a_group_is_certified_by_whoever_belongs_to_it_and_shown_before_it_counts(
    database_url: str,
):
    with house(database_url, campaign=campaign_with(eligible=(CARERS,))) as one:
        one.opens_centre("1", starts=mornings(3), capacity=3)
        visitor = Visitor(one).starts().is_born(year="1970").is_at("situation")
        assert "soignants" in visitor.page
        visitor.sends().is_at("situation")
        assert visitor.status == 422
        visitor.sends(belongs="no").is_at("pas-encore")
        # The newest answer counts.
        visitor.opens("/rendez-vous/situation").sends(belongs="yes").is_at("commune")
        visitor.sends(where="75011").sends(place=visitor.places[0]).sends(wish="none")
        visitor.is_at("confirmer")
        assert "soignants" in visitor.page
        visitor.sends().is_at("fait")
        assert len(one.bookings()) == 1


@BROWSERS
def test_a_page_of_keys_offers_what_the_keys_of_a_menu_stand_for(database_url: str, monkeypatch):
    monkeypatch.setattr(type(STEPS["group"]), "page_of_keys", True)
    said = {"title": "Du groupe ?", "key_1": "Oui !", "key_2": "Non !"}
    for key, text in said.items():
        monkeypatch.setitem(screen("fr")._words, f"book.group.{key}", text)
    with house(database_url, campaign=campaign_with(eligible=(CARERS,))) as one:
        visitor = Visitor(one).starts().is_born(year="1970").is_at("situation")
        assert "Du groupe ?" in visitor.page
        assert "Oui !" in visitor.page
        assert "Non !" in visitor.page
        for wrong in ("", "7", "x", "0"):
            visitor.sends(key=wrong).is_at("situation")
            assert visitor.status == 422
        visitor.sends(key="2").is_at("pas-encore")


@BROWSERS
def test_the_only_place_beside_is_gone_and_the_couple_chooses(database_url: str):
    with house(database_url) as one:
        one.opens_centre("1", starts=mornings(3))
        visitor = Visitor(one).comes_to_offers("two")
        visitor.sends(place=visitor.places[0]).is_at("a-deux")
        visitor.sends(wish="other").is_at("creneaux")
        visitor.sends(place=visitor.places[0]).is_at("a-deux").sends(wish="apart").is_at("joindre")
        visitor.sends(wish="none").sends().is_at("fait").sends().is_at("naissance")
        # Too young: the first one's booking stays, and is still told.
        visitor.is_born(year="1980").is_at("pas-encore")
        assert "La première personne a son rendez-vous" in visitor.page
        visitor.opens("/rendez-vous/naissance").is_born("1", "4", "1944").is_at("creneaux")
        visitor.sends(place=visitor.places[0]).is_at("confirmer").sends().is_at("fait")
        assert visitor.page.count('class="number reference"') == 2
        starts = {row.start_at for row in one.bookings()}
        assert len(starts) == 2


def test_before_it_opens_and_after_it_closed_the_truth_is_told(database_url: str):
    opens = NOON + timedelta(days=2)
    with house(database_url, campaign=campaign_with(opens_at=opens)) as one:
        visitor = Visitor(one).opens("/rendez-vous").sends(whom="self").is_at("ouverture")
        assert "vendredi 27 novembre à 9h00" in visitor.page
        visitor.opens("/rendez-vous/naissance").is_at("ouverture")
        # Nor does a form of a later page lead past it.
        visitor.sends(path="/rendez-vous/naissance", day="12", month="3", year="1942")
        visitor.is_at("ouverture").sends(path="/rendez-vous/commune", where="75011")
        visitor.is_at("ouverture")
        visitor.sends(number="06 12 34 56 78").is_at("note")
        assert len(one.promises()) + len(one.messages()) == 1
        # Who waited on that page goes on from it when the moment has come.
        other = Visitor(one).opens("/rendez-vous").sends(whom="self").is_at("ouverture")
        clock_of(one).moment = opens
        other.sends(number="06 12 34 56 78").is_at("naissance")
        one.campaign = campaign_with(closes_at=opens)
        late = Visitor(one, one.application().test_client())
        late.opens("/rendez-vous").sends(whom="self").is_at("fin")


@BROWSERS
def test_what_lies_farther_than_the_campaign_goes_is_named_and_can_be_had(database_url: str):
    with house(database_url, campaign=campaign_with(radius_kilometres=20)) as one:
        one.opens_centre("1", name="Halle", kilometres=60, starts=mornings(2))
        visitor = Visitor(one).starts().is_born().sends(where="75011").is_at("attente")
        assert "60 km" in visitor.page
        visitor.sends(wish="far").is_at("creneaux")
        assert "Halle" in visitor.page


@BROWSERS
def test_other_offers_and_a_centre_by_its_name(visitor: Visitor):
    visitor.comes_to_offers()
    seen = set(visitor.places)
    visitor.sends(wish="days").is_at("creneaux")
    assert not seen & set(visitor.places)
    visitor.sends(wish="afternoon").is_at("creneaux")
    visitor.sends(wish="farther").is_at("creneaux")
    visitor.sends(wish="where", where="Mairie annexe").is_at("creneaux")
    assert "Mairie annexe" in visitor.page
    assert "Gymnase" not in visitor.page
    visitor.sends(wish="where", where="nulle part du tout").is_at("creneaux")
    assert visitor.status == 422
    visitor.sends(wish="where", where="75011").is_at("creneaux")
    assert "Gymnase" in visitor.page


@BROWSERS
def test_nothing_free_leads_to_the_waiting_list(made: House):
    made.opens_centre("1", starts=[])
    visitor = Visitor(made).starts().is_born().sends(where="75011").is_at("attente")
    visitor.sends(wish="waiting", number="06").is_at("attente")
    assert visitor.status == 422
    visitor.sends(wish="waiting", number="06 12 34 56 78").is_at("note")
    assert "liste d’attente" in visitor.page
    with made.database.statement() as connection:
        (entry,) = connection.execute(waiting_entry.select()).all()
    assert entry.state == "waiting"


@BROWSERS
def test_a_second_window_and_a_late_answer_change_nothing(open_house: House, visitor: Visitor):
    visitor.comes_to_offers()
    other = Visitor(open_house, visitor.client).opens("/rendez-vous/creneaux")
    first, second = visitor.places[:2]
    visitor.sends(place=first).is_at("joindre")
    other.sends(place=second).is_at("joindre")
    assert "n’était plus à jour" in other.page
    # The very same answer again is a copy, and says nothing.
    again = Visitor(open_house, visitor.client)
    again.page = visitor.page
    again.sends(path="/rendez-vous/joindre", number="0612345678", wish="number").is_at("confirmer")
    visitor.sends(number="0612345678", wish="number").is_at("confirmer")
    assert "n’était plus à jour" not in visitor.page
    assert "Salle Olympe" in visitor.page


def test_a_form_of_another_visit_or_site_never_acts(open_house: House, visitor: Visitor):
    visitor.comes_to_confirm()
    stranger = Visitor(open_house).comes_to_confirm(number="06 12 34 56 79")
    answer = stranger.client.post(
        "/rendez-vous/confirmer",
        base_url=BASE,
        headers={"Origin": BASE},
        data=dict(HIDDEN.findall(visitor.page)),
    )
    assert answer.status_code == 303
    foreign = stranger.client.post(
        "/rendez-vous/confirmer",
        base_url=BASE,
        headers={"Origin": "https://elsewhere.example"},
        data=dict(HIDDEN.findall(stranger.page)),
    )
    assert foreign.status_code == 403
    assert open_house.bookings() == []


def test_a_visit_in_progress_is_not_lost_by_starting_again(open_house: House, visitor: Visitor):
    visitor.comes_to_offers()
    visitor.opens("/rendez-vous").sends(whom="self").is_at("reprendre")
    assert "1942" not in visitor.page
    visitor.sends(wish="on").is_at("creneaux")
    visitor.opens("/rendez-vous").sends(whom="self").sends(wish="anew")
    assert visitor.path == "/rendez-vous"
    assert open_house.held() == 0
    visitor.opens("/rendez-vous/creneaux")
    assert visitor.status == 410


def test_a_person_who_is_booked_already_is_not_told_so_here(open_house: House):
    Visitor(open_house).comes_to_confirm().sends().is_at("fait")
    again = Visitor(open_house).comes_to_confirm().sends().is_at("fait")
    assert "Référence" in again.page
    assert len(open_house.bookings()) == 1


def test_calendar_of_both_appointments_says_nothing_about_health(two_doses: House):
    visitor = Visitor(two_doses).comes_to_confirm().sends().is_at("fait")
    answer = visitor.client.get("/rendez-vous/rendez-vous.ics", base_url=BASE)
    text = answer.get_data(as_text=True).replace("\r\n ", "")
    assert text.count("BEGIN:VEVENT") == 2
    assert "DTSTART;TZID=Europe/Paris:" in text
    assert "BEGIN:VTIMEZONE" in text
    locations = {str(one["LOCATION"]) for one in Calendar.from_ical(text).walk("VEVENT")}
    assert locations == {"Salle des fêtes, 12 rue de la Paix, 75011 Paris 11e"}
    assert not re.search("vaccin|dose|covid|santé|1942", text, re.IGNORECASE)
    uids = re.findall(r"UID:(\S+)", text)
    assert len(set(uids)) == 2
    again = visitor.client.get("/rendez-vous/rendez-vous.ics", base_url=BASE)
    assert re.findall(r"UID:(\S+)", again.get_data(as_text=True).replace("\r\n ", "")) == uids


def test_leaving_closes_the_visit_for_whoever_sits_here_next(open_house: House, visitor: Visitor):
    visitor.comes_to_confirm().sends().is_at("fait")
    visitor.sends(path="/rendez-vous/terminer", follow=False)
    visitor.opens("/rendez-vous/fait")
    assert visitor.status == 410
    assert len(open_house.bookings()) == 1


def test_cookies_and_addresses_hold_nothing_of_anybody(open_house: House, visitor: Visitor):
    visitor.comes_to_confirm()
    cookie = visitor.client.get_cookie(COOKIE, domain="allo.example")
    assert cookie is not None
    assert cookie.http_only
    assert cookie.secure
    assert "1942" not in cookie.value
    # Two hours later the browser is nobody's.
    visitor.client.set_cookie(COOKIE, cookie.value[:-2] + "xx", domain="allo.example")
    visitor.opens("/rendez-vous/confirmer")
    assert visitor.status == 410


def test_the_start_page_is_the_same_for_everybody_and_english_by_its_address(visitor: Visitor):
    answer = visitor.client.get("/rendez-vous?lang=en", base_url=BASE)
    assert "public" in answer.headers["Cache-Control"]
    assert "Set-Cookie" not in answer.headers
    visitor.opens("/rendez-vous?lang=en")
    visitor.sends(path="/rendez-vous?lang=en", whom="self").is_at("naissance")
    assert "What is your date of birth?" in visitor.page
    visitor.is_born("12", "March", "1942").is_at("commune")


# ------------------------------------------------------------------ partners, beside ours


@BROWSERS
@pytest.mark.parametrize("refused", [False, True], ids=["given", "refused"])
def test_a_partners_centre_is_asked_for_and_nothing_is_told_before_both_have_it(
    database_url: str,
    refused: bool,  # noqa: FBT001
):
    with beside(database_url) as one:
        one.opens()
        one.mirrors()
        visitor = Visitor(one.house).starts().is_born().sends(where="75011").is_at("attente")
        assert "Un créneau vu il y a une minute." in visitor.page
        found = re.search(r'name="partner" value="([^"]+)"', visitor.page)
        assert found
        visitor.sends(partner=found[1]).is_at("coordonnees")
        visitor.sends(first_name="Jeanne", last_name="", number="").is_at("coordonnees")
        assert visitor.status == 422
        assert 'value="Jeanne"' in visitor.page
        names: dict[str, Any] = {
            "first_name": "Jeanne",
            "last_name": "Martin",
            "number": "06 12 34 56 78",
        }
        visitor.sends(**names).is_at("demande")
        # Sent again, or gone back from: it is asked for once.
        visitor.sends(path="/rendez-vous/coordonnees", **names).is_at("demande")
        visitor.opens("/rendez-vous/naissance").is_at("demande")
        assert one.house.bookings() == []
        # A script that asks meanwhile gets no page that would be read out again and again.
        polled = visitor.client.get(visitor.path, base_url=BASE, headers={"HX-Request": "true"})
        assert polled.status_code == 204
        # Whoever pressed the button with a script is led there by the same address.
        pressed = visitor.client.get(visitor.path, base_url=BASE, headers=BOOSTED)
        assert pressed.status_code == 200
        assert "Nous demandons votre rendez-vous" in pressed.text
        if refused:
            one.diary.set_faults({"next": ["ok", "ok", "422"]})
        one.delivers()
        visitor.opens("/rendez-vous/demande")
        if refused:
            visitor.is_at("attente")
            assert "n’a pas pu donner" in visitor.page
            assert one.house.bookings() == []
            return
        visitor.is_at("fait")
        (booked,) = one.house.bookings()
        assert (booked.reference, booked.channel) == (visitor.reference, "web")
        assert "SMS part au 06 12 34 56 78" in visitor.page
