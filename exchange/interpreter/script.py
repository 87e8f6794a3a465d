"""The interpreter: plays documents verb by verb, and stops where the caller has to do something."""

from collections.abc import Generator
from urllib.parse import urljoin

from exchange.interpreter.caller import Gather, Heard, Input, Keys, Look, Speech, Wait
from exchange.interpreter.queueing import QUEUE_VERBS, Queueing
from exchange.interpreter.stage import MAX_DOCUMENTS_WITHOUT_WAITING, Stage
from exchange.interpreter.steps import (
    NOT_PLAYED,
    CallError,
    Document,
    End,
    Failed,
    Goto,
    Leave,
    Ordered,
    Outcome,
    target,
)
from exchange.interpreter.talking import Talking
from exchange.orders import Complete, Drop, Redirect
from exchange.transport import Reply
from exchange.twiml import CHARACTERS_PER_SECOND, SCHEMA_FAILURE, Verb

APPLICATION_ERROR = "We are sorry. An application error has occurred. Goodbye."
APPLICATION_ERROR_S = 4.0
BY_API = "completed-by-api"


class Script:
    """What one call plays. A failure leads to `fallback_url`, where there is one."""

    def __init__(self, stage: Stage, *, fallback_url: str, dial_status: str) -> None:
        self._stage, self._fallback_url = stage, fallback_url
        self._queueing = Queueing(stage, self._wait_in_queue)
        self._talking = Talking(stage, dial_status)

    def run(self, step: Goto, twiml: str) -> Generator[Wait, Input | Look, str]:
        """Play from `step` on, or from the document `twiml`; return the reason of the end.

        Yields what it waits for, and takes what the caller does.
        """
        stage = self._stage
        while True:
            try:
                if twiml:
                    given = Reply(200, twiml.encode(), {"content-type": "text/xml"})
                    document, twiml = stage.parsed(given, ""), ""
                else:
                    document = stage.load(step)
                outcome = yield from self._perform(document)
            except Failed as failure:
                stage.errors.append(failure.error)
                self.leave_all("", "participant_hung_up")
                fallback = self._fallback(failure.error, step)
                if fallback is None:
                    stage.answer()
                    stage.note(Heard("say", APPLICATION_ERROR, APPLICATION_ERROR_S, "en-US"))
                    stage.pass_time(APPLICATION_ERROR_S)
                    return "application-error"
                twiml, step = "", fallback
                continue
            except Ordered as ordered:
                order = ordered.order
                if not isinstance(order, Redirect):
                    return self._ends_by(order)
                self.leave_all("redirected", "participant_updated_via_api")
                stage.mark, stage.unasked = len(stage.heard), 0
                twiml, step = order.twiml, Goto(order.url, order.method)
                continue
            if isinstance(outcome, Goto):
                step = outcome
                continue
            reason = outcome.reason if isinstance(outcome, End) else "document-ended"
            if reason != "rejected":
                stage.answer()
            return reason

    def leave_all(self, result: str, reason: str) -> None:
        """Leave the queue and the conference; tell an <Enqueue>'s action, whose answer is lost.

        Without a `result` nothing is told.
        """
        self._queueing.leave(result)
        self._talking.leave(reason)

    def _ends_by(self, order: Complete | Drop) -> str:
        dropped = isinstance(order, Drop)
        reason = "participant_hung_up" if dropped else "participant_updated_via_api"
        self.leave_all("hangup", reason)
        return "caller-hung-up" if dropped else BY_API

    def _fallback(self, error: CallError, step: Goto) -> Goto | None:
        """Return where to turn after a failure; a fallback that fails itself has none."""
        if not self._fallback_url or step.url == self._fallback_url:
            return None
        if self._stage.unasked > MAX_DOCUMENTS_WITHOUT_WAITING:
            return None
        params = {"ErrorCode": str(error.code), "ErrorUrl": error.url}
        return Goto(self._fallback_url, "POST", params)

    # Verbs

    def _wait_in_queue(self, document: Document) -> Generator[Wait, Input | Look, Outcome]:
        return self._perform(document, queued=True)

    def _perform(
        self, document: Document, *, queued: bool = False
    ) -> Generator[Wait, Input | Look, Outcome]:
        """Play the verbs in order; return where to go, or None when they ran out."""
        for verb in document.verbs:
            if queued and verb.name not in QUEUE_VERBS:
                message = f"<{verb.name}> is not allowed while a caller waits in a queue"
                raise Failed(SCHEMA_FAILURE, document.url, message)
            outcome: Outcome
            match verb.name:
                case "Gather":
                    outcome = yield from self._gather(verb, document.url)
                case "Enqueue":
                    outcome = yield from self._queueing.enqueue(verb, document.url)
                case "Dial":
                    outcome = yield from self._talking.dial(verb, document.url)
                case _:
                    outcome = self._play(verb, document.url, queued=queued)
            if outcome is not None:
                return outcome
        return None

    def _play(self, verb: Verb, base: str, *, queued: bool) -> Outcome:
        """Do what a verb says that needs nothing from the caller."""
        match verb.name:
            case "Say" | "Play" | "Pause":
                self._stage.listen(verb, base)
                return None
            case "Redirect":
                return target(base, verb.text, verb.attributes.get("method"))
            case "Hangup":
                return End("hangup")
            case "Reject":
                return self._reject(verb)
            case "Leave":
                # Outside a queue there is nothing to leave and nothing that follows.
                return Leave() if queued else End("hangup")
        message = f"<{verb.name}> cannot be played by this stand-in"
        raise Failed(NOT_PLAYED, base, message)

    def _reject(self, verb: Verb) -> End:
        stage = self._stage
        if stage.status != "ringing":
            return End("hangup")
        stage.status = "busy" if verb.attributes.get("reason") == "busy" else "no-answer"
        return End("rejected")

    # <Gather>

    def _gather(self, verb: Verb, base: str) -> Generator[Wait, Input | Look, Goto | None]:
        stage = self._stage
        stage.answer()
        prompt = tuple(stage.sound(child, base) for child in verb.children)
        action = verb.attributes.get("action") or base
        gather = Gather(verb.attributes, prompt, urljoin(base, action))
        for heard in prompt:
            stage.note(heard)
        answer = yield gather
        stage.look()
        while isinstance(answer, Look):
            # What came was not about a call that listens here.
            answer = yield gather
            stage.look()
        params = self._collected(gather, answer)
        if params is None:
            return None
        return target(base, action, verb.attributes.get("method"), params)

    def _collected(self, gather: Gather, answer: Input) -> dict[str, str] | None:
        """Return what the Gather posts, or None when it goes on to the next verb."""
        stage = self._stage
        match answer:
            case Keys(digits, interrupts) if "dtmf" in gather.inputs:
                stage.let_pass(0 if interrupts else gather.prompt_s)
                collected, finished = self._typed(gather, digits)
                if collected:
                    return {
                        "msg": "Gather End",
                        "Digits": collected,
                        "FinishedOnKey": finished,
                    }
            case Speech(text, confidence):
                stage.let_pass(gather.prompt_s + len(text) / CHARACTERS_PER_SECOND)
                params = {"SpeechResult": text, "Language": gather.language}
                if confidence is not None:
                    params["Confidence"] = str(confidence)
                return params
            case _:
                stage.let_pass(gather.prompt_s + gather.timeout_s)
        if not gather.posts_silence:
            return None
        if "speech" in gather.inputs:
            return {"SpeechResult": "", "Confidence": "0.0"}
        return {"msg": "Gather End"}

    def _typed(self, gather: Gather, digits: str) -> tuple[str, str]:
        """Return the digits collected and the key that ended them.

        Keys pressed after the end are lost, as they are to a
        caller who types ahead.
        """
        collected, key, complete = gather.cut(digits)
        if not complete:
            self._stage.let_pass(gather.timeout_s)
        return collected, key
