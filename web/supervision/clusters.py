"""/supervision/groupes: bookings that resemble one another; to look at, to free, to take back.

Counts alone until a supervisor looks at one. Forms without a script; each act says what came of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from services.campaign.campaigns import Campaigns
from services.store import Store
from services.supervision import clusters
from services.supervision.clusters import OpenedCluster
from services.supervision.supervise import ActRefused
from web.marks import roles
from web.pages import words
from web.staff_only import current, is_proved, to_proof
from web.written import Written

_ID_LETTERS = 32
_WHY_LETTERS = 120


def blueprint(store: Store, campaigns: Campaigns) -> Blueprint:
    """The routes of /supervision/groupes."""
    pages = Blueprint("clusters", __name__, url_prefix="/supervision/groupes")
    view = ClusterPages(store, campaigns)
    pages.add_url_rule("", "page", view.page, methods=["GET"])
    for path, act in (("/voir", view.look), ("/liberer", view.free), ("/annuler", view.take_back)):
        pages.add_url_rule(path, act.__name__, act, methods=["POST"])
    return pages


@dataclass(frozen=True)
class ClusterPages:
    """What supervisors see of clusters, and do about them."""

    store: Store
    campaigns: Campaigns

    @roles("supervisor", "operator")
    def page(self) -> ResponseReturnValue:
        """The list; `fait` and `nombre` say what was done just now."""
        done, people = request.args.get("fait", ""), request.args.get("nombre", 0, type=int)
        told = words().text(f"board.cluster.{done}", count=people) if done in _DONE else ""
        return self._shows(told=told)

    @roles("supervisor")
    def look(self) -> ResponseReturnValue:
        """The lines of one, masked; that they were looked at is written down first."""
        try:
            with self.store.database.transaction() as connection:
                opened = clusters.look(connection, self.store, current(), _id("cluster"))
        except ActRefused as refused:
            return self._refused(refused)
        return self._shows(opened)

    @roles("supervisor")
    def free(self) -> ResponseReturnValue:
        """Cancel all of one, or those that nothing reached, with a reason."""
        why = request.form.get("why", "")[:_WHY_LETTERS]
        unreached = request.form.get("which", "") == "unreached"
        return self._acts(
            "freed",
            lambda: (
                clusters.free(
                    self.store, current(), _id("cluster"), why, unreached=unreached
                ).people
            ),
        )

    @roles("supervisor")
    def take_back(self) -> ResponseReturnValue:
        """Book again what was freed."""
        return self._acts(
            "restored",
            lambda: clusters.take_back(self.store, current(), self.campaigns.by_name, _id("freed")),
        )

    def _acts(self, done: str, act: Callable[[], int]) -> ResponseReturnValue:
        if not is_proved():
            # It concerns many people: a person at an unattended page must not do it.
            return to_proof(url_for("clusters.page"))
        try:
            people = act()
        except ActRefused as refused:
            return self._refused(refused)
        path = url_for("clusters.page", fait=done, nombre=people)
        return redirect(path, HTTPStatus.SEE_OTHER)

    def _refused(self, refused: ActRefused) -> ResponseReturnValue:
        spoken = words()
        key = f"board.why.{refused.why}"
        problem = spoken[key] if key in spoken else spoken.text("board.why.other", code=refused.why)
        return self._shows(problem=problem), HTTPStatus.CONFLICT

    def _shows(
        self, opened: OpenedCluster | None = None, *, told: str = "", problem: str = ""
    ) -> str:
        with self.store.database.statement() as connection:
            shown = clusters.shown(connection, self.store)
        page: dict[str, Any] = {"shown": shown, "opened": opened, "told": told, "problem": problem}
        return render_template(
            "supervision/clusters.html",
            written=Written(words()),
            minutes=int(clusters.UNDO_FREED.total_seconds() // 60),
            may_act=current().role == "supervisor",
            **page,
        )


_DONE = frozenset({"freed", "restored"})


def _id(name: str) -> str:
    return request.form.get(name, "")[:_ID_LETTERS]
