"""From one channel to the other at a desk: what was begun on the site, and a link to finish there.

An agent who has a caller goes on with what that person gave to the site or to another call, by its
six digits; and a caller who would rather finish alone gets a link with what the agent has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from flows.session import Offer, Party, Session
from flows.steps.town import at_town
from flows.world import Town
from models.accounts.staff import Staff
from prompts.catalogue import load
from services.accounts.staff import record_act
from services.call import resume_call
from services.call.resume_call import RESUME_WITHIN
from services.desk.booking import BookingRefused, Refusal, Texted, is_nonce, was_told
from services.desk.offers import Desk, DeskWork
from services.desk.search import count
from services.messages import texts
from services.messages.phone_capabilities import takes_texts
from services.messages.topics import Topic
from services.messages.write_message import write_message
from services.online.from_call import from_call

CODE_DIGITS = 6
TOOK_UP, SENT_LINK = "took_up", "sent_link"
_WHY = "code"
_KEY = "desk-link:"


def take_up(at: DeskWork, staff: Staff, code: str, *, on_line: bool) -> Session | None:
    """What a code is for, with its places under the desk's name, in the caller's transaction.

    None for a wrong code, and where another person was quicker. A try counts as a file that is
    searched for; after a call it stops. Raises services.desk.search.TooManyProfiles.
    """
    at.alone()
    count(at.connection, at.store, staff, 1, why=_WHY, stops=not on_line)
    earlier_id = resume_call.of_code(at.connection, at.store, code)
    if earlier_id is None:
        return None
    taken = resume_call.take_up(at.work, at.desk.holder_id, earlier_id, into_call=False)
    if taken is None:
        return None
    record_act(
        at.connection, at.store, staff.id, TOOK_UP, at.desk.entry_id, _WHY, {"kept": taken.kept}
    )
    return taken.session


@dataclass(frozen=True)
class PartnerSearch:
    """What an agent has of a person: `born` of each who comes, and where it is looked for.

    `offer` was chosen and is held by the desk; None where nothing is. `number` is E.164.
    """

    born: Sequence[date]
    number: str
    town: Town | None = None
    offer: Offer | None = None
    groups: tuple[str, ...] = ()


def send_link(at: DeskWork, begun: PartnerSearch, *, nonce: str) -> Texted | BookingRefused:
    """Write a link to finish on the site, with the chosen place kept for it. Raises ValueError.

    It goes to the number that the agent was given; there the birth date opens it.
    """
    if not is_nonce(nonce):
        raise ValueError("not a form of this desk")
    at.alone()
    if at.store.links is None or not begun.born:
        return BookingRefused(Refusal.UNKNOWN)
    if not takes_texts(begun.number):
        return BookingRefused(Refusal.NO_MOBILE)
    told_before = was_told(at, begun.number, _KEY, nonce)
    if told_before is not None:
        return told_before
    work = at.work
    session = _session(at.desk, begun).but(wanted=at.wanted)
    visit, _ = from_call(work, session, holders=(at.desk.holder_id,))
    code = resume_call.new_web_session_code(work, visit.id)
    if not code:
        return BookingRefused(Refusal.UNKNOWN)
    link = at.store.links.of_code(code, at.store.clock.now() + RESUME_WITHIN)
    body = texts.filled(load(at.desk.language), "finish", number=at.number_told(), link=link)
    message_id = write_message(
        at.connection,
        at.store,
        "sms",
        begun.number,
        {"body": body},
        key=_KEY + nonce,
        # They wait for it on the telephone, at any hour, and no person is rung instead.
        topic=Topic.REPLY,
        call_id=at.desk.call_id or None,
        called=at.desk.called,
    )
    record_act(at.connection, at.store, at.desk.staff_id, SENT_LINK, at.desk.entry_id)
    return Texted(message_id or "")


def _session(desk: Desk, begun: PartnerSearch) -> Session:
    session = Session(
        language=desk.language,
        whom=Party.TWO if len(begun.born) > 1 else Party.SELF,
        born=begun.born[0].isoformat(),
        groups=begun.groups,
        number=begun.number,
        number_answered=True,
    )
    if begun.town is not None:
        session = at_town(session, begun.town)
    if begun.offer is None:
        return session.moved("postcode")
    return session.moved("confirm", offers=(begun.offer,), chosen=0)
