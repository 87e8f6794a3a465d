"""Visits of the service and of the usual application, in turns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench import servers, stock, visits
from bench.peers import form_handler
from bench.servers import CannotMeasure, House, Web
from bench.visitors import BOOKED, VisitorFigures, VisitorsPlan

SERVICE, PEER = 8001, 8002


class Street:
    """Whom visitors come to, and what they see there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: list[str] = []
        self.booked: dict[int, Iterator[int]] = {}

        @contextmanager
        def peer(*_any: object) -> Iterator[Web]:
            yield web("peer", PEER)

        monkeypatch.setattr(stock, "choose_postcodes", lambda _url: ["75011"])
        monkeypatch.setattr(form_handler, "fill", lambda _url: None)
        monkeypatch.setattr(servers, "web", peer)
        monkeypatch.setattr(visits, "seen_by", self._seen_by)

    def _seen_by(self, plan: VisitorsPlan) -> VisitorFigures:
        name = {SERVICE: "service", PEER: "peer"}[plan.port]
        is_counted = plan.seconds == visits.SECONDS
        self.events.append(name if is_counted else f"{name} apart")
        booked = next(self.booked[plan.port]) if is_counted else 1
        return VisitorFigures(2.0, 80, {BOOKED: booked} if booked else {}, 0, 0, 0.05)

    def measured(self, service: list[int], peer: list[int]) -> dict[str, float]:
        """With so many bookings in each round."""
        self.booked = {SERVICE: iter(service), PEER: iter(peer)}
        house = House(Path("/nowhere"), "bench", "postgresql:///none", "")
        figures, void = visits.measure(house, web("service", SERVICE), len(service))
        assert void == []
        return dict(figures)


def web(name: str, port: int) -> Web:
    process: Any = None
    return Web(name, port, process)


def test_each_is_first_in_turn(monkeypatch: pytest.MonkeyPatch):
    street = Street(monkeypatch)
    street.measured([10, 10, 10], [10, 10, 10])
    assert street.events == [
        *("service apart", "peer apart"),
        *("service", "peer", "peer", "service", "service", "peer"),
    ]


def test_what_counts_is_one_beside_the_other_in_the_same_round(monkeypatch: pytest.MonkeyPatch):
    """Where the machine was slow for a while, neither has the better moments for itself."""
    figures = Street(monkeypatch).measured([200, 110, 60], [100, 100, 50])
    assert figures["web_ratio_peer_postgres"] == 1.2
    assert figures["web_bookings_per_second_postgres"] == 55.0
    assert figures["peer_bookings_per_second_postgres"] == 50.0


def test_a_slice_that_does_not_count_is_named(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(CannotMeasure, match="visits of peer: nobody was booked"):
        Street(monkeypatch).measured([100, 300], [100, 0])
