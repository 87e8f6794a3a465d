"""/poste: an agent's page, and what an agent does with calls.

What is done for a caller's appointment stands in `desk_caller`. A script asks for JSON and gets a
sentence; without scripts a form leads back to the page, which says the same. Nothing personal is
in an address or in what the page asks for each second.
"""

from __future__ import annotations

import json

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, abort, jsonify, render_template, request

from flows.understanding import NotUnderstood
from models.agents import agents as agent_rows
from models.desk import desk as rows
from services.agents import (
    conversation,
    presence,
    provider_commands,
    reserve,
    take_over,
    transfer,
)
from services.agents.conversation import OTHER_CALL
from services.agents.provider_commands import CommandResult
from services.desk.offers import let_go, reach
from web.desk import forms
from web.desk.agent_session import (
    AgentSession,
    DeskPage,
    DeskParts,
    OtherCall,
    agent_session_of,
    answer,
    caller_profile_of,
    give_their_places_back,
    go_on_with_their_places,
    wants_json,
)
from web.desk.caller import CallerRoutes
from web.desk.cases import CasePages
from web.desk.state import DeskState, entry_of
from web.pages import words
from web.staff_only import current, roles
from web.written import DeskWords

VOICES = ("browser", "phone")
_MOST_WORDS = 3
_LONGEST_SEARCH = 60
# What is done for no caller in particular, and what does the same whoever the caller is. All else
# names its entry: a page is a second late, and would do it to the next one.
_FOR_NOBODY = frozenset(
    {"pret", "pause", "absent", "voix", "repondre", "prendre", "garder", "chercher"}
) | {"cas_ouvrir", "cas_rappeler", "cas_clore"}


def blueprint(parts: DeskParts) -> Blueprint:  # noqa: C901, PLR0915 (one small function a route)
    """The routes of /poste that have to do with the agent and with calls."""
    store, service, control = parts.store, parts.service, parts.control
    state = DeskState(store)
    page_of = DeskPage(parts, state)
    desk = Blueprint("desk", __name__, url_prefix="/poste")
    agents = roles("agent", "supervisor")

    caller = CallerRoutes(parts, page_of)
    caller.add_to(desk, agents)
    CasePages(parts, page_of, caller).add_to(desk, agents)

    def seat() -> AgentSession:
        with store.database.statement() as connection:
            return agent_session_of(connection, store, current())

    # What is late is mostly found here, before anything is read; what counts is decided in the
    # transaction of each act (`agent_session_of`, `services.agents.conversation`).
    @desk.before_request
    def is_about_their_caller() -> Any:
        view = (request.endpoint or "").rpartition(".")[2]
        if request.method != "POST" or view in _FOR_NOBODY:
            return None
        with store.database.statement() as connection:
            entry = entry_of(rows.now_of(connection, current().id))
        if forms.about(request.form) == (entry["id"] if entry else ""):
            return None
        return other_call(None)

    @desk.errorhandler(OtherCall)
    def other_call(_error: object) -> Any:
        if request.headers.get("HX-Request"):
            return "", HTTPStatus.CONFLICT
        return answer(CommandResult(done=False, why=OTHER_CALL), "")

    @desk.get("")
    @agents
    def page() -> str:
        with store.database.transaction() as connection:
            here = agent_session_of(connection, store, current())
            file = caller_profile_of(connection, store, here)
            panel = caller.panel(connection, here, file)
        return page_of.whole(here, file, panel=panel)

    @desk.get("/travail")
    @roles("agent", "supervisor", poll=True)
    def work() -> str:
        part = request.args.get("part", "work")
        if part not in {"work", "actions", "bar", "booking", "cases"}:
            abort(HTTPStatus.NOT_FOUND)
        with store.database.transaction() as connection:
            here = agent_session_of(connection, store, current())
            file = caller_profile_of(connection, store, here)
            panel = caller.panel(connection, here, file)
            if part == "cases" and here.entry is not None:
                abort(HTTPStatus.NOT_FOUND)
            others = rows.colleagues(connection, here.staff.id)
            phone = agent_rows.telephone(connection, store.vault, here.staff.id)
        return render_template(
            f"desk/{part}.html",
            phone=phone or "",
            colleagues=others,
            **page_of.context(here, file, panel=panel),
        )

    @desk.get("/etat")
    @roles("agent", "supervisor", poll=True, moment=True)
    def etat() -> Any:
        text, tag = state.body(current().id, DeskWords(words()))
        response = Response(text, mimetype="application/json")
        response.set_etag(tag)
        # Clocks of browsers are wrong: the page counts by this one.
        response.headers["X-Now"] = store.clock.now().isoformat()
        return response.make_conditional(request)

    @desk.get("/dossier")
    @agents
    def dossier() -> str:
        with store.database.transaction() as connection:
            here = agent_session_of(connection, store, current())
            file = caller_profile_of(connection, store, here)
        return render_template("desk/file.html", **page_of.context(here, file))

    @desk.post("/pret")
    @agents
    def pret() -> Any:
        voice = request.form.get("voice", "")
        voice = voice if voice in VOICES else ""
        asked = presence.ready(store, current().id, voice=voice)
        if asked.done:
            # Whoever waits is rung for at once.
            reserve.reserve_for(store, control, current().id)
        return answer(asked, "ready")

    @desk.post("/pause")
    @agents
    def pause() -> Any:
        asked = presence.pause(store, current().id, request.form.get("reason", ""))
        if asked.done and asked.later:
            return answer(CommandResult(done=True), "later")
        return answer(asked, "paused")

    @desk.post("/absent")
    @agents
    def absent() -> Any:
        asked = presence.offline(store, current().id)
        if asked.later:
            return answer(CommandResult(done=True), "later")
        return answer(asked, "offline")

    @desk.post("/voix")
    @agents
    def voix() -> Any:
        voice = request.form.get("voice", "")
        if voice not in VOICES:
            return answer(CommandResult(done=False, why="voice"), "")
        with store.database.transaction() as connection:
            if voice == "phone" and not agent_rows.telephone(connection, store.vault, current().id):
                return answer(CommandResult(done=False, why="no_phone"), "")
            agent_rows.begin(connection, store.clock, current().id)
            agent_rows.set_voice(connection, current().id, voice)
        return answer(CommandResult(done=True), "voice")

    @desk.post("/repondre")
    @agents
    def repondre() -> Any:
        """The agent's line is there: what waits to be asked of the provider is asked now."""
        here = seat()
        if here.entry is None:
            # The page's script says so by itself, and may be late: that is nobody's mistake.
            gone = CommandResult(done=False, why="gone")
            return (
                jsonify(done=False, why=gone.why, message="") if wants_json() else answer(gone, "")
            )
        with store.database.transaction() as connection:
            go_on_with_their_places(connection, store, service, here)
        waiting = presence.current(store, here.staff.id).pending
        ids = [one.id for one in waiting if one.state == "pending"]
        if not ids:
            return answer(CommandResult(done=True), "answered")
        return answer(provider_commands.carry_out_all(store, control, ids), "answered")

    @desk.post("/attente")
    @agents
    def attente() -> Any:
        on = request.form.get("on", "1") == "1"
        asked = conversation.hold(store, control, current().id, forms.about(request.form), on=on)
        return answer(asked, "held" if on else "unheld")

    @desk.post("/transfert")
    @agents
    def transfert() -> Any:
        form, who = request.form, current().id
        entry = forms.about(form)
        if form.get("colleague"):
            asked = transfer.to_colleague(store, control, who, entry, form["colleague"][:32])
        else:
            try:
                number, _kind = reach(form.get("number", ""))
            except NotUnderstood:
                # Foreign, short, premium, or no number at all.
                return answer(CommandResult(done=False, why="number"), "")
            asked = transfer.to_number(store, control, who, entry, number)
        return answer(asked, "transfer")

    @desk.post("/transfert/terminer")
    @agents
    def complete() -> Any:
        entry = forms.about(request.form)
        return answer(transfer.complete(store, control, current().id, entry), "completed")

    @desk.post("/transfert/annuler")
    @agents
    def cancel_transfer() -> Any:
        entry = forms.about(request.form)
        return answer(transfer.cancel(store, control, current().id, entry), "cancelled")

    @desk.post("/conference")
    @agents
    def conference() -> Any:
        entry = forms.about(request.form)
        return answer(transfer.join_three(store, control, current().id, entry), "joined")

    @desk.get("/centres")
    @agents
    def centres() -> str:
        asked = request.args.get("q", "")[:_LONGEST_SEARCH].split()[:_MOST_WORDS]
        with store.database.statement() as connection:
            found = rows.offices(connection, asked) if asked else []
        return render_template(
            "desk/centres.html", offices=_with_numbers(found), w=DeskWords(words()), seat=seat()
        )

    @desk.post("/rendre")
    @agents
    def rendre() -> Any:
        here, step = seat(), request.form.get("step", "")
        entry = forms.about(request.form)
        if here.state != "talking" or step not in conversation.STEPS:
            return answer(
                CommandResult(done=False, why="step" if here.entry else "not_talking"), ""
            )
        # First: the machine's next words are about what it holds for them.
        with store.database.transaction() as connection:
            here = agent_session_of(connection, store, current(), about=entry)
            give_their_places_back(connection, store, service, here)
        asked = conversation.hand_back(store, control, here.staff.id, entry, step)
        if not asked.done and not asked.later:
            with store.database.transaction() as connection:
                go_on_with_their_places(connection, store, service, here)
        return answer(asked, "back")

    @desk.post("/raccrocher")
    @agents
    def raccrocher() -> Any:
        entry = forms.about(request.form)
        return answer(conversation.hang_up(store, control, current().id, entry), "hung_up")

    @desk.post("/cloture")
    @agents
    def cloture() -> Any:
        here, form = seat(), request.form
        code, note = form.get("code", ""), form.get("note", "")
        entry = forms.about(form)
        asked = conversation.wrap_up(store, control, here.staff.id, entry, code, note)
        if asked.done or asked.later:
            with store.database.transaction() as connection:
                let_go(connection, here.desk)
            reserve.reserve_for(store, control, here.staff.id)
        return answer(asked, "wrapped")

    @desk.post("/prendre")
    @agents
    def prendre() -> Any:
        call_id, who = request.form.get("call_id", "")[:40], current()
        # A supervisor's own reason to take whoever they choose is in the history.
        any_call = who.role == "supervisor"
        asked = take_over.take_over(store, control, who.id, call_id, any_call=any_call)
        return answer(asked, "taken")

    return desk


def _with_numbers(found: list[Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": one.name,
            "town": one.town,
            "postcode": one.postcode,
            "numbers": [number for number in json.loads(one.phones) if number][:2],
        }
        for one in found
    ]
