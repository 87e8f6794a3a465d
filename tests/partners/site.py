"""A partner's site from memory: answers by path, and what was asked, in order."""

from __future__ import annotations

import json

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from partners.walking import Ask, Blocked, CentreReading, Gone, PartnerAnswer, ReadingTrouble, Walk

Reply = Any


@dataclass
class Site:
    """`pages` maps a path to JSON, an Answer, an exception, or a function of the query."""

    pages: Mapping[str, Reply]
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    requests_made: int = 0
    wait: float = 0.0

    def wait_for(self, url: str) -> float:
        return self.wait

    def get(self, ask: Ask) -> PartnerAnswer:
        path = urlsplit(ask.url).path
        self.asked.append((path, dict(ask.query)))
        self.requests_made += 1
        reply = self.pages.get(path, PartnerAnswer(404))
        if callable(reply):
            reply = reply(dict(ask.query))
        if isinstance(reply, Blocked):
            raise reply
        return (
            reply
            if isinstance(reply, PartnerAnswer)
            else PartnerAnswer(200, json.dumps(reply).encode())
        )

    def queries(self, path: str) -> list[dict[str, str]]:
        return [query for asked, query in self.asked if asked == path]


def walked(walk: Walk, site: Site) -> list[Any]:
    """Drive a walk to its end; gives what it found."""
    found: list[CentreReading | Gone | ReadingTrouble] = []
    answer: PartnerAnswer | None = None
    try:
        while True:
            step = walk.send(answer)
            answer = None
            if isinstance(step, Ask):
                answer = site.get(step)
            else:
                found.append(step)
    except StopIteration:
        return found


def paged(items: list[Any]) -> Callable[[dict[str, str]], Any]:
    """A list in pages as Maiia has them."""

    def page(query: dict[str, str]) -> Any:
        first = int(query["page"]) * int(query["size"])
        return {"items": items[first : first + int(query["size"])], "total": len(items)}

    return page
