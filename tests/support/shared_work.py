"""What a process of a test run works out once, though every test makes a service of its own.

Nothing of it is a state: the same text gives the same function, and the same statement the same
SQL. In production a process has one application and one engine, and so does each once, too.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule

from config import Settings
from launcher.environment import inherited

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
    """SQLAlchemy's cache of compiled statements, for the dialects of all engines of one kind."""

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(key[1:])

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(key[1:], default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key[1:], value)


_statements: dict[str, _Statements] = {}


def share_statements(*engines: Engine) -> None:
    """Let these engines use what others of the same kind compiled."""
    for engine in engines:
        shared = _statements.setdefault(engine.dialect.name, _Statements(2000))
        engine.update_execution_options(compiled_cache=shared)
