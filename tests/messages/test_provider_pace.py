"""Texts leave at the provider's pace, in all processes together: it never has to refuse any."""

from __future__ import annotations

import itertools
import threading

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from sqlalchemy import insert, select, update

import config

from config import BadSettings
from exchange.rest.server import RateLimit
from jobs import relay
from jobs.relay import sweep
from models.booking.tables import appointment
from models.clock import Clock, FixedClock
from models.database import Database
from models.messages import budgets, send_rate
from models.messages.outbox import NOT_WANTED
from models.messages.tables import message
from models.prepared import Prepared
from models.supervision import alerts
from services.delivery import make_pace
from services.messages import late_texts, spend
from services.messages.deliver_message import DeliveryDependencies, deliver_message
from services.messages.notices import ReadyNotice
from services.messages.provider_pace import PaceSettings, ProviderPace
from services.messages.reminders import plan
from services.messages.spend import Budgets, BudgetSettings
from services.messages.take_messages import InHand, deliver_taken
from services.messages.topics import Topic
from services.ports import Busy
from services.store import Store
from tests.calls.telephone import Post
from tests.online.visitors import Visitor
from tests.operations.test_production_settings import FIT
from tests.support.house import MOBILE, NOON, House, a_mobile, house, mornings
from tests.support.office import Office
from tests.support.rows import change, clock_of, rows_of

SECOND = timedelta(seconds=1)
THREADS = 8


@pytest.fixture
def service(database_url: str) -> Iterator[House]:
    with house(database_url, clock=FixedClock(NOON)) as made:
        yield made


@dataclass
class Strict:
    """A provider that refuses what comes faster than its pace, and says so with 429."""

    clock: Clock
    per_second: float
    taken: list[tuple[datetime, str, str]] = field(default_factory=list)
    refused: int = 0

    def __post_init__(self) -> None:
        # It looks at the time, and lets none pass.
        clock: Any = self.clock
        self.limit = RateLimit(lambda: self.per_second, clock)

    def send(self, message_id: str, recipient: str, body: str, *, sender: str = "") -> str:
        if self.limit.exceeded():
            self.refused += 1
            raise Busy("20429", SECOND)
        self.taken.append((self.clock.now(), message_id, recipient))
        return f"SM{len(self.taken):032x}"

    def find(self, *_: object) -> None:
        return None

    def seconds(self) -> float:
        """Between the first and the last text."""
        return (self.taken[-1][0] - self.taken[0][0]).total_seconds()


def pace_of(made: House, **settings: Any) -> ProviderPace:
    """A process's pace, whose relays let the clock go on instead of waiting."""
    clock = clock_of(made)
    return ProviderPace(
        PaceSettings(**settings),
        "AlloRDV",
        lambda seconds: clock.advance(timedelta(seconds=seconds)),
    )


def office_at(made: House, provider: Strict, pace: ProviderPace, **means: Any) -> Office:
    notices = {"reminder": lambda *_: ReadyNotice(MOBILE, "Rappel : mercredi à 10 h 45.")}
    return Office(made, provider, DeliveryDependencies(notices=notices, pace=pace, **means))


def reminders_wait(made: House, count: int) -> None:
    """So many reminders could leave now."""
    now = made.clock.now()
    row = {"kind": "reminder", "topic": "reminder", "state": "pending"}
    moments = dict.fromkeys(("due_at", "created_at", "updated_at"), now)
    numbers = range(10**6, 10**6 + count)
    new = [{**row, **moments, "id": f"{n:032x}", "dedupe_key": f"r:{n}"} for n in numbers]
    with made.database.transaction() as connection:
        connection.execute(insert(message), new)


def sweeps(office: Office) -> int:
    """One relay: what it does follows from the clock alone."""
    return sweep(office.house.store, office.messenger, office.means, senders=1)


def paced(made: House, per_second: float, count: int) -> Strict:
    """So many reminders leave at a pace; gives the provider, which refuses what is faster."""
    provider = Strict(made.clock, per_second)
    reminders_wait(made, count)
    sweeps(office_at(made, provider, pace_of(made, parts_per_second=per_second)))
    assert provider.refused == 0
    assert len({message_id for _, message_id, _ in provider.taken}) == count
    return provider


# ---------------------------------------------------------------- the whole of it


def test_reminders_leave_at_the_pace_and_none_is_refused(service: House):
    count = 300
    provider = paced(service, 10.0, count)
    assert provider.seconds() == pytest.approx(count / 10, rel=0.05)


@pytest.mark.long
def test_a_hundred_thousand_reminders_leave_at_the_pace(database_url: str):
    with house(database_url, clock=FixedClock(NOON)) as made:
        provider = paced(made, 80.0, 100_000)
    assert provider.seconds() == pytest.approx(100_000 / 80, rel=0.05)


def test_without_a_pace_they_are_refused(service: House):
    """The test above would see it."""
    provider = Strict(service.clock, 10.0)
    reminders_wait(service, 30)
    sweeps(office_at(service, provider, pace_of(service)))
    assert provider.refused == 20


def test_a_confirmation_goes_before_all_reminders(service: House):
    provider = Strict(service.clock, 10.0)
    office = office_at(service, provider, pace_of(service, parts_per_second=10.0))
    reminders_wait(service, 200)
    written: list[tuple[str, datetime]] = []

    class WritesMeanwhile(Strict):
        def send(self, *told: str, sender: str = "") -> str:
            sid = super().send(*told)
            if len(self.taken) in {50, 51, 120}:
                number = office.writes(topic=Topic.CONFIRMATION)
                written.append((number, self.clock.now()))
            return sid

    office.messenger = provider = WritesMeanwhile(service.clock, 10.0)
    sweeps(office)
    left = {message_id: at for at, message_id, _ in provider.taken}
    assert len(left) == 203
    assert provider.refused == 0
    assert max(left[one] - at for one, at in written) <= SECOND


def test_while_confirmations_need_the_whole_pace_no_reminder_has_any_of_it(service: House):
    provider = Strict(service.clock, 10.0)
    office = office_at(service, provider, pace_of(service, parts_per_second=10.0))
    reminders_wait(service, 10)
    urgent = {office.writes(a_mobile(number), topic=Topic.CONFIRMATION) for number in range(30)}
    sweeps(office)
    first = {message_id for _, message_id, _ in provider.taken[:30]}
    assert first == urgent
    assert len(provider.taken) == 40


def test_a_process_that_is_to_stop_leaves_the_rest(service: House):
    provider = Strict(service.clock, 10.0)
    office = office_at(service, provider, pace_of(service, parts_per_second=10.0))
    reminders_wait(service, 50)
    stop = lambda: len(provider.taken) < 20  # noqa: E731
    tried = sweep(service.store, provider, office.means, senders=1, goes_on=stop)
    assert 20 <= tried == len(provider.taken) < 30
    assert sweeps(office) == 50 - tried


def test_one_that_cannot_be_tried_holds_up_no_other(
    service: House, monkeypatch: pytest.MonkeyPatch
):
    provider = Strict(service.clock, 10.0)
    office = office_at(service, provider, pace_of(service, parts_per_second=10.0))
    reminders_wait(service, 20)
    real = deliver_taken

    def broken(store: Store, messenger: Any, taken: InHand, *rest: Any) -> str:
        if taken.message.id == f"{10**6:032x}":
            raise ZeroDivisionError
        return real(store, messenger, taken, *rest)

    monkeypatch.setattr(relay, "deliver_taken", broken)
    assert sweeps(office) == 20
    assert len(provider.taken) == 19


# ---------------------------------------------------------------- permits


def waits(pace: ProviderPace, store: Store, *parts: int, first: bool = True) -> list[float | None]:
    """The waits of texts of so many parts, in seconds; None where no permit was given."""
    permits = [pace.take(store, one, first=first) for one in parts]
    return [round(permit.wait.total_seconds(), 3) if permit.given else None for permit in permits]


def test_permits_come_one_after_the_other_however_long_nothing_left(service: House):
    pace = pace_of(service, parts_per_second=10.0)
    assert waits(pace, service.store, 1, 1, 1) == [0, 0.1, 0.2]
    clock_of(service).advance(timedelta(hours=1))
    assert waits(pace, service.store, 1, 1, 1) == [0, 0.1, 0.2]


def test_the_account_counts_texts_and_the_sender_parts(service: House):
    """The slower of both says when."""
    pace = pace_of(service, texts_per_second=10.0, parts_per_second=10.0)
    assert waits(pace, service.store, 2, 1, 1) == [0.1, 0.2, 0.3]
    clock_of(service).advance(timedelta(hours=1))
    pace = pace_of(service, texts_per_second=5.0, parts_per_second=10.0)
    assert waits(pace, service.store, 2, 2, 1) == [0.1, 0.3, 0.5]


def test_another_sender_has_a_pace_of_its_own(service: House):
    one = pace_of(service, parts_per_second=10.0)
    other = ProviderPace(one.settings, "+33974750001")
    assert waits(one, service.store, 1, 1) == [0, 0.1]
    assert waits(other, service.store, 1, 1) == [0, 0.1]


def test_who_waits_for_a_text_may_take_permits_further_ahead(service: House):
    pace = pace_of(service, parts_per_second=10.0)
    assert waits(pace, service.store, *[1] * 7, first=False) == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert waits(pace, service.store, 1, first=False) == [None]
    assert waits(pace, service.store, 1, 1) == [0.7, 0.8]
    # And then the others wait until those are through.
    clock_of(service).advance(timedelta(seconds=0.2))
    assert waits(pace, service.store, 1, first=False) == [None]
    clock_of(service).advance(timedelta(seconds=0.1))
    assert waits(pace, service.store, 1, first=False) == [0.6]


def test_a_clock_that_is_set_back_gives_no_permit_twice(service: House):
    pace = pace_of(service, parts_per_second=1.0)
    assert waits(pace, service.store, 1) == [0]
    clock_of(service).advance(timedelta(seconds=-30))
    assert waits(pace, service.store, 1) == [1]
    clock_of(service).advance(timedelta(seconds=30))
    assert waits(pace, service.store, 1) == [2]


@pytest.mark.parametrize("per_second", [0.2, 1.0, 3.0, 300.0])
def test_every_pace_ends(service: House, per_second: float):
    """At a slow one a relay waits for longer; the texts have two parts."""
    pace = pace_of(service, parts_per_second=per_second)
    for _ in range(4):
        permit = pace.take(service.store, 2, first=False)
        clock_of(service).advance(permit.wait)
        if not permit.given:
            permit = pace.take(service.store, 2, first=False)
        assert permit.given


def taken_at_once(made: House) -> list[float]:
    """The permits that many threads of two processes get at one moment, in order."""
    processes = itertools.cycle([pace_of(made, parts_per_second=20.0) for _ in range(2)])
    clock_of(made).advance(timedelta(hours=1))
    waits(pace_of(made, parts_per_second=20.0), made.store, 1)
    paces = list(itertools.islice(processes, 40))
    with ThreadPoolExecutor(THREADS) as threads:
        permits = list(threads.map(lambda pace: pace.take(made.store, 1, first=True), paces))
    return sorted(round(permit.wait.total_seconds(), 3) for permit in permits)


def test_two_processes_at_once_keep_one_pace(service: House):
    assert taken_at_once(service) == [round(0.05 * number, 3) for number in range(1, 41)]


def test_two_relays_at_once_send_at_one_pace(service: House, database_url: str):
    """Each with connections of its own: through everything that a delivery does."""
    office = Office(service, None)
    ids = [office.writes(a_mobile(number), topic=Topic.CONFIRMATION) for number in range(40)]
    waited: list[float] = []
    relays = []
    for _ in range(2):
        own = Database(database_url)
        pace = ProviderPace(PaceSettings(parts_per_second=20.0), "AlloRDV", waited.append)
        made = office_at(service, Strict(service.clock, 1000.0), pace)
        relays.append((own, replace(service.store, database=own), made))
    together = threading.Barrier(THREADS, timeout=30)

    def works(number: int) -> list[str]:
        _, store, made = relays[number % 2]
        together.wait()
        mine = ids[number::THREADS]
        return [deliver_message(store, made.messenger, one, made.means) for one in mine]

    with ThreadPoolExecutor(THREADS) as threads:
        results = [word for words in threads.map(works, range(THREADS)) for word in words]
    for own, _, _ in relays:
        own.dispose()
    assert results == ["sent"] * 40
    # The first one need not wait.
    assert sorted(round(one, 3) for one in waited) == [round(0.05 * n, 3) for n in range(1, 40)]


def test_without_the_lock_they_do_not(service: House, monkeypatch: pytest.MonkeyPatch):
    """The test above would see it."""
    locking = send_rate._locking

    def unlocked(clock: Clock, number: int) -> Prepared:
        found = locking(clock, number)._statement
        found = found._generate()
        found._for_update_arg = None
        return Prepared(found)

    monkeypatch.setattr(send_rate, "_locking", unlocked)
    permits = min((taken_at_once(service) for _ in range(5)), key=lambda found: len(set(found)))
    assert len(set(permits)) < 40


# ---------------------------------------------------------------- what gets no permit


def test_what_gets_no_permit_is_put_back_costs_nothing_and_ages_on(service: House):
    gate = Budgets(BudgetSettings(parts_a_day=1000, calls_a_day=1000))
    pace = pace_of(service, parts_per_second=1.0)
    office = office_at(service, Strict(service.clock, 1.0), pace, budgets=gate)
    for _ in range(4):
        pace.take(service.store, 1, first=True)
    message_id = office.writes(topic=Topic.CONFIRMATION)
    assert office.delivers(message_id) == "pace"
    row = office.row(message_id)
    assert (row.state, row.attempts, row.error_code) == ("pending", 0, "pace")
    assert (row.due_at - NOON, row.created_at) == (SECOND, NOON)
    with service.database.statement() as connection:
        spent = budgets.units_of(connection, spend.day_of(service.store), spend.DAY)
    assert spent == 0
    office.later(seconds=1)
    assert office.delivers(message_id) == "sent"
    assert office.row(message_id).error_code is None


def test_what_lies_at_the_provider_holds_up_reminders_alone(service: House):
    pace = pace_of(service, queue_most=3)
    office = office_at(service, Strict(service.clock, 1000.0), pace)
    reminders_wait(service, 5)
    for _ in range(3):
        office.delivers(office.writes())
    reminder = f"{10**6:032x}"
    assert office.delivers(reminder) == "pace"
    assert office.delivers(office.writes(topic=Topic.CONFIRMATION)) == "sent"
    # Reports that are lost stop nothing for ever.
    office.later(minutes=11)
    assert office.delivers(reminder) == "sent"


def test_while_the_provider_has_as_many_as_may_be_a_sweep_leaves_the_others_alone(service: House):
    provider = Strict(service.clock, 1000.0)
    office = office_at(service, provider, pace_of(service, queue_most=3))
    reminders_wait(service, 50)
    confirmation = office.writes(topic=Topic.CONFIRMATION)
    # The count is a second old at the most, and this clock stands still.
    sweeps(office)
    office.later(seconds=1)
    assert sweeps(office) == 0
    waiting = select(message.c.state).where(message.c.state == "pending", message.c.attempts == 0)
    assert len(rows_of(service.database, waiting)) == 51 - len(provider.taken)
    assert office.state(confirmation) == "sent"


# ---------------------------------------------------------------- what is late is told otherwise


@pytest.fixture
def town(service: House) -> House:
    """Appointments at five in the afternoon."""
    afternoons = [one.replace(hour=16) for one in mornings(34, first=8)]
    service.opens_centre("1", starts=afternoons, capacity=5)
    return service


def slow_post(made: House, **settings: Any) -> Post:
    """A house whose provider takes a text each five seconds."""
    post = Post(made)
    given = {"parts_per_second": 0.2, "late_after": timedelta(minutes=10), **settings}
    post.means = replace(post.means, pace=pace_of(made, **given))
    return post


def looks(post: Post) -> int:
    return late_texts.look_after(post.house.store, post.texts, post.means)


def alerts_of(made: House) -> list[tuple[str, float, float]]:
    with made.database.statement() as connection:
        return [(one.name, one.value, one.threshold) for one in alerts.raised(connection)]


def test_a_confirmation_that_would_be_late_is_not_promised(town: House):
    post = slow_post(town)
    # Ids of the house begin at 1, too.
    office = Office(town, None, numbers=itertools.count(10**6))
    for number in range(121):
        office.writes(a_mobile(number), topic=Topic.CONFIRMATION)
    looks(post)
    assert alerts_of(town) == [("texts_late", 11, 10)]
    caller = town.phone(MOBILE).goes_to("reach").presses("1").goes_to("ready")
    caller.hears_text("Le SMS ne part pas tout de suite")
    caller.goes_to("reference").hears_text("Je répète, référence")
    visitor = Visitor(town).comes_to("confirmer", number="0612000700")
    visitor.presses("/rendez-vous/confirmer")
    visitor.reads("Notez bien la référence : elle suffit. Aucun SMS ne part pour le moment.")
    # Their texts leave all the same, and then all is as before.
    sweeps(Office(town, post.texts, post.means))
    assert len(post.texts.sent) == 123
    looks(post)
    spend.watch(town.store)
    assert alerts_of(town) == []
    caller = town.phone(a_mobile(900)).goes_to("reach").presses("1").goes_to("ready")
    assert "ne part pas" not in caller.since_input


def test_reminders_hold_up_no_promise(town: House):
    post = slow_post(town)
    reminders_wait(town, 500)
    looks(post)
    assert alerts_of(town) == []


def test_a_pace_that_is_taken_away_makes_nothing_late(town: House):
    post = slow_post(town)
    office = Office(town, None)
    for number in range(130):
        office.writes(a_mobile(number))
    looks(post)
    post.means = replace(post.means, pace=pace_of(town))
    looks(post)
    spend.watch(town.store)
    assert alerts_of(town) == []


def in_three_hours(made: House) -> None:
    """Somebody has an appointment then, and their reminder of yesterday has not left."""
    call = made.phone(MOBILE).goes_to("reach").presses("1").goes_to("reference").presses("1")
    assert call.ended_normally
    (booked,) = rows_of(made.database, select(appointment.c.start_at))
    clock = clock_of(made)
    clock.advance(booked.start_at - timedelta(hours=27) - NOON)
    assert plan(made.store, [made.campaign]) == 1
    clock.advance(timedelta(hours=24))


def test_a_reminder_that_no_text_brings_in_time_is_told_by_call(town: House):
    """What waits takes two hours, and the appointment is in three."""
    post = slow_post(town)
    in_three_hours(town)
    assert looks(post) == 0
    reminders_wait(town, 1440)
    assert looks(post) == 1
    assert looks(post) == 0
    assert ("reminder", "sent", "call") in post.messages("reminder")
    assert len(post.entries()) == 1
    assert post.texts.sent == []


def test_whoever_wanted_no_more_calls_is_not_rung_about_it(town: House):
    post = slow_post(town)
    in_three_hours(town)
    confirmed = message.c.topic == str(Topic.CONFIRMATION)
    change(town.database, update(message).where(confirmed).values(error_code=NOT_WANTED))
    reminders_wait(town, 1440)
    assert looks(post) == 0


def test_a_reminder_whose_text_comes_in_time_waits_for_it(town: House):
    post = slow_post(town, parts_per_second=1.0)
    in_three_hours(town)
    reminders_wait(town, 1440)
    assert looks(post) == 0


# ---------------------------------------------------------------- settings and the command


def test_the_command_says_how_long_it_takes(service: House):
    service.settings.sms_sender_parts_per_second = 10.0
    reminders_wait(service, 1201)
    told = service.application().test_cli_runner().invoke(args=["messages", "pending"]).output
    assert told.endswith("At 10 texts a second what is due has left in 3 minutes\n")


def test_without_a_pace_it_does_not(service: House):
    told = service.app.test_cli_runner().invoke(args=["messages", "pending"]).output
    assert told == "0 messages wait\n"


@pytest.mark.parametrize("name", ["sms_per_second", "sms_sender_parts_per_second"])
def test_a_pace_that_no_relay_waits_for_is_refused(name: str):
    with pytest.raises(BadSettings, match=f"{name.upper()} must be 0"):
        config.load(**{name: 0.1})


def test_in_development_there_is_no_pace():
    assert not make_pace(config.load()).is_set


def test_in_production_a_sender_has_the_pace_that_a_name_is_granted_unless_it_is_said():
    def of(**said: Any) -> float:
        settings = {name.lower(): value for name, value in FIT.items()}
        return make_pace(config.load(**settings, **said)).per_second

    assert of() == 10.0
    assert of(sms_sender_parts_per_second=100.0) == 100.0
    assert of(sms_sender_parts_per_second=0, sms_per_second=30.0) == 30.0
    assert of(sms_sender_parts_per_second=0) == 0
