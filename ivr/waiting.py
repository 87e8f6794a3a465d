"""What callers hear in the provider's queue: their queue position, music, and two offers.

The provider asks for it again whenever it is over. So it says once a round how many are before
them, and is music for the rest of it: a round costs one query. A key asks to change their place;
the turn after the queue then tells what became of it.
"""

from __future__ import annotations

import re

from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog

from flask import Blueprint, Response, request

from flows.speech import Line
from flows.steps.line import position, round_wait, wait
from ivr.addresses import Addresses, QueueListener
from ivr.answer import xml
from ivr.conversation import LANGUAGE
from ivr.twiml import out_of_the_queue, waiting_document
from prompts.catalogue import languages
from services.queue import entries
from services.queue.entries import CallQueue, WaitAnnouncement
from services.service import Service
from services.store import Store
from services.telemetry import FAILURES

_COUNT = re.compile(r"-?[0-9]{1,6}")
_PLACE = re.compile(r"[0-9a-f]{32}")
CALLBACK_KEY, MACHINE_KEY = "1", "2"
# From this round on the offers are made in fewer words, and a line without any agent is given up.
LATER = 2
# A supervisor's words are said in every so manieth round.
_ANNOUNCED_EVERY = 3
_MOST_ROUNDS = 9999
_SPOKEN = frozenset(languages())

log = structlog.get_logger()


def blueprint(store: Store, service: Service, addresses: Addresses) -> Blueprint:
    """Routes below /voice; the signature check stands in front of them."""
    edge = _Edge(store, service, addresses)
    waiting = Blueprint("waiting", __name__, url_prefix="/voice")
    waiting.add_url_rule("/wait", "wait", edge.wait, methods=["POST"])
    waiting.add_url_rule("/wait-key", "wait_key", edge.key, methods=["POST"])
    return waiting


class _Edge:
    """The webhooks as methods; the form is the one of the request being answered."""

    def __init__(self, store: Store, service: Service, addresses: Addresses) -> None:
        self._store = store
        self._service = service
        self._addresses = addresses

    def wait(self) -> Response:
        """One round."""
        now = _waiting(request.args)
        try:
            found = entries.listen(
                self._store,
                self._service.campaign,
                self._service.wait_estimates,
                request.form["CallSid"],
                renews=now.keeps,
            )
            if found is None:
                return xml(self._out(now))
            return xml(self._round(found, now))
        except Exception as error:  # noqa: BLE001 (a caller must never hear an error)
            _failed("wait failed", error)
            # Music, and then another try: the waiting caller need not hear of the failure.
            return xml(self._heard(now, [Line("queue_still")], None, now))

    def key(self) -> Response:
        """Something was pressed while they wait."""
        now, pressed = _waiting(request.args), request.form.get("Digits", "")
        try:
            if pressed not in (CALLBACK_KEY, MACHINE_KEY):
                # What was said is said again.
                return xml(self._again(replace(now, round=0)))
            if self._wish(pressed, request.form["CallSid"], now.place):
                return xml(self._out(now))
            return xml(self._again(now, [Line("queue_agent_coming")]))
        except Exception as error:  # noqa: BLE001
            _failed("wait key failed", error)
            return xml(self._again(now, [Line("technical")]))

    def _wish(self, pressed: str, call_id: str, place: str) -> bool:
        if pressed == MACHINE_KEY:
            return entries.wish_machine(self._store, call_id, place)
        service = self._service
        return entries.wish_callback(
            self._store, service.campaign, service.wait_estimates, call_id, place
        )

    def _round(self, found: WaitAnnouncement, now: QueueListener) -> str:
        place = found.place
        now = replace(now, place=place.entry_id)
        then = replace(now, round=min(now.round + 1, _MOST_ROUNDS))
        if place.state != "waiting":
            return self._heard(now, [Line("queue_agent_coming")], None, then)
        if not place.agents and now.round >= LATER:
            return self._nobody_left(found, now, then)
        lines: list[Line] = []
        if now.round:
            lines.append(position(place.ahead))
        # A wait is told again only when it is shorter than they heard before.
        rounded = None if found.wait_seconds is None else round_wait(found.wait_seconds)
        if rounded is not None and (now.told < 0 or rounded < now.told):
            if now.round:
                lines += wait(found.wait_seconds)
            then = replace(then, told=rounded)
        if place.queue.announcement and now.round % _ANNOUNCED_EVERY == 0:
            lines.append(_announcement(place.queue, now.language))
        return self._heard(now, lines, _offers(found, now.round), then)

    def _nobody_left(self, found: WaitAnnouncement, now: QueueListener, then: QueueListener) -> str:
        """No agent answers this line any more: wait on, be rung, or go on alone.

        Who chooses nothing waits on. For longer than anybody is asked to, only who must say first
        where they can be rung.
        """
        lines = [Line("queue_nobody_left")]
        pressed = CALLBACK_KEY if found.promise_at else MACHINE_KEY
        waited = self._store.clock.now() - found.place.joined_at
        if waited < entries.LONGEST_WAIT or (found.promise_at and not found.place.rings):
            return self._heard(now, lines, _offers(found, 0), then)
        if self._wish(pressed, request.form["CallSid"], now.place):
            return self._out(now, lines)
        return self._heard(now, [Line("queue_agent_coming")], None, then)

    def _heard(
        self, now: QueueListener, lines: list[Line], offers: Line | None, then: QueueListener
    ) -> str:
        return waiting_document(self._addresses, lines, offers, now, then)

    def _again(self, now: QueueListener, lines: Sequence[Line] = ()) -> str:
        """At once what they heard before, from the beginning."""
        return waiting_document(self._addresses, lines, None, now, now, music=False)

    def _out(self, now: QueueListener, lines: Sequence[Line] = ()) -> str:
        return out_of_the_queue(now, self._addresses, lines)


def _announcement(queue: CallQueue, language: str) -> Line:
    """A supervisor's words in the caller's language; a voice reads only its own language.

    Without words in that language, the caller hears that there is an announcement, and who can tell
    it.
    """
    given = {**queue.translations, LANGUAGE: queue.announcement}.get(language)
    if not given:
        return Line("queue_announcement_elsewhere")
    return Line("queue_announcement", {"announcement": given})


def _offers(found: WaitAnnouncement, rounds: int) -> Line:
    key = "person_waits"
    if found.promise_at is None:
        key = "person_waits_machine"
    elif not found.place.rings:
        key = "person_waits_number"
    return Line(key, wording=0 if rounds < LATER else 1)


def _waiting(args: Mapping[str, str]) -> QueueListener:
    """The query of one of these addresses; whatever is strange in it is as at the beginning."""
    language, place = args.get("language", ""), args.get("place", "")
    return QueueListener(
        language=language if language in _SPOKEN else LANGUAGE,
        slow=args.get("slow") == "1",
        keeps=args.get("keeps") == "1",
        round=max(_number(args, "round", 0), 0),
        told=_number(args, "told", -1),
        place=place if _PLACE.fullmatch(place) else "",
    )


def _number(args: Mapping[str, str], name: str, default: int) -> int:
    value = args.get(name, "")
    return int(value) if _COUNT.fullmatch(value) and value.isascii() else default


def _failed(what: str, error: Exception) -> None:
    FAILURES.labels(type(error).__name__).inc()
    log.error(what, call=request.form["CallSid"], error=type(error).__name__)
