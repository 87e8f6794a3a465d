"""Signing in: password, second factor, sessions and their ends, and tries that are counted.

A try is counted as wrong before it is looked at, in a transaction of its own, so that a thousand at
once are a thousand. Tries from devices where a login never signed in count for that login and for
the address; from a known device they count for that device alone, and a stranger's tries never
close it. Nothing here tells whether a login exists: neither words nor the work done.
"""

from __future__ import annotations

import ipaddress
import secrets
import time

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from models import attempts
from models.accounts import factors
from models.accounts import staff as rows
from models.accounts.staff import Staff, StaffAccount, StaffSession, StaffSessionView
from models.attempts import AttemptCountQuery, Subject
from models.database import Connection
from services.accounts import passwords, second_factor
from services.accounts.known_device import Device
from services.accounts.staff import fold, record_act
from services.attempts import ip_of
from services.store import Store
from services.telemetry import SIGN_INS

LOOK_BACK = timedelta(minutes=15)
WRONG_FOR_LOGIN = 5
WRONG_ON_DEVICE = 10
WRONG_FROM_ADDRESS = 30
# Without a sign of the person. A page that asks by itself is none, except while a caller is there.
IDLE = {"agent": timedelta(minutes=60)}
IDLE_OTHERS = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
# No agent is signed out in the middle of a call; a call is over by then (the provider's own limit
# of a call is four hours).
LONGEST_IN_CALL = timedelta(hours=16)
# For acts that concern many callers the password is asked for again after so long: a person at an
# unattended or stolen tab cannot close the line. Source: OWASP ASVS 5.0, 7.5.3.
PROVED_FOR = timedelta(minutes=10)
# Between the password and the rest.
UNFINISHED = timedelta(minutes=15)
TOUCH_AFTER = timedelta(seconds=60)
_LONGEST_LOGIN = 60
_TOKEN_BYTES = 32

log = structlog.get_logger()


class WrongCredentials(Exception):
    """Login, password or code: which one is not told."""


class Unproved(Exception):
    """The password was not given within PROVED_FOR."""


# Seconds for which a screen that asks each second is not looked up again.
MOMENT = 2.0
# More sessions than any house has screens.
_MOST_SEEN = 2000


class SignInClosed(Exception):
    """Too many tries; open again within LOOK_BACK."""


@dataclass(frozen=True)
class Origin:
    """Where a try comes from. `address` is an IP address, "" when it is not known."""

    address: str
    device: Device | None = None


@dataclass(frozen=True)
class BegunSession:
    """A session's token, for the browser alone, and whose it is."""

    token: str
    staff: Staff


def needs(visit: StaffSession) -> str:
    """The step missing before a user is signed in: "code", "password", "enrol" or "".

    Whatever the role, nothing else is shown to a session without a second factor.
    """
    if visit.has_factor and not visit.strong:
        return "code"
    if visit.password_temporary:
        return "password"
    return "" if visit.strong else "enrol"


def _is_over(found: StaffSession, now: datetime) -> bool:
    """Tell whether a session has lasted, or was not used, for too long."""
    age = now - found.began_at
    if found.wall:
        # A wall screen is never touched. What its owner does elsewhere keeps it neither open nor
        # longer.
        return age > LONGEST
    if found.in_call:
        return age > LONGEST_IN_CALL
    longest = UNFINISHED if needs(found) else LONGEST
    return age > longest or now - found.seen_at > IDLE.get(found.staff.role, IDLE_OTHERS)


class SignIn:
    """`key` makes what a page offers to a session; `demonstration`: known passwords are taken."""

    def __init__(
        self,
        store: Store,
        key: str,
        *,
        demonstration: bool = False,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ticks` is a monotonic clock in seconds."""
        self._store = store
        self._key = key
        self._demonstration = demonstration
        self._ticks = ticks
        # Sessions that asked a moment ago, by the session's token.
        self._seen: dict[str, tuple[float, StaffSession]] = {}

    # Sessions

    def visit(self, token: str, *, poll: bool = False, moment: bool = False) -> StaffSession | None:
        """Whose session it is; None when it is over. `poll`: a page asked, and not a person.

        `moment`: what was found less than MOMENT ago in this process will do.
        """
        if moment:
            known = self._seen.get(token)
            if known is not None and self._ticks() - known[0] < MOMENT:
                return known[1]
        found = self._visit(token, poll=poll)
        if moment and found is not None:
            if len(self._seen) >= _MOST_SEEN:
                self._seen.clear()
            self._seen[token] = self._ticks(), found
        else:
            self._seen.pop(token, None)
        return found

    def _visit(self, token: str, *, poll: bool) -> StaffSession | None:
        store = self._store
        with store.database.statement() as connection:
            found = rows.staff_session(connection, token)
        if found is None or (found.demonstration and not self._demonstration):
            return None
        now = store.clock.now()
        if _is_over(found, now):
            self.sign_out(token)
            return None
        if now - found.seen_at > TOUCH_AFTER and (found.in_call or found.wall or not poll):
            with store.database.statement() as connection:
                rows.touch(connection, store.clock, token)
            found = replace(found, seen_at=now)
        return found

    def sign_out(self, token: str) -> None:
        self._seen.pop(token, None)
        store = self._store
        with store.database.statement() as connection:
            rows.end_session(connection, store.clock, token)

    def sessions(self, staff: Staff, token: str) -> Sequence[StaffSessionView]:
        """Where a staff member is signed in; `token` is of the session that asks."""
        store = self._store
        since = store.clock.now() - LONGEST_IN_CALL
        with store.database.statement() as connection:
            return rows.sessions_of(connection, staff.id, since, token)

    def end(self, staff: Staff, name: str) -> bool:
        """End a staff member's session, by its name in their list; False where there is none."""
        self._seen.clear()
        store = self._store
        with store.database.transaction() as connection:
            ended = rows.end_named(connection, store.clock, staff.id, name)
            if ended:
                record_act(connection, store, staff.id, "session_ended", staff.id)
        return ended

    def open_wall(self, visit: StaffSession, token: str) -> BegunSession:
        """Make this browser a screen on a wall: its session ends, and one begins that only reads.

        It lasts LONGEST, without a user in front of it. Raises Unproved, and Wrong where the
        session was over already.
        """
        if not self.is_proved(visit):
            raise Unproved
        store = self._store
        with store.database.transaction() as connection:
            if not rows.end_session(connection, store.clock, token):
                raise WrongCredentials
            begun = self._new_session(connection, visit.staff, strong=visit.strong, wall=True)
            record_act(connection, store, visit.staff.id, "wall_opened", visit.staff.id)
        return BegunSession(begun, visit.staff)

    def is_proved(self, visit: StaffSession) -> bool:
        """Whether the password was given at this session within PROVED_FOR."""
        return self._store.clock.now() - visit.proved_at <= PROVED_FOR

    # Steps

    def begin(
        self, *, login: str, password: str, origin: Origin, replaces: str | None = None
    ) -> BegunSession:
        """A session that may lack something: see `needs`. The one it replaces is over.

        Raises Wrong, Closed, passwords.TooBusy.
        """
        store = self._store
        login = fold(login)[:_LONGEST_LOGIN]
        tries = self.count("sign_in", login, origin)
        with store.database.statement() as connection:
            account = rows.by_login(connection, store.vault, login)
        if account is not None and not self._usable(account):
            account = None
        fits = passwords.fits(password, account.password_hash if account else None)
        if account is None or not fits:
            SIGN_INS.labels("wrong").inc()
            raise WrongCredentials
        outdated = passwords.is_outdated(account.password_hash)
        hashed = passwords.hash_of(password) if outdated else account.password_hash
        with store.database.transaction() as connection:
            self._lock_unchanged(connection, account)
            attempts.succeed(connection, tries)
            if outdated:
                rows.change(connection, store.clock, account.staff.id, password_hash=hashed)
            if replaces:
                rows.end_session(connection, store.clock, replaces)
            token = self._new_session(connection, account.staff, strong=False)
            record_act(connection, store, account.staff.id, "sign_in", account.staff.id)
        SIGN_INS.labels("right").inc()
        return BegunSession(token, account.staff)

    def give_code(self, visit: StaffSession, token: str, code: str, origin: Origin) -> BegunSession:
        """The second factor; a code is taken once. The session gets a new token.

        An account for demonstration may give its code again: everybody knows its secret, and
        several people try it within half a minute. Raises Wrong, Closed.
        """
        store, staff = self._store, visit.staff
        tries = self.count("code", staff.login, origin)
        with store.database.transaction() as connection:
            account = rows.by_id(connection, store.vault, staff.id, lock=True)
            secret = account.totp_secret if account else None
            step = secret and second_factor.step_of(secret, code, store.clock.now())
            again = self._demonstration and visit.demonstration
            if not step or not (rows.use_step(connection, staff.id, step) or again):
                SIGN_INS.labels("wrong_code").inc()
                raise WrongCredentials
            attempts.succeed(connection, tries)
            return self.renew(connection, staff, token, strong=True)

    def give_recovery_code(
        self, visit: StaffSession, token: str, code: str, origin: Origin
    ) -> BegunSession:
        """A recovery code in place of the second factor, once. The session gets a new token.

        It takes no factor away: its owner adds another, and has this one go. Raises Wrong, Closed.
        """
        store, staff = self._store, visit.staff
        tries = self.count("code", staff.login, origin)
        index = second_factor.recovery_index(store.vault, staff.id, code)
        with store.database.transaction() as connection:
            rows.by_id(connection, store.vault, staff.id, lock=True)
            if not factors.use_code(connection, store.clock, staff.id, index):
                SIGN_INS.labels("wrong_code").inc()
                raise WrongCredentials
            attempts.succeed(connection, tries)
            left = factors.codes_left(connection, staff.id)
            record_act(
                connection, store, staff.id, "staff_recovery_used", staff.id, details={"left": left}
            )
            return self.renew(connection, staff, token, strong=True)

    def new_recovery_codes(self, visit: StaffSession) -> list[str]:
        """Recovery codes in place of all that there were; no page shows them a second time.

        Raises Unproved, and Wrong where the session has no second factor yet.
        """
        if needs(visit):
            raise WrongCredentials
        if not self.is_proved(visit):
            raise Unproved
        store, staff = self._store, visit.staff
        codes = second_factor.new_recovery_codes()
        indexes = [second_factor.recovery_index(store.vault, staff.id, code) for code in codes]
        with store.database.transaction() as connection:
            rows.by_id(connection, store.vault, staff.id, lock=True)
            factors.replace_codes(connection, store.clock, staff.id, indexes)
            record_act(connection, store, staff.id, "staff_recovery_made", staff.id)
        return codes

    def recovery_codes_left(self, staff: Staff) -> int:
        """How many recovery codes a staff member has not used."""
        with self._store.database.statement() as connection:
            return factors.codes_left(connection, staff.id)

    def prove(self, visit: StaffSession, token: str, password: str, origin: Origin) -> None:
        """Check the session owner's password, before an act that would outlast the session.

        That it was proved is good for PROVED_FOR at this session. Raises Wrong, Closed,
        passwords.TooBusy. Source: OWASP ASVS 5.0, 7.5.1.
        """
        store, staff = self._store, visit.staff
        tries = self.count("sign_in", staff.login, origin)
        with store.database.statement() as connection:
            account = rows.by_id(connection, store.vault, staff.id)
        if account is None or not passwords.fits(password, account.password_hash):
            raise WrongCredentials
        with store.database.transaction() as connection:
            attempts.succeed(connection, tries)
            rows.touch(connection, store.clock, token, proved=True)

    def offered_secret(self, token: str) -> str:
        """The second factor that a session may take."""
        return second_factor.secret_for(self._key, token)

    def enrol(self, visit: StaffSession, token: str, code: str, origin: Origin) -> BegunSession:
        """Take the second factor that was offered, by a code of it. The session gets a new token.

        Raises Wrong (also where there is one already: only an operator takes it away), Closed.
        """
        store, staff = self._store, visit.staff
        tries = self.count("code", staff.login, origin)
        secret = self.offered_secret(token)
        with store.database.transaction() as connection:
            account = rows.by_id(connection, store.vault, staff.id, lock=True)
            step = second_factor.step_of(secret, code, store.clock.now())
            if not step or account is None or account.totp_secret is not None:
                raise WrongCredentials
            attempts.succeed(connection, tries)
            rows.change_secret(connection, store.clock, store.vault, staff.id, secret)
            rows.use_step(connection, staff.id, step)
            record_act(connection, store, staff.id, "staff_totp", staff.id)
            return self.renew(connection, staff, token, strong=True)

    def change_password(
        self, visit: StaffSession, token: str, *, old: str | None, new: str, origin: Origin
    ) -> BegunSession:
        """Another password; every other session ends, this one gets a new token.

        `old` may be left out where it was temporary, for it was given a moment ago. Raises Wrong,
        Closed, passwords.BadPassword, passwords.TooBusy.
        """
        store, staff = self._store, visit.staff
        passwords.check(new, login=staff.login, name=staff.name)
        tries = self.count("sign_in", staff.login, origin)
        with store.database.statement() as connection:
            account = rows.by_id(connection, store.vault, staff.id)
        if account is None:
            raise WrongCredentials
        if not account.password_temporary and (
            old is None or not passwords.fits(old, account.password_hash)
        ):
            raise WrongCredentials
        if passwords.fits(new, account.password_hash):
            raise passwords.BadPassword("same", "that is the password of now")
        hashed = passwords.hash_of(new)
        with store.database.transaction() as connection:
            self._lock_unchanged(connection, account)
            attempts.succeed(connection, tries)
            begun = self.renew(connection, staff, token, strong=visit.strong, alone=True)
            columns = {"password_temporary": False, "demonstration": False}
            rows.change(connection, store.clock, staff.id, password_hash=hashed, **columns)
            record_act(connection, store, staff.id, "staff_password", staff.id)
        return begun

    def demonstration_code(self, visit: StaffSession) -> str:
        """A code that an account for demonstration can give; "" for all other accounts."""
        if not (self._demonstration and visit.demonstration):
            return ""
        store = self._store
        with store.database.statement() as connection:
            account = rows.by_id(connection, store.vault, visit.staff.id)
        if account is None or account.totp_secret is None:
            return ""
        return second_factor.code_at(account.totp_secret, store.clock.now())

    # Inside

    def _usable(self, account: StaffAccount) -> bool:
        return not account.disabled and (self._demonstration or not account.demonstration)

    def _lock_unchanged(self, connection: Connection, account: StaffAccount) -> None:
        """Raises Wrong when the account is not what was looked at: it was changed meanwhile."""
        now = rows.by_id(connection, self._store.vault, account.staff.id, lock=True)
        if now is None or now.disabled or now.password_hash != account.password_hash:
            raise WrongCredentials

    def _new_session(
        self, connection: Connection, staff: Staff, *, strong: bool, wall: bool = False
    ) -> str:
        token, clock = secrets.token_urlsafe(_TOKEN_BYTES), self._store.clock
        rows.begin_session(connection, clock, token, staff.id, strong=strong, wall=wall)
        return token

    def renew(
        self, connection: Connection, staff: Staff, token: str, *, strong: bool, alone: bool = False
    ) -> BegunSession:
        """End a session and begin its successor. Raises Wrong when it was over already."""
        if not rows.end_session(connection, self._store.clock, token):
            raise WrongCredentials
        if alone:
            rows.end_sessions(connection, self._store.clock, staff.id)
        return BegunSession(self._new_session(connection, staff, strong=strong), staff)

    def count(self, kind: str, login: str, origin: Origin) -> list[int]:
        """Count a try as wrong; gives what `attempts.succeed` takes back. Raises Closed."""
        store = self._store
        index = store.vault.index
        device = origin.device
        if device is not None and device.knows(store.vault, login):
            where = index("device", f"{device.id}:{login}") or b""
            limits = [(Subject(f"{kind}_known", where), WRONG_ON_DEVICE)]
        else:
            limits = [(Subject(kind, index("login", login) or b""), WRONG_FOR_LOGIN)]
            if origin.address:
                place = index("address", network(origin.address)) or b""
                limits.append((Subject("address", place), WRONG_FROM_ADDRESS))
        subjects = [subject for subject, _ in limits]
        with store.database.transaction() as connection:
            asked = [AttemptCountQuery(subject, LOOK_BACK) for subject in subjects]
            wrong = attempts.counts_alone(connection, store.clock, subjects, asked)
            if any(count >= limit for count, (_, limit) in zip(wrong, limits, strict=True)):
                SIGN_INS.labels("closed").inc()
                log.warning("sign-in closed", kind=kind, known_device=device is not None)
                raise SignInClosed
            return attempts.begin(connection, store.clock, subjects)


def network(address: str) -> str:
    """The network an address counts for: itself, or its IPv6 /64, of which one customer has all."""
    found = ip_of(address)
    if found is None or found.version == 4:  # noqa: PLR2004
        return str(found or address)
    return str(ipaddress.ip_network((found, 64), strict=False))
