"""Rows with sealed values: one or more in every table that has some, and many bookings."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from sqlalchemy import insert, select

from models.accounts import staff as staff_rows
from models.agents import legs, stored_commands
from models.agents.legs import NewLeg
from models.agents.stored_commands import NewCommand
from models.all_tables import metadata
from models.booking import bookings, history
from models.booking.history import Change
from models.booking.tables import booking
from models.centre_day import operations
from models.centre_day.operations import Operation
from models.crypto import Vault
from models.database import Database
from models.desk import lost_texts
from models.messages.tables import message
from models.online import reach_codes, web_sessions
from models.operations import person_requests, reseal
from models.operations.people import Given
from models.operations.tables import person_request
from models.partners import bookings as orders
from models.queue import requests
from models.waiting_list import waiting
from services.accounts.staff import record_act
from services.queue.promise_callback import promise
from tests.support.house import LANDLINE, MOBILE, NOON, House

BORN = date(1942, 3, 12)
AT_ONCE = 5000


def restarted(house: House, keys: dict[int, bytes], index_key: bytes | None = None) -> House:
    """The same house as if each of its processes had been started with these keys."""
    house.store = replace(house.store, vault=Vault(keys, index_key=index_key))
    house.__dict__.pop("app", None)
    return house


def add_many(database: Database, vault: Vault, count: int, *, first: int = 0) -> None:
    """So many bookings without a place, each with a message, as the service would seal them."""
    for start in range(first, first + count, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, first + count))
        with database.transaction() as connection:
            connection.execute(insert(booking), [_booking(vault, number) for number in numbers])
            connection.execute(insert(message), [_message(vault, number) for number in numbers])


def id_of(number: int) -> str:
    return f"f{number:031x}"


def reference_of(number: int) -> str:
    return f"{7_000_000_000 + number:010d}"


def number_of(number: int) -> str:
    return f"+3361{number:07d}"


def _booking(vault: Vault, number: int) -> dict[str, object]:
    row, reference, phone = id_of(number), reference_of(number), number_of(number)
    return {
        "id": row,
        "idempotency_key": f"many:{number}",
        "reference_enc": vault.seal_text(reference, f"booking.reference:{row}"),
        "reference_idx": vault.index("reference", reference),
        "channel": "phone",
        "campaign": "tests",
        "centre_id": "1",
        "state": "cancelled",
        "dob_enc": vault.seal_text(BORN.isoformat(), f"booking.dob:{row}"),
        "dob_idx": vault.index("dob", BORN.isoformat()),
        "phone_enc": vault.seal_text(phone, f"booking.phone:{row}"),
        "phone_idx": vault.index("phone", phone),
        "created_at": NOON,
        "cancelled_at": NOON,
        "last_start_at": NOON + timedelta(days=2),
    }


def _message(vault: Vault, number: int) -> dict[str, object]:
    row, phone = id_of(number), number_of(number)
    return {
        "id": row,
        "kind": "sms",
        "dedupe_key": f"many:{number}",
        "booking_id": row,
        "recipient_enc": vault.seal_text(phone, f"message.recipient:{row}"),
        "recipient_idx": vault.index("phone", phone),
        "payload_enc": vault.seal_text('{"body": "Bonjour"}', f"message.payload:{row}"),
        "state": "delivered",
        "due_at": NOON,
        "created_at": NOON,
        "updated_at": NOON,
    }


def fill(house: House) -> None:
    """Let the service write into every table that has a sealed column.

    A caller books and gets a text, a visitor begins, somebody waits and somebody is promised a
    call; an agent has a telephone, a line, a note and a command; a partner is asked. An operator
    types why a booking was cancelled and why a centre is closed.
    """
    phone = house.phone(MOBILE).goes_to("reach")
    phone.answers("1").goes_to("reference").answers("1")
    clock, vault, chance = house.clock, house.store.vault, house.store.chance
    with house.database.transaction() as connection:
        promise(connection, house.store, LANDLINE, None, {"reason": "welcome"})
    agent = house.employs("agent")
    with house.database.transaction() as connection:
        record_act(connection, house.store, agent.id, "searched", "", "rappelle")
        line = Change("operator", "supervisor", "cancelled", "rappelle")
        history.add(connection, clock, vault, "B1", line)
        closed = Operation("O1", "centre_closed", "1", "operator", "fuite", NOON, None)
        operations.add(connection, clock, vault, closed)
        asked = chance.identifier()
        person_requests.add(
            connection,
            clock,
            vault,
            asked,
            person_requests.ERASE,
            Given(BORN, MOBILE, ""),
            reason="line",
            by=agent.id,
        )
        # As the version before kept what the provider was to delete.
        left = vault.seal_text('{"calls": ["CA1"]}', f"person_request.provider:{asked}")
        connection.execute(person_request.update().values(provider_enc=left))
        # What the appointment is for, as a campaign of a named service says it.
        (of_caller,) = connection.execute(select(booking.c.id)).scalars()
        done = bookings.NewService("grippe", "grippe-2026", 1)
        person = bookings.person_idx(vault, done.campaign, BORN, MOBILE, 1)
        assert bookings.add_service(connection, of_caller, done, "confirmed", person)
        staff_rows.change_secret(connection, clock, vault, agent.id, "JBSWY3DPEHPK3PXP")
        staff_rows.change_phone(connection, clock, vault, agent.id, LANDLINE)
        new = NewLeg(chance.identifier(), "agent", "", LANDLINE, agent.id)
        legs.add(connection, clock, vault, new)
        command = NewCommand("ring", "a-key", arguments={"to": LANDLINE})
        stored_commands.add(
            connection, clock, vault, chance.identifier(), command, timedelta(seconds=1)
        )
        web_sessions.add(
            connection, clock, vault, f"W{chance.identifier()}", step="", language="fr", body="{}"
        )
        requests.add(
            connection,
            clock,
            vault,
            requests.CallbackRequest(
                id=chance.identifier(),
                number=LANDLINE,
                known={"born": BORN.isoformat()},
                language="fr",
                departement=None,
                call_id="CA1",
                state="asked",
                joined_at=NOON,
                answer_until=None,
            ),
        )
        reach_codes.add(
            connection,
            clock,
            vault,
            visit_id="W1",
            number=MOBILE,
            language="fr",
            place=None,
            lasts=timedelta(minutes=10),
        )
        lost_texts.add(
            connection,
            clock,
            vault,
            lost_texts.LostText(
                chance.identifier(), "", lost_texts.TEXT, "SM1", LANDLINE, "Bonjour", NOON
            ),
        )
        waiter = waiting.Waiter(BORN, MOBILE, "75011", centre_id="1")
        waiting.add(connection, clock, vault, chance.identifier(), "tests", 1, waiter)
        orders.add(
            connection,
            clock,
            vault,
            chance.identifier(),
            campaign="tests",
            visitor=orders.OrderedPerson("Anne", "Martin", BORN, "75011", MOBILE),
            key="a-form",
            platform="keldoc",
            centre_id="1",
            channel="web",
        )


def opened(house: House) -> dict[str, bytes]:
    """Every sealed value of every table, by the place where it lives. Raises CannotOpen."""
    found = {}
    for one in reseal.sealed_tables(metadata):
        with house.database.statement() as connection:
            rows = connection.execute(select(*one.keys, *one.columns)).all()
        for row in rows:
            key = tuple(row[: len(one.keys)])
            for column, sealed in zip(one.columns, row[len(one.keys) :], strict=True):
                if sealed is not None:
                    where = one.place(column, key)
                    found[where] = house.store.vault.open(sealed, where)
    return found


def keys_in_use(house: House) -> set[int]:
    """The numbers of the keys that any value of any table was sealed with."""
    found: set[int] = set()
    for one in reseal.sealed_tables(metadata):
        with house.database.statement() as connection:
            for row in connection.execute(select(*one.columns)):
                found |= {sealed[0] for sealed in row if sealed is not None}
    return found
