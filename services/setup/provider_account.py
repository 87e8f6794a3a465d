"""The account at the provider: what is missing for callers and texts, and setting what may be set.

Each finding is a sentence with its remedy, for an operator. What is set are the addresses of our
numbers and nothing else: nothing is bought, released or removed, and an application or a trunk that
was put there stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar
from urllib.parse import urlsplit

from services.accounts.staff import OPERATOR, record_act
from services.findings import Finding, bad, good, warning
from services.ports import (
    Busy,
    NoAnswer,
    OwnedNumber,
    ProviderAccount,
    ProviderRefused,
    TextState,
)
from services.refused import OperatorRefused
from services.setup.provider_errors import SAID
from services.store import Store

# Names of addresses and methods of a number, as the provider has them.
VOICE: Final = "voice_url"
VOICE_FALLBACK: Final = "voice_fallback_url"
STATUS: Final = "status_callback"
SMS: Final = "sms_url"
# The method that goes with each.
METHODS: Final[Mapping[str, str]] = {
    VOICE: "voice_method",
    VOICE_FALLBACK: "voice_fallback_method",
    STATUS: "status_callback_method",
    SMS: "sms_method",
}
FIELDS: Final = (*METHODS, *METHODS.values())
# What each is called in a sentence.
_CALLED: Final[Mapping[str, str]] = {
    VOICE: "calls come in",
    VOICE_FALLBACK: "calls go when we do not answer",
    STATUS: "the end of a call is told",
    SMS: "texts come in",
}
POST: Final = "POST"
ACT: Final = "provider_connect"
TRIED: Final = "provider_text"
# The account's own words of what it is.
_ACTIVE, _TRIAL = "active", "Trial"
# Words of a text: it has come, it has not, and (of some networks) it left and nothing more is told.
_ARRIVED, _FAILED, _LEFT = "delivered", {"failed", "undelivered", "canceled"}, "sent"
# Seconds between two looks at a text, and how often it is looked at.
LOOK_EVERY: Final = 2.0
LOOKS: Final = 15
_CONNECT: Final = "`flask provider connect --yes` sets it"
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404
_NOT_ACTIVE: Final = {"20005", "10001"}
_NO_RIGHT: Final = "70051"

AccountT = TypeVar("AccountT")


@dataclass(frozen=True)
class Wanted:
    """What our settings need at the provider. Numbers are E.164, or short ones.

    `leads` is where calls of the national number go, `sms` where texts of `reply_number` and of
    `text_number` go;
    `regions` are those that we ring.
    """

    national_number: str
    caller_id: str
    sender: str
    reply_number: str
    text_number: str
    leads: Mapping[str, str]
    sms: str
    public_base_url: str
    regions: tuple[str, ...]
    calls_per_second: float
    texts_per_second: float
    # Other numbers that people call (NUMBERS_FILE), which lead where the national one does.
    called: tuple[str, ...] = ()
    # Senders of theirs that are numbers themselves, where their texts are answered.
    senders: tuple[str, ...] = ()
    # Gives the words of a text that is sent to try: one that people get from us, too.
    words: Callable[[], str] = str

    def of(self, number: str) -> dict[str, str]:
        """Where a number of ours is to lead, each address with its method."""
        found = dict(self.leads) if self.is_called(number) else {}
        if number in self.texted:
            found[SMS] = self.sms
        return {**found, **{METHODS[name]: POST for name in found}}

    def is_called(self, number: str) -> bool:
        """Whether people call it, for an appointment."""
        return number == self.national_number or number in self.called

    @property
    def numbers(self) -> list[str]:
        """Our numbers that lead anywhere, each once."""
        found = dict.fromkeys([self.national_number, *self.called, *self.texted])
        return [number for number in found if number]

    @property
    def texted(self) -> dict[str, str]:
        """The settings that name a number at which texts come in, by that number."""
        named = {
            **dict.fromkeys(self.senders, "NUMBERS_FILE"),
            self.text_number: "TEXT_BOOKING_NUMBER",
            self.reply_number: "SMS_REPLY_NUMBER",
        }
        return {number: name for number, name in named.items() if number}


class AccountRefused(OperatorRefused):
    """The account cannot be looked at or changed; one sentence with the remedy."""


@dataclass(frozen=True)
class Change:
    """One field of a number that is not as it is wanted."""

    number: str
    sid: str
    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Plan:
    """What is to be set; and findings that keep numbers from being set."""

    changes: list[Change] = field(default_factory=list)
    hindered: list[Finding] = field(default_factory=list)


# ---------------------------------------------------------------- looking


def check(account: ProviderAccount, wanted: Wanted) -> list[Finding]:
    """Everything that the provider tells of what we need. Raises AccountRefused.

    Where the account itself can be read and a part of it cannot, that part is a finding.
    """
    state = _asked(account.state)
    found = []
    if state.status == _ACTIVE:
        found.append(good("The account is active."))
    else:
        remedy = "Ask the provider why, in its console"
        found.append(bad(f"The account is {state.status}, and carries no call.", remedy))
    if state.type == _TRIAL:
        found.append(
            bad(
                "The account is on trial: it rings and texts verified numbers alone.",
                "Upgrade it in the provider's console",
            )
        )
    parts: tuple[Callable[[], Iterator[Finding]], ...] = (
        lambda: _balance(account),
        lambda: _national(account, wanted),
        lambda: _others(account, wanted),
        lambda: _sender(account, wanted, trial=state.type == _TRIAL),
        lambda: _replies(account, wanted),
        lambda: _caller_id(account, wanted),
        lambda: _permissions(account, wanted),
        lambda: _queues(account),
    )
    for part in parts:
        try:
            found += list(part())
        except (ProviderRefused, Busy, NoAnswer) as error:
            found.append(_not_seen(error))
    found.append(_pace(wanted))
    return found


def _asked(ask: Callable[[], AccountT]) -> AccountT:
    """What the account answers. Raises AccountRefused."""
    try:
        return ask()
    except (ProviderRefused, Busy, NoAnswer) as error:
        raise AccountRefused(sentence_of(error)) from None


def sentence_of(error: Exception) -> str:
    """An error of the provider in one sentence, with what to do."""
    if isinstance(error, Busy):
        if error.code == "unreachable":
            return (
                "The provider cannot be reached: see whether this machine reaches"
                " TWILIO_API_BASE_URL, through its firewall and proxy"
            )
        seconds = int(error.after.total_seconds()) if error.after else 0
        wait = f"in {seconds} s" if seconds else "in a minute"
        return f"The provider is asked too often (error {error.code}): try again {wait}"
    if isinstance(error, NoAnswer):
        return "The provider did not answer, so nothing is known of what it did: try again"
    assert isinstance(error, ProviderRefused)  # noqa: S101 (there are no others)
    return _refused(error)


def _refused(error: ProviderRefused) -> str:
    if error.code in _NOT_ACTIVE:
        return f"The account is not active (error {error.code}): ask why, in the provider's console"
    if error.code in SAID:
        sentence, remedy = SAID[error.code]
        return f"{sentence} (error {error.code}): {remedy}"
    if error.status == _UNAUTHORIZED and error.code != _NO_RIGHT:
        return (
            f"The provider does not know TWILIO_ACCOUNT_SID with this TWILIO_AUTH_TOKEN (error"
            f" {error.code}): copy both from its console, and see there that it is not suspended"
        )
    if error.status == _FORBIDDEN or error.code == _NO_RIGHT:
        return (
            f"The account may not do this (error {error.code}): give its key the right in the"
            " provider's console, or use the account's own token"
        )
    if error.status == _NOT_FOUND:
        return (
            f"The provider knows no such account or number (error {error.code}): compare"
            " TWILIO_ACCOUNT_SID and TWILIO_API_BASE_URL with its console"
        )
    return (
        f"The provider refuses (error {error.code}): its list of errors says why,"
        f" https://www.twilio.com/docs/api/errors/{error.code}"
    )


def _not_seen(error: Exception) -> Finding:
    sentence, _, remedy = sentence_of(error).partition(": ")
    return bad(f"Not everything could be looked at. {sentence}.", remedy)


def _balance(account: ProviderAccount) -> Iterator[Finding]:
    try:
        left, currency = account.balance()
    except ProviderRefused:
        # Of a part of an account the provider tells none.
        yield warning("The provider does not tell this account's balance.")
        return
    told = f"{left:.2f} {currency}"
    if left <= 0:
        yield bad(f"Nothing is left on the account: {told}.", "Pay in, or nothing leaves")
    else:
        yield good(f"{told} are left on the account.")


# ---------------------------------------------------------------- numbers


def _national(account: ProviderAccount, wanted: Wanted) -> Iterator[Finding]:
    number = wanted.national_number
    if not number.startswith("+"):
        yield warning(
            f"The national number {number} is a short one, which its operator leads to a number of"
            " the account: look at that one in the provider's console."
        )
        return
    owned = account.number(number)
    if owned is None:
        yield bad(
            f"The national number {number} is not one of the account.",
            "Bring it there, or set NATIONAL_NUMBER to the one that it has",
        )
        return
    if not owned.voice:
        yield bad(f"The number {number} carries no voice.", "Choose a number that does")
    yield from _elsewhere(owned, sms=False)
    yield from _leads(owned, wanted)
    yield from _fallback(wanted)


def _others(account: ProviderAccount, wanted: Wanted) -> Iterator[Finding]:
    """The other numbers that people call."""
    for number in wanted.called:
        owned = account.number(number) if number.startswith("+") else None
        if owned is not None and owned.voice:
            yield from _elsewhere(owned, sms=False)
            yield from _leads(owned, wanted)
        elif number.startswith("+"):
            yield bad(
                f"The number {number} of NUMBERS_FILE is none of the account that carries voice.",
                "Bring it there, or take it out of the file",
            )
        else:
            yield warning(f"The number {number} is a short one: see where it leads by hand.")


def _elsewhere(owned: OwnedNumber, *, sms: bool) -> Iterator[Finding]:
    """An application or a trunk takes what comes in, whatever the number's own addresses are."""
    takers = (
        [("texts", owned.sms_application)]
        if sms
        else [("calls", owned.voice_application), ("calls", owned.trunk)]
    )
    for what, sid in takers:
        if sid:
            yield bad(
                f"The {what} of {owned.number} go to {sid}, and not to the number's addresses.",
                "Take it off the number in the provider's console: no command does",
            )


def _leads(owned: OwnedNumber, wanted: Wanted) -> Iterator[Finding]:
    """Where a number leads, against where it is to lead."""
    needed = wanted.of(owned.number)
    for name, method in METHODS.items():
        if name not in needed:
            continue
        is_set, is_method = owned.leads.get(name, ""), owned.leads.get(method, "")
        if not is_set:
            yield bad(f"{owned.number}: no address says where {_CALLED[name]}.", _CONNECT)
        elif is_set != needed[name]:
            yield bad(
                f"{owned.number}: {_CALLED[name]} at {is_set}, and not at {needed[name]}.",
                _CONNECT,
            )
        elif is_method != POST:
            yield bad(f"{owned.number}: {_CALLED[name]} by {is_method}, and not by POST.", _CONNECT)
        else:
            yield good(f"{owned.number}: {_CALLED[name]} at {is_set}.")


def _fallback(wanted: Wanted) -> Iterator[Finding]:
    fallback = wanted.leads.get(VOICE_FALLBACK, "")
    if _origin(fallback) == _origin(wanted.public_base_url):
        yield warning(
            "The fallback address is this service's own: when all of it is away, callers hear the"
            " provider's words. Put `flask deploy fallback` at another origin, and its address into"
            " VOICE_FALLBACK_URL."
        )


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _sender(account: ProviderAccount, wanted: Wanted, *, trial: bool) -> Iterator[Finding]:
    sender = wanted.sender
    if sender.startswith("+"):
        owned = account.number(sender)
        if owned is None or not owned.sms:
            yield bad(
                f"SMS_SENDER {sender} is no number of the account that sends texts.",
                "Set it to one that does, or to a name of 11 letters at most",
            )
        else:
            yield good(f"Texts come from {sender}.")
    elif sender.isdigit():
        yield warning(f"Texts come from the short number {sender}: see that the account has it.")
    elif trial:
        yield bad(
            f"SMS_SENDER {sender} is a name, and an account on trial sends none.",
            "Upgrade the account, or set SMS_SENDER to its number",
        )
    else:
        yield warning(
            f"Texts come from the name {sender}: the provider tells by each text whether its"
            " network takes it; `flask provider check --text-to +33…` sends you one. Nobody can"
            " answer to a name."
        )


def _replies(account: ProviderAccount, wanted: Wanted) -> Iterator[Finding]:
    for number, name in wanted.texted.items():
        yield from _replies_at(account, wanted, number, name)


def _replies_at(
    account: ProviderAccount, wanted: Wanted, number: str, name: str
) -> Iterator[Finding]:
    if not number.startswith("+"):
        yield warning(f"Texts come in at the short number {number}: see where it leads by hand.")
        return
    owned = account.number(number)
    if owned is None or not owned.sms:
        yield bad(
            f"{name} {number} is no number of the account that receives texts.",
            "Set it to one that does, or leave it empty",
        )
        return
    yield from _elsewhere(owned, sms=True)
    if not wanted.is_called(number):
        yield from _leads(owned, wanted)


def _caller_id(account: ProviderAccount, wanted: Wanted) -> Iterator[Finding]:
    number = wanted.caller_id
    owned = account.number(number)
    if owned is not None and owned.voice:
        yield good(f"Calls out show {number}, a number of the account.")
    elif account.is_verified(number):
        yield good(f"Calls out show {number}, which was verified.")
    else:
        yield bad(
            f"OUTBOUND_CALLER_ID {number} is neither a number of the account nor verified.",
            "Verify it in the provider's console, or set a number of the account",
        )


def _permissions(account: ProviderAccount, wanted: Wanted) -> Iterator[Finding]:
    may, told, risky = [], [], []
    for region in wanted.regions:
        found = account.permission(region)
        if found is None:
            continue
        told.append(region)
        if found.ordinary:
            may.append(region)
        if found.special or found.fraud:
            risky.append(region)
    remedy = "Open it under Voice, Geo permissions, in the provider's console"
    for region in told:
        if region not in may:
            yield bad(f"The account may not ring numbers of {region}.", remedy)
    untold = [region for region in wanted.regions if region not in told]
    if may:
        yield good(f"The account may ring {', '.join(may)}.")
    if untold:
        yield warning(
            f"The provider has no permission of its own for {', '.join(untold)}: it goes with the"
            " region that shares its code."
        )
    if risky:
        yield warning(
            f"Premium numbers or ranges of fraud may be rung in {', '.join(risky)}. The service"
            " rings none; close them, and nobody who steals the key can."
        )


def _queues(account: ProviderAccount) -> Iterator[Finding]:
    found = account.queues()
    if found:
        told = ", ".join(f"{name} ({most})" for name, most in sorted(found.items()))
        yield good(f"Queues of callers, and how many each takes: {told}.")
    else:
        yield warning(
            "There is no queue of callers yet: `flask dispatcher` makes them at its start."
        )


def _pace(wanted: Wanted) -> Finding:
    texts = wanted.texts_per_second
    paced = f"{texts:g} parts of texts" if texts else "as many texts as come"
    return warning(
        "The provider does not tell how much an account may begin in a second. Compare with its"
        f" console: CALLS_PER_SECOND, {wanted.calls_per_second:g}; the pace of texts, {paced}."
    )


# ---------------------------------------------------------------- trying


def try_text(
    account: ProviderAccount,
    wanted: Wanted,
    number: str,
    *,
    wait: Callable[[float], object],
) -> Finding:
    """Send one real text to a telephone of the operator's, and say what became of it.

    Only so is it known whether the sender is taken, and whether the network lets it through: the
    account tells neither. `number` is E.164; `wait` waits so many seconds.
    """
    try:
        sid = account.text(number, wanted.sender, wanted.words())
    except (ProviderRefused, Busy, NoAnswer) as error:
        return _not_sent(error)
    state = TextState("")
    for _ in range(LOOKS):
        wait(LOOK_EVERY)
        try:
            state = account.text_state(sid)
        except (ProviderRefused, Busy, NoAnswer) as error:
            return _not_seen(error)
        if state.status == _ARRIVED:
            return good(f"The text {sid} has arrived.")
        if state.status in _FAILED:
            return _not_sent(ProviderRefused(state.error_code or state.status, 400))
    if state.status == _LEFT:
        return warning(f"The text {sid} has left, and its network tells no more: see if it came.")
    return bad(
        f"The text {sid} is still {state.status or 'waiting'} at the provider.",
        "Look at its log in the provider's console",
    )


def record_try(store: Store, *, by: str) -> None:
    """It costs a text, so it is an act; its receiver is not noted."""
    with store.database.transaction() as connection:
        record_act(connection, store, OPERATOR, TRIED, "", details={"by": by})


def _not_sent(error: Exception) -> Finding:
    sentence, _, remedy = sentence_of(error).partition(": ")
    return bad(f"The text did not arrive. {sentence}.", remedy[:1].upper() + remedy[1:])


# ---------------------------------------------------------------- setting


def plan(account: ProviderAccount, wanted: Wanted) -> Plan:
    """What is to be set, and changes nothing. Raises AccountRefused."""
    _asked(account.state)
    made = Plan()
    for number in wanted.numbers:
        if not number.startswith("+"):
            made.hindered.append(warning(f"{number} is a short number: set it by hand."))
            continue
        owned = _asked(partial(account.number, number))
        if owned is None:
            made.hindered.append(
                bad(f"{number} is not one of the account.", "Nothing is set for it")
            )
            continue
        made.hindered.extend(_elsewhere(owned, sms=False) if wanted.is_called(number) else ())
        made.hindered.extend(_elsewhere(owned, sms=True) if number in wanted.texted else ())
        made.changes.extend(
            Change(number, owned.sid, name, owned.leads.get(name, ""), after)
            for name, after in wanted.of(number).items()
            if owned.leads.get(name, "") != after
        )
    return made


def connect(store: Store, account: ProviderAccount, changes: list[Change], *, by: str) -> None:
    """Set it, a number at a time. Raises AccountRefused, of a number of which nothing was set.

    Each number's line in the history of acts is written before the provider is asked: what it may
    have done stands there, whatever becomes of the answer.
    """
    for sid in dict.fromkeys(change.sid for change in changes):
        mine = [change for change in changes if change.sid == sid]
        told = {change.name: [change.before, change.after] for change in mine}
        with store.database.transaction() as connection:
            details = {"by": by, "number": mine[0].number, "set": told}
            record_act(connection, store, OPERATOR, ACT, sid, details=details)
        leads = {change.name: change.after for change in mine}
        _asked(partial(account.set_leads, sid, leads))
