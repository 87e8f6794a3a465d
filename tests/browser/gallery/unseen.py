"""Which pages of ours no state shows: so that a new page cannot be forgotten."""

from __future__ import annotations

import re

from collections.abc import Collection

from tests.support.keeper import ROOT

TEMPLATES = ROOT / "web" / "templates"
# A page is what extends a frame, at whatever distance; frames themselves and pieces are none.
_FRAME = re.compile(r'{%-? extends "([\w/.]+)"')
_FRAMES = frozenset({"base.html", "public.html"})

# Still without a state, each with the reason. A state takes its line away.
NOT_YET: dict[str, str] = {
    "online/my_appointment/person.html": "needs an appointment that is erased amid a change of it",
}


def pages() -> set[str]:
    """Every template that is shown as a page."""
    extends = {
        path.relative_to(TEMPLATES).as_posix(): found[1]
        for path in TEMPLATES.rglob("*.html")
        if (found := _FRAME.search(path.read_text("utf-8")))
    }
    return set(extends) - set(extends.values()) - _FRAMES


def unseen(shown: Collection[str]) -> set[str]:
    """Pages that are in no state; those that have one and still stand in NOT_YET, too."""
    return (pages() - set(shown)) ^ set(NOT_YET)
