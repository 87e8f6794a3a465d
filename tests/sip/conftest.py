"""Telephones over SIP are tested where the extra is installed.

Elsewhere these tests are left out, and `tests.support.checks` says so. In CI that is an error,
unless TEST_SIP=off.
"""

from __future__ import annotations

from pathlib import Path

from tests.support import parts

collect_ignore = parts.unreadable(Path(__file__).parent)
