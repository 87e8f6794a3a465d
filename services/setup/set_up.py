"""The steps of going live, each of which does only what is missing and may be run again.

What is said of each step is one line for the operator. Where a step cannot be done, it says why,
and the next ones go on as far as they can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from models.centres import centres, postcodes
from models.centres.geography import DEFAULT_TIME_ZONE
from models.database import Database
from models.migrations import schema
from models.migrations.runner import NotMigrated, upgrade
from services.accounts import staff
from services.centre_day.take_centres import (
    Refusal,
    TakeCentres,
    TakeRefused,
    TakeWish,
    to_be_taken,
)
from services.centres.import_centres import CentreFeed, FileRefused, Watch, import_centres, no_watch
from services.centres.import_postcodes import PostcodeFeed, import_postcodes
from services.refused import OperatorRefused
from services.setup.going_live import Missing
from services.setup.town import CentresOf, Person, Town
from services.slots.open_slots import open_slots
from services.store import Store


class StepRefused(OperatorRefused):
    """One sentence: why a step could not be done."""


@dataclass(frozen=True)
class SetUp:
    """What the steps work with; the readers are for files of the directory and of postcodes.

    `owners_url` is the database of the store as the owner of its tables reaches it.
    """

    store: Store
    owners_url: str
    taking: TakeCentres
    read_centres: Callable[[Path], CentreFeed]
    read_postcodes: Callable[[Path], PostcodeFeed]
    # The extracts that come with the service.
    centres_file: Path
    postcodes_file: Path
    watch: Watch = no_watch

    def schema(self) -> Iterator[str]:
        """Bring the database to the newest schema. Raises StepRefused."""
        # The service's own role may not be there yet.
        owner = Database(self.owners_url)
        try:
            with owner.statement() as connection:
                if schema.revision(connection) == schema.newest():
                    return
            before, after = upgrade(self.owners_url)
        except (NotMigrated, schema.SchemaUnknown) as refused:
            raise StepRefused(str(refused)) from None
        finally:
            owner.dispose()
        yield f"schema: from {before or 'nothing'} to {after}"

    def postcodes(self, file: Path | None = None) -> Iterator[str]:
        """Import postcodes where none are known. Raises StepRefused."""
        if postcodes.count(self.store.database):
            return
        try:
            report = import_postcodes(
                self.store.database, self.read_postcodes(file or self.postcodes_file)
            )
        except FileRefused as refused:
            raise StepRefused(f"{file or self.postcodes_file}: {refused}") from None
        yield f"postcodes: {report.last_line()}"

    def directory(self, file: Path | None = None) -> Iterator[str]:
        """Import the directory where no centre is known. Raises StepRefused."""
        if centres.count(self.store.database):
            return
        try:
            feed = self.read_centres(file or self.centres_file)
            report = import_centres(self.store.database, self.store.clock, feed)
        except FileRefused as refused:
            raise StepRefused(f"{file or self.centres_file}: {refused}") from None
        yield f"directory: {report.last_line()}"

    def take(self, wanted: Sequence[CentresOf]) -> Iterator[str]:
        """Take centres that are not ours yet, or with other terms. Raises OperatorRefused.

        A centre that cannot be taken is told; of a whole département it is passed over.
        """
        wishes: dict[str, TakeWish] = {}
        named: list[TakeWish] = []
        refused: list[Refusal] = []
        for one in wanted:
            if one.gid:
                named.append(TakeWish(one.gid, one.terms, one.line))
                continue
            try:
                found = to_be_taken(
                    self.store.database, one.terms, departement=one.departement, line=one.line
                )
            except TakeRefused as problem:
                refused.append(Refusal("", str(problem), one.line))
                continue
            wishes |= {wish.centre_id: wish for wish in found}
        # What is said of one centre counts before what is said of its département.
        wishes |= {wish.centre_id: wish for wish in named}
        report = self.taking.take(list(wishes.values()))
        if report.written:
            yield f"centres: {report.last_line()}"
        own_word = {wish.centre_id for wish in named}
        refused += [bad for bad in report.refused if bad.centre_id in own_word]
        if refused:
            raise StepRefused(
                "\n".join(
                    f"line {bad.line}: {bad.sentence}".removeprefix("line 0: ") for bad in refused
                )
            )

    def open(self, wanted: Sequence[CentresOf], days: int) -> Iterator[str]:
        """Open slots at these centres as far as they are ours, from tomorrow on.

        Slots that are there stay. Raises SlotsRefused.
        """
        ids = self._of_ours(wanted)
        if ids:
            yield from self._open(ids, days)

    def open_all(self, days: int) -> Iterator[str]:
        """Open slots at every centre of ours that has hours. Raises SlotsRefused."""
        yield from self._open(None, days)

    def _open(self, ids: Sequence[str] | None, days: int) -> Iterator[str]:
        report = open_slots(
            self.store,
            centre_ids=ids,
            first=self._tomorrow(),
            days=days,
            watch=self.watch,
        )
        if report.opened.places:
            yield f"slots: {report.last_line()}"

    def _of_ours(self, wanted: Sequence[CentresOf]) -> list[str]:
        ours = {
            row.id: row for row in centres.hours_of(self.store.database, ours=True) if row.hours
        }
        named = {wish.gid for wish in wanted if wish.gid}
        whole = {wish.departement for wish in wanted if wish.departement}
        if whole:
            with self.store.database.statement() as connection:
                for departement in whole:
                    named |= centres.ours_in(connection, departement)
        return sorted(named & set(ours))

    def _tomorrow(self) -> date:
        zone = ZoneInfo(DEFAULT_TIME_ZONE)
        return self.store.clock.now().astimezone(zone).date() + timedelta(days=1)

    def staff(self, people: Sequence[Person]) -> Iterator[str]:
        """Make accounts that are not there. Raises OperatorRefused.

        Each line has the password, which is told here and nowhere else.
        """
        there = {line.staff.login for line in staff.lines(self.store)}
        for person in people:
            if staff.fold(person.login) in there:
                continue
            password = staff.new_password()
            new = staff.add(
                self.store,
                login=person.login,
                name=person.name,
                role=person.role,
                languages=person.languages,
                centre_id=person.centre_id,
                password=password,
            )
            yield (
                f"staff: {new.login} ({person.role}), password, to be changed at the first "
                f"sign-in: {password}"
            )

    def all_of(self, town: Town) -> Iterator[str]:
        """Every step of a file; yields lines, and goes on after a step that was refused.

        A refusal is a line that begins with `Not done: `.
        """
        for step in (
            self.schema,
            lambda: self.postcodes(town.postcodes),
            lambda: self.directory(town.directory),
            lambda: self.take(town.centres),
            lambda: self.open(town.centres, town.open_days),
            lambda: self.staff(town.staff),
        ):
            try:
                yield from step()
            except OperatorRefused as refused:
                yield from (f"Not done: {line}" for line in str(refused).splitlines())
                if step == self.schema:
                    return


def not_as_told(town: Town, *, number: str, campaign: Path) -> Iterator[Missing]:
    """Where the settings say something else than the file: a set-up changes no settings.

    `campaign` is the file or folder that CAMPAIGN names.
    """
    if town.number and town.number != number:
        yield Missing(
            "number",
            f"NATIONAL_NUMBER is {number}, and the file says {town.number}",
            f"NATIONAL_NUMBER={town.number} in the environment or in .env, or mend the file",
        )
    if town.campaign is not None:
        here = campaign.resolve()
        if town.campaign != here and here not in town.campaign.parents:
            yield Missing(
                "campaign",
                f"CAMPAIGN is {here}, and the file says {town.campaign}",
                f"CAMPAIGN={town.campaign} in the environment or in .env, or mend the file",
            )
