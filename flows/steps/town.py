"""The town: by its name, by a postcode or by the digits of a département; or a centre by its name.

The postcode question leads here after its tries, and so does a caller's wish for another town.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from flows.questions import TELEPHONE_ONLY, Go, Miss, Move, Part, Question, menu
from flows.session import Session
from flows.speech import Line, Listen
from flows.steps.common import NO_SUCH_KEY, Patient
from flows.steps.offers import plain_search, search_nearest
from flows.understanding import COUNTRY_ZONE, is_digits
from flows.understanding.heard_words import NumberKind, heard_words
from flows.understanding.postcodes import postcodes
from flows.understanding.sentences import request_of
from flows.understanding.vocabulary import plain
from flows.world import Town, World

POSTCODE_DIGITS = 5
DEPARTEMENT_DIGITS = (2, 3)
# Menus have four choices, and one is "another".
MOST_TOWNS = 3
ANOTHER_KEY = "4"


def at_town(session: Session, town: Town) -> Session:
    """From where is searched now; what was read or told elsewhere may be read again."""
    return session.but(
        postcode=town.postcode,
        town=town.name,
        latitude=town.latitude,
        longitude=town.longitude,
        territory=town.territory,
        place_in_words=session.in_words,
        offered=(),
        within=0.0,
        centre_id="",
        own_name="",
        own_phone="",
    )


def propose(session: Session, town: Town) -> Session:
    """Read the town back first: a caller who says no still searches where they were."""
    kept = (town.postcode, town.name, town.latitude, town.longitude, town.territory)
    return session.but(candidate=kept)


def proposed(session: Session) -> Town:
    """What is read back now."""
    code, name, latitude, longitude, territory = session.candidate or (
        *(session.postcode, session.town),
        *(session.latitude, session.longitude, session.territory),
    )
    return Town(str(code), str(name), str(territory), float(latitude), float(longitude))


def agreed(session: Session) -> Session:
    """From what was read back is searched now."""
    return at_town(session, proposed(session)).but(candidate=())


def ask_which(session: Session, towns: tuple[Town, ...], check: str = "town_check") -> Go:
    """Read the one town back, or ask which of several it is."""
    if len(towns) == 1:
        return Go(propose(session, towns[0]), check)
    some = towns[:MOST_TOWNS]
    alike = Counter((town.name, town.departement) for town in some)
    found = tuple(
        # Where its département is not known, or is the same, the postcode tells as much.
        (
            town.postcode,
            town.name,
            town.departement if alike[town.name, town.departement] == 1 else "",
        )
        for town in some
    )
    return Go(session.but(towns_found=found), "town_which")


def heard_postcodes(session: Session, text: str, world: World) -> tuple[Town, ...]:
    """The towns of all postcodes that these words may mean."""
    words = world.vocabulary(session.language)
    codes = postcodes(text, words, lambda code: world.town(code) is not None)
    return tuple(town for code in codes if (town := world.town(code)))


def named_elsewhere(
    session: Session, text: str, codes: tuple[Town, ...], world: World
) -> tuple[Town, ...]:
    """The town that is named beside postcodes of other places: "29200 Morlaix"."""
    said = heard_words(text, world.vocabulary(session.language))
    words = " ".join(word.text for word in said if word.kind is not NumberKind.NUMBER)
    named = [town for town in world.towns(words) if plain(town.name) in plain(words)]
    agree = any(world.towns(f"{town.name} {code.postcode}") for town in named for code in codes)
    return () if agree else tuple(named[:1])


def as_cedex(session: Session, code: str, world: World) -> Go | None:
    """Read back the town that a code leads to as a CEDEX code; None where it leads to none."""
    town = world.town_of_cedex(code)
    if town is None:
        return None
    said = Line("cedex", {"postcode": code, "town": town.name})
    return Go(propose(session, town), "town_check", (said,))


def heard_cedex(session: Session, text: str, world: World) -> Go | None:
    """The same for five digits that were said, where they can only be these."""
    codes = postcodes(text, world.vocabulary(session.language), lambda _code: True)
    return as_cedex(session, codes[0], world) if len(codes) == 1 else None


def one_home(
    session: Session, text: str, towns: tuple[Town, ...], world: World
) -> tuple[Town, ...]:
    """These towns; of none or several, the one where the caller says to live."""
    if len(towns) == 1:
        return towns
    today = world.now().astimezone(COUNTRY_ZONE).date()
    home = request_of(text, world.vocabulary(session.language), today, world).place
    return (home,) if home else towns


class AskTown(Patient):
    """Words are taken from the first try on: names are not for a keypad."""

    name = "town"
    part = Part.TOWN
    page = TELEPHONE_ONLY
    after = "postcode_check"

    def question(self, session: Session, world: World) -> Question:
        return Question("town", Listen(POSTCODE_DIGITS, speech=True))

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if is_digits(pressed) and len(pressed) == POSTCODE_DIGITS:
            town = world.town(pressed)
            if town is None:
                return as_cedex(session, pressed, world) or Miss("reason.no_such_postcode")
            return Go(propose(session, town), "postcode_check")
        if not is_digits(pressed) or len(pressed) not in DEPARTEMENT_DIGITS:
            return Miss("reason.postcode_incomplete")
        towns = world.main_towns(pressed)
        return ask_which(session, towns) if towns else Miss("reason.no_such_departement")

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        found = heard_postcodes(session, text, world)
        if found:
            elsewhere = named_elsewhere(session, text, found, world)
            return ask_which(session, found + elsewhere, "postcode_check")
        if session.territory:
            centre = world.centre_named(text, plain_search(session, world))
            if centre is not None:
                there = session.but(centre_id=centre.id, offered=(), own_name="", own_phone="")
                return search_nearest(there, world)
        towns = one_home(session, text, world.towns(text), world)
        return ask_which(session, towns) if towns else heard_cedex(session, text, world)


class TownCheck(Patient):
    name = "town_check"
    part = Part.TOWN
    page = TELEPHONE_ONLY

    def question(self, session: Session, world: World) -> Question:
        read = proposed(session)
        town = world.town(read.postcode)
        where = town.departement if town else ""
        return menu("town_check", town=read.name, where=where or spaced(read.postcode))

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "2":
            return Go(session, "town", remember=False)
        return search_nearest(agreed(session), world) if pressed == "1" else NO_SUCH_KEY


class TownWhich(Patient):
    """Towns of one name, or what a spoken postcode may mean: asked, never guessed."""

    name = "town_which"
    part = Part.TOWN
    page = "laquelle"

    def question(self, session: Session, world: World) -> Question:
        values: dict[str, object] = {}
        for number, (code, name, departement) in enumerate(session.towns_found, start=1):
            values[f"town{number}"] = name
            values[f"where{number}"] = departement or spaced(code)
        return menu(f"town_which_{len(session.towns_found)}", **values)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        found = session.towns_found
        if pressed not in ("1", "2", "3", ANOTHER_KEY) or (
            pressed != ANOTHER_KEY and int(pressed) > len(found)
        ):
            return NO_SUCH_KEY
        code, name, _ = ("", "", "") if pressed == ANOTHER_KEY else found[int(pressed) - 1]
        town = world.town(code)
        if town is None:
            return Go(session, "town", remember=False)
        # Read with its key: that is the readback.
        return search_nearest(at_town(session, replace(town, name=name)), world)


def spaced(digits: str) -> str:
    return " ".join(digits)
