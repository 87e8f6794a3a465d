"""What a process of a test run works out once, though every test makes a service of its own.

Nothing of it is a state: the same text gives the same function, and the same statement the same
SQL. In production a process has one application and one engine, and so does each once, too.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from types import CodeType
from typing import Any
from weakref import WeakSet

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy import Engine
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule

from config import Settings
from jobs import feeds
from models.clock import FixedClock
from tools.launcher.environment import inherited

# What Werkzeug reads from a rule's text and writes to build its addresses.
_OF_A_RULE = ("_parts", "_trace", "_converters", "arguments", "_build", "_build_unknown")


def share_rules() -> None:
    """Let rules of the same text share what Werkzeug makes of it.

    It does so for each rule of each application: two thirds of what a House costs.
    """
    for_one_rule = Rule.compile
    made: dict[object, dict[str, Any]] = {}

    def shared(rule: Rule) -> None:
        if rule.defaults or rule.host or rule.subdomain:
            for_one_rule(rule)
            return
        key = (rule.rule, rule.merge_slashes)
        if key in made:
            rule.__dict__.update(made[key])
            # These are functions of the rule they are asked for.
            for name in ("_build", "_build_unknown"):
                setattr(rule, name, made[key][name].__func__.__get__(rule))
        else:
            for_one_rule(rule)
            made[key] = {name: getattr(rule, name) for name in _OF_A_RULE}

    Rule.compile = shared  # type: ignore[assignment, method-assign]


_settings: dict[object, Settings] = {}


def settings(database_url: str, **given: Any) -> Settings:
    """The settings of a test's service; what the environment says is read once as it is."""
    environment = inherited()
    names = [name.upper() for name in Settings.model_fields]
    key = (frozenset(given.items()), *(environment.get(name) for name in names))
    if key not in _settings:
        _settings[key] = Settings(
            _env_file=None,  # type: ignore[call-arg]
            database_url=database_url,
            **given,
        )
    own = _settings[key].model_copy(update={"database_url": database_url})
    own.traces_anchor_file = own._anchor_file()
    return own


class _Statements(LRUCache[Any, Any]):
    """SQLAlchemy's cache of compiled statements, for the dialects of all engines."""

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(key[1:])

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(key[1:], default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key[1:], value)


_statements = _Statements(2000)


def share_statements(*engines: Engine) -> None:
    """Let these engines use what others compiled."""
    for engine in engines:
        engine.update_execution_options(compiled_cache=_statements)


class _Templates(BytecodeCache):
    """The templates of all applications, compiled; Jinja looks whether the text is still the same.

    Their filters are functions of what they are given, so the code is the same for each of them.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._made.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code
        self._made[bucket.key, bucket.checksum] = bucket.code


def share_templates() -> None:
    """Let each application use what Jinja compiled for another."""
    Flask.jinja_options = {"bytecode_cache": _Templates()}


def share_towns() -> None:
    """Read the table of the country's towns once: an import of centres asks for it each time."""
    feeds.towns_by_letters = lru_cache(feeds.towns_by_letters)


def share_what_a_server_said() -> None:
    """Let engines on one database of PostgreSQL learn once what each would ask it five times.

    Its version, its settings, its types; in production a process has two engines.
    """
    ask: Any = PGDialect_psycopg.initialize
    learnt: dict[object, dict[str, Any]] = {}

    def initialize(dialect: Any, connection: Any) -> None:
        driver, known = connection.connection.driver_connection, dialect.__dict__
        info = driver.info
        key = (info.host, info.port, info.dbname, info.user, info.options, driver.autocommit)
        if key in learnt:
            known.update(learnt[key])
            return
        before = known.copy()
        ask(dialect, connection)
        if dialect._has_native_hstore:  # Each has to be told of that type itself.
            return
        learnt[key] = {
            name: value
            for name, value in known.items()
            if isinstance(value, bool | int | str | tuple | None) and before.get(name) != value
        }

    PGDialect_psycopg.initialize = initialize  # type: ignore[method-assign]


class _Clocks:
    """Clocks that one test gave back and the next one takes.

    A statement that asks a clock is made and compiled once for this clock; in production a process
    has one. Within a test no clock is taken again, whoever still looks at it.
    """

    def __init__(self) -> None:
        self._ours = WeakSet[FixedClock]()
        self._ready: list[FixedClock] = []
        self._given_back: list[FixedClock] = []

    def take(self, moment: datetime) -> FixedClock:
        """One that stands at `moment` and has nothing of another test."""
        clock = self._ready.pop() if self._ready else FixedClock(moment)
        # A test may have put words of its own into it.
        clock.__dict__.clear()
        clock.moment = moment
        self._ours.add(clock)
        return clock

    def give_back(self, clock: object) -> None:
        """Nobody of this test needs it any more. Does nothing with a clock from elsewhere."""
        if isinstance(clock, FixedClock) and clock in self._ours:
            self._ours.discard(clock)
            self._given_back.append(clock)

    def next_test(self) -> None:
        """What was given back may be taken from now on."""
        self._ready += self._given_back
        self._given_back.clear()


clocks = _Clocks()
