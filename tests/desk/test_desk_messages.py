"""/poste: what was told of a booking, once more by text or by call, and cases that wait."""

from __future__ import annotations

import itertools
import re

from datetime import timedelta
from typing import Any

import pytest

from sqlalchemy import update

from models.desk import cases
from models.desk.cases import NewCase
from models.messages import outbox
from models.messages.outbox import NewMessage
from models.messages.tables import message
from services.accounts.staff import read_acts
from services.desk.search import MOST_FILES
from services.messages import phone_capabilities
from services.messages.topics import Topic
from tests.desk.test_desk import HTMX, Desk, booked, busy, desk
from tests.support.house import MOBILE, House, mornings

__all__ = ["busy", "desk"]

CASE = "c" * 32
FATES = re.compile(r'<li class="fate-(\w+)">')
VOICE_NONCE = "e" * 24


def fails(made: House, code: str = "30005", state: str = "undelivered") -> Any:
    """The confirmation of the booking that there is does not arrive."""
    row = made.messages("sms")[0]
    with made.database.transaction() as connection:
        outbox.sent(connection, made.clock, row.id, "SM1")
        assert outbox.move_state(connection, made.clock, row.id, state, error_code=code)
    return row


def drops_follow_up(made: House) -> None:
    """Nothing else could be done about it by itself."""
    with made.database.transaction() as connection:
        connection.execute(
            update(message)
            .where(message.c.kind == "follow_up")
            .values(state="dropped", error_code="case")
        )


def acts(made: House) -> list[tuple[str, str, str]]:
    return [(one.act.what, one.act.subject, one.act.why) for one in read_acts(made.store)]


def card_of(page: str) -> str:
    """The only card of a page."""
    return page.split('<article class="card"')[1].split("</article>", maxsplit=1)[0]


# ---------------------------------------------------------------- the file


def test_the_file_shows_each_message_and_first_what_did_not_arrive(busy: Desk):
    card = booked(busy)
    made = busy.made
    busy.does("/texte", **card)
    fails(made, "30003")
    drops_follow_up(made)
    shown = card_of(busy.client.get("/poste").text)
    # The newer one has not left; the confirmation did not arrive, and stands before it.
    assert FATES.findall(shown) == ["open", "waits"]
    assert "un n’est pas arrivé" in shown
    assert "téléphone éteint ou hors de portée" in shown
    assert shown.index("Confirmation") < shown.index("Rendez-vous renvoyé")
    assert "30003" not in shown


def test_what_is_followed_up_is_no_open_matter_and_a_call_that_was_heard_settles_it(busy: Desk):
    booked(busy)
    made = busy.made
    fails(made)
    # Somebody looks at it in a minute, by itself.
    assert FATES.findall(card_of(busy.client.get("/poste").text)) == ["missed"]
    with made.database.transaction() as connection:
        connection.execute(
            update(message)
            .where(message.c.kind == "follow_up")
            .values(state="delivered", way="call", error_code=None)
        )
    shown = card_of(busy.client.get("/poste").text)
    assert sorted(FATES.findall(shown)) == ["heard", "missed"]
    assert "entendu par la personne" in shown


def test_an_unknown_code_of_the_provider_is_named(busy: Desk):
    booked(busy)
    fails(busy.made, "99999", "failed")
    assert "code 99999 de l’opérateur" in card_of(busy.client.get("/poste").text)


def test_reminders_that_are_still_to_come_are_told_with_their_moments(busy: Desk):
    card = booked(busy)
    start = busy.made.bookings()[0].start_at
    shown = card_of(busy.client.get("/poste").text)
    ahead = shown.split("À venir")[1] if "À venir" in shown else ""
    days = re.findall(r'datetime="(\d{4}-\d\d-\d\d)', ahead)
    expected = [
        day.isoformat()
        for day in (start.date() - timedelta(days=2), start.date() - timedelta(days=1))
        if day > busy.made.clock.now().date()
    ]
    assert days == expected
    busy.does("/annuler", **card)
    assert "À venir" not in card_of(busy.client.get("/poste").text)


# ---------------------------------------------------------------- a call by the machine


def test_the_machine_is_sent_to_call_once_for_each_form_and_three_times_a_day(busy: Desk):
    card = booked(busy)
    made = busy.made
    first = busy.does("/appeler", **card)
    assert "La machine appelle" in first
    busy.does("/appeler", **card)
    (row,) = made.messages("voice")
    assert (row.topic, row.booking_id, row.state) == ("voice", card["booking_id"], "pending")
    assert made.woken.messages[-1] == row.id
    assert [one for one in acts(made) if one[0] == "had_called"] == [
        ("had_called", card["booking_id"], "")
    ]
    for letter in "fa":
        busy.does("/appeler", **{**card, "nonce": letter * 24})
    refused = busy.does("/appeler", **{**card, "nonce": "0" * 24})
    assert "Trois appels ont déjà été demandés" in refused
    assert len(made.messages("voice")) == 3
    assert "trop vieux" in busy.does("/appeler", **{**card, "nonce": "short"})
    # What was asked for a day ago counts no more.
    before = made.clock.now() - timedelta(hours=25)
    with made.database.transaction() as connection:
        asked = update(message).where(message.c.kind == "voice")
        connection.execute(asked.values(created_at=before))
    busy.does("/appeler", **{**card, "nonce": "1" * 24})
    assert len(made.messages("voice")) == 4


def test_nobody_is_called_at_a_number_that_is_somebody_elses(busy: Desk):
    card = booked(busy)
    made = busy.made
    with made.database.transaction() as connection:
        phone_capabilities.mark_wrong(connection, made.store, MOBILE)
    assert "Ce numéro ne peut pas être appelé" in busy.does("/appeler", **card)
    assert made.messages("voice") == []
    busy.does("/annuler", **{**card, "nonce": "9" * 24})
    assert "n’existe plus" in busy.does("/appeler", **card)


def test_a_late_page_sends_the_machine_to_nobody(busy: Desk):
    card = booked(busy)
    answer = busy.posts("/appeler", HTMX, **{**card, "entry": "f" * 32})
    assert answer.status_code == 409
    assert busy.made.messages("voice") == []


# ---------------------------------------------------------------- cases


@pytest.fixture
def idle(made: House) -> Desk:
    """An agent with time, and a booking whose confirmation reached nobody."""
    made.opens_centre("1", starts=mornings(3))
    made.phone(MOBILE).goes_to("reach").presses("1").goes_to("reference")
    row = fails(made, "30006")
    drops_follow_up(made)
    new = NewCase(
        CASE, "undelivered", "confirmation 30006", booking_id=row.booking_id, message_id=row.id
    )
    with made.database.transaction() as connection:
        cases.add(connection, made.clock, new)
    return Desk(made)


def test_the_list_of_cases_names_nobody_and_says_what_it_is_about(idle: Desk):
    page = idle.client.get("/poste").text
    assert "Message non arrivé" in page
    assert "ligne fixe ou opérateur injoignable" in page
    for secret in ("06 12 34 56 78", "12 mars", idle.made.bookings()[0].reference):
        assert secret not in page
    part = idle.client.get("/poste/cas", headers=HTMX).text
    assert "Message non arrivé" in part
    # Twenty buttons of one name are told apart by what they open.
    assert 'id="case-1"' in part
    assert 'aria-describedby="case-1"' in part
    assert "<html" not in part
    assert not [one for one in acts(idle.made) if one[0] == "read_file"]


def test_whoever_opens_a_case_reads_a_file_and_the_case_is_the_reason(idle: Desk):
    made = idle.made
    part = idle.does("/cas/ouvrir", case=CASE)
    assert "12 mars 1942" in part
    assert FATES.findall(card_of(part)) == ["open"]
    idle.does("/cas/ouvrir", case=CASE)
    booking_id = made.messages("sms")[0].booking_id
    # Once within the hour.
    assert acts(made) == [("read_file", booking_id, "case undelivered")]
    # What was shown may be worked on: the machine is sent to call.
    card = {"booking_id": booking_id, "nonce": VOICE_NONCE, "version": "1"}
    assert "La machine appelle" in idle.does("/appeler", **card)
    assert len(made.messages("voice")) == 1


def test_files_of_cases_count_with_what_is_searched_for(idle: Desk):
    for number in range(MOST_FILES):
        form = {"reference": f"{number:010d}", "born": "12 03 1942", "postcode": "75011"}
        assert idle.posts("/chercher", HTMX, **form).status_code == 200
    assert "Soixante dossiers" in idle.does("/cas/ouvrir", case=CASE)
    assert ("read_file", "case undelivered") not in [(one[0], one[2]) for one in acts(idle.made)]


def test_an_agent_is_promised_and_has_the_booking_on_the_page(idle: Desk):
    made = idle.made
    idle.does("/cas/ouvrir", case=CASE)
    assert "Rappel promis" in idle.does("/cas/rappeler", case=CASE)
    (promise,) = made.promises()
    assert (promise.number, promise.reason, promise.state) == (MOBILE, "case", "waiting")
    assert "déjà promis" in idle.does("/cas/rappeler", case=CASE)
    assert len(made.promises()) == 1
    assert [one[:2] for one in acts(made) if one[0] == "case_callback"] == [("case_callback", CASE)]
    assert "rappel demandé à" in idle.client.get("/poste").text
    # Whoever rings them has the booking there.
    made.clock.advance(timedelta(minutes=1))  # type: ignore[attr-defined]
    assert idle.posts("/pret", voice="browser").json["done"]
    assert idle.state()["state"] == "reserved"
    page = idle.client.get("/poste").text
    assert "dossier à suivre" in page
    assert FATES.findall(card_of(page)) == ["open"]


def test_a_case_is_closed_with_a_word_and_who_did_it_is_written(idle: Desk):
    made = idle.made
    idle.does("/cas/ouvrir", case=CASE)
    for word in ("", "because"):
        assert "Choisissez ce qu’il en est" in idle.does("/cas/clore", case=CASE, word=word)
    part = idle.does("/cas/clore", case=CASE, word="reached")
    assert "Dossier clos." in part
    assert "Aucun dossier à suivre" in part
    assert ("case_closed", CASE, "reached") in acts(made)
    # A colleague who was a moment later.
    other = made.signs_in("agent", app=idle.app)
    form = {"case": CASE, "word": "other", "entry": ""}
    assert "déjà clos" in other.post("/poste/cas/clore", data=form, headers=HTMX).text
    assert len([one for one in acts(made) if one[0] == "case_closed"]) == 1
    assert "déjà clos" in idle.does("/cas/ouvrir", case=CASE)


def test_a_case_without_a_booking_is_closed_and_nobody_is_rung(made: House):
    with made.database.transaction() as connection:
        cases.add(connection, made.clock, NewCase(CASE, "undelivered", "news no way"))
    idle = Desk(made)
    part = idle.does("/cas/ouvrir", case=CASE)
    assert "lié à aucun rendez-vous" in part
    assert "/poste/cas/rappeler" not in part
    assert "n’existe plus" in idle.does("/cas/rappeler", case=CASE)
    assert "Dossier clos." in idle.does("/cas/clore", case=CASE, word="needless")


def test_whoever_has_a_caller_has_no_time_for_cases(busy: Desk):
    with busy.made.database.transaction() as connection:
        cases.add(connection, busy.made.clock, NewCase(CASE, "undelivered", "change 30003"))
    assert 'id="cases"' not in busy.client.get("/poste").text
    assert busy.posts("/cas/clore", HTMX, case=CASE, word="other").status_code == 409
    with busy.made.database.statement() as connection:
        found = cases.get(connection, CASE)
    assert found is not None
    assert found.closed_at is None


def test_without_scripts_the_whole_page_has_the_case(idle: Desk):
    answer = idle.posts("/cas/ouvrir", {"Accept": "text/html"}, case=CASE)
    assert answer.status_code == 200
    assert "<html" in answer.text
    assert "12 mars 1942" in answer.text
    assert idle.posts("/cas/ouvrir", HTMX, case="../x").status_code == 404


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_message_has_words_in_both_languages(busy: Desk, language: str):
    booked(busy)
    made = busy.made
    booking_id = made.messages("sms")[0].booking_id
    fates = [
        (way, state)
        for way in ("text", "call")
        for state in ("pending", "sending", *outbox.FAILING, "sent", "delivered", "dropped")
    ]
    with made.database.transaction() as connection:
        for topic, (way, state) in zip(itertools.cycle(Topic), fates, strict=False):
            new = NewMessage(
                made.store.chance.identifier(), "sms", f"t:{way}:{state}", MOBILE, {"body": "x"},
                booking_id=booking_id, topic=topic,
            )  # fmt: skip
            assert outbox.add(connection, made.clock, made.store.vault, new)
            changed = update(message).where(message.c.id == new.id)
            connection.execute(changed.values(state=state, way=way))
    page = busy.client.get(f"/poste?lang={language}")
    assert page.status_code == 200
    # And the confirmation itself.
    assert len(FATES.findall(card_of(page.text))) == len(fates) + 1
