"""/poste/cas: what no machine could settle, for agents who have time, and for their supervisors."""

from __future__ import annotations

import re

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask import Blueprint, abort, render_template, request

from models.database import Connection
from services.desk import cases
from services.desk.booking import BookingRefused
from services.desk.cases import OpenedCase
from services.desk.search import TooManyProfiles
from web.desk.agent_session import (
    AgentSession,
    DeskPage,
    DeskParts,
    agent_session_of,
    has_read,
    new_nonce,
    told_of,
)
from web.desk.caller import CallerRoutes, as_function
from web.desk.state import iso
from web.pages import words
from web.staff_only import current
from web.written import DeskWords

View = Callable[..., Any]
_ID = re.compile(r"[0-9a-f]{1,32}")


class CasePages:
    """The routes of /poste that have to do with cases. None is about a caller."""

    def __init__(self, parts: DeskParts, page: DeskPage, caller: CallerRoutes) -> None:
        self._parts = parts
        self._store = parts.store
        self._page = page
        self._caller = caller

    def add_to(self, desk: Blueprint, agents: Callable[[View], View]) -> None:
        """Add the routes."""
        desk.add_url_rule("/cas", "cas", agents(as_function(self.list)), methods=["GET"])
        for path, name, view in (
            ("/cas/ouvrir", "cas_ouvrir", self.open),
            ("/cas/rappeler", "cas_rappeler", self.ring),
            ("/cas/clore", "cas_clore", self.close),
        ):
            desk.add_url_rule(path, name, agents(as_function(view)), methods=["POST"])

    def list(self) -> Any:
        """The cases that wait, oldest first; nobody's name."""
        with self._store.database.transaction() as connection:
            return self._show(connection, None, "")

    def open(self) -> Any:
        """The file of a case: the case is the reason, and it is written down."""
        with self._store.database.transaction() as connection:
            opened, notice = self._opened(connection)
            return self._show(connection, opened, notice)

    def ring(self) -> Any:
        """Promise the person a call by an agent."""
        with self._store.database.transaction() as connection:
            self._seat(connection)
            done = cases.ring(connection, self._store, current(), self._case())
            notice = self._told(done, "rung", "rung_before")
            opened, trouble = self._opened(connection)
            return self._show(connection, opened, trouble or notice)

    def close(self) -> Any:
        """It is settled, in a word."""
        word = request.form.get("word", "")
        with self._store.database.transaction() as connection:
            self._seat(connection)
            done = cases.close(connection, self._store, current(), self._case(), word)
            notice = self._told(done, "closed", "closed_before")
            opened = None
            if isinstance(done, BookingRefused):
                opened, trouble = self._opened(connection)
                notice = trouble or notice
            return self._show(connection, opened, notice)

    @staticmethod
    def _told(done: bool | BookingRefused, new: str, again: str) -> str:  # noqa: FBT001 (what came of it)
        if isinstance(done, BookingRefused):
            return words()[f"desk.refused.{done.why}"]
        return words()[f"desk.case.{new if done else again}"]

    @staticmethod
    def _case() -> str:
        """The case that the form is about."""
        case_id = request.form.get("case", "")
        if not _ID.fullmatch(case_id):
            abort(HTTPStatus.NOT_FOUND)
        return case_id

    def _opened(self, connection: Connection) -> tuple[OpenedCase | None, str]:
        """The case with its file, and what is to be said instead where it cannot be shown."""
        case_id = self._case()
        seat = self._seat(connection)
        booking_id = cases.booking_of(connection, case_id) or ""
        seen = has_read(connection, self._store, seat, booking_id)
        try:
            found = cases.open_case(connection, self._store, seat.staff, case_id, read=not seen)
        except TooManyProfiles:
            return None, words()["desk.search.too_many"]
        return found, "" if found else words()["desk.case.closed_before"]

    def _seat(self, connection: Connection) -> AgentSession:
        """The agent, who has nobody on the line: whoever has a caller has no time for this."""
        seat = agent_session_of(connection, self._store, current())
        if seat.entry is not None:
            abort(HTTPStatus.CONFLICT)
        return seat

    def _show(self, connection: Connection, opened: OpenedCase | None, notice: str) -> Any:
        """The part for a script, else the whole page with it."""
        seat = self._seat(connection)
        more = {
            "cases": cases.waiting(connection),
            "opened": opened,
            "case_notice": notice,
            "case_words": cases.WORDS,
            "told_of": told_of(self._store, self._parts.service, connection),
        }
        if request.headers.get("HX-Request"):
            return render_template(
                "desk/cases.html",
                w=DeskWords(words()),
                seat=seat,
                iso=iso,
                new_nonce=new_nonce,
                **more,
            )
        panel = self._caller.panel(connection, seat, None)
        return self._page.whole(seat, None, panel=panel, **more)
