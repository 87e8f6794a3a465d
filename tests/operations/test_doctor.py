"""What is not well is named with a remedy: by `flask doctor`, and by /readyz with 503."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from click.testing import CliRunner, Result
from sqlalchemy import make_url, text

from commands.doctor import make
from jobs.queues import redis_problem
from models.all_tables import metadata
from models.centres.tables import centre
from models.crypto import Vault
from models.migrations.schema import newest
from models.operations.health import Connections, ToGive
from services.findings import Finding, Level, bad, good
from services.health import doctor
from services.health.doctor import Around, Check, Remembered, Whose
from services.health.watch_processes import DISPATCHER, SCHEDULER, WORKER
from services.keys.check_keys import check_keys
from tests.support.house import CAMPAIGN, NOON, House, campaign_with, house, mornings
from tests.support.postgres import PostgresServer
from tests.support.rows import change, clock_of

# A pooled owner of the tables has no time limit, and the doctor says so: tests/operations has
# test_pooled.py for that.
pytestmark = pytest.mark.direct
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
GIB = 1024**3
PLENTY = 50 * GIB


@pytest.fixture
def well(database_url: str) -> Iterator[House]:
    """A service of which every process works, with a centre that has slots."""
    with house(database_url) as made:
        made.opens_centre("1", starts=mornings(3))
        made.has_processes()
        yield made


class Sends:
    """A provider that nobody asks."""

    def send(self, message_id: str, recipient: str, body: str, *, sender: str = "") -> str:
        raise AssertionError

    def find(self, recipient: str, body: str, since: datetime) -> str | None:
        raise AssertionError


def around(made: House, **changes: Any) -> Around:
    """All that a doctor looks at, and all of it well but for what a test changes."""
    given: dict[str, Any] = {
        "campaign": lambda: CAMPAIGN,
        "tables": metadata.tables,
        "production": False,
        "redis": str,
        "folders": [Path("var")],
        "free": lambda _: PLENTY,
        "provider": str,
    }
    return Around(made.store, **(given | changes))


def found(made: House, **changes: Any) -> dict[str, Finding]:
    listed = doctor.checks(around(made, **changes))
    return {one.name: one.finding for one in doctor.run(listed)}


def unwell(made: House, **changes: Any) -> dict[str, str]:
    """The sentence of each look that found something."""
    return {
        name: one.says
        for name, one in found(made, **changes).items()
        if one.level is not Level.GOOD
    }


def readyz(made: House, path: str = "/readyz") -> tuple[int, str]:
    answer = made.application().test_client().get(path)
    return answer.status_code, answer.text


# ---------------------------------------------------------------- well


def test_a_good_service_is_ready_and_only_told_what_is_lacking(well: House):
    assert unwell(well) == {}
    status, told = readyz(well)
    assert status == 200
    # No Redis is on this machine at that socket: only the database must not be lost.
    ready, redis = told.splitlines()
    assert ready == "ready"
    assert redis.startswith("redis: Redis does not answer (ConnectionError): messages leave by")


def test_nothing_is_left_of_the_try_to_write(well: House):
    with well.database.statement() as connection:
        before = connection.execute(text("SELECT count(*) FROM snapshot")).scalar_one()
    assert found(well)["write"].level is Level.GOOD
    with well.database.statement() as connection:
        assert connection.execute(text("SELECT count(*) FROM snapshot")).scalar_one() == before


# ---------------------------------------------------------------- false greens


@pytest.fixture
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """An empty database beside the migrated one, of the same kind."""

    def make_one(url: str) -> str:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        made = server.create()
        request.addfinalizer(lambda: server.drop(made))
        return made

    return make_one


def test_an_empty_database(database_url: str, empty: Callable[[str], str]):
    made = House(empty(database_url))
    status, told = readyz(made)
    made.close()
    assert status == 503
    assert "schema: the database is empty; remedy: run flask migrate" in told
    # One sentence, and not one for each table that is not there.
    assert "keys" not in told
    assert "centres" not in told


@pytest.mark.owner
@pytest.mark.parametrize(
    ("at", "status", "sentence"),
    [
        ("0007", 503, f"the database is behind: it is at 0007, and this version needs {newest()}"),
        ("9999", 200, f"the database is ahead: it is at 9999, and this version knows {newest()}"),
    ],
)
def test_a_schema_that_is_behind_or_ahead(well: House, at: str, status: int, sentence: str):
    with well.database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :at"), {"at": at})
    said = readyz(well)
    assert said[0] == status
    assert f"schema: {sentence}" in said[1]


def test_a_wrong_key(well: House):
    check_keys(replace(well.store, vault=Vault([bytes([9]) * 32])))
    status, told = readyz(well)
    assert status == 503
    assert "keys: the keys do not fit the store: key 1 of DATA_KEYS is not the one" in told


@pytest.mark.owner
def test_a_role_without_a_right(database_url: str, postgres_server: PostgresServer):
    role = f"{postgres_server.prefix}_poor"
    url = make_url(database_url)
    with psycopg.connect(
        url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True
    ) as server:
        server.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
        server.execute(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
        )
        made = House(url.set(username=role, password="x").render_as_string(hide_password=False))
        status, told = readyz(made)
        made.close()
        server.execute(f"DROP OWNED BY {role}")
        server.execute(f"DROP ROLE {role}")
    assert status == 503
    assert "rights: the database's role lacks USAGE on appointment_for_id_seq and 1" in told
    assert "flask db grant ROLE" in told


@pytest.mark.parametrize(
    ("passes", "silent"),
    [(31 * SECOND, ["dispatcher"]), (3 * MINUTE, ["dispatcher", "scheduler"])],
)
def test_a_process_that_works_no_more(well: House, passes: timedelta, silent: list[str]):
    clock_of(well).advance(passes)
    status, told = readyz(well)
    assert status == 503
    for name in silent:
        assert (
            f"{name}: the {name} gave no sign for {doctor.length(passes)}; remedy: start it" in told
        )
    assert ("scheduler:" in told) == ("scheduler" in silent)
    well.has_processes()
    assert readyz(well)[0] == 200


def test_processes_that_were_never_started(database_url: str):
    with house(database_url) as made:
        made.opens_centre("1", starts=mornings(1))
        status, told = readyz(made)
    assert status == 503
    assert "dispatcher: the dispatcher never gave a sign" in told
    assert "scheduler: the scheduler never gave a sign" in told


def test_a_centre_that_nobody_would_find_is_none(database_url: str):
    """Its land is not known, so no search leads there: callers hear of no centre."""
    with house(database_url) as made:
        made.has_processes()
        made.opens_centre("1", starts=mornings(2))
        assert readyz(made)[0] == 200
        change(made.database, centre.update().values(territory=""))
        status, told = readyz(made)
        assert status == 503
        assert "centres: no open centre is ours, so nobody can be booked" in told


def test_no_open_centre(database_url: str):
    with house(database_url) as made:
        made.has_processes()
        made.opens_centre("1", mode="reserved", starts=mornings(2))
        status, told = readyz(made)
        assert status == 503
        assert "centres: no open centre is ours, so nobody can be booked" in told
        made.opens_centre("2")
        status, told = readyz(made)
        assert status == 503
        assert (
            "centres: no open centre of ours has slots ahead; remedy: run flask slots open" in told
        )
        made.opens_slots("2", [NOON - HOUR])
        assert readyz(made)[0] == 503
        made.opens_slots("2", mornings(1))
        assert readyz(made)[0] == 200


def test_a_store_that_does_not_answer_is_one_sentence(tmp_path: Path):
    made = House(f"postgresql:///none?host={tmp_path}")
    status, told = readyz(made)
    made.close()
    assert status == 503
    assert "store: the store cannot be used: nothing answers where it should be; remedy:" in told
    assert "schema" not in told
    # What is no part of the store is told all the same.
    assert "redis:" in told


@pytest.mark.owner
def test_a_database_that_is_only_read(database_url: str):
    name = make_url(database_url).database
    made = House(database_url)
    made.opens_centre("1", starts=mornings(1))
    made.has_processes()
    with made.database.statement() as connection:
        connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
    made.database.renew()
    said = unwell(made)
    made.close()
    assert said["write"] == "nothing can be written to the database (ReadOnlySqlTransaction)"


# ---------------------------------------------------------------- who is told what


def test_a_proxy_asks_for_this_machine_alone(well: House):
    """A dispatcher that died is missed on each machine: taking them all away helps nobody."""
    clock_of(well).advance(HOUR)
    assert readyz(well)[0] == 503
    assert readyz(well, "/readyz/machine") == (200, "ready\n")
    with well.database.transaction() as connection:
        connection.execute(text("DELETE FROM key_canary"))
    check_keys(replace(well.store, vault=Vault([bytes([9]) * 32])))
    status, told = readyz(well, "/readyz/machine")
    assert status == 503
    assert told.startswith("not ready\nkeys: ")


def test_a_stranger_is_told_no_details(well: House):
    well.settings = well.settings.model_copy(
        update={"environment": "production", "metrics_token": "a-token"}
    )
    clock_of(well).advance(HOUR)
    client = well.application().test_client()
    answer = client.get("/readyz", base_url="https://allo.example")
    assert (answer.status_code, answer.text) == (503, "not ready\n")
    token = {"Authorization": "Bearer a-token"}
    answer = client.get("/readyz", base_url="https://allo.example", headers=token)
    assert "the dispatcher gave no sign for 1 h 0 min" in answer.text


def test_the_version_is_told(well: House):
    answer = well.app.test_client().get("/healthz")
    assert answer.text.startswith("ok 0.")


def test_the_answer_is_kept_for_a_few_seconds():
    ticks, looks = [0.0], []

    def look() -> Finding:
        looks.append(ticks[0])
        return good("well")

    asked = Remembered([Check("one", Whose.SERVICE, look)], ticks=lambda: ticks[0])
    for ticks[0] in (0.0, 1.0, 4.9, 5.0, 9.9, 12.0):
        assert asked()[0].finding.says == "well"
    assert looks == [0.0, 5.0, 12.0]


def test_bad_answer_is_looked_at_again_after_one_second():
    ticks, looks = [0.0], []

    def look() -> Finding:
        looks.append(ticks[0])
        return bad("not yet", "wait") if ticks[0] < 1.0 else good("well")

    asked = Remembered([Check("one", Whose.SERVICE, look)], ticks=lambda: ticks[0])
    for ticks[0] in (0.0, 0.9, 1.0, 5.9):
        asked()
    assert looks == [0.0, 1.0]


def test_whoever_asks_while_another_looks_is_told_what_was_known():
    ticks = [0.0]
    answers: list[Any] = []

    def look() -> Finding:
        if ticks[0] > 0:
            # Another request, while this one looks.
            answers.append(asked()[0].finding.says)
        return good(f"at {ticks[0]}")

    asked = Remembered([Check("one", Whose.SERVICE, look)], ticks=lambda: ticks[0])
    asked()
    ticks[0] = 10.0
    assert asked()[0].finding.says == "at 10.0"
    assert answers == ["at 0.0"]


# ---------------------------------------------------------------- each look


@pytest.mark.parametrize(
    ("given", "level", "sentence"),
    [
        (doctor.schema("0021", "0021"), Level.GOOD, "the schema is at 0021, the newest"),
        (doctor.schema(None, "0021"), Level.BAD, "the database is empty"),
        (doctor.rights([], [], production=True), Level.GOOD, "may do what the service does"),
        (doctor.rights([], ["call"], production=False), Level.GOOD, "may do what the service"),
        (doctor.rights([], ["call"], production=True), Level.WARNING, "owns 1 tables"),
        (
            doctor.rights(["INSERT on call", "USAGE on x"], [], production=True),
            Level.BAD,
            "lacks INSERT on call and 1 more",
        ),
        (doctor.time_limit(has_one=False), Level.WARNING, "ends no statement"),
        (doctor.connections(Connections(97, 40), 90), Level.GOOD, "40 of 97 connections"),
        (doctor.connections(Connections(97, 78), 90), Level.WARNING, "78 of the 97 connections"),
        (doctor.connections(Connections(97, 40), 98), Level.WARNING, "may open 98 connections"),
        (doctor.redis("TimeoutError"), Level.WARNING, "Redis does not answer (TimeoutError)"),
        (doctor.process(DISPATCHER, 2 * SECOND), Level.GOOD, "gave a sign 2 s ago"),
        (doctor.process(DISPATCHER, None), Level.BAD, "the dispatcher never gave a sign"),
        (doctor.process(SCHEDULER, 125 * SECOND), Level.BAD, "gave no sign for 2 min 5 s"),
        # Messages leave without it.
        (doctor.process(WORKER, None), Level.WARNING, "the worker never gave a sign"),
        (doctor.clock(NOON, NOON + SECOND), Level.GOOD, "clock is the database's"),
        (doctor.clock(NOON, NOON + 3 * SECOND), Level.WARNING, "3 s behind the database's"),
        (doctor.clock(NOON, NOON - HOUR), Level.BAD, "1 h 0 min ahead of the database's"),
        (doctor.clock(NOON, NOON + HOUR), Level.BAD, "1 h 0 min behind the database's"),
        (doctor.disk(Path("/d"), 2 * GIB), Level.GOOD, "2.0 GiB are free for /d"),
        (doctor.disk(Path("/d"), GIB // 2), Level.WARNING, "512 MiB are free for /d"),
        (doctor.disk(Path("/d"), 0), Level.BAD, "0 MiB are free for /d"),
        (doctor.campaign(CAMPAIGN, NOON), Level.GOOD, "the campaign tests is open"),
        (
            doctor.campaign(campaign_with(opens_at=NOON + HOUR), NOON),
            Level.GOOD,
            "the campaign tests opens 2026-11-25 09:00 UTC",
        ),
        (
            doctor.campaign(campaign_with(closes_at=NOON), NOON),
            Level.WARNING,
            "the campaign tests is over",
        ),
        (
            doctor.centres(ToGive(centre=True, slots=True), CAMPAIGN, NOON),
            Level.GOOD,
            "has slots ahead",
        ),
        (
            doctor.centres(ToGive(centre=True, slots=False), CAMPAIGN, NOON),
            Level.BAD,
            "has slots ahead",
        ),
        (
            doctor.centres(ToGive(centre=False, slots=False), CAMPAIGN, NOON),
            Level.BAD,
            "no open centre is ours",
        ),
        # After the last day nobody is to be booked.
        (
            doctor.centres(ToGive(centre=False, slots=False), campaign_with(closes_at=NOON), NOON),
            Level.WARNING,
            "no open centre is ours",
        ),
        (doctor.provider(""), Level.GOOD, "the provider knows the account"),
        (doctor.provider("it says 20003"), Level.BAD, "asked in vain: it says 20003"),
        (
            doctor.provider("it says 20003", "https://api.twilio.com"),
            Level.BAD,
            "the provider was asked in vain",
        ),
        (
            doctor.provider("refused", "http://127.0.0.1:8010"),
            Level.BAD,
            "the stand-in for the provider was asked in vain: refused",
        ),
    ],
)
def test_each_look_says_what_it_found(given: Finding, level: Level, sentence: str):
    assert given.level is level
    assert sentence in given.says
    # Whoever is told that something is not well is told what to do.
    assert bool(given.remedy) == (level is not Level.GOOD)


def test_a_clock_that_is_an_hour_off_is_seen_on_postgresql(database_url: str):
    with house(database_url) as made:
        said = unwell(made, machine_now=lambda: datetime.now(UTC) + HOUR)
    assert said["clock"] == "this machine's clock is 1 h 0 min ahead of the database's"


def test_a_look_that_fails_is_no_end_of_the_others():
    def fails() -> Finding:
        raise RuntimeError("never told")

    listed = [
        Check("one", Whose.MACHINE, fails),
        Check("two", Whose.SERVICE, lambda: good("well"), needs=("one",)),
        Check("three", Whose.SERVICE, lambda: good("well")),
    ]
    said = {one.name: one.finding for one in doctor.run(listed)}
    assert set(said) == {"one", "three"}
    assert said["one"].says == "it could not be looked at (RuntimeError)"


# ---------------------------------------------------------------- Redis


def test_a_redis_that_answers_and_none_at_all(redis_url: str, tmp_path: Path):
    assert redis_problem(redis_url) == ""
    assert redis_problem(f"unix://{tmp_path / 'none.sock'}") == "ConnectionError"


# ---------------------------------------------------------------- the command


def runs(made: House, **changes: Any) -> Result:
    return CliRunner().invoke(make(lambda: doctor.checks(around(made, **changes))))


def test_the_doctor_finds_all_well(well: House):
    done = runs(well)
    assert done.exit_code == 0
    *lines, last = done.output.splitlines()
    assert all(line.startswith("good ") for line in lines)
    assert last.startswith(f"All {len(lines)} are well")


def test_the_doctor_says_what_to_do_and_ends_with_1(well: House):
    done = runs(well, free=lambda _: 0, provider=lambda: "it says 20003")
    assert done.exit_code == 1
    assert "bad      disk var     0 MiB are free for var" in done.output
    assert "-> make room, or move it to a larger disk" in done.output
    assert "the provider was asked in vain: it says 20003" in done.output
    assert "2 of 19 are not well" in done.output


def test_a_warning_is_not_well_for_an_operator(well: House):
    done = runs(well, redis=lambda: "ConnectionError")
    assert done.exit_code == 1
    assert "warning  redis        Redis does not answer" in done.output


def test_an_empty_store_leaves_the_rest_unseen(empty_url: str):
    made = House(empty_url)
    done = runs(made)
    made.close()
    assert done.exit_code == 1
    assert "could not be looked at" in done.output


def test_the_real_command_asks_the_provider(well: House):
    """It is at a loopback port where nobody answers."""
    done = well.application().test_cli_runner().invoke(args=["doctor"])
    assert done.exit_code == 1
    assert "the stand-in for the provider was asked in vain:" in done.output
    assert "python -m tools.simulator --port" in done.output
