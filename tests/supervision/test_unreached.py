"""What nothing ever reached, among bookings that resemble one another, a supervisor may free.

Nothing is freed by itself: a landline that never answers, and a text of which no report comes, are
no sign of a script.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from sqlalchemy import select, update

from jobs import scheduler
from models.booking import history
from models.booking.tables import booking
from models.messages import outbox
from models.messages.tables import message
from services.messages.mails import write_mail
from services.messages.write_message import write_message
from services.supervision import clusters
from services.supervision.supervise import ActRefused
from tests.supervision.test_clusters import CAMPAIGN_OF, PAGE, WHY, books, found, the_cluster
from tests.support.house import House, a_mobile, campaign_with, house, mornings
from tests.support.rows import change, clock_of, rows_of

NUMBER = a_mobile(0)


@pytest.fixture
def site(database_url: str) -> Iterator[House]:
    with house(database_url, campaign=campaign_with(few_places=1, phone_share=0)) as one:
        one.opens_centre("1", starts=mornings(30), capacity=40)
        yield one


@pytest.fixture
def first(site: House) -> str:
    """Five bookings under one name; nothing reached the person of the first one."""
    for number in range(5):
        books(site, number, name="Sacha Invente")
    assert found(site) == {"name": 5}
    row = site.messages("sms")[0]
    with site.database.transaction() as connection:
        outbox.move_state(connection, site.clock, row.id, "undelivered", error_code="30005")
    return str(row.booking_id)


def live(one: House) -> set[str]:
    confirmed = select(booking.c.id).where(booking.c.state == "confirmed")
    return {str(row.id) for row in rows_of(one.database, confirmed)}


def frees(one: House) -> int:
    """How many a supervisor frees of the first cluster, where something is to free."""
    staff = one.employs("supervisor")
    try:
        return clusters.free(one.store, staff, the_cluster(one), WHY, unreached=True).people
    except ActRefused:
        # There is none to free.
        return 0


def test_a_supervisor_frees_it_alone_and_takes_it_back(site: House, first: str):
    chief = site.signs_in("supervisor")
    cluster = the_cluster(site)
    page = chief.post(f"{PAGE}/voir", data={"cluster": cluster}).get_data(as_text=True)
    assert "Annuler ceux dont le message n’est jamais arrivé (1)" in page.replace("\u00a0", " ")
    before = live(site)
    wish = {"cluster": cluster, "why": WHY, "which": "unreached"}
    assert chief.post(f"{PAGE}/liberer", data=wish).status_code == 303
    assert before - live(site) == {first}
    with site.database.statement() as connection:
        (freed,) = clusters.shown(connection, site.store).freed
    chief.post(f"{PAGE}/annuler", data={"freed": freed.id})
    assert live(site) == before


def test_nothing_is_freed_by_itself(site: House, first: str):
    """Forty texts without a report, and forty lines that never answer: all stay booked."""
    before = live(site)
    tasks = scheduler.tasks(site.store, None, CAMPAIGN_OF)  # type: ignore[arg-type]
    clock_of(site).moment = mornings(1)[0] - timedelta(hours=23)
    for task in tasks:
        if task.name in {"clusters", "tidy", "waiting", "erase", "booking_pace"}:
            task.do()
    assert live(site) == before


def proves_by_a_call(one: House, _: str) -> None:
    one.phone(NUMBER).books(born="04051941")


def arrives(one: House, booking_id: str) -> None:
    with one.database.transaction() as connection:
        written = write_message(
            connection, one.store, "sms", NUMBER, {"body": "x"}, key="r", booking_id=booking_id
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


def is_proved(one: House, booking_id: str) -> None:
    change(one.database, update(booking).where(booking.c.id == booking_id).values(reach="code"))


def test_supervisor_frees_what_the_provider_reported_as_undelivered(site: House, first: str):
    assert frees(site) == 1
    assert first not in live(site)


@pytest.mark.parametrize(
    "values",
    [{"way": "call"}, {"state": "failed", "error_code": "no answer"}],
    ids=["a landline rings in vain", "the provider did not answer"],
)
def test_booking_without_a_report_of_its_text_is_not_among_them(
    site: House, first: str, values: dict[str, str]
):
    text = update(message).where(message.c.booking_id == first, message.c.state == "undelivered")
    assert change(site.database, text.values(values)) == 1
    assert frees(site) == 0
    assert first in live(site)


@pytest.mark.parametrize("happens", [proves_by_a_call, arrives, has_a_mail, says_yes, is_proved])
def test_who_was_reached_after_all_is_not_among_them(
    site: House, first: str, happens: Callable[[House, str], None]
):
    before = live(site)
    happens(site, first)
    after = live(site)
    assert frees(site) == 0
    assert live(site) == after >= before
