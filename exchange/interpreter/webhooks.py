"""The requests that a call makes: signed, tried again as their URL says, within fifteen seconds."""

import math
import uuid

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Self
from urllib.parse import parse_qsl, urldefrag, urlsplit

from exchange.interpreter.steps import CONNECTION_FAILURE, RETRIEVAL_FAILURE, Failed, Goto
from exchange.signing import signed
from exchange.transport import ConnectFailed, Outgoing, ReadTimedOut, Reply, Transport

API_VERSION = "2010-04-01"
# What is known of where the two ends are; for French numbers nothing but the country.
PLACES = {
    f"{side}{part}": "FR" if part == "Country" else ""
    for side in ("Called", "Caller", "From", "To")
    for part in ("City", "State", "Zip", "Country")
}

TOTAL_BUDGET_S = 15.0
MAX_RETRIES = 5
MIN_TIMEOUT_MS = 100
CONNECT_TIMEOUT_MS = 5000
READ_TIMEOUT_MS = 15_000
RETRY_POLICIES = frozenset({"4xx", "5xx", "ct", "rt", "all"})


class Told:
    """A call or its record, and what requests say of it."""

    account_sid: str
    sid: str
    sender: str
    recipient: str
    direction: str

    def base_params(self, status: str) -> dict[str, str]:
        """Return what every request about the call says."""
        return {
            "AccountSid": self.account_sid,
            "ApiVersion": API_VERSION,
            "CallSid": self.sid,
            "CallStatus": status,
            "Called": self.recipient,
            "Caller": self.sender,
            "Direction": self.direction,
            "From": self.sender,
            "To": self.recipient,
            **PLACES,
        }

    def progress(self, status: str, number: int, now: datetime, seconds: int) -> dict[str, str]:
        """Return a status callback, the `number`th; one that ends the call says how long it was."""
        params = {
            **self.base_params(status),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(number),
            "Timestamp": format_datetime(now),
        }
        if status not in {"initiated", "ringing", "in-progress"}:
            params |= {"CallDuration": str(seconds), "Duration": str(math.ceil(seconds / 60))}
        return params


@dataclass(frozen=True)
class SentRequest:
    """A webhook as it was sent, ready to be sent again; `elapsed_ms` is the service's time."""

    method: str
    url: str
    form: Mapping[str, str]
    headers: Mapping[str, str]
    attempt: int
    status: int | None
    elapsed_ms: float


@dataclass(frozen=True)
class Overrides:
    """Twilio's connection overrides, from a URL's fragment (`#rc=2&rp=5xx,rt&rt=4000`)."""

    retries: int = 1
    policies: frozenset[str] = frozenset({"ct"})
    connect_timeout_s: float = CONNECT_TIMEOUT_MS / 1000
    read_timeout_s: float = READ_TIMEOUT_MS / 1000

    @classmethod
    def of(cls, url: str) -> Self:
        """Read the fragment of `url`; raises ValueError for a value Twilio does not know."""
        given = dict(parse_qsl(urlsplit(url).fragment, keep_blank_values=True))
        retries = int(given.get("rc", "1"))
        policies = frozenset(given.get("rp", "ct").split(","))
        connect_ms = int(given.get("ct", CONNECT_TIMEOUT_MS))
        read_ms = int(given.get("rt", READ_TIMEOUT_MS))
        if not 0 <= retries <= MAX_RETRIES:
            raise ValueError(f"rc={retries} is not between 0 and {MAX_RETRIES}")
        if not policies <= RETRY_POLICIES:
            raise ValueError(f"rp={given['rp']} holds an unknown policy")
        for milliseconds in (connect_ms, read_ms):
            if not MIN_TIMEOUT_MS <= milliseconds <= READ_TIMEOUT_MS:
                raise ValueError(f"a time-out of {milliseconds} ms is not in 100-15000")
        return cls(retries, policies, connect_ms / 1000, read_ms / 1000)

    def retry(self, failure: str) -> bool:
        """Return whether a failure (`ct`, `rt`, `4xx`, `5xx`) is tried again."""
        return "all" in self.policies or failure in self.policies


class Webhooks:
    """Sends them one after the other; `sent` is told of each, and `took` then how many seconds."""

    def __init__(
        self,
        transport: Transport,
        auth_token: str,
        *,
        sent: Callable[[SentRequest], None],
        took: Callable[[float], None],
    ) -> None:
        self.transport, self.auth_token = transport, auth_token
        self._sent, self._took = sent, took

    def send(self, step: Goto, params: Mapping[str, str]) -> Reply:
        """Send with the retries that the fragment asks for, within 15 seconds in all.

        Returns whatever was answered; raises Failed where there was no answer.
        """
        url = urldefrag(step.url).url
        try:
            overrides = Overrides.of(step.url)
        except ValueError as error:
            raise Failed(RETRIEVAL_FAILURE, url, f"connection overrides: {error}") from error
        url, params, headers = signed(self.auth_token, step.method, url, params)
        headers |= {
            "I-Twilio-Idempotency-Token": str(uuid.uuid4()),
            "User-Agent": "TwilioProxy/1.1",
            "Accept": "*/*",
        }
        spent, failure, cause = 0.0, "ct", ""
        for attempt in range(overrides.retries + 1):
            left = TOTAL_BUDGET_S - spent
            outgoing = Outgoing(
                step.method,
                url,
                params,
                headers,
                min(overrides.connect_timeout_s, left),
                min(overrides.read_timeout_s, left),
            )
            reply, failure, cause, took = self._attempt(outgoing, attempt)
            spent += took
            again = attempt < overrides.retries and overrides.retry(failure)
            if reply is not None and not (failure and again and spent < TOTAL_BUDGET_S):
                return reply
            if not again or spent >= TOTAL_BUDGET_S:
                break
        if failure == "ct":
            why = f": {cause}" if cause else ""
            raise Failed(CONNECTION_FAILURE, url, f"no connection could be made{why}")
        raise Failed(RETRIEVAL_FAILURE, url, f"no answer within {spent:.1f} s")

    def _attempt(self, outgoing: Outgoing, attempt: int) -> tuple[Reply | None, str, str, float]:
        """Return the reply (if one came in time), the kind of failure or '', why, the seconds."""
        reply: Reply | None = None
        cause = ""
        try:
            reply = self.transport.send(outgoing)
            took = reply.elapsed_s
            failure = {4: "4xx", 5: "5xx"}.get(reply.status // 100, "")
        except ConnectFailed as error:
            failure, cause, took = "ct", error.cause, 0.0
        except ReadTimedOut:
            failure, took = "rt", outgoing.read_timeout_s
        if reply is not None and took > outgoing.read_timeout_s:
            reply, failure, took = None, "rt", outgoing.read_timeout_s
        # Told first: a caller who hangs up meanwhile does not undo the request.
        self._sent(
            SentRequest(
                outgoing.method,
                outgoing.url,
                outgoing.form,
                outgoing.headers,
                attempt,
                reply.status if reply else None,
                took * 1000,
            )
        )
        self._took(took)
        return reply, failure, cause, took
