"""The act that each page of a booking's form asks for, with the fields that it reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from flows.steps import STEPS
from services.online import answers, days, partner, prove_number
from services.online.web_sessions import Act, WebSession

# Pages that show what partners have near, too.
WITH_PARTNERS: Final = frozenset({"offers", "no_slot"})
Form = Mapping[str, str]

# What each page does with its form, and with which fields of it.
_ACTS: Final[dict[str, tuple[Callable[..., WebSession], tuple[str, ...]]]] = {
    "for_whom": (answers.for_whom, ("whom",)),
    "not_yet_open": (answers.not_yet_open, ("number",)),
    "date_of_birth": (answers.date_of_birth, ("day", "month", "year")),
    "group": (answers.group, ("belongs",)),
    "not_eligible": (answers.not_eligible, ("wish", "number")),
    "postcode": (answers.postcode, ("where",)),
    "town_which": (answers.town_which, ("code",)),
    "offers": (answers.take_offer, ("place",)),
    days.NAME: (answers.take_hour, ("hour",)),
    "couple_choice": (answers.couple_choice, ("wish",)),
    "no_slot": (answers.no_slot, ("wish", "number", "where")),
    partner.NAME: (partner.ask, ("first_name", "last_name", "number")),
    partner.WAITS: (partner.settle, ()),
    "confirm": (answers.confirm, ()),
    prove_number.NAME: (answers.prove, ("wish", "code")),
    "ready": (answers.second, ()),
}


def act_of(step: str, form: Form) -> Act | None:
    """What a page does with its form; None for a page that has none."""

    def get(name: str) -> str:
        return form.get(name, "")

    if step == "reach":
        none, calls = get("wish") == "none", get("calls") == "yes"
        return lambda session, world: answers.reach(
            session, world, get("number"), get("mail"), none=none, calls=calls
        )
    if step in STEPS and STEPS[step].page_of_keys:
        return lambda session, world: answers.press(session, world, step, get("key"))
    if step not in _ACTS:
        return None
    do, names = _ACTS[step]
    if step in WITH_PARTNERS and get("partner"):
        do, names = partner.choose, ("partner",)
    elif step == "offers" and get("wish"):
        do, names = answers.other_offers, ("wish", "where")
    return lambda session, world: do(session, world, *map(get, names))
