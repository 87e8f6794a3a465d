"""Telephones over SIP are tested where the extra is installed.

Without it these tests are left out, for they could not even be read; `tests.support.checks` says
so. In CI that is an error, unless TEST_SIP=off.
"""

from __future__ import annotations

from pathlib import Path

from tests.support import parts

# What an operator writes is checked by the launcher, too, which needs nothing of the extra.
NEEDS_NOTHING = {"test_settings.py"}

collect_ignore: list[str] = []
if parts.lacking(parts.SIP) and parts.may_be_missing(parts.SIP):
    collect_ignore += [
        file.name
        for file in Path(__file__).parent.glob("test_*.py")
        if file.name not in NEEDS_NOTHING
    ]
