"""A caller who writes: texts to the service and what it answers, by hand or one after the other."""

from __future__ import annotations

import time
import uuid

from collections.abc import Callable, Iterable
from xml.etree import ElementTree as ET

from exchange.signing import signed
from exchange.transport import Outgoing, Transport

# No person answers sooner: what comes too soon is taken for a text that crossed another.
READING_S = 4.0
MOST_LETTERS = 1600


class NotAnswered(Exception):
    """The service gave no document; one sentence."""


class Texting:
    """A mobile that texts the service through signed webhooks, as the provider would."""

    def __init__(  # noqa: PLR0917
        self, transport: Transport, public_base: str, token: str, account: str, sender: str, to: str
    ) -> None:
        """`sender` and `to` are E.164; `to` is the number that people book by."""
        self._transport = transport
        self._url = f"{public_base}/sms/incoming"
        self._token, self._account = token, account
        self._sender, self._to = sender, to

    def writes(self, body: str) -> list[str]:
        """Send one text; gives the answers to it. Raises NotAnswered, or the transport's errors."""
        form = {
            "AccountSid": self._account,
            "MessageSid": f"SM{uuid.uuid4().hex}",
            "From": self._sender,
            "To": self._to,
            "Body": body[:MOST_LETTERS],
            "NumMedia": "0",
        }
        url, posted, headers = signed(self._token, "POST", self._url, form)
        reply = self._transport.send(Outgoing("POST", url, posted, headers))
        if reply.status != 200:  # noqa: PLR2004
            raise NotAnswered(f"the service answered {reply.status}")
        document = ET.fromstring(reply.body)  # noqa: S314 (of the service that is tried)
        return ["".join(verb.itertext()) for verb in document if verb.tag == "Message"]


def converse(
    phone: Texting,
    texts: Iterable[str],
    tell: Callable[[str], None],
    rest: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Write these texts one after the other, and tell what is written; gives the last answers."""
    answers: list[str] = []
    for number, text in enumerate(texts):
        if number:
            rest(READING_S)
        tell(f"> {text}")
        answers = phone.writes(text)
        for answer in answers or ["(no answer)"]:
            tell("\n".join(f"  | {line}" for line in answer.splitlines()))
    return answers
