"""The steps of the call, one file each, and the order in which the path takes them.

A new step is one file here, one import and one line in `_ALL`, and its words in `prompts/`:
docs/adding.md has the recipe.
"""

from __future__ import annotations

from flows.questions import Step
from flows.steps.confirm import Confirm
from flows.steps.date_of_birth import (
    BirthDay,
    BirthMonth,
    BirthYear,
    DateOfBirth,
    DateOfBirthCheck,
)
from flows.steps.not_eligible import NotEligible
from flows.steps.offers import NoSlot, Offers, OtherOffers, PartOfDay
from flows.steps.person import Person, PersonNumber, PersonNumberCheck
from flows.steps.postcode import Postcode, PostcodeCheck
from flows.steps.reach import Reach, ReachCheck, ReachNumber
from flows.steps.reference import Ready, Reference
from flows.steps.welcome import Closed, NotYetOpen, Welcome
from flows.world import World

_ALL: tuple[Step, ...] = (
    Welcome(),
    NotYetOpen(),
    Closed(),
    DateOfBirth(),
    BirthYear(),
    BirthMonth(),
    BirthDay(),
    DateOfBirthCheck(),
    NotEligible(),
    Postcode(),
    PostcodeCheck(),
    Offers(),
    OtherOffers(),
    PartOfDay(),
    NoSlot(),
    Reach(),
    ReachNumber(),
    ReachCheck(),
    Confirm(),
    Ready(),
    Reference(),
    Person(),
    PersonNumber(),
    PersonNumberCheck(),
)

STEPS: dict[str, Step] = {step.name: step for step in _ALL}


def first_step(world: World) -> str:
    """Where a new call starts: the campaign may not be open yet, or be over."""
    rules, now = world.rules(), world.now()
    if rules.opens_at and now < rules.opens_at:
        return NotYetOpen.name
    if rules.closes_at and now >= rules.closes_at:
        return Closed.name
    return Welcome.name
