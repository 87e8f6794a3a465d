"""`python -m bench`: measure, write bench/results.json and docs/performance.md, compare."""

from __future__ import annotations

import argparse
import functools
import sys
import time

from collections.abc import Sequence

import config

from bench import (
    history,
    load,
    machine,
    measure,
    parts,
    profile,
    report,
    rush,
    servers,
    sip,
    understand,
)
from bench.servers import KINDS

# Rounds, and seconds of each run in them.
FULL, SOME, QUICK = (3, 3), (3, 4), (1, 3)
MISSED, CANNOT = 1, 2


def main() -> int:
    """Return 0 when every bar is reached, 1 when not or when a part is void, 2 for no result."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    groups = ", ".join(f"{name} ({' '.join(these)})" for name, these in parts.GROUPS.items())
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        help="these alone, written to var/bench, and no page; `profile` tells where the time of a"
        f" webhook goes; else of: {', '.join(sorted(parts.PARTS))}; for several: {groups}",
    )
    parser.add_argument("--on", choices=KINDS, help="on this database alone")
    parser.add_argument(
        "--quick", action="store_true", help="one short round, written to var/bench instead"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=parts.WHOLE_SECONDS / 60,
        help="after which no further part begins (default: %(default)g)",
    )
    options = parser.parse_args()
    try:
        wanted = parts.named(set(options.parts) - {"profile"})
    except KeyError as unknown:
        parser.error(f"there is no part {unknown.args[0]}")
    failures = config.VAR / "bench" / "failures.txt"
    try:
        with servers.ended_by_signals():
            if "profile" in options.parts:
                profile.run()
                return 0
            rounds, seconds = QUICK if options.quick else SOME if wanted else FULL
            plan = measure.MeasurePlan(rounds, seconds, wanted or parts.ALL)
            kinds = (options.on,) if options.on else KINDS
            return run(plan, kinds, quick=options.quick, minutes=options.minutes)
    except KeyboardInterrupt:
        return 130
    except Exception as problem:  # noqa: BLE001 - whoever measures reads a sentence, not a trace
        told = parts.PartRuns(parts.ALL, print, failures=failures).told("bench", problem)
        print(f"make bench: {told}", file=sys.stderr)
        return CANNOT


def run(plan: measure.MeasurePlan, kinds: Sequence[str], *, quick: bool, minutes: float) -> int:
    """Measure the parts of the plan. Raises CannotMeasure or Astray."""
    load.find_wrk()
    began = time.monotonic()
    say = functools.partial(print, flush=True)
    outcomes = {kind: measure.Measurement() for kind in (*KINDS, "")}
    with servers.workshop() as folder, servers.redis(folder) as redis_url:
        watch = machine.OthersWatch(folder).watching
        with watch() as before:
            facts = machine.facts(folder)
        if busy := machine.too_busy(machine.others_share(before)):
            say(f"{busy}: what is measured now counts for nothing")
        runs = parts.PartRuns(
            plan.parts,
            say,
            until=began + minutes * 60,
            watch=watch,
            failures=config.VAR / "bench" / "failures.txt",
            still_to_come=parts.planned(plan.parts, len(kinds)),
        )
        there: list[measure.OnDatabase] = []
        for kind in kinds:
            # Whatever cannot be prepared leaves the other database and the parts of none.
            with runs.together(*measure.of_database(kind)):
                house = measure.database(kind, folder, redis_url, outcomes[kind])
                there.append(measure.OnDatabase(house, plan, runs, outcomes[kind]))
        more = outcomes[""].figures
        drawn = folder / "rush.svg"
        seconds = rush.SHORT if quick else rush.COMES
        comes = functools.partial(rush.measure, folder, redis_url, say, picture=drawn)
        # What has a bar comes first, and of that what says most of the service.
        for one in there:
            one.at_centres()
        more |= runs.run("rush", "", lambda: comes(seconds=seconds))
        for one in there:
            one.beside()
        more |= runs.run("telephones", "", lambda: sip.measure(folder, say))
        more |= runs.run("understanding", "", understand.measure)
        for one in there:
            one.at_the_end()
        rush_svg = drawn.read_text("utf-8") if drawn.exists() else ""
    results = report.flatten(outcomes, plan, facts, time.monotonic() - began, runs.ran)
    results["parts"] = results["parts"] if tuple(kinds) == KINDS else f"on {kinds[0]}"
    into = config.VAR / "bench"
    if report.counts(results) and not quick:
        history.keep(results)
        history.write()
        if rush_svg:
            (config.ROOT / "docs" / "pictures" / "rush.svg").write_text(rush_svg, "utf-8")
        report.write(
            results,
            config.ROOT / "bench" / "results.json",
            config.ROOT / "docs" / "performance.md",
        )
    else:
        is_whole = results["parts"] == "all"
        report.write(results, into / "results.json", into / "performance.md" if is_whole else None)
        say(f"written to {into}")
    say(report.summary(results))
    missed = report.missed(results)
    for sentence in missed:
        say(sentence if sentence.startswith("void: ") else f"MISSED: {sentence}")
    return MISSED if missed else 0


if __name__ == "__main__":
    sys.exit(main())
