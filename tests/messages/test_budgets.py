"""Budgets of texts by the day: what goes beyond one is held back, listed, told, and never lost."""

from __future__ import annotations

import itertools
import threading

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from sqlalchemy import func, select

from models.accounts import staff as staff_rows
from models.booking.tables import booking
from models.call.tables import call
from models.messages import budgets, messages, outbox
from models.messages.budgets import Limit
from models.messages.outbox import NewMessage
from models.messages.tables import budget
from models.queue.tables import queue_entry
from models.supervision import alerts
from services.booking.change_booking import cancel
from services.booking.changed import By
from services.messages import spend
from services.messages.spend import Budgets, BudgetSettings, Over, prefix_of
from services.messages.topics import MANNERS, Topic
from services.ports import Busy, NoAnswer, ProviderRefused
from services.slots.allocate import Channel
from services.supervision import supervise
from tests.messages.conftest import INBOX, Writer
from tests.support.house import MOBILE, House, house, mornings
from tests.support.office import Office, Provider
from tests.support.rows import clock_of, rows_of

REUNION = "+262692123456"
# Far beyond what a test writes.
PLENTY = BudgetSettings(
    parts_a_day=10_000,
    parts_a_number=10_000,
    parts_a_client=10_000,
    parts_a_prefix=10_000,
    calls_a_day=10_000,
)


@pytest.fixture
def service(database_url: str) -> Iterator[House]:
    with house(database_url) as made:
        yield made


def with_budgets(office: Office, **limits: Any) -> Office:
    made = Budgets(replace(PLENTY, **limits))
    # Ids of calls begin at 1, too.
    numbers = itertools.count(10**6)
    return replace(office, means=replace(office.means, budgets=made), numbers=numbers)


def raised(office: Office) -> set[str]:
    with office.house.database.statement() as connection:
        return {one.name for one in alerts.raised(connection)}


def held(office: Office) -> list[tuple[str, str]]:
    with office.house.database.statement() as connection:
        return [(one.id, one.held_why) for one in messages.list_held(connection, limit=100)]


def spent(office: Office, kind: str) -> list[tuple[int, int]]:
    """Parts, and thousandths of a euro, of each subject of a kind."""
    found = select(budget.c.units, budget.c.millieuros).where(budget.c.kind == kind)
    return [tuple(row) for row in rows_of(office.house.database, found.order_by(budget.c.subject))]


def books(office: Office) -> str:
    """The id of a booking that lies ahead."""
    office.house.opens_centre("1", starts=mornings(3))
    office.house.phone(MOBILE).goes_to("reach").presses("1").goes_to("reference")
    with office.house.database.statement() as connection:
        return str(connection.execute(select(booking.c.id)).scalar_one())


def other(number: int) -> str:
    """A mobile of a prefix of its own for each number."""
    return f"+336{number:03d}12345"


# ---------------------------------------------------------------- each budget


@pytest.mark.parametrize(
    ("limits", "numbers", "why", "alert"),
    [
        ({"parts_a_number": 4}, [MOBILE] * 5, "number", "texts_held_number"),
        (
            {"parts_a_prefix": 4},
            [f"+3361234567{one}" for one in range(5)],
            "prefix",
            "texts_held_prefix",
        ),
        ({"parts_a_day": 4}, [other(one) for one in range(5)], "day", "texts_spent"),
        # In euros: four to the mainland are 0.32, and the fifth would be 0.40.
        ({"euros_a_day": 0.39}, [other(one) for one in range(5)], "day", "texts_spent"),
    ],
    ids=["number", "prefix", "day in parts", "day in euros"],
)
def test_beyond_a_budget_even_a_first_confirmation_is_held_and_told(  # noqa: PLR0917
    whole_office: Office,
    provider: Provider,
    limits: dict[str, Any],
    numbers: list[str],
    why: str,
    alert: str,
):
    office = with_budgets(whole_office, **limits)
    texts = [office.writes(number, topic=Topic.CONFIRMATION) for number in numbers]
    assert [office.delivers(one) for one in texts] == [*["sent"] * 4, "held"]
    assert len(provider.texts()) == 4
    row = office.row(texts[-1])
    assert (row.state, row.attempts, row.error_code, row.held_why) == ("pending", 0, "budget", why)
    assert held(office) == [(texts[-1], why)]
    # In the very transaction that held it back: the board and the listener are told at once.
    assert raised(office) == {alert}
    assert spent(office, "day") == [(4, 320)]


def test_another_number_prefix_and_day_have_budgets_of_their_own(
    whole_office: Office, provider: Provider
):
    office = with_budgets(whole_office, parts_a_number=4, parts_a_prefix=6)
    first = [office.delivers(office.writes(MOBILE)) for _ in range(5)]
    assert first == [*["sent"] * 4, "held"]
    # What was held back cost nothing: its prefix has two parts left.
    beside = [office.delivers(office.writes("+33612349999")) for _ in range(3)]
    assert beside == ["sent", "sent", "held"]
    assert office.delivers(office.writes("+33698765432")) == "sent"
    office.later(hours=24)
    assert office.delivers(office.writes(MOBILE)) == "sent"


@pytest.mark.parametrize("topic", list(Topic))
def test_no_topic_passes_beside_the_gate(whole_office: Office, provider: Provider, topic: Topic):
    office = with_budgets(whole_office, parts_a_day=2)
    ids = [office.writes(other(number), topic=topic) for number in range(6)]
    for one in ids:
        office.delivers(one)
    assert len(provider.texts()) <= 2
    assert spent(office, "day") == [(2, 160)]
    # None is lost: each of the others waits.
    assert {office.state(one) for one in ids[2:]} == {"pending"}
    assert {one for one, _ in held(office)} == set(ids[2:])


def test_a_text_of_two_parts_counts_for_two_and_one_overseas_costs_more(
    whole_office: Office, provider: Provider
):
    office = with_budgets(whole_office)
    assert office.delivers(office.writes(MOBILE, body="x" * 200)) == "sent"
    assert office.delivers(office.writes(REUNION)) == "sent"
    assert spent(office, "day") == [(3, 160 + 250)]


@pytest.mark.parametrize(
    ("number", "prefix"),
    [
        ("+33612345678", "+336123"),
        (REUNION, "+2626921"),
        ("+590690123456", "+5906901"),
        ("+508551234", "+50855"),
        ("+687751234", "+68775"),
    ],
)
def test_a_prefix_is_the_range_of_an_operator(number: str, prefix: str):
    assert prefix_of(number) == prefix


def test_the_client_is_the_line_or_the_address_that_caused_it(
    whole_office: Office, provider: Provider
):
    """One line that has texts sent to numbers of strangers, and one of somebody else."""
    office = with_budgets(whole_office, parts_a_client=2)
    house = office.house
    for caller in ("+33612000001", "+33612000002"):
        house.phone(caller).dials()
    calls = {row.caller: row.id for row in callers(house)}
    results = []
    for number in range(4):
        message_id = f"c{number}"
        new = NewMessage(
            message_id, "sms", message_id, other(number), {"body": "x"},
            call_id=calls["+33612000001"], topic=Topic.CONFIRMATION,
        )  # fmt: skip
        with house.database.transaction() as connection:
            outbox.add(connection, house.clock, house.store.vault, new)
        results.append(office.delivers(message_id))
    assert results == ["sent", "sent", "held", "held"]
    assert {why for _, why in held(office)} == {"client"}
    assert raised(office) == {"texts_held_client"}
    new = NewMessage(
        "d", "sms", "d", other(9), {"body": "x"},
        call_id=calls["+33612000002"], topic=Topic.CONFIRMATION,
    )  # fmt: skip
    with house.database.transaction() as connection:
        outbox.add(connection, house.clock, house.store.vault, new)
    assert office.delivers("d") == "sent"


def callers(house: House) -> list[Any]:
    rows = rows_of(house.database, select(call))
    vault = house.store.vault

    class Row:
        def __init__(self, row: Any) -> None:
            self.id = row.id
            self.caller = vault.open_text(row.caller_enc, f"call.caller:{row.id}")

    return [Row(row) for row in rows]


def test_the_size_of_the_campaign_makes_the_budget_where_none_is_set(service: House):
    service.opens_centre("1", starts=mornings(30), capacity=100)
    made = Budgets(BudgetSettings())
    with service.database.transaction() as connection:
        limits = made._limits(connection, service.store)
    assert limits.parts == 18_000
    assert (limits.number, limits.client, limits.prefix) == (20, 200, 500)
    assert limits.calls == 3_000
    assert limits.millieuros == 1_440_000
    with service.database.transaction() as connection:
        empty = Budgets(BudgetSettings(parts_a_day=100, calls_a_day=50))
        limits = empty._limits(connection, service.store)
    assert (limits.parts, limits.calls, limits.call_millieuros) == (100, 50, 9_000)


# ---------------------------------------------------------------- exactly so much


@pytest.mark.parametrize("guarded", [True, False])
def test_relays_at_once_never_go_beyond_it(service: House, *, guarded: bool):
    """The limit is a condition of the write; looked at before it, it is passed."""
    day, limits = date(2026, 11, 25), [Limit("day", b"", 50, 2**31 - 1)]
    threads, each = 8, 20
    together = threading.Barrier(threads, timeout=120)

    def has_room() -> bool:
        with service.database.statement() as connection:
            units = connection.execute(select(func.sum(budget.c.units))).scalar() or 0
        # All have looked before the first writes.
        together.wait()
        return bool(units < limits[0].most_units)

    def relay(_number: int) -> int:
        together.wait()
        taken = 0
        for _ in range(each):
            if not guarded and not has_room():
                continue
            with service.database.transaction() as connection:
                over = budgets.take(
                    connection, service.clock, day, limits, 1, 80, whatever=not guarded
                )
            taken += not over
        return taken

    with ThreadPoolExecutor(threads) as pool:
        taken = sum(pool.map(relay, range(threads)))
    ((units,),) = rows_of(service.database, select(budget.c.units))
    assert taken == units
    assert (units == limits[0].most_units) if guarded else (units > limits[0].most_units)


class Says:
    """A provider that answers every text with an error, or takes it."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def send(self, message_id: str, recipient: str, body: str, *, sender: str = "") -> str:
        raise self.error

    def find(self, recipient: str, body: str, since: datetime) -> None:
        return None


@pytest.mark.parametrize(
    ("error", "word", "parts"),
    [
        (Busy("429"), "busy", 0),
        (ProviderRefused("21211"), "refused", 0),
        # Whether it left is not known: it may have to be paid for.
        (NoAnswer(), "no answer", 1),
    ],
    ids=["busy", "refused", "no answer"],
)
@pytest.mark.parametrize("topic", [Topic.CONFIRMATION, Topic.NEWS])
def test_what_the_provider_did_not_take_costs_nothing(  # noqa: PLR0917
    whole_office: Office,
    provider: Provider,
    topic: Topic,
    error: Exception,
    word: str,
    parts: int,
):
    office = with_budgets(whole_office)
    assert office.delivers(office.writes(topic=topic), Says(error)) == word
    for kind in ("day", "number", "prefix"):
        assert spent(office, kind) == [(parts, 80 * parts)]


# ---------------------------------------------------------------- what is held back


def test_it_goes_by_itself_when_the_next_day_begins_and_says_what_is_true_then(
    whole_office: Office, provider: Provider
):
    booking_id = books(whole_office)
    office = with_budgets(whole_office, parts_a_number=4)
    for _ in range(4):
        office.delivers(office.writes(topic=Topic.CONFIRMATION))
    (confirmation,) = [one for one in office.house.messages("sms") if one.booking_id == booking_id]
    assert office.delivers(confirmation.id) == "held"
    row = office.row(confirmation.id)
    # At eight by the clock of the number, and nobody is alarmed by its age meanwhile.
    assert row.due_at == row.created_at == datetime(2026, 11, 26, 7, 0, tzinfo=UTC)
    clock_of(office.house).moment = row.due_at
    assert office.sweeps() == 1
    assert office.state(confirmation.id) == "sent"
    assert held(office) == []
    assert len(provider.texts(MOBILE)) == 5


def test_the_confirmation_of_what_was_cancelled_meanwhile_does_not_go(
    whole_office: Office, provider: Provider
):
    booking_id = books(whole_office)
    office = with_budgets(whole_office, parts_a_day=1)
    office.delivers(office.writes(other(1), topic=Topic.CONFIRMATION))
    (confirmation,) = [one for one in office.house.messages("sms") if one.booking_id == booking_id]
    assert office.delivers(confirmation.id) == "held"
    cancels(office, booking_id)
    clock_of(office.house).moment = office.row(confirmation.id).due_at
    assert office.delivers(confirmation.id) == "dropped"
    assert office.row(confirmation.id).error_code == "needless"


def cancels(office: Office, booking_id: str) -> None:
    house = office.house
    with house.database.transaction() as connection:
        by = By("the caller", Channel.PHONE)
        cancel(connection, house.store, booking_id, by=by)


@pytest.mark.parametrize("topic", [Topic.REPLY, Topic.CALLBACK, Topic.UNFINISHED])
def test_what_is_of_no_use_tomorrow_waits_for_a_supervisor_until_then(
    whole_office: Office, provider: Provider, topic: Topic
):
    office = with_budgets(whole_office, parts_a_day=1)
    office.delivers(office.writes(other(1)))
    text = office.writes(topic=topic)
    assert office.delivers(text) == "held"
    clock_of(office.house).moment = office.row(text).due_at
    assert office.delivers(text) == "dropped"
    assert office.row(text).error_code == "of no use"


def test_a_supervisor_sends_it_all_the_same_and_is_named(whole_office: Office, provider: Provider):
    office = with_budgets(whole_office, parts_a_day=1)
    house = office.house
    boss = house.employs("supervisor")
    office.delivers(office.writes(other(1)))
    texts = [office.writes(topic=topic) for topic in (Topic.CONFIRMATION, Topic.REPLY)]
    assert [office.delivers(one) for one in texts] == ["held", "held"]
    assert supervise.let_go(house.store, boss, [*texts, texts[0], "f" * 32]) == 2
    assert supervise.let_go(house.store, boss, texts) == 0
    assert held(office) == []
    assert office.sweeps() == 2
    assert [office.state(one) for one in texts] == ["sent", "sent"]
    # It is counted, whatever the limit says.
    assert spent(office, "day") == [(3, 240)]
    assert office.row(texts[0]).let_go_by == boss.id
    with house.database.statement() as connection:
        acts = staff_rows.newest_acts(connection, supervise.LET_GO, texts)
    assert {one.act.staff_id for one in acts.values()} == {boss.id}
    assert len(acts) == 2


def test_what_nobody_was_told_yet_is_told_by_a_call_instead(
    whole_office: Office, provider: Provider
):
    booking_id = books(whole_office)
    office = with_budgets(whole_office, parts_a_day=1)
    office.delivers(office.writes(other(1)))
    closed = office.writes(topic=Topic.CLOSED, booking_id=booking_id)
    assert office.delivers(closed) == "call"
    (entry,) = rows_of(office.house.database, select(queue_entry))
    assert (entry.mode, entry.message_id) == ("machine", closed)
    assert MANNERS[Topic.CLOSED].by_call


# ---------------------------------------------------------------- alerts


def test_the_alert_is_raised_once_and_ends_with_the_day(whole_office: Office, provider: Provider):
    office = with_budgets(whole_office, parts_a_day=1)
    store = office.house.store
    for number in range(4):
        office.delivers(office.writes(other(number)))
    with office.house.database.statement() as connection:
        (alert,) = alerts.raised(connection)
    assert (alert.name, alert.value, alert.threshold) == ("texts_spent", 1, 1)
    assert spend.watch(store) == 0
    assert raised(office) == {"texts_spent"}
    office.later(hours=24)
    assert spend.watch(store) == 1
    assert raised(office) == set()


def test_with_a_higher_limit_it_opens_again(whole_office: Office, provider: Provider):
    office = with_budgets(whole_office, parts_a_day=1)
    for number in range(3):
        office.delivers(office.writes(other(number)))
    higher = with_budgets(whole_office, parts_a_day=100)
    office = replace(office, means=higher.means)
    assert office.delivers(office.writes(other(7))) == "sent"
    assert spend.watch(office.house.store) == 1
    with office.house.database.statement() as connection:
        assert budgets.closed(connection, spend.day_of(office.house.store)) == frozenset()


def test_counts_are_kept_for_a_season(whole_office: Office, provider: Provider):
    office = with_budgets(whole_office)
    office.delivers(office.writes())
    with office.house.database.transaction() as connection:
        today = spend.day_of(office.house.store)
        assert budgets.forget(connection, today) == 0
        assert budgets.forget(connection, today + timedelta(days=1)) == 4 - 1


def test_a_limit_below_a_single_text_holds_it_back(service: House):
    made = Budgets(replace(PLENTY, parts_a_day=1))
    with service.database.transaction() as connection:
        assert made.charge_text(connection, service.store, MOBILE, 2) == Over("day")
        assert budgets.closed(connection, spend.day_of(service.store)) == {("day", b"")}


# ---------------------------------------------------------------- answers to texts that come in


def test_answers_to_texts_count_and_end_with_the_budget_but_for_the_emergency(service: House):
    """Two machines that answer each other, or a script with senders that are made up."""
    service.settings.sms_reply_number = INBOX
    service.app = service.application()
    gate = Budgets(replace(PLENTY, parts_a_day=2))

    def writes(number: int, body: str) -> int:
        writer = Writer(service, service.app, other(number))
        return len(writer.writes(body, sid=f"SM{number:032x}"))

    assert [writes(number, "stop") for number in range(2)] == [1, 1]
    # They left with the answer to the webhook, and are counted when the scheduler looks.
    assert [gate.count_replies(service.store) for _ in range(2)] == [2, 0]
    with service.database.statement() as connection:
        assert {one.name for one in alerts.raised(connection)} == {"texts_spent"}
    assert [writes(number, "annuler") for number in (3, 4)] == [0, 0]
    assert writes(5, "stop") == 0
    assert writes(6, "urgence") == 1
    spend.watch(service.store, gate)
    of_day = select(budget.c.units).where(budget.c.kind == "day")
    assert rows_of(service.database, of_day)[0].units == 3
    # What was asked for is done, answered or not.
    assert Writer(service, service.app, other(5)).line().stopped_at is not None
