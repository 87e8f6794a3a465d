"""The second factor: six digits that an authenticator makes of a secret and the time (RFC 6238).

And recovery codes, for an agent without authenticator and passkey: each is good once.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from base64 import b32encode
from datetime import datetime

from models.crypto import Vault
from services.qr_code import qr_code

STEP_SECONDS = 30
# Clocks of telephones are not exact: the step before and the one after are taken, too.
_AROUND = (0, -1, 1)
_SECRET_BYTES = 20
ISSUER = "Allo rendez-vous"
RECOVERY_CODES = 8
# Of these letters, none of which is taken for another: 79 bits in a code.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_RECOVERY_LETTERS = 16
_GROUP = 4


def new_secret() -> str:
    """160 random bits in base 32."""
    import pyotp  # noqa: PLC0415 (only signing in needs it)

    return pyotp.random_base32()


def secret_for(key: str, token: str) -> str:
    """The secret that a page offers to a session: the same each time, and for this session alone.

    Nothing is stored until its owner has shown a code of it.
    """
    digest = hmac.digest(key.encode(), f"second factor:{token}".encode(), hashlib.sha256)
    return b32encode(digest[:_SECRET_BYTES]).decode()


def address(secret: str, login: str) -> str:
    """What the picture for an authenticator says (otpauth://…)."""
    import pyotp  # noqa: PLC0415

    return pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=ISSUER)


def picture(secret: str, login: str) -> str:
    """That picture as SVG, for a page."""
    return qr_code(address(secret, login), "M").svg()


def code_at(secret: str, moment: datetime) -> str:
    """The code of a moment (UTC)."""
    return _code(secret, _step(moment))


def step_of(secret: str, code: str, moment: datetime) -> int | None:
    """Which time step around a moment (UTC) a code is of; None when it is of none."""
    digits = "".join(code.split())
    now = _step(moment)
    for step in (now + around for around in _AROUND):
        if hmac.compare_digest(_code(secret, step).encode(), digits.encode()):
            return step
    return None


def new_recovery_codes() -> list[str]:
    """RECOVERY_CODES codes, as they are shown: four groups of four letters."""
    return [_grouped() for _ in range(RECOVERY_CODES)]


def _grouped() -> str:
    letters = "".join(secrets.choice(_LETTERS) for _ in range(_RECOVERY_LETTERS))
    return "-".join(letters[at : at + _GROUP] for at in range(0, _RECOVERY_LETTERS, _GROUP))


def recovery_index(vault: Vault, staff_id: str, code: str) -> bytes:
    """What is kept of a recovery code: a keyed hash of it and its owner.

    People type it in any case, with or without what stands between its groups.
    """
    letters = "".join(letter for letter in code.casefold() if letter.isalnum())[:_RECOVERY_LETTERS]
    return vault.index("recovery", f"{staff_id}:{letters}") or b""


def _step(moment: datetime) -> int:
    return int(moment.timestamp()) // STEP_SECONDS


def _code(secret: str, step: int) -> str:
    import pyotp  # noqa: PLC0415

    return pyotp.HOTP(secret).at(step)
