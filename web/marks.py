"""The mark that each route carries: whom it is for. `web.staff_only` looks at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from flask import Flask

from services.accounts.staff import ROLES

View = TypeVar("View", bound=Callable[..., object])
# The provider signs what it asks for here; nothing of a browser's is there.
SIGNED = ("/voice", "/sms")
_MARK = "allo_who"


@dataclass(frozen=True)
class Who:
    """Whom a route is for. `poll`: asked again and again by a page, so no sign of a person.

    `wall`: a screen on a wall may ask for it, too; such a screen is let in nowhere else. `moment`:
    what it tells is so little that who asked a moment ago is not looked up again. `free_form`: its
    forms carry no token of a session, for their pages are the same for everybody.
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
    is for what anybody in the room may read, `moment=True` for counts and states that screens ask
    for each second: there a session that was ended may be answered two seconds longer.
    """
    unknown = set(names) - set(ROLES)
    if unknown or not names:
        raise ValueError(f"no such role: {', '.join(sorted(unknown)) or 'none named'}")

    def mark(view: View) -> View:
        setattr(view, _MARK, Who(frozenset(names), poll=poll, wall=wall, moment=moment))
        return view

    return mark


def public(view: View) -> View:
    """For anybody."""
    setattr(view, _MARK, Who(frozenset(), public=True))
    return view


def public_form(view: View) -> View:
    """For anybody, with forms that carry no token of a session: a page that all share has none.

    That a page of ours sends them is what the browser says of their origin; a view that acts for
    somebody in particular proves for itself who that is (`web.online.booking_cookie`, a reference
    and a date of birth).
    """
    setattr(view, _MARK, Who(frozenset(), public=True, free_form=True))
    return view


def who_may(app: Flask, endpoint: str | None) -> Who | None:
    """The mark of a route; None where it has none."""
    found: Who | None = getattr(app.view_functions.get(endpoint or ""), _MARK, None)
    return found


def undeclared(app: Flask) -> list[str]:
    """Routes that do not say whom they are for, but those that the provider signs."""
    return sorted(
        {
            rule.rule
            for rule in app.url_map.iter_rules()
            if not rule.rule.startswith(SIGNED) and who_may(app, rule.endpoint) is None
        }
    )
