"""Booking by texts alone: the questions of the telephone, one in each text."""

from __future__ import annotations

import json

from collections.abc import Iterator
from typing import Any

import pytest

from sqlalchemy import func, select

import config

from exchange.transport import WsgiTransport
from models.call.tables import text_conversation, turn
from models.slots.tables import place
from services.messages import sms_parts
from tests.ivr.conftest import furnish
from tests.messages.conftest import INBOX, Writer, noted
from tests.support.house import (
    ACCOUNT,
    BASE,
    MOBILE,
    TOKEN,
    House,
    campaign_with,
    house,
    mornings,
)
from tests.support.race import at_once
from tests.support.rows import on_the_wire
from tools.simulator.texting import Texting, converse

OTHER = "+33658941273"


class Talker(Writer):
    """Somebody who books by texts; each answer is one text unless a test says otherwise."""

    def asks(self, *bodies: str) -> str:
        """Write these, a minute apart; gives what the last was answered."""
        answer = ""
        for body in bodies:
            self.later(minutes=1)
            (answer,) = self.writes(body)
            assert sms_parts.parts(answer) <= 2, answer
        return answer

    def confirmations(self) -> list[str]:
        bodies = []
        for row in self.house.messages("sms"):
            opened = self.house.store.vault.open_text(row.payload_enc, f"message.payload:{row.id}")
            bodies.append(json.loads(opened or "")["body"])
        return bodies


def open_for_texts(made: House) -> House:
    made.settings.sms_reply_number = INBOX
    made.settings.text_booking_number = INBOX
    made.settings.text_answer_seconds = 3.0
    made.app = made.application()
    return furnish(made)


@pytest.fixture
def service(database_url: str) -> Iterator[House]:
    """With a number that people book by."""
    with house(database_url) as made:
        yield open_for_texts(made)


@pytest.fixture
def writer(service: House) -> Talker:
    return Talker(service, service.app)


def rows(made: House, table: Any) -> int:
    with made.database.statement() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def held(made: House) -> int:
    with made.database.statement() as connection:
        statement = select(func.count()).where(
            place.c.held_by.is_not(None), place.c.hold_expires_at > made.clock.now()
        )
        return int(connection.execute(statement).scalar_one())


# ---------------------------------------------------------------- booked


def test_one_person_books_with_silence_and_nonsense_between(writer: Talker):
    service = writer.house
    assert "1 Vous, 2 Un proche, 3 Vous deux" in writer.asks("RDV")
    assert "Nous n'avons pas compris" in writer.asks("euh je sais pas trop la")
    assert "Date de naissance" in writer.asks("pour moi")
    assert "Cette date n'existe pas" in writer.asks("31/02/1942")
    writer.later(hours=3)
    assert writer.asks("12 mars 1942") == "Né(e) le 12 mars 1942. 1 Oui, 2 Corriger"
    assert writer.asks("1") == "Code postal ou commune ?"
    offers = writer.asks("75011")
    assert offers.startswith("75011, Paris 11e. * Corriger\n1 jeu. 26/11")
    assert "4 Autre jour ou lieu" in offers
    assert held(service) == 3
    last_look = writer.asks("1")
    assert last_look.startswith(
        "Rien n'est encore pris. Né(e) le 12 mars 1942. Le jeudi 26 novembre"
    )
    assert service.bookings() == []
    assert writer.asks("1").startswith("C'est confirmé.")
    (booked,) = service.bookings()
    assert booked.channel == "phone"
    (text,) = writer.confirmations()
    assert booked.reference in text
    assert service.woken.messages


def test_two_people_book_one_after_the_other(writer: Talker):
    service = writer.house
    writer.asks("bonjour je voudrais un rendez-vous", "3")
    assert "Première personne" in writer.asks("n'importe quoi")
    writer.asks("12/03/1942", "1", "75011")
    assert writer.asks("1").startswith("Première personne.")
    next_one = writer.asks("1")
    assert next_one.startswith("C'est confirmé.")
    assert "Seconde personne :" in next_one
    assert "Date de naissance" in next_one
    writer.later(hours=2)
    assert "Né(e) le 1 juin 1941" in writer.asks("01061941").replace("1er", "1")
    beside = writer.asks("1")
    assert "1 jeu. 26/11" in beside
    assert writer.asks("1").startswith("Seconde personne.")
    assert writer.asks("oui").startswith("C'est confirmé.")
    first, second = service.bookings()
    assert first.centre_name == second.centre_name
    assert len(writer.confirmations()) == 2


def test_both_appointments_of_a_campaign_are_read_and_booked(database_url: str):
    with house(database_url, campaign=campaign_with(doses=2)) as made:
        open_for_texts(made)
        made.opens_centre("9", name="Salle Jean Moulin", kilometres=0.2, starts=mornings(30))
        writer = Talker(made, made.app)
        offers = writer.asks("rdv", "1", "12031942", "1", "75011")
        assert "Le second rendez-vous viendra" in offers
        assert ", puis le " in writer.asks("1")
        assert writer.asks("1").startswith("C'est confirmé, pour les deux dates.")
        first, second = made.bookings()
        assert (first.dose, second.dose) == (1, 2)
        assert first.reference == second.reference
        assert first.reference in writer.confirmations()[0]


@pytest.mark.parametrize(
    ("word", "asked"),
    [
        ("APPOINTMENT", "Who is it for? 1 You"),
        ("Cita", "¿Para quién es? 1 Usted"),
        ("je voudrais un rdv pour mon mari svp", "C'est pour qui ?"),
    ],
)
def test_a_conversation_begins_in_the_language_of_its_first_word(
    writer: Talker, word: str, asked: str
):
    assert asked in writer.asks(word)


# ---------------------------------------------------------------- what it costs


def test_a_text_costs_two_round_trips(writer: Talker):
    writer.asks("RDV", "1")
    writer.later(minutes=1)
    with on_the_wire(writer.house.database) as sent:
        writer.writes("12031942")
    assert len(sent) == 2, sent


# ---------------------------------------------------------------- twice, crossed, at once


def test_a_copy_of_the_text_that_booked_books_once(writer: Talker):
    answer = writer.asks("RDV", "1", "12031942", "1", "75011", "1", "1")
    assert writer.writes_again("1") == [answer]
    assert len(writer.house.bookings()) == 1
    assert len(writer.confirmations()) == 1


def test_the_same_answer_sent_twice_does_not_confirm_unread(writer: Talker):
    writer.asks("RDV", "1", "12031942", "1", "75011")
    writer.later(minutes=1)
    (last_look,) = writer.writes("1")
    assert "Rien n'est encore pris" in last_look
    # A second "1" that left before the last look can have been read.
    (crossed,) = writer.writes("1")
    assert crossed.startswith("Nos deux messages se sont croisés.\nRien n'est encore pris")
    assert writer.house.bookings() == []
    assert writer.asks("1").startswith("C'est confirmé.")


def test_two_texts_at_once_begin_one_conversation(service: House):
    writers = [Talker(service, service.app) for _ in range(2)]
    answers = at_once(
        lambda: writers[0].writes("RDV", sid=f"SM{91:032x}"),
        lambda: writers[1].writes("RDV", sid=f"SM{92:032x}"),
    )
    assert rows(service, text_conversation) == 1
    assert all("1 Vous" in answer[0] for answer in answers)


def test_two_confirmations_at_once_book_once(service: House):
    service.settings.text_answer_seconds = 0.0
    service.app = service.application()
    writer = Talker(service, service.app)
    writer.asks("RDV", "1", "12031942", "1", "75011", "1")
    answers = at_once(
        lambda: Talker(service, service.app).writes("1", sid=f"SM{91:032x}"),
        lambda: Talker(service, service.app).writes("1", sid=f"SM{92:032x}"),
    )
    assert len(service.bookings()) == 1
    assert sorted(len(answer) for answer in answers) in ([0, 1], [1, 1])


# ---------------------------------------------------------------- what is no answer


def test_a_picture_and_a_letter_are_no_answers(writer: Talker):
    writer.asks("RDV", "1")
    writer.later(minutes=1)
    (answer,) = writer.writes("", NumMedia="1")
    assert answer == "Nous ne voyons pas les images.\nDate de naissance ? Par exemple 05/03/1940"
    writer.later(minutes=1)
    (answer,) = writer.writes("né le 12 mars 1942 " + "x" * 1580)
    assert answer.startswith("Ce message est trop long pour nous.")
    assert "Date de naissance" in answer
    # What came with a picture counts.
    writer.later(minutes=1)
    assert "12 mars 1942" in writer.writes("12 mars 1942", NumMedia="1")[0]


def test_an_answer_to_another_question_is_asked_again(writer: Talker):
    writer.asks("RDV")
    assert "Répondez par un seul chiffre" in writer.asks("12031942")
    writer.asks("1")
    assert "Cette date" in writer.asks("75011")
    assert writer.house.bookings() == []


def test_nonsense_leads_to_the_easier_question_then_to_a_person_who_is_only_offered(writer: Talker):
    writer.asks("RDV", "1")
    writer.asks("bla bla bla")
    assert "Année de naissance" in writer.asks("bla bla")
    writer.asks("hum", "hum")
    assert "Une personne peut appeler" in writer.asks("hum")
    assert (
        writer.asks("patati", "patata", "et patati")
        == "Merci. Vous pouvez écrire RDV à tout moment."
    )
    # Nothing was promised that was not asked for.
    assert writer.house.promises() == []
    assert writer.house.bookings() == []


def test_a_person_is_promised_where_they_are_asked_for(writer: Talker):
    assert "3 Continuer ici" in writer.asks("RDV", "0")
    assert writer.asks("1").startswith("C'est noté. Une personne appellera")
    (promise,) = writer.house.promises()
    assert promise.number == MOBILE
    assert promise.language == "fr"


def test_an_emergency_is_told_whom_to_write_to_and_the_question_waits(writer: Talker):
    writer.asks("RDV", "1")
    assert "114" in writer.asks("URGENCE")
    assert "1 Oui" in writer.asks("12/03/1942")


# ---------------------------------------------------------------- silence


def test_what_was_offered_is_offered_anew_after_hours(writer: Talker):
    service = writer.house
    writer.asks("RDV", "1", "12031942", "1", "75011")
    writer.later(hours=2)
    assert held(service) == 0
    # Still free: kept again, and the answer counts.
    answer = writer.asks("1")
    assert answer.startswith("Cette place était encore libre, nous la gardons de nouveau.")
    assert "Rien n'est encore pris" in answer


def test_what_somebody_else_took_meanwhile_is_not_booked(writer: Talker):
    service = writer.house
    last_look = writer.asks("RDV", "1", "12031942", "1", "75011", "1")
    writer.later(hours=2)
    with service.database.transaction() as connection:
        connection.execute(place.update().where(place.c.held_by.is_not(None)).values(blocked=True))
        connection.execute(
            place.update()
            .where(place.c.slot_id.in_(select(place.c.slot_id).where(place.c.blocked)))
            .values(blocked=True)
        )
    answer = writer.asks("1")
    assert answer.startswith("Les places proposées n'étaient plus gardées.")
    assert "1 " in answer
    assert answer != last_look
    assert service.bookings() == []


def test_after_half_a_day_it_begins_anew(writer: Talker):
    writer.asks("RDV", "1")
    writer.later(hours=13)
    (answer,) = writer.writes("12031942")
    assert "écrivez RDV" in answer
    assert "C'est pour qui" in writer.asks("RDV")


def test_rdv_begins_anew_and_gives_back_what_was_held(writer: Talker):
    writer.asks("RDV", "1", "12031942", "1", "75011")
    assert held(writer.house) == 3
    assert "C'est pour qui" in writer.asks("RDV")
    assert held(writer.house) == 0


# ---------------------------------------------------------------- stop, strangers, cost


def test_stop_in_the_middle_ends_it_and_gives_back_what_was_held(writer: Talker):
    writer.asks("RDV", "1", "12031942", "1", "75011")
    assert "nous ne vous écrirons plus" in writer.asks("STOP")
    assert held(writer.house) == 0
    assert rows(writer.house, text_conversation) == 0
    writer.later(minutes=1)
    assert writer.writes("1") == []
    # Who writes for an appointment after that has asked for an answer.
    assert "C'est pour qui" in writer.asks("RDV")


def test_a_text_that_is_no_conversation_is_answered_as_ever(writer: Talker):
    assert "un message ne suffit pas pour annuler" in writer.asks("annuler mon rdv")
    told = writer.asks("il fait beau")
    assert told.startswith("Allo Rendez-vous : nous n'avons pas compris.")
    assert "écrivez RDV" in told
    writer.later(minutes=1)
    assert writer.writes("merci") == []
    assert rows(writer.house, turn) == 0


def test_where_there_is_no_such_number_nobody_books_by_texts(service: House):
    service.settings.text_booking_number = ""
    writer = Talker(service, service.application())
    assert "Nous ne lisons pas les messages" not in writer.writes("RDV")[0]
    assert rows(service, turn) == 0


def test_premium_foreign_short_and_landline_numbers_begin_nothing(service: House):
    senders = ("+33899123456", "+32470123456", "36111", "Orange", "+33491223344")
    for number, sender in enumerate(senders):
        answers = Talker(service, service.app, sender).writes("RDV", sid=f"SM{number:032x}")
        assert all("C'est pour qui" not in answer for answer in answers)
    assert rows(service, turn) == 0


def test_a_number_gets_so_many_answers_in_a_day_and_no_more(service: House):
    service.settings.text_answers_per_number = 4
    writer = Talker(service, service.application())
    writer.asks("RDV", "bla", "bla")
    assert writer.asks("bla").startswith("C'est tout pour aujourd'hui par message.")
    writer.later(minutes=1)
    assert writer.writes("1") == []
    # What is asked of an appointment that is there is answered all the same.
    assert writer.writes("annuler") != []
    writer.later(hours=25)
    assert "C'est pour qui" in writer.asks("RDV")


def test_answers_of_a_conversation_are_counted_as_texts(writer: Talker):
    answer = writer.asks("RDV")
    (row,) = noted(writer.house)
    assert row.parts == sms_parts.parts(answer)
    assert row.state == "sent"
    # What was answered is kept with its turn, and erased with it.
    opened = writer.house.store.vault.open_text(row.payload_enc, f"message.payload:{row.id}") or ""
    assert "qui" not in opened


def test_somebody_who_is_booked_already_learns_it_by_the_usual_text(writer: Talker):
    texts = ("1", "12031942", "1", "75011", "1", "1")
    writer.asks("RDV", *texts)
    assert writer.asks("RDV", *texts).startswith("C'est confirmé.")
    assert len(writer.house.bookings()) == 1


# ---------------------------------------------------------------- an interpreter


def test_an_interpreter_is_asked_for_by_text_and_the_call_back_keeps_it(writer: Talker):
    writer.asks("RDV", "1")
    assert "1 Arabe" in writer.asks("je voudrais un interprète")
    assert "Une personne peut appeler" in writer.asks("2")
    writer.asks("1")
    (promise,) = writer.house.promises()
    assert promise.reason == "interpreter" or promise.known["reason"] == "interpreter"
    assert promise.known["interpreter"] == "pt"


def test_somebody_who_writes_from_the_simulator_books(service: House):
    service.settings.text_answer_seconds = 0.0
    phone = Texting(
        WsgiTransport(service.application()), BASE, TOKEN, ACCOUNT, "+33612345679", INBOX
    )
    told: list[str] = []
    texts = ["RDV", "1", "12/03/1942", "1", "75011", "1", "1"]
    (last,) = converse(phone, texts, told.append, lambda _seconds: None)
    assert last.startswith("C'est confirmé.")
    assert told[0] == "> RDV"
    assert len(service.bookings()) == 1


def test_the_number_to_text_and_the_relay_are_named(service: House):
    page = service.app.test_client().get("/").get_data(as_text=True)
    assert "09 74 75 00 99" in page
    assert "envoyez RDV" in page
    assert "relais téléphonique" in page
    service.settings.text_booking_number = ""
    without = service.application().test_client().get("/accessibilite").get_data(as_text=True)
    assert "envoyez RDV" not in without
    assert "relais téléphonique" in without
    assert "114" in without


def test_a_name_is_no_number_to_text():
    for wrong in ("AlloRDV", "+33612345678"):
        with pytest.raises(config.BadSettings, match="TEXT_BOOKING_NUMBER"):
            config.load(_env_file=None, text_booking_number=wrong)
