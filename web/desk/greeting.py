"""A sentence or two that an agent can read to a caller, in the caller's language.

It says what is known of their wish and asks what is missing first. It names no person and tells no
birth date: a line may be shared, and a call back may be answered by another person.
"""

from __future__ import annotations

from dataclasses import dataclass

from flows.session import Party
from prompts.screens import LANGUAGES, screen
from services.desk.caller_profile import CallerProfile
from services.messages.notices import Reason
from web.written import Written

# Reasons of the queue for which the appointment is there already.
_MINE = frozenset({"my_appointment", "person_needed"})


@dataclass(frozen=True)
class Greeting:
    """What to say; `language` is that of the sentences, for a screen reader's voice."""

    language: str
    sentences: tuple[str, ...]


def greeting_of(file: CallerProfile) -> Greeting:
    """The greeting for a caller's file."""
    language = file.caller.language if file.caller.language in LANGUAGES else LANGUAGES[0]
    written = Written(screen(language))
    keys = _keys(file)
    near = written.near_town(file.given.town) if file.given.town else ""
    sentences = (written.words.text(f"at_desk.greeting.{key}", near=near) for key in keys)
    return Greeting(language, tuple(sentences))


def _keys(file: CallerProfile) -> list[str]:
    entry, given = file.entry, file.given
    asks = [f"ask_{detail}" for detail in file.missing[:1]]
    if file.is_callback:
        # Nothing of what they gave is said before it is known who answers.
        return ["hello", "case" if entry.reason == Reason.CASE else "callback", *asks]
    if given.interpreter:
        return ["hello", "interpreter"]
    keys = ["hello", "cut"] if entry.reason == Reason.CUT else ["hello"]
    if entry.reason in _MINE:
        return [*keys, "mine", *([] if file.proved or file.asked_reference else ["ask_mine"])]
    keys.append("seeks_near" if given.town else "seeks")
    if given.whom == Party.TWO:
        keys.append("two")
    elif given.whom == Party.OTHER:
        keys.append("other")
    return [*keys, *asks]
