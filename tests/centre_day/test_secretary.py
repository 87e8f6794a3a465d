"""/centre by its pages and forms: one centre alone, nothing personal in addresses, looks noted."""

from __future__ import annotations

import re

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sqlalchemy import update

from models.accounts import staff as staff_rows
from models.centres.tables import centre
from services.accounts import four_eyes
from services.accounts import staff as accounts
from services.accounts.staff import read_acts
from services.setup.demonstration_people import add_people
from tests.support.house import BASE, House, StaffClient, a_mobile, house

# Half past six in Paris; the slots of that day were at nine and are at a quarter to seven.
EVENING = datetime(2026, 11, 26, 17, 30, tzinfo=UTC)
MORNING = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
LAST = datetime(2026, 11, 26, 17, 45, tzinfo=UTC)
TODAY = "2026-11-26"
SCRIPT = {"Accept": "application/json"}


@pytest.fixture
def made(database_url: str) -> Iterator[House]:
    with house(database_url) as one:
        one.opens_centre("1", kilometres=0.4, starts=[MORNING, LAST], capacity=3)
        one.opens_centre("2", code="35000", starts=[MORNING], capacity=3)
        one.phone(a_mobile(1)).books(born="12031941")
        one.phone(a_mobile(2)).books(born="05071943", code="35000")
        one.clock.moment = EVENING  # type: ignore[attr-defined]
        yield one


def rows(page: str) -> list[dict[str, str]]:
    found = re.findall(r'<li class="person"([^>]*)>', page)
    return [dict(re.findall(r'data-(\w+)="([^"]*)"', one)) for one in found]


def told(client: StaffClient, path: str = "/centre/etat") -> Any:
    return client.get(path).json


def marks(client: StaffClient, key: str, state: str, seen: str = "", **more: Any) -> Any:
    booking, dose = key.split("-")
    form = {"booking": booking, "dose": dose, "state": state, "seen": seen, "jour": TODAY}
    return client.post("/centre/presence", data=form | more.pop("form", {}), **more)


def test_a_secretary_sees_one_centre_and_can_do_nothing_at_another(made: House):
    client = made.signs_in("secretary", centre_id="1")
    other = made.signs_in("secretary", centre_id="2")
    page = client.get("/centre").text
    (mine,) = rows(page)
    assert "12/03/1941" in page
    assert "05/07/1943" not in page
    assert "<select" not in page.split("</header>", 1)[1].split('id="hours"')[0]
    # Naming another centre changes nothing, wherever it is named.
    assert rows(client.get("/centre?centre=2").text) == [mine]
    assert told(client, "/centre/etat?centre=2")["marks"] == {mine["key"]: ""}
    assert "05/07/1943" not in client.get("/centre/imprimer?centre=2").text
    (theirs,) = rows(other.get("/centre").text)
    for form in ({}, {"centre": "2"}):
        answer = marks(client, theirs["key"], "present", headers=SCRIPT, form=form)
        assert answer.status_code == 404
        assert answer.json["word"].startswith("Ce rendez-vous")
    assert rows(other.get("/centre").text) == [theirs]
    for day in ("2026-13-01", "demain", "2036-01-01"):
        assert client.get(f"/centre?jour={day}").status_code == 404
    # Whoever may see all of them says which; a centre that is none is none.
    supervisor = made.signs_in("supervisor")
    assert "Rennes" in supervisor.get("/centre").text
    assert rows(supervisor.get("/centre?centre=2").text) == [theirs]
    assert supervisor.get("/centre?centre=3").status_code == 404
    assert supervisor.get("/centre/etat").status_code == 404
    # Each look at a list is noted: who, which centre, which day; prints apart.
    acts = [one.act for one in read_acts(made.store)]
    looks = [(act.staff_id, act.what, act.subject) for act in acts if "list" in act.what]
    assert looks[0] == (supervisor.staff.id, "read_list", "2")  # type: ignore[union-attr]
    assert [what for _, what, _ in looks].count("print_list") == 1
    assert [subject for who, _, subject in looks if who == client.staff.id] == ["1"] * 3  # type: ignore[union-attr]
    assert all(act.details == {"day": TODAY} for act in acts if "list" in act.what)


def test_marks_by_script_and_without_and_what_a_page_asks_for_by_itself(made: House):
    client, other = (made.signs_in("secretary", centre_id="1") for _ in range(2))
    (row,) = rows(client.get("/centre").text)
    first = client.get("/centre/etat")
    first_told: Any = first.json
    assert first_told["counts"]["expected"] == 1
    assert first_told["counts"]["to_give"] == 5
    again = client.get("/centre/etat", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    done = marks(client, row["key"], "present", headers=SCRIPT)
    assert (done.status_code, done.json["state"], done.json["word"]) == (200, "present", "")
    late = marks(other, row["key"], "absent", headers=SCRIPT)
    assert (late.status_code, late.json["state"]) == (409, "present")
    assert late.json["who"] == client.staff.name  # type: ignore[union-attr]
    assert told(other)["marks"] == {row["key"]: "present"}
    # Without a script it is a form and a page; a list that others have changed says so.
    page = {"Accept": "text/html", "X-CSRFToken": "", "Sec-Fetch-Mode": "navigate"}
    form = {"csrf_token": other.csrf(), "jour": TODAY}
    back = marks(other, row["key"], "", "present", headers=page, form=form)
    assert (back.status_code, back.headers["Location"]) == (
        303, f"/centre?jour={TODAY}#p-{row['key']}"
    )  # fmt: skip
    late = marks(other, row["key"], "absent", "present", headers=page, form=form)
    assert "dit=other_first" in late.headers["Location"]
    assert "Quelqu’un d’autre" in other.get(late.headers["Location"]).text
    # No look of a page at itself has anybody's date or reference in it, and none is noted.
    assert "194" not in first.text
    assert marks(client, row["key"], "gone", headers=SCRIPT).status_code == 400


def test_somebody_who_is_there_is_booked_and_what_was_typed_wrong_is_kept(made: House):
    client = made.signs_in("secretary", centre_id="1")
    page = client.get("/centre").text
    (nonce,) = re.findall(r'name="nonce" value="(\w+)"', page)
    typed = {"nonce": nonce, "born": "31/02/1942", "number": "06 12 34 56 78", "name": "Lucette"}
    wrong = client.post("/centre/arrivee", data=typed)
    assert wrong.status_code == 422
    assert 'value="31/02/1942"' in wrong.text
    assert 'value="06 12 34 56 78"' in wrong.text
    assert "Écrivez jour, mois et année" in wrong.text
    typed |= {"born": "1 2 1942"}
    made_one = client.post("/centre/arrivee", data=typed)
    assert made_one.status_code == 200
    assert "Un SMS de confirmation" in made_one.text
    (reference,) = re.findall(r'class="reference">([\d ]+)<', made_one.text)
    again = client.post("/centre/arrivee", data=typed)
    assert reference in again.text
    assert "rien n’a été fait deux fois" in again.text
    assert sorted(one["state"] for one in rows(client.get("/centre").text)) == ["", "present"]
    assert client.post("/centre/arrivee", data=typed | {"nonce": "x"}).status_code == 400
    young = client.post("/centre/arrivee", data=typed | {"nonce": "b" * 24, "born": "01012001"})
    assert (young.status_code, "à cet âge" in young.text) == (422, True)
    nobody = client.post("/centre/suivant")
    assert "dit=nobody_waits" in nobody.headers["Location"]


def test_closing_with_people_booked_is_looked_at_and_asks_for_the_password_again(made: House):
    made.opens_centre("3", kilometres=2, starts=[MORNING + timedelta(days=2)], capacity=2)
    made.clock.moment = MORNING - timedelta(hours=12)  # type: ignore[attr-defined]
    client = made.signs_in("secretary", centre_id="1")
    opened = client.post(
        "/centre/ouvrir",
        data={"jour": TODAY, "de": "14:00", "a": "15:00", "every": "20", "capacity": "2"},
    )
    assert "6 places ouvertes" in client.get(opened.headers["Location"]).text
    where = f"/centre/fermeture?jour={TODAY}&de=09:00&a=12:00"
    form = {"jour": TODAY, "de": "09:00", "a": "12:00", "people": "1", "why": "panne"}
    made.clock.advance(timedelta(minutes=11))  # type: ignore[attr-defined]
    look = client.get(where).text
    assert "<strong>1</strong> personnes ont rendez-vous" in look
    assert "Donner mon mot de passe" in look
    refused = client.post("/centre/fermer", data=form, headers=SCRIPT)
    assert (refused.status_code, refused.json) == (403, {"error": "unproved"})
    assert made.app.extensions["allo_staff"]
    with made.database.transaction() as connection:
        kept = client.get_cookie(client.cookie)
        assert kept is not None
        staff_rows.touch(connection, made.clock, kept.value, proved=True)
    assert "Fermer : 1 personnes concernées" in client.get(where).text
    changed = client.post("/centre/fermer", data=form | {"people": "2"})
    assert "dit=hours_changed" in changed.headers["Location"]
    assert "Entre-temps" in client.get(changed.headers["Location"]).text
    done = client.post("/centre/fermer", data=form)
    assert "n=1&m=0" in done.headers["Location"]
    page = client.get(done.headers["Location"]).text
    assert "1 personnes déplacées" in page
    (operation,) = re.findall(r'name="operation" value="(\w+)"', page)
    back = client.post("/centre/rouvrir", data={"jour": TODAY, "operation": operation})
    assert "1 personnes ont retrouvé" in client.get(back.headers["Location"]).text
    # An hour with nobody in it needs no password, and no word goes to anybody.
    made.clock.advance(timedelta(minutes=11))  # type: ignore[attr-defined]
    empty = {"jour": TODAY, "de": "14:00", "a": "15:00", "people": "0", "why": "panne"}
    assert "dit=closed" in client.post("/centre/fermer", data=empty).headers["Location"]
    nothing = client.get(f"/centre/fermeture?jour={TODAY}&de=14:00&a=15:00")
    assert "dit=hours_nothing" in nothing.headers["Location"]
    english = client.get(f"/centre?jour={TODAY}&lang=en").text
    assert "Hours of the day" in english
    assert (
        made.signs_in("secretary", centre_id="1")
        .get("/connexion")
        .headers["Location"]
        .removeprefix(BASE)
        == "/centre"
    )


def test_closing_for_many_waits_for_a_supervisor_and_so_does_reopening(
    made: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(four_eyes, "MANY", 0)
    made.opens_centre("3", kilometres=2, starts=[MORNING + timedelta(days=2)], capacity=2)
    made.clock.moment = MORNING - timedelta(hours=12)  # type: ignore[attr-defined]
    client = made.signs_in("secretary", centre_id="1")
    form = {"jour": TODAY, "de": "09:00", "a": "12:00", "people": "1", "why": "panne"}
    alone = client.post("/centre/fermer", data=form)
    assert "dit=hours_second" in alone.headers["Location"]
    assert "un superviseur doit confirmer" in client.get(alone.headers["Location"]).text
    supervisor = made.signs_in("supervisor")
    assert supervisor.staff is not None
    (asked,) = four_eyes.waiting(made.store)
    assert four_eyes.give(made.store, supervisor.staff, asked.id)
    done = client.post("/centre/fermer", data=form)
    assert "dit=closed" in done.headers["Location"]
    page = client.get(done.headers["Location"]).text
    (operation,) = re.findall(r'name="operation" value="(\w+)"', page)
    back = {"jour": TODAY, "operation": operation}
    assert "dit=hours_second" in client.post("/centre/rouvrir", data=back).headers["Location"]
    (asked,) = four_eyes.waiting(made.store)
    assert four_eyes.give(made.store, supervisor.staff, asked.id)
    assert "dit=reopened" in client.post("/centre/rouvrir", data=back).headers["Location"]


def test_the_account_to_try_with_is_of_a_centre_that_can_be_filled(made: House):
    with made.database.transaction() as connection:
        hours = '{"0": [["09:00", "12:00"]]}'
        connection.execute(update(centre).where(centre.c.id == "1").values(hours=hours))
    service = made.service()
    made.opens_slots("1", [MORNING + timedelta(days=one) for one in (1, 2, 3)], capacity=6)
    # Without the account that everybody knows, nobody is made up: this may be production.
    assert add_people(made.store, service, 4) == 0
    accounts.make_demonstration(made.store)
    with made.database.statement() as connection:
        assert accounts.find(connection, made.store, "secretary").centre_id == "1"
    # Two thirds of what is left today, four on each of the next days; once for each day.
    assert add_people(made.store, service, 4) == 2 + 4 + 4
    assert add_people(made.store, service, 4) == 0
