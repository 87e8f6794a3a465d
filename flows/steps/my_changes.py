"""What can be done with an appointment that was found: hear, move, cancel, take that back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flows.questions import End, Go, Move, Part, Question, menu
from flows.session import BookedService, CallerBooking, Moving, Party, Proving, Session
from flows.speech import Line
from flows.steps.common import (
    NO_SUCH_KEY,
    WHAT_FOR,
    Patient,
    Told,
    in_words_for,
    moments,
    said_services,
    to_person,
)
from flows.steps.moving import MOVE_CHECK, NOTHING_ELSE
from flows.steps.my_appointment import is_over, show, to_somebody
from flows.steps.offers import search_nearest
from flows.steps.town import at_town
from flows.understanding.words import named
from flows.world import NotChanged, World

FIRST, SECOND = 1, 2
# Said before what can be done: what there is.
MY_FACTS = frozenset(
    {"my_one", "my_both", "my_apart", "my_off", "my_off_both", "my_off_one_of_two"}
    | {"my_services", "my_services_apart"}
)
# Both of two services.
ALL_KEY = "3"

# What is said before another search, and before what the booking is now.
_SEARCH_AGAIN = {
    NotChanged.GONE: "just_taken",
    NotChanged.NO_PAIR: "my_no_pair",
    NotChanged.TOO_YOUNG: "my_too_young",
    NotChanged.SAME: "my_same",
}
_NOT_BACK = {
    NotChanged.TOO_LATE: "my_too_late",
    NotChanged.GONE: "my_gone",
    NotChanged.BOOKED_AGAIN: "my_booked_again",
    NotChanged.CHANGED: "my_changed",
}


def _mine(session: Session) -> CallerBooking:
    if session.mine is None:
        raise LookupError(f"no appointment was found before {session.step}")
    return session.mine


def _facts(mine: CallerBooking) -> dict[str, Any]:
    values: dict[str, Any] = {"place": mine.said, "street": mine.street, "town": mine.town}
    values |= zip(("start", "second"), mine.starts, strict=False)
    if mine.off:
        # Of two, the one that cannot take place.
        values["off"] = mine.starts[-1 if mine.off == (SECOND,) else 0]
    return values | {"second_place": mine.second_said, "second_town": mine.second_town}


def _facts_of_services(mine: CallerBooking, session: Session, world: World) -> dict[str, Any]:
    """The same, with the name of each of two services beside when it is done."""
    if not has_halves(mine):
        return _facts(mine)
    names = said_services((service.campaign for service in mine.services), session, world)
    at: dict[str, Any] = {f"service{number}": name for number, name in enumerate(names, start=1)}
    if are_apart(mine):
        zone = ZoneInfo(mine.time_zone)
        first, then = (
            datetime.fromisoformat(service.start_at).astimezone(zone)
            for service in mine.services[:2]
        )
        at |= {"first_at": first, "then_at": then}
        for number, one in enumerate(mine.services[:2], start=1):
            elsewhere = one.dose != FIRST and mine.second_town
            at[f"place{number}"] = mine.second_said if elsewhere else mine.said
            at[f"town{number}"] = mine.second_town if elsewhere else mine.town
    return _facts(mine) | at


def has_halves(mine: CallerBooking) -> bool:
    """Whether it is for several services, of which each may be changed by itself."""
    return len({service.service for service in mine.services}) > 1


def are_apart(mine: CallerBooking) -> bool:
    """Whether its services are done in two appointments."""
    return has_halves(mine) and len({service.dose for service in mine.services}) > 1


def half_of(session: Session) -> BookedService | None:
    """The one of several services that is to be changed; None where all of it is."""
    mine = _mine(session)
    return next((service for service in mine.services if session.half == service.service), None)


def _starts_of(half: BookedService, mine: CallerBooking) -> datetime:
    return datetime.fromisoformat(half.start_at).astimezone(ZoneInfo(mine.time_zone))


def _for_services(session: Session, world: World) -> tuple[Line, ...]:
    """What a booking is for, or the part of it that is to be changed."""
    mine, half = _mine(session), half_of(session)
    if half is None and (are_apart(mine) or not mine.services):
        return ()
    if not has_halves(mine) and world.rules().services < 2:  # noqa: PLR2004
        return ()
    campaigns = (half.campaign,) if half else tuple(service.campaign for service in mine.services)
    return (Line(WHAT_FOR, {"services": said_services(campaigns, session, world)}),)


def _lead(mine: CallerBooking) -> str:
    """Tell the appointments, or that one cannot take place, so that no caller goes in vain."""
    if are_apart(mine) and not mine.off:
        return "my_services_apart" if mine.second_town else "my_services"
    both = len(mine.starts) > 1
    if mine.off:
        alone = "my_off_one_of_two" if both else "my_off"
        return "my_off_both" if len(mine.off) > 1 else alone
    return ("my_apart" if mine.second_town else "my_both") if both else "my_one"


def _what_changed(mine: CallerBooking) -> tuple[Line, ...]:
    """What of it the service changed, so that no caller goes to where or when it was."""
    if mine.kept_far:
        return (Line("my_far", {"far": mine.kept_far}),)
    if not mine.changed or mine.off:
        return ()
    if len(mine.changed_doses) == len(mine.starts):
        return (Line(f"my_new_{mine.changed}"),)
    which = mine.starts[-1 if mine.changed_doses == (SECOND,) else 0]
    return (Line("my_new_one", {"start": which}), Line(f"my_new_{mine.changed}"))


def _kept(mine: CallerBooking, said: str = "my_kept") -> tuple[Line, ...]:
    """That they lose nothing, which is not said of what cannot take place."""
    return () if mine.off else (Line(said),)


def _after(session: Session, world: World, *lines: Line) -> Go:
    """Tell what the booking is by now."""
    now = world.booking_now(_mine(session).id)
    return to_somebody(session) if now is None else show(session, now, lines)


def _done(session: Session, world: World, *lines: Line) -> Go:
    """Say what was done, and that a text says so, too; then what the booking is by now."""
    now = world.booking_now(_mine(session).id)
    if now is None:
        return to_somebody(session)
    if now.texted:
        lines += (Line("my_text_follows" if lines else "my_done_text_follows"),)
    return show(session, now, lines)


def _is_rung_about(session: Session) -> bool:
    """Whether we rang to tell of this, and it stands as it did when we did."""
    mine = _mine(session)
    return session.proving == Proving.RUNG and bool(mine.reference) and not mine.off


def _kept_by_whom_we_rang(session: Session) -> End:
    return End(session, (Line("goodbye_kept"),))


class MyMenu(Told):
    name = "my_menu"
    part = Part.MINE
    page = "voir"
    after = "my_no_text"

    def question(self, session: Session, world: World) -> Question:
        mine = _mine(session)
        prompt = "my_menu_undo" if mine.undo else "my_menu"
        if _is_rung_about(session):
            prompt = "my_menu_rung"
        if mine.kept_far:
            prompt = "my_menu_far"
        asked = menu(prompt, **_facts_of_services(mine, session, world))
        before = (*_what_changed(mine), *_for_services(session, world))
        return replace(asked, lead=_lead(mine), before=before)

    def only_by_key(self, session: Session) -> frozenset[str]:
        mine = _mine(session)
        # It takes a place that was not asked for, or a cancellation back.
        return frozenset({"1"} if mine.kept_far else {"4"} if mine.undo else ())

    def silences(self, session: Session) -> int:
        # Of two appointments or one, what cannot take place is left to be done.
        return 0 if _mine(session).off else super().silences(session)

    def give_up(self, session: Session, world: World) -> Move:
        # The person we rang has heard it all, and nothing was changed.
        if _is_rung_about(session):
            return _kept_by_whom_we_rang(session)
        return to_person(session) if _mine(session).off else super().give_up(session, world)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        mine = _mine(session)
        if mine.kept_far and pressed == "1":
            world.take_far(mine)
            return _after(session, world, Line("my_far_taken"))
        if _is_rung_about(session) and not mine.kept_far and pressed in {"1", "4"}:
            return _kept_by_whom_we_rang(session) if pressed == "1" else self._reference(session)
        if pressed == "1":
            return Go(session, self.name, remember=False)
        if pressed == "4" and mine.undo:
            return _take_back(session, world)
        return _change(session, pressed, world) if pressed in {"2", "3"} else NO_SUCH_KEY

    def _reference(self, session: Session) -> Go:
        told = (Line("my_reference_told", {"reference": _mine(session).reference}),)
        return Go(session, self.name, told, remember=False)


def _change(session: Session, pressed: str, world: World) -> Go:
    """Move it or cancel it, where that can be done from here."""
    mine = _mine(session)
    if world.changes_need_a_person(mine, cancelling=pressed == "3"):
        return to_somebody(session)
    if pressed == "2" and not mine.movable:
        return to_somebody(session)
    return _begin_move(session, world) if pressed == "2" else _begin_cancel(session)


class MyOver(Told):
    """Past: nothing can be done with it, and another one can be taken."""

    name = "my_over"
    tells_person_at_once = True
    part = Part.MINE
    page = "voir"

    def question(self, session: Session, world: World) -> Question:
        return _of_one_or_both("my_over", _mine(session))

    def take(self, session: Session, pressed: str, world: World) -> Move:
        return _new_one(session, world) if pressed == "1" else NO_SUCH_KEY


class MyCancelled(Told):
    """Cancelled: taken back while that is possible, else another one can be taken."""

    name = "my_cancelled"
    tells_person_at_once = True
    part = Part.MINE
    page = "voir"

    def question(self, session: Session, world: World) -> Question:
        mine = _mine(session)
        return _of_one_or_both("my_cancelled_undo" if mine.undo else "my_cancelled", mine)

    def only_by_key(self, session: Session) -> frozenset[str]:
        return frozenset({"1"}) if _mine(session).undo else frozenset()

    def take(self, session: Session, pressed: str, world: World) -> Move:
        undo = _mine(session).undo
        if undo and pressed == "1":
            return _take_back(session, world)
        return _new_one(session, world) if pressed == ("2" if undo else "1") else NO_SUCH_KEY


def _of_one_or_both(prompt: str, mine: CallerBooking) -> Question:
    both = "_both" if len(mine.starts) > 1 else ""
    return menu(f"{prompt}{both}", **_facts(mine))


def _new_one(session: Session, world: World) -> Go:
    """As for a new caller, who has given the birth date already."""
    fresh = session.but(mine=None, reference="", asked="", proving=Proving.NOTHING, trail=())
    if is_over(world):
        return Go(fresh, "closed", remember=False)
    return Go(fresh, "date_of_birth_check", remember=False)


def _take_back(session: Session, world: World) -> Go:
    why = world.undo_cancel(_mine(session))
    if why is None:
        return _done(session, world, Line("my_restored"))
    told = _NOT_BACK.get(why)
    return _after(session, world, Line(told)) if told else to_somebody(session)


# ---------------------------------------------------------------- cancel


def _begin_cancel(session: Session) -> Go:
    mine = _mine(session)
    if has_halves(mine):
        return Go(session.but(half=""), "my_cancel_half")
    if len(mine.starts) > 1:
        return Go(session, "my_cancel_which")
    dose = FIRST if mine.first_start else SECOND
    return Go(session.but(doses_to_cancel=(dose,)), "my_cancel_check")


class MyCancelWhich(Patient):
    name = "my_cancel_which"
    part = Part.MINE
    page = "annuler-lequel"

    def question(self, session: Session, world: World) -> Question:
        return menu("my_cancel_which", **_facts(_mine(session)))

    def take(self, session: Session, pressed: str, world: World) -> Move:
        doses_to_cancel = {"1": (SECOND,), "2": (FIRST, SECOND)}.get(pressed)
        return (
            Go(session.but(doses_to_cancel=doses_to_cancel), "my_cancel_check")
            if doses_to_cancel
            else NO_SUCH_KEY
        )


class MyCancelHalf(Patient):
    """Of two services: one, the other or both. The one that is kept stays as it is."""

    name = "my_cancel_half"
    part = Part.MINE
    page = "annuler-quoi"

    def question(self, session: Session, world: World) -> Question:
        return menu("my_cancel_half", **_facts_of_services(_mine(session), session, world))

    def take(self, session: Session, pressed: str, world: World) -> Move:
        mine = _mine(session)
        if pressed == ALL_KEY:
            doses = tuple(sorted({service.dose for service in mine.services}))
            return Go(session.but(half="", doses_to_cancel=doses), "my_cancel_check")
        half = _half_by_key(mine, pressed)
        if half is None:
            return NO_SUCH_KEY
        one = session.but(half=half.service, doses_to_cancel=(half.dose,))
        return Go(one, "my_cancel_check")

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        key = _key_of_services(session, text, world)
        return self.take(session, key, world) if key else super().hear(session, text, world)


def _half_by_key(mine: CallerBooking, pressed: str) -> BookedService | None:
    return dict(zip(("1", "2"), mine.services, strict=False)).get(pressed)


def _key_of_services(session: Session, text: str, world: World) -> str:
    """The key of the services that were named; empty where that is not clear."""
    services = _mine(session).services
    words = {
        str(number): (named_as.said, *named_as.heard)
        for number, one in enumerate(services, start=1)
        for named_as in (world.service_words(one.campaign, session.language),)
    }
    said = named(text, world.vocabulary(session.language), words)
    if len(said) > 1:
        return ALL_KEY
    return said[0] if said else ""


class MyCancelCheck(Patient):
    """Said back, and cancelled by a clear yes only."""

    name = "my_cancel_check"
    part = Part.MINE
    page = "annuler"

    def question(self, session: Session, world: World) -> Question:
        mine = _mine(session)
        prompt = "my_cancel_check"
        half = half_of(session)
        if half:
            start = _starts_of(half, mine)
            asked = menu(f"{prompt}_half", **_facts(mine) | {"start": start})
            return replace(asked, before=_for_services(session, world))
        if len(mine.starts) > 1:
            prompt += "_both" if len(session.doses_to_cancel) > 1 else "_second"
        return menu(prompt, **_facts(mine))

    def only_by_key(self, session: Session) -> frozenset[str]:
        return frozenset({"1"})

    def take(self, session: Session, pressed: str, world: World) -> Move:
        mine = _mine(session)
        if pressed == "2":
            return show(session, mine, _kept(mine))
        if pressed != "1":
            return NO_SUCH_KEY
        half = half_of(session)
        why = world.cancel_booking(mine, session.doses_to_cancel, session.half)
        if why is NotChanged.CHANGED:
            return _after(session, world, Line("my_changed"))
        if why is not None:
            return to_somebody(session)
        if half:
            told = Line("my_half_cancelled", _said_of(half, session, world))
            return _done(session, world, told)
        stays = len(mine.starts) > len(session.doses_to_cancel)
        return _done(session, world, *([Line("my_second_cancelled")] if stays else []))


def _said_of(half: BookedService, session: Session, world: World) -> dict[str, Any]:
    return {"service": world.service_words(half.campaign, session.language).said}


# ---------------------------------------------------------------- move


def _begin_move(session: Session, world: World) -> Go:
    mine = _mine(session)
    if has_halves(mine):
        return Go(session.but(half=""), "my_move_half")
    if len(mine.starts) > 1:
        return Go(session, "my_move_which")
    return _move(session, world, Moving.FIRST if mine.first_start else Moving.SECOND)


class MyMoveWhich(Patient):
    name = "my_move_which"
    part = Part.MINE
    page = "deplacer-lequel"

    def question(self, session: Session, world: World) -> Question:
        return menu("my_move_which", **_facts(_mine(session)))

    def take(self, session: Session, pressed: str, world: World) -> Move:
        moving = {"1": Moving.SECOND, "2": Moving.BOTH}.get(pressed)
        return _move(session, world, moving) if moving else NO_SUCH_KEY


class MyMoveHalf(Patient):
    """Of two services: one, the other, or both where they are in one appointment."""

    name = "my_move_half"
    part = Part.MINE
    page = "deplacer-quoi"

    def question(self, session: Session, world: World) -> Question:
        mine = _mine(session)
        prompt = "my_move_half_apart" if are_apart(mine) else "my_move_half"
        return menu(prompt, **_facts_of_services(mine, session, world))

    def take(self, session: Session, pressed: str, world: World) -> Move:
        mine = _mine(session)
        if pressed == ALL_KEY and not are_apart(mine):
            return _move(session.but(half=""), world, Moving.FIRST)
        half = _half_by_key(mine, pressed)
        if half is None:
            return NO_SUCH_KEY
        return _move(session.but(half=half.service), world, Moving.FIRST)

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        key = _key_of_services(session, text, world)
        if not key or (key == ALL_KEY and are_apart(_mine(session))):
            return super().hear(session, text, world)
        return self.take(session, key, world)


def _move(session: Session, world: World, moving: Moving) -> Go:
    """Search near where the booking was made for; what there is stays until another is agreed."""
    mine = _mine(session)
    town = world.town(mine.postcode) if mine.postcode else None
    half = half_of(session)
    for_what = (half,) if half else mine.services
    session = session.but(
        whom=Party.SELF,
        second_person=False,
        groups=(),
        wanted=tuple(dict.fromkeys(service.campaign for service in for_what)),
    )
    if town is None and moving != Moving.SECOND:
        return Go(session.but(moving=moving, offered=mine.slots), "postcode")
    session = at_town(session, town) if town else session
    session = session.but(moving=moving, offered=mine.slots)
    return search_nearest(session, world, lines=_kept(mine, "my_still_yours"))


class MyMoveCheck(Patient):
    """The new one and the old one, once more; only a clear yes moves it."""

    name = MOVE_CHECK
    part = Part.MINE
    page = "deplacer"

    def question(self, session: Session, world: World) -> Question:
        mine, offer = _mine(session), session.choice
        old = mine.starts[-1] if session.moving == Moving.SECOND else mine.starts[0]
        half = half_of(session)
        if half:
            old = _starts_of(half, mine)
        asked = menu(
            in_words_for(offer, MOVE_CHECK),
            place=offer.said,
            street=offer.street,
            town=offer.town,
            away=offer.kilometres,
            old=old,
            **moments(offer),
        )
        return replace(asked, before=_for_services(session, world))

    def only_by_key(self, session: Session) -> frozenset[str]:
        return frozenset({"1"})

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "2":
            return Go(session, "offers", remember=False)
        if pressed == "3":
            return show(session, _mine(session), _kept(_mine(session)))
        return _moved(session, world) if pressed == "1" else NO_SUCH_KEY


def _moved(session: Session, world: World) -> Go:
    offer = session.choice
    half = half_of(session)
    why = world.move_booking(_mine(session), offer, Moving(session.moving), session.half)
    if why is None and half:
        return _done(session, world, Line("my_half_moved", _said_of(half, session, world)))
    if why is None:
        return _done(session, world, Line(in_words_for(offer, "my_moved")))
    if why is NotChanged.CHANGED:
        return _after(session, world, Line("my_changed"))
    if why not in _SEARCH_AGAIN:
        return to_somebody(session)
    told = _SEARCH_AGAIN[why]
    line = Line(in_words_for(offer, told) if why is NotChanged.GONE else told)
    return search_nearest(session, world, lines=(line,))


class MyNothingElse(Patient):
    """The truth; and what there is stays."""

    name = NOTHING_ELSE
    part = Part.MINE
    page = "rien-d-autre"

    def question(self, session: Session, world: World) -> Question:
        if session.moving == Moving.SECOND:
            return menu("my_nothing_else_second")
        return menu("my_nothing_else", town=session.town)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "2":
            return show(session, _mine(session), _kept(_mine(session)))
        if pressed != "1":
            return NO_SUCH_KEY
        if session.moving == Moving.SECOND:
            return search_nearest(session, world)
        return Go(session, "postcode", remember=False)
