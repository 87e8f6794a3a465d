"""<Dial>: a caller talks in a conference or with somebody who is rung."""

import uuid

from collections.abc import Generator
from urllib.parse import urljoin

from exchange.interpreter.caller import ConferenceWait, Heard, Input, Look, Wait
from exchange.interpreter.stage import PLAY_S, Stage
from exchange.interpreter.steps import BAD_CONFERENCE, CallError, Failed, Goto, only, target
from exchange.orders import Lines, NoSeat, Seat, Wish
from exchange.twiml import Verb

HOLD_VERBS = frozenset({"Play", "Say", "Pause", "Redirect"})
# How long (seconds) a silence in a conference is, and one round of music while on hold there.
CONFERENCE_ROUND_S = 1.0
MOST_PARTICIPANTS = 250
DIAL_TIMEOUT_S = 30


def whom(dial: Verb) -> str:
    """Return the number or the `client:` that a <Dial> names, or an empty string for others."""
    named = next(iter(dial.children), None)
    if named is None:
        return dial.text if dial.text.startswith("+") else ""
    if named.name == "Client":
        return f"client:{named.text}"
    return named.text if named.name == "Number" and named.text.startswith("+") else ""


def conference(dial: Verb) -> Verb | None:
    """Return the <Conference> that a <Dial> is about, or None."""
    return next((child for child in dial.children if child.name == "Conference"), None)


class Talking:
    """The conversations of one call, one at a time.

    Without a switchboard a <Dial> is noted, and goes on as if `dial_status` had come of it.
    """

    def __init__(self, stage: Stage, dial_status: str) -> None:
        self._stage, self._dial_status = stage, dial_status

    def dial(self, verb: Verb, base: str) -> Generator[Wait, Input | Look, Goto | None]:
        """Bring the call into a conference, or ring whom the <Dial> names.

        Returns where the call goes on. Raises Ordered.
        """
        stage, lines = self._stage, self._stage.switchboard
        if lines is None:
            return self._only_noted(verb, base)
        noun = conference(verb)
        if noun is not None:
            return (yield from self._confer(verb, noun, base, lines))
        to, timeout = whom(verb), int(verb.attributes.get("timeout", DIAL_TIMEOUT_S))
        caller_id = verb.attributes.get("callerId", stage.sender)
        rung = lines.bridge(stage, to, caller_id, timeout) if to else None
        if rung is None:
            return self._only_noted(verb, base)
        stage.answer()
        stage.announcement, stage.music_url = None, None
        stage.seat, child = rung
        talked = yield from self._talk(to)
        answered = stage.released == "answered"
        status = "completed" if answered else stage.released
        return self._dialled(verb, base, status, talked if answered else 0, child)

    def leave(self, reason: str) -> None:
        """Leave, whatever goes on, for Twilio's `ReasonParticipantLeft`."""
        stage = self._stage
        if stage.seat is not None and stage.switchboard is not None:
            stage.switchboard.leave_conference(stage, reason)
        stage.seat = None

    def _confer(
        self, dial: Verb, noun: Verb, base: str, lines: Lines
    ) -> Generator[Wait, Input | Look, Goto | None]:
        stage = self._stage
        stage.answer()
        stage.announcement = None
        wait_url = noun.attributes.get("waitUrl")
        stage.music_url = urljoin(base, wait_url) if wait_url else wait_url
        try:
            stage.seat = lines.join(stage, self._wish(noun, base))
        except NoSeat as refused:
            stage.errors.append(CallError(BAD_CONFERENCE, base, str(refused)))
            return self._dialled(dial, base, "failed", 0)
        talked = yield from self._talk(f"Conference {noun.text}")
        return self._dialled(dial, base, stage.released, talked)

    def _talk(self, with_whom: str) -> Generator[Wait, Input | Look, int]:
        """Stay in the conference until it is over for this call; return the seconds it took."""
        stage = self._stage
        stage.dialed.append(with_whom)
        stage.note(Heard("dial", with_whom))
        since = stage.clock.now()
        while (seat := self._seat()) is not None:
            talked = (stage.clock.now() - since).total_seconds()
            answer = yield ConferenceWait(seat.conference, seat.sid, seat, talked)
            stage.unasked = 0
            stage.look()
            seat = self._seat()
            if seat is not None and stage.announcement is not None:
                announcement, stage.announcement = stage.announcement, None
                self._play_aside(announcement)
            elif seat is not None and seat.hold and seat.hold_url:
                self._play_held(seat)
            elif not isinstance(answer, Look):
                stage.let_pass(CONFERENCE_ROUND_S)
        return int((stage.clock.now() - since).total_seconds())

    def _seat(self) -> Seat | None:
        """Return the place in the conference; orders change it at every look."""
        return self._stage.seat

    def _play_held(self, held: Seat) -> None:
        """Play the document of a participant on hold once; it comes again as long as that lasts."""
        stage = self._stage
        before = stage.clock.now()
        self._play_aside(Goto(held.hold_url, held.hold_method), while_held=True)
        if (stage.clock.now() - before).total_seconds() < CONFERENCE_ROUND_S:
            stage.let_pass(CONFERENCE_ROUND_S)

    def _play_aside(self, step: Goto, *, while_held: bool = False) -> None:
        """Play a document to a participant of a conference alone."""
        stage = self._stage
        try:
            goes_on: Goto | None = step
            while goes_on is not None:
                document, goes_on = stage.load(goes_on), None
                only(HOLD_VERBS, document, "for a participant of a conference")
                for verb in document.verbs:
                    if verb.name == "Redirect":
                        goes_on = target(document.url, verb.text, verb.attributes.get("method"))
                        break
                    stage.listen(verb, document.url)
                    seat = self._seat()
                    if seat is None or (while_held and not seat.hold):
                        return
        except Failed as failure:
            # The conference goes on; there is silence where the document would have been.
            stage.errors.append(failure.error)

    @staticmethod
    def _wish(noun: Verb, base: str) -> Wish:
        given = noun.attributes
        callback = given.get("statusCallback", "")
        return Wish(
            noun.text,
            muted=given.get("muted") == "true",
            start=given.get("startConferenceOnEnter") != "false",
            end=given.get("endConferenceOnExit") == "true",
            beep=given.get("beep", "true"),
            coach=given.get("coach", ""),
            label=given.get("participantLabel", ""),
            most=int(given.get("maxParticipants", MOST_PARTICIPANTS)),
            callback_url=target(base, callback).url if callback else "",
            callback_method=given.get("statusCallbackMethod", "POST"),
            events=tuple(given.get("statusCallbackEvent", "start end").split()),
        )

    @staticmethod
    def _dialled(verb: Verb, base: str, status: str, seconds: int, child: str = "") -> Goto | None:
        """Return where a <Dial> goes on that is over, or None for the next verb."""
        if "action" not in verb.attributes:
            return None
        params = {
            "DialCallStatus": status,
            **({"DialCallSid": child} if child else {}),
            "DialCallDuration": str(seconds),
            "DialBridged": "true" if status in {"answered", "completed"} else "false",
        }
        return target(base, verb.attributes["action"], verb.attributes.get("method"), params)

    def _only_noted(self, verb: Verb, base: str) -> Goto | None:
        """Note a <Dial> that nobody can be rung for, and go on as if they had been."""
        stage = self._stage
        stage.answer()
        nouns = [f"{child.name} {child.text}" for child in verb.children]
        named = ", ".join([verb.text, *nouns] if verb.text else nouns)
        stage.dialed.append(named)
        stage.hear(Heard("dial", named, PLAY_S))
        talked = int(PLAY_S) if self._dial_status == "completed" else 0
        return self._dialled(verb, base, self._dial_status, talked, f"CA{uuid.uuid4().hex}")
