"""/poste/personne: a person on the line, or by letter, asks what is kept about them.

They prove who they are; the agent sees how much there is, prints it or hands it over as a file, and
asks a supervisor to have it erased. Who they are is in no address: each step is a form.
"""

from __future__ import annotations

import json

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from flask import Blueprint, Response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from flows.understanding import NotUnderstood, telephone
from services.desk.search import TooManyProfiles
from services.privacy import person_page, person_rights
from services.privacy.person_rights import (
    REASONS,
    Actor,
    CampaignOf,
    DecidedBefore,
    Given,
    NobodyFound,
    OnTheLine,
    Plan,
    SeveralPeople,
)
from services.store import REFERENCE_DIGITS, Store
from web.desk.forms import birth
from web.marks import roles
from web.pages import language, words
from web.staff_only import current, is_proved, to_proof
from web.written import DeskWords

PATH: Final = "/poste/personne"
_MOST_LETTERS: Final = 40
_LONGEST_ID: Final = 32
# Below desk.person.refused.
_REFUSALS: Final[Mapping[type[Exception], str]] = {
    NobodyFound: "nobody",
    SeveralPeople: "several",
    OnTheLine: "on_the_line",
    DecidedBefore: "decided",
    TooManyProfiles: "too_many",
}


class NotTyped(Exception):
    """What was typed is no birth date, number or reference; its word below desk.person.refused."""


@dataclass(frozen=True)
class PersonForm:
    """What proves the person, as it was typed."""

    born: str = ""
    number: str = ""
    reference: str = ""
    reason: str = ""


class _Views:
    def __init__(self, store: Store, campaign_of: CampaignOf) -> None:
        self._store, self._campaign_of = store, campaign_of

    @roles("agent", "supervisor")
    def begin(self) -> ResponseReturnValue:
        """The form, and for a supervisor the requests that wait."""
        return self._page()

    @roles("agent", "supervisor")
    def look(self) -> ResponseReturnValue:
        """How much is kept about the person who was proved; written down as a look."""
        return self._done(lambda given, by: self._page(plan=self._look(given, by)))

    @roles("agent", "supervisor")
    def copy(self) -> ResponseReturnValue:
        """All that is kept, as a page to print or a file."""
        return self._done(self._copy)

    @roles("agent", "supervisor")
    def ask(self) -> ResponseReturnValue:
        """Ask a supervisor to have the person erased."""

        def asked(given: Given, by: Actor) -> ResponseReturnValue:
            person_rights.count_look(self._store, current())
            person_rights.ask(self._store, given, by=by, reason=_typed().reason)
            return self._page(notice="asked", form=PersonForm())

        return self._done(asked)

    @roles("supervisor")
    def decide(self) -> ResponseReturnValue:
        """Erase the person of a request, or refuse; it asks for the password again."""
        if not is_proved():
            return to_proof(PATH)
        request_id = request.form.get("request", "")[:_LONGEST_ID]
        by = Actor(current().id)
        try:
            if request.form.get("what") == "erase":
                person_rights.erase_asked(self._store, self._campaign_of, request_id, by=by)
                return self._page(notice="erased")
            person_rights.refuse(self._store, request_id, by=by)
        except tuple(_REFUSALS) as refused:
            return self._page(refused=_REFUSALS[type(refused)])
        return self._page(notice="refused")

    # Inside

    def _look(self, given: Given, by: Actor) -> Plan:
        return person_rights.look(self._store, current(), given, by=by, reason=_typed().reason)

    def _copy(self, given: Given, by: Actor) -> ResponseReturnValue:
        person_rights.count_look(self._store, current())
        told = person_rights.export(self._store, given, by=by, reason=_typed().reason)
        if request.form.get("as") == "json":
            body = json.dumps(told.kept, ensure_ascii=False, indent=2, default=_plain)
            response = Response(body, mimetype="application/json")
            name = f"{told.request_id}.json"
            response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
            return response
        return render_template(
            "desk/person_copy.html",
            told=told,
            sections=person_page.sections(told, words()),
            language=language(),
        )

    def _done(self, act: Callable[[Given, Actor], ResponseReturnValue]) -> ResponseReturnValue:
        """Do something for the person who was typed, or say in a sentence why not."""
        try:
            return act(self._given(), Actor(current().id))
        except NotTyped as wrong:
            return self._page(refused=str(wrong))
        except tuple(_REFUSALS) as refused:
            return self._page(refused=_REFUSALS[type(refused)])

    def _given(self) -> Given:
        """Raises NotTyped."""
        form = _typed()
        born = birth(form.born, self._store.clock.now().date())
        if born is None:
            raise NotTyped("born")
        if form.reason not in REASONS:
            raise NotTyped("reason")
        digits = "".join(character for character in form.reference if character.isdigit())
        if form.reference and len(digits) != REFERENCE_DIGITS:
            raise NotTyped("reference")
        number = "".join(
            character for character in form.number if character.isdigit() or character == "+"
        )
        try:
            number = telephone(number)[0] if number else ""
        except NotUnderstood:
            raise NotTyped("number") from None
        return Given(born, number, digits)

    def _page(
        self,
        *,
        plan: Plan | None = None,
        refused: str = "",
        notice: str = "",
        form: PersonForm | None = None,
    ) -> ResponseReturnValue:
        supervises = current().role == "supervisor"
        page = render_template(
            "desk/person.html",
            form=form if form is not None else _typed(),
            reasons=REASONS,
            plan=plan,
            refused=refused,
            notice=notice,
            asked=person_rights.asked(self._store) if supervises else [],
            supervises=supervises,
            proved=is_proved(),
            w=DeskWords(words(), self._store.clock.now()),
            prove=url_for("sign_in.proof_form", next=PATH),
        )
        return page, HTTPStatus.UNPROCESSABLE_ENTITY if refused else HTTPStatus.OK


def blueprint(store: Store, campaign_of: CampaignOf) -> Blueprint:
    """/poste/personne and its forms."""
    pages = Blueprint("person", __name__)
    views = _Views(store, campaign_of)
    for method, path, view in (
        ("GET", PATH, views.begin),
        ("POST", PATH, views.look),
        ("POST", f"{PATH}/copie", views.copy),
        ("POST", f"{PATH}/effacement", views.ask),
        ("POST", f"{PATH}/decision", views.decide),
    ):
        pages.add_url_rule(path, view.__name__, view, methods=[method])
    return pages


def _typed() -> PersonForm:
    given = {
        name: request.form.get(name, "").strip()[:_MOST_LETTERS]
        for name in PersonForm.__dataclass_fields__
    }
    return PersonForm(**given)


def _plain(value: Any) -> str:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)
