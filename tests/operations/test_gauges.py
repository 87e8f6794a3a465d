"""Gauges that alerts are made of: each says what is there, and nothing where there is none."""

from __future__ import annotations

import socket
import ssl
import threading

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sqlalchemy import text

from exchange.testing.certificates import self_made
from jobs.certificate import certificate_tasks, expiry, not_after
from models import attempts
from models.attempts import EVERYBODY, Subject
from models.database import Database
from models.messages import budgets
from models.messages.budgets import ALL, Limit
from models.operations import gauges
from models.supervision import alerts
from services.health.certificate import WatchCertificate
from services.health.process_counts import CERTIFICATE
from services.messages import spend
from tests.support.floor import Floor
from tests.support.house import MOBILE, NOON, House, mornings
from tests.support.rows import clock_of

SECOND = timedelta(seconds=1)
LONG_AGO = datetime(2020, 5, 1, tzinfo=UTC)


def told(made: House) -> dict[str, float]:
    """Each sample of /metrics by its name and what stands in its braces."""
    found = {}
    for line in made.app.test_client().get("/metrics").text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            found[name] = float(value)
    return found


# ---------------------------------------------------------------- people


def test_who_waits_on_the_line_and_since_when(service: House):
    floor = Floor(service)
    assert (told(service)["allo_line_waiting"], told(service)["allo_line_age_seconds"]) == (0, 0)
    floor.waits()
    floor.later(seconds=90)
    floor.waits()
    floor.waits(kind="callback")
    found = told(service)
    assert (found["allo_line_waiting"], found["allo_line_age_seconds"]) == (2, 90)


def test_bookings_of_a_day_and_the_hours_in_which_there_should_be_some(service: House):
    assert told(service)["allo_booked_age_seconds"] == 86_400
    service.opens_centre("1", starts=mornings(40), capacity=2)
    service.phone(MOBILE).books()
    clock_of(service).advance(700 * SECOND)
    found = told(service)
    assert (found["allo_booked_day"], found["allo_booked_age_seconds"]) == (1, 700)
    assert found["allo_booking_hours"] == 1
    # Nine in the evening.
    clock_of(service).moment = NOON + timedelta(hours=12)
    assert told(service)["allo_booking_hours"] == 0
    clock_of(service).moment = NOON + timedelta(days=2)
    found = told(service)
    assert (found["allo_booked_day"], found["allo_booked_age_seconds"]) == (0, 86_400)


# ---------------------------------------------------------------- attacks and money


def test_look_ups_that_look_guessed(service: House):
    with service.database.transaction() as connection:
        for _ in range(31):
            attempts.add(connection, service.clock, [Subject("all", EVERYBODY)], good=False)
    found = told(service)
    assert (found["allo_look_ups"], found["allo_look_ups_wrong"]) == (31, 31)
    assert found["allo_look_ups_guessed"] == 1
    clock_of(service).advance(timedelta(minutes=5, seconds=1))
    assert told(service)["allo_look_ups_guessed"] == 0


def test_how_much_of_a_budget_is_spent_by_number_or_by_money(service: House):
    with service.database.transaction() as connection:
        day = spend.day_of(service.store)
        of_texts = [Limit(spend.DAY, ALL, 100, 10_000)]
        budgets.take(connection, service.clock, day, of_texts, 30, 9_000)
    found = told(service)
    assert found['allo_spent_ratio{budget="texts"}'] == pytest.approx(0.9)
    assert found['allo_spent_ratio{budget="calls"}'] == 0
    clock_of(service).advance(timedelta(days=1))
    assert told(service)['allo_spent_ratio{budget="texts"}'] == 0


def test_alerts_of_the_board_are_told_as_long_as_they_last(service: House):
    name = 'allo_alert_raised{alert="cancellations"}'
    with service.database.transaction() as connection:
        alerts.begin(connection, service.clock, "a1", name="cancellations", value=40, threshold=30)
    assert told(service)[name] == 1
    with service.database.transaction() as connection:
        alerts.end(connection, service.clock, "cancellations")
    assert name not in told(service)


# ---------------------------------------------------------------- what the service stands on


def test_of_replicas_a_store_tells_that_can_have_some(service: House):
    found = told(service)
    # None follows, so none is behind.
    assert found["allo_replicas"] == 0
    assert "allo_replication_lag_bytes" not in found


def test_how_far_a_replica_is_behind_is_read_as_postgresql_tells_it(database_url: str):
    database = Database(database_url)
    with database.transaction() as connection:
        # A table of this session stands before the server's own view.
        connection.execute(
            text(
                "CREATE TEMP VIEW pg_stat_replication AS SELECT interval '1.5 seconds' AS"
                " replay_lag, pg_current_wal_lsn() - 4096 AS replay_lsn"
            )
        )
        connection.execute(text("SET LOCAL search_path = pg_temp, pg_catalog, public"))
        found = gauges.replication(connection)
        assert found is not None
        assert (found.replicas, found.seconds) == (1, 1.5)
        assert found.bytes is not None
        assert found.bytes >= 4096
        # What the role may not see is null.
        connection.execute(
            text(
                "CREATE OR REPLACE TEMP VIEW pg_stat_replication AS SELECT NULL::interval AS"
                " replay_lag, NULL::pg_lsn AS replay_lsn"
            )
        )
        assert gauges.replication(connection) == gauges.Replication(1, None, None)
    database.dispose()


def test_the_disk(service: House):
    found = told(service)
    assert 0 < found["allo_disk_free_bytes"] < found["allo_disk_bytes"]


# ---------------------------------------------------------------- our certificate


def certificate(until: datetime) -> tuple[bytes, bytes]:
    """One that nobody trusts, and its key, in PEM."""
    return self_made("allo.example", since=until - timedelta(days=90), until=until)


@pytest.fixture
def expired_server(tmp_path: Path) -> Iterator[int]:
    """A port at which one client is shown a certificate of long ago."""
    shown, key = certificate(LONG_AGO)
    (tmp_path / "c").write_bytes(shown)
    (tmp_path / "k").write_bytes(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "c", tmp_path / "k")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            plain, _ = listening.accept()
            # The client has seen enough once it has the certificate, and goes.
            with suppress(OSError), context.wrap_socket(plain, server_side=True) as secret:
                secret.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(10)


def test_a_certificate_that_expired_tells_it_too(expired_server: int):
    assert expiry("127.0.0.1", expired_server) == LONG_AGO


def test_what_is_no_certificate_is_an_error():
    with pytest.raises(ValueError, match="parsing"):
        not_after(b"")


def test_how_long_it_is_good_is_told_by_every_web_server(service: House):
    asked: list[tuple[str, int]] = []

    def looks(host: str, port: int) -> datetime:
        asked.append((host, port))
        return clock_of(service).moment + timedelta(days=13)

    watch = WatchCertificate(service.store, "https://allo.example:8443/base", looks)
    assert watch() == 13
    assert asked == [("allo.example", 8443)]
    assert told(service)[f'{CERTIFICATE}{{process="scheduler"}}'] == 13 * 86_400


def test_without_https_there_is_none(service: House):
    assert certificate_tasks(service.store, "http://127.0.0.1:8000") == []
    (task,) = certificate_tasks(service.store, "https://allo.example")
    assert (task.name, task.every) == ("certificate", 3600)
