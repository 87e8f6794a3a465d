"""Sentences from situations, said at their question of a conversation; and what came of each."""

from __future__ import annotations

import json

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from flows.session import Offer, Party, Session
from flows.speech import TurnOutcome
from flows.steps.said import said_at_once
from flows.steps.town import proposed
from flows.understanding.town_names import towns as named_towns
from flows.world import Town
from jobs import feeds
from tests.flows.fake_world import FakeWorld
from tests.flows.talk import Talk
from tests.understanding.answers import DATA, vocabulary
from tests.understanding.official import table

NOW = datetime(2026, 12, 2, 8, 0, tzinfo=UTC)
STEPS = {
    "welcome": "welcome",
    "sentence": "welcome",
    "who": "for_whom",
    "date": "date_of_birth",
    "yesno": "date_of_birth_check",
    "place": "postcode",
    "offers": "offers",
}
# From these nothing may be taken.
NOTHING = frozenset({"ask", "nothing"})
# Asked again, in whatever words.
ASKED = frozenset({"ask", "again", "wait", "slower"})
WHO = {Party.SELF: "me", Party.OTHER: "other", Party.TWO: "couple"}


def _offer(number: int, name: str, town: str, start: datetime, kilometres: float) -> Offer:
    return Offer(
        place_id=number,
        slot_id=100 + number,
        centre_id=str(number),
        name=name,
        street="1 rue de la Paix",
        postcode="29200",
        town=town,
        start_at=start.isoformat(),
        time_zone="Europe/Paris",
        kilometres=kilometres,
    )


OFFERS = (
    _offer(1, "Mairie", "Guipavas", datetime(2026, 12, 3, 13, 0, tzinfo=UTC), 2.0),
    _offer(
        2, "Hôpital de la Cavale Blanche", "Brest", datetime(2026, 12, 2, 15, 30, tzinfo=UTC), 8.0
    ),
    _offer(
        3,
        "Gymnase Jean-Jaurès",
        "Plougastel-Daoulas",
        datetime(2026, 12, 4, 8, 15, tzinfo=UTC),
        12.0,
    ),
)


@lru_cache
def _main_towns() -> dict[str, str]:
    """The largest town of each postcode."""
    towns = sorted(feeds.read_postcodes().towns, key=lambda town: town.inhabitants)
    return {town.code: town.name for town in towns}


@dataclass
class France(FakeWorld):
    """A world that knows the official towns."""

    found: tuple[Offer, ...] = field(default=OFFERS)

    def now(self) -> datetime:
        return NOW

    def town(self, postcode: str) -> Town | None:
        name = _main_towns().get(postcode)
        return (name and Town(postcode, name, "metropole", 48.4, -4.5)) or None

    def towns(self, text: str) -> tuple[Town, ...]:
        return tuple(
            Town(
                *(one.postcode, one.name, "metropole", 48.4, -4.5, one.departement),
                inhabitants=one.inhabitants,
            )
            for one in named_towns(text, vocabulary("fr"), table())
        )


@dataclass(frozen=True)
class Situation:
    question: str
    said: str
    means: Any

    def meant(self, of: str = "") -> frozenset[str]:
        means = self.means if isinstance(self.means, str) else self.means.get(of, "")
        meant = set(means.split("|"))
        if meant & {"book", "me"} and self.question == "welcome":
            # Who may come is asked next.
            meant |= {"book"} | ({"me"} if "book" in meant else set())
        return frozenset(meant)


def read(name: str) -> list[Situation]:
    lines = (DATA / name if "/" not in name else Path(name)).read_text("utf-8").splitlines()
    return [Situation(**json.loads(line)) for line in lines]


def what_came(one: Situation) -> Any:  # noqa: PLR0911
    """What the conversation takes this sentence for; of a sentence that says it all, each part."""
    talk = Talk(France()).goes_to(STEPS[one.question])
    before = talk.session
    talk.says(one.said)
    after, outcome = talk.session, talk.speech.outcome
    if one.question == "sentence":
        return _parts(after)
    if after.wants_person:
        return "person"
    if after.replied:
        return after.replied
    if after.slow:
        return "slower"
    if after.step == before.step:
        if before.step == "offers" and outcome is TurnOutcome.ASKED:
            # Searched anew.
            return "4"
        return "again" if outcome is TurnOutcome.REPEATED else "ask"
    return _TAKEN[one.question](after)


def _person(after: Session) -> str:
    if after.step in {"for_whom", "for_others"}:
        return "book"
    if after.step in {"date_of_birth", "sentence_check"} and not after.proving:
        return WHO[Party(after.whom)]
    return "mine"


def _date(after: Session) -> str:
    return after.born if after.step == "date_of_birth_check" else "ask"


def _place(after: Session) -> str:
    if after.step not in {"postcode_check", "town_check", "sentence_check"}:
        return "ask"
    read_back = proposed(after)
    return f"{read_back.postcode}|{read_back.name}"


def _choice(after: Session) -> str:
    if after.chosen >= 0:
        return str(after.chosen + 1)
    return "4" if after.step in {"other_offers", "part_of_day", "town", "town_check"} else "ask"


def _yes_no(after: Session) -> str:
    return {"postcode": "yes", "date_of_birth": "no"}.get(after.step, after.step)


_TAKEN = {
    "welcome": _person,
    "who": _person,
    "date": _date,
    "place": _place,
    "offers": _choice,
    "yesno": _yes_no,
}


def _parts(after: Session) -> dict[str, str]:
    said = said_at_once(after)
    who = WHO[Party(after.whom)] if after.step == "sentence_check" else ""
    place = _place(replace(after, step="sentence_check")) if said and said.place else ""
    born = said.born if said else ""
    if said and not who and said.who:
        who = {"self": "me", "two": "couple"}.get(said.who, "other")
    if after.step == "date_of_birth":
        who = WHO[Party(after.whom)]
    return {"who": who, "date": born or "ask", "place": place or "ask"}


@dataclass
class Measured:
    right: int = 0
    asked: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    # Agreed to what was read back, where the caller did not.
    past_read_back: list[str] = field(default_factory=list)


def measured(some: list[Situation]) -> Measured:
    """How many are understood as they were meant, and what became of the others."""
    told = Measured()
    for one in some:
        came = what_came(one)
        parts = {"": came} if isinstance(came, str) else came
        verdicts = {of: _verdict(one, of, value) for of, value in parts.items()}
        line = f"{one.question}: {one.said!r}: {came}, not {one.means}"
        if "wrong" in verdicts.values():
            told.wrong.append(line)
            if one.question == "yesno" and came == "yes":
                told.past_read_back.append(line)
        elif "asked" in verdicts.values():
            told.asked.append(line)
        else:
            told.right += 1
    return told


def _verdict(one: Situation, of: str, came: str) -> str:
    meant = one.meant(of)
    if set(came.split("|")) & meant:
        return "right"
    if meant <= {""}:
        # The sentence says nothing of this.
        return "right" if came in {"", "ask"} or of == "who" else "wrong"
    if meant & NOTHING and came in ASKED:
        return "right"
    return "asked" if came in ASKED | {"", "book"} else "wrong"
