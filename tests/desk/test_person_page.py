"""What an agent and a supervisor do for a person who asks what is kept about them."""

from __future__ import annotations

import json
import re

from datetime import timedelta
from typing import Any

import pytest

from sqlalchemy import select

from models.accounts.tables import staff_act
from models.booking.tables import booking
from models.operations.tables import person_request
from services.desk.search import MOST_FILES
from services.ports import ProviderRefused
from services.privacy.erase_at_provider import erase_at_provider
from services.privacy.person_rights import finish_all
from tests.support.house import MOBILE, House, mornings
from tests.support.leaks import leaks, ways_to_write
from tests.support.rows import clock_of, rows_of

PATH = "/poste/personne"
PROOF = {"born": "12/03/1942", "number": "06 12 34 56 78", "reference": "", "reason": "line"}
_HIDDEN = re.compile(r'name="(\w+)" value="([^"]*)"')


@pytest.fixture
def booked(made: House) -> House:
    made.opens_centre("1", starts=mornings(20), capacity=2)
    made.phone().books().hangs_up()
    return made


def acts(made: House) -> list[str]:
    found = rows_of(made.database, select(staff_act).order_by(staff_act.c.id))
    return [row.what for row in found if row.what.startswith("person_")]


def state(made: House) -> list[str]:
    return [row.state for row in rows_of(made.database, select(person_request))]


def is_erased(made: House) -> bool:
    (row,) = rows_of(made.database, select(booking))
    return row.erased_at is not None and row.phone_enc is None


def waiting(page: Any) -> str:
    found = re.search(r'name="request" value="(\w+)"', page.text)
    assert found, page.text
    return found[1]


def test_a_person_is_told_and_erased_by_two_people(booked: House):
    agent, supervisor = booked.signs_in("agent"), booked.signs_in("supervisor")
    looked = agent.post(PATH, data=PROOF)
    assert looked.status_code == 200
    assert "Réservations" in looked.text
    assert "jeudi 26 novembre à 10h00" in looked.text
    printed = agent.post(f"{PATH}/copie", data=PROOF)
    assert MOBILE in printed.text
    assert "1942-03-12" in printed.text
    file = agent.post(f"{PATH}/copie", data=PROOF | {"as": "json"})
    assert file.headers["Content-Disposition"].startswith("attachment")
    assert json.loads(file.text)["booking"][0]["phone"] == MOBILE

    asked = agent.post(f"{PATH}/effacement", data=PROOF)
    assert "un responsable décide" in asked.text
    # The form is empty again: the next person at this desk sees nothing.
    assert leaks(asked.data, [*ways_to_write(MOBILE), "12/03/1942"]) == []
    assert not is_erased(booked)

    page = supervisor.get(PATH)
    assert leaks(page.data, ways_to_write(MOBILE)) == []
    done = supervisor.post(f"{PATH}/decision", data={"request": waiting(page), "what": "erase"})
    assert "Effacé" in done.text
    assert is_erased(booked)
    assert acts(booked) == [
        *("person_looked_for", "person_exported", "person_exported"),
        *("person_erase_asked", "person_erased"),
    ]
    # The scheduler does the rest; what the provider does not delete waits.
    erase_at_provider(booked.store, Refuses())
    assert finish_all(booked.store) == 0
    assert state(booked)[-1] == "erased"
    nothing = agent.post(PATH, data=PROOF)
    assert nothing.status_code == 422
    assert "Rien n’est gardé" in nothing.text


class Refuses:
    """A provider that deletes nothing."""

    def delete(self, sid: str) -> None:
        raise ProviderRefused("20009")


def test_nothing_of_the_person_is_in_an_address_a_cookie_or_a_cache(booked: House):
    agent = booked.signs_in("agent")
    for path in (PATH, f"{PATH}/copie", f"{PATH}/effacement"):
        answer = agent.post(path, data=PROOF)
        assert answer.headers["Cache-Control"] == "no-store"
        told = "\n".join(f"{name}: {value}" for name, value in answer.headers)
        assert leaks(told.encode(), [*ways_to_write(MOBILE), "12/03/1942", "1942-03-12"]) == []
        assert "?" not in answer.request.path


def test_only_a_supervisor_decides_and_gives_the_password_first(booked: House):
    agent, supervisor = booked.signs_in("agent"), booked.signs_in("supervisor")
    agent.post(f"{PATH}/effacement", data=PROOF)
    request_id = waiting(supervisor.get(PATH))
    form = {"request": request_id, "what": "erase"}
    assert agent.post(f"{PATH}/decision", data=form).status_code == 403
    assert "Effacements demandés" not in agent.get(PATH).text

    clock_of(booked).moment += timedelta(minutes=11)
    late = supervisor.post(f"{PATH}/decision", data=form)
    assert late.status_code == 303
    assert late.headers["Location"].startswith("/compte/preuve")
    assert not is_erased(booked)


def test_a_request_is_refused_and_decided_once(booked: House):
    agent, supervisor = booked.signs_in("agent"), booked.signs_in("supervisor")
    agent.post(f"{PATH}/effacement", data=PROOF)
    form = {"request": waiting(supervisor.get(PATH)), "what": "refuse"}
    assert "Rien n’est effacé" in supervisor.post(f"{PATH}/decision", data=form).text
    again = supervisor.post(f"{PATH}/decision", data=form | {"what": "erase"})
    assert again.status_code == 422
    assert not is_erased(booked)
    (row,) = rows_of(booked.database, select(person_request))
    assert (row.state, row.person_enc) == ("refused", None)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"born": "mars"}, "La date de naissance n’est pas comprise."),
        ({"born": "13/03/1942"}, "Rien n’est gardé"),
        ({"number": "12"}, "Le numéro n’est pas compris."),
        ({"number": "", "reference": "123"}, "Une référence a dix chiffres."),
        ({"reason": "curious"}, "Dites comment la demande est venue."),
        ({"number": ""}, "Rien n’est gardé"),
    ],
)
def test_what_does_not_prove_anybody_is_said_in_a_sentence(
    booked: House, typed: dict[str, str], sentence: str
):
    agent = booked.signs_in("agent")
    for path in (PATH, f"{PATH}/copie", f"{PATH}/effacement"):
        answer = agent.post(path, data=PROOF | typed)
        assert answer.status_code == 422
        assert sentence in answer.text
    assert state(booked) == []


def test_guesses_count_with_the_files_of_an_hour(booked: House):
    agent = booked.signs_in("agent")
    wrong = PROOF | {"born": "13/03/1942"}
    for _ in range(MOST_FILES):
        assert "Rien n’est gardé" in agent.post(PATH, data=wrong).text
    assert "Trop de dossiers" in agent.post(PATH, data=PROOF).text
    assert "Trop de dossiers" in agent.post(f"{PATH}/copie", data=PROOF).text


def test_the_page_is_there_in_every_language(booked: House):
    agent = booked.signs_in("agent")
    for language, title in (
        ("fr", "Ce qui est gardé d’une personne"),
        ("en", "What is kept of a person"),
        ("es", "Lo que se guarda de una persona"),
    ):
        assert title in agent.get(f"{PATH}?lang={language}").text
