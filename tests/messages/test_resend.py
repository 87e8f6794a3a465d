"""What goes once more because somebody asked for it: never twice, and with what is true now."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from click.testing import Result
from sqlalchemy import select, update

from models.booking.tables import booking
from models.messages import messages, outbox
from models.messages.outbox import NewMessage
from models.messages.tables import message
from models.queue.tables import queue_entry
from services.booking.change_booking import cancel
from services.booking.changed import By
from services.messages.deliver_message import VOICE
from services.messages.delivery_failures import record_delivery
from services.messages.mails import write_mail
from services.messages.topics import Topic
from services.slots.allocate import Channel
from tests.messages.test_delivery_failures import books, calls, open_cases
from tests.support.house import MOBILE, NOON, House
from tests.support.office import Office, Provider

SID = "SM" + "1" * 32


def flask(house: House, *arguments: str, stdin: str = "") -> Result:
    return house.app.test_cli_runner().invoke(args=["messages", *arguments], input=stdin)


def last_line(result: Result) -> str:
    return str(result.output).strip().splitlines()[-1]


def fails(office: Office, message_id: str, code: str = "30007") -> None:
    """It does not arrive, and nothing could be done about it by itself."""
    store = office.house.store
    assert record_delivery(store, SID, "failed", message_id=message_id, error_code=code)
    with store.database.transaction() as connection:
        mine = update(message).where(message.c.dedupe_key == f"follows:{message_id}")
        connection.execute(mine.values(state="dropped", error_code="case"))


def failed_booking(office: Office) -> tuple[str, str]:
    booking_id, text = books(office)
    assert office.delivers(text) == "sent"
    fails(office, text)
    return booking_id, text


def resent(house: House) -> list[Any]:
    return house.messages("resend")


# ---------------------------------------------------------------- sending again


def test_a_confirmation_that_failed_goes_again_once_with_what_is_true_now(
    whole_office: Office, provider: Provider
):
    office, house = whole_office, whole_office.house
    _, text = failed_booking(office)
    told = flask(house, "resend", text, "--yes")
    assert (told.exit_code, last_line(told)) == (0, "1 messages wait to be sent again")
    (row,) = resent(house)
    assert (row.topic, row.dedupe_key) == ("confirmation", f"resend:{text}")
    assert office.sweeps() == 1
    first, second = provider.texts(MOBILE)
    assert second.body == first.body
    assert office.state(row.id) == "sent"

    # Whoever asks again has mistaken: nothing goes, and it is said.
    again = flask(house, "resend", text, "--yes")
    assert again.exit_code == 1
    assert "does not go again" in again.output
    assert flask(house, "resend", row.id, "--yes").exit_code == 1
    assert len(resent(house)) == 1
    assert len(provider.texts(MOBILE)) == 2


def test_a_confirmation_of_a_booking_that_is_cancelled_is_dropped(
    whole_office: Office, provider: Provider
):
    office, house = whole_office, whole_office.house
    booking_id, text = failed_booking(office)
    assert flask(house, "resend", text, "--yes").exit_code == 0
    with house.database.transaction() as connection:
        cancel(
            connection,
            house.store,
            booking_id,
            None,
            by=By("caller", Channel.PHONE),
        )
    office.sweeps()
    (row,) = resent(house)
    assert (row.state, row.error_code) == ("dropped", "needless")
    assert not [one for one in provider.texts(MOBILE)[1:] if "Rendez-vous" in one.body[:11]]


def test_nothing_goes_again_for_whom_another_way_is_still_tried(
    whole_office: Office, provider: Provider
):
    office, house = whole_office, whole_office.house
    _, text = books(office)
    office.delivers(text)
    record_delivery(house.store, SID, "failed", message_id=text, error_code="30007")
    # A row looks at it in a minute; then a call tells it.
    for _ in range(2):
        refused = flask(house, "resend", text, "--yes")
        assert refused.exit_code == 1
        office.later(minutes=1)
        office.sweeps()
    assert len(calls(house)) == 1
    listed = flask(house, "resend", "--topic", "confirmation", "--since", "1d", "--dry-run")
    assert last_line(listed) == "0 messages go again; 1 left out, for they are seen to already"


def test_a_confirmation_whose_person_was_written_to_since_stays(whole_office: Office):
    office, house = whole_office, whole_office.house
    booking_id, text = failed_booking(office)
    office.later(minutes=1)
    new = NewMessage(
        "a" * 32, "sms", "agent:x", MOBILE, {"body": "Rendez-vous"}, booking_id, topic=Topic.AGAIN
    )
    with house.database.transaction() as connection:
        assert outbox.add(connection, house.clock, house.store.vault, new)
    assert flask(house, "resend", text, "--yes").exit_code == 1


def test_a_mail_of_the_same_booking_is_no_text_and_keeps_none_back(whole_office: Office):
    """The database's clock gives the mail the later moment, for it is written after the text."""
    office, house = whole_office, whole_office.house
    booking_id, text = failed_booking(office)
    office.later(minutes=1)
    with house.database.transaction() as connection:
        assert write_mail(connection, house.store, "anne.martin@exemple.fr", booking_id)
    told = flask(house, "resend", text, "--yes")
    assert (told.exit_code, last_line(told)) == (0, "1 messages wait to be sent again")


def test_all_about_a_topic_is_counted_then_asked_for_then_sent(office: Office):
    house = office.house
    for number in range(5):
        failed = office.writes(topic="change", booking_id=f"{number:032x}")
        office.delivers(failed)
        fails(office, failed)
    # Finished words tell what was true when they were written.
    dry = flask(house, "resend", "--topic", "change", "--since", "24h", "--dry-run")
    assert last_line(dry) == "0 messages go again; 5 left out, for they are seen to already"
    with house.database.transaction() as connection:
        connection.execute(update(message).values(kind="booking_changed"))
    dry = flask(house, "resend", "--topic", "change", "--since", "24h", "--dry-run")
    assert (dry.exit_code, last_line(dry)) == (0, "5 messages go again")
    assert resent(house) == []
    no = flask(house, "resend", "--topic", "change", "--since", "24h", stdin="n\n")
    assert (no.exit_code, resent(house)) == (1, [])
    yes = flask(house, "resend", "--topic", "change", "--since", "24h", stdin="y\n")
    assert (yes.exit_code, len(resent(house))) == (0, 5)
    assert last_line(yes) == "5 messages wait to be sent again"
    # Those that were undelivered are other ones, and nothing is older than a moment from now.
    for more in (["--state", "undelivered"], []):
        none = flask(house, "resend", "--topic", "change", "--since", "24h", *more, "--yes")
        assert none.exit_code == 0
    assert len(resent(house)) == 5


def test_what_was_sent_again_and_failed_goes_once_more_by_its_own_id(
    whole_office: Office, provider: Provider
):
    office, house = whole_office, whole_office.house
    _, text = failed_booking(office)
    for _ in range(6):
        assert flask(house, "resend", text, "--yes").exit_code == 0
        office.sweeps()
        text = newest(house)
        assert office.state(text) == "sent"
        with house.database.transaction() as connection:
            outbox.move_state(connection, house.clock, text, "undelivered", error_code="30007")
            mine = update(message).where(message.c.dedupe_key == f"follows:{text}")
            connection.execute(mine.values(state="dropped", error_code="case"))
        office.later(seconds=1)
    assert len(provider.texts(MOBILE)) == 7
    assert len({one.body for one in provider.texts(MOBILE)}) == 1


def newest(house: House) -> str:
    statement = (
        select(message.c.id)
        .where(message.c.kind == "resend")
        .order_by(message.c.created_at.desc())
        .limit(1)
    )
    with house.database.statement() as connection:
        return str(connection.execute(statement).scalar_one())


# ---------------------------------------------------------------- a call that was asked for


def asks_for_a_call(house: House, booking_id: str) -> str:
    new = NewMessage("d" * 32, VOICE, f"voice:{booking_id}:x", MOBILE, {}, booking_id,
                     topic=Topic.VOICE)  # fmt: skip
    with house.database.transaction() as connection:
        assert outbox.add(connection, house.clock, house.store.vault, new)
    return new.id


def test_a_call_that_was_asked_for_is_promised_and_in_vain_it_is_a_case(
    whole_office: Office, provider: Provider
):
    office, house = whole_office, whole_office.house
    booking_id, text = books(office)
    office.delivers(text)
    asked = asks_for_a_call(house, booking_id)
    assert office.delivers(asked) == "call"
    (promise,) = calls(house)
    assert (promise.reason, promise.mode, promise.message_id) == ("appointment", "machine", asked)
    # Even a mobile gets no text of it.
    assert len(provider.texts(MOBILE)) == 1
    with house.database.transaction() as connection:
        outbox.move_state(connection, house.clock, asked, "undelivered", error_code="rung in vain")
    office.later(minutes=1)
    office.sweeps()
    (case,) = open_cases(house)
    assert (case.kind, case.why, case.booking_id) == (
        "undelivered", "voice rung in vain", booking_id,
    )  # fmt: skip


def test_a_call_about_a_cancelled_booking_is_not_made(whole_office: Office):
    office, house = whole_office, whole_office.house
    booking_id, _ = books(office)
    asked = asks_for_a_call(house, booking_id)
    with house.database.transaction() as connection:
        cancel(
            connection,
            house.store,
            booking_id,
            None,
            by=By("caller", Channel.PHONE),
        )
    assert office.delivers(asked) == "dropped"
    assert calls(house) == []


def test_nobody_is_rung_whose_number_was_erased(whole_office: Office):
    office, house = whole_office, whole_office.house
    booking_id, _ = books(office)
    asked = asks_for_a_call(house, booking_id)
    with house.database.transaction() as connection:
        connection.execute(update(booking).values(phone_enc=None))
    assert office.delivers(asked) == "dropped"
    with house.database.statement() as connection:
        assert connection.execute(select(queue_entry.c.id)).all() == []


# ---------------------------------------------------------------- looking


def test_what_waits_is_listed_oldest_first_and_names_nobody(office: Office):
    house = office.house
    first = office.writes(topic="reminder")
    office.later(minutes=1)
    second = office.writes(topic="change", recipient="+33699999999", body="Secret")
    third = office.writes(topic="reminder")
    told = flask(house, "pending")
    lines = [one.split("\t") for one in told.output.splitlines()]
    assert [one[0] for one in lines[:3]] == [second, first, third]
    assert lines[1] == [first, "reminder", "-", "pending", "0", "-", NOON.isoformat()]
    assert last_line(told) == "3 messages wait: 1 change, 2 reminder"
    for secret in ("Secret", "699999999", "612345678"):
        assert secret not in told.output
    some = flask(house, "pending", "--topic", "reminder", "--last", "1")
    assert some.output.splitlines()[0].startswith(first)
    assert last_line(some) == "2 messages wait: 2 reminder; the 1 longest due are shown"
    assert last_line(flask(house, "pending", "--topic", "offer")) == "0 messages wait"


def test_a_months_costs_are_its_own_and_add_up(office: Office):
    house = office.house
    # The last minutes of October, November's first and last, and the first of December, in Paris.
    moments = (
        "2026-10-31T22:59:00", "2026-10-31T23:00:00", "2026-11-30T22:59:00", "2026-11-30T23:00:00",
    )  # fmt: skip
    for number, moment in enumerate(moments):
        made = office.writes(topic="confirmation" if number % 2 else "change")
        rung = office.writes(topic="reminder")
        at = datetime.fromisoformat(f"{moment}+00:00")
        with house.database.transaction() as connection:
            this = update(message).where(message.c.id == made)
            connection.execute(this.values(way="text", parts=number + 1, sent_at=at))
            this = update(message).where(message.c.id == rung)
            connection.execute(this.values(way="call", seconds=61, sent_at=at))
    told = flask(house, "costs", "--month", "2026-11")
    assert told.exit_code == 0
    assert told.stdout.splitlines() == [
        "month,topic,texts,parts,calls,minutes",
        "2026-11,change,1,3,0,0",
        "2026-11,confirmation,1,2,0,0",
        "2026-11,reminder,0,0,2,4",
    ]
    assert "2 texts in 5 parts, 2 calls of 4 minutes" in told.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["costs", "--month", "november"], "'november' is no month; write it like 2026-11"),
        (["costs", "--month", "2026-13"], "'2026-13' is no month; write it like 2026-11"),
        (["resend"], "say the ID of a message, or --topic and --since"),
        (["resend", "x", "--topic", "change"], "say the ID of a message, or --topic and --since"),
        (["resend", "--topic", "change"], "say --since as well"),
        (["resend", "x", "--since", "1d"], "a message by its ID needs no --since"),
        (["resend", "--topic", "change", "--since", "soon"], "'soon' is no moment"),
        (["resend", "--topic", "chang", "--since", "1d"], "'chang' is not one of"),
        (["resend", "nothing"], "there is no message nothing"),
        (["pending", "--topic", "x"], "'x' is not one of"),
    ],
)
def test_what_is_not_right_is_said_in_a_sentence(
    quiet_office: Office, arguments: list[str], sentence: str
):
    told = flask(quiet_office.house, *arguments)
    assert told.exit_code != 0
    assert sentence in told.output
    assert "Traceback" not in told.output


def test_a_message_that_arrived_is_not_sent_again(office: Office):
    text = office.writes(topic="confirmation")
    office.delivers(text)
    told = flask(office.house, "resend", text, "--yes")
    assert told.exit_code == 1
    assert "is sent: only what failed goes again" in told.output


def test_every_command_shows_an_example(quiet_office: Office):
    for name in ("pending", "resend", "costs"):
        assert "Example: flask messages" in flask(quiet_office.house, name, "--help").output


def test_two_who_ask_at_once_write_one_row(whole_office: Office):
    office = whole_office
    _, text = failed_booking(office)
    with office.house.database.transaction() as connection:
        assert len(messages.send_again(connection, office.house.clock, [text])) == 1
        assert messages.send_again(connection, office.house.clock, [text]) == []
    assert len(resent(office.house)) == 1
