"""/poste: an agent's page, and what an agent does with calls.

What is done for a caller's appointment stands in `web.desk.caller`. A script asks for JSON and
gets a sentence; without scripts a form leads back to the page, which says the same. Nothing
personal is in an address or in what the page asks for each second.
"""

from __future__ import annotations

import json

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, abort, jsonify, render_template, request

from flows.understanding import NotUnderstood
from services.agents import (
    callback_outcome,
    conversation,
    presence,
    provider_commands,
    reserve,
    take_over,
    transfer,
)
from services.agents.call_back import CallBack
from services.agents.conversation import OTHER_CALL
from services.agents.provider_commands import CommandResult
from services.desk.at_desk import AgentSession, OtherCall, agent_session_of, now_of, offices
from services.desk.offers import let_go, reach
from services.store import Store
from web.desk import caller, cases, forms, look_up, partner
from web.desk.acts import DeskAct
from web.desk.desk_page import DeskPage, answer, csrf_fields, wants_json
from web.desk.state import entry_of
from web.marks import roles
from web.pages import words
from web.staff_only import current
from web.written import DeskWords

_MOST_WORDS = 3
_LONGEST_SEARCH = 60
# Acts that concern no caller, and acts that do the same for any caller. All others name their
# entry: a page is a second late, and would otherwise act on the next caller.
_FOR_NOBODY = frozenset(
    {"pret", "pause", "absent", "voix", "repondre", "prendre", "keep", "search", "open_found"}
) | {"open_case", "ring_person", "close_case"}


class CallPages:
    """What an agent's page shows, and what an agent does with calls."""

    def __init__(self, page: DeskPage) -> None:
        self.desk_page, self.store, self.control = page, page.store, page.control

    def _agent_session(self) -> AgentSession:
        with self.store.database.statement() as connection:
            return agent_session_of(connection, self.store, current())

    @roles("agent", "supervisor")
    def page(self) -> str:
        with DeskAct.opened(self.desk_page) as act:
            file = act.caller_profile()
            panel = act.show_kept(file)
        return self.desk_page.whole(act.agent_session, file, panel=panel)

    @roles("agent", "supervisor", poll=True)
    def work(self) -> str:
        part = request.args.get("part", "work")
        if part not in {"work", "actions", "bar", "booking", "cases"}:
            abort(HTTPStatus.NOT_FOUND)
        with DeskAct.opened(self.desk_page) as act:
            file = act.caller_profile()
            panel = act.show_kept(file)
            if part == "cases" and act.entry is not None:
                abort(HTTPStatus.NOT_FOUND)
            others = self.desk_page.own_phone_and_colleagues(act.connection, act.staff.id)
        return render_template(
            f"desk/{part}.html",
            **others,
            **self.desk_page.context(act.agent_session, file, panel=panel),
        )

    @roles("agent", "supervisor", poll=True, moment=True)
    def etat(self) -> Any:
        text, tag = self.desk_page.state.body(current().id, DeskWords(words()))
        response = Response(text, mimetype="application/json")
        response.set_etag(tag)
        # Clocks of browsers are wrong: the page counts by this one.
        response.headers["X-Now"] = self.store.clock.now().isoformat()
        return response.make_conditional(request)

    @roles("agent", "supervisor")
    def dossier(self) -> str:
        with DeskAct.opened(self.desk_page) as act:
            file = act.caller_profile()
        return render_template("desk/file.html", **self.desk_page.context(act.agent_session, file))

    @roles("agent", "supervisor")
    def pret(self) -> Any:
        asked = presence.ready(self.store, current().id, voice=request.form.get("voice", ""))
        if asked.done:
            # A waiting caller is reserved for this agent, who is rung at once.
            reserve.reserve_for(self.store, self.control, current().id)
        return answer(asked, "ready")

    @roles("agent", "supervisor")
    def pause(self) -> Any:
        asked = presence.pause(self.store, current().id, request.form.get("reason", ""))
        if asked.done and asked.later:
            return answer(CommandResult(done=True), "later")
        return answer(asked, "paused")

    @roles("agent", "supervisor")
    def absent(self) -> Any:
        asked = presence.stop(self.store, current().id, presence.OFFLINE)
        if asked.later:
            return answer(CommandResult(done=True), "later")
        return answer(asked, "offline")

    @roles("agent", "supervisor")
    def voix(self) -> Any:
        voice = request.form.get("voice", "")
        return answer(presence.set_voice(self.store, current().id, voice), "voice")

    @roles("agent", "supervisor")
    def repondre(self) -> Any:
        """The agent's line is there: what waits to be asked of the provider is asked now."""
        with DeskAct.opened(self.desk_page) as act:
            act.take_places_over()
        if act.entry is None:
            # The page's script sends this by itself and may be late: it is no mistake of the agent.
            gone = CommandResult(done=False, why="gone")
            return (
                jsonify(done=False, why=gone.why, message="") if wants_json() else answer(gone, "")
            )
        waiting = presence.current(self.store, act.staff.id).pending
        ids = [message.id for message in waiting if message.state == "pending"]
        if not ids:
            return answer(CommandResult(done=True), "answered")
        return answer(provider_commands.carry_out_all(self.store, self.control, ids), "answered")

    @roles("agent", "supervisor")
    def rappel(self) -> Any:
        """A call back leaves the page with its outcome."""
        here, form = self._agent_session(), request.form
        outcome = form.get("outcome", "")
        service = self.desk_page.service
        call_back = CallBack(
            lambda: service.campaign, service.national_number, self.desk_page.wake_up
        )
        asked = callback_outcome.close(
            self.store,
            self.control,
            call_back,
            here.staff.id,
            forms.about(form),
            outcome,
            form.get("note", ""),
        )
        if asked.done or asked.later:
            self._is_free(here)
        told = callback_outcome.REACHED if outcome == callback_outcome.BOOKED else outcome
        return answer(asked, f"callback_{told}")

    def _is_free(self, here: AgentSession) -> None:
        """The agent is free: what their desk held is let go, and a caller who waits is reserved."""
        with self.store.database.transaction() as connection:
            let_go(connection, here.desk)
        reserve.reserve_for(self.store, self.control, here.staff.id)

    @roles("agent", "supervisor")
    def transfert(self) -> Any:
        form, who = request.form, current().id
        entry = forms.about(form)
        if form.get("colleague"):
            asked = transfer.to_colleague(
                self.store, self.control, who, entry, form["colleague"][:32]
            )
        else:
            try:
                number, _kind = reach(form.get("number", ""))
            except NotUnderstood:
                # Foreign, short, premium, or no number at all.
                return answer(CommandResult(done=False, why="number"), "")
            asked = transfer.to_number(self.store, self.control, who, entry, number)
        return answer(asked, "transfer")

    @roles("agent", "supervisor")
    def centres(self) -> str:
        asked = request.args.get("q", "")[:_LONGEST_SEARCH].split()[:_MOST_WORDS]
        with self.store.database.statement() as connection:
            found = offices(connection, asked) if asked else []
        return render_template(
            "desk/centres.html",
            offices=_with_numbers(found),
            w=DeskWords(words()),
            agent_session=self._agent_session(),
        )

    @roles("agent", "supervisor")
    def rendre(self) -> Any:
        here, step = self._agent_session(), request.form.get("step", "")
        entry = forms.about(request.form)
        if here.state != "talking" or step not in conversation.STEPS:
            return answer(
                CommandResult(done=False, why="step" if here.entry else "not_talking"), ""
            )
        # First: the machine's next words are about what it holds for them.
        with DeskAct.opened(self.desk_page, entry) as act:
            act.give_places_back()
        asked = conversation.hand_back(self.store, self.control, here.staff.id, entry, step)
        if not asked.done and not asked.later:
            with DeskAct.opened(self.desk_page) as act:
                act.take_places_over()
        return answer(asked, "back")

    @roles("agent", "supervisor")
    def cloture(self) -> Any:
        here, form = self._agent_session(), request.form
        code, note = form.get("code", ""), form.get("note", "")
        entry = forms.about(form)
        asked = conversation.wrap_up(self.store, self.control, here.staff.id, entry, code, note)
        if asked.done or asked.later:
            self._is_free(here)
        return answer(asked, "wrapped")

    @roles("agent", "supervisor")
    def prendre(self) -> Any:
        call_id, who = request.form.get("call_id", "")[:40], current()
        # A supervisor may take any call they choose; the history notes it.
        any_call = who.role == "supervisor"
        asked = take_over.take_over(self.store, self.control, who.id, call_id, any_call=any_call)
        return answer(asked, "taken")


def blueprint(page: DeskPage) -> Blueprint:
    """The routes of /poste."""
    desk = Blueprint("desk", __name__, url_prefix="/poste")
    desk.add_app_template_global(csrf_fields)
    desk.before_request(lambda: _is_about_their_caller(page.store))
    desk.register_error_handler(OtherCall, _other_call)
    views = CallPages(page)
    for method, path, view in (
        ("GET", "", views.page),
        ("GET", "/travail", views.work),
        ("GET", "/etat", views.etat),
        ("GET", "/dossier", views.dossier),
        ("POST", "/pret", views.pret),
        ("POST", "/pause", views.pause),
        ("POST", "/absent", views.absent),
        ("POST", "/voix", views.voix),
        ("POST", "/repondre", views.repondre),
        ("POST", "/rappel", views.rappel),
        ("POST", "/transfert", views.transfert),
        ("GET", "/centres", views.centres),
        ("POST", "/rendre", views.rendre),
        ("POST", "/cloture", views.cloture),
        ("POST", "/prendre", views.prendre),
    ):
        desk.add_url_rule(path, view.__name__, view, methods=[method])
    for path, act_on_call, told in (
        ("/transfert/terminer", transfer.complete, "completed"),
        ("/transfert/annuler", transfer.cancel, "cancelled"),
        ("/conference", transfer.join_three, "joined"),
        ("/raccrocher", conversation.hang_up, "hung_up"),
    ):
        _add_act_on_call(desk, page, path, act_on_call, told)
    for name, switch, told_on, told_off in (
        ("attente", conversation.hold, "held", "unheld"),
        ("micro", conversation.mute, "muted", "unmuted"),
    ):
        _add_switch(desk, page, name, switch, (told_on, told_off))
    for part in (caller, look_up, partner, cases):
        part.add_to(desk, page)
    return desk


def _is_about_their_caller(store: Store) -> Any:
    """Refuse most late requests of a page here, before anything is read.

    The final check is in the transaction of each act (`services.desk.at_desk`,
    `services.agents.conversation_of`).
    """
    view = (request.endpoint or "").rpartition(".")[2]
    if request.method != "POST" or view in _FOR_NOBODY:
        return None
    with store.database.statement() as connection:
        entry = entry_of(now_of(connection, current().id))
    if forms.about(request.form) == (entry["id"] if entry else ""):
        return None
    return _other_call(None)


def _other_call(_error: object) -> Any:
    if request.headers.get("HX-Request"):
        return "", HTTPStatus.CONFLICT
    return answer(CommandResult(done=False, why=OTHER_CALL), "")


def _add_act_on_call(
    desk: Blueprint, page: DeskPage, path: str, act: Callable[..., CommandResult], told: str
) -> None:
    """An act on the call that the form names; `told` is the key of what was done."""

    @roles("agent", "supervisor")
    def view() -> Any:
        return answer(act(page.store, page.control, current().id, forms.about(request.form)), told)

    desk.add_url_rule(path, told, view, methods=["POST"])


def _add_switch(
    desk: Blueprint,
    page: DeskPage,
    name: str,
    switch: Callable[..., CommandResult],
    told: tuple[str, str],
) -> None:
    """What is on or off in the call that the form names; `told` are the keys of what was done."""

    @roles("agent", "supervisor")
    def view() -> Any:
        on = request.form.get("on", "1") == "1"
        about = forms.about(request.form)
        done = switch(page.store, page.control, current().id, about, on=on)
        return answer(done, told[0] if on else told[1])

    desk.add_url_rule(f"/{name}", name, view, methods=["POST"])


def _with_numbers(found: list[Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": office.name,
            "town": office.town,
            "postcode": office.postcode,
            "walk_in": office.walk_in,
            "numbers": [number for number in json.loads(office.phones) if number][:2],
        }
        for office in found
    ]
