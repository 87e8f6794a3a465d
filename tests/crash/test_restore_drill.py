"""The restore drill: a store is lost with all that was booked and texted after its back-up.

Nobody is texted twice, and each reference that was texted is found in the store that came back, or
in a case with its words. Once from a dump of `flask backup run`, once from a base back-up and the
archived write-ahead log. The figures are printed (`pytest -s`); docs/restore.md has them.
`RESTORE_DRILL_MB` says how large the store is filled before (64).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from sqlalchemy import func, select

from exchange.calls import CallRecord
from exchange.clock import WallClock
from ivr.provider_log import TwilioLog
from models.booking import changes
from models.booking.tables import booking
from models.clock import DatabaseClock
from models.desk import cases, lost_texts
from models.migrations.runner import upgrade
from services.backups import backups, restore
from services.backups.restore import Reconciler
from services.booking.verify_store import verify_store
from services.centres.directory import Directory
from services.delivery import make_delivery_dependencies
from services.service import Service
from services.store import CryptographicChance
from tests.agents.rings import OURS
from tests.operations.test_backup import servers_programs
from tests.support import parts
from tests.support.house import ACCOUNT, LANDLINE, TOKEN, House, a_mobile
from tests.support.office import Office, Provider, messenger_to
from tests.support.postgres import OwnServer, as_server
from tests.support.until import wait_for
from tools.launcher.postgres_keeper import account_of

pytestmark = pytest.mark.long

REFERENCE = re.compile(r"Référence (\d{10})")
# Rows of a kilobyte each, as bodies of turns are; sealed values cannot be packed, nor can these.
FILL = """
INSERT INTO turn (call_id, number, at, step, outcome, body_enc)
SELECT 'CAfill' || n, 0, now() - interval '2 days', 'welcome', 'asked',
  (SELECT string_agg(decode(md5(n::text || '-' || part), 'hex'), '')
   FROM generate_series(1, 60) AS part)
FROM generate_series(1, %s) AS n
"""


@dataclass
class Drill:
    """A store, its provider, and a stopwatch."""

    server: OwnServer
    url: str
    provider: Provider = field(init=False)
    house: House = field(init=False)
    office: Office = field(init=False)
    figures: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.house = self._opened()
        self.provider = Provider(self.house, WallClock())
        self._delivers()

    def _opened(self) -> House:
        return House(self.url, clock=DatabaseClock(), chance=CryptographicChance())

    def _delivers(self) -> None:
        house = self.house
        directory = Directory(house.database, centres_fresh_seconds=0)
        service = Service(directory, house.campaign, house.settings.national_number)
        means = make_delivery_dependencies(house.settings, service)
        self.office = Office(house, messenger_to(self.provider.url), means)

    def comes_back(self, url: str) -> None:
        """The service starts again on the store that came back."""
        self.url = url
        self.house = self._opened()
        self.office.messenger._http.session.close()
        self._delivers()

    def closes(self) -> None:
        self.office.messenger._http.session.close()
        self.provider.close()
        self.house.close()

    def books(self, *numbers: int) -> None:
        """People ring and book, each with a text."""
        for number in numbers:
            phone = self.house.phone(a_mobile(number)).goes_to("reach").answers("1")
            phone.goes_to("reference").answers("1")

    def rings_from_a_landline(self) -> None:
        """Somebody books who gets no text; the provider lists the call."""
        began = datetime.now(UTC)
        phone = self.house.phone(LANDLINE).books()
        record = CallRecord(
            ACCOUNT, LANDLINE, OURS, began, direction="inbound", sid=phone.sid, start_time=began,
        )  # fmt: skip
        record.duration, record.status = 140, "completed"
        self.provider.simulator.calls.add(record)

    def texts_leave(self) -> None:
        self.office.sweeps()
        self.provider.reports()

    def takes(self, what: str, begun: float) -> None:
        self.figures[what] = round(time.monotonic() - begun, 1)

    def goes_on(self, since: datetime) -> dict[str, int]:
        """What the operator does after a restore, while the processes run."""
        store, begun = self.house.store, time.monotonic()
        assert restore.begin(store, "operator drill", since).is_new
        assert self.office.sweeps() == 0
        listed = TwilioLog(ACCOUNT, TOKEN, api_base_url=self.provider.url)

        def compares(*, dry_run: bool) -> dict[str, int]:
            means = self.office.means
            campaigns = lambda: [self.house.campaign]  # noqa: E731
            return dict(Reconciler(store, listed, means, campaigns, dry_run=dry_run).run())

        wait_for(lambda: not restore.status(store).being_sent, "what was being sent is over")
        expected = compares(dry_run=True)
        counts = compares(dry_run=False)
        assert counts == expected
        restore.end(store, "operator drill")
        listed._http.session.close()
        self.takes("compared and released (s)", begun)
        self.texts_leave()
        return counts

    # What must be true then

    def texted(self) -> list[tuple[str, str]]:
        return [(one.recipient, one.body) for one in self.provider.texts()]

    def nobody_was_texted_twice(self) -> None:
        twice = {text: times for text, times in Counter(self.texted()).items() if times > 1}
        assert twice == {}

    def each_reference_is_found_or_a_case(self) -> tuple[int, int]:
        """How many are in the store, and how many in cases."""
        vault, found, told = self.house.store.vault, 0, 0
        with self.house.database.statement() as connection:
            waiting = cases.waiting(connection, limit=1000)
            words = " ".join(
                one.body
                for case in waiting
                for one in lost_texts.of_case(connection, vault, case.id)
            )
            for _, body in self.texted():
                (reference,) = REFERENCE.findall(body)
                if changes.id_by_reference(connection, vault, reference):
                    found += 1
                else:
                    assert reference in words
                    told += 1
        return found, told

    def landline_is_known(self) -> bool:
        """Whether the caller without a text is in the store, or in a case."""
        vault = self.house.store.vault
        index = vault.index("phone", LANDLINE)
        with self.house.database.statement() as connection:
            booked = connection.execute(select(booking.c.id).where(booking.c.phone_idx == index))
            if booked.first():
                return True
            found = lost_texts.open_case_of(connection, vault, LANDLINE, restore.CASE)
        return found is not None

    def contradicts_itself(self) -> int:
        store = self.house.store
        return verify_store(store, [self.house.campaign], limit=5, say=print).contradictions

    def newest(self) -> datetime:
        with self.house.database.statement() as connection:
            found: datetime = connection.execute(
                select(func.max(booking.c.created_at))
            ).scalar_one()
        return found


def filled(server: OwnServer, url: str) -> float:
    """Fill a store; gives its size in MB."""
    upgrade(url)
    megabytes = int(parts.environment("RESTORE_DRILL_MB") or 64)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(FILL, [megabytes * 1000])
        found = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert found
    return float(found[0]) / 1e6


@pytest.fixture
def drill(own_postgres: OwnServer) -> Iterator[Drill]:
    url = own_postgres.create()
    size = filled(own_postgres, url)
    made = Drill(own_postgres, url)
    made.figures["size (MB)"] = round(size)
    house = made.house
    house.knows_postcodes()
    tomorrow = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0)
    starts = [tomorrow + timedelta(days=n) for n in range(3, 23)]
    house.opens_centre("1", starts=starts, capacity=4)
    yield made
    made.closes()
    print("\n".join(f"{name}: {value}" for name, value in made.figures.items()))  # noqa: T201


def test_a_dump_is_restored(drill: Drill, tmp_path: Path):
    drill.books(1, 2, 3)
    drill.texts_leave()
    # Booked, and their texts wait at the moment of the back-up.
    drill.books(4, 5)
    begun = time.monotonic()
    since = datetime.now(UTC)
    made = backups.run(drill.house.store, tmp_path / "backups", keep=1, programs=servers_programs())
    drill.takes("back-up made (s)", begun)
    drill.figures["back-up (MB)"] = round(made.bytes / 1e6, 1)
    drill.texts_leave()
    drill.books(6, 7, 8)
    drill.rings_from_a_landline()
    drill.texts_leave()
    drill.books(9)
    assert len(drill.texted()) == 8

    begun = time.monotonic()
    drill.house.close()
    drill.server.drop(drill.url)
    fresh = drill.server.create()
    assert backups.verify(drill.house.store, made.file, programs=servers_programs(), into=fresh)
    drill.takes("restored and recounted (s)", begun)
    drill.comes_back(fresh)
    counts = drill.goes_on(since)
    drill.takes("from the loss to going on (s)", begun)

    assert counts["texts_marked"] == 2
    drill.nobody_was_texted_twice()
    # Whose text never left (9) is gone with the store, and nothing anywhere tells of them.
    assert drill.each_reference_is_found_or_a_case() == (5, 3)
    assert drill.landline_is_known()
    assert drill.contradicts_itself() == 0


@dataclass
class Archive:
    """The recipe of docs/restore.md, step by step: a base back-up and archived log."""

    server: OwnServer
    folder: Path

    def begins(self) -> None:
        """WAL is archived from now on; it needs a restart."""
        self.log.mkdir(parents=True)
        for folder in (self.folder, self.log):
            os.chown(folder, *account_of(self.server.data))
        self.server.sets(
            wal_level="replica",
            archive_mode="on",
            archive_timeout="50",
            archive_command=f"test ! -f {self.log}/%f && cp %p {self.log}/%f.part"
            f" && mv {self.log}/%f.part {self.log}/%f",
        )
        self._restarts()

    @property
    def log(self) -> Path:
        return self.folder / "wal"

    @property
    def base(self) -> Path:
        return self.folder / "base"

    def _restarts(self) -> None:
        self.server.stops_hard()
        self.server.starts()

    def takes_base(self) -> None:
        socket = self.server.url.partition("host=")[2]
        subprocess.run(  # noqa: S603 - PostgreSQL's own
            as_server(
                self.server.data,
                "pg_basebackup",
                *("-h", socket, "-U", "postgres", "-D", str(self.base)),
                *("--checkpoint=fast", "--wal-method=none"),
            ),
            check=True,
            cwd=self.folder,
            capture_output=True,
        )

    def has_all_up_to_now(self) -> None:
        """What archive_timeout does once a minute, at this moment."""
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            row = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
        assert row
        wait_for((self.log / str(row[0])).exists, "the log is archived")

    def loses_everything(self) -> None:
        self.server.stops_hard()
        shutil.rmtree(self.server.data)

    def restores(self) -> None:
        data = self.server.data
        subprocess.run(  # noqa: S603 - files keep their owner and rights
            ["/bin/cp", "-a", str(self.base), str(data)], check=True
        )
        # Here the sockets are in the same folder; their lock is no file of the database.
        for left in data.glob(".s.PGSQL.*"):
            left.unlink()
        with (data / "postgresql.auto.conf").open("a", encoding="utf-8") as settings:
            settings.write(f"restore_command = 'cp {self.log}/%f %p'\n")
            settings.write("archive_mode = 'off'\n")
        (data / "recovery.signal").touch()
        os.chown(data / "recovery.signal", *account_of(data))
        self.server.starts()
        wait_for(self._is_primary, "it has recovered", 300)

    def _is_primary(self) -> bool:
        with suppress(psycopg.OperationalError), psycopg.connect(self.server.url) as connection:
            row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
            return row == (False,)
        return False


@pytest.fixture
def archive(own_postgres: OwnServer, run_folder: Path) -> Iterator[Archive]:
    folder = run_folder / "archive"
    folder.mkdir()
    made = Archive(own_postgres, folder)
    made.begins()
    yield made
    own_postgres.sets()
    own_postgres.stops_hard()
    own_postgres.starts()
    shutil.rmtree(folder)


def test_a_base_backup_and_the_archived_log_are_restored(archive: Archive, drill: Drill):
    drill.books(1, 2)
    drill.texts_leave()
    since = datetime.now(UTC)
    begun = time.monotonic()
    archive.takes_base()
    drill.takes("base back-up made (s)", begun)
    # In the log: one booking whose text left, one whose text waits when the log is archived.
    drill.books(3)
    drill.texts_leave()
    drill.books(4)
    archive.has_all_up_to_now()
    # In no archive: a text, and two people who book and are texted.
    drill.texts_leave()
    drill.books(5, 6)
    drill.rings_from_a_landline()
    drill.texts_leave()
    lost_at = datetime.now(UTC)
    assert len(drill.texted()) == 6

    begun = time.monotonic()
    drill.house.close()
    archive.loses_everything()
    archive.restores()
    drill.takes("restored (s)", begun)
    drill.comes_back(drill.url)
    drill.figures["lost: until the loss, since the newest booking (s)"] = round(
        (lost_at - drill.newest()).total_seconds(), 1
    )
    counts = drill.goes_on(since)
    drill.takes("from the loss to going on (s)", begun)

    assert counts["texts_marked"] == 1
    drill.nobody_was_texted_twice()
    assert drill.each_reference_is_found_or_a_case() == (4, 2)
    assert drill.landline_is_known()
    assert drill.contradicts_itself() == 0
