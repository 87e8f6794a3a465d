"""A lost second factor is taken away by two: an operator asks, a supervisor confirms.

A thief who persuades one of them has not persuaded the other. The second confirms with an account
of their own, on the page of acts for two (`services.accounts.four_eyes`).
"""

from __future__ import annotations

from models.accounts import factors
from models.accounts import staff as rows
from models.accounts.staff import Staff
from models.database import Connection
from services.accounts import four_eyes
from services.accounts.four_eyes import FACTOR, ROLE, SecondNeeded, Wish
from services.accounts.staff import LONGEST_WHY, OPERATOR, StaffRefused, find, fold, record_act
from services.store import Store


def take_factor_away(store: Store, login: str, *, second: str, operator: str, why: str) -> None:
    """Take away a lost second factor, by two people; its owner takes another at the next sign-in.

    `operator` is the account at the command line, `second` the login of a supervisor who knows that
    the owner asks, and who has confirmed it within `four_eyes.WITHIN`; the first time this asks
    them to. Passkeys and recovery codes go too, and every session ends. The password stays. Raises
    StaffRefused, and four_eyes.SecondNeeded where it is still to be confirmed.
    """
    why = " ".join(why.split())
    if not 0 < len(why) <= LONGEST_WHY:
        raise StaffRefused(f"say why in 1 to {LONGEST_WHY} letters: it is kept, and nobody's data")
    with store.database.statement() as connection:
        who, witness = _two(connection, store, login, second, operator)
    wish = Wish(FACTOR, f"factor {who.id}", 1, four_eyes.account(operator))
    asked = four_eyes.ask(store, wish)
    if asked.given_by is None:
        raise SecondNeeded(
            f"nothing is changed yet: {witness.login} must confirm {asked.id[:8]} on"
            f" {four_eyes.PAGE} before {asked.until:%H:%M} UTC; then say the same again"
        )
    if asked.given_by != witness.id:
        raise StaffRefused(f"it was not {witness.login} who confirmed: name with --with who did")
    with store.database.transaction() as connection:
        who, witness = _two(connection, store, login, second, operator)
        if not four_eyes.used(connection, store, wish):
            raise StaffRefused("it was confirmed and done already, or too long ago: say it again")
        rows.change_secret(connection, store.clock, store.vault, who.id, None)
        factors.forget(connection, who.id)
        rows.change(connection, store.clock, who.id)
        rows.end_sessions(connection, store.clock, who.id)
        details = {"by": operator, "second": witness.id}
        record_act(connection, store, OPERATOR, "staff_factor_lost", who.id, why, details)


def _two(
    connection: Connection, store: Store, login: str, second: str, operator: str
) -> tuple[Staff, Staff]:
    """Whose factor is lost, and who else answers for it. Raises StaffRefused."""
    who = find(connection, store, login)
    found = rows.by_login(connection, store.vault, fold(second))
    if found is None or found.disabled or found.staff.role != ROLE:
        raise StaffRefused(
            f"{fold(second)!r} is no supervisor with an open account; where there is no other one,"
            " `flask staff add` makes one"
        )
    if found.staff.id == who.id or found.staff.login == fold(operator):
        raise StaffRefused(f"{found.staff.login} cannot be the second person: another one must")
    if not factors.has_any(connection, who.id):
        raise StaffRefused(f"{who.login} has no second factor")
    return who, found.staff
