"""Visits of the service and of the usual application, in turns on the same file."""

from __future__ import annotations

import shutil
import sqlite3

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from sqlalchemy import make_url

from bench import servers, stock, visits
from bench.peers import form_handler
from bench.servers import POSTGRES, House, Web
from bench.visitors import BOOKED, VisitorFigures, VisitorsPlan

SERVICE, PEER = 8001, 8002


class Street:
    """Whom visitors come to, and what they see there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, written_back: float = 0.0) -> None:
        self.events: list[str] = []
        self.booked: dict[int, Iterator[int]] = {}
        self.floors = 0

        @contextmanager
        def peer(*_any: object) -> Iterator[Web]:
            yield web(PEER)

        @contextmanager
        def log_of(_url: str) -> Iterator[Callable[[], float]]:
            def write_back() -> float:
                self.events.append("log")
                return written_back

            yield write_back

        monkeypatch.setattr(stock, "choose_postcodes", lambda _url: ["75011"])
        monkeypatch.setattr(form_handler, "fill", lambda _url: None)
        monkeypatch.setattr(servers, "usual", peer)
        monkeypatch.setattr(visits, "_log_of", log_of)
        monkeypatch.setattr(visits, "seen_by", self._seen_by)

    def _seen_by(self, plan: VisitorsPlan, _folder: Path) -> VisitorFigures:
        name = {SERVICE: "service", PEER: "peer"}[plan.port]
        is_counted = plan.scripts and plan.seconds == visits.SECONDS
        self.events.append(name if is_counted else f"{name} apart")
        booked = next(self.booked[plan.port]) if is_counted else 1
        return VisitorFigures(2.0, 80, {BOOKED: booked} if booked else {}, 0, 0, 0.05)

    def measured(self, service: list[int], peer: list[int]) -> tuple[dict[str, float], list[str]]:
        """With so many bookings in each round."""
        self.booked = {SERVICE: iter(service), PEER: iter(peer)}
        house = House(Path("/nowhere"), POSTGRES, "postgresql:///none", "")
        return visits.measure(
            house, web(SERVICE), self._floor, lambda _said: None, rounds=len(service)
        )

    def _floor(self) -> float:
        self.floors += 1
        return 400.0


def web(port: int) -> Web:
    process: Any = None
    return Web("web", port, process, Path("log"))


def test_each_is_first_in_turn_and_writes_its_own_log_back(monkeypatch: pytest.MonkeyPatch):
    street = Street(monkeypatch)
    street.measured([10, 10, 10], [10, 10, 10])
    first, *rest = street.events
    # What was written before anybody came is nobody's.
    assert first == "log"
    slices, logs = rest[:-1:2], rest[1:-1:2]
    assert set(logs) == {"log"}
    assert slices == [
        *("service apart", "peer apart", "peer apart", "service apart"),
        *("service", "peer", "peer", "service", "service", "peer"),
    ]
    assert rest[-1] == "service apart"
    assert street.floors == 2


def test_what_counts_is_one_beside_the_other_in_the_same_round(monkeypatch: pytest.MonkeyPatch):
    """Where the machine was slow for a while, neither has the better moments for itself."""
    figures, void = Street(monkeypatch).measured([200, 110, 60], [100, 100, 50])
    assert void == []
    assert figures["web_ratio_peer_postgres"] == 1.2
    assert figures["web_bookings_per_second_postgres"] == 55.0
    assert figures["peer_bookings_per_second_postgres"] == 50.0


def test_the_time_for_the_log_is_that_of_the_slice(monkeypatch: pytest.MonkeyPatch):
    figures, _ = Street(monkeypatch, written_back=0.5).measured([100], [50])
    assert figures["web_bookings_per_second_postgres"] == 40.0
    assert figures["peer_bookings_per_second_postgres"] == 20.0


def test_a_round_in_which_one_does_not_count_is_left_out_for_both(monkeypatch: pytest.MonkeyPatch):
    figures, void = Street(monkeypatch).measured([100, 300], [100, 0])
    assert void == ["visits of peer: nobody was booked"]
    assert figures["web_ratio_peer_postgres"] == 1.0
    assert figures["web_bookings_per_second_postgres"] == 50.0


def test_the_log_of_sqlite_is_in_its_file_then(sqlite_url: str, tmp_path: Path):
    file = str(make_url(sqlite_url).database)
    with visits._log_of(sqlite_url) as write_back, closing(sqlite3.connect(file)) as writer:
        writer.execute("CREATE TABLE written (n INTEGER)")
        writer.commit()
        assert _tables(file, tmp_path) == 0
        assert write_back() > 0
        assert _tables(file, tmp_path) == 1


def _tables(file: str, folder: Path) -> int:
    """How many tables of that name are in the file alone, without its log."""
    with closing(sqlite3.connect(shutil.copyfile(file, folder / "alone.sqlite3"))) as alone:
        sql = "SELECT count(*) FROM sqlite_master WHERE name = 'written'"
        found: int = alone.execute(sql).fetchone()[0]
        return found


def test_postgresql_writes_its_log_back_by_itself(database_url: str):
    with visits._log_of(database_url) as write_back:
        is_sqlite = make_url(database_url).get_backend_name() == "sqlite"
        assert bool(write_back()) is is_sqlite
