"""Booking in a few pages as a usual Flask application has it, beside ours.

Flask-WTF's forms and tokens, the ORM, a session in a signed cookie, a template for each question, a
row of the visit that each answer updates. The last one reads whether the slot is free, and then
writes that it is taken: who books between the two gets it as well. It knows one person, one dose,
no places that are kept, no waiting list, no limit to tries and no encryption; its pages have the
names of ours, so that the same visitors can play them. It is served as its author would serve it
(servers.usual) and knows nothing of the service's code.
"""

from __future__ import annotations

import secrets

from datetime import date, datetime, timedelta
from typing import Any

from flask import Flask, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from jinja2 import DictLoader
from sqlalchemy import ForeignKey, String, create_engine, insert, make_url, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from wtforms import IntegerField, RadioField, StringField
from wtforms.validators import DataRequired, Length, NumberRange, Regexp

import config

SLOTS, CAPACITY, PAGE = 2000, 1000, 3
BASE = """<!doctype html><html lang="fr"><head><meta charset="utf-8"><title>{{ title }}</title>
<link rel="stylesheet" href="/static/style.css"></head><body><header><a href="/">Rendez-vous</a>
</header><main><h1>{{ title }}</h1>{% for errors in (form.errors.values() if form else ()) %}
<p class="error">{{ errors|join(", ") }}</p>{% endfor %}{% block body %}{% endblock %}
</main></body></html>"""
FORM = """<form method="post"><input type="hidden" name="csrf_token" value="{{ csrf }}">
{% for field in form if field.name != "csrf_token" %}<p>{{ field.label }} {{ field }}</p>
{% endfor %}<button>Continuer</button></form>"""
OFFERS = """<form method="post"><input type="hidden" name="csrf_token" value="{{ csrf }}">
{% for slot in slots %}<button name="place" value="{{ slot.id }}">{{ slot.centre }},
{{ slot.start_at.strftime("%d/%m/%Y %H:%M") }}</button>{% endfor %}</form>"""
SUMMARY = """<dl><dt>Né le</dt><dd>{{ visit.born }}</dd><dt>Commune</dt>
<dd>{{ visit.postcode }}</dd><dt>Numéro</dt><dd>{{ visit.number }}</dd>
<dt>Référence</dt><dd>{{ visit.reference or "-" }}</dd></dl>"""
BODIES = {"form": FORM, "offers": OFFERS, "summary": SUMMARY, "confirm": SUMMARY + FORM}
# By their names, as files would be: each is compiled once.
TEMPLATES = {"base.html": BASE} | {
    f"{name}.html": f'{{% extends "base.html" %}}{{% block body %}}{body}{{% endblock %}}'
    for name, body in BODIES.items()
}


class Base(DeclarativeBase):
    pass


class PeerSlot(Base):
    __tablename__ = "peer_slot"
    id: Mapped[int] = mapped_column(primary_key=True)
    centre: Mapped[str] = mapped_column(String(80))
    departement: Mapped[str] = mapped_column(String(3), index=True)
    start_at: Mapped[datetime]
    free: Mapped[int]


class PeerVisit(Base):
    __tablename__ = "peer_visit"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    whom: Mapped[str] = mapped_column(String(10))
    born: Mapped[date | None]
    postcode: Mapped[str | None] = mapped_column(String(5))
    slot_id: Mapped[int | None] = mapped_column(ForeignKey("peer_slot.id"))
    number: Mapped[str | None] = mapped_column(String(20))
    reference: Mapped[str | None] = mapped_column(String(10), unique=True)


class Whom(FlaskForm):  # type: ignore[misc]
    whom = RadioField(choices=["self", "other"])


class Born(FlaskForm):  # type: ignore[misc]
    day = IntegerField(validators=[NumberRange(1, 31)])
    month = IntegerField(validators=[NumberRange(1, 12)])
    year = IntegerField(validators=[NumberRange(1900, 2026)])


class Where(FlaskForm):  # type: ignore[misc]
    where = StringField(validators=[DataRequired(), Regexp(r"^\d{5}$")])


class Offers(FlaskForm):  # type: ignore[misc]
    place = IntegerField(validators=[DataRequired()])


class Reach(FlaskForm):  # type: ignore[misc]
    number = StringField(validators=[DataRequired(), Length(max=20)])


class Confirm(FlaskForm):  # type: ignore[misc]
    pass


FORMS: dict[str, tuple[Any, str]] = {
    "rendez-vous": (Whom, "naissance"), "naissance": (Born, "commune"),
    "commune": (Where, "creneaux"), "creneaux": (Offers, "joindre"),
    "joindre": (Reach, "confirmer"), "confirmer": (Confirm, "fait"),
}  # fmt: skip


def fill(database_url: str, slots: int = SLOTS, capacity: int = CAPACITY) -> None:
    """Make its tables anew, with slots in every département."""
    engine = create_engine(_driver(database_url))
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    first = datetime(2030, 1, 1, 8)  # noqa: DTZ001 (as such an application has it)
    rows = [
        {
            "centre": f"Centre {number}",
            "departement": f"{number % 98 + 1:02d}",
            "start_at": first + timedelta(minutes=10 * number),
            "free": capacity,
        }
        for number in range(slots)
    ]
    with engine.begin() as connection:
        connection.execute(insert(PeerSlot), rows)
    engine.dispose()


def _driver(database_url: str) -> str:
    url = make_url(database_url).set(drivername="postgresql+psycopg")
    return url.render_as_string(hide_password=False)


def create_app() -> Flask:
    settings = config.load()
    app = Flask(__name__)
    app.secret_key = settings.secret_key or "peer"
    app.jinja_loader = DictLoader(TEMPLATES)
    engine = create_engine(_driver(settings.database_url), pool_size=8, max_overflow=0)
    app.extensions["peer_engine"] = engine
    make = sessionmaker(engine, expire_on_commit=False)

    @app.route("/rendez-vous", methods=["GET", "POST"])
    @app.route("/rendez-vous/<slug>", methods=["GET", "POST"])
    def step(slug: str = "rendez-vous") -> ResponseReturnValue:
        with make() as rows:
            visit = rows.get(PeerVisit, session.get("visit", ""))
            if visit is None and slug != "rendez-vous":
                return redirect(url_for("step"), 303)
            if slug == "fait":
                return _page("Votre rendez-vous", "summary", visit=visit)
            kind, following = FORMS[slug]
            form = kind()
            if form.validate_on_submit():
                if not _store(rows, visit, slug, form):
                    following = "creneaux"
                rows.commit()
                return redirect(url_for("step", slug=following), 303)
            if slug == "creneaux" and visit is not None:
                return _page("Créneaux", "offers", form, slots=_slots(rows, visit))
            template = "confirm" if slug == "confirmer" else "form"
            status = 422 if request.method == "POST" else 200
            return _page(slug, template, form, visit=visit), status

    return app


def _page(title: str, template: str, form: FlaskForm | None = None, **values: object) -> str:
    csrf = form.csrf_token.current_token if form is not None else ""
    return render_template(f"{template}.html", title=title, form=form, csrf=csrf, **values)


def _slots(rows: Session, visit: PeerVisit) -> list[PeerSlot]:
    departement = (visit.postcode or "75")[:2].replace("20", "19").replace("97", "75")
    near = select(PeerSlot).where(PeerSlot.departement == departement, PeerSlot.free > 0)
    return list(rows.scalars(near.order_by(PeerSlot.start_at).limit(PAGE)))


def _store(rows: Session, visit: PeerVisit | None, slug: str, form: FlaskForm) -> bool:
    """False where the slot was taken meanwhile."""
    if slug == "rendez-vous":
        visit = PeerVisit(id=secrets.token_hex(16), whom=form.whom.data)
        rows.add(visit)
        session["visit"] = visit.id
        return True
    assert visit is not None  # noqa: S101 - looked at before
    if slug == "naissance":
        visit.born = date(form.year.data, form.month.data, form.day.data)
    elif slug == "commune":
        visit.postcode = form.where.data
    elif slug == "creneaux":
        visit.slot_id = form.place.data
    elif slug == "joindre":
        visit.number = form.number.data
    elif slug == "confirmer" and visit.reference is None:
        slot = rows.get(PeerSlot, visit.slot_id)
        assert slot is not None  # noqa: S101 - one that was offered
        if slot.free < 1:
            return False
        slot.free -= 1
        visit.reference = f"{secrets.randbelow(10**10):010d}"
    return True
