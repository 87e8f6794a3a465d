"""A bare telephone line: posts signed webhooks one at a time and reads the documents strictly.

Where exchange.interpreter.Call plays a whole call, this leaves each delivery to the test: twice,
late, out of order, from several threads at once, or with keys that no telephone has.
"""

from __future__ import annotations

import re

from dataclasses import dataclass, field
from urllib.parse import urldefrag, urlsplit

from flask import Flask

from exchange.signing import signature
from exchange.twiml import Verb, parse
from tests.support.house import ACCOUNT, BASE, MOBILE, TOKEN

INCOMING = f"{BASE}/voice/incoming"
_CALLS = iter(range(1, 1_000_000))


@dataclass(frozen=True)
class Document:
    """An answer that the provider would play."""

    body: bytes
    verbs: tuple[Verb, ...]

    @property
    def names(self) -> list[str]:
        return [verb.name for verb in self.verbs]

    @property
    def said(self) -> str:
        """Everything it says, in the order of the verbs."""
        says = [v for verb in self.verbs for v in (verb, *verb.children) if v.name == "Say"]
        return " ".join(say.text for say in says)

    @property
    def gather(self) -> Verb | None:
        return next((verb for verb in self.verbs if verb.name == "Gather"), None)

    @property
    def action(self) -> str:
        """Where keys go."""
        assert self.gather is not None, self.body
        return self.gather.attributes["action"]

    @property
    def redirect(self) -> str:
        """Where silence goes."""
        (redirect,) = (verb for verb in self.verbs if verb.name == "Redirect")
        return redirect.text

    @property
    def ends(self) -> bool:
        return self.names[-1] == "Hangup"


@dataclass
class Line:
    """One call's line into one application."""

    app: Flask
    sender: str = MOBILE
    sid: str = field(default_factory=lambda: f"CA{next(_CALLS):032x}")

    def form(self, **fields: str) -> dict[str, str]:
        return {
            "AccountSid": ACCOUNT,
            "CallSid": self.sid,
            "CallStatus": "in-progress",
            "From": self.sender,
            "To": "+33974750001",
            **fields,
        }

    def post(self, url: str, **fields: str) -> bytes:
        """The bytes of an answer, which must be 200 and XML; every connection is its own."""
        address = urldefrag(url).url
        form = self.form(**fields)
        parts = urlsplit(address)
        with self.app.test_client() as client:
            answer = client.post(
                parts.path,
                base_url=f"{parts.scheme}://{parts.netloc}",
                query_string=parts.query,
                data=form,
                headers={"X-Twilio-Signature": signature(TOKEN, address, form)},
            )
        assert answer.status_code == 200, (answer.status_code, url, fields)
        assert answer.content_type == "text/xml; charset=utf-8"
        return bytes(answer.data)

    def hear(self, url: str, **fields: str) -> Document:
        """Post, and read the answer under the provider's rules."""
        return read(self.post(url, **fields))

    def rings(self) -> Document:
        return self.hear(INCOMING)

    def presses(self, document: Document, digits: str) -> Document:
        return self.hear(document.action, Digits=digits, msg="Gather End")

    def stays_silent(self, document: Document) -> Document:
        return self.hear(document.redirect)

    def hangs_up(self) -> None:
        self.post(f"{BASE}/voice/status", CallStatus="completed")


def read(body: bytes) -> Document:
    """Raises exchange.twiml.TwimlError for a document that the provider would not play."""
    return Document(body, parse(body, "text/xml; charset=utf-8"))


def goes_on_or_ends(document: Document) -> None:
    """It speaks, and then listens and says what happens on silence, or ends, or comes back."""
    assert document.said, document.body
    assert document.names in (
        ["Gather", "Redirect"],
        ["Say", "Hangup"],
        ["Say", "Pause", "Redirect"],
        ["Say", "Enqueue", "Redirect"],
        ["Say", "Dial", "Redirect"],
    ), document.names
    if document.gather:
        assert document.gather.children[0].name == "Say"
        assert re.search(r"[?&]n=\d+", document.action)


def promises_a_call_back(said: str) -> bool:
    """In the words that the call script gives for a promise."""
    return re.search(r"nous vous rappellerons|vous serez rappelé", said, re.IGNORECASE) is not None


def turn_number(url: str) -> int:
    found = re.search(r"[?&]n=(\d+)", url)
    assert found, url
    return int(found[1])
