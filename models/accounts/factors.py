"""Second factors besides the authenticator's secret: recovery codes."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, delete, func, select, update

from models.accounts.tables import staff
from models.accounts.tables import staff_recovery as recovery
from models.clock import Clock


def has_any(connection: Connection, staff_id: str) -> bool:
    """Whether an account has a second factor; recovery codes are none by themselves."""
    statement = select(staff.c.totp_enc.is_not(None)).where(staff.c.id == staff_id)
    return bool(connection.execute(statement).scalar_one_or_none())


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
    connection.execute(delete(recovery).where(recovery.c.staff_id == staff_id))
