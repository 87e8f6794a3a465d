"""What each question listens to: keys always, and words where the caller may speak.

The one place that decides it. Keys first, for a television answers faster than a caller does;
words as soon as the caller has used them (docs/decisions/0011).
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from flows.session import Session
from flows.speech import Listen
from flows.steps import STEPS
from flows.steps.common import reads_back
from flows.understanding.vocabulary import Vocabulary
from flows.world import World


def listens(session: Session, asked: Listen, world: World) -> Listen:
    """What is listened to at the session's step, whose question asks for `asked`.

    Keys alone after words that meant nothing here, twice or hardly heard. Else words as well: where
    the step asks for them at once, from the second try on, and everywhere once the caller was
    understood so.
    """
    if session.speech_off_at == session.step:
        return replace(asked, speech=False)
    if not (asked.speech or session.misses or session.speaks):
        return asked
    # No caller is invited to say what only a key can answer.
    invites = session.speaks and "1" not in STEPS[session.step].only_by_key(session)
    hints = _hints(world.vocabulary(session.language), session.step)
    return replace(asked, speech=True, invites=invites, hints=hints)


@lru_cache
def _hints(vocabulary: Vocabulary, step: str) -> tuple[str, ...]:
    """What a recogniser may expect to hear, as it is spelt: it guesses better among fewer words."""
    own = vocabulary.hints.get("read_back" if reads_back(step) else step, ())
    months = vocabulary.month_names if STEPS[step].takes_date else ()
    return (*own, *months, *vocabulary.hints.get("everywhere", ()))
