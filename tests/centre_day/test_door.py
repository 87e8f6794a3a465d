"""A centre's door by its pages: forms with and without a script, codes that people show, paper."""

from __future__ import annotations

import re

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from sqlalchemy import update

from models.booking.tables import booking
from models.centre_day.attendance import Comes
from tests.centre_day.at_the_door import FAR, MORNING, NEXT_DAY, books, opens_two_centres
from tests.online.visitors import Visitor
from tests.support.cameras import read_on
from tests.support.house import House, StaffClient, house
from tests.support.rows import clock_of
from web.centre_day.secretary import sheets_of

TODAY = "2026-11-26"
SCRIPT = {"Accept": "application/json"}
PAGE = {"Accept": "text/html", "X-CSRFToken": "", "Sec-Fetch-Mode": "navigate"}


@pytest.fixture
def made(database_url: str) -> Iterator[House]:
    with house(database_url, links=True) as one:
        opens_two_centres(one)
        yield one


def seeks(client: StaffClient, typed: str, *, day: str = TODAY, **more: Any) -> Any:
    headers = more.pop("headers", SCRIPT)
    form = {"q": typed, "jour": day} | more
    if headers is PAGE:
        form["csrf_token"] = client.csrf()
    return client.post("/centre/chercher", data=form, headers=headers)


def rows(page: str) -> list[dict[str, str]]:
    found = re.findall(r'<li class="person"([^>]*)>', page)
    return [dict(re.findall(r'data-(\w+)="([^"]*)"', one)) for one in found]


def shows(page: str, link: str) -> bool:
    """Whether a camera reads this link on a page."""
    return read_on(page) == [link]


def test_a_row_is_an_hour_a_birth_date_and_the_end_of_a_number(made: House):
    reference, _ = books(made, 78, "12031942")
    clock_of(made).moment = MORNING
    client = made.signs_in("secretary", centre_id="1")
    page = client.get("/centre").text
    (row,) = rows(page)
    assert (row["born"], row["number"], row["ends"]) == ("12031942", "78", reference[-4:])
    shown = " ".join(re.sub(r"<[^>]+>", " ", page.split('class="person"')[1]).split())
    assert "9h00 · né(e) le 12/03/1942" in shown
    assert "1re dose tél. …78" in shown
    assert "Sans nom" not in page
    # What is noted can be taken back, and the page says until when.
    assert "peut être annulé jusqu’au vendredi 27 novembre 2026, à minuit" in page
    # The rest of a number or of a reference is not on the page.
    assert "0612" not in page
    assert reference not in page
    with made.database.transaction() as connection:
        sealed = made.store.vault.seal_text("Lucette Garnier", f"booking.name:{row['key'][:32]}")
        connection.execute(update(booking).values(name_enc=sealed))
    assert '<span class="name">Lucette Garnier</span>' in client.get("/centre").text


def test_somebody_is_found_by_a_form_and_nothing_of_them_is_in_an_address(made: House):
    reference, link = books(made, 78, "12031942")
    books(made, 79, "05071943")
    books(made, 80, "12031942", code=FAR)
    clock_of(made).moment = MORNING
    client = made.signs_in("secretary", centre_id="1")
    both = rows(client.get("/centre").text)
    key = next(one["key"] for one in both if one["number"] == "78")
    by_script = seeks(client, "12/03/1942").json
    assert by_script == {
        "keys": [key], "word": "1 personne.", "well": True, "years": [], "checked": None,
    }  # fmt: skip
    assert seeks(client, reference, centre="2").json["keys"] == [key]
    # Without a script: the page with who was found, and what was typed where nobody was.
    page = seeks(client, "06 12 00 00 78", headers=PAGE)
    assert page.status_code == 200
    assert [one["key"] for one in rows(page.text)] == [key]
    assert "Revoir toute la liste" in page.text
    nobody = seeks(client, "06 12 00 00 80", headers=PAGE)
    assert len(rows(nobody.text)) == 2
    assert 'value="06 12 00 00 80"' in nobody.text
    assert "Personne de ce jour dans ce centre" in nobody.text
    # A form that is an address would leave dates in histories and logs.
    assert client.get("/centre/chercher?q=12031942").status_code == 405
    # Of another centre nobody, though their code is shown.
    other = made.signs_in("secretary", centre_id="2")
    for typed in (reference, "05071943", "0078"):
        assert seeks(other, typed, centre="1").json["keys"] == []
    told = seeks(other, link).json
    assert (told["keys"], told["checked"], told["well"]) == ([], None, False)
    assert told["word"].startswith("Ce code est d’un autre centre.")
    assert rows(client.get("/centre").text) == both
    # Supervisors say which centre; others who work here are not let in.
    assert seeks(made.signs_in("supervisor"), "12031942", centre="1").json["keys"] == [key]
    for role in ("agent", "operator"):
        assert seeks(made.signs_in(role), "12031942").status_code == 403


def test_a_code_that_is_shown_is_a_person_who_is_there(made: House):
    _, link = books(made, 78, "12031942")
    clock_of(made).moment = MORNING
    client = made.signs_in("secretary", centre_id="1")
    (row,) = rows(client.get("/centre").text)
    told = seeks(client, link).json
    assert told["checked"] == {"key": row["key"], "state": "present"}
    assert told["word"].replace("\u00a0", " ") == "Présent : 9h00, né(e) le 12/03/1942."
    clock_of(made).advance(timedelta(minutes=7))
    again = seeks(client, link, headers=PAGE)
    assert "Déjà noté présent à 9h00" in again.text.replace("\u00a0", " ")
    counts = client.get("/centre/etat").json["counts"]  # type: ignore[index]
    assert (counts["present"], counts["done"], counts["expected"]) == (1, 0, 0)
    tomorrow = seeks(client, link, day=NEXT_DAY.date().isoformat()).json
    assert (tomorrow["checked"], tomorrow["well"]) == (None, False)
    assert "pour aujourd’hui, à 9h00" in tomorrow["word"]


def test_a_page_left_open_over_night_is_told_which_day_it_is(made: House):
    clock_of(made).moment = MORNING
    client = made.signs_in("secretary", centre_id="1")
    assert client.get(f"/centre/etat?jour={TODAY}").json["today"] == TODAY  # type: ignore[index]
    clock_of(made).advance(timedelta(hours=16))
    client = made.signs_in("secretary", centre_id="1")
    assert client.get(f"/centre/etat?jour={TODAY}").json["today"] == "2026-11-27"  # type: ignore[index]
    page = client.get(f"/centre?jour={TODAY}").text
    assert "Cette liste est celle d’hier." in page
    assert 'href="/centre?jour=2026-11-27">Ouvrir la liste d’aujourd’hui' in page
    assert "Cette liste" not in client.get("/centre").text
    assert "n’est pas celle d’aujourd’hui" in client.get("/centre?jour=2026-11-29").text


def test_the_confirmation_the_link_of_the_text_and_the_appointment_show_the_code(made: House):
    visitor = Visitor(made).comes_to("confirmer").presses("/rendez-vous/confirmer")
    page = visitor.page
    links = made.store.links
    assert links is not None
    (booked,) = made.bookings()
    link = links.of_booking(booked.reference, [booked.start_at])
    assert shows(page, link)
    assert page.count("Code à montrer à l’accueil") == 1
    # Drawn, and written nowhere: neither the link nor anything of the person is in the picture.
    picture = page.split('class="door-code"')[1].split("</svg>")[0]
    assert link not in page
    assert booked.reference not in picture
    path = link.removeprefix("https://allo.example")
    assert shows(Visitor(made).goes(path).page, link)
    opened = Visitor(made).opens_link(path)
    assert shows(opened.page, link)
    # What has not the form of a link is drawn as none.
    assert "door-code" not in Visitor(made).goes("/r/" + "x" * 400).page
    assert "door-code" not in Visitor(made).goes("/s/000000000000000").page


def test_only_the_page_that_reads_codes_may_ask_for_a_camera(made: House):
    client = made.signs_in("secretary", centre_id="1")
    policy = client.get("/centre").headers["Permissions-Policy"]
    assert "camera=(self)" in policy
    for path in ("/centre/imprimer", "/compte", "/"):
        assert "camera=()" in client.get(path).headers["Permissions-Policy"]


@pytest.mark.parametrize(
    ("people", "columns"),
    [
        (0, [[0]]),
        (36, [[36]]),
        (37, [[36, 1]]),
        (72, [[36, 36]]),
        (73, [[62, 11]]),
        (120, [[62, 58]]),
        (124, [[62, 62]]),
        (125, [[62, 62], [1]]),
        (300, [[62, 62], [62, 62], [52]]),
    ],
)
def test_a_usual_day_is_one_sheet_of_paper(people: int, columns: list[list[int]]):
    comes = [
        Comes(str(one), 1, MORNING, "1942-03-12", "", "4521", "web", "") for one in range(people)
    ]
    sheets = sheets_of(comes)
    assert [[len(one) for one in sheet.columns] for sheet in sheets] == columns
    assert [one for sheet in sheets for column in sheet.columns for one in column] == comes
    assert [sheet.number for sheet in sheets] == list(range(1, len(sheets) + 1))
