"""An appointment on the site: written to the number on file, or opened by its link and birth date.

Whether there is one is told by neither words, bytes nor time: right or wrong, the same statements,
the same decryptions and the same counted try. Once it is proved, a visit stands for it: it does
what the telephone does, by the same steps.
"""

from __future__ import annotations

import hmac

from collections.abc import Collection
from dataclasses import replace
from datetime import date

from flows.questions import Go, Move
from flows.session import CallerBooking, MineState, Moving, Proving, Session
from flows.steps import STEPS
from flows.steps.my_appointment import show
from flows.steps.my_changes import has_halves
from flows.steps.offers import OtherOffers, search_nearest
from flows.steps.town import at_town
from flows.world import Town
from models.booking import changes
from models.booking.changes import NO_FILE
from models.call import resume
from models.database import Connection
from models.online.web_sessions import is_web_session
from prompts.catalogue import load as words_of
from services.attempts import count_try
from services.booking import stand_in
from services.booking.find_booking import is_born, read_booking
from services.booking.my_bookings import told
from services.booking.text_booking import text_or_not
from services.call import resume_call
from services.call.resume_call import CODE_LIVES
from services.call.service_words import words_of as words_of_service
from services.messages.calendar_file import Appointment, appointments_of
from services.messages.phone_capabilities import takes_texts
from services.online import web_sessions
from services.online.attempts import before_try, before_wish
from services.online.from_call import from_call
from services.online.web_sessions import WebSession, WebWorld, for_web
from services.service import Service
from services.store import Store
from services.work import Work

# The questions of the telephone that have a page here.
MENUS = frozenset({"my_menu", "my_over", "my_cancelled"})
OFFERS = "offers"
POSTCODE = "postcode"
PERSON = "person"
_KEY = "web-appointment:"
# Of none: what is done for one that is there takes as long.
_NO_NUMBER = "+33600000000"


# ------------------------------------------------------------------ who it is


def write_to_them(  # noqa: PLR0917
    connection: Connection,
    store: Store,
    service: Service,
    reference: str,
    born: date,
    place: str,
) -> str:
    """Put a text with the appointment and its link into the outbox, if both are right.

    It goes to the number on file and nowhere else. Gives the message's id, of none where there is
    none: to be told to the worker that delivers in any case.
    """
    wish = before_wish(connection, store, reference=reference, place=place)
    file = changes.load_by_reference_as_any(connection, store.vault, reference)
    right = file.id != NO_FILE.id and is_born(file.born, born)
    count_try(connection, store, wish.tries, right=right, wishes=wish.subjects)
    if right and file.is_stand_in:
        # What is true of it, and no more often than that is written otherwise.
        return stand_in.tell(
            connection, store, file.number or _NO_NUMBER, stand_in.behind(connection, store, file)
        )
    number = file.number or _NO_NUMBER
    can_be_written_to = takes_texts(number) and number == file.number
    return text_or_not(
        connection,
        store,
        file,
        number,
        leaves=right and wish.tries.open and wish.allowed and can_be_written_to,
        key=_KEY,
        catalogue=words_of(file.language),
        national_number=service.national_number,
    )


def open_booking(  # noqa: PLR0917 (what a link, a form and a browser say)
    work: Work,
    reference: str,
    born: date,
    place: str,
    language: str,
    open_ones: Collection[str] = (),
) -> WebSession | None:
    """The visit of a person who has a booking's link and its birth date; the try counts.

    `open_ones` are the names of the campaigns that are open: of these alone a booking can be moved.

    None for a wrong date, a booking that is no more, and after too many wrong ones.
    """
    connection, store = work.connection, work.store
    tries = before_try(connection, store, what=reference, place=place)
    booking_id = changes.id_by_reference(connection, store.vault, reference)
    found = read_booking(connection, store, booking_id or NO_FILE.id)
    right = found is not None and is_born(found.file.born, born)
    count_try(connection, store, tries, right=right)
    if found is None or not right or not tries.open:
        return None
    session = Session(
        language=language,
        proving=Proving.REFERENCE,
        asked=found.file.reference,
        reference=found.file.reference,
        born=born.isoformat(),
    )
    shown = show(session, told(found, store.clock.now(), work.campaign.name, open_ones))
    visit, _ = from_call(work, shown.session.moved(shown.step))
    return visit


def for_a_calendar(store: Store, visit: WebSession) -> list[Appointment]:
    """What is not cancelled of the booking that a visit has open."""
    mine = visit.session.mine
    with store.database.statement() as connection:
        file = changes.load(connection, store.vault, mine.id if mine else NO_FILE.id)
        return appointments_of(connection, file) if file else []


# ------------------------------------------------------------------ to go on here


def open_unfinished(work: Work, code: str, born: date, place: str) -> WebSession | None:
    """The visit that goes on from a call, or from a desk, by the code of its link.

    None for a wrong birth date, for what a visitor went on with elsewhere, and after too many wrong
    dates. The try counts.
    """
    connection, store = work.connection, work.store
    tries = before_try(connection, store, what=code, place=place)
    earlier_id = resume_call.of_code(connection, store, code)
    session = resume_call.left(work, earlier_id) if earlier_id else None
    right = session is not None and hmac.compare_digest(session.born, born.isoformat())
    count_try(connection, store, tries, right=right)
    if not earlier_id or session is None or not right or not tries.open:
        return None
    if is_web_session(earlier_id):
        return web_sessions.read(connection, store, earlier_id)
    return _from_call(work, code, earlier_id)


def reopen(work: Work, session_id: str, born: date, place: str) -> WebSession | None:
    """The web session whose cookie has run out, for a visitor who knows the birth date given in it.

    None for a wrong birth date, and after too many wrong ones. The try counts.
    """
    connection, store = work.connection, work.store
    tries = before_try(connection, store, what=session_id, place=place)
    found = web_sessions.read(connection, store, session_id)
    right = found is not None and hmac.compare_digest(found.session.born, born.isoformat())
    count_try(connection, store, tries, right=right)
    return found if right and tries.open else None


def _from_call(work: Work, code: str, call_id: str) -> WebSession | None:
    holder = web_sessions.new_id(work.store)
    here = replace(work, campaign=for_web(work.campaign))
    taken = resume_call.take_up(here, holder, call_id, into_call=False)
    if taken is None:
        return None
    visit, _ = from_call(here, on_the_site(taken.session), holders=(holder,))
    # The same link again, or the same code by telephone, finds the visit.
    resume.pass_codes(work.connection, work.store.clock, call_id, call_id, CODE_LIVES * 0)
    resume_call.give_web_session_code(work.connection, work.store, visit.id, code)
    return visit


# Questions of the telephone that are parts of a page here.
_PAGES = {
    "date_of_birth_check": "date_of_birth",
    "birth_year": "date_of_birth",
    "birth_month": "date_of_birth",
    "birth_day": "date_of_birth",
    "group": "date_of_birth",
    "for_whom": "for_whom",
    "date_of_birth": "date_of_birth",
}


def on_the_site(session: Session) -> Session:
    """The session of a call at the page where it goes on."""
    if 0 <= session.chosen < len(session.offers):
        return session.moved("confirm" if session.number_answered else "reach")
    # What was only offered is not held any more: the search begins from the same place.
    session = session.but(offers=(), chosen=-1)
    otherwise = "postcode" if session.born else "date_of_birth"
    return session.moved(_PAGES.get(session.step, otherwise))


# ------------------------------------------------------------------ what they do


def press(visit: WebSession, world: WebWorld, step: str, key: str) -> WebSession:
    """Answer a question of the telephone, at the page that asks it."""
    session = visit.session.but(step=step)
    if session.mine is None or not may_show(visit, step):
        return visit
    if step in MENUS:
        # What they see there is what it is now, and not what the visit knew.
        now = world.booking_now(session.mine.id)
        if now is None or show(session, now).step != step:
            return visit
        session = session.but(mine=now)
    return _follow(visit, world, STEPS[step].take(session, key, world))


def may_show(visit: WebSession, step: str) -> bool:
    """Whether a page can be seen and answered now."""
    session = visit.session
    if session.mine is None:
        return False
    if step in MENUS:
        return True
    both = len(session.mine.starts) > 1
    moving = session.moving != Moving.NONE
    return {
        "my_cancel_half": has_halves(session.mine),
        "my_move_half": has_halves(session.mine),
        "my_cancel_which": both,
        "my_move_which": both,
        "my_cancel_check": bool(session.doses_to_cancel),
        OFFERS: moving and bool(session.offers),
        "my_move_check": moving and 0 <= session.chosen < len(session.offers),
        "my_nothing_else": moving and session.step == "my_nothing_else",
        POSTCODE: moving,
        PERSON: session.step == PERSON,
    }.get(step, False)


def halves(service: Service, mine: CallerBooking, language: str) -> list[tuple[str, str]]:
    """What each of two services is answered by on a page, and its name; none where there is one."""
    if not has_halves(mine):
        return []
    names = [
        words_of_service(service.campaigns.by_name(done.campaign), language).said
        for done in mine.services
    ]
    return [
        (value, name[:1].upper() + name[1:])
        for value, name in zip(("first", "then"), names, strict=False)
    ]


def choose(visit: WebSession, world: WebWorld, place: str) -> WebSession:
    """One of the offers, by the id of its first place."""
    places = [str(offer.place_id) for offer in visit.session.offers]
    if place not in places:
        return visit
    return press(visit, world, OFFERS, str(places.index(place) + 1))


def look_elsewhere(visit: WebSession, world: WebWorld, wish: str) -> WebSession:
    """Other days, a part of the day, or farther away."""
    session = visit.session.but(step=OFFERS)
    if not may_show(visit, OFFERS):
        return visit
    if session.moving == Moving.SECOND:
        return press(visit, world, OFFERS, "4")
    if wish in {"morning", "afternoon"}:
        return _follow(visit, world, search_nearest(session, world, part_of_day=wish))
    key = {"days": "1", "farther": "3"}.get(wish)
    if key is None:
        return visit
    return _follow(visit, world, OtherOffers().take(session, key, world))


def look_from(visit: WebSession, world: WebWorld, where: str) -> WebSession:
    """From another postcode or town; a name that means several is none."""
    session = visit.session
    if session.mine is None or not session.moving or session.moving == Moving.SECOND:
        return visit
    town = _town(world, where)
    if town is None:
        return visit.at(session, notice="no_such_town")
    there = at_town(session.but(step=OFFERS), town).but(offered=session.mine.slots)
    return _follow(visit, world, search_nearest(there, world))


def _town(world: WebWorld, where: str) -> Town | None:
    text = where.strip()
    if text.replace(" ", "").isdecimal():
        return world.town(text.replace(" ", ""))
    found = world.towns(text) if text else ()
    return found[0] if len(found) == 1 else None


def menu_of(visit: WebSession) -> str:
    """The page of what the booking is: ahead, past or cancelled."""
    mine = visit.session.mine
    return show(visit.session, mine).step if mine else PERSON


def as_it_is(
    connection: Connection, store: Store, service: Service, visit: WebSession
) -> WebSession:
    """The visit with its booking as it is by now, if it was changed meanwhile; nothing is stored.

    Mostly it is as it was, which is one read.
    """
    mine = visit.session.mine
    if mine is None or _is_as_it_was(connection, store, mine):
        return visit
    found = read_booking(connection, store, mine.id)
    if found is None:
        return visit
    open_ones = [campaign.name for campaign in service.campaigns.open_now()]
    now = told(found, store.clock.now(), service.campaign.name, open_ones)
    return replace(visit, session=visit.session.but(mine=now))


def _is_as_it_was(connection: Connection, store: Store, mine: CallerBooking) -> bool:
    begun = mine.state == MineState.AHEAD and min(mine.starts) <= store.clock.now()
    # What can be taken back, or begins, changes by itself.
    if mine.undo or begun:
        return False
    # A centre that closes changes no booking.
    return changes.version_of(connection, mine.id) == (mine.version, mine.off)


def _follow(visit: WebSession, world: WebWorld, move: Move) -> WebSession:
    if not isinstance(move, Go):
        return visit
    session = move.session.moved(move.step)
    if visit.session.offers and not session.offers:
        # A visitor who keeps what there is needs none of these.
        world.let_go()
    told = next(iter(move.lines), None)
    if told is None:
        return visit.at(session)
    # Moments are written by the page itself.
    values = {name: value for name, value in told.values.items() if isinstance(value, str)}
    return visit.at(session, notice=told.key.removesuffix("_both"), **values)
