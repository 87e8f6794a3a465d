"""A booking call as a usual Flask application has it, beside ours.

The usual parts, each used as its own pages say: views of Flask, the provider's `RequestValidator`
and `VoiceResponse`, SQLAlchemy's ORM and its pool, PostgreSQL. It knows nothing of the service's
code. What it promises: each turn is stored with the answer that was given, so that a webhook that
comes again gets the same bytes and has no second effect; a place is taken by a conditional update,
and given back when the caller hangs up or after twenty minutes; booking and text are written in
one transaction. Every commit waits for the disk, as PostgreSQL does by itself.

It speaks French, to one person, about one dose. It has no keys of its own for personal data, no
waiting list, no people who help and nothing that counts.
"""

from __future__ import annotations

import re
import secrets

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from flask import Blueprint, Flask, Response, abort, current_app, request
from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    create_engine,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP, insert
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    relationship,
    sessionmaker,
)
from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import Gather, VoiceResponse

MINIMUM_AGE = 75
RADIUS_KM, DEGREES_OF_LATITUDE = 100, 0.9
LEAD, HORIZON, HOLD = timedelta(hours=3), timedelta(days=35), timedelta(minutes=20)
OFFERS = 3
TRIES = 3
VOICE = {"language": "fr-FR", "voice": "Polly.Lea-Neural"}
MOBILE = re.compile(r"\+33[67]\d{8}")

# ---------------------------------------------------------------- tables


class Base(DeclarativeBase):
    type_annotation_map = {datetime: TIMESTAMP(timezone=True)}  # noqa: RUF012 - SQLAlchemy's way


class Postcode(Base):
    __tablename__ = "usual_postcode"
    code: Mapped[str] = mapped_column(String(5), primary_key=True)
    town: Mapped[str]
    territory: Mapped[str]
    latitude: Mapped[float]
    longitude: Mapped[float]


class Centre(Base):
    __tablename__ = "usual_centre"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str]
    street: Mapped[str]
    town: Mapped[str]
    territory: Mapped[str]
    latitude: Mapped[float] = mapped_column(index=True)
    longitude: Mapped[float]
    time_zone: Mapped[str]


class Slot(Base):
    __tablename__ = "usual_slot"
    __table_args__ = (
        UniqueConstraint("centre_id", "start_at"),
        CheckConstraint("free BETWEEN 0 AND capacity"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    centre_id: Mapped[str] = mapped_column(ForeignKey("usual_centre.id"))
    start_at: Mapped[datetime]
    capacity: Mapped[int]
    free: Mapped[int]
    centre: Mapped[Centre] = relationship(lazy="joined", innerjoin=True)

    @property
    def local(self) -> datetime:
        """When it starts, by the clocks of its centre."""
        return self.start_at.astimezone(ZoneInfo(self.centre.time_zone))


class Call(Base):
    __tablename__ = "usual_call"
    sid: Mapped[str] = mapped_column(String(40), primary_key=True)
    caller: Mapped[str] = mapped_column(String(20))
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    turns: Mapped[int] = mapped_column(default=0)
    question: Mapped[str] = mapped_column(String(20), default="welcome")
    failures: Mapped[int] = mapped_column(default=0)
    born: Mapped[date | None]
    postcode: Mapped[str | None] = mapped_column(String(5))
    # Slots as they were said: id, start, centre, town, time zone, kilometres.
    offers: Mapped[list[list[Any]]] = mapped_column(JSONB, default=list)
    # A place that is held, until the booking or until `held_until`.
    slot_id: Mapped[int | None] = mapped_column(ForeignKey("usual_slot.id"))
    held_until: Mapped[datetime | None] = mapped_column(index=True)
    slot: Mapped[Slot | None] = relationship()

    @property
    def has_mobile(self) -> bool:
        return MOBILE.fullmatch(self.caller) is not None


class Turn(Base):
    __tablename__ = "usual_turn"
    call_sid: Mapped[str] = mapped_column(ForeignKey("usual_call.sid"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    question: Mapped[str] = mapped_column(String(20))
    digits: Mapped[str] = mapped_column(String(20))
    answer: Mapped[str] = mapped_column(Text)


class Booking(Base):
    __tablename__ = "usual_booking"
    id: Mapped[int] = mapped_column(primary_key=True)
    call_sid: Mapped[str] = mapped_column(ForeignKey("usual_call.sid"), unique=True)
    reference: Mapped[str] = mapped_column(String(10), unique=True)
    slot_id: Mapped[int] = mapped_column(ForeignKey("usual_slot.id"), index=True)
    born: Mapped[date]
    phone: Mapped[str] = mapped_column(String(20), index=True)
    postcode: Mapped[str] = mapped_column(String(5))
    created_at: Mapped[datetime]
    slot: Mapped[Slot] = relationship()


class Outbox(Base):
    """Texts that leave; a worker takes those that have not been sent."""

    __tablename__ = "usual_outbox"
    __table_args__ = (
        Index("ix_usual_outbox_unsent", "created_at", postgresql_where=text("sent_at IS NULL")),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    booking_id: Mapped[int] = mapped_column(ForeignKey("usual_booking.id"))
    recipient: Mapped[str] = mapped_column(String(20))
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    booking: Mapped[Booking] = relationship()


# ---------------------------------------------------------------- places

# The nearest centres of the caller's land that have a free slot, each with its first one.
NEAR = text("""
SELECT slot.id, slot.start_at, near.name, near.town, near.time_zone, near.km
FROM (
  SELECT centre.id, centre.name, centre.town, centre.time_zone,
    6371 * 2 * asin(sqrt(
      sin(radians(centre.latitude - :latitude) / 2) ^ 2
      + cos(radians(:latitude)) * cos(radians(centre.latitude))
        * sin(radians(centre.longitude - :longitude) / 2) ^ 2)) AS km
  FROM usual_centre centre
  WHERE centre.territory = :territory
    AND centre.latitude BETWEEN :latitude - :degrees AND :latitude + :degrees
  ORDER BY km
) near
CROSS JOIN LATERAL (
  SELECT id, start_at FROM usual_slot
  WHERE centre_id = near.id AND free > 0 AND start_at BETWEEN :earliest AND :latest
  ORDER BY start_at LIMIT 1
) slot
WHERE near.km <= :radius
ORDER BY near.km LIMIT :most
""")


def find_offers(session: Session, call: Call, not_before: datetime) -> bool:
    """Note what a caller is offered; False where nothing is free."""
    postcode = session.get_one(Postcode, call.postcode)
    where = {
        "latitude": postcode.latitude,
        "longitude": postcode.longitude,
        "territory": postcode.territory,
        "degrees": DEGREES_OF_LATITUDE,
        "radius": RADIUS_KM,
    }
    when = {"earliest": not_before, "latest": datetime.now(UTC) + HORIZON}
    found = session.execute(NEAR, {**where, **when, "most": OFFERS}).all()
    call.offers = [
        [one.id, one.start_at.isoformat(), one.name, one.town, one.time_zone, round(one.km) or 1]
        for one in found
    ]
    return bool(found)


def hold(session: Session, call: Call, slot_id: int) -> bool:
    """Take a place for a call; False where none is left."""
    taken = session.execute(
        update(Slot).where(Slot.id == slot_id, Slot.free > 0).values(free=Slot.free - 1)
    )
    if not taken.rowcount:  # type: ignore[attr-defined]
        return False
    call.slot_id, call.held_until = slot_id, datetime.now(UTC) + HOLD
    return True


def give_back(session: Session, call: Call) -> None:
    if call.slot_id is not None and call.held_until is not None:
        session.execute(update(Slot).where(Slot.id == call.slot_id).values(free=Slot.free + 1))
        call.slot_id = call.held_until = None


def give_back_expired(sessions: sessionmaker[Session]) -> int:
    """Free places of calls that never came to an end; for a timer that runs each minute."""
    with sessions.begin() as session:
        late = select(Call).where(Call.held_until < datetime.now(UTC))
        calls = session.scalars(late.with_for_update(skip_locked=True)).all()
        for call in calls:
            give_back(session, call)
        return len(calls)


def book(session: Session, call: Call) -> Booking:
    """Make the booking of the place that is held, and the text that tells of it."""
    assert call.slot is not None  # noqa: S101 - looked at before
    assert call.born is not None  # noqa: S101
    assert call.postcode is not None  # noqa: S101
    now = datetime.now(UTC)
    booking = Booking(
        call_sid=call.sid,
        reference=f"{secrets.randbelow(9 * 10**9) + 10**9}",
        slot=call.slot,
        born=call.born,
        phone=call.caller,
        postcode=call.postcode,
        created_at=now,
    )
    session.add(booking)
    call.held_until = None
    if call.has_mobile:
        centre = call.slot.centre
        body = (
            f"Allo Rendez-vous : rendez-vous {written(call.slot.local)}, {centre.name},"
            f" {centre.street}, {centre.town}. Réf. {booking.reference}."
        )
        session.add(Outbox(booking=booking, recipient=call.caller, body=body, created_at=now))
    return booking


# ---------------------------------------------------------------- what is said


def spoken(moment: datetime) -> str:
    return format_datetime(moment, "EEEE d MMMM 'à' H 'heures' mm", locale="fr").removesuffix(" 00")


def written(moment: datetime) -> str:
    return format_datetime(moment, "EEEE d MMMM 'à' H'h'mm", locale="fr")


def ask(session: Session, call: Call, question: str, *before: str) -> VoiceResponse:
    """Put a question; without an answer the same address is asked, with no digits."""
    call.question = question
    digits = DIGITS.get(question, 1)
    response = VoiceResponse()
    gather = Gather(
        action=f"{current_app.config['BASE_URL']}/voice/{question}?n={call.turns + 1}",
        action_on_empty_result=True,
        finish_on_key="" if digits == 1 else "#",
        input="dtmf",
        method="POST",
        num_digits=digits,
        timeout=6,
    )
    sentences = SENTENCES.get(question) or MADE[question](session, call)
    gather.say(" ".join((*before, *sentences)), **VOICE)
    response.append(gather)
    return response


def ask_again(session: Session, call: Call, digits: str) -> VoiceResponse:
    """Put the same question once more; after three failures the call ends."""
    if digits == "9":
        return ask(session, call, call.question)
    call.failures += 1
    if call.failures >= TRIES:
        return farewell(call, "Je n'ai pas pu vous comprendre. Rappelez-nous. Au revoir.")
    before = "Je n'ai pas compris." if digits else "Je n'ai rien entendu."
    return ask(session, call, call.question, before)


def farewell(call: Call, sentence: str) -> VoiceResponse:
    call.question = "ended"
    response = VoiceResponse()
    response.say(sentence, **VOICE)
    response.hangup()
    return response


def born_check_sentences(_session: Session, call: Call) -> Iterator[str]:
    assert call.born is not None  # noqa: S101
    yield f"Vous êtes né ou née le {format_date(call.born, 'd MMMM y', locale='fr')}."
    yield "Si c'est juste, tapez 1. Pour corriger, tapez 2."


def offers_sentences(session: Session, call: Call) -> Iterator[str]:
    postcode = session.get_one(Postcode, call.postcode)
    yield f"{' '.join(postcode.code)}, {postcode.town}. Pour corriger, tapez étoile."
    for key, (_, start, name, town, zone, km) in enumerate(call.offers, 1):
        moment = datetime.fromisoformat(start).astimezone(ZoneInfo(zone))
        yield f"{name}, à {town}, à {km} kilomètres. Le {spoken(moment)} : tapez {key}."
    yield "Pour un autre jour, tapez 4."


def confirm_sentences(_session: Session, call: Call) -> Iterator[str]:
    assert call.slot is not None  # noqa: S101
    assert call.born is not None  # noqa: S101
    centre = call.slot.centre
    if call.has_mobile:
        yield f"Un SMS ira au portable qui finit par {call.caller[-2:]}."
    yield f"Je récapitule. Né ou née le {format_date(call.born, 'd MMMM y', locale='fr')}."
    yield f"{spoken(call.slot.local)}. {centre.name}, {centre.street}, à {centre.town}."
    yield "Pour confirmer, tapez 1. Pour changer, tapez 2."


def reference_sentences(session: Session, call: Call) -> Iterator[str]:
    booking = session.scalars(select(Booking).where(Booking.call_sid == call.sid)).one()
    digits = ", ".join(re.findall("..", booking.reference))
    yield f"Votre rendez-vous : {spoken(booking.slot.local)}, {booking.slot.centre.name}."
    yield f"Notez votre référence : {digits}. Je répète, référence : {digits}."
    yield "Pour réécouter, tapez 9. Si tout est noté, tapez 1."


SENTENCES = {
    "welcome": (
        f"Bonjour. Ici la prise de rendez-vous pour se faire vacciner, dès {MINIMUM_AGE} ans.",
        "Pour prendre rendez-vous pour vous, tapez 1. Pour réécouter, tapez 9.",
    ),
    "born": (
        "Tapez votre date de naissance, en huit chiffres.",
        "Par exemple, pour le 5 mars 1940 : 05, 03, 1940.",
    ),
    "postcode": ("Tapez les cinq chiffres de votre code postal.",),
    "told": (
        "C'est confirmé. Vous recevez un SMS avec la référence.",
        "Apportez votre carte Vitale et une pièce d'identité.",
        "Pour noter la référence, tapez 1. Vous pouvez raccrocher.",
    ),
}
MADE: dict[str, Callable[[Session, Call], Iterator[str]]] = {
    "born-check": born_check_sentences,
    "offers": offers_sentences,
    "confirm": confirm_sentences,
    "reference": reference_sentences,
}
DIGITS = {"born": 8, "postcode": 5}


def birth_date(digits: str) -> date | None:
    try:
        born = datetime.strptime(digits, "%d%m%Y").replace(tzinfo=UTC).date()
    except ValueError:
        return None
    return born if date(1900, 1, 1) < born < datetime.now(UTC).date() else None


def age(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


# ---------------------------------------------------------------- answers


def incoming(session: Session, call: Call, _digits: str) -> VoiceResponse:
    return ask(session, call, "welcome")


def welcome(session: Session, call: Call, digits: str) -> VoiceResponse:
    if digits == "1":
        return ask(session, call, "born")
    return ask_again(session, call, digits)


def born(session: Session, call: Call, digits: str) -> VoiceResponse:
    call.born = birth_date(digits)
    if call.born is None:
        return ask_again(session, call, digits)
    return ask(session, call, "born-check")


def born_check(session: Session, call: Call, digits: str) -> VoiceResponse:
    if digits == "2":
        return ask(session, call, "born")
    if digits != "1" or call.born is None:
        return ask_again(session, call, digits)
    if age(call.born, datetime.now(UTC).date()) < MINIMUM_AGE:
        return farewell(call, f"Il faut avoir {MINIMUM_AGE} ans pour l'instant. Au revoir.")
    return ask(session, call, "postcode")


def postcode(session: Session, call: Call, digits: str) -> VoiceResponse:
    if session.get(Postcode, digits) is None:
        return ask_again(session, call, digits)
    call.postcode = digits
    return offer(session, call, datetime.now(UTC) + LEAD)


def offer(session: Session, call: Call, not_before: datetime, *before: str) -> VoiceResponse:
    if not find_offers(session, call, not_before):
        return farewell(call, "Il n'y a plus de rendez-vous près de chez vous. Au revoir.")
    return ask(session, call, "offers", *before)


def offers(session: Session, call: Call, digits: str) -> VoiceResponse:
    if digits == "*":
        return ask(session, call, "postcode")
    if digits == "4":
        first = datetime.fromisoformat(call.offers[0][1])
        return offer(session, call, first + timedelta(days=1))
    if digits not in {str(key) for key in range(1, len(call.offers) + 1)}:
        return ask_again(session, call, digits)
    if not hold(session, call, call.offers[int(digits) - 1][0]):
        return offer(session, call, datetime.now(UTC) + LEAD, "Ce rendez-vous vient d'être pris.")
    return ask(session, call, "confirm")


def confirm(session: Session, call: Call, digits: str) -> VoiceResponse:
    if call.held_until is None:
        return offer(session, call, datetime.now(UTC) + LEAD, "Il n'est plus gardé.")
    if digits == "2":
        give_back(session, call)
        return offer(session, call, datetime.now(UTC) + LEAD)
    if digits != "1":
        return ask_again(session, call, digits)
    book(session, call)
    return ask(session, call, "told" if call.has_mobile else "reference")


def told(session: Session, call: Call, digits: str) -> VoiceResponse:
    if digits == "1":
        return ask(session, call, "reference")
    return ask_again(session, call, digits) if digits else farewell(call, "Au revoir.")


def reference(session: Session, call: Call, digits: str) -> VoiceResponse:
    if digits == "9":
        return ask_again(session, call, digits)
    return farewell(call, "Votre rendez-vous est bien enregistré. Au revoir.")


def put_anew(session: Session, call: Call, _digits: str) -> VoiceResponse:
    """What an answer to a question gets that is not the last one of its call."""
    if call.question == "ended":
        return farewell(call, "Au revoir.")
    return ask(session, call, call.question)


# ---------------------------------------------------------------- views

ANSWERS: dict[str, Callable[[Session, Call, str], VoiceResponse]] = {
    "incoming": incoming,
    "welcome": welcome,
    "born": born,
    "born-check": born_check,
    "postcode": postcode,
    "offers": offers,
    "confirm": confirm,
    "told": told,
    "reference": reference,
}
voice = Blueprint("voice", __name__, url_prefix="/voice")


@voice.before_request
def check_signature() -> None:
    address = current_app.config["BASE_URL"] + request.path
    if request.query_string:
        address += "?" + request.query_string.decode()
    signature = request.headers.get("X-Twilio-Signature", "")
    if not current_app.extensions["validator"].validate(address, request.form, signature):
        abort(403)


@voice.post("/<any(" + ", ".join(f'"{name}"' for name in ANSWERS) + "):name>")
def turn(name: str) -> Response:
    """Answer a webhook once: one that comes again gets what is stored."""
    sid, digits = request.form["CallSid"], request.form.get("Digits", "")
    number, now = request.args.get("n", 0, type=int), datetime.now(UTC)
    with current_app.extensions["sessions"].begin() as session:
        if number == 0:
            ring = insert(Call).values(sid=sid, caller=request.form.get("From", ""), started_at=now)
            session.execute(ring.on_conflict_do_nothing())
        # Copies of a webhook that come at the same time wait for each other here.
        call = session.get(Call, sid, with_for_update=True) or abort(404)
        if number == call.turns:
            question, failures = call.question, call.failures
            is_asked = name in {"incoming", question}
            body = str((ANSWERS[name] if is_asked else put_anew)(session, call, digits))
            if call.failures == failures:
                call.failures = 0
            new_turn = Turn(call_sid=sid, number=number, at=now, question=question)
            new_turn.digits, new_turn.answer = digits, body
            session.add(new_turn)
            call.turns += 1
        else:
            body = session.get_one(Turn, (sid, min(number, call.turns - 1))).answer
    return Response(body, content_type="text/xml; charset=utf-8")


@voice.post("/status")
def status() -> Response:
    """Give back what a caller held who has hung up."""
    with current_app.extensions["sessions"].begin() as session:
        call = session.get(Call, request.form["CallSid"], with_for_update=True)
        if call is not None and call.ended_at is None:
            call.ended_at = datetime.now(UTC)
            give_back(session, call)
    return Response(status=204)


def create_app(database_url: str, *, base_url: str, auth_token: str, pool_size: int = 5) -> Flask:
    """The application; `database_url` is one of SQLAlchemy's, `base_url` is what is signed."""
    app = Flask(__name__, static_folder=None)
    app.config["BASE_URL"] = base_url
    engine = create_engine(database_url, pool_size=pool_size, max_overflow=0)
    app.extensions |= {
        "engine": engine,
        "sessions": sessionmaker(engine),
        "validator": RequestValidator(auth_token),
    }
    app.register_blueprint(voice)
    return app
