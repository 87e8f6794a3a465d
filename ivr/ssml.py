"""Words with their mark-up as a voice of the provider takes it, made by the provider's library.

A voice gets the tags that it takes (prompts/voices.py) and no others; without them it gets the same
words.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import cast
from xml.sax.saxutils import escape

from twilio.twiml import TwiML
from twilio.twiml.voice_response import Say, SsmlBreak, SsmlSayAs

from prompts.catalogue import FULL_RATE, Catalogue
from prompts.reading_time import VoicePauses
from prompts.values import GROUP, Said, dictated
from prompts.voices import DATE, Voice

# Where the words go in a tag that is kept.
_WORDS = "\ue002"


class Spoken:
    """A <Say> that is filled from left to right. `slow`: at the pace that key 8 asks for."""

    def __init__(self, catalogue: Catalogue, pace: VoicePauses, *, slow: bool) -> None:
        self.say = Say(language=catalogue.voice_language, voice=catalogue.voice)
        self._voice, self._pace = catalogue.speaker, pace
        self._within: TwiML = self.say
        self._text = ""
        if slow and catalogue.slow_rate != FULL_RATE and self._voice.slows:
            self._within = self.say.prosody(rate=f"{catalogue.slow_rate}%")

    def words(self, text: str) -> None:
        """Words of a sentence; a digit group that is dictated is said as one."""
        for said in dictated(text):
            if said.how == GROUP:
                self._text += said.words
                self.pause(self._pace.group)
            elif self._voice.says(said.how):
                self._nest(_as_said(said))
            else:
                self._text += said.words

    def pause(self, seconds: float) -> None:
        """A silence, where the voice takes one."""
        if self._voice.pauses:
            self._nest(SsmlBreak(time=_time(seconds)))

    def done(self) -> Say:
        """The whole of it."""
        self._flush()
        return self.say

    def _nest(self, tag: TwiML) -> None:
        self._flush()
        self._within.append(tag)

    def _flush(self) -> None:
        # Of two texts in a row the library keeps the later one alone.
        if self._text:
            self._within.append(self._text)
            self._text = ""


def marked_up(said: Iterable[Said], voice: Voice, pace: VoicePauses) -> str:
    """Words of a value as XML, for the place of that value in a document."""
    written = []
    for part in said:
        if part.how == GROUP:
            written.append(part.words + _pause(pace.group) if voice.pauses else part.words)
        elif part.how and voice.says(part.how):
            before, after = _tag(part.how, part.pattern)
            words = part.figures if part.how == DATE else part.words
            written.append(f"{before}{escape(words)}{after}")
        else:
            written.append(escape(part.words))
    return "".join(written)


@lru_cache(64)
def _tag(how: str, pattern: str) -> tuple[str, str]:
    """What stands before and after the words; the words themselves are kept nowhere."""
    before, _, after = _xml(_as_said(Said(_WORDS, how, _WORDS, pattern))).partition(_WORDS)
    return before, after


@lru_cache(64)
def _pause(seconds: float) -> str:
    return _xml(SsmlBreak(time=_time(seconds)))


def _as_said(said: Said) -> SsmlSayAs:
    words = said.figures if said.how == DATE else said.words
    return SsmlSayAs(words, interpret_as=said.how, format=said.pattern or None)


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f}ms"


def _xml(tag: TwiML) -> str:
    return cast("str", tag.to_xml(xml_declaration=False))
