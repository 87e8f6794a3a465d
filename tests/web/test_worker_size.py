"""What a web worker does not carry, for there are several of them."""

from __future__ import annotations

import subprocess
import sys

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

import pytest

from flows.understanding.vocabulary import Phrases
from services.vocabulary import vocabulary
from tests.support.keeper import ROOT
from tests.support.postgres import NOWHERE

pytestmark = pytest.mark.slow

# What Python has taken (MiB) in a worker that has answered nothing yet, by Python's own account of
# its memory: the same to a few kilobytes on each run. Resident it is 37 MiB more, and megabytes off
# from machine to machine, for the pages of shared libraries count in it. After a busy day a worker
# may have 150 resident, of which 28 or so come with the answers: compiled templates and statements,
# connections, threads.
MOST_AT_THE_START = 91
# Brought along by libraries, or for what few requests do: imported where it is used.
# The provider's REST client alone costs a worker more memory than all the rest of the service.
NEVER = (
    *("rich", "pygments", "requests", "icalendar", "pandas", "fhir", "PIL"),
    *("twilio.rest", "twilio.http"),
    # Traces are off unless an operator names a collector.
    *("opentelemetry", "google.protobuf", "app.tracing"),
)
# Of commands, of the processes beside the web, and of migrations.
ELSEWHERE = (
    "alembic",
    "mako",
    "partners",
    "commands.slots",
    "jobs.worker",
    "flows.verification.walking",
)
PROGRAM = f"""
import sys
# Tools for development bring them along, and libraries take them where they find them; the
# service's own lock has neither.
sys.modules["rich"] = sys.modules["opentelemetry"] = None
import tracemalloc
from app.web import create_app
app = create_app()
# 0 unless each allocation is traced.
print(tracemalloc.get_traced_memory()[0] // 2**20)
tracemalloc.stop()
assert app.test_client().get("/healthz").status_code == 200
assert app.test_client().post("/voice/incoming").status_code == 403
print([one for one in {NEVER} if sys.modules.get(one)])
print([one for one in {ELSEWHERE} if sys.modules.get(one)])
print(sorted(app.cli.list_commands(None))[:2])
print([one for one in {ELSEWHERE} if sys.modules.get(one)])
"""


@pytest.mark.parametrize(
    "traced",
    [pytest.param("0", id="modules"), pytest.param("1", id="size", marks=pytest.mark.long)],
)
def test_a_worker_loads_what_it_answers_with_and_commands_when_somebody_asks_for_one(traced: str):
    """To trace each allocation takes three times as long; what is loaded shows without it."""
    done = subprocess.run(  # noqa: S603 (our own words)
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={
            "DATABASE_URL": NOWHERE,
            "PATH": "/usr/bin:/bin",
            "PYTHONTRACEMALLOC": traced,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # A refused webhook is logged, too.
    size, *told = [line for line in done.stdout.splitlines() if not line.startswith("{")]
    assert told == ["[]", "[]", "['assets', 'backup']", str(list(ELSEWHERE))]
    assert traced == "0" or 40 < int(size) <= MOST_AT_THE_START


def test_a_word_of_many_phrases_is_there_once():
    """Fifteen thousand phrases of a few hundred words: four megabytes if each had its own."""
    for language in ("fr", "en"):
        phrases = [phrase for one in phrases_of(vocabulary(language)) for phrase in one]
        words = [word for phrase in phrases for word in phrase]
        assert len({id(word) for word in words}) == len(set(words)) < len(words) / 20


def phrases_of(known: object) -> Iterator[Phrases]:
    """Every set of phrases that a vocabulary has, however deep."""
    if isinstance(known, frozenset) and all(isinstance(one, tuple) for one in known):
        yield known
    elif isinstance(known, Mapping):
        for one in known.values():
            yield from phrases_of(one)
    elif is_dataclass(known):
        for field in fields(known):
            yield from phrases_of(getattr(known, field.name))
