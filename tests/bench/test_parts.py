"""Parts of the bench end, whatever happens in them, and what does not count is named."""

from __future__ import annotations

import os
import signal

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench import parts
from bench.machine import Look, OthersShare
from bench.measure import of_database
from bench.parts import PARTS, Given, PartRuns
from bench.servers import KINDS, CannotMeasure


class Bench:
    """Parts that are run by a clock of the test's own, on a machine that does what it says."""

    def __init__(self, *wanted: str, until: float = 900.0, to_come: float = 0.0) -> None:
        self.now, self.said = 0.0, list[str]()
        # What others have of the machine while each try is measured.
        self.others: list[float] = []
        self.runs = PartRuns(
            frozenset(wanted or PARTS),
            self.said.append,
            until=until,
            watch=self._watching,
            ticks=lambda: self.now,
            still_to_come=to_come,
        )

    @contextmanager
    def _watching(self) -> Iterator[OthersShare]:
        share = self.others.pop(0) if self.others else 0.0
        ticks = share * (os.cpu_count() or 1) * os.sysconf("SC_CLK_TCK")
        yield OthersShare([Look(0, 0, 0.0), Look(round(1000 * ticks), 0, 1000.0)])

    def gives(self, *outcomes: Given | Exception) -> Callable[[], Given]:
        """A part that gives one after the other, each after the seconds that it should take."""
        left = list(outcomes)

        def part() -> Given:
            self.now += 30
            outcome = left.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        return part


FINE: Given = {"room_ratio": 0.8}, []
WRONG: Given = {"room_ratio": 0.1}, ["3 answers were later"]


def test_a_part_that_cannot_be_measured_is_void_and_the_others_count():
    bench = Bench("outbox", "room")
    never = CannotMeasure("the provider was not there within its time")
    assert bench.runs.run("outbox", "sqlite", bench.gives(never, never)) == {}
    assert bench.runs.run("room", "", bench.gives(FINE)) == {"room_ratio": 0.8}
    assert bench.runs.run("visits", "sqlite", bench.gives(never)) == {}
    assert {title: ran.void for title, ran in bench.runs.ran.items()} == {
        "sqlite: outbox": ["the provider was not there within its time"],
        "room": [],
    }
    assert bench.said[0] == "void: sqlite: outbox: the provider was not there within its time"
    assert "room: room_ratio 0.8" in bench.said


def test_a_part_that_is_void_is_repeated_once_and_then_counts():
    bench = Bench("room")
    assert bench.runs.run("room", "", bench.gives(WRONG, FINE)) == {"room_ratio": 0.8}
    ran = bench.runs.ran["room"]
    assert (ran.void, ran.tries, ran.seconds) == ([], 2, 60.0)


def test_one_that_is_void_twice_is_named():
    bench = Bench("room")
    bench.runs.run("room", "", bench.gives(WRONG, WRONG))
    assert bench.runs.ran["room"].told() | {"load": ""} == {
        "seconds": 60.0,
        "tries": 2,
        "load": "",
        "others": 0.0,
        "void": "3 answers were later",
        "left_out": False,
    }


def test_a_part_that_repeats_its_own_runs_is_not_repeated_for_them():
    bench = Bench("calls")
    assert PARTS["calls"].repeats
    bench.runs.run("calls", "sqlite", bench.gives(WRONG))
    assert bench.runs.ran["sqlite: calls"].tries == 1


def test_nothing_is_repeated_in_the_time_of_what_is_still_to_come():
    bench = Bench("room", "rush", until=200.0, to_come=18.0 + 160.0)
    bench.runs.run("room", "", bench.gives(WRONG))
    assert bench.runs.ran["room"].tries == 1


def test_on_a_busy_machine_a_part_is_void_and_says_why():
    bench = Bench("room", "calls")
    bench.others = [0.4, 0.3]
    assert bench.runs.run("room", "", bench.gives(FINE, FINE)) == {}
    (why,) = bench.runs.ran["room"].void
    assert why == "the machine was busy: others had 30% of it (at most 15%)"
    # One that repeats its runs by itself is repeated for that, too.
    bench.others = [0.4, 0.1]
    assert bench.runs.run("calls", "sqlite", bench.gives(FINE, FINE)) == {"room_ratio": 0.8}
    assert bench.runs.ran["sqlite: calls"].void == []


def test_without_time_a_part_with_a_bar_is_void_and_another_is_left_out():
    bench = Bench("rush", "crowd", until=10.0)
    assert bench.runs.run("rush", "", bench.gives()) == {}
    assert bench.runs.run("crowd", "sqlite", bench.gives()) == {}
    rush, crowd = bench.runs.ran["rush"], bench.runs.ran["sqlite: crowd"]
    assert (rush.void, rush.left_out) == ([parts.NO_TIME], False)
    assert (crowd.void, crowd.left_out) == ([], True)


def test_a_part_without_a_bar_takes_no_time_from_those_that_come_after_it():
    bench = Bench("rush", "crowd", until=165.0, to_come=15.0 + 155.0)
    assert bench.runs.run("crowd", "sqlite", bench.gives()) == {}
    assert bench.runs.ran["sqlite: crowd"].left_out
    assert bench.runs.run("rush", "", bench.gives(FINE)) == {"room_ratio": 0.8}


def test_a_part_without_its_packages_is_left_out():
    bench = Bench("telephones")
    bench.runs.run("telephones", "", bench.gives(({}, [])))
    assert bench.runs.ran["telephones"].left_out


def test_what_nobody_foresaw_is_a_sentence_and_its_trace_is_in_a_file(tmp_path: Path):
    bench = Bench("room")
    bench.runs.failures = tmp_path / "bench" / "failures.txt"
    bench.runs.run("room", "", bench.gives(ZeroDivisionError("by nothing"), ValueError("no")))
    (why,) = bench.runs.ran["room"].void
    assert why == f"ValueError: no (see {bench.runs.failures})"
    assert not [line for line in bench.said if "Traceback" in line]
    written = bench.runs.failures.read_text("utf-8")
    assert written.count("Traceback") == 2
    assert "ZeroDivisionError: by nothing" in written


def test_where_what_parts_share_cannot_be_made_those_that_are_left_are_void():
    bench = Bench("calls", "tails", "work", to_come=300.0)

    def starts_no_server() -> None:
        raise CannotMeasure("the web server did not start")

    with bench.runs.together(("calls", "sqlite"), ("work", "sqlite"), ("room", "")):
        bench.runs.run("calls", "sqlite", bench.gives(FINE))
        starts_no_server()
    assert {title: ran.void for title, ran in bench.runs.ran.items()} == {
        "sqlite: calls": [],
        "sqlite: work": ["the web server did not start"],
    }


def test_whatever_does_not_end_is_ended():
    """Not even somebody who catches everything on the way goes on."""

    def waits() -> Any:
        while True:
            try:
                signal.pause()
            except Exception:  # noqa: BLE001, S112 - as some library may
                continue

    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(parts.TookTooLong, match="it took longer than 0 s"), parts.limited(0.001):
        waits()
    assert signal.getsignal(signal.SIGALRM) is before


def test_what_took_too_long_once_is_not_repeated():
    bench = Bench("room")
    bench.runs.run("room", "", bench.gives(parts.TookTooLong("it took longer than 90 s")))
    assert bench.runs.ran["room"].void == ["it took longer than 90 s"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((), set()),
        (("calls", "outbox"), {"calls", "outbox"}),
        (("web", "people", "sip", "rush"), {"visits", "room", "work", "telephones", "rush"}),
    ],
)
def test_parts_are_named_by_their_own_name_or_by_that_of_several(
    words: tuple[str, ...], found: set[str]
):
    assert parts.named(words) == found
    with pytest.raises(KeyError, match="nothing"):
        parts.named([*words, "nothing"])


def test_a_whole_run_is_over_before_its_time():
    """All of it: with what servers take to start, and with what has no bar."""
    planned = parts.planned(PARTS, len(KINDS)) + parts.SERVERS_SECONDS
    assert planned <= parts.WHOLE_SECONDS - parts.MARGIN_SECONDS


def test_each_part_is_measured_somewhere_once():
    told = [title for kind in KINDS for title in of_database(kind)]
    told += [(name, "") for name in ("rush", "telephones", "understanding")]
    assert sorted(told) == sorted(
        [(name, "") for name, part in PARTS.items() if part.once]
        + [(name, kind) for name, part in PARTS.items() if not part.once for kind in KINDS]
    )
