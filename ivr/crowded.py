"""The short answer that a new call gets when calls are more than can be answered.

It does not use the store. When the first question could not be asked in time, the caller hears a
sentence and a choice at once. Key 1: we ring back. Key 0: the call goes on as if 0 had been pressed
at its welcome. A caller who stays is asked again and again, and goes on like any call as soon as
there is capacity. A call that has begun never comes here.
"""

from __future__ import annotations

import re

from collections.abc import Callable, Mapping

import structlog

from flows.session import CallerKind, Session
from ivr.addresses import Addresses
from ivr.caller import read_caller, shown_by
from ivr.conversation import LANGUAGE
from ivr.twiml import crowded, told_and_over
from prompts.catalogue import load
from services.messages.notices import Reason
from services.queue.entries import what_is_known
from services.queue.promise_callback import promise
from services.store import Store
from services.telemetry import GIVEN_WAY, PROMISES

# A caller who waited so often (a quarter of a minute each) goes on, however many others there are.
PATIENCE = 12
PERSON, RING_BACK = "0", "1"
_COUNT = re.compile(r"[0-9]{1,2}")

Fields = Mapping[str, str]

log = structlog.get_logger()


class Crowded:
    """`is_too_much` says, for each call anew, whether it gets this answer."""

    def __init__(self, store: Store, addresses: Addresses, is_too_much: Callable[[], bool]) -> None:
        self._store = store
        self._addresses = addresses
        self._is_too_much = is_too_much

    def answer(self, form: Fields) -> str | None:
        """The document for the call that rings; None where it is answered as always."""
        if not self._is_too_much():
            return None
        GIVEN_WAY.labels("call").inc()
        return self._document(form, 0)

    def _document(self, form: Fields, tries: int) -> str:
        _number, kind = read_caller(shown_by(form))
        may_ring = kind is not CallerKind.NONE
        return crowded(load(LANGUAGE), self._addresses, tries, may_ring=may_ring)

    def again(self, form: Fields, args: Fields) -> str | None:
        """For a caller who stayed on the line, or pressed a key; None: the call goes on."""
        text = args.get("crowded", "")
        tries = int(text) if _COUNT.fullmatch(text) and text.isascii() else PATIENCE
        pressed = form.get("Digits", "")
        if pressed == RING_BACK:
            return self._promised(form)
        if pressed == PERSON or tries >= PATIENCE or not self._is_too_much():
            return None
        return self._document(form, tries + 1)

    def _promised(self, form: Fields) -> str | None:
        number, kind = read_caller(shown_by(form))
        if kind is CallerKind.NONE:
            return None
        session = Session(language=LANGUAGE, caller=number, caller_kind=str(kind))
        known = {**what_is_known(session), "language": LANGUAGE, "reason": Reason.UNFINISHED}
        try:
            with self._store.database.transaction() as connection:
                # It belongs to no stored call: only the promise is stored.
                promise(connection, self._store, number, None, known)
        except Exception as error:  # noqa: BLE001 (what cannot be kept is not promised)
            log.error("promise not stored", error=type(error).__name__)
            return None
        PROMISES.inc()
        return told_and_over(load(LANGUAGE), "crowded_promised", self._addresses)
