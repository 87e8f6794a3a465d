"""`python -m bench`: measure, write bench/results.json and docs/performance.md, compare."""

from __future__ import annotations

import argparse
import functools
import sys
import time

from collections.abc import Sequence

import config

from bench import load, measure, profile, report, rush, servers, sip, understand
from bench.servers import KINDS
from bench.traffic import Astray

# Rounds, and seconds of each run in them.
FULL, SOME, QUICK = (3, 5), (3, 4), (1, 3)
MISSED, CANNOT = 1, 2


def main() -> int:
    """Return 0 when every bar is reached, 1 when not or when a run is void, 2 for no result."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        help="these alone, written to var/bench, and no page; `profile` tells where the time of a"
        f" webhook goes; else of: {', '.join(sorted(measure.PARTS))}",
    )
    parser.add_argument("--on", choices=KINDS, help="on this database alone")
    parser.add_argument(
        "--quick", action="store_true", help="one short round, written to var/bench instead"
    )
    options = parser.parse_args()
    parts = frozenset(options.parts)
    if unknown := parts - measure.PARTS - {"profile"}:
        parser.error(f"there is no part {' or '.join(sorted(unknown))}")
    try:
        with servers.ended_by_signals():
            if "profile" in parts:
                profile.run()
                return 0
            rounds, seconds = QUICK if options.quick else SOME if parts else FULL
            plan = measure.MeasurePlan(rounds, seconds, parts or measure.PARTS)
            return run(plan, (options.on,) if options.on else KINDS, quick=options.quick)
    except (servers.CannotMeasure, Astray) as problem:
        print(f"make bench: {problem}", file=sys.stderr)
        return CANNOT
    except KeyboardInterrupt:
        return 130


def run(plan: measure.MeasurePlan, kinds: Sequence[str], *, quick: bool) -> int:
    """Measure the parts of the plan. Raises CannotMeasure or Astray."""
    load.find_wrk()
    began = time.monotonic()
    say = functools.partial(print, flush=True)
    outcomes = {kind: measure.Measurement() for kind in KINDS}
    with servers.workshop() as folder, servers.redis(folder) as redis_url:
        machine = report.machine(folder)
        for kind in kinds:
            outcomes[kind] = measure.measure(kind, folder, redis_url, plan, say)
        more = measure.Measurement()
        parts = measure.PartTimes(plan.parts, say)
        seconds = rush.SHORT if quick else rush.COMES
        parts.run("rush", "", more, lambda: rush.measure(folder, redis_url, say, seconds=seconds))
        parts.run("telephones", "", more, lambda: sip.measure(folder, say))
        parts.run("understanding", "", more, understand.measure)
    results = report.flatten(outcomes, plan, machine, time.monotonic() - began, more)
    is_whole = plan.parts == measure.PARTS and tuple(kinds) == KINDS
    into = config.VAR / "bench"
    if is_whole and not quick:
        report.write(
            results,
            config.ROOT / "bench" / "results.json",
            config.ROOT / "docs" / "performance.md",
        )
    else:
        report.write(results, into / "results.json", into / "performance.md" if is_whole else None)
    say(report.summary(results))
    missed = report.missed(results)
    for sentence in missed:
        say(f"MISSED: {sentence}")
    return MISSED if missed else 0


if __name__ == "__main__":
    sys.exit(main())
