"""Templates compiled for one language: the words of a key stand in them as if written there.

`t("way.back")` has the same words in each answer of a language, so they are put in its place when
the template is read for it. What is looked up by a name that is known only later (`t("book.about."
~ who)`), or has values to be filled in, stays a call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import Any, Final

from flask.templating import Environment
from jinja2 import Template
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

from prompts.screens import Screen

WORDS: Final = "t"
# What `t("way.back")` is made of.
_CALL: Final = ("name", "lparen", "string", "rparen")


# Languages, each with the words of the services that are in use; those of before are forgotten.
_MOST: Final = 8


class PageEnvironment(Environment):
    """Jinja's, with one of its own for each language and the words of its services.

    A template is read in those of the answer.
    """

    spoken: Screen | None = None
    _by_words: dict[Screen, PageEnvironment]
    _speaks: Callable[[], Screen]

    def speak(self, speaks: Callable[[], Screen]) -> None:
        """From now on templates have the words that `speaks` gives, which is asked each time."""
        self._by_words, self._speaks = {}, speaks

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """What a template knows of the application, as one dictionary.

        Jinja would look through a chain of two for each name and each answer, and keep one for each
        template, for what is told to a single one. No template of ours is told anything.
        """
        return {**self.globals, **d} if d else self.globals

    def get_template(self, name: Any, parent: Any = None, globals: Any = None) -> Template:  # noqa: A002
        """As Jinja's, in the words of this answer."""
        if self.spoken is not None:
            return super().get_template(name, parent, globals)
        return self._with_words().get_template(name, parent, globals)

    def _with_words(self) -> PageEnvironment:
        spoken = self._speaks()
        found = self._by_words.get(spoken)
        if found is None:
            found = self.overlay(extensions=[_WordsInTemplates])
            found.spoken = spoken
            kept = list(self._by_words.items())[1 - _MOST :]
            # Threads that read templates at the same moment each make one; any of them will do.
            self._by_words = {**dict(kept), spoken: found}
        return found


class _WordsInTemplates(Extension):
    def filter_stream(self, stream: TokenStream) -> Iterable[Token]:
        spoken = getattr(self.environment, "spoken", None)
        assert spoken is not None  # noqa: S101 - an environment of one language alone has this
        return _with_words(stream, spoken)


def _with_words(tokens: Iterable[Token], spoken: Screen) -> Iterator[Token]:
    """The tokens, with a string for each call of `t` with nothing but a key."""
    seen: deque[Token] = deque()
    for token in tokens:
        seen.append(token)
        if not _may_be(seen):
            yield seen.popleft()
            while seen and not _may_be(seen):
                yield seen.popleft()
        elif len(seen) == len(_CALL):
            name, _, key, _ = seen
            seen.clear()
            yield Token(name.lineno, "string", spoken[key.value])
    yield from seen


def _may_be(tokens: Iterable[Token]) -> bool:
    """Whether these begin a call of `t` with nothing but a key."""
    kinds = [token.type for token in tokens]
    first = next(iter(tokens))
    return first.value == WORDS and tuple(kinds) == _CALL[: len(kinds)]
