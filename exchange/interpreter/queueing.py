"""<Enqueue>: a caller waits in a queue, and its action is told how that ended."""

import uuid

from collections.abc import Callable, Generator
from dataclasses import replace

from exchange.interpreter.caller import HOLD_MUSIC, Heard, Input, Look, QueueWait, Wait
from exchange.interpreter.stage import PLAY_S, Stage
from exchange.interpreter.steps import Document, End, Failed, Goto, Leave, Outcome, target
from exchange.orders import QueueRefused
from exchange.twiml import Verb

QUEUE_VERBS = frozenset({"Play", "Say", "Pause", "Hangup", "Redirect", "Leave", "Gather"})
# How long (seconds) the order of whoever took a call may be on its way.
ORDER_S = 5.0

# Plays a document to a caller who waits.
Perform = Callable[[Document], Generator[Wait, Input | Look, Outcome]]


class Queueing:
    """The queue of one call, which is in one at a time; without a switchboard it waits alone."""

    def __init__(self, stage: Stage, perform: Perform) -> None:
        self._stage, self._perform = stage, perform
        self._action: Goto | None = None
        self._since, self._sid = stage.clock.now(), ""

    def enqueue(self, verb: Verb, base: str) -> Generator[Wait, Input | Look, Goto | End | None]:
        """Wait until the caller leaves; return where the call goes on.

        Raises Ordered when somebody takes it out.
        """
        stage = self._stage
        stage.answer()
        name, since = verb.text or "queue", stage.clock.now()
        action = None
        if "action" in verb.attributes:
            action = target(base, verb.attributes["action"], verb.attributes.get("method"))
        sid = f"QU{uuid.uuid4().hex}"
        if stage.switchboard is not None:
            try:
                sid = stage.switchboard.enqueue(stage, name)
            except QueueRefused as refused:
                queue = {"QueueSid": refused.sid} if refused.sid else {}
                params = {**queue, "QueueResult": refused.result}
                return action and replace(action, params=params)
        self._since, self._sid = since, sid
        self._action, stage.queue = action, name
        try:
            outcome = yield from self._wait(verb, base, QueueWait(verb.text, sid))
        except Failed as failure:
            if stage.switchboard is None or action is None:
                raise
            stage.errors.append(failure.error)
            outcome, result = None, "error"
        else:
            result = "leave"
        times = self._times()
        if stage.switchboard is not None and not stage.switchboard.leave_queue(stage):
            # Somebody took the call in the same moment; that order is on its way.
            stage.mailbox.wait(ORDER_S)
            stage.look()
        self._action, stage.queue = None, ""
        if isinstance(outcome, End):
            if action is not None and stage.switchboard is not None:
                stage.tell(replace(action, params={**times, "QueueResult": "hangup"}))
            return outcome
        return action and replace(action, params={**times, "QueueResult": result})

    def leave(self, result: str) -> None:
        """Leave, whatever goes on; tell the action a `result` where there is one to tell."""
        stage = self._stage
        action, self._action = self._action, None
        if not stage.queue:
            return
        times = self._times()
        if stage.switchboard is not None and not stage.switchboard.leave_queue(stage):
            result = result and "redirected"
        stage.queue = ""
        if action is not None and result:
            stage.tell(replace(action, params={**times, "QueueResult": result}))

    def _wait(
        self, verb: Verb, base: str, wait: QueueWait
    ) -> Generator[Wait, Input | Look, End | Leave | None]:
        """Play the waiting document round and round until the caller leaves."""
        stage = self._stage
        wait_url, wait_method = verb.attributes.get("waitUrl"), verb.attributes.get("waitUrlMethod")
        outcome: Outcome = None
        while not isinstance(outcome, (Leave, End)):
            if isinstance(outcome, Goto):
                document = stage.load(outcome)
            elif wait_url:
                document = stage.load(target(base, wait_url, wait_method, self._figures()))
            else:
                stage.hear(Heard("play", HOLD_MUSIC, PLAY_S))
                document = Document(base, ())
            outcome = yield from self._perform(document)
            if outcome is None:
                answer = yield wait
                stage.look()
                while isinstance(answer, Look):
                    answer = yield wait
                    stage.look()
        return outcome

    def _times(self) -> dict[str, str]:
        stage = self._stage
        waited = int((stage.clock.now() - self._since).total_seconds())
        figures = stage.switchboard.figures(stage) if stage.switchboard is not None else {}
        return {
            "QueueSid": self._sid,
            "QueueTime": figures.get("QueueTime", str(waited)),
        }

    def _figures(self) -> dict[str, str]:
        """Return what a waiting document is asked for with."""
        stage = self._stage
        alone = {
            "QueuePosition": "1",
            "AvgQueueTime": "0",
            "CurrentQueueSize": "1",
            "MaxQueueSize": "1000",
            **self._times(),
        }
        return (stage.switchboard.figures(stage) if stage.switchboard is not None else {}) or alone
