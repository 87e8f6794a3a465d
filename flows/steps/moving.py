"""A search for another appointment in the place of one that the caller has.

It goes the way of any search; what is different stands here, and `offers` asks for it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from flows.session import Commitment, Moving, Session
from flows.world import Search

MOVE_CHECK = "my_move_check"
NOTHING_ELSE = "my_nothing_else"


def for_move(session: Session, search: Search) -> Search:
    """A person who has an appointment without being of age may have any other day as well."""
    if not session.moving or session.mine is None:
        return search
    has = min(start.date() for start in session.mine.starts)
    # What is done of another service stays where it is.
    stays = (
        Commitment(session.reference, service.centre_id, service.start_at)
        for service in session.mine.services
        if service.campaign not in (search.wanted or {service.campaign})
    )
    others = (
        commitment for commitment in search.commitments if commitment.reference != session.reference
    )
    return replace(
        search,
        commitments=(*others, *stays),
        first_day=search.first_day if search.first_day <= has else date.min,
        alone=session.moving != Moving.BOTH,
        second_of=session.mine.id if session.moving == Moving.SECOND else "",
    )
