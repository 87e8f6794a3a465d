"""`python -m bench`: measure, write bench/results.json and docs/performance.md, compare."""

from __future__ import annotations

import argparse
import functools
import sys
import time

import config

from bench import load, machine, measure, parts, report, servers
from bench.servers import CannotMeasure
from bench.traffic import Astray

# Rounds, and seconds of each run in them.
FULL, SOME, QUICK = (5, 3), (5, 3), (1, 3)
MISSED, CANNOT = 1, 2


def main() -> int:
    """Return 0 when every bar is reached, 1 when not or when a part is void, 2 for no result."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        help=f"these alone, written to var/bench, and no page; of: {', '.join(parts.PARTS)}",
    )
    parser.add_argument("--quick", action="store_true", help="one short round, to var/bench")
    options = parser.parse_args()
    wanted = frozenset(options.parts)
    for unknown in sorted(wanted - parts.ALL):
        parser.error(f"there is no part {unknown}")
    try:
        servers.end_by_signals()
        rounds, seconds = QUICK if options.quick else SOME if wanted else FULL
        plan = measure.MeasurePlan(rounds, seconds, wanted or parts.ALL)
        return run(plan, quick=options.quick)
    except KeyboardInterrupt:
        return 130
    except (CannotMeasure, Astray, OSError) as problem:
        print(f"make bench: {problem}", file=sys.stderr)
        return CANNOT


def run(plan: measure.MeasurePlan, *, quick: bool) -> int:
    """Measure the parts of the plan. Raises CannotMeasure or Astray."""
    machine.mark_own()
    load.find_wrk()
    began = time.monotonic()
    say = functools.partial(print, flush=True)
    seen = measure.Measurement()
    into = config.VAR / "bench"
    with servers.workshop() as folder, servers.redis(folder) as redis_url:
        facts = machine.facts(folder)
        runs = parts.PartRuns(plan.parts, say)
        measure.measure(folder, redis_url, plan, runs, seen)
    results = report.flatten(seen, plan, facts, time.monotonic() - began, runs.ran)
    if report.counts(results) and not quick:
        page = config.ROOT / "docs" / "performance.md"
        report.write(results, config.ROOT / "bench" / "results.json", page)
    else:
        is_whole = results["parts"] == "all"
        report.write(results, into / "results.json", into / "performance.md" if is_whole else None)
        say(f"written to {into}")
    say(report.table(results))
    missed = report.missed(results)
    say("\n".join(missed))
    return MISSED if missed else 0


if __name__ == "__main__":
    sys.exit(main())
