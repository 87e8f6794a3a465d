"""A service that texts can be written to, and people who write."""

from __future__ import annotations

import itertools

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from flask import Flask
from sqlalchemy import select

from exchange.clock import WallClock
from models.clock import DatabaseClock
from models.desk.tables import agent_case
from models.messages.tables import message, phone_line
from tests.ivr.conftest import furnish
from tests.ivr.webhooks import genuine
from tests.support.house import MOBILE, House, house
from tests.support.office import Provider
from tests.support.rows import clock_of

# Where texts come in.
INBOX = "+33974750099"


@dataclass
class Writer:
    """Somebody with a mobile who writes to the service."""

    house: House
    app: Flask
    number: str = MOBILE
    sids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    last: str = ""

    def writes(self, body: str, *, sid: str = "", **fields: str) -> list[str]:
        """Send a text; gives what is answered, a text each."""
        self.last = sid or f"SM{next(self.sids):032x}"
        status, answers = self.posts(self.last, body, **fields)
        assert status == 200
        return answers

    def writes_again(self, body: str) -> list[str]:
        """The provider asks once more about the text before."""
        return self.writes(body, sid=self.last)

    def posts(self, sid: str, body: str, **fields: str) -> tuple[int, list[str]]:
        given = {"To": INBOX, "From": self.number, "Body": body, "MessageSid": sid, **fields}
        answer = genuine("/sms/incoming", **given).signed().send(self.app)
        document = ET.fromstring(answer.get_data())  # noqa: S314 (our own)
        assert document.tag == "Response"
        assert {verb.tag for verb in document} <= {"Message"}
        return answer.status_code, ["".join(verb.itertext()) for verb in document]

    def line(self) -> Any:
        """What is remembered of the number."""
        index = self.house.store.vault.index("phone", self.number)
        with self.house.database.statement() as connection:
            found = select(phone_line).where(phone_line.c.phone_idx == index)
            return connection.execute(found).one_or_none()

    def later(self, **by: float) -> None:
        clock_of(self.house).advance(timedelta(**by))


def cases_of(house: House) -> list[Any]:
    with house.database.statement() as connection:
        return list(connection.execute(select(agent_case).order_by(agent_case.c.id)))


def noted(house: House) -> list[Any]:
    """The rows of texts that came in."""
    with house.database.statement() as connection:
        rows = select(message).where(message.c.kind == "incoming").order_by(message.c.id)
        return list(connection.execute(rows))


@pytest.fixture
def inbox(database_url: str) -> Iterator[House]:
    """With a number that texts come in on."""
    with house(database_url) as made:
        made.settings.sms_reply_number = INBOX
        made.app = made.application()
        yield furnish(made)


@pytest.fixture
def real_time(database_url: str) -> Iterator[House]:
    """A service by the clock of the database, as in production."""
    with house(database_url, clock=DatabaseClock()) as made:
        yield made


@pytest.fixture
def real_provider(real_time: House) -> Iterator[Provider]:
    """The provider of that service, by the clock of this machine."""
    made = Provider(real_time, WallClock())
    yield made
    made.close()


@pytest.fixture
def caller(inbox: House) -> Writer:
    """Somebody who has booked on the telephone."""
    call = inbox.phone(MOBILE).goes_to("reach").presses("1").goes_to("reference").presses("1")
    assert call.ended_normally
    return Writer(inbox, inbox.app)


@pytest.fixture
def stranger(inbox: House) -> Writer:
    """Somebody who has booked nothing."""
    return Writer(inbox, inbox.app, "+33658941273")
