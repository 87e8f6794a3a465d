"""What the process that counts has counted so far, in the store: the next one goes on from there.

One row of snapshots, written every few seconds: up to when is counted, the quarters that are not
kept as tallies yet, and what is shown of the last hour. Nothing of a caller is in it.
"""

from __future__ import annotations

import json

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from models.clock import Clock
from models.database import Connection
from models.supervision import snapshots
from services.supervision.counts import Counts

NAME: Final = "counts"
# Of what was put right; more are only counted.
_MOST_TOLD = 20


@dataclass(frozen=True)
class Correction:
    """A quarter whose tallies were not what the rows say: when that was found (UTC), and how much.

    `stored` and `counted`: turns of calls, by the tallies that were stored and by the rows.
    """

    quarter: datetime
    found_at: datetime
    stored: int
    counted: int


@dataclass(frozen=True)
class KeptCounts:
    """`cut`: all before it is counted. `errors` are those of the day that began at `day`. UTC."""

    cut: datetime
    day: datetime
    quarters: Mapping[datetime, Counts] = field(default_factory=dict)
    minutes: Mapping[datetime, Counts] = field(default_factory=dict)
    errors: Mapping[tuple[str, int], int] = field(default_factory=dict)
    corrections: Sequence[Correction] = ()


def write(connection: Connection, clock: Clock, kept: KeptCounts) -> None:
    """Keep it in place of what was kept before. In the caller's transaction."""
    body = {
        "cut": kept.cut.isoformat(),
        "day": kept.day.isoformat(),
        "quarters": _rows(kept.quarters),
        "minutes": _rows(kept.minutes),
        "errors": [[about, error, many] for (about, error), many in sorted(kept.errors.items())],
        "corrections": [
            [
                correction.quarter.isoformat(),
                correction.found_at.isoformat(),
                correction.stored,
                correction.counted,
            ]
            for correction in kept.corrections[-_MOST_TOLD:]
        ],
    }
    snapshots.put(connection, clock, NAME, body)


def read(connection: Connection) -> KeptCounts | None:
    """What was kept last; None where there is none, or what this version cannot read."""
    found = snapshots.get(connection, NAME)
    if found is None or found.body is None:
        return None
    try:
        body: dict[str, Any] = json.loads(found.body)
        return KeptCounts(
            datetime.fromisoformat(body["cut"]),
            datetime.fromisoformat(body["day"]),
            _counts(body["quarters"]),
            _counts(body["minutes"]),
            {(about, error): many for about, error, many in body["errors"]},
            [Correction(_moment(row[0]), _moment(row[1]), *row[2:]) for row in body["corrections"]],
        )
    except (KeyError, TypeError, ValueError):
        return None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _rows(by_moment: Mapping[datetime, Counts]) -> dict[str, list[list[Any]]]:
    return {
        at.isoformat(): [[name, label, value] for (name, label), value in sorted(counts.items())]
        for at, counts in sorted(by_moment.items())
    }


def _counts(rows: Mapping[str, Sequence[Sequence[Any]]]) -> dict[datetime, Counts]:
    return {
        _moment(at): Counter({(name, label): value for name, label, value in some})
        for at, some in rows.items()
    }
