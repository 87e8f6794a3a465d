"""Where a call goes on, and why a document cannot be had or played."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from exchange.orders import Complete, Drop, Redirect
from exchange.twiml import SCHEMA_FAILURE, Verb

BAD_URL = 11100
RETRIEVAL_FAILURE = 11200
CONNECTION_FAILURE = 11205
BAD_CALLBACK = 15003
BAD_CONFERENCE = 13240
# Not Twilio's: the stand-in's own words for what it cannot or will not play.
NOT_PLAYED = 0


@dataclass(frozen=True)
class CallError:
    """Something Twilio's debugger would show: its code, the URL, a sentence."""

    code: int
    url: str
    message: str


class Failed(Exception):
    """A document could not be had or played."""

    def __init__(self, code: int, url: str, message: str) -> None:
        super().__init__(message)
        self.error = CallError(code, url, message)


class Ordered(Exception):
    """An order from outside ends what goes on."""

    def __init__(self, order: Redirect | Complete | Drop) -> None:
        super().__init__(type(order).__name__)
        self.order = order


@dataclass(frozen=True)
class Goto:
    """The next document to fetch, from an absolute URL, with what is posted besides the usual."""

    url: str
    method: str = "POST"
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class End:
    """The call ends here; `reason` is its `end_reason`."""

    reason: str


class Leave:
    """The caller leaves the queue."""


Outcome = Goto | End | Leave | None


@dataclass(frozen=True)
class Document:
    """The verbs of a document, and its URL, which those in it are relative to."""

    url: str
    verbs: tuple[Verb, ...]


def target(
    base: str, url: str, method: str | None = None, params: Mapping[str, str] | None = None
) -> Goto:
    """Return where a URL in the document at `base` leads. Raises Failed where it leads nowhere."""
    if not url:
        raise Failed(SCHEMA_FAILURE, base, "there is no URL to go on to")
    absolute = urljoin(base, url)
    if urlsplit(absolute).scheme not in {"http", "https"}:
        raise Failed(BAD_URL, base, f"{absolute!r} is not an absolute URL")
    return Goto(absolute, method or "POST", params or {})


def only(allowed: frozenset[str], document: Document, where: str) -> None:
    """Raise Failed unless only these verbs stand in a document."""
    other = next((verb.name for verb in document.verbs if verb.name not in allowed), None)
    if other is not None:
        raise Failed(SCHEMA_FAILURE, document.url, f"<{other}> is not allowed {where}")
