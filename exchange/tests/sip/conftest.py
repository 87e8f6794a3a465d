"""Telephones over SIP are tested where the extra is installed; see `tests/sip/conftest.py`."""

from __future__ import annotations

from pathlib import Path

from tests.support import parts

# What an operator writes is checked by the launcher, too, which needs nothing of the extra.
collect_ignore = parts.unreadable(Path(__file__).parent, but={"test_settings.py"})
