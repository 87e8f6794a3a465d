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
_LIMITS = "needs limits that are met"
_PARTNER = "needs a partner that books"
_OTHERS = "needs somebody else who is quicker, or takes over"
NOT_YET: dict[str, str] = {
    "online/booking/after_long.html": "needs a night",
    "online/booking/no_cookies.html": "needs a browser without cookies; that of tests takes each",
    "online/booking/partner_name.html": _PARTNER,
    "online/booking/partner_waits.html": _PARTNER,
    "online/booking/prove_number.html": _LIMITS,
    "online/my_appointment/elsewhere.html": _OTHERS,
    "online/my_appointment/my_nothing_else.html": "needs an appointment that cannot move",
    "online/my_appointment/my_over.html": "needs an appointment that is over",
    "online/my_appointment/person.html": _LIMITS,
    "online/my_appointment/postcode.html": "needs offers without a place to look from",
    "supervision/refused.html": _OTHERS,
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
