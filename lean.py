"""Libraries that others take where they find them, and that no process of ours makes use of.

Megabytes in each web worker: so whoever is imported first imports this before all else.
"""

from __future__ import annotations

import sys

# What structlog would show tracebacks with, to whoever looks at a terminal; and what redis would
# measure itself with, where the extra for traces is installed; and what edits lines at a terminal,
# which the client for tests in flask_login brings along, by way of a debugger.
_UNUSED = ("rich", "opentelemetry", "readline")
_hidden = [name for name in _UNUSED if name not in sys.modules]
for _name in _hidden:
    # As if it were not there. (Python's own way to say so.)
    sys.modules[_name] = None  # type: ignore[assignment]
try:
    # They look for it now, and never again.
    import rlcompleter  # noqa: F401

    import redis  # noqa: F401
    import structlog  # noqa: F401
finally:
    for _name in _hidden:
        del sys.modules[_name]
