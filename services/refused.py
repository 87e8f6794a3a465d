"""How a use case says no to the operator who asked for it."""

from __future__ import annotations


class OperatorRefused(Exception):
    """One sentence: why nothing was done, and the remedy where there is one.

    A command ends with it on standard error (commands.terminal.Commands).
    """
