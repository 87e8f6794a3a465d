"""The mark that each route carries: which users it is for. `web.staff_only` looks at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from flask import Flask

from services.accounts.staff import ROLES

View = TypeVar("View", bound=Callable[..., object])
# The provider signs what it asks for here; nothing of a browser's is there.
SIGNED = ("/voice", "/sms")
# What remembers the language that a visitor chose; over https its name begins with `__Host-`.
LANGUAGE_COOKIE = "allo-lang"
_MARK = "allo_who"


@dataclass(frozen=True)
class Who:
    """Which users a route is for. `poll`: asked again and again by a page, so no sign of a person.

    `wall`: a screen on a wall may ask for it, too; such a screen is let in nowhere else. `moment`:
    what it tells is so little that a user who asked a moment ago is not looked up again.
    `free_form`: its forms carry no session token, because their pages are the same for all.
    """

    roles: frozenset[str]
    public: bool = False
    poll: bool = False
    wall: bool = False
    moment: bool = False
    free_form: bool = False


def roles(
    *names: str, poll: bool = False, wall: bool = False, moment: bool = False
) -> Callable[[View], View]:
    """For staff with one of these roles ("agent", "supervisor", "secretary", "operator").

    `poll=True` is for what a page asks for by itself: it does not renew the idle limit. `wall=True`
    is for what any person near a wall screen may read, `moment=True` for counts and states polled
    each second: there a session that was ended may be answered two seconds longer.
    """
    unknown = set(names) - set(ROLES)
    if unknown or not names:
        raise ValueError(f"no such role: {', '.join(sorted(unknown)) or 'none named'}")

    def mark(view: View) -> View:
        who = Who(frozenset(names), poll=poll, wall=wall, moment=moment)
        setattr(view, _MARK, who)
        return view

    return mark


def public(view: View) -> View:
    """For all visitors."""
    setattr(view, _MARK, Who(frozenset(), public=True))
    return view


def public_form(view: View) -> View:
    """For all visitors, with forms without a session token: a page that all share has none.

    The browser's word on their origin shows that a page of ours sends them. A view that acts for a
    particular person checks itself who that is (`web.online.cookies`, a reference and a date
    of birth).
    """
    setattr(view, _MARK, Who(frozenset(), public=True, free_form=True))
    return view


def who_may(app: Flask, endpoint: str | None) -> Who | None:
    """The mark of a route; None where it has none."""
    found: Who | None = getattr(app.view_functions.get(endpoint or ""), _MARK, None)
    return found


def undeclared(app: Flask) -> list[str]:
    """Routes that do not say which users they are for, but those that the provider signs."""
    return sorted(
        {
            rule.rule
            for rule in app.url_map.iter_rules()
            if not rule.rule.startswith(SIGNED) and who_may(app, rule.endpoint) is None
        }
    )
