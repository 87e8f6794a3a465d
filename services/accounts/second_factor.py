"""The second factor: six digits that an authenticator makes of a secret and the time (RFC 6238)."""

from __future__ import annotations

import hashlib
import hmac

from base64 import b32encode
from datetime import datetime

STEP_SECONDS = 30
# Clocks of telephones are not exact: the step before and the one after are taken, too.
_AROUND = (0, -1, 1)
_SECRET_BYTES = 20
ISSUER = "Allo rendez-vous"


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
    import segno  # noqa: PLC0415

    return str(
        segno.make(address(secret, login), error="m").svg_inline(
            scale=4, border=4, dark="#000", light="#fff", omitsize=True
        )
    )


def code_at(secret: str, moment: datetime) -> str:
    """The code of a moment (UTC)."""
    return _code(secret, _step(moment))


def next_code(secret: str, moment: datetime, *, after: int) -> str:
    """The code of a moment (UTC), or the first one of a step later than `after`."""
    return _code(secret, max(_step(moment), after + 1))


def step_of(secret: str, code: str, moment: datetime) -> int | None:
    """Which time step around a moment (UTC) a code is of; None when it is of none."""
    digits = "".join(code.split())
    now = _step(moment)
    for step in (now + around for around in _AROUND):
        if hmac.compare_digest(_code(secret, step).encode(), digits.encode()):
            return step
    return None


def _step(moment: datetime) -> int:
    return int(moment.timestamp()) // STEP_SECONDS


def _code(secret: str, step: int) -> str:
    import pyotp  # noqa: PLC0415

    return pyotp.HOTP(secret).at(step)
