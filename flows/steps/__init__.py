"""The steps of the call, one file each: a class with a name of its own is found here.

docs/adding.md has the recipe for a new one.
"""

from __future__ import annotations

import pkgutil

from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib import import_module

from flows.session import Session
from flows.steps.called_back import CalledBack
from flows.steps.common import Step
from flows.steps.for_whom import ForWhom
from flows.steps.queue import Held, Queue
from flows.steps.resume import BookedBefore, Resume
from flows.steps.welcome import Closed, NotYetOpen, Welcome
from flows.steps.with_agent import WithAgent
from flows.world import World


def _found() -> Iterator[Step]:
    """A step of each class that has a name of its own, file by file."""
    for file in pkgutil.iter_modules(__path__):
        module = import_module(f"{__name__}.{file.name}")
        above = ""
        for made in vars(module).values():
            is_ours = isinstance(made, type) and made.__module__ == module.__name__
            if is_ours and issubclass(made, Step) and "name" in vars(made):
                step = made()
                if "after" not in vars(made):
                    step.after = above
                above = step.name
                yield step


def _as_listed(steps: Iterable[Step]) -> Iterator[Step]:
    """Each behind the step that it names: about in the order in which a call comes to them."""
    behind: dict[str, list[Step]] = defaultdict(list)
    for step in steps:
        behind[step.after].append(step)

    def those_after(name: str) -> list[Step]:
        ways = [[step, *those_after(step.name)] for step in behind.pop(name, ())]
        return [step for way in sorted(ways, key=len) for step in way]

    yield from those_after("")
    if behind:
        raise LookupError(f"listed behind steps that there are not: {', '.join(behind)}")


STEPS: dict[str, Step] = {step.name: step for step in _as_listed(_found())}
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
    if session.by_text:
        # A caller who writes to us for an appointment has said what they want already.
        return ForWhom.name
    if session.earlier:
        return BookedBefore.name if session.earlier_booked else Resume.name
    return Welcome.name
