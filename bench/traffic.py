"""Webhooks of calls as the provider would send them, signed beforehand.

One call is rehearsed against the service with the simulator's exchange; what it sent is the
pattern for all others, each with its own call id, number, date of birth and postcode. So the
bench follows the conversation when the conversation changes.
"""

from __future__ import annotations

import itertools
import random
import secrets

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote_plus

from twilio.request_validator import RequestValidator

from exchange.interpreter import Call, Gather
from exchange.transport import Transport

BASE = "https://allo.example"
TOKEN = "a-token-of-the-bench"  # noqa: S105 - it signs nothing but these requests
ACCOUNT = "AC00000000000000000000000000000001"
BORN = "12031942"
# Old enough for the demonstration campaign, whatever the date.
YEARS = (1939, 1944)
DATE_KEYS, POSTCODE_KEYS = 8, 5
STAR = "*"
# A call has some twelve webhooks; one that goes on and on has lost its way.
MOST_ANSWERS = 30


class Astray(Exception):
    """The rehearsal did not end as it should; the sentence says how."""


@dataclass(frozen=True)
class Webhook:
    """One request of the pattern: path with query, and the form in order."""

    target: str
    form: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class TrafficCaller:
    """What is different from call to call; `born` as typed, DDMMYYYY."""

    call_id: str
    number: str
    born: str
    postcode: str


def rehearse(transport: Transport, postcode: str) -> list[Webhook]:
    """Ring, answer the first choice everywhere, be booked. Raises Astray.

    Gives every webhook of the call, the status callback at its end included. Each comes from a line
    of its own: one that was booked just before is asked something else first.
    """
    call = Call(
        url=f"{BASE}/voice/incoming",
        fallback_url=f"{BASE}/voice/fallback",
        status_url=f"{BASE}/voice/status",
        transport=transport,
        auth_token=TOKEN,
        account_sid=ACCOUNT,
        sender=f"+3360{secrets.randbelow(10**7):07d}",
    ).dial()
    answers = {DATE_KEYS: BORN, POSTCODE_KEYS: postcode}
    for _ in range(MOST_ANSWERS):
        if not isinstance(call.waiting, Gather):
            break
        call.press(answers.get(call.waiting.num_digits or 1, "1"))
    if not call.ended or not call.ended_normally or call.errors:
        raise Astray(f"a call ended with {call.end_reason}: {call.errors or call.heard[-1:]}")
    return [
        Webhook(sent.url.removeprefix(BASE), tuple(sent.form.items())) for sent in call.requests
    ]


def callers(postcodes: Sequence[str], seed: int) -> Iterator[TrafficCaller]:
    """Endless callers, no two alike in call id; the same `seed` gives the same ones."""
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    for number in itertools.count():
        yield TrafficCaller(
            call_id=f"CA{chance.getrandbits(64):016x}{seed:08x}{number:08x}",
            # Not the same in every run: a number has only so many bookings.
            number=f"+3361{chance.randrange(10**7):07d}",
            born=f"{chance.randint(1, 28):02d}{chance.randint(1, 12):02d}{chance.randint(*YEARS)}",
            postcode=chance.choice(postcodes),
        )


def request(validator: RequestValidator, target: str, form: Mapping[str, str]) -> bytes:
    """Return a webhook as a whole HTTP request, ready for the wire, as the provider signs it."""
    body = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in form.items())
    return (
        f"POST {target} HTTP/1.1\r\n"
        "Host: allo.example\r\n"
        "User-Agent: TwilioProxy/1.1\r\n"
        "Accept: */*\r\n"
        "I-Twilio-Idempotency-Token: 5f1a3a6e-8c0b-4a86-93d2-0f8d9f7f1f52\r\n"
        f"X-Twilio-Signature: {validator.compute_signature(BASE + target, form)}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode("ascii")


class Signer:
    """Writes webhooks as whole HTTP requests, ready for the wire."""

    def __init__(self, pattern: Sequence[Webhook]) -> None:
        """Raises Astray where the pattern has no date of birth, or no postcode after it."""
        self._pattern, self._validator = pattern, RequestValidator(TOKEN)
        typed = [dict(webhook.form).get("Digits", "") for webhook in pattern]
        postcodes = [digits for digits in typed if len(digits) == POSTCODE_KEYS]
        if BORN not in typed or not postcodes:
            raise Astray("no date of birth or no postcode was asked for")
        # Which webhook has the date of birth, and what was typed as the postcode.
        self._born_by, self._postcode = typed.index(BORN), postcodes[0]

    @property
    def webhooks(self) -> int:
        return len(self._pattern)

    @property
    def form(self) -> dict[str, str]:
        """The form of a call's first webhook."""
        return dict(self._pattern[0].form)

    def call(self, caller: TrafficCaller) -> list[bytes]:
        """Every webhook of one call, in order."""
        return [self.webhook(webhook, caller) for webhook in self._pattern]

    def start(self, caller: TrafficCaller) -> list[bytes]:
        """Return the webhooks that lead to the question for the date of birth."""
        return self.call(caller)[: self._born_by]

    def lone_turns(self, caller: TrafficCaller, count: int) -> list[bytes]:
        """After `start`: the date of birth, one step back with the star, the date again, and so on.

        Each of them reads the call's newest turn, moves its session and stores the next turn.
        """
        first = self._born_by
        answered = self._pattern[first]
        turns = []
        for n in range(count):
            target = answered.target.replace(f"n={first}", f"n={first + n}", 1)
            keys = STAR if n % 2 else BORN
            form = tuple((k, keys if k == "Digits" else v) for k, v in answered.form)
            turns.append(self.webhook(Webhook(target, form), caller))
        return turns

    def webhook(self, webhook: Webhook, caller: TrafficCaller) -> bytes:
        own = {"CallSid": caller.call_id, "From": caller.number, "Caller": caller.number}
        typed = {BORN: caller.born, self._postcode: caller.postcode}
        form = {
            name: typed.get(value, value) if name == "Digits" else own.get(name, value)
            for name, value in webhook.form
        }
        return request(self._validator, webhook.target, form)
