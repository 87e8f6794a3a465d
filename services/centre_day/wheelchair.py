"""What an operator says of access with a wheelchair: it stands over the directory's own word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from models.centres import access
from models.centres.access import Access
from models.database import Connection
from services.accounts.staff import OPERATOR, record_act
from services.refused import OperatorRefused
from services.store import Store

# As an operator writes it; "unset" takes the operator's word back.
UNSET = "unset"
WORDS = ("yes", "no", UNSET)


class AccessRefused(OperatorRefused):
    """One sentence: why nothing was changed."""


@dataclass(frozen=True)
class WheelchairAccess:
    """Words of an operator: `by` is the account at the command line."""

    store: Store
    by: Callable[[], str]

    def read(self, centre_id: str) -> Access:
        """What is known of a centre. Raises AccessRefused where there is no such centre."""
        with self.store.database.transaction() as connection:
            return _state(connection, centre_id)

    def say(self, centre_id: str, word: str) -> Access:
        """Set it to "yes" or "no", or take the word back ("unset"). Raises AccessRefused."""
        return self.store.database.retried(
            lambda connection: self._say(connection, centre_id, None if word == UNSET else word)
        )

    def _say(self, connection: Connection, centre_id: str, word: str | None) -> Access:
        before = _state(connection, centre_id)
        if word != before.our_wheelchair:
            access.write(connection, self.store.clock, centre_id, word)
            details = {"by": self.by()}
            record_act(
                connection, self.store, OPERATOR, "centre_wheelchair", centre_id, details=details
            )
        return _state(connection, centre_id)


def _state(connection: Connection, centre_id: str) -> Access:
    found = access.state(connection, centre_id)
    if found is None:
        raise AccessRefused(
            f"there is no centre {centre_id}: `flask centres list --name PART` finds its GID"
        )
    return found
