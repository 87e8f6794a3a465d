"""What supervisors do on /supervision: forms that a script sends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from flask import jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue

from prompts.catalogue import COUNTRY_LANGUAGE
from prompts.screens import LANGUAGES
from services.accounts import four_eyes
from services.accounts.staff import read_acts
from services.agents.provider_commands import CommandResult
from services.campaign.campaigns import Campaigns
from services.desk import watched
from services.ports import CallControl
from services.store import Store
from services.supervision import monitor, supervise
from services.supervision.supervise import ActRefused
from web.desk.forms import birth
from web.marks import roles
from web.staff_only import UNPROVED, current, is_fetch, is_proved, to_proof
from web.supervision import board_pages

_MOST_CHOSEN: Final = 500
_LONGEST_REASON: Final = 80
_LONGEST_BORN: Final = 12
_LONGEST_NAME: Final = 80
_LONGEST_ID: Final = 32


@dataclass(frozen=True)
class BoardActs:
    """What supervisors do. Each answer says what came of it, and how to take it back."""

    store: Store
    campaigns: Campaigns
    control: CallControl

    @roles("supervisor")
    def look(self) -> ResponseReturnValue:
        """What an act would concern; nothing happens."""
        reach = supervise.look_at(
            self.store, queue_ids=_chosen("queue"), staff_ids=_chosen("agent")
        )
        return jsonify(vars(reach))

    @roles("supervisor")
    def queues(self) -> ResponseReturnValue:
        store, who, form = self.store, current(), request.form
        chosen = _chosen("queue")
        do: dict[str, Callable[[], int]] = {
            "state": lambda: supervise.set_state(store, who, chosen, form.get("state", "")),
            "announcement": lambda: supervise.set_announcement(
                store, who, chosen, form.get("announcement", ""), _translations()
            ),
            "overflow": lambda: supervise.set_overflow(store, who, chosen, _number("minutes")),
        }
        # The change affects callers who ring or wait.
        return self._do(do.get(form.get("what", "")), by_password=True)

    @roles("supervisor")
    def agents(self) -> ResponseReturnValue:
        store, who, form = self.store, current(), request.form
        chosen = _chosen("agent")
        do: dict[str, Callable[[], int]] = {
            "queues": lambda: supervise.move_agents(store, who, chosen, _chosen("queue")),
            "pause": lambda: supervise.pause_agents(store, who, chosen, form.get("reason", "")),
            "sign_out": lambda: supervise.sign_out_agents(store, who, chosen),
        }
        many = len(set(chosen)) > supervise.MANY
        return self._do(do.get(form.get("what", "")), by_password=many)

    @roles("supervisor")
    def give(self) -> ResponseReturnValue:
        entry, agent = request.form.get("entry", ""), request.form.get("agent", "")
        return self._do(
            lambda: supervise.reassign(self.store, self.control, current(), entry, agent)
        )

    @roles("supervisor")
    def listen(self) -> ResponseReturnValue:
        if not is_proved():
            # A person at an unattended page must not hear conversations.
            return board_pages.refused(UNPROVED, "board.page")
        entry, mode = request.form.get("entry", ""), request.form.get("mode", "")
        return self._asked(
            lambda: monitor.listen_in(self.store, self.control, current().id, entry, mode)
        )

    @roles("supervisor")
    def leave(self) -> ResponseReturnValue:
        return self._asked(lambda: monitor.leave(self.store, self.control, current().id))

    @roles("supervisor")
    def floor(self) -> ResponseReturnValue:
        def do() -> int:
            campaign = self.campaigns.current()
            percent = _number("percent") if request.form.get("percent", "").strip() else None
            return supervise.set_floor(self.store, current(), campaign, percent)

        return self._do(do, by_password=True)

    @roles("supervisor")
    def threshold(self) -> ResponseReturnValue:
        def do() -> int:
            given = request.form.get("value", "").strip().replace(",", ".")
            try:
                value = float(given) if given else None
            except ValueError:
                raise ActRefused("value") from None
            name = request.form.get("name", "")
            return supervise.set_threshold(self.store, current(), name, value)

        return self._do(do)

    @roles("supervisor")
    def alert(self) -> ResponseReturnValue:
        alert_id = request.form.get("alert", "")
        return self._do(lambda: int(supervise.see_alert(self.store, current(), alert_id)))

    @roles("supervisor")
    def freeze(self) -> ResponseReturnValue:
        """Lift a freeze of cancelling by machine."""
        reason = request.form.get("reason", "")[:_LONGEST_REASON]
        return self._do(
            lambda: supervise.lift_freeze(self.store, current(), reason), by_password=True
        )

    @roles("supervisor")
    def let_go(self) -> ResponseReturnValue:
        chosen = _chosen("message")
        return self._do(
            lambda: supervise.let_go(self.store, current(), chosen),
            back="board.held",
            # It costs money, and one who sits down at an open page must not spend it.
            by_password=len(set(chosen)) > supervise.MANY,
        )

    @roles("supervisor")
    def undo(self) -> ResponseReturnValue:
        return self._do(
            lambda: supervise.undo(self.store, current(), _number("act")),
            back="board.acts",
            # It sets what an act on many may have set.
            by_password=True,
        )

    @roles("supervisor")
    def approve(self) -> ResponseReturnValue:
        """Confirm what another supervisor wants to do."""
        if not is_proved():
            return to_proof(url_for("board.approvals"))
        approval_id = request.form.get("approval", "")[:_LONGEST_ID]
        try:
            given = four_eyes.give(self.store, current(), approval_id)
        except four_eyes.NotYours:
            return board_pages.approvals_page(self.store, "own"), HTTPStatus.CONFLICT
        if not given:
            return board_pages.approvals_page(self.store, "late"), HTTPStatus.CONFLICT
        return board_pages.approvals_page(self.store, done=True)

    @roles("supervisor")
    def watch_name(self) -> ResponseReturnValue:
        """Watch a name from now on."""
        form = request.form
        born = birth(form.get("born", "")[:_LONGEST_BORN], board_pages.today_here(self.store))
        if born is None:
            return board_pages.watched_page(self.store, "born"), HTTPStatus.BAD_REQUEST
        try:
            watched.watch(self.store, form.get("name", "")[:_LONGEST_NAME], born, by=current().id)
        except watched.NoName:
            return board_pages.watched_page(self.store, "name"), HTTPStatus.BAD_REQUEST
        return redirect(url_for("board.watched_names"), HTTPStatus.SEE_OTHER)

    @roles("supervisor")
    def unwatch_name(self) -> ResponseReturnValue:
        """Watch a name no longer; it has its line in the history."""
        if not is_proved():
            return to_proof(url_for("board.watched_names"))
        watched.unwatch(self.store, request.form.get("watch", "")[:_LONGEST_ID], by=current().id)
        return redirect(url_for("board.watched_names"), HTTPStatus.SEE_OTHER)

    def _do(
        self,
        do: Callable[[], int | None] | None,
        *,
        back: str = "board.page",
        by_password: bool = False,
    ) -> ResponseReturnValue:
        """Do it, and say how many changed and by which numbers it can be taken back.

        An act that does not count what it changes changes one. `by_password`: only for a supervisor
        who gave it a moment ago.
        """
        if by_password and not is_proved():
            return board_pages.refused(UNPROVED, back)
        if do is None:
            return board_pages.refused("value", back)
        before = max((act.number for act in read_acts(self.store, limit=1)), default=0)
        try:
            count = do()
        except ActRefused as refused:
            return board_pages.refused(refused.why, back)
        changed = 1 if count is None else count
        undo: list[int] = []
        if changed:
            # One change may be two acts: an announcement, and its translations.
            mine = read_acts(self.store, limit=2 * changed, staff_id=current().id, after=before)
            undo = [entry.number for entry in mine if entry.act.what in supervise.CAN_BE_UNDONE]
        return _done(back, changed, undo)

    def _asked(self, do: Callable[[], CommandResult]) -> ResponseReturnValue:
        asked = do()
        if not (asked.done or asked.later):
            return board_pages.refused(asked.why, "board.page")
        return _done("board.page", 1, [])


def _done(back: str, changed: int, undo: list[int]) -> ResponseReturnValue:
    if not is_fetch():
        return redirect(url_for(back), HTTPStatus.SEE_OTHER)
    return jsonify(done=True, changed=changed, undo=undo)


def _chosen(name: str) -> list[str]:
    """The ids that were ticked."""
    return request.form.getlist(name)[:_MOST_CHOSEN]


def _translations() -> dict[str, str]:
    """The announcement in the languages other than the country's, by their codes."""
    return {
        code: request.form.get(f"announcement_{code}", "")
        for code in LANGUAGES
        if code != COUNTRY_LANGUAGE
    }


def _number(name: str) -> int:
    """Raises Refused."""
    try:
        return int(request.form.get(name, ""))
    except ValueError:
        raise ActRefused("value") from None
