"""Invitations in each other language, and a menu of those that the menu before has no key for."""

from __future__ import annotations

from dataclasses import replace

from flows.questions import TELEPHONE_ONLY, Go, Move, Part, Question, menu
from flows.session import Session
from flows.speech import Line
from flows.steps.common import NO_SUCH_KEY, Patient
from flows.world import World

OTHER_LANGUAGES = "other_languages"
# What a menu has for languages. Where there are more of them, the last key leads to the others.
LANGUAGE_KEYS = (4, 5)
# A menu of languages alone: 8, 9 and 0 mean the same at every question.
ALL_KEYS = range(1, 8)


class OtherLanguages(Patient):
    """Callers are here because their own language told them the key."""

    name = OTHER_LANGUAGES
    part = Part.WELCOME
    page = TELEPHONE_ONLY
    after = "closed"

    def question(self, session: Session, world: World) -> Question:
        return replace(menu(self.name), after=_invited(session, world))

    def take(self, session: Session, pressed: str, world: World) -> Move:
        chosen = _languages_of(pressed, _invited(session, world))
        before = session.trail[-1] if session.trail else "welcome"
        return _in_language(session, chosen[0], before) if chosen else NO_SUCH_KEY


def invitations(session: Session, world: World) -> tuple[Line, ...]:
    """The other languages, each in its own words and voice: a caller who knows one needs no more.

    Those that share the last key are offered behind it.
    """
    last = len(LANGUAGE_KEYS) - 1
    return tuple(
        _invitation(language, LANGUAGE_KEYS[min(number, last)], session)
        for number, language in enumerate(_others(session, world))
    )


def take_language(session: Session, pressed: str, world: World) -> Move:
    """The same question in the language of this key, or the languages behind it."""
    chosen = _languages_of(pressed, invitations(session, world))
    if len(chosen) > 1:
        return Go(session, OTHER_LANGUAGES)
    return _in_language(session, chosen[0], session.step) if chosen else NO_SUCH_KEY


def _others(session: Session, world: World) -> list[str]:
    return [language for language in world.languages() if language != session.language]


def _invited(session: Session, world: World) -> tuple[Line, ...]:
    """Those that share the last key of the menu before, each with a key of its own."""
    behind = _others(session, world)[len(LANGUAGE_KEYS) - 1 :]
    return tuple(
        _invitation(language, key, session) for key, language in zip(ALL_KEYS, behind, strict=False)
    )


def _invitation(language: str, key: int, session: Session) -> Line:
    return Line("choose_language", {"key": key}, session.misses, language)


def _languages_of(pressed: str, invited: tuple[Line, ...]) -> list[str]:
    return [line.language for line in invited if str(line.values["key"]) == pressed]


def _in_language(session: Session, language: str, step: str) -> Go:
    return Go(session.but(language=language), step, remember=False)
