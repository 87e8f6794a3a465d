"""Writes `.env.example` from config/settings.py: each setting with the comment above it there.

    python -m tests.docs.env_example

`tests/docs/test_env_example.py` says whether the file is up to date.
"""

from __future__ import annotations

import ast
import re

from dataclasses import dataclass
from pathlib import Path

import config

from tests.support.keeper import ROOT

FILE = ROOT / ".env.example"
# What config/production.py asks for, with a value to begin from. None of these
# is safe to guess, so that their lines are comments.
ALSO_REQUIRED = {
    "proxy_hops": "1",
    "sms_parts_per_day": "20000",
    "security_contact": "mailto:security@example.org",
}
REQUIRED = (*config.settings._REQUIRED_IN_PRODUCTION, *ALSO_REQUIRED)
# Of a developer's machine alone.
NOT_HERE = {"environment", "simulator_port"}
# Read by the lines that start the server, and not by the service.
OF_THE_SERVER = (
    ("Processes that answer; two suit two cores.", "WEB_WORKERS", "2"),
    ("Heaps of memory that a process may have.", "MALLOC_ARENA_MAX", "2"),
)
HEAD = """\
# Settings of an installation in production; docs/operations.md says more of each.
# Written from config/settings.py by `python -m tests.docs.env_example`: change it there.
#
# Copy it to /etc/allo/allo.env (systemd), deploy/allo.env (compose) or .env beside the code,
# readable by nobody else (chmod 600), and try it: python -c "import config; config.load()"
# A secret of ours is made by: head -c 32 /dev/urandom | base64
"""


@dataclass(frozen=True)
class Setting:
    name: str
    comment: tuple[str, ...]
    default: str


def settings() -> list[Setting]:
    """Every setting in the order of the class; without a comment it has that of the one before."""
    source = Path(config.settings.__file__).read_text("utf-8")
    lines = source.splitlines()
    tree = ast.parse(source)
    (settings_class,) = (
        one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == "Settings"
    )
    found: list[Setting] = []
    comment: tuple[str, ...] = ()
    for node in settings_class.body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        comment = _comment_above(lines, node.lineno) or comment
        name = node.target.id
        default = config.Settings.model_fields[name].get_default()
        found.append(Setting(name, comment, _written(default)))
    return found


def _comment_above(lines: list[str], line: int) -> tuple[str, ...]:
    above: list[str] = []
    while (text := lines[line - 2].strip()).startswith("#"):
        above.insert(0, text.removeprefix("#").strip())
        line -= 1
    return tuple(above)


def _written(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    return re.sub(r"\.0$", "", str(value))


def text() -> str:
    """The whole file."""
    by_name = {one.name: one for one in settings()}
    parts = [HEAD, "\n# ---------------- Required\n\nENVIRONMENT=production\n"]
    parts += _entries([by_name[name] for name in REQUIRED])
    parts.append("\n# ---------------- As it is, unless you say otherwise\n")
    parts += _entries(
        [one for name, one in by_name.items() if name not in NOT_HERE and name not in REQUIRED]
    )
    parts.append("\n# ---------------- Of the server that the lines of Procfile start\n")
    parts += [f"\n# {comment}\n#{name}={value}\n" for comment, name, value in OF_THE_SERVER]
    return "".join(parts)


def _entries(wanted: list[Setting]) -> list[str]:
    """Lines of settings; several in a row that share a comment have it once."""
    lines: list[str] = []
    before: tuple[str, ...] = ()
    for one in wanted:
        if one.comment != before:
            lines += ["\n", *(f"# {line}\n" for line in one.comment)]
        before = one.comment
        if one.name in REQUIRED and one.name not in ALSO_REQUIRED:
            lines.append(f"{one.name.upper()}=\n")
        else:
            value = ALSO_REQUIRED.get(one.name, one.default)
            lines.append(f"#{one.name.upper()}={value}\n")
    return lines


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
