"""Second factors besides the authenticator's secret: passkeys, and recovery codes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, exists, func, or_, select, update

from models.accounts.tables import staff
from models.accounts.tables import staff_passkey as passkey
from models.accounts.tables import staff_recovery as recovery
from models.clock import Clock
from models.rows import columns_of, from_row
from models.writes import insert_new


@dataclass(frozen=True)
class Passkey:
    """A key of a user; `transports` are ways to reach it, `used_at` is UTC."""

    id: str
    staff_id: str
    credential_id: bytes = field(repr=False)
    public_key: bytes = field(repr=False)
    sign_count: int
    transports: tuple[str, ...]
    name: str
    created_at: datetime | None = None
    used_at: datetime | None = None


_PASSKEY = columns_of(Passkey, passkey)


def is_owner() -> ColumnElement[bool]:
    """Whether the account of a row of `staff` has a second factor; recovery codes are none."""
    return or_(staff.c.totp_enc.is_not(None), exists().where(passkey.c.staff_id == staff.c.id))


def has_any(connection: Connection, staff_id: str) -> bool:
    """Whether an account has a second factor."""
    statement = select(is_owner()).where(staff.c.id == staff_id)
    return bool(connection.execute(statement).scalar_one_or_none())


# ---------------------------------------------------------------- passkeys


def add_passkey(connection: Connection, clock: Clock, new: Passkey) -> bool:
    """False where the key is a user's already."""
    values = {
        "id": new.id,
        "staff_id": new.staff_id,
        "credential_id": new.credential_id,
        "public_key": new.public_key,
        "sign_count": new.sign_count,
        "transports": " ".join(new.transports),
        "name": new.name,
    }
    return insert_new(connection, clock, passkey, values, "created_at")


def passkeys_of(connection: Connection, staff_id: str) -> list[Passkey]:
    """An account's keys, oldest first."""
    statement = (
        select(*_PASSKEY)
        .where(passkey.c.staff_id == staff_id)
        .order_by(passkey.c.created_at, passkey.c.id)
    )
    return [
        from_row(Passkey, row, transports=tuple(row.transports.split()))
        for row in connection.execute(statement)
    ]


def use_passkey(connection: Connection, clock: Clock, used: Passkey, sign_count: int) -> bool:
    """Note that a key was used, and its count; False where another request did so meanwhile."""
    statement = update(passkey).where(
        passkey.c.id == used.id, passkey.c.sign_count == used.sign_count
    )
    values = {"sign_count": sign_count, "used_at": clock.at()}
    return connection.execute(statement.values(values)).rowcount == 1


def rename_passkey(connection: Connection, staff_id: str, passkey_id: str, name: str) -> bool:
    """False where the account has no such key."""
    mine = (passkey.c.id == passkey_id, passkey.c.staff_id == staff_id)
    return connection.execute(update(passkey).where(*mine).values(name=name)).rowcount == 1


def remove_passkey(connection: Connection, staff_id: str, passkey_id: str) -> bool:
    """False where the account has no such key."""
    mine = (passkey.c.id == passkey_id, passkey.c.staff_id == staff_id)
    return connection.execute(delete(passkey).where(*mine)).rowcount == 1


# ---------------------------------------------------------------- recovery codes


def replace_codes(
    connection: Connection, clock: Clock, staff_id: str, codes: Collection[bytes]
) -> None:
    """Give an account these recovery codes (keyed hashes) in place of all it had."""
    connection.execute(delete(recovery).where(recovery.c.staff_id == staff_id))
    for code in codes:
        connection.execute(
            recovery.insert().values(staff_id=staff_id, code_idx=code, created_at=clock.at())
        )


def use_code(connection: Connection, clock: Clock, staff_id: str, code: bytes) -> bool:
    """Take a recovery code; False where the account has none such, or it was used before."""
    statement = update(recovery).where(
        recovery.c.staff_id == staff_id,
        recovery.c.code_idx == code,
        recovery.c.used_at.is_(None),
    )
    return connection.execute(statement.values(used_at=clock.at())).rowcount == 1


def codes_left(connection: Connection, staff_id: str) -> int:
    """How many recovery codes of an account were not used."""
    statement = (
        select(func.count())
        .select_from(recovery)
        .where(recovery.c.staff_id == staff_id, recovery.c.used_at.is_(None))
    )
    return int(connection.execute(statement).scalar_one())


def forget(connection: Connection, staff_id: str) -> None:
    """Take away all that is kept here of an account."""
    connection.execute(delete(passkey).where(passkey.c.staff_id == staff_id))
    connection.execute(delete(recovery).where(recovery.c.staff_id == staff_id))
