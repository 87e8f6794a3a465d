"""The steps of the call, one file each, and the order in which the path takes them.

A new step is one file here, one import and one line in `_ALL`, and its words in `prompts/`:
docs/adding.md has the recipe.
"""

from __future__ import annotations

from flows.questions import Step
from flows.session import Session
from flows.steps.called_back import CalledBack
from flows.steps.calls import CallsOffer
from flows.steps.confirm import Confirm
from flows.steps.date_of_birth import (
    BirthDay,
    BirthMonth,
    BirthYear,
    DateOfBirth,
    DateOfBirthCheck,
)
from flows.steps.for_whom import CoupleChoice, ForWhom
from flows.steps.kept_place import KeptPlace
from flows.steps.my_appointment import MyNoText, MyReference, MyReferenceCheck, MyTexted
from flows.steps.my_changes import (
    MyCancelCheck,
    MyCancelled,
    MyCancelWhich,
    MyMenu,
    MyMoveCheck,
    MyMoveWhich,
    MyNothingElse,
    MyOver,
)
from flows.steps.no_slot import NoSlot, OwnCentre
from flows.steps.not_eligible import Group, NotEligible
from flows.steps.offers import Offers, OtherOffers, PartOfDay
from flows.steps.partner_centre import PartnerCentre
from flows.steps.person import Person, PersonNumber, PersonNumberCheck
from flows.steps.postcode import Postcode, PostcodeCheck
from flows.steps.queue import Held, Queue
from flows.steps.reach import Reach, ReachCheck, ReachNumber
from flows.steps.reference import Ready, Reference
from flows.steps.resume import Resume
from flows.steps.resume_code import ResumeCode
from flows.steps.tell import TellNumber, TellNumberCheck
from flows.steps.town import AskTown, TownCheck, TownWhich
from flows.steps.untold import UntoldBirthDate
from flows.steps.waiting import Waiting
from flows.steps.welcome import Closed, NotYetOpen, Welcome
from flows.steps.with_agent import WithAgent
from flows.world import World

_ALL: tuple[Step, ...] = (
    Welcome(),
    NotYetOpen(),
    Closed(),
    Resume(),
    ResumeCode(),
    ForWhom(),
    CoupleChoice(),
    DateOfBirth(),
    BirthYear(),
    BirthMonth(),
    BirthDay(),
    DateOfBirthCheck(),
    Group(),
    NotEligible(),
    Postcode(),
    PostcodeCheck(),
    AskTown(),
    TownCheck(),
    TownWhich(),
    Offers(),
    OtherOffers(),
    PartOfDay(),
    OwnCentre(),
    PartnerCentre(),
    NoSlot(),
    Waiting(),
    TellNumber(),
    TellNumberCheck(),
    Reach(),
    ReachNumber(),
    ReachCheck(),
    Confirm(),
    Ready(),
    Reference(),
    CallsOffer(),
    UntoldBirthDate(),
    KeptPlace(),
    MyReference(),
    MyReferenceCheck(),
    MyTexted(),
    MyNoText(),
    MyMenu(),
    MyOver(),
    MyCancelled(),
    MyCancelWhich(),
    MyCancelCheck(),
    MyMoveWhich(),
    MyMoveCheck(),
    MyNothingElse(),
    Person(),
    PersonNumber(),
    PersonNumberCheck(),
    CalledBack(),
)

STEPS: dict[str, Step] = {step.name: step for step in _ALL}
# Where nothing is asked, for the provider holds the call: see flows.steps.line.
HELD: dict[str, Held] = {step.name: step for step in (Queue(), WithAgent())}


def first_step(session: Session, world: World) -> str:
    """Where a new call starts: the campaign may not be open yet, or be over.

    Else where a line was cut: see flows.steps.resume.
    """
    if session.rung_for:
        return CalledBack.name
    rules, now = world.rules(), world.now()
    if rules.opens_at and now < rules.opens_at:
        return NotYetOpen.name
    if rules.closes_at and now >= rules.closes_at:
        return Closed.name
    return Resume.name if session.earlier else Welcome.name
