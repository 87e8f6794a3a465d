"""A place whose person nothing ever reached is freed a day before, and not from anybody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from sqlalchemy import select, update

from jobs import scheduler
from models.booking import history
from models.booking import reach as rows
from models.booking.tables import booking
from models.desk import cases
from models.desk.tables import agent_case
from models.messages import outbox
from models.messages.tables import message
from models.waiting_list.waiting import Waiter
from services.booking.free_unreached import AGENTS_HAVE, FREED_BEFORE, free_unreached
from services.messages.mails import write_mail
from services.messages.write_message import open_case, write_message
from services.waiting_list import entries
from services.work import Work
from tests.messages.test_delivery_failures import after, open_cases, reports
from tests.online.visitors import Visitor
from tests.support.house import CAMPAIGN, MOBILE, NOON, House, campaign_with, house, mornings
from tests.support.office import Office, Provider
from tests.support.rows import change, clock_of, rows_of

HOUR = timedelta(hours=1)
# Nine o'clock UTC, five days from now.
START = mornings(1, first=5)[0]
SYSTEM_FREES = {"tests": CAMPAIGN}.get


@pytest.fixture
def site(database_url: str) -> Iterator[House]:
    with house(database_url, campaign=campaign_with(few_places=1, phone_share=0)) as one:
        one.opens_centre("1", starts=[START], capacity=2)
        yield one


def books_on_the_site(one: House) -> str:
    """Somebody types a number, which nobody proves; gives the booking's id."""
    Visitor(one).comes_to("confirmer").presses("/rendez-vous/confirmer")
    (row,) = rows_of(one.database, select(booking))
    assert row.reach == ""
    return str(row.id)


def nothing_arrives(one: House, booking_id: str) -> str:
    """The provider gives the confirmation up, and agents have a case; gives the case's id."""
    (row,) = one.messages("sms")
    with one.database.transaction() as connection:
        outbox.move_state(connection, one.clock, row.id, "undelivered", error_code="30005")
        about = {"booking_id": booking_id, "message_id": row.id}
        return open_case(connection, one.store, "undelivered", "confirmation 30005", **about)


@pytest.fixture
def unreached(site: House) -> tuple[str, str]:
    booking_id = books_on_the_site(site)
    return booking_id, nothing_arrives(site, booking_id)


def a_day_before(one: House, more: timedelta = timedelta()) -> None:
    clock_of(one).moment = START - FREED_BEFORE + more


def frees(one: House) -> int:
    return free_unreached(one.store)


def state_of(one: House, booking_id: str) -> str:
    (row,) = rows_of(one.database, select(booking.c.state).where(booking.c.id == booking_id))
    return str(row.state)


def test_it_is_freed_a_day_before_and_not_sooner(site: House, unreached: tuple[str, str]):
    booking_id, case_id = unreached
    a_day_before(site, -timedelta(seconds=1))
    assert frees(site) == 0
    a_day_before(site)
    assert frees(site) == 1
    assert state_of(site, booking_id) == "cancelled"
    with site.database.statement() as connection:
        newest = history.of_booking(connection, booking_id)[-1].change
        case = cases.get(connection, case_id)
    assert (newest.who, newest.channel, newest.what, newest.why) == (
        *("system", "system", "cancelled"),
        history.NOT_REACHED,
    )
    assert case is not None
    assert case.closed_at is not None
    # Nothing would arrive.
    assert site.messages("booking_cancelled") == []
    assert frees(site) == 0


def test_who_waits_has_the_place(site: House, unreached: tuple[str, str]):
    with site.database.transaction() as connection:
        work = Work(connection, site.store, CAMPAIGN)
        who = Waiter(date(1941, 2, 3), "+33611111111", "75011", centre_id="1")
        entry = entries.join(work, who)
    # The other place of that hour is somebody's.
    site.phone("+33622222222").books(born="04051941")
    a_day_before(site)
    frees(site)
    clock_of(site).advance(timedelta(minutes=11, seconds=30))
    entries.advance(site.store, lambda: [CAMPAIGN])
    with site.database.statement() as connection:
        stands = entries.position(connection, site.store, entry)
    assert stands is not None
    assert stands.state == entries.EntryState.OFFERED


def proves_by_a_call(one: House, _: str) -> None:
    one.phone(MOBILE).books(born="04051941")


def arrives(one: House, booking_id: str) -> None:
    with one.database.transaction() as connection:
        written = write_message(
            connection, one.store, "sms", MOBILE, {"body": "x"}, key="r", booking_id=booking_id
        )
        assert written
        outbox.move_state(connection, one.clock, written, "delivered")


def has_a_mail(one: House, booking_id: str) -> None:
    with one.database.transaction() as connection:
        written = write_mail(connection, one.store, "anne.martin@exemple.fr", booking_id)
        assert written
        outbox.sent(connection, one.clock, written, None, way=outbox.MAIL)


def says_yes(one: House, booking_id: str) -> None:
    with one.database.transaction() as connection:
        line = history.Change("caller", "sms", history.SAID_YES)
        history.add(connection, one.clock, one.store.vault, booking_id, line)


def agent_settles(one: House, _: str) -> None:
    with one.database.transaction() as connection:
        (case,) = cases.waiting(connection, limit=5)
        cases.close(connection, one.clock, case.id)


def is_proved(one: House, _: str) -> None:
    change(one.database, update(booking).values(reach="code"))


def is_of_an_earlier_version(one: House, _: str) -> None:
    change(one.database, update(booking).values(reach=None))


def is_about_a_reminder(one: House, _: str) -> None:
    change(one.database, update(message).values(topic="reminder"))


@pytest.mark.parametrize(
    "happens",
    [
        proves_by_a_call,
        arrives,
        has_a_mail,
        says_yes,
        agent_settles,
        is_proved,
        is_of_an_earlier_version,
        is_about_a_reminder,
    ],
)
def test_who_was_reached_after_all_keeps_their_place(
    site: House, unreached: tuple[str, str], happens: Callable[[House, str], None]
):
    booking_id, _ = unreached
    happens(site, booking_id)
    a_day_before(site)
    assert frees(site) == 0
    assert state_of(site, booking_id) == "confirmed"


def test_agents_have_two_hours_where_it_was_booked_for_the_next_day(site: House):
    a_day_before(site, 10 * HOUR)
    nothing_arrives(site, books_on_the_site(site))
    assert frees(site) == 0
    clock_of(site).advance(AGENTS_HAVE)
    assert frees(site) == 1


def test_one_that_has_begun_stays_as_it_is(site: House, unreached: tuple[str, str]):
    clock_of(site).moment = START
    assert frees(site) == 0
    assert state_of(site, unreached[0]) == "confirmed"


def test_an_agent_who_settles_it_at_the_same_moment_wins(
    site: House, unreached: tuple[str, str], monkeypatch: pytest.MonkeyPatch
):
    """Found due, and settled before it is freed: the case is looked at again under its lock."""
    a_day_before(site)
    found = rows.unreached

    def then_it_is_settled(*args: Any, **options: Any) -> Any:
        due = found(*args, **options)
        monkeypatch.setattr(rows, "unreached", found)
        assert change(site.database, agent_case.update().values(closed_at=NOON)) == 1
        return due

    monkeypatch.setattr(rows, "unreached", then_it_is_settled)
    assert frees(site) == 0
    assert state_of(site, unreached[0]) == "confirmed"


def test_the_scheduler_does_it(site: House, unreached: tuple[str, str]):
    a_day_before(site)
    tasks = {task.name: task for task in scheduler.tasks(site.store, None, SYSTEM_FREES)}  # type: ignore[arg-type]
    assert tasks["unreached"].do() == 1
    assert state_of(site, unreached[0]) == "cancelled"


def test_from_the_form_to_the_freed_place(whole_office: Office, provider: Provider):
    """A number of nobody: a text, another one, a call, a case; then the place is free."""
    office = whole_office
    office.house.opens_centre("1", starts=mornings(3, first=5), capacity=4)
    Visitor(office.house).comes_to("confirmer").presses("/rendez-vous/confirmer")
    (text,) = office.house.messages("sms")
    assert office.delivers(text.id) == "sent"
    reports(office, text.id, "undelivered", "30003")
    after(office, minutes=1)
    after(office, minutes=120)
    reports(office, office.house.messages()[1].id, "undelivered", "30003")
    after(office, minutes=1)
    third = office.house.messages()[2]
    with office.house.database.transaction() as connection:
        why = "rung in vain"
        outbox.move_state(connection, office.house.clock, third.id, "undelivered", error_code=why)
    after(office, minutes=1)
    (case,) = open_cases(office.house)
    assert case.booking_id == text.booking_id
    clock_of(office.house).moment = mornings(1, first=5)[0] - 23 * HOUR
    assert frees(office.house) == 1
    assert state_of(office.house, text.booking_id) == "cancelled"
    assert provider.texts(MOBILE)
