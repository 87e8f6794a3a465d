"""/poste/cas: what no machine could settle, for agents who have time, and for their supervisors."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Blueprint, abort, request

from models.database import Connection
from services.desk import cases
from services.desk.booking import BookingRefused
from services.desk.cases import OpenedCase
from services.desk.search import TooManyProfiles
from web.desk.acts import ID, DeskAct, add_acts
from web.desk.desk_page import DeskPage
from web.desk.panel import in_words
from web.desk.state import iso
from web.pages import words


class CaseAct(DeskAct):
    """An act for a case. None is about a caller: an agent who has one has no time for it (409)."""

    def __init__(self, page: DeskPage, connection: Connection, about: str | None) -> None:
        super().__init__(page, connection, about)
        if self.entry is not None:
            abort(HTTPStatus.CONFLICT)

    def waiting_cases(self) -> Any:
        """The cases that wait, oldest first, without names."""
        return self._show_cases(None, "")

    def open_case(self) -> Any:
        """The file of a case: the case is the reason, and it is written down."""
        return self._show_cases(*self._opened())

    def ring_person(self) -> Any:
        """Promise the person a call by an agent."""
        numbers = self.page.service.numbers
        done = cases.ring(self.connection, self.store, self.staff, _case(), numbers)
        opened, trouble = self._opened()
        return self._show_cases(opened, trouble or _told(done, "rung"))

    def close_case(self) -> Any:
        """It is settled, in a word."""
        word = request.form.get("word", "")
        done = cases.close(self.connection, self.store, self.staff, _case(), word)
        opened, trouble = self._opened() if isinstance(done, BookingRefused) else (None, "")
        return self._show_cases(opened, trouble or _told(done, "closed"))

    def _opened(self) -> tuple[OpenedCase | None, str]:
        """The case with its file, and what is to be said instead where it cannot be shown."""
        case_id = _case()
        seen = self.has_read(cases.booking_of(self.connection, case_id) or "")
        try:
            found = cases.open_case(self.connection, self.store, self.staff, case_id, read=not seen)
        except TooManyProfiles:
            return None, words()["desk.search.too_many"]
        return found, "" if found else words()["desk.case.closed_before"]

    def _show_cases(self, opened: OpenedCase | None, notice: str) -> Any:
        return self._render(
            "desk/cases.html",
            cases=cases.waiting(self.connection, self.store),
            opened=opened,
            case_notice=notice,
            case_words=cases.WORDS,
            iso=iso,
        )


def add_to(desk: Blueprint, page: DeskPage) -> None:
    """Add the routes of /poste that have to do with cases."""
    add_acts(desk, page, CaseAct, {"/cas": CaseAct.waiting_cases}, method="GET")
    acts = {
        "/cas/ouvrir": CaseAct.open_case,
        "/cas/rappeler": CaseAct.ring_person,
        "/cas/clore": CaseAct.close_case,
    }
    add_acts(desk, page, CaseAct, acts)


def _case() -> str:
    """The case that the form is about."""
    case_id = request.form.get("case", "")
    if not ID.fullmatch(case_id):
        abort(HTTPStatus.NOT_FOUND)
    return case_id


def _told(done: bool | BookingRefused, new: str) -> str:  # noqa: FBT001 (what came of it)
    if isinstance(done, BookingRefused):
        return in_words(done)
    return words()[f"desk.case.{new if done else f'{new}_before'}"]
