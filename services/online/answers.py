"""What each page of a visit does with its answer: the rules are those of the telephone.

The steps of a call that search, choose, book and promise are used as they are; what is typed into
fields is understood by the same `flows.understanding`. An answer that has no one meaning raises
NotTaken, and nothing was done.
"""

from __future__ import annotations

import re

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final

from flows.questions import End, Go, Miss, Move
from flows.session import CallerKind, Party, Session
from flows.speech import Line
from flows.steps import STEPS
from flows.steps.confirm import Confirm
from flows.steps.for_whom import second_person
from flows.steps.no_slot import NoSlot
from flows.steps.not_eligible import Group, after_birth_date
from flows.steps.offers import (
    OtherOffers,
    choose,
    found_or_not,
    plain_search,
    reach_or_confirm,
    search_nearest,
)
from flows.steps.tell import Tell, promise
from flows.steps.town import MOST_TOWNS, POSTCODE_DIGITS, at_town
from flows.understanding import (
    COUNTRY_ZONE,
    NotUnderstood,
    checked_date,
    is_digits,
    telephone,
)
from flows.understanding import date_of_birth as typed_date
from flows.understanding.dates import dates
from flows.understanding.digits import phone
from flows.world import Town
from services.campaign.campaign import Campaign
from services.messages.mails import NoAddress, address
from services.online import days, prove_number, questions
from services.online.web_sessions import (
    Done,
    NotProved,
    WebSession,
    WebSessionOutcome,
    WebWorld,
)

WHOM = {"self": Party.SELF, "other": Party.OTHER, "two": Party.TWO}
# The centre and the slot that a visitor came for, beside what they typed.
CENTRE, SLOT = "asked_centre", "asked_slot"
_YES_NO = {"yes": "1", "no": "2"}
_ISO = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_YEAR_DIGITS = 4
_DEPARTEMENT_DIGITS = (2, 3)
# What is promised at a number, by the question that asks for one.
PROMISES: Final = {
    "no_slot": Tell.WAITING,
    "not_eligible": Tell.TURN,
    "not_yet_open": Tell.OPENING,
}
# Nothing is asked there but to be told; whose it is may be said anew, and leads on in time.
_NOTHING_TO_BOOK = frozenset({"not_yet_open", "closed"})
# What was typed for both of two.
_OF_BOTH = frozenset({"where", "number", "calls", "mail"})
# What is said at a call's next step, and is a notice on the next page.
_NOTICES = frozenset(
    {
        "just_taken",
        "no_others",
        "none_at_centre",
        "both_needed",
        "waiting_nowhere",
        "service_over",
    }
)


class NotTaken(Exception):
    """An answer that cannot be taken. `field` is what is to be changed, `reason` a key of words."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason


def may_show(visit: WebSession, step: str) -> bool:
    """Whether that question may be seen and answered now: the one of now, or one before it.

    Once a person is booked, nothing leads back to what was asked before that.
    """
    session = visit.session
    if step == visit.step:
        return True
    if session.step in _NOTHING_TO_BOOK:
        return step == "for_whom"
    if visit.page == "partner_waits":
        # It is being asked for, and cannot be changed meanwhile.
        return False
    if visit.is_over or session.reference:
        return False
    chosen = 0 <= session.chosen < len(session.offers)
    return {
        "for_whom": not session.second_person,
        "date_of_birth": True,
        "group": bool(session.group_asked),
        "postcode": bool(session.postcode),
        "offers": bool(session.offers),
        days.NAME: bool(session.offers),
        "reach": chosen and not session.second_person,
        "confirm": chosen and session.number_answered,
    }.get(step, False)


# ------------------------------------------------------------------ who comes


def for_whom(visit: WebSession, world: WebWorld, whom: str) -> WebSession:
    if whom not in WHOM:
        raise NotTaken("whom", "choose")
    session = visit.session
    if session.whom != WHOM[whom]:
        session = _without_offers(session, world)
    session = session.but(whom=str(WHOM[whom]))
    return visit.at(session.moved(after_whom(world.campaign, world.now())))


def after_whom(campaign: Campaign, now: datetime) -> str:
    """The next question, or the truth about when there is one."""
    if campaign.opens_at is not None and now < campaign.opens_at:
        return "not_yet_open"
    if campaign.closes_at is not None and now >= campaign.closes_at:
        return "closed"
    return "date_of_birth"


def date_of_birth(
    visit: WebSession, world: WebWorld, day: str, month: str, year: str
) -> WebSession:
    born = birth_date(world, visit.language, day, month, year)
    session = _without_offers(visit.session, world).but(born=born.isoformat())
    visit = visit.with_typed(day=day, month=month, year=year)
    return _follow(visit, world, after_birth_date(session, world))


def birth_date(world: WebWorld, language: str, day: str, month: str, year: str) -> date:
    """What stands in three fields, or all of it in the first. Raises NotTaken."""
    day, month, year = day.strip(), month.strip(), year.strip()
    today = world.now().astimezone(COUNTRY_ZONE).date()
    if not (day or month or year):
        raise NotTaken("day", "date_empty")
    try:
        if is_digits(day) and is_digits(month) and is_digits(year):
            if len(year) == _YEAR_DIGITS:
                return checked_date(int(year), int(month), int(day), today)
            return typed_date(f"{day:0>2}{month:0>2}{year}", today)
        iso = _ISO.fullmatch(day)
        if iso and not month and not year:
            written = [int(part) for part in iso.groups()]
            return checked_date(written[0], written[1], written[2], today)
        found = _written_date(f"{day} {month} {year}".strip(), world, language, today)
        if len(found) == 1:
            return checked_date(found[0].year, found[0].month, found[0].day, today)
    except NotUnderstood as error:
        raise NotTaken("day", error.reason) from None
    if found:
        raise NotTaken("year", "century")
    missing = next((name for name, text in (("month", month), ("year", year)) if not text), "day")
    raise NotTaken("day" if not day else missing, "date_incomplete")


def _written_date(text: str, world: WebWorld, language: str, today: date) -> tuple[date, ...]:
    """In the words of the page's language, or of another: a month is written as one is used to."""
    # Figures alone are read as the page says: other languages have other orders.
    is_named = any(letter.isalpha() for letter in text)
    others = (code for code in world.languages() if is_named and code != language)
    for code in (language, *others):
        found = dates(text, world.vocabulary(code), today)
        if found:
            return found
    return ()


def group(visit: WebSession, world: WebWorld, belongs: str) -> WebSession:
    if belongs not in _YES_NO or not visit.session.group_asked:
        raise NotTaken("belongs", "choose")
    session = _without_offers(visit.session, world)
    return _follow(visit, world, Group().take(session, _YES_NO[belongs], world))


def press(visit: WebSession, world: WebWorld, step: str, key: str) -> WebSession:
    """Answer a step whose page offers the keys of its menu (`page_of_keys`)."""
    move = STEPS[step].take(visit.session, key, world)
    if isinstance(move, Miss):
        raise NotTaken("key", "choose")
    return _follow(visit, world, move)


def not_eligible(visit: WebSession, world: WebWorld, wish: str, number: str) -> WebSession:
    session = visit.session
    if wish == "second" and session.is_first_of_two:
        return _on_to_second(visit, world)
    if wish != "tell":
        raise NotTaken("number", "choose")
    return _promised(visit.with_typed(number=number), world, Tell.TURN, number)


def not_yet_open(visit: WebSession, world: WebWorld, number: str) -> WebSession:
    visit = visit.with_typed(number=number)
    # What is no number is said before anything else.
    typed_number(world, visit.language, number)
    opens_at = world.rules().opens_at
    if opens_at is None or world.now() >= opens_at:
        # It opened while they typed.
        return visit.at(visit.session.moved("date_of_birth"))
    return _promised(visit, world, Tell.OPENING, number)


def _promised(visit: WebSession, world: WebWorld, what: Tell, number: str) -> WebSession:
    """Promise to tell it at a number; beyond the limits of typed ones it is proved first."""
    known, kind = typed_number(world, visit.language, number)
    try:
        move = promise(visit.session, world, what, known)
    except NotProved:
        session = visit.session.but(number=known if kind is CallerKind.MOBILE else "")
        return prove_number.ask(visit.at(session), world)
    if what is Tell.WAITING and world.joined:
        visit = replace(visit, waits=(*visit.waits, world.joined))
    return _follow(visit, world, move)


# ------------------------------------------------------------------ where


def postcode(visit: WebSession, world: WebWorld, where: str) -> WebSession:
    towns = towns_of(world, where)
    session = _without_offers(visit.session, world).but(towns_found=())
    visit = visit.with_typed(where=where)
    if len(towns) == 1:
        return _search(visit, world, at_town(session, towns[0]))
    found = tuple((town.postcode, town.name, town.departement) for town in towns[:MOST_TOWNS])
    return visit.at(session.moved("town_which", towns_found=found))


def towns_of(world: WebWorld, where: str) -> tuple[Town, ...]:
    """What a postcode, a département's digits or a town's name means. Raises NotTaken."""
    text = where.strip()
    digits = text.replace(" ", "").replace("\u00a0", "")
    if not text:
        raise NotTaken("where", "where_empty")
    if is_digits(digits):
        if len(digits) in _DEPARTEMENT_DIGITS:
            towns = world.main_towns(digits)
        elif len(digits) == POSTCODE_DIGITS:
            town = world.town(digits) or world.town_of_cedex(digits)
            towns = (town,) if town else ()
        else:
            raise NotTaken("where", "postcode_incomplete")
        if not towns:
            raise NotTaken("where", "no_such_postcode")
        return towns
    towns = world.towns(text)
    if not towns:
        raise NotTaken("where", "no_such_town")
    return towns


def town_which(visit: WebSession, world: WebWorld, code: str) -> WebSession:
    names = {found: name for found, name, _ in visit.session.towns_found}
    town = world.town(code) if code in names else None
    if town is None:
        raise NotTaken("code", "choose")
    session = _without_offers(visit.session, world)
    return _search(visit, world, at_town(session, replace(town, name=names[code])))


# ------------------------------------------------------------------ offers


def take_offer(visit: WebSession, world: WebWorld, place: str) -> WebSession:
    """`place` is the id of an offer's first place, as its form has it."""
    places = [str(offer.place_id) for offer in visit.session.offers]
    if place not in places:
        raise NotTaken("place", "choose")
    session = visit.session.but(chosen=places.index(place))
    return _follow(visit, world, choose(session, world))


def take_hour(visit: WebSession, world: WebWorld, hour: str) -> WebSession:
    """`hour` is a centre and a slot of it, as the page of a day's hours has them.

    Where it went meanwhile nothing is changed: what was held before is held still.
    """
    if not hour:
        raise NotTaken("hour", "choose")
    session = days.take(visit.session, world, hour)
    if session is None:
        raise NotTaken("hour", "hour_gone")
    return _follow(visit, world, choose(session, world))


def other_offers(visit: WebSession, world: WebWorld, wish: str, where: str = "") -> WebSession:
    """Other days, a part of the day, farther away; or another town or a centre by its name."""
    session = visit.session
    if wish in {"morning", "afternoon"}:
        return _follow(visit, world, search_nearest(session, world, part_of_day=wish))
    if wish == "where":
        return _elsewhere(visit, world, where)
    key = {"days": "1", "farther": "3"}.get(wish)
    if key is None or not session.offers:
        raise NotTaken("place", "choose")
    return _follow(visit, world, OtherOffers().take(session, key, world))


def _elsewhere(visit: WebSession, world: WebWorld, where: str) -> WebSession:
    visit = replace(visit, typed=without_wish(visit.typed))
    session, text = visit.session, where.strip()
    if session.territory and text and not is_digits(text.replace(" ", "")):
        centre = world.centre_named(text, plain_search(session, world))
        if centre is not None:
            there = session.but(centre_id=centre.id, offered=(), own_phone="")
            return _search(visit.with_typed(where=where), world, there)
    return postcode(visit, world, where)


def couple_choice(visit: WebSession, world: WebWorld, wish: str) -> WebSession:
    if wish == "apart":
        return _follow(visit, world, reach_or_confirm(visit.session, world))
    if wish == "other":
        return _search(visit.with_typed(**{SLOT: ""}), world, visit.session)
    raise NotTaken("wish", "choose")


def no_slot(visit: WebSession, world: WebWorld, wish: str, number: str, where: str) -> WebSession:
    session = visit.session
    if wish == "where":
        return postcode(replace(visit, typed=without_wish(visit.typed)), world, where)
    if wish == "far" and session.far_town:
        return _follow(visit, world, NoSlot().take(session, "1", world))
    if wish == "again":
        return _search(visit, world, session)
    if wish != "waiting":
        raise NotTaken("number", "choose")
    return _promised(visit.with_typed(number=number), world, Tell.WAITING, number)


# ------------------------------------------------------------------ the end


def reach(
    visit: WebSession,
    world: WebWorld,
    number: str,
    mail: str = "",
    *,
    none: bool = False,
    calls: bool = False,
) -> WebSession:
    """A mobile gets a text, a landline is noted, and rung where that is wanted (`calls`).

    No visitor needs a number to be booked, and an address of e-mail may stand in its place.
    """
    session = visit.session.but(
        number="", caller="", caller_kind=CallerKind.NONE, number_answered=True
    )
    visit = visit.with_typed(number="" if none else number, calls="yes" if calls else "", mail=mail)
    if world.service.mails:
        session = session.but(mail=_typed_mail(mail))
    if not (none or (session.mail and not (calls or number.strip()))):
        given, kind = typed_number(world, visit.language, number)
        if kind is CallerKind.MOBILE:
            session = session.but(number=given)
        else:
            session = session.but(caller=given, caller_kind=kind)
        world.number_typed(given)
    return visit.at(session.moved("confirm"))


def confirm(visit: WebSession, world: WebWorld) -> WebSession:
    session = visit.session
    offer = session.choice
    try:
        moved = Confirm().take(session, "1", world)
    except NotProved:
        return prove_number.ask(visit, world)
    if not isinstance(moved, Go) or moved.step != "ready":
        return _follow(visit, world, moved)
    booked = moved.session
    rung = _rung(visit, world, booked)
    made = Done(
        booked.reference,
        offer,
        session.number,
        rung,
        session.born,
        untexted=booked.untexted,
        # The same whether the text leaves, for that tells who typed this number before.
        doubted=world.is_doubted(session.number),
        wanted=session.wanted,
        mail=session.mail,
    )
    return visit.after_booking(booked, made)


def prove(visit: WebSession, world: WebWorld, wish: str, code: str) -> WebSession:
    """The code that was texted, or the wish for another one; with the right one it goes on.

    It is booked then, or promised what the number was typed for.
    """
    if visit.step != prove_number.NAME:
        raise NotTaken("code", "choose")
    if wish == "again":
        return prove_number.again(visit, world)
    if wish == "telephone":
        return prove_number.by_telephone(visit)
    try:
        proved = prove_number.check(visit, world, code)
    except prove_number.CodeIncomplete:
        raise NotTaken("code", "code_incomplete") from None
    if proved is None:
        return prove_number.wrong(visit, world)
    what = PROMISES.get(proved.step)
    return _promised(proved, world, what, proved.session.number) if what else confirm(proved, world)


def _rung(visit: WebSession, world: WebWorld, booked: Session) -> str:
    """The landline that is rung about what was booked; empty where it is not, or not wanted."""
    if visit.typed.get("calls") != "yes" or booked.number or not booked.caller:
        return ""
    calls = world.calls_about(booked.choice)
    if calls.evening is None and calls.before is None:
        return ""
    world.wish_calls((booked.reference,))
    return booked.caller


def second(visit: WebSession, world: WebWorld) -> WebSession:
    """The first of two is booked and told: on with the second."""
    if not visit.session.is_first_of_two or not visit.session.reference:
        raise NotTaken("wish", "choose")
    return _on_to_second(visit, world)


# ------------------------------------------------------------------ what they share


def _on_to_second(visit: WebSession, world: WebWorld, notice: str = "") -> WebSession:
    moved = second_person(visit.session, world)
    typed = {name: text for name, text in visit.typed.items() if name in _OF_BOTH}
    # What the first was offered besides went back when they were booked.
    session = moved.session.moved(moved.step, offers=())
    return replace(
        visit.at(session, notice=notice),
        typed=typed,
        counted=questions.answered(visit, world.open_campaigns(), world.now()),
        plan=questions.planned(session),
    )


def _without_offers(session: Session, world: WebWorld) -> Session:
    """What was offered depended on an answer that changes now, and is given back.

    A place that is held beside the first one's, for the second of two, depends on none of these.
    """
    adjacent = session.adjacent if session.second_person else ()
    # What was read before is offered again: it was given back, and other answers may want it.
    session = session.but(offered=())
    if session.offers in {(), adjacent}:
        return session.but(offers=(), chosen=-1, adjacent=adjacent)
    world.let_go()
    # A visitor who asks the same again at once gets the same again: see `search_nearest`.
    found = session.offers if session.found_for else ()
    return session.but(offers=(), found=found, chosen=-1, adjacent=())


def _search(visit: WebSession, world: WebWorld, session: Session) -> WebSession:
    centre = visit.typed.get(CENTRE, "")
    if not centre:
        return _follow(visit, world, search_nearest(session, world))
    session, slot = session.but(centre_id=centre), visit.typed.get(SLOT, "")
    if slot:
        offers = world.hold_slot(int(slot), plain_search(session, world))
        if offers:
            # As after any search: what was found is not found again by "other days".
            there = session.but(offers=offers, offered=(int(slot),), chosen=-1, adjacent=())
            return visit.at(there.moved("offers"))
    found = _follow(visit, world, search_nearest(session, world))
    is_there = slot and found.step == "offers" and not found.notice
    return replace(found, notice="slot_gone") if is_there else found


def without_wish(typed: Mapping[str, str]) -> dict[str, str]:
    """What was typed, but not the centre that was asked for at first: it is looked elsewhere."""
    return {name: text for name, text in typed.items() if name not in {CENTRE, SLOT}}


def _follow(visit: WebSession, world: WebWorld, move: Move) -> WebSession:
    """The visit where a call would be after that move."""
    if isinstance(move, Miss):
        raise NotTaken("", "choose")
    if isinstance(move, End):
        said, values = _told(move.lines)
        ended = visit.at(move.session.moved("told"), notice=said, **values)
        return replace(ended, outcome=WebSessionOutcome.WAITING)
    session, step = move.session, move.step
    if step == "postcode" and session.postcode:
        return _search(visit, world, session)
    if step in {"own_centre", "partner_centre"}:
        # It stands on the page of the offers, beside them.
        step = found_or_not(session)
    if session.second_person and not visit.session.second_person:
        said, _ = _told(move.lines)
        return _on_to_second(visit, world, said)
    notice = next((key for line in move.lines if (key := _notice(line))), "")
    if step == "no_slot":
        # There are no others to speak of.
        notice = {"just_taken": "just_taken_last"}.get(notice, "")
    return visit.at(session.moved(step), notice=notice)


def _notice(line: Line) -> str:
    key = line.key.removesuffix("_both")
    return key if key in _NOTICES else ""


def _told(lines: tuple[Line, ...]) -> tuple[str, dict[str, Any]]:
    """What was promised: the key of its sentence, and how many come first where that is told."""
    keys = [line.key for line in lines]
    ahead = [line.values["ahead"] for line in lines if line.key == "waiting_ahead"]
    found = ("waiting", "turn", "opening")
    said = next((name for key in keys for name in found if key.startswith(name)), "")
    return said, {"ahead": ahead[0]} if ahead else {}


def _typed_mail(mail: str) -> str:
    """An address of e-mail as it is kept; empty for none. Raises NotTaken."""
    try:
        return address(mail) if mail else ""
    except NoAddress:
        raise NotTaken("mail", "mail") from None


def typed_number(world: WebWorld, language: str, number: str) -> tuple[str, CallerKind]:
    """A number as people write it, as E.164. Raises NotTaken."""
    if not number.strip():
        raise NotTaken("number", "number_empty")
    written = "".join(letter for letter in number if letter.isdecimal() or letter == "+")
    said = "" if written else phone(number, world.vocabulary(language))
    try:
        return telephone(written or said)
    except NotUnderstood as error:
        raise NotTaken("number", error.reason) from None
