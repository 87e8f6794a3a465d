"""`python -m bench`: measure, write bench/results.json and docs/performance.md, compare."""

from __future__ import annotations

import argparse
import functools
import sys
import time

import config

from bench import load, measure, profile, report, rush, servers, sip, understand
from bench.traffic import Astray

FULL = measure.MeasurePlan(rounds=3, seconds=5)
QUICK = measure.MeasurePlan(rounds=1, seconds=3)
MISSED, CANNOT = 1, 2


def main() -> int:
    """Return 0 when every bar is reached, 1 when not or when a run is void, 2 for no result."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["measure", "profile"], default="measure")
    parser.add_argument(
        "--quick", action="store_true", help="one short round, written to var/bench instead"
    )
    options = parser.parse_args()
    try:
        with servers.ended_by_signals():
            if options.what == "profile":
                profile.run()
                return 0
            return run(quick=options.quick)
    except (servers.CannotMeasure, Astray) as problem:
        print(f"make bench: {problem}", file=sys.stderr)
        return CANNOT
    except KeyboardInterrupt:
        return 130


def run(*, quick: bool) -> int:
    """Measure both databases. Raises CannotMeasure or Astray."""
    load.find_wrk()
    plan = QUICK if quick else FULL
    began = time.monotonic()
    say = functools.partial(print, flush=True)
    with servers.workshop() as folder, servers.redis(folder) as redis_url:
        machine = report.machine(folder)
        outcomes = {
            kind: measure.measure(kind, folder, redis_url, plan, say)
            for kind in (servers.POSTGRES, servers.SQLITE)
        }
        with measure.PartTimes(say).part("rush"):
            rushed, void = rush.measure(
                folder, redis_url, say, seconds=rush.SHORT if quick else rush.COMES
            )
        outcomes[servers.POSTGRES].store |= rushed
        outcomes[servers.POSTGRES].void += void
        with measure.PartTimes(say).part("telephones"):
            telephones, void = sip.measure(folder, say)
        outcomes[servers.POSTGRES].store |= telephones
        outcomes[servers.POSTGRES].void += void
    said = {"understand_p99_ms": understand.p99_ms()}
    say(f"one sentence understood: p99 {said['understand_p99_ms']:.2f} ms")
    results = report.flatten(outcomes, plan, machine, time.monotonic() - began, said)
    into = config.VAR / "bench" if quick else None
    report.write(
        results,
        (into or config.ROOT / "bench") / "results.json",
        (into or config.ROOT / "docs") / "performance.md",
    )
    say(report.summary(results))
    missed = report.missed(results)
    for sentence in missed:
        say(f"MISSED: {sentence}")
    return MISSED if missed else 0


if __name__ == "__main__":
    sys.exit(main())
