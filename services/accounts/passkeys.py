"""Passkeys (WebAuthn level 2): a key that never leaves its device signs what we ask, once.

A passkey is the second factor after the password; the device itself asks its owner for a finger, a
face or a PIN. It signs for the host of PUBLIC_BASE_URL alone, so that no other site can ask for it.
What is to be signed is kept with the session for a few minutes, and taken out before the answer is
looked at.
"""

from __future__ import annotations

import ipaddress
import json
import secrets

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import structlog

from models.accounts import factors
from models.accounts import staff as rows
from models.accounts.factors import Passkey
from models.accounts.staff import Staff, StaffSession
from models.attempts import succeed
from services.accounts.second_factor import ISSUER
from services.accounts.sign_in import (
    BegunSession,
    Origin,
    SignIn,
    Unproved,
    WrongCredentials,
    needs,
)
from services.accounts.staff import record_act
from services.store import Store
from services.telemetry import SIGN_INS

if TYPE_CHECKING:
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

LONGEST_NAME = 40
# A browser gives its user this long.
ASKED_FOR = timedelta(minutes=5)
# No answer of a key is longer; some carry a certificate.
LONGEST_ANSWER = 16_384
MOST_PASSKEYS = 10
_CHALLENGE_BYTES = 32
_MAKE, _USE = b"m", b"u"
_TRANSPORTS = frozenset({"usb", "nfc", "ble", "hybrid", "internal"})

log = structlog.get_logger()


class LastFactor(Exception):
    """Without this one an account would have no second factor."""


@dataclass(frozen=True)
class PasskeySite:
    """For what site keys sign. `rp_id` is "" where browsers have no passkeys for it."""

    rp_id: str
    origin: str

    @classmethod
    def of(cls, public_base_url: str) -> PasskeySite:
        """An address of numbers has no passkeys, but this machine's is called localhost as well."""
        parts = urlsplit(public_base_url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
        try:
            number = ipaddress.ip_address(host)
        except ValueError:
            return cls(host, f"{parts.scheme}://{host}{port}")
        if not number.is_loopback:
            return cls("", "")
        return cls("localhost", f"{parts.scheme}://localhost{port}")


class Passkeys:
    """What is done with passkeys, in the sessions of `sign_in`."""

    def __init__(self, store: Store, sign_in: SignIn, site: PasskeySite) -> None:
        self._store, self._sign_in, self.site = store, sign_in, site

    def of(self, staff: Staff) -> Sequence[Passkey]:
        """A staff member's keys, oldest first."""
        with self._store.database.statement() as connection:
            return factors.passkeys_of(connection, staff.id)

    # To make one

    def ask_to_make(self, visit: StaffSession, token: str) -> str:
        """What a browser makes a key by, as JSON. Raises Unproved, and Wrong for no such site."""
        from webauthn import generate_registration_options, options_to_json  # noqa: PLC0415
        from webauthn.helpers.structs import (  # noqa: PLC0415
            AuthenticatorSelectionCriteria,
            ResidentKeyRequirement,
            UserVerificationRequirement,
        )

        self._may_make(visit)
        staff = visit.staff
        mine = self.of(staff)
        if not self.site.rp_id or len(mine) >= MOST_PASSKEYS:
            raise WrongCredentials
        options = generate_registration_options(
            rp_id=self.site.rp_id,
            rp_name=ISSUER,
            user_id=staff.id.encode(),
            user_name=staff.login,
            user_display_name=staff.name,
            challenge=self._new_challenge(token, _MAKE),
            timeout=int(ASKED_FOR.total_seconds() * 1000),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=_described(mine),
        )
        return options_to_json(options)

    def _may_make(self, visit: StaffSession) -> None:
        """Raises Unproved where the password was not given a moment ago, Wrong at other steps."""
        step = needs(visit)
        if step not in {"enrol", ""}:
            raise WrongCredentials
        if not step and not self._sign_in.is_proved(visit):
            raise Unproved

    def take(self, visit: StaffSession, token: str, answer: str, name: str) -> BegunSession:
        """Take the key that a browser made. The session gets a new token.

        Raises Unproved, and Wrong for whatever is not the answer to what was asked.
        """
        from webauthn import verify_registration_response  # noqa: PLC0415

        self._may_make(visit)
        store, staff = self._store, visit.staff
        challenge = self._asked(token, _MAKE)
        try:
            made = verify_registration_response(
                credential=answer[:LONGEST_ANSWER],
                expected_challenge=challenge,
                expected_rp_id=self.site.rp_id,
                expected_origin=self.site.origin,
                require_user_verification=True,
            )
        except Exception as error:  # noqa: BLE001 (a browser may send anything)
            raise _refused(error) from None
        new = Passkey(
            store.chance.identifier(),
            staff.id,
            made.credential_id,
            made.credential_public_key,
            made.sign_count,
            _transports(answer),
            " ".join(name.split())[:LONGEST_NAME],
        )
        with store.database.transaction() as connection:
            rows.by_id(connection, store.vault, staff.id, lock=True)
            # Another session may have taken a factor at this account meanwhile.
            if needs(visit) and factors.has_any(connection, staff.id):
                raise WrongCredentials
            if not factors.add_passkey(connection, store.clock, new):
                raise WrongCredentials
            details = {"passkey": new.id}
            record_act(connection, store, staff.id, "staff_passkey", staff.id, details=details)
            return self._sign_in.renew(connection, staff, token, strong=True)

    # To use one

    def ask_to_use(self, visit: StaffSession, token: str) -> str:
        """What a key is to sign, as JSON. Raises Wrong where the account has none."""
        from webauthn import generate_authentication_options, options_to_json  # noqa: PLC0415
        from webauthn.helpers.structs import UserVerificationRequirement  # noqa: PLC0415

        mine = self.of(visit.staff)
        if needs(visit) != "code" or not mine or not self.site.rp_id:
            raise WrongCredentials
        options = generate_authentication_options(
            rp_id=self.site.rp_id,
            challenge=self._new_challenge(token, _USE),
            timeout=int(ASKED_FOR.total_seconds() * 1000),
            allow_credentials=_described(mine),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return options_to_json(options)

    def use(self, visit: StaffSession, token: str, answer: str, origin: Origin) -> BegunSession:
        """The second factor, by a key of this account. The session gets a new token.

        A key that counts its uses must count on: one whose count stands still was copied. Raises
        Wrong, Closed.
        """
        from webauthn import verify_authentication_response  # noqa: PLC0415

        if needs(visit) != "code":
            raise WrongCredentials
        store, staff = self._store, visit.staff
        tries = self._sign_in.count("code", staff.login, origin)
        challenge = self._asked(token, _USE)
        answer = answer[:LONGEST_ANSWER]
        named = _credential_id(answer)
        used = next((key for key in self.of(staff) if key.credential_id == named), None)
        if used is None:
            raise _refused(KeyError())
        try:
            verified = verify_authentication_response(
                credential=answer,
                expected_challenge=challenge,
                expected_rp_id=self.site.rp_id,
                expected_origin=self.site.origin,
                credential_public_key=used.public_key,
                credential_current_sign_count=used.sign_count,
                require_user_verification=True,
            )
        except Exception as error:  # noqa: BLE001 (a browser may send anything)
            raise _refused(error) from None
        with store.database.transaction() as connection:
            rows.by_id(connection, store.vault, staff.id, lock=True)
            if not factors.use_passkey(connection, store.clock, used, verified.new_sign_count):
                raise WrongCredentials
            succeed(connection, tries)
            return self._sign_in.renew(connection, staff, token, strong=True)

    # To look after them

    def rename(self, staff: Staff, passkey_id: str, name: str) -> bool:
        """False where the account has no such key."""
        name = " ".join(name.split())[:LONGEST_NAME]
        with self._store.database.transaction() as connection:
            return factors.rename_passkey(connection, staff.id, passkey_id, name)

    def remove(self, visit: StaffSession, passkey_id: str) -> bool:
        """Take a key away; "" is the authenticator. False where the account has no such.

        Raises Unproved; LastFactor where it has no other.
        """
        if not self._sign_in.is_proved(visit):
            raise Unproved
        store, staff = self._store, visit.staff
        with store.database.transaction() as connection:
            account = rows.by_id(connection, store.vault, staff.id, lock=True)
            has_totp = account is not None and account.totp_secret is not None
            others = len(factors.passkeys_of(connection, staff.id)) + has_totp - 1
            if not others:
                raise LastFactor
            if passkey_id:
                removed = factors.remove_passkey(connection, staff.id, passkey_id)
                what = "staff_passkey_gone"
            else:
                rows.change_secret(connection, store.clock, store.vault, staff.id, None)
                removed, what = has_totp, "staff_totp_forgotten"
            if removed:
                details = {"passkey": passkey_id}
                record_act(connection, store, staff.id, what, staff.id, details=details)
        return removed

    # What is asked

    def _new_challenge(self, token: str, kind: bytes) -> bytes:
        challenge = secrets.token_bytes(_CHALLENGE_BYTES)
        with self._store.database.transaction() as connection:
            rows.put_challenge(connection, self._store.clock, token, kind + challenge)
        return challenge

    def _asked(self, token: str, kind: bytes) -> bytes:
        """What was asked, which is forgotten whatever the answer. Raises Wrong."""
        with self._store.database.transaction() as connection:
            found = rows.take_challenge(connection, self._store.clock, token, ASKED_FOR)
        if found is None or found[:1] != kind:
            raise _refused(LookupError())
        return found[1:]


def _refused(error: Exception) -> WrongCredentials:
    """A browser may send anything; what is no answer of a key of ours is one kind of wrong."""
    SIGN_INS.labels("wrong_passkey").inc()
    log.warning("passkey refused", error=type(error).__name__)
    return WrongCredentials()


def _described(keys: Sequence[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    from webauthn.helpers.structs import (  # noqa: PLC0415
        AuthenticatorTransport,
        PublicKeyCredentialDescriptor,
    )

    return [
        PublicKeyCredentialDescriptor(
            id=key.credential_id,
            transports=[AuthenticatorTransport(way) for way in key.transports],
        )
        for key in keys
    ]


def _parsed(answer: str) -> dict[str, Any]:
    try:
        found = json.loads(answer)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _transports(answer: str) -> tuple[str, ...]:
    response = _parsed(answer).get("response")
    told = response.get("transports") if isinstance(response, dict) else None
    return tuple(way for way in told if way in _TRANSPORTS) if isinstance(told, list) else ()


def _credential_id(answer: str) -> bytes:
    from webauthn import base64url_to_bytes  # noqa: PLC0415

    named = _parsed(answer).get("id")
    try:
        return base64url_to_bytes(named) if isinstance(named, str) else b""
    except ValueError:
        return b""
