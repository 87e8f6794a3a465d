"""Run one test for many cases that are looked up when it runs.

A parametrised test has its cases before the first test of the run, in each process of it, and some
milliseconds of bookkeeping for each: too much where ten thousand sentences have one look each.
"""

from __future__ import annotations

import functools

from collections.abc import Callable, Iterable
from typing import Any

# Cases that are told of one test.
MOST_TOLD = 20


def each(cases: Callable[[], Iterable[Any]]) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Call the test with every case (a tuple is several arguments), whichever fail.

    It fails with all cases that did, and if there is no case.
    """

    def decorated(test: Callable[..., None]) -> Callable[[], None]:
        @functools.wraps(test)
        def for_all() -> None:
            failed: list[Exception] = []
            count = 0
            for count, case in enumerate(cases(), 1):  # noqa: B007 (it is told below)
                try:
                    test(*case) if isinstance(case, tuple) else test(case)
                except Exception as error:  # noqa: BLE001 (told below, with its case)
                    error.add_note(f"case: {case}")
                    failed.append(error)
            assert count, "there is no case to look at"
            if failed:
                raise ExceptionGroup(f"{len(failed)} of {count} cases failed", failed[:MOST_TOLD])

        # pytest would look for fixtures of its names.
        del for_all.__wrapped__
        return for_all

    return decorated
