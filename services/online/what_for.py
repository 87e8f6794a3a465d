"""The questions what for on the site: what each key of the telephone stands for on its page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import cast

from flows.session import Session
from flows.steps.service import (
    NOT_SINCE,
    SINCE,
    choices_for,
    of_since,
    options_of,
    others_for,
    parts_of,
)
from flows.steps.service_over import SERVICE
from flows.world import Choice, ServiceWords, World
from prompts.catalogue import load
from prompts.values import Part
from services.call.service_words import words_of
from services.campaign.eligibility import choices
from services.letters import as_printed
from services.service import Service

STEPS_WHAT_FOR = frozenset({SERVICE, SINCE, NOT_SINCE})
_SEVERAL = 2
_KEYS_OF_ONE_MENU = 4
# Gives an entry of a page's words, with the values in it.
Words = Callable[..., str]


def of_what_they_came_for(may: tuple[Choice, ...], service: str) -> tuple[Choice, ...]:
    """Of what a visitor may have: what they came for, and what may be had together with it.

    `service` is the name of what the address was for; empty: for nothing of its own.
    """
    own = next((option for option in may if option.service and option.service == service), None)
    if own is None:
        # They may not have it: what else they may.
        return may
    return tuple(option for option in may if option is own or option.campaign in own.together)


@dataclass(frozen=True)
class _OpenNow:
    """What a question what for asks of the outside, at a moment (UTC)."""

    service: Service
    now: datetime
    came_for: str

    def choices(self, born: date, groups: tuple[str, ...]) -> tuple[Choice, ...]:
        may = choices(self.service.campaigns.open_now(), born, groups, self.now)
        return of_what_they_came_for(may, self.came_for)

    def service_words(self, campaign: str, language: str) -> ServiceWords:
        return words_of(self.service.campaigns.by_name(campaign), language)


@dataclass(frozen=True)
class WhatForPage:
    """The page of one of these questions, for a session at a moment (UTC)."""

    service: Service
    session: Session
    now: datetime
    words: Words
    # The service whose address a visitor came by; empty: none.
    came_for: str = ""

    @property
    def _world(self) -> World:
        return cast("World", _OpenNow(self.service, self.now, self.came_for))

    def title(self, step: str) -> str:
        values = {}
        if step != SERVICE:
            values = of_since(self.session, self.session.since_asked, self._world)
        return self.words(f"book.{step}.title", **values)

    def keys(self, step: str) -> list[tuple[str, str, str]]:
        """As the choices of a page: the key, what it is for, and nothing to explain."""
        if step == SERVICE:
            options = options_of(choices_for(self.session, self._world))
            if len(options.keys) > _KEYS_OF_ONE_MENU:
                # All of them at once, though callers hear three at a time.
                some = (option for part in parts_of(options) for option in part)
                return [(key, self._named(names), "") for key, names in some]
            labels = [self._named(key) for key in options.keys]
            labels += [self.words("book.service.end")] * (len(options.keys) == 1)
        elif step == SINCE:
            labels = [self.words(f"book.{step}.key_{key}") for key in (1, 2)]
        else:
            others = others_for(self.session, self._world)
            labels = [self._named(others)] if others else []
            labels += [self.words(f"book.{step}.key_1"), self.words(f"book.{step}.end")]
        return [(str(number), label, "") for number, label in enumerate(labels, start=1)]

    @property
    def chosen(self) -> str:
        """What the person whose turn it is comes for; empty where only one service is open."""
        return self.chosen_of(self.session.wanted)

    def chosen_of(self, wanted: tuple[str, ...]) -> str:
        """What a person comes for, by the names of campaigns; empty where one service is open."""
        if not wanted or len(self.service.campaigns.open_now()) < _SEVERAL:
            return ""
        return self.words("book.service.chosen", services=self._said(wanted))

    def each_of(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """The name of each of several services."""
        return tuple(self._said((campaign,)) for campaign in wanted)

    def _named(self, campaigns: tuple[str, ...]) -> str:
        said = self._said(campaigns)
        return said[:1].upper() + said[1:]

    def _said(self, campaigns: tuple[str, ...]) -> str:
        language = self.session.language
        names = tuple(self._world.service_words(campaign, language).said for campaign in campaigns)
        return as_printed(load(language).spoken(Part("", "names", "and"), {"names": names}))
