"""What a process of a test run works out once, though every test makes a service of its own.

Nothing of it is a state: the same text gives the same function, and the same statement the same
SQL. In production a process has one application and one engine, and so does each once, too.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule


def share_url_builders() -> None:
    """Let rules of the same text share what Werkzeug writes and compiles to build their addresses.

    It does so for each rule of each application: two thirds of what a House costs.
    """
    for_one_rule = Rule._compile_builder
    made: dict[object, Any] = {}

    def shared(rule: Rule, append_unknown: bool = True) -> Any:  # noqa: FBT001, FBT002 (as there)
        # Converters are looked up in the rule itself when the function runs; defaults are not.
        if rule.defaults:
            return for_one_rule(rule, append_unknown)
        key = (rule.rule, tuple(rule._trace), append_unknown)
        if key not in made:
            made[key] = for_one_rule(rule, append_unknown)
        return made[key]

    Rule._compile_builder = shared  # type: ignore[assignment, method-assign]


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
