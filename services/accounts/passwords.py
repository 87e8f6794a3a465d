"""Passwords: what is taken, and how one is kept (argon2id).

The cost is OWASP's (19 MiB, two passes, one lane). A worker hashes one at a time: many tries at
once would otherwise take the memory of calls.
"""

from __future__ import annotations

import ctypes
import threading
import unicodedata

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

from services.letters import bare
from services.refused import OperatorRefused

SHORTEST = 12
LONGEST = 128
MEMORY_KIB = 19_456
PASSES = 2
LANES = 1
# Seconds that a try waits for its turn.
PATIENCE = 3.0
# Of no password: so that a login that does not exist costs the same work.
NO_ACCOUNT = (
    "$argon2id$v=19$m=19456,t=2,p=1$YWxsby1yZW5kZXotdm91cw"
    "$0JdGXq2D8UQ1nVbE5XhYcRkqvTz3sLwPp9o4iMuaKfg"
)
# What people here choose when they have to choose, besides the lists of the library.
_WORDS = """
motdepasse administrateur changemoi changeme bienvenue bonjour jetaime soleil doudou chouchou
marseille olympique paris lyon france vaccin vaccination centredevaccination centre rendezvous
allorendezvous allo supervision superviseur agent agents poste secret loulou coucou
printemps automne hiver janvier fevrier mars avril juin juillet aout septembre octobre novembre
decembre lundi mardi mercredi jeudi vendredi samedi dimanche
"""
# From 0 to 4; 4 is ten thousand million guesses. At 3 were a word of ours, a year and a mark.
STRONG_ENOUGH = 4
# The library takes no more; what comes behind only makes it stronger.
_LOOKED_AT = 72
_PART_OF_NAME = 4
# malloc.h
_M_MMAP_THRESHOLD = -3
_A_MEBIBYTE = 1024 * 1024

_turn = threading.BoundedSemaphore(1)


class BadPassword(OperatorRefused):
    """The key of a sentence on pages (`account.password_…`), and one in English for the console."""

    def __init__(self, key: str, sentence: str) -> None:
        super().__init__(sentence)
        self.key = key


class TooBusy(Exception):
    """Too many sign in at this moment: again in some seconds."""


def check(password: str, *, login: str, name: str) -> None:
    """Raises BadPassword unless a password can be taken."""
    password = _normal(password)
    if len(password) < SHORTEST:
        raise BadPassword("short", f"a password has at least {SHORTEST} letters")
    if len(password) > LONGEST:
        raise BadPassword("long", f"a password has at most {LONGEST} letters")
    folded = _letters(password)
    parts = [login.split("@", maxsplit=1)[0], *name.split()]
    for part in map(_letters, parts):
        if len(part) >= _PART_OF_NAME and part in folded:
            raise BadPassword("personal", "a password holds neither the login nor the name")
    if _is_guessed(password, [login, *name.split()]):
        raise BadPassword("common", "that password is easily guessed: choose another")


def _is_guessed(password: str, parts: list[str]) -> bool:
    """Whether lists of common passwords, names, words, dates and keys side by side lead to it."""
    from zxcvbn import zxcvbn  # noqa: PLC0415 (its lists are needed where a password is chosen)

    found = zxcvbn(password[:_LOOKED_AT], user_inputs=[*_WORDS.split(), *parts])
    return bool(found["score"] < STRONG_ENOUGH)


def _normal(password: str) -> str:
    # The same letters can be typed as different characters on different machines.
    return unicodedata.normalize("NFKC", password)


def _letters(text: str) -> str:
    """Letters without accents and digits, in lower case."""
    return "".join(letter for letter in bare(text) if letter.isalnum())


@lru_cache
def _hasher() -> Any:
    from argon2 import PasswordHasher  # noqa: PLC0415 (most workers of a night see no password)

    _give_memory_back()
    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)


def _give_memory_back() -> None:
    """Let glibc return blocks of a megabyte and more at once.

    By itself it learns from the first hash to keep such blocks, for each thread: 130 MiB in a
    worker of six. Other C libraries have no such habit, or no such call.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _A_MEBIBYTE)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    if not _turn.acquire(timeout=PATIENCE):
        raise TooBusy
    try:
        yield
    finally:
        _turn.release()


def hash_of(password: str) -> str:
    """Raises TooBusy."""
    with _one_at_a_time():
        return str(_hasher().hash(_normal(password)))


def fits(password: str, hashed: str | None) -> bool:
    """Whether a password is the one of a hash; no hash costs the same and never fits.

    Raises TooBusy.
    """
    from argon2.exceptions import Argon2Error, InvalidHashError  # noqa: PLC0415

    with _one_at_a_time():
        try:
            right = _hasher().verify(hashed or NO_ACCOUNT, _normal(password[: 4 * LONGEST]))
        except (Argon2Error, InvalidHashError):
            return False
    return bool(right) and hashed is not None


def is_outdated(hashed: str) -> bool:
    """Whether a hash was made at another cost than today's."""
    return bool(_hasher().check_needs_rehash(hashed))
