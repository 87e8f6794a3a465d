"""Mails: a booking with an address, told by a real SMTP server on this machine."""

from __future__ import annotations

import re

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

import pytest

from aiosmtpd.controller import Controller
from icalendar import Calendar
from sqlalchemy import select

from exchange.testing.ports import free_port
from jobs.mailer import SmtpMailer
from models.booking import changes
from models.booking.tables import booking
from models.messages import freezes
from models.messages.outbox import MAIL
from models.messages.tables import message
from prompts.screens import screen
from services.booking.change_booking import cancel
from services.booking.changed import By
from services.booking.find_booking import read_booking
from services.desk.messages import BookingMessages, told
from services.messages.deliver_message import DeliveryDependencies
from services.messages.mails import PER_ADDRESS, Mails, NoAddress, address
from services.privacy.erase_data import erase_data
from services.slots.allocate import Channel
from tests.calls.telephone import Texts
from tests.online.test_booking import Visitor
from tests.online.visitors import LINK
from tests.support.house import BASE, House, house, mornings
from tests.support.office import Office
from tests.support.rows import clock_of
from web.written import DeskWords

ANNE = "anne.martin@exemple.fr"


@dataclass
class Server:
    """A server for mails that keeps them, and says `answer` to who is written to."""

    answer: str = "250 OK"
    mails: list[EmailMessage] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, _: Any, __: Any, envelope: Any, to: str, ___: Any
    ) -> str:
        if self.answer.startswith("250"):
            envelope.rcpt_tos.append(to)
        return self.answer

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:  # noqa: N802
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"


@pytest.fixture
def server() -> Iterator[tuple[Server, int]]:
    kept = Server()
    controller = Controller(kept, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield kept, controller.port
    controller.stop()


@pytest.fixture
def service(database_url: str) -> Iterator[House]:
    with house(database_url, links=True, mails=True) as made:
        made.opens_centre("1", kilometres=0.4, starts=mornings(3), capacity=3)
        yield made


def books(made: House, mail: str = ANNE, number: str = "06 12 34 56 78") -> Visitor:
    visitor = Visitor(made).comes_to_reach()
    wish = "number" if number else "none"
    return visitor.sends(number=number, mail=mail, wish=wish).is_at("confirmer").sends()


def sweeps(made: House, port: int) -> Office:
    mailer = SmtpMailer(f"smtp://127.0.0.1:{port}", "rdv@allo.example", made.clock)
    mails = Mails(made.store, mailer, made.numbers)
    office = Office(made, Texts(), means=DeliveryDependencies(mails=mails))
    office.sweeps()
    return office


def mail_rows(made: House) -> list[Any]:
    with made.database.statement() as connection:
        found = select(message).where(message.c.kind == MAIL).order_by(message.c.created_at)
        return list(connection.execute(found))


def test_a_booking_is_told_by_mail_with_its_file_for_a_calendar(
    service: House, server: tuple[Server, int]
):
    kept, port = server
    books(service).is_at("fait")
    sweeps(service, port)
    (mail,) = kept.mails
    assert mail["To"] == ANNE
    assert mail["Subject"] == "Votre rendez-vous"
    body = mail.get_body()
    assert body is not None
    told = body.get_content().replace("\r\n", "\n").replace("\N{NO-BREAK SPACE}", " ")
    found = LINK.search(told)
    assert found is not None
    reference, link = service.bookings()[0].reference, found[0]
    assert told == (
        "Bonjour,\n\n"
        "Vous avez rendez-vous jeudi 26 novembre à 10h00, Salle des fêtes, 12 rue de la Paix,"
        f" 75011 Paris 11e. Référence {reference}. Pour le déplacer ou l'annuler, appelez le"
        " 09 74 75 00 01.\n\n"
        f"Votre rendez-vous en ligne : {link}\n\n"
        "Les réponses à cet e-mail ne sont pas lues.\n\n"
        "Allô Rendez-vous\n"
    )
    assert "vaccin" not in mail.as_string().lower()
    (file,) = mail.iter_attachments()
    assert file.get_filename() == "rendez-vous.ics"
    (event,) = Calendar.from_ical(file.get_content()).walk("VEVENT")
    assert event["LOCATION"] == "Salle des fêtes, 12 rue de la Paix, 75011 Paris 11e"
    (row,) = mail_rows(service)
    # No text, and nothing that the provider of texts could delete.
    assert (row.state, row.way, row.provider_sid) == ("sent", "mail", None)
    # Nothing is sent a second time.
    sweeps(service, port)
    assert len(kept.mails) == 1


def test_the_address_is_sealed_and_erased_with_its_booking(service: House):
    books(service)
    with service.database.statement() as connection:
        row = connection.execute(select(booking)).one()
    assert ANNE.encode() not in row.mail_enc
    assert row.mail_idx == service.store.vault.index("mail", ANNE)
    clock_of(service).advance(timedelta(days=400))
    erase_data(service.store)
    with service.database.statement() as connection:
        row = connection.execute(select(booking)).one()
    assert row.mail_enc is row.mail_idx is None
    assert mail_rows(service)[0].recipient_enc is None


@pytest.mark.parametrize(
    ("answer", "state", "word"),
    [("550 no such user", "dropped", "refused"), ("451 later", "pending", "451")],
)
def test_a_refusal_ends_it_or_it_is_tried_again(
    service: House, server: tuple[Server, int], answer: str, state: str, word: str
):
    kept, port = server
    kept.answer = answer
    books(service)
    sweeps(service, port)
    (row,) = mail_rows(service)
    assert (row.state, row.error_code) == (state, word)
    assert not kept.mails
    if state == "pending":
        kept.answer = "250 OK"
        clock_of(service).advance(timedelta(hours=1))
        sweeps(service, port)
        assert len(kept.mails) == 1


def told_at_the_desk(made: House) -> BookingMessages:
    with made.database.transaction() as connection:
        booking_id = connection.execute(select(booking.c.id)).scalar_one()
        found = read_booking(connection, made.store, booking_id)
        assert found is not None
        return told(connection, made.store, made.service(), found)


def test_a_refused_address_is_shown_at_the_desk_and_the_text_goes_all_the_same(
    service: House, server: tuple[Server, int]
):
    kept, port = server
    kept.answer = "550 no such user"
    books(service)
    sweeps(service, port)
    mail, text = told_at_the_desk(service).shown
    assert (mail.way, mail.fate, mail.why, mail.open) == ("mail", "refused", "refused", True)
    assert (text.way, text.fate, text.open) == ("text", "sent", False)
    assert DeskWords(screen("fr")).error(mail.why).startswith("cette adresse e-mail n’existe pas")


@pytest.mark.parametrize("code", ["login", "certificate", "not offered"])
def test_what_an_operator_is_to_mend_has_words_at_the_desk(code: str):
    assert "prévenez un superviseur" in DeskWords(screen("fr")).error(code)


def bodies(kept: Server) -> list[str]:
    """The words of each mail, in the order in which they came."""
    found = [mail.get_body() for mail in kept.mails]
    return [body.get_content() for body in found if body is not None]


def begins(body: str) -> str:
    """Who a mail says that it is for, and what it says then."""
    return body.splitlines()[2].partition(" rendez-vous ")[0]


def test_mails_of_couple_name_each_year_of_birth_without_telephone(
    service: House, server: tuple[Server, int]
):
    kept, port = server
    visitor = Visitor(service).comes_to_reach("two").sends(number="", mail=ANNE, wish="number")
    visitor.is_at("confirmer").sends().is_at("fait")
    # The second person is not booked yet.
    sweeps(service, port)
    visitor.sends().is_at("naissance").is_born("4", "7", "1941").is_at("creneaux")
    visitor.sends(place=visitor.places[0]).is_at("confirmer").sends().is_at("fait")
    sweeps(service, port)
    assert [begins(body) for body in bodies(kept)] == [
        "Allo Rendez-vous, personne née en 1942 : vous avez",
        "Allo Rendez-vous, personne née en 1941 : vous avez",
    ]


def test_mail_names_year_of_birth_only_when_address_is_shared(
    service: House, server: tuple[Server, int]
):
    kept, port = server
    books(service, number="").is_at("fait")
    sweeps(service, port)
    other = Visitor(service).starts().is_born("4", "7", "1941").sends(where="75011")
    other.sends(place=other.places[0]).is_at("joindre").sends(number="06 12 34 56 79", mail=ANNE)
    other.is_at("confirmer").sends().is_at("fait")
    sweeps(service, port)
    assert [begins(body) for body in bodies(kept)] == [
        "Vous avez",
        "Allo Rendez-vous, personne née en 1941 : vous avez",
    ]


def test_who_gave_no_number_is_told_of_a_change_by_mail(service: House, server: tuple[Server, int]):
    kept, port = server
    books(service, number="").is_at("fait")
    sweeps(service, port)
    with service.database.transaction() as connection:
        found = connection.execute(select(booking.c.id)).scalar_one()
        file = changes.load(connection, service.store.vault, found)
        assert file is not None
        by = By("agent", Channel.AGENT, "", "key", file.version)
        cancel(connection, service.store, found, (1,), by=by)
    sweeps(service, port)
    assert len(kept.mails) == 2
    body = kept.mails[-1].get_body()
    assert body is not None
    assert ", Salle des fêtes, Paris 11e, est annulé. Référence" in body.get_content()
    assert kept.mails[-1]["Subject"] == "Annulation d’un rendez-vous"
    assert not list(kept.mails[-1].iter_attachments())


def test_an_address_gets_so_many_a_day(service: House, server: tuple[Server, int]):
    kept, port = server
    for _ in range(PER_ADDRESS + 1):
        books(service)
    # Beyond the first it is a stand-in, which is mailed all the same.
    sweeps(service, port)
    assert len(kept.mails) == PER_ADDRESS
    assert [row.error_code for row in mail_rows(service)].count("budget") == 1


def test_nothing_is_mailed_twice_after_a_restore(service: House, server: tuple[Server, int]):
    kept, port = server
    books(service)
    with service.database.transaction() as connection:
        freezes.begin(connection, service.clock, "f", since=service.clock.now(), by="test")
    with service.database.transaction() as connection:
        freezes.end(connection, service.clock, "test")
    sweeps(service, port)
    assert not kept.mails
    assert mail_rows(service)[0].error_code == "restored"


READ_BACK = re.compile(r"<dt>(?:E-mail|Correo electrónico)</dt>\s*<dd>([^ ]+) <a href=\"([^\"]+)\"")


@pytest.mark.parametrize("language", ["fr", "en", "es"])
def test_the_address_is_read_back_before_it_is_confirmed_and_corrected_there(
    service: House, language: str
):
    visitor = Visitor(service)
    visitor.client.set_cookie("language", language, domain=urlsplit(BASE).netloc)
    visitor.comes_to_reach().sends(number="06 12 34 56 78", mail="anne.martin@exmple.fr")
    read = READ_BACK.search(visitor.is_at("confirmer").page)
    assert read is not None
    assert read[1] == "anne.martin@exmple.fr"
    visitor.opens(read[2]).is_at("joindre")
    assert 'value="anne.martin@exmple.fr"' in visitor.page
    visitor.sends(number="06 12 34 56 78", mail=ANNE).is_at("confirmer").sends().is_at("fait")
    assert ANNE in visitor.page
    (row,) = mail_rows(service)
    assert service.store.vault.open_text(row.recipient_enc, f"message.recipient:{row.id}") == ANNE


def test_who_gives_no_address_reads_of_none(service: House):
    visitor = books(service, mail="")
    assert "e-mail" not in visitor.is_at("fait").page.lower()


def test_an_address_alone_is_enough_and_is_said_to_be(service: House):
    visitor = Visitor(service).comes_to_reach()
    assert "Sans téléphone, cette adresse suffit." in visitor.page
    visitor.sends(number="", mail=ANNE, wish="number").is_at("confirmer").sends().is_at("fait")
    assert f"Un e-mail part à {ANNE}." in visitor.page
    assert "aucun SMS" not in visitor.page
    assert len(mail_rows(service)) == 1


def test_who_wants_to_be_rung_is_asked_for_the_number_all_the_same(service: House):
    visitor = Visitor(service).comes_to_reach()
    visitor.sends(number="", mail=ANNE, wish="number", calls="yes").is_at("joindre")
    assert "Écrivez un numéro de téléphone." in visitor.page


def test_what_is_no_address_is_said_and_nothing_is_lost(service: House):
    visitor = Visitor(service).comes_to_reach()
    visitor.sends(number="06 12 34 56 78", mail="anne.martin", wish="number").is_at("joindre")
    assert "Cette adresse e-mail n’est pas complète" in visitor.page
    assert 'value="anne.martin"' in visitor.page
    assert "06 12 34 56 78" in visitor.page


@pytest.mark.parametrize(
    "typed",
    [
        *("anne", "anne@", "@exemple.fr", "a b@exemple.fr", "a@b", "x" * 300),
        # More than one address, or more than an address.
        *("a@exemple.fr, b@exemple.fr", "Anne <a@exemple.fr>"),
        *("a@exemple.fr\r\nBcc: b@exemple.fr", "a@exemple.fr>\r\nRCPT TO:<b@exemple.fr"),
    ],
)
def test_no_address(typed: str):
    with pytest.raises(NoAddress):
        address(typed)


def test_an_address_is_kept_as_its_server_reads_it():
    assert address(" Anne.Martin@Exemple.FR ") == "Anne.Martin@exemple.fr"
