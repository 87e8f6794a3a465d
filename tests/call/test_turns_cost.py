"""What a turn costs: at most two round trips to the database on the common path, BEGIN included."""

from __future__ import annotations

import threading

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.web import make_app
from exchange.transport import WsgiTransport
from models.centres.directory import PostcodeArea
from models.database import POOL_SIZE, Connection
from services.centres.directory import Directory
from services.parts import Parts
from services.service import Service
from tests.ivr.line import Line
from tests.support.floor import Floor
from tests.support.house import LANDLINE, MOBILE, House, Phone, campaign_with, house, mornings
from tests.support.rows import as_in_production, on_the_wire

EFFECT = ("BEGIN", "COMMIT", "SAVEPOINT", "ROLLBACK")


@pytest.fixture
def warm(service: House) -> House:
    """A web worker that has answered calls before: it knows its postcodes and its statements."""
    for gid in ("1", "2", "3"):
        service.opens_centre(gid, kilometres=int(gid), starts=mornings(30), capacity=2)
    as_in_production(service)
    service.phone().books()
    return service


def cost(phone: Phone, keys: str) -> list[str]:
    """What one turn sent to the database."""
    before = len(phone.requests)
    with on_the_wire(phone.house.database) as sent:
        phone.answers(keys)
    assert len(phone.requests) == before + 1, "more than one webhook was counted"
    return sent


def transactions(sent: list[str]) -> list[str]:
    return [one for one in sent if any(word in one for word in EFFECT)]


def test_a_ring_is_two_statements(warm: House):
    # Of a line that has rung before, it is looked what that call was left with: test_resume.py.
    caller = warm.phone(LANDLINE)
    with on_the_wire(warm.database) as sent:
        caller.dials()
    assert len(sent) == 2
    assert transactions(sent) == []


@pytest.mark.parametrize(
    ("step", "keys"),
    [
        ("welcome", "1"),
        ("welcome", "9"),
        ("welcome", "5"),
        ("date_of_birth", "12031942"),
        ("date_of_birth", "9"),
        ("date_of_birth_check", "1"),
        ("date_of_birth_check", "2"),
        ("postcode", "9"),
        ("postcode_check", "2"),
        ("postcode_check", "*"),
    ],
)
def test_a_turn_without_effect_is_two_statements_and_no_transaction(
    warm: House, step: str, keys: str
):
    caller = warm.phone().goes_to(step)
    sent = cost(caller, keys)
    assert len(sent) == 2, sent
    assert transactions(sent) == []


def test_a_person_who_is_not_there_is_one_look_more(warm: House):
    caller = warm.phone(MOBILE).dials()
    sent = cost(caller, "0")
    assert len(sent) == 3, sent
    assert transactions(sent) == []
    caller.hears_text("Aucun conseiller")


def test_a_place_in_the_line_is_one_transaction(warm: House):
    """The turn read and who is there; BEGIN, its lock, places that there may be, the place, where
    it stands, what was told of it, the answer, COMMIT."""
    Floor(warm).agent()
    caller = Line(warm.app)
    welcome = caller.rings()
    with on_the_wire(warm.database) as sent:
        assert "Enqueue" in caller.presses(welcome, "0").names
    assert_one_transaction(sent, 13)


@pytest.mark.parametrize(
    ("step", "keys"),
    [("offers", "1"), ("offers", "9"), ("offers", "4"), ("reach", "1"), ("confirm", "9")],
)
def test_a_turn_that_renews_holds_is_two_statements_as_well(warm: House, step: str, keys: str):
    caller = warm.phone().goes_to(step)
    sent = cost(caller, keys)
    assert len(sent) == 2, sent
    assert transactions(sent) == []


def test_the_end_of_a_call_that_holds_nothing_is_one_statement(warm: House):
    caller = warm.phone().goes_to("date_of_birth")
    with on_the_wire(warm.database) as sent:
        caller.hangs_up()
    assert len(sent) == 1, sent
    assert transactions(sent) == []


def test_silence_costs_as_much_as_an_answer(warm: House):
    caller = warm.phone().goes_to("date_of_birth")
    sent = cost(caller, "")
    assert len(sent) == 2
    assert transactions(sent) == []


@pytest.mark.parametrize(("step", "most"), [("postcode_check", 9), ("confirm", 9)])
def test_a_turn_with_an_effect_is_one_transaction(warm: House, step: str, most: int):
    """These two are not the common path; still, what they cost must not grow unseen.

    A confirmation is the turn read, BEGIN, its lock, a count of what the number has, the places,
    the booking with its appointment and its line of history, the answer and COMMIT.
    """
    # Not the one who is booked already.
    caller = warm.phone(MOBILE).goes_to(step, born="13031942")
    assert_one_transaction(cost(caller, "1"), most)


def test_a_confirmation_of_two_doses_with_a_text_is_one_statement_more(database_url: str):
    """The text; who else gets theirs on the number is known by then."""
    with house(database_url, campaign=campaign_with(doses=2)) as service:
        service.opens_centre("1", starts=mornings(60), capacity=2)
        as_in_production(service)
        service.phone(LANDLINE).books()
        caller = service.phone(MOBILE).goes_to("offers").answers("1")
        assert_one_transaction(cost(caller, "1"), 10)
        assert len(service.messages("sms")) == 1


def test_the_slower_pace_is_remembered_in_one_transaction_the_first_time(warm: House):
    caller = warm.phone(MOBILE).goes_to("postcode_check")
    assert_one_transaction(cost(caller, "8"), 7)
    assert len(cost(caller, "8")) == 2


def assert_one_transaction(sent: list[str], most: int) -> None:
    began, committed = transactions(sent)
    assert "BEGIN" in began
    assert "COMMIT" in committed
    assert len(sent) <= most, sent
    # The transaction begins with copies of the turn waiting. Then it is looked whether one was
    # quicker, and the last thing is the turn itself.
    lock, first = sent[sent.index(began) + 1 : sent.index(began) + 3]
    last = sent[sent.index(committed) - 1]
    assert "pg_advisory_xact_lock" in lock
    assert "SELECT turn.number" in first
    assert "INSERT INTO turn" in last


def test_a_copy_of_a_webhook_costs_one_statement(warm: House):
    caller = warm.phone().goes_to("postcode_check")
    turn = next(one for one in reversed(caller.requests) if "/voice/turn" in one.url)
    with on_the_wire(warm.database) as sent:
        answer = warm.app.test_client().post(
            turn.url, data=dict(turn.form), headers=dict(turn.headers)
        )
    assert answer.data == caller.documents[-1]
    assert len(sent) == 1
    assert transactions(sent) == []


def test_a_worker_whose_threads_all_look_something_up_does_not_stand_still(service: House):
    """As many threads as connections: who has one must never wait for a second one."""
    threads = POOL_SIZE
    phones = [service.phone(f"+3361234{number:04d}") for number in range(threads)]
    for phone in phones:
        phone.goes_to("postcode")
    # A web worker that has just started, and knows no postcode yet.
    directory = Directory(service.database)
    all_are_there = threading.Barrier(threads, timeout=20)

    class Slow(Directory):
        def postcode(self, connection: Connection, code: str) -> PostcodeArea | None:
            all_are_there.wait()
            return directory.postcode(connection, code)

    made = Service(Slow(service.database), service.campaign, service.settings.national_number)
    app = make_app(Parts(service.settings, service.store, made, service.woken))
    for phone in phones:
        phone.webhooks.transport = WsgiTransport(app)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda phone: phone.presses("75011"), phones))
    for phone in phones:
        phone.hears_text("Paris 11e")
        assert "Un instant" not in phone.since_input
