"""Spans of requests, statements and jobs, where an operator has them sent to a collector.

Off by default: then a span is nothing, and no library for it is loaded. A span has names of ours
and a call's id. No number, no word that was said, no value of a statement and no address of a page
is in one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Final, Protocol

Attributes = Mapping[str, str | int]


class Tracer(Protocol):
    """What makes spans; the composition root has the real one."""

    def span(self, name: str, attributes: Attributes) -> AbstractContextManager[None]: ...

    def add(self, attributes: Attributes) -> None:
        """Say more of the span that is open."""
        ...


CALL: Final = "call.id"
_NOTHING: Final = nullcontext()
_tracer: list[Tracer] = []
_call: ContextVar[str] = ContextVar("call", default="")


def begin(tracer: Tracer) -> None:
    """Trace from now on, in this process. The composition root's word."""
    _tracer[:] = [tracer]


def end() -> None:
    """Trace no more."""
    _tracer.clear()


def span(name: str, **attributes: str | int) -> AbstractContextManager[None]:
    """Around a piece of work. `attributes`: names and counts of ours, with _ for a dot."""
    if not _tracer:
        return _NOTHING
    found: dict[str, str | int] = {key.replace("_", "."): one for key, one in attributes.items()}
    call_id = _call.get()
    return _tracer[0].span(name, found | {CALL: call_id} if call_id else found)


def add(**attributes: str | int) -> None:
    """Say more of the span that is open; as for `span`."""
    if _tracer:
        _tracer[0].add({key.replace("_", "."): one for key, one in attributes.items()})


@contextmanager
def of_call(call_id: str | None) -> Iterator[None]:
    """Around what is done for a call: its id is on each span within, and on the open one."""
    if not _tracer or not call_id:
        yield
        return
    _tracer[0].add({CALL: call_id})
    token = _call.set(call_id)
    try:
        yield
    finally:
        _call.reset(token)
