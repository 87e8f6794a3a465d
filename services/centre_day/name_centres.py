"""What an operator says a centre is called: written on pages and in texts, and said.

The word stands over what was made of the directory's name, and an import leaves it alone. Each word
is a line with what was said before, so that it can be taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from models.centres import names
from models.centres.names import NamedState, Naming
from models.database import Connection
from services.accounts.staff import OPERATOR, record_act
from services.centre_day.list_centres import list_centres
from services.centres.centre_names import CentreNames, centre_names, doubt, said
from services.refused import OperatorRefused
from services.store import Store

# Letters; what is longer cannot be kept in mind, nor put into a text.
LONGEST = 80


class NameRefused(OperatorRefused):
    """One sentence: why nothing was changed."""


class NameCentres:
    """Words of an operator: `by` is the account at the command line.

    `towns`: the country's towns by their letters, for the name that is made again when a word is
    taken back.
    """

    def __init__(
        self, store: Store, by: Callable[[], str], towns: Callable[[], Mapping[str, str]]
    ) -> None:
        self._store, self._by, self._towns = store, by, towns

    def read(self, centre_id: str) -> NamedState:
        """A centre's names. Raises NameRefused where there is no such centre."""
        with self._store.database.transaction() as connection:
            return _state(connection, centre_id)

    def doubtful(self) -> list[tuple[NamedState, str]]:
        """Open centres whose name looks mangled, and why; not those that an operator named."""
        towns = self._towns()
        doubted = [
            (self.read(listed.state.id), why)
            for listed in list_centres(self._store)
            if (why := doubt(listed.state.name, listed.state.of_source, towns))
        ]
        return [(named, why) for named, why in doubted if not named.corrected]

    def say(self, centre_id: str, *, written: str = "", spoken: str = "") -> NamedState:
        """Call a centre so; without `spoken` it is said as it is written. Raises NameRefused.

        `spoken` alone changes only what callers hear.
        """
        written, spoken = " ".join(written.split()), " ".join(spoken.split())
        _check(written, spoken)
        return self._store.database.retried(
            lambda connection: self._say(connection, centre_id, written, spoken)
        )

    def undo(self, centre_id: str) -> NamedState:
        """Take the last word back; the one before it counts. Raises NameRefused."""
        towns = self._towns()
        return self._store.database.retried(
            lambda connection: self._undo(connection, centre_id, towns)
        )

    def _say(self, connection: Connection, centre_id: str, written: str, spoken: str) -> NamedState:
        before = _state(connection, centre_id)
        our_name = written or before.our_name
        our_spoken = spoken or (said(written) if written else before.our_spoken_name)
        if (our_name, our_spoken) == (before.our_name, before.our_spoken_name):
            return before
        names.note(connection, self._store.clock, before, self._by())
        made = CentreNames(before.name, before.spoken)
        return self._write(connection, before, made, our_name, our_spoken)

    def _undo(self, connection: Connection, centre_id: str, towns: Mapping[str, str]) -> NamedState:
        before = _state(connection, centre_id)
        back = names.take_back(connection, self._store.clock, centre_id)
        if back is None:
            raise NameRefused(
                f"centre {centre_id} ({before.name}, {before.town}) has no name that an operator "
                "said, so there is nothing to take back"
            )
        made = centre_names(before.of_source, before.town, towns)
        return self._write(connection, before, made, *back)

    def _write(
        self,
        connection: Connection,
        before: NamedState,
        made: CentreNames,
        our_name: str | None,
        our_spoken: str | None,
    ) -> NamedState:
        written, spoken = our_name or made.written, our_spoken or made.spoken
        naming = Naming(
            name=written,
            spoken_name="" if spoken == written else spoken,
            source_name=before.of_source,
            our_name=our_name,
            our_spoken_name=our_spoken,
        )
        names.write(connection, self._store.clock, before.id, naming)
        details = {"by": self._by()}
        record_act(connection, self._store, OPERATOR, "centre_named", before.id, details=details)
        return _state(connection, before.id)


def _state(connection: Connection, centre_id: str) -> NamedState:
    found = names.state(connection, centre_id)
    if found is None:
        raise NameRefused(
            f"there is no centre {centre_id}: `flask centres list --name PART` finds its GID"
        )
    return found


def _check(written: str, spoken: str) -> None:
    """Raise NameRefused for what cannot be a name."""
    for option, name in (("--written", written), ("--spoken", spoken)):
        if len(name) > LONGEST:
            raise NameRefused(f"{option} has {len(name)} letters; {LONGEST} at most can be heard")
        if name and not any(letter.isalpha() for letter in name):
            raise NameRefused(f"{option} {name!r} has no letter, so it is no name")
        if not name.isprintable():
            raise NameRefused(f"{option} has letters that cannot be written")
