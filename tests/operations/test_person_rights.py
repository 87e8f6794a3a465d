"""One person's rights: all that is kept is told; erased, nothing of them is left anywhere."""

from __future__ import annotations

import itertools
import json
import time

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from click.testing import CliRunner
from prometheus_client import generate_latest
from sqlalchemy import LargeBinary, event, func, make_url, select, text
from structlog.testing import capture_logs

from commands import bookings as bookings_command
from commands import person as person_command
from jobs.queues import RedisWakeUp
from models import attempts
from models.accounts.tables import staff_act
from models.all_tables import metadata
from models.booking.tables import booking
from models.call import pace
from models.crypto import Vault
from models.database import Database
from models.messages import phone_lines
from models.messages.tables import message
from models.operations import person_rows, restores
from models.operations.person_rows import KINDS
from models.operations.provider_records import provider_record
from models.operations.tables import person_request
from models.queue.tables import queue_entry
from models.waiting_list.waiting import Waiter
from services.attempts import subject
from services.booking.change_booking import cancel
from services.booking.changed import By
from services.booking.verify_store import verify_store
from services.desk import watched
from services.desk.booking import DeskOrder, Made, PersonToBook, book
from services.desk.offers import Desk, DeskWork, SearchCriteria, find_offers
from services.desk.search import Criteria, open_found, search
from services.messages.deliver_message import DeliveryDependencies, deliver_message
from services.messages.mails import Mails
from services.ports import NoAnswer
from services.privacy import person_rights
from services.privacy.erase_at_provider import LATER, erase_at_provider
from services.privacy.erase_data import erase_data
from services.privacy.person_rights import (
    Actor,
    DecidedBefore,
    Given,
    NobodyFound,
    OnTheLine,
    SeveralPeople,
)
from services.public.feed_resources import Publisher
from services.public.smart_feed import SmartFeed
from services.slots.allocate import Channel
from services.waiting_list.entries import join
from services.work import Work
from tests.desk.test_desk_booking import PARIS
from tests.messages.test_rq import everything_in
from tests.online.visitors import Visitor
from tests.support.approvals import for_two
from tests.support.house import BASE, CountingChance, House, house, mornings
from tests.support.leaks import leaks, ways_to_write
from tests.support.postgres import bytes_in, bytes_of
from tests.support.rows import booked_places, change, clock_of, execute, rows_of

# One that the numbering plan knows, and a name that nobody in the data has.
NUMBER = "+33658941273"
NAME = "Apolline Quatrevingt-Thiérache"
MAIL = "apolline.q3@exemple.fr"
BORN = date(1942, 3, 12)
# Somebody who shares nothing with them, and somebody who shares their line.
BYSTANDER, OTHER_BIRTH = "+33611223344", date(1944, 7, 1)
# Those of the first three bookings, which are this person's.
REFERENCES = ("4521000001", "4521000002", "4521000003")
OPERATOR = Actor("operator", "exploitation")
HERE = Given(BORN, NUMBER)


class NotingVault(Vault):
    """Remembers what it made of a person: each ciphertext, and each keyed hash."""

    def __init__(self, keys: list[bytes], personal: list[str]) -> None:
        super().__init__(keys)
        self.personal = personal
        self.sealed: set[bytes] = set()
        self.hashes: set[bytes] = set()

    def seal(self, value: bytes, where: str, *, number: int | None = None) -> bytes:
        made = super().seal(value, where, number=number)
        if any(one.encode() in value for one in self.personal):
            self.sealed.add(made)
        return made

    def index(self, kind: str, value: str | None) -> bytes | None:
        made = super().index(kind, value)
        # A birth date alone is many people's.
        if made is not None and kind != "dob" and any(one in str(value) for one in self.personal):
            self.hashes.add(made)
        return made


class CountedReferences(CountingChance):
    """References that are counted by themselves."""

    def __init__(self) -> None:
        super().__init__()
        self._references = itertools.count(1)

    def reference(self) -> str:
        return f"{4_521_000_000 + next(self._references):010d}"


class Texts:
    """A provider that takes every text."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, message_id: str, recipient: str, body: str, *, sender: str = "") -> str:
        self.sent.append(body)
        return f"SM{message_id}"

    def find(self, *_: Any) -> str | None:
        return None


class Mailbox:
    """A server that takes every mail."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, message_id: str, to: str, subject: str, body: str, calendar: bytes) -> None:
        self.sent.append(body)


class Records:
    """What the provider keeps, and whether it answers."""

    def __init__(self, *, answers: bool = True) -> None:
        self.gone: list[str] = []
        self.answers = answers

    def delete(self, sid: str) -> None:
        if not self.answers:
            raise NoAnswer("no answer")
        self.gone.append(sid)


@pytest.fixture
def town(database_url: str) -> Iterator[House]:
    with a_town(database_url) as made:
        yield made


@contextmanager
def a_town(url: str) -> Iterator[House]:
    with house(url, chance=CountedReferences(), mails=True) as made:
        vault = NotingVault([bytes(range(32))], [NUMBER, NAME, MAIL, BORN.isoformat(), *REFERENCES])
        made.store = replace(made.store, vault=vault)
        for gid, kilometres in (("1", 0.4), ("2", 4.1), ("3", 12.2)):
            made.opens_centre(gid, kilometres=kilometres, starts=mornings(20), capacity=4)
        yield made


def vault_of(made: House) -> NotingVault:
    assert isinstance(made.store.vault, NotingVault)
    return made.store.vault


def campaign_of(made: House):
    return lambda _name: made.campaign


def gives_up(made: House) -> None:
    """Cancel what is booked under the number, so that the same person can be booked again."""
    theirs = booking.c.phone_idx == made.store.vault.index("phone", NUMBER)
    with made.database.transaction() as connection:
        live = select(booking.c.id).where(theirs, booking.c.state == "confirmed")
        for booking_id in connection.execute(live).scalars().all():
            by = By("caller", Channel.PHONE, why="a journey")
            cancel(connection, made.store, booking_id, by=by)


def books_by_telephone(made: House, number: str = NUMBER, born: date = BORN) -> None:
    caller = made.phone(number).goes_to("reach", born=f"{born:%d%m%Y}").answers("1")
    caller.goes_to("reference").answers("1")
    caller.hangs_up()


def books_at_the_desk(made: House, agent: str, number: str = NUMBER, born: date = BORN) -> str:
    desk = Desk(agent, "e" * 32, "", number)
    nonce = made.store.chance.identifier()[-24:]
    with made.database.transaction() as connection:
        at = DeskWork(connection, made.store, made.service(), desk)
        offer, *_ = find_offers(at, SearchCriteria(born=(born,), town=PARIS)).offers
        person = PersonToBook(born, offer.places, NAME)
        order = DeskOrder((person,), "75011", number, nonce, mail=MAIL)
        done = book(at, order)
    assert isinstance(done, Made)
    return done.booking_ids[0]


def texts_leave(made: House) -> Texts:
    provider = Texts()
    means = DeliveryDependencies(mails=Mails(made.store, Mailbox(), made.numbers))
    for row in (*made.messages("sms"), *made.messages("mail")):
        deliver_message(made.store, provider, row.id, means)
    return provider


def lives_here(made: House) -> str:
    """Everything that one person can leave in the service; gives the reference that they have."""
    agent = made.employs("agent")
    books_by_telephone(made)
    gives_up(made)
    Visitor(made).comes_to("", number="06 58 94 12 73", mail=MAIL)
    assert len(made.bookings()) == 2
    gives_up(made)
    books_at_the_desk(made, agent.id)
    reference = made.bookings()[-1].reference
    assert reference == REFERENCES[-1]
    texts_leave(made)
    # Waits for a person, at the slower pace, and is promised a call.
    made.phone(NUMBER).goes_to("postcode", born=f"{BORN:%d%m%Y}").presses("8").presses("0").presses(
        "1"
    ).hangs_up()
    line = made.store.vault.index("phone", NUMBER) or b""
    with made.database.transaction() as connection:
        work = Work(connection, made.store, made.campaign)
        waiter = Waiter(
            born=BORN, number=NUMBER, postcode="75011", latitude=48.8, longitude=2.3,
            territory="metropole", kilometres=50.0,
        )  # fmt: skip
        join(work, waiter)
        phone_lines.mark(connection, made.clock, line, stopped=True)
        pace.remember(connection, made.clock, line, slow=True)
        for kind, what, value in (
            ("caller", "phone", NUMBER),
            ("reference", "reference", reference),
        ):
            attempts.add(
                connection, made.clock, [subject(made.store, kind, what, value)], good=False
            )
        found = search(
            connection, made.store, agent, Criteria(number=NUMBER, born=BORN), on_line=True
        )
        open_found(connection, made.store, agent, found[0].id, reason="rings_back", on_line=True)
    return reference


def stored(made: House) -> bytes:
    return bytes_of(made.database.url.render_as_string(hide_password=False))


def write_ahead_log(made: House, since: float) -> bytes:
    """What PostgreSQL wrote into its log from that moment on (Unix time).

    Sealed values and keyed hashes lie there until it is recycled (docs/privacy.md).
    """
    with made.database.statement() as connection:
        folder = connection.execute(text("SHOW data_directory")).scalar_one()
    found = bytes_in(Path(folder, "pg_wal"), since)
    assert found
    return found


def values_left(made: House) -> list[str]:
    """Columns in which a value still is that was made of the person, by table and column."""
    vault, found = vault_of(made), []
    traces = vault.sealed | vault.hashes
    words = [*ways_to_write(NUMBER), NAME, MAIL, *(one.hex() for one in vault.hashes)]
    for table in metadata.sorted_tables:
        for row in rows_of(made.database, select(table)):
            for column in table.columns:
                value = getattr(row, column.name)
                if isinstance(column.type, LargeBinary):
                    left = value is not None and bytes(value) in traces
                else:
                    left = isinstance(value, str) and any(one in value for one in words)
                if left:
                    found.append(f"{table.name}.{column.name}")
    return sorted(set(found))


def erases(made: House, given: Given = HERE, **options: Any) -> str:
    return person_rights.erase(
        made.store, campaign_of(made), given, by=OPERATOR, reason="post", **options
    )


# ---------------------------------------------------------------- nothing is left


@pytest.mark.owner
def test_of_a_person_who_was_everywhere_nothing_is_left(
    town: House, redis_url: str, tmp_path: Path
):
    town.woken = RedisWakeUp(redis_url)  # type: ignore[assignment]
    began = time.time()
    with capture_logs() as logged:
        reference = lives_here(town)
        books_by_telephone(town, BYSTANDER, OTHER_BIRTH)
        before = values_left(town)
        # Or the search would find nothing because nothing is there.
        assert {"booking.phone_enc", "booking.phone_idx", "booking.name_enc"} <= set(before)
        assert {"message.payload_enc", "call.caller_idx", "turn.body_enc"} <= set(before)
        assert {"queue_entry.known_enc", "waiting_entry.person_idx", "visit.body_enc"} <= set(
            before
        )
        assert {"attempt.subject_idx", "phone_line.phone_idx", "caller_pace.caller_idx"} <= set(
            before
        )
        assert {"booking.mail_enc", "booking.mail_idx", "budget.subject"} <= set(before)
        assert any(one in stored(town) for one in vault_of(town).hashes)

        request_id = erases(town)
        assert values_left(town) == []
        # The rows are gone, and their bytes are not yet.
        assert any(one in stored(town) for one in vault_of(town).hashes)
        done = person_rights.finish(town.store, request_id, Records(), rewrite=True)
        assert done.done

    files = stored(town)
    made = vault_of(town)
    written = [*ways_to_write(NUMBER), reference, NAME, "Quatrevingt", MAIL]
    assert leaks(files, written) == []
    assert leaks(write_ahead_log(town, began), written) == []
    assert [one for one in made.sealed | made.hashes if one in files] == []
    assert leaks(json.dumps(logged, default=str).encode(), written) == []
    assert leaks(generate_latest(), written) == []
    with redis.Redis.from_url(redis_url) as client:
        assert leaks(everything_in(client), written) == []

    feed = SmartFeed(town.store, lambda: town.campaign, tmp_path, Publisher(BASE, "+33974750001"))
    feed.write()
    published = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert published
    assert leaks(published, written) == []
    commands = bookings_command.make(town.store, campaign_of(town))
    exported = for_two(town, lambda: CliRunner().invoke(commands, ["export", "--with-people"]))
    assert exported.exit_code == 0
    assert BYSTANDER in exported.stdout
    assert leaks(exported.stdout.encode(), written) == []


def test_the_bystander_keeps_all_and_the_store_contradicts_itself_nowhere(town: House):
    lives_here(town)
    books_by_telephone(town, BYSTANDER, OTHER_BIRTH)
    theirs = Given(OTHER_BIRTH, BYSTANDER)
    before = person_rights.plan(town.store, theirs).counts
    erases(town)
    assert person_rights.plan(town.store, theirs).counts == before
    said: list[str] = []
    verified = verify_store(town.store, [town.campaign], limit=5, say=said.append)
    assert verified.contradictions == 0, said
    erase_data(town.store)


def test_an_address_that_another_gave_too_keeps_its_count(town: House):
    agent = town.employs("agent")
    books_at_the_desk(town, agent.id)
    books_at_the_desk(town, agent.id, BYSTANDER, OTHER_BIRTH)
    texts_leave(town)
    erases(town)
    assert {"booking.mail_idx", "budget.subject"} <= set(values_left(town))
    erases(town, Given(OTHER_BIRTH, BYSTANDER))
    assert values_left(town) == []


@contextmanager
def sees_one_moment(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Who reads all of it as it was at their first statement, until they are done."""
    plain = make_url(database_url).set(drivername="postgresql")
    with psycopg.connect(plain.render_as_string(hide_password=False)) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        yield reader


@pytest.mark.owner
def test_bytes_that_an_older_transaction_still_reads_are_kept_and_it_is_said(
    database_url: str, monkeypatch: pytest.MonkeyPatch
):
    """As beside a back-up, which reads for hours what there was when it began."""
    monkeypatch.setattr("models.database.SEEN_LOOKS", 1)
    with a_town(database_url) as town:
        lives_here(town)
        traces = vault_of(town).sealed | vault_of(town).hashes
        with sees_one_moment(database_url) as back_up:
            back_up.execute("SELECT 1")
            request_id = erases(town)
            kept = person_rights.finish(town.store, request_id, Records(), rewrite=True)
            assert any(one in stored(town) for one in traces)
            assert (kept.done, kept.scrubbed.still_seen) == (False, True)
            assert person_rights.finish_all(town.store) == 0
        monkeypatch.undo()
        assert person_rights.finish(town.store, request_id, Records(), rewrite=True).done
        assert not any(one in stored(town) for one in traces)


@pytest.mark.owner
def test_statistics_of_the_planner_keep_nothing_of_what_was_erased(database_url: str):
    """PostgreSQL gathers values of columns by itself, for its plans, where enough was written."""
    with a_town(database_url) as town:
        lives_here(town)
        with town.database.statement() as connection:
            connection.execute(text("ANALYZE"))
        traces = vault_of(town).sealed | vault_of(town).hashes
        request_id = erases(town)
        assert person_rights.finish(town.store, request_id, Records(), rewrite=True).done
        left = stored(town)
        assert [one for one in traces if one in left] == []


@pytest.mark.owner
def test_whoever_begins_while_tables_are_written_anew_is_waited_for(
    database_url: str, monkeypatch: pytest.MonkeyPatch
):
    """Autovacuum does, to gather values itself; what the planner knew before is still seen then."""
    monkeypatch.setattr("models.database.SEEN_LOOKS", 1)
    with a_town(database_url) as town:
        lives_here(town)
        request_id = erases(town)
        with sees_one_moment(database_url) as reader:
            began: list[str] = []

            def begins(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
                if statement.startswith("VACUUM (FULL, ANALYZE)") and not began:
                    began.append(statement)
                    reader.execute("SELECT 1")

            for engine in town.database.engines:
                event.listen(engine, "before_cursor_execute", begins)
            kept = person_rights.finish(town.store, request_id, Records(), rewrite=True)
            for engine in town.database.engines:
                event.remove(engine, "before_cursor_execute", begins)
            assert began
            assert (kept.done, kept.scrubbed.still_seen) == (False, True)
        monkeypatch.undo()
        assert person_rights.finish(town.store, request_id, Records(), rewrite=True).done


@pytest.mark.owner
def test_postgresql_needs_to_write_tables_anew_for_the_last_bytes(database_url: str):
    """What docs/privacy.md says of it, on the server's own files."""
    with a_town(database_url) as town:
        lives_here(town)
        request_id = erases(town)
        assert values_left(town) == []
        assert person_rights.finish(town.store, request_id, Records()).done
        traces = vault_of(town).sealed | vault_of(town).hashes
        # Plain VACUUM takes rows away, and lets their bytes lie in the free room of pages.
        left = stored(town)
        assert any(one in left for one in traces)
        assert leaks(left, [*ways_to_write(NUMBER), NAME, *REFERENCES]) == []
        person_rights.finish(town.store, request_id, Records(), rewrite=True)
        left = stored(town)
        assert [one for one in traces if one in left] == []


@pytest.mark.owner
def test_a_role_that_owns_nothing_is_told_which_tables_are_left(database_url: str):
    """VACUUM is the owner's; PostgreSQL itself only warns, and does nothing."""
    with a_town(database_url) as town:
        books_by_telephone(town)
        request_id = erases(town)
        role = f"guest_{make_url(database_url).database}"
        execute(town.database, f"CREATE ROLE {role} LOGIN PASSWORD 'guest'")
        execute(town.database, f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
        guest = make_url(database_url).set(username=role, password="guest")
        database = Database(guest.render_as_string(hide_password=False))
        try:
            store = replace(town.store, database=database)
            left = person_rights.finish(store, request_id, Records())
        finally:
            database.dispose()
            execute(town.database, f"DROP OWNED BY {role}; DROP ROLE {role}")
        assert "booking" in left.scrubbed.not_owned
        assert not left.done
        assert person_rights.finish(town.store, request_id, Records()).done


def test_what_a_calls_silence_held_is_given_back(town: House):
    caller = town.phone(NUMBER).goes_to("reach", born=f"{BORN:%d%m%Y}")
    caller.hangs_up()
    assert town.held() > 0
    erases(town)
    assert town.held() == 0


# ---------------------------------------------------------------- and the right person


def test_the_plan_says_what_goes_and_changes_nothing(town: House):
    lives_here(town)
    plan = person_rights.plan(town.store, HERE)
    assert len(plan.ahead) == 1
    assert {"booking", "appointment", "message", "call", "turn", "queue_entry"} <= set(plan.counts)
    assert not plan.shared
    assert person_rights.plan(town.store, HERE) == plan
    booked = booked_places(town.database)
    erases(town)
    assert booked_places(town.database) == booked - 1


def test_what_is_freed_is_everybodys_after_the_ten_minutes_and_nobody_is_texted(town: House):
    books_by_telephone(town)
    texts_leave(town)
    erases(town)
    assert texts_leave(town).sent == []
    assert town.held() == 1
    clock_of(town).moment += timedelta(minutes=12)
    assert town.held() == 0


@pytest.mark.parametrize(
    "given",
    [
        Given(BORN, BYSTANDER),
        Given(OTHER_BIRTH, NUMBER),
        Given(BORN),
        Given(BORN, "", "4521999999"),
        Given(OTHER_BIRTH, "", "4521000001"),
        Given(BORN, BYSTANDER, "4521000001"),
    ],
)
def test_whoever_proves_less_is_told_nothing_and_erases_nothing(town: House, given: Given):
    books_by_telephone(town)
    before = values_left(town)
    for act in (
        lambda: person_rights.export(town.store, given, by=OPERATOR, reason="post"),
        lambda: person_rights.plan(town.store, given),
        lambda: erases(town, given),
        lambda: person_rights.ask(town.store, given, by=OPERATOR, reason="line"),
    ):
        with pytest.raises(NobodyFound):
            act()
    assert values_left(town) == before
    assert rows_of(town.database, select(person_request)) == []


def test_a_reference_with_the_birth_date_finds_all_of_the_number(town: House):
    books_by_telephone(town)
    (row,) = town.bookings()
    by_reference = person_rights.plan(town.store, Given(BORN, "", row.reference))
    assert by_reference == person_rights.plan(town.store, HERE)


def test_a_number_alone_that_only_rang_proves_nobody(town: House):
    town.phone(NUMBER).dials().hangs_up()
    with pytest.raises(NobodyFound):
        person_rights.plan(town.store, HERE)


def test_of_a_couple_on_one_line_one_goes_and_the_other_stays(town: House):
    agent = town.employs("agent")
    books_by_telephone(town)
    books_at_the_desk(town, agent.id, NUMBER, OTHER_BIRTH)
    plan = person_rights.plan(town.store, HERE)
    assert plan.shared
    other = Given(OTHER_BIRTH, NUMBER)
    before = person_rights.plan(town.store, other)
    erases(town)
    after = person_rights.plan(town.store, other)
    assert (after.ahead, after.counts["booking"]) == (before.ahead, 1)
    # The texts and the line are the other's now.
    assert town.messages("sms")[-1].recipient_enc is not None
    with pytest.raises(NobodyFound):
        person_rights.plan(town.store, HERE)


def test_twins_on_one_line_are_told_apart_by_a_reference(town: House):
    agent = town.employs("agent")
    books_by_telephone(town)
    desk = Desk(agent.id, "e" * 32, "", NUMBER)
    with town.database.transaction() as connection:
        at = DeskWork(connection, town.store, town.service(), desk)
        offer, *_ = find_offers(at, SearchCriteria(born=(BORN,), town=PARIS)).offers
        twin = PersonToBook(BORN, offer.places, "Odile", someone_else=True)
        book(at, DeskOrder((twin,), "75011", NUMBER, "b" * 24))
    first, second = town.bookings()
    with pytest.raises(SeveralPeople):
        erases(town)
    erases(town, Given(BORN, NUMBER, second.reference))
    assert [row.reference for row in town.bookings() if row.reference] == [first.reference]


def test_in_a_call_nobody_is_erased_whose_answers_are_needed(town: House):
    books_by_telephone(town)
    caller = town.phone(NUMBER).goes_to("postcode", born=f"{BORN:%d%m%Y}")
    assert person_rights.plan(town.store, HERE).on_the_line
    with pytest.raises(OnTheLine):
        erases(town)
    assert caller.presses("75011").step
    caller.hangs_up()
    erases(town)


# ---------------------------------------------------------------- a watch on their name


def watches(town: House) -> list[str]:
    return [one.id for one in watched.everyone(town.store)]


def test_whoever_is_erased_is_watched_no_more(town: House):
    books_at_the_desk(town, town.employs("agent").id)
    watched.watch(town.store, NAME, BORN)
    another = watched.watch(town.store, "Odette Durand", BORN)
    of_another_age = watched.watch(town.store, NAME, OTHER_BIRTH)
    erases(town)
    assert sorted(watches(town)) == sorted([another, of_another_age])
    with town.database.statement() as connection:
        (act,) = [
            row for row in connection.execute(select(staff_act)) if row.what == "name_unwatched"
        ]
    assert act.staff_id == OPERATOR.staff_id


def test_a_watch_that_may_be_for_somebody_else_of_that_birth_date_stays(town: House):
    """Twins: one word of the name and the birth date are the same."""
    books_at_the_desk(town, town.employs("agent").id)
    books_by_telephone(town, BYSTANDER)
    line = town.store.vault.index("phone", BYSTANDER)
    ((twin,),) = rows_of(town.database, select(booking.c.id).where(booking.c.phone_idx == line))
    sealed = town.store.vault.seal_text("Victor Quatrevingt-Thiérache", f"booking.name:{twin}")
    change(town.database, booking.update().where(booking.c.id == twin).values(name_enc=sealed))
    theirs = watched.watch(town.store, "Quatrevingt", BORN)
    only_hers = watched.watch(town.store, "Apolline", BORN)
    assert only_hers in watches(town)
    erases(town)
    assert watches(town) == [theirs]


# ---------------------------------------------------------------- cut off, and again


@pytest.mark.owner
def test_again_it_finds_nobody_and_what_was_left_is_finished(town: House):
    books_by_telephone(town)
    texts_leave(town)
    request_id = erases(town)
    with pytest.raises(NobodyFound):
        erases(town)

    provider = Records(answers=False)
    left = person_rights.finish(town.store, request_id, provider)
    assert (left.done, left.at_provider) == (False, 2)
    provider.answers = True
    assert person_rights.finish(town.store, request_id, provider).done
    assert sorted(one[:2] for one in provider.gone) == ["CA", "SM"]
    # Once more is no harm.
    assert person_rights.finish(town.store, request_id, provider).done
    assert len(provider.gone) == 2
    (row,) = rows_of(town.database, select(person_request))
    assert (row.state, row.person_enc, row.provider_enc) == ("done", None, None)


def provider_has(town: House) -> list[tuple[str, str | None]]:
    columns = (provider_record.c.sid, provider_record.c.request_id)
    return sorted((sid[:2], asked) for sid, asked in rows_of(town.database, select(*columns)))


@pytest.mark.owner
def test_what_the_provider_has_is_deleted_as_after_any_erasure(town: House):
    """One way: the scheduler's, which waits after a refusal and pauses when it is asked to."""
    books_by_telephone(town)
    texts = texts_leave(town)
    request_id = erases(town)
    assert texts.sent
    assert provider_has(town) == [("CA", request_id), ("SM", request_id)]
    ((sid,),) = rows_of(
        town.database, select(provider_record.c.sid).where(provider_record.c.sid.like("SM%"))
    )
    # A restore of this night would find the text there, and knows of it.
    with town.database.statement() as connection:
        assert restores.texts_known(connection, [sid]) == {sid}
    assert person_rights.finish_all(town.store) == 0
    provider = Records(answers=False)
    assert erase_at_provider(town.store, provider) == 0
    provider.answers = True
    # It was put off; `flask person finish` does not wait, and asks for this erasure alone.
    assert erase_at_provider(town.store, provider) == 0
    clock_of(town).advance(LATER)
    assert erase_at_provider(town.store, provider) == 2
    assert person_rights.finish_all(town.store) == 1
    (row,) = rows_of(town.database, select(person_request))
    assert row.state == "done"


@pytest.mark.owner
def test_what_a_request_of_the_version_before_kept_is_deleted_too(town: House):
    books_by_telephone(town)
    request_id = erases(town)
    kept = town.store.vault.seal_text(
        json.dumps({"messages": ["SM1"], "calls": ["CA1"]}),
        f"person_request.provider:{request_id}",
    )
    change(town.database, provider_record.delete())
    change(town.database, person_request.update().values(provider_enc=kept))
    assert person_rights.finish_all(town.store) == 0
    assert provider_has(town) == [("CA", request_id), ("SM", request_id)]
    provider = Records()
    assert person_rights.finish(town.store, request_id, provider).done
    assert sorted(provider.gone) == ["CA1", "SM1"]


def test_what_fails_in_the_middle_of_erasing_erases_nothing(
    town: House, monkeypatch: pytest.MonkeyPatch
):
    lives_here(town)
    before = values_left(town)

    def breaks(*_: Any) -> None:
        raise RuntimeError("cut off")

    with monkeypatch.context() as patched:
        patched.setattr(person_rows, "forget_at_partners", breaks)
        with pytest.raises(RuntimeError):
            erases(town)
    assert values_left(town) == before
    erases(town)
    assert values_left(town) == []


def test_a_request_that_nobody_decides_forgets_who_asked(town: House):
    books_by_telephone(town)
    agent = Actor(town.employs("agent").id)
    asked = person_rights.ask(town.store, HERE, by=agent, reason="line")
    assert "person_request.person_enc" in values_left(town)
    clock_of(town).moment += timedelta(days=31)
    erase_data(town.store)
    assert "person_request.person_enc" not in values_left(town)
    with pytest.raises(DecidedBefore):
        person_rights.erase_asked(town.store, campaign_of(town), asked, by=OPERATOR)
    clock_of(town).moment += timedelta(days=366)
    erase_data(town.store)
    assert rows_of(town.database, select(person_request)) == []


# ---------------------------------------------------------------- told


def test_all_that_is_kept_is_told_and_written_down(town: House):
    reference = lives_here(town)
    told = person_rights.export(town.store, HERE, by=OPERATOR, reason="post")
    kept = json.loads(json.dumps(told.kept, default=str))
    assert {one.table.name for one in KINDS} - set(kept) <= {
        "attendance", "agent_case", "resume_code", "leg", "intent", "waiting_offer",
        "partner_booking", "reach_code", "callback_request", "lost_text", "text_conversation",
        "appointment_for",
    }  # fmt: skip
    newest = kept["booking"][-1]
    assert (newest["reference"], newest["name"]) == (reference, NAME)
    assert (newest["phone"], newest["dob"]) == (NUMBER, BORN.isoformat())
    assert newest["mail"] == MAIL
    assert MAIL in [one.get("recipient") for one in kept["message"]]
    assert len(kept["booking"]) == 3
    assert kept["queue_entry"][-1]["known"]["born"] == BORN.isoformat()
    assert kept["waiting_entry"][0]["person"]["born"] == BORN.isoformat()
    assert any(one.get("heard") == "12031942" for one in kept["turn"])
    assert any(one["what"] == "read_file" for one in kept["staff_act"])
    # Hashes and keys tell nobody anything.
    names = {name for rows in kept.values() for row in rows for name in row}
    assert not [name for name in names if name.endswith(("_idx", "_enc"))]
    (row,) = rows_of(town.database, select(person_request))
    assert (row.kind, row.state, row.reason) == ("export", "done", "post")
    assert row.asked_by == "operator exploitation"


def test_a_call_in_which_somebody_else_spoke_does_not_tell_what_they_said(town: House):
    caller = town.phone(NUMBER).dials().answers("2", "2")
    births = iter((BORN, OTHER_BIRTH))
    keys = {"postcode": "75011"}
    while not town.session(caller.sid).second_person or caller.step == "date_of_birth":
        pressed = f"{next(births):%d%m%Y}" if caller.step == "date_of_birth" else "1"
        caller.presses(keys.get(caller.step, pressed))
    caller.hangs_up()
    told = person_rights.export(town.store, HERE, by=OPERATOR, reason="post")
    assert {one.get("heard") for one in told.kept["turn"]} == {None}
    assert f"{OTHER_BIRTH:%d%m%Y}" not in json.dumps(told.kept, default=str)


# ---------------------------------------------------------------- at the command line


def run(made: House, *arguments: str, typed: str, provider: Records | None = None):
    group = person_command.make(
        made.store, campaign_of(made), lambda: provider or Records(answers=False)
    )
    return CliRunner().invoke(group, list(arguments), input=typed)


PROOF = "12/03/1942\n06 58 94 12 73\n\n"


def test_the_commands_read_the_person_and_take_nothing_of_them_as_an_argument(town: House):
    books_by_telephone(town)
    group = person_command.make(town.store, campaign_of(town), Records)
    taken = {name: [one.name for one in each.params] for name, each in group.commands.items()}
    assert taken == {
        "export": ["reason", "folder", "language"],
        "erase": ["reason", "dry_run", "yes", "rewrite"],
        "finish": ["request_id", "rewrite"],
    }
    refused = run(town, "export", "--reason", "post", NUMBER, typed=PROOF)
    assert refused.exit_code == 2


def test_an_export_is_json_or_two_files_for_one_account(town: House, tmp_path: Path):
    reference = lives_here(town)
    printed = run(town, "export", "--reason", "line", typed=PROOF)
    assert printed.exit_code == 0, printed.output
    assert json.loads(printed.stdout)["kept"]["booking"][-1]["reference"] == reference

    folder = tmp_path / "exports"
    written = run(town, "export", "--reason", "line", "--folder", str(folder), typed=PROOF)
    assert written.exit_code == 0, written.output
    json_file, page = sorted(folder.iterdir())
    assert {one.stat().st_mode & 0o777 for one in (json_file, page)} == {0o600}
    assert leaks(written.stdout.encode() + json_file.name.encode(), ways_to_write(NUMBER)) == []
    read = page.read_text("utf-8")
    assert "CE QUE NOUS GARDONS À VOTRE SUJET" in read
    for told in (NAME, NUMBER, reference, "Réservations (3 ligne(s))", "CNIL"):
        assert told in read


@pytest.mark.owner
def test_erasing_says_first_what_goes_and_asks(town: House):
    books_by_telephone(town)
    before = values_left(town)
    dry = run(town, "erase", "--reason", "post", "--dry-run", typed=PROOF)
    assert dry.exit_code == 0
    assert "an appointment that is ahead is cancelled: 2026-11-26T09:00" in dry.stdout
    assert "booking: 1" in dry.stdout
    # Looking is an act as well.
    looked = select(staff_act.c.what).order_by(staff_act.c.id.desc()).limit(1)
    assert rows_of(town.database, looked) == [(person_rights.LOOKED,)]
    no = run(town, "erase", "--reason", "post", typed=f"{PROOF}n\n")
    assert no.exit_code == 1
    assert values_left(town) == before

    yes = run(town, "erase", "--reason", "post", typed=f"{PROOF}y\n", provider=Records())
    assert yes.exit_code == 0, yes.output
    assert "done" in yes.stdout
    again = run(town, "erase", "--reason", "post", "--yes", typed=PROOF)
    assert again.exit_code == 1
    assert "nothing is kept under this birth date" in again.output


@pytest.mark.owner
def test_what_is_left_at_the_provider_is_said_and_finished_later(town: House):
    books_by_telephone(town)
    texts_leave(town)
    left = run(town, "erase", "--reason", "post", "--yes", typed=PROOF)
    assert left.exit_code == person_command.LEFT
    assert "2 records are left at the provider" in left.stdout
    assert run(town, "finish", typed="").exit_code == person_command.LEFT
    done = run(town, "finish", typed="", provider=Records())
    assert done.exit_code == 0
    assert "nothing is left to do" in run(town, "finish", typed="").stdout


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("12 mars\n0658941273\n\n", "the birth date must be like 1942-03-12 or 12/03/1942"),
        ("1942-03-12\n12345\n\n", "the number must be a French one"),
        ("1942-03-12\n0658941273\n123\n", "a reference has 10 digits"),
        ("", "the birth date must be like"),
        ("1942-03-12\n\n\n", "nothing is kept under this birth date"),
    ],
)
def test_what_is_not_understood_is_one_sentence(town: House, typed: str, sentence: str):
    refused = run(town, "export", "--reason", "post", typed=typed)
    assert refused.exit_code == 1
    assert sentence in refused.output
    assert "0658941273" not in refused.output


def test_who_asks_for_what_is_in_the_history_without_the_person(town: House):
    books_by_telephone(town)
    person_rights.export(town.store, HERE, by=OPERATOR, reason="counter")
    erases(town)
    acts = metadata.tables["staff_act"]
    found = rows_of(town.database, select(acts).where(acts.c.what.startswith("person_")))
    assert [row.what for row in found] == ["person_exported", "person_erased"]
    assert [json.loads(row.details)["by"] for row in found] == ["exploitation"] * 2
    assert [json.loads(row.details)["reason"] for row in found] == ["counter", "post"]


def test_counts_of_the_season_stay(town: House):
    lives_here(town)
    counted = [select(func.count()).select_from(table) for table in (booking, message, queue_entry)]
    before = [rows_of(town.database, one)[0][0] for one in counted]
    erases(town)
    after = [rows_of(town.database, one)[0][0] for one in counted]
    # A cancellation wrote a message and a mail more, which nobody gets.
    assert after == [before[0], before[1] + 2, before[2]]
    assert rows_of(town.database, text("SELECT count(*) FROM turn"))[0][0] > 0
