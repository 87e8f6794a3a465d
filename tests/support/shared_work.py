"""Compile routes, statements and templates once per process, not once per test.

Every test makes its own application and engines. Their routes, statements and templates are the
same, and compiling them costs a tenth of a test or more for each of the three.
"""

from __future__ import annotations

from types import CodeType
from typing import Any

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy import Engine
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule

# What Werkzeug reads from a rule's text and writes to build its addresses.
_OF_A_RULE = ("_parts", "_trace", "_converters", "arguments", "_build", "_build_unknown")


def share_rules() -> None:
    """Let rules of the same text share what Werkzeug compiles of them."""
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
