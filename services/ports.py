"""What use cases ask of the outside.

`ivr` and `jobs` implement it, `app` brings them together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from models.partners.bookings import OrderedPerson


class ProviderRefused(Exception):
    """The provider said no, and would again: `code` is its own, `status` that of HTTP, if known."""

    def __init__(self, code: str, status: int = 0) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


class Busy(Exception):
    """The provider did not take it, and says so: it is safe to try again after `after`."""

    def __init__(self, code: str, after: timedelta | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.after = after


class NoAnswer(Exception):
    """Whether the provider took it is not known: look before trying again."""


class Messenger(Protocol):
    """Sends texts. Never called inside a webhook."""

    def send(self, message_id: str, recipient: str, body: str, *, sender: str = "") -> str:
        """Give a text to the provider; its id comes back. Raises Refused, Busy, NoAnswer."""
        ...

    def find(self, recipient: str, body: str, since: datetime) -> str | None:
        """The id of this very text if the provider took it after `since`. Raises as `send`."""
        ...


class Mailer(Protocol):
    """Sends mails. Never called inside a webhook."""

    def send(self, message_id: str, to: str, subject: str, body: str, calendar: bytes) -> None:
        """Hand a mail to the operator's server; `calendar` (RFC 5545) is attached if there is any.

        Raises Refused, Busy, NoAnswer.
        """
        ...


class ProviderRecords(Protocol):
    """Deletes what the provider keeps of a text or a call. Never called inside a webhook."""

    def delete(self, sid: str) -> None:
        """Have it deleted, by the provider's id; one that is gone is fine.

        Raises Refused (as for a call that has not ended), Busy, NoAnswer.
        """
        ...


@dataclass(frozen=True)
class AccountState:
    """What the account is, in the provider's words: active, suspended, closed; Trial, Full."""

    status: str
    type: str


@dataclass(frozen=True)
class OwnedNumber:
    """A number of the account (E.164), what it can, and where it leads.

    `leads` are addresses and methods by their names at the provider (`services.setup.
    provider_account.FIELDS`). An application or a trunk takes its calls or texts elsewhere.
    """

    sid: str
    number: str
    voice: bool
    sms: bool
    leads: Mapping[str, str]
    voice_application: str = ""
    sms_application: str = ""
    trunk: str = ""


@dataclass(frozen=True)
class CountryPermission:
    """Which numbers of a country may be rung: ordinary ones, premium ones, ranges of fraud."""

    ordinary: bool
    special: bool
    fraud: bool


@dataclass(frozen=True)
class TextState:
    """How a text is, in the provider's words; `error_code` is empty where nothing went wrong."""

    status: str
    error_code: str = ""


class ProviderAccount(Protocol):
    """Looks at the account, and sets where its numbers lead. For an operator's commands.

    It buys, releases and removes nothing. Every method raises Refused, Busy, NoAnswer.
    """

    def state(self) -> AccountState: ...

    def balance(self) -> tuple[float, str]:
        """What is left, and the currency."""
        ...

    def number(self, number: str) -> OwnedNumber | None:
        """A number (E.164) that is the account's own."""
        ...

    def is_verified(self, number: str) -> bool:
        """Whether a number (E.164) of another person may be shown."""
        ...

    def permission(self, region: str) -> CountryPermission | None:
        """The numbers it may ring in a region (ISO 3166); None: not known there by itself."""
        ...

    def queues(self) -> Mapping[str, int]:
        """How many callers each queue of the account takes, by its name."""
        ...

    def set_leads(self, sid: str, leads: Mapping[str, str]) -> None:
        """Set these addresses and methods of a number, by their names at the provider."""
        ...

    def text(self, recipient: str, sender: str, body: str) -> str:
        """Send a text to a number (E.164) of the operator's; gives its id there."""
        ...

    def text_state(self, sid: str) -> TextState:
        """How a text is that was sent so."""
        ...


@dataclass(frozen=True)
class ListedText:
    """A text as the provider lists it. `status` is its word; `at` (UTC): when it left, or came.

    `recipient` is E.164. `error_code` is the provider's, empty where nothing went wrong.
    """

    sid: str
    recipient: str
    body: str
    status: str
    at: datetime
    error_code: str = ""


@dataclass(frozen=True)
class ListedCall:
    """A call as the provider lists it. `other` is the number (E.164) that is not ours.

    `is_ours`: we rang. `is_over`: it was answered and has ended. `at` (UTC): when it began.
    `other` is empty for a number that was withheld, and client:<staff id> for a browser.
    """

    sid: str
    other: str
    is_ours: bool
    is_over: bool
    seconds: int
    at: datetime


class ProviderLog(Protocol):
    """What the provider says that left and came. Never called inside a webhook.

    Both read page by page and raise Refused, Busy, NoAnswer.
    """

    def texts(self, since: datetime) -> Iterator[ListedText]:
        """Texts that we sent since then, and those that it has not sent yet."""
        ...

    def calls(self, since: datetime) -> Iterator[ListedCall]:
        """Calls that began since then, from and to us."""
        ...


class LineTypes(Protocol):
    """Knows what a line is, whatever its number says: ported, sold on. Never inside a webhook."""

    def kind(self, number: str) -> str:
        """mobile, landline, voip, or empty where the provider cannot tell, of a number in E.164.

        Raises Refused, Busy, NoAnswer.
        """
        ...


@dataclass(frozen=True)
class PartnerTime:
    """An appointment at a centre of ours, as its partner is asked for it. `start_at` is UTC."""

    centre_id: str
    dose: int
    start_at: datetime


class PartnerBooker(Protocol):
    """Books at partners for centres that are configured. Never called inside a webhook.

    Ids are the partner's. An appointment is made in two steps, so that a lost answer never makes a
    second one: `prepare` writes a draft that occupies no slot, and `confirm` may be repeated. Every
    method answers within some seconds and raises Refused (`code`: its HTTP status, 404, 422 and 400
    for an appointment that cannot be; 401, 402 and 406 for our account or keys), Busy (nothing was
    done) or NoAnswer (whether it was done is unknown).
    """

    def knows(self, centre_id: str) -> bool:
        """Whether a centre is configured, with keys."""
        ...

    def register(self, centre_id: str, patient: OrderedPerson) -> str:
        """The partner's id for a patient."""
        ...

    def free_agenda(self, time: PartnerTime) -> str:
        """One of the centre's agendas in which that time is free now; empty for none."""
        ...

    def prepare(self, time: PartnerTime, agenda: str, patient: str) -> str:
        """Write an appointment down there without confirming it; gives its id."""
        ...

    def confirm(self, time: PartnerTime, agenda: str, patient: str, appointment: str) -> None:
        """Confirm it; again does no harm."""
        ...

    def cancel(self, centre_id: str, appointment: str) -> None:
        """Take it away there; one that is gone already is fine."""
        ...


class WakeUp(Protocol):
    """Tells a worker that a message waits. It may be lost: a sweep finds the message anyway."""

    def message(self, message_id: str) -> None: ...


class CallControl(Protocol):
    """Acts on calls that are going on, by the provider's REST. Never called inside a webhook.

    Every method answers within three seconds and raises Refused (20404: no such call, queue or
    participant any more), Busy (nothing was done) or NoAnswer (whether it was done is unknown). A
    `path` is one of ours, below /voice, with its query; the provider asks for it by POST.
    """

    @property
    def calls_per_second(self) -> float:
        """How many calls the account may begin; 0 for no limit."""
        ...

    def make_queue(self, name: str, max_size: int) -> str:
        """The provider's id of its queue of this name, made where there is none, of that size."""
        ...

    def ring(
        self,
        to: str,
        path: str,
        *,
        status_path: str,
        ring_seconds: int,
        caller_id: str = "",
    ) -> str:
        """Ring a person; gives the id of the call. What they hear is at `path` once they answer.

        `to` is E.164, or client:<staff id> for the telephone in a browser. `status_path` is told
        when it is rung, answered and over. `caller_id` is the number shown: empty for our own.
        """
        ...

    def find_call(self, to: str, since: datetime) -> str | None:
        """The newest call that we made to `to` after `since` (UTC), if there was one."""
        ...

    def status_of(self, call_sid: str) -> str:
        """What a call is at this moment, in the provider's word: such as in-progress, completed."""
        ...

    def take_from_queue(self, queue_sid: str, call_sid: str, path: str) -> None:
        """Take the caller named out of the provider's queue, whatever their place in it."""
        ...

    def redirect(self, call_sid: str, path: str) -> None:
        """Let a call go on at `path`, out of whatever it was doing."""
        ...

    def hang_up(self, call_sid: str) -> None:
        """End a call, or stop ringing."""
        ...

    def hold(self, conference_sid: str, call_sid: str, *, on: bool, path: str = "") -> None:
        """Put a participant on hold with what is at `path`, or bring them back."""
        ...

    def mute(self, conference_sid: str, call_sid: str, *, on: bool) -> None:
        """Switch a participant's own microphone off or on, whatever kind of telephone it is."""
        ...

    def coach(
        self, conference_sid: str, call_sid: str, *, coached_sid: str = "", muted: bool
    ) -> None:
        """Let a participant be heard by one alone (`coached_sid`), by all (empty), or by none."""
        ...
