"""Libraries that others take where they find them, and that no process of ours makes use of.

Four megabytes in each web worker: so whoever is imported first imports this before all else.
"""

from __future__ import annotations

import sys

# What structlog would show tracebacks with, to whoever looks at a terminal.
_UNUSED = ("rich",)
_hidden = [name for name in _UNUSED if name not in sys.modules]
for _name in _hidden:
    # As if it were not there. (Python's own way to say so.)
    sys.modules[_name] = None  # type: ignore[assignment]
try:
    import structlog  # noqa: F401 (looks for it now, and never again)
finally:
    for _name in _hidden:
        del sys.modules[_name]
