"""One test for many cases that are looked up when it runs.

A parametrised test has its cases before the first test of the run, in each process of it, and some
milliseconds of bookkeeping for each: too much where ten thousand sentences have one look each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

# So many failures are told in full; of the others, their names.
TOLD = 5


def each(cases: Callable[[], Iterable[Any]]) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Let the test be called with every case (a tuple is several arguments), whichever fail.

    It fails with the names of all cases that did, and where there is not one case.
    """

    def decorated(test: Callable[..., None]) -> Callable[[], None]:
        def for_all() -> None:
            failed: dict[str, Exception] = {}
            count = skipped = 0
            for case in cases():
                count += 1
                arguments = case if isinstance(case, tuple) else (case,)
                try:
                    test(*arguments)
                except pytest.skip.Exception:
                    skipped += 1
                except Exception as error:  # noqa: BLE001 (told below, with its case)
                    failed[", ".join(str(argument) for argument in arguments)] = error
            assert count, "there is no case to look at"
            assert skipped < count, "every case was left out"
            if failed:
                raise AssertionError(told(failed, count)) from next(iter(failed.values()))

        # Not functools.wraps: pytest would look for fixtures of the wrapped function's names.
        for_all.__name__ = test.__name__
        for_all.__qualname__ = test.__qualname__
        for_all.__module__ = test.__module__
        for_all.__doc__ = test.__doc__
        return for_all

    return decorated


def told(failed: dict[str, Exception], count: int) -> str:
    lines = [f"{len(failed)} of {count} cases failed"]
    for number, (name, error) in enumerate(failed.items()):
        why = f": {type(error).__name__}: {error}" if number < TOLD else ""
        lines.append(f"- {name}{why}")
    return "\n".join(lines)
