"""Telephones over SIP are tested where the extra is installed.

Without it their tests could not even be read. They are left out then, but where CI=true: there a
missing part is a failure, unless TEST_SIP=off takes it away.
"""

from __future__ import annotations

import os

from pathlib import Path

from exchange.sip import extra

_off = os.environ.get("TEST_SIP", "").lower() == "off"  # noqa: TID251
_in_ci = os.environ.get("CI", "").lower() in {"true", "1"}  # noqa: TID251
# What an operator writes is checked by the launcher, too, which needs nothing of the extra.
_needs_nothing = {"test_settings.py"}
collect_ignore = (
    [
        file.name
        for file in Path(__file__).parent.glob("test_*.py")
        if file.name not in _needs_nothing
    ]
    if _off or not (extra.is_installed() or _in_ci)
    else []
)
