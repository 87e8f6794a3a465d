"""A nation in one PostgreSQL: what each thing takes there, beside the same at a hundredth of it.

    python -m bench.nation [--scale 1.0] [--part 0.01] [--asked 600] [--without NAME …]
        [--databases FOLDER] [--fill] [--results FILE] [--page]

At a scale of one it makes 10 million places, 5 million bookings, 10 million messages and 100
million turns of calls on eight days (bench/nation_rows.py), and a database of a hundredth of that
beside it, in a PostgreSQL of its own that waits for the disk. Then the service's own code works in
both by turns (bench/nation_work.py), and both are verified once. The verification has to find
nothing: else what was measured was not a store.

To fill takes much longer than to measure. With `--databases FOLDER` both stay there, `--fill` does
nothing else, and a later call with the same scale finds them: so they can be filled while others
work, and measured on a quiet machine. Without it they are made in /tmp and removed.

FILE (`bench/nation.json`) has the figures, with the machine and what others had of it; `void` says
in a sentence why they do not count. With `--page` figures that count are written into
docs/scale.md.

The exit status is 0 where it was measured, 1 where others had the machine, and 2 where it could not
be measured: no PostgreSQL, too small a disk, a contradiction.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import psycopg

from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

import config

from bench import machine, nation_rows, report, servers
from bench.nation_rows import FILLING, GIB, Filling, Nation
from bench.nation_work import OPERATIONS, VERIFY, Compared, Side, compare
from bench.servers import CannotMeasure
from bench.timing import Say
from launcher.environment import inherited
from models.supervision.tallies import QUARTER
from services import logs
from services.operations.erase_in_bites import MOST
from services.supervision.counts import day_begins
from tests.support import parts
from tests.support.keeper import held, wait_for_keepers
from tests.support.postgres import OwnServer, own_server

FIGURES: Final = Path(__file__).with_name("nation.json")
PAGE: Final = config.ROOT / "docs" / "scale.md"
BEGINS: Final = "<!-- `python -m bench.nation` writes from here. -->"
ENDS: Final = "<!-- `python -m bench.nation` writes up to here. -->"
# The disk of most machines is full before.
MOST_SCALE: Final = 4.0
PART, ASKED = 0.01, 600
LEAST_ASKED: Final = 20
# Seconds after which an operation is asked no more, in both databases together.
MOST_SECONDS: Final = 40.0
# A ratio above this is growth.
GROWS: Final = 1.1
VOID, CANNOT = 1, 2
NAMES: Final = ("many", "few")


# ---------------------------------------------------------------- what was seen


@dataclass
class Seen:
    """All that was seen; seconds are those of the verification and of the first publication."""

    operations: dict[str, Compared] = field(default_factory=dict)
    verified: dict[str, dict[str, float]] = field(default_factory=dict)
    published: dict[str, dict[str, float]] = field(default_factory=dict)


# ---------------------------------------------------------------- the server


@contextmanager
def server(folder: Path, *, kept: bool) -> Iterator[OwnServer]:
    """A durable PostgreSQL of this measurement; what is in it stays where it is `kept`.

    Raises CannotMeasure.
    """
    if said := parts.lacking(parts.POSTGRES):
        raise CannotMeasure(said)
    with ExitStack() as stack:
        stack.callback(wait_for_keepers, folder / "alive")
        stack.enter_context(held(folder / "alive"))
        try:
            found = stack.enter_context(
                own_server(folder, prefix="nation", environment=inherited(), kept=kept)
            )
        except RuntimeError as problem:
            raise CannotMeasure(str(problem)) from None
        yield found


def filled(found: OwnServer, folder: Path, scale: float, part: float, say: Say) -> list[Nation]:
    """The databases at a scale and at a part of it, as they are kept or filled now.

    Raises CannotMeasure; then none of them is there.
    """
    urls = [found.url_of(f"nation_{name}") for name in NAMES]
    both = nation_rows.sizes(scale, part, datetime.now(UTC))
    there = [nation_rows.kept(url) for url in urls]
    kept = [one for one in there if one is not None]
    if len(kept) == len(both) and all(
        (one.size.slots, one.size.calls) == (size.slots, size.calls)
        for one, size in zip(kept, both, strict=True)
    ):
        return kept
    for url in urls:
        found.drop(url)
    try:
        for url in urls:
            found.create(name=make_url(url).database)
        found.sets(**FILLING)
        found.restarts()
        before = servers.server_seconds(found.url)
        done = Filling(folder, say).fill(dict(zip(urls, both, strict=True)))
        spent = servers.server_seconds(found.url) - before
        say(f"PostgreSQL had {spent:.0f} s of processor for it")
    except BaseException:
        for url in urls:
            found.drop(url)
        raise
    finally:
        found.sets()
        found.restarts()
    return done


# ---------------------------------------------------------------- measured


def measure(
    nations: Sequence[Nation],
    folder: Path,
    say: Say,
    *,
    asked: int = ASKED,
    without: Sequence[str] = (),
    seconds: float = MOST_SECONDS,
) -> Seen:
    """All operations that are asked for, in both databases. Raises CannotMeasure."""
    found = Seen()
    # As much of few as of many, and as many bites as of everything else.
    bite = max(min(MOST, nations[-1].size.bodies // 40), 1)
    with ExitStack() as stack:
        sides = []
        for nation, name in zip(nations, NAMES, strict=True):
            feed = folder / f"feed-{name}"
            feed.mkdir(exist_ok=True)
            sides.append(stack.enter_context(contextlib.closing(Side(nation, feed, bite))))
        for name, operation in OPERATIONS.items():
            if name in without:
                continue
            if name == "feed":
                for side, which in zip(sides, NAMES, strict=True):
                    found.published[which] = side.publish()
                    say(f"the feed of {which}: {found.published[which]['seconds']:.1f} s")
            if name == "board":
                _catch_up(sides)
            found.operations[name] = compare(operation, sides, asked, seconds)
            say(_line(found.operations[name]))
            if name == "bite" and not all(side.erased for side in sides):
                raise CannotMeasure("nothing was said in the turns that were to be erased")
        if VERIFY not in without:
            for side, which in zip(sides, NAMES, strict=True):
                found.verified[which] = side.verify()
                say(f"{which} verified in {sum(found.verified[which].values()):.1f} s")
    return found


# Looks in which all free places are counted twice, and those in which the board begins.
COUNTS: Final = 12
# Tries of a count that was late, for what it needs was not read since the server began.
READS: Final = 10


def _catch_up(sides: Sequence[Side]) -> None:
    """Let the board compare the quarters of an hour of today that were counted before it began."""
    for side in sides:
        now = side.store.clock.now()
        quarters = int((now - day_begins(now)) / QUARTER)
        for number in range(quarters + COUNTS):
            _once_read(partial(side.board, number))
            # Six looks count all centres, and the first ones more.
            if number < COUNTS:
                _once_read(partial(side.places, number))
        _once_read(partial(side.messages, 0))


def _once_read(count: Callable[[], object]) -> None:
    """Count, again where it was late: the disk of a server that has just begun is read slowly.

    Raises CannotMeasure where it is late again and again.
    """
    for _ in range(READS):
        with contextlib.suppress(OperationalError):
            count()
            return
    raise CannotMeasure("a count is late however often it is asked")


def _line(one: Compared) -> str:
    return (
        f"{one.what}: p50 {one.few.p50_ms:.2f} → {one.many.p50_ms:.2f} ms ({one.growth:.2f}),"
        f" p99 {one.few.p99_ms:.2f} → {one.many.p99_ms:.2f} ms, processor"
        f" {one.few.processor_ms:.2f} → {one.many.processor_ms:.2f} ms; {one.many.asked} times"
    )


# ---------------------------------------------------------------- the command


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.nation", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--scale", type=float, default=1.0, help="of a nation (%(default)g)")
    parser.add_argument("--part", type=float, default=PART, help="of that, beside it (%(default)g)")
    parser.add_argument("--asked", type=int, default=ASKED, help="times each (%(default)d)")
    parser.add_argument(
        "--without", nargs="*", default=[], choices=[*OPERATIONS, VERIFY], metavar="NAME",
        help=f"what is not measured: {', '.join([*OPERATIONS, VERIFY])}",
    )  # fmt: skip
    parser.add_argument("--databases", type=Path, metavar="FOLDER", help="where they stay")
    parser.add_argument("--fill", action="store_true", help="fill --databases, and no more")
    parser.add_argument("--results", type=Path, default=FIGURES, help="(bench/nation.json)")
    parser.add_argument("--page", action="store_true", help="write docs/scale.md")
    options = parser.parse_args()
    if not 0 < options.scale <= MOST_SCALE:
        parser.error(f"--scale is above 0, and {MOST_SCALE:g} at the most")
    if not 0 < options.part < 1:
        parser.error("--part is between 0 and 1")
    if options.asked < LEAST_ASKED:
        parser.error(f"--asked is {LEAST_ASKED} at the least")
    if options.fill and options.databases is None:
        parser.error("--fill needs --databases: what is filled has to stay somewhere")
    try:
        return _run(options)
    except (CannotMeasure, OSError, psycopg.OperationalError) as problem:
        print(f"bench.nation: {problem}", file=sys.stderr)
        return CANNOT


def _run(options: argparse.Namespace) -> int:
    with ExitStack() as stack:
        stack.enter_context(servers.ended_by_signals())
        folder = options.databases
        if folder is None:
            # With a short name: it holds sockets.
            made = tempfile.TemporaryDirectory(prefix="allo-nation-", dir="/tmp")
            folder = Path(stack.enter_context(made))
        folder = folder.resolve()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = stack.enter_context(server(folder, kept=options.databases is not None))
        began = time.perf_counter()
        nations = filled(found, folder, options.scale, options.part, say)
        print(told_tables(nations))
        say(f"there after {time.perf_counter() - began:.0f} s")
        if options.fill:
            return 0
        facts: dict[str, object] = {**machine.facts(folder)}
        facts |= {
            name: value
            for name, value in servers.postgres_facts(nations[0].url).items()
            if name in {"server_version", "shared_buffers", "synchronous_commit"}
        }
        with machine.OthersWatch(folder).watching() as others:
            seen = measure(nations, folder, say, asked=options.asked, without=options.without)
    share = machine.others_share(others)
    void = machine.too_busy(share)
    facts |= {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": report.commit(),
        "scale": options.scale,
        "part": options.part,
        "others_share": round(share, 3),
        "void": void,
    }
    print(told(seen))
    write(nations, seen, facts, options.results, with_page=options.page and not void)
    if void:
        print(f"void: {void}")
    return VOID if void else 0


def say(sentence: str) -> None:
    """Tell how far it is: it takes minutes."""
    print(sentence, flush=True)


def told_tables(nations: Sequence[Nation]) -> str:
    """Return what each table became, of the larger database."""
    lines = ["| table | rows | seconds | with indexes | MiB | bytes a row |", f"|---{'|---:' * 5}|"]
    many = nations[0]
    for name, one in sorted(many.tables.items(), key=lambda item: -item[1].bytes):
        lines.append(
            f"| {name} | {one.rows:,} | {one.copied:.0f} | {one.copied + one.indexed:.0f}"
            f" | {one.bytes / 2**20:,.0f} | {one.bytes / max(one.rows, 1):.0f} |"
        )
    lines.append(f"| all | | | {many.seconds:.0f} | {many.bytes / 2**20:,.0f} | |")
    return "\n".join(lines)


def told(seen: Seen) -> str:
    """Return the figures as a table of the page."""
    lines = [
        (
            "| | p50 at a part, ms | p50, ms | ratio | p99 at a part, ms | p99, ms"
            " | processor at a part, ms | processor, ms |"
        ),
        f"|---{'|---:' * 7}|",
    ]
    for one in seen.operations.values():
        ratio = f"{one.growth:.2f}"
        if one.growth > GROWS:
            ratio = f"**{ratio}**"
        lines.append(
            f"| {one.what} | {one.few.p50_ms:.2f} | {one.many.p50_ms:.2f} | {ratio}"
            f" | {one.few.p99_ms:.2f} | {one.many.p99_ms:.2f}"
            f" | {one.few.processor_ms:.2f} | {one.many.processor_ms:.2f} |"
        )
    return "\n".join(lines)


def means(nations: Sequence[Nation], seen: Seen) -> str:
    """Return in words what stands beside the table."""
    many, few = nations
    rows = many.size.rows
    words = [
        (
            f"{rows['place']:,} places, {rows['booking']:,} bookings, {rows['message']:,} messages"
            f" and {rows['turn']:,} turns of {rows['call']:,} calls are"
            f" {many.bytes / GIB:.1f} GiB; the part beside it has {few.size.places:,} places and"
            f" {few.bytes / GIB:.2f} GiB."
        )
    ]
    if seen.published:
        whole = seen.published["many"]
        words.append(
            f"The first publication of the feed read {whole['slots']:,.0f} slots and wrote"
            f" {whole['files']:,.0f} files in {whole['seconds']:.0f} s."
        )
    if seen.verified:
        seconds = {name: sum(one.values()) for name, one in seen.verified.items()}
        slowest = sorted(seen.verified["many"].items(), key=lambda one: -one[1])[:3]
        words.append(
            f"The checks of `flask store verify` took {seconds['many']:.1f} s"
            f" ({seconds['few']:.2f} s at the part), the longest of them "
            + ", ".join(f"`{name}` {taken:.1f} s" for name, taken in slowest)
            + "."
        )
    return " ".join(words)


def write(
    nations: Sequence[Nation],
    seen: Seen,
    facts: Mapping[str, Any],
    results: Path,
    *,
    with_page: bool,
) -> None:
    """Write the figures; and the page's part, where it is asked for and they count."""
    tables = {
        which: {name: asdict(one) for name, one in nation.tables.items()}
        for which, nation in zip(NAMES, nations, strict=True)
    }
    figures = {**facts, "tables": tables, **asdict(seen)}
    results.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    if not with_page:
        return
    where = (
        f"Measured {facts['date']} at commit {facts['commit']}, on {facts['machine']}, PostgreSQL"
        f" {facts['server_version']}; the part is {100 * facts['part']:g} %."
    )
    page = PAGE.read_text("utf-8")
    words = f"{where} {means(nations, seen)}\n\n{told(seen)}"
    PAGE.write_text(report.with_figures(page, words, BEGINS, ENDS), "utf-8")


if __name__ == "__main__":
    logs.configure("ERROR")
    sys.exit(main())
