"""What an agent looks up: a booking by what is known of a person, what was begun elsewhere."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Blueprint, abort, request

from services.booking.find_booking import FoundBooking
from services.desk import elsewhere
from services.desk.search import (
    REASONS,
    REFERENCE_DIGITS,
    Criteria,
    Masked,
    NoReason,
    TooFewCriteria,
    TooManyProfiles,
    open_found,
    search,
)
from web.desk import forms
from web.desk.acts import ID, DeskAct, add_acts, form_of
from web.desk.desk_page import DeskPage
from web.pages import words

_POSTCODE_LETTERS = 5


class LookUpAct(DeskAct):
    """A search, a code, or a link to finish on the site."""

    def search(self) -> Any:
        """Find bookings by what is known of a person; they are masked until a reason is chosen."""
        form = request.form
        reference = "".join(
            character for character in form.get("reference", "") if character.isdecimal()
        )
        by = Criteria(
            reference=reference if len(reference) == REFERENCE_DIGITS else "",
            number=forms.number_of(form.get("number", "")),
            born=forms.birth(form.get("born", ""), self._today()),
            postcode="".join(form.get("postcode", "").split())[:_POSTCODE_LETTERS],
            name=form.get("name", "")[: forms.MOST_LETTERS],
        )
        found: tuple[Masked, ...] = ()
        on_line = self.is_on_line
        try:
            found = search(self.connection, self.store, self.staff, by, on_line=on_line)
            notice = "" if found else "nothing"
        except TooFewCriteria:
            notice = "need_caller_or_more" if not self.is_on_line else "need_what"
        except TooManyProfiles:
            notice = "too_many"
        return self._render_found(notice, masked=found)

    def open_found(self) -> Any:
        """Open one of what was found, for a reason."""
        booking_id, reason = request.form.get("booking_id", ""), request.form.get("reason", "")
        if not ID.fullmatch(booking_id):
            abort(HTTPStatus.NOT_FOUND)
        try:
            found = open_found(
                self.connection,
                self.store,
                self.staff,
                booking_id,
                reason=reason,
                on_line=self.is_on_line,
            )
        except NoReason:
            return self._render_found("need_reason")
        except TooManyProfiles:
            return self._render_found("too_many")
        return self._render_found("", results=(found or abort(HTTPStatus.NOT_FOUND),))

    def _render_found(
        self,
        notice: str,
        *,
        masked: tuple[Masked, ...] = (),
        results: tuple[FoundBooking, ...] = (),
    ) -> Any:
        told = words()[f"desk.search.{notice}"] if notice else ""
        return self._render(
            "desk/results.html", masked=masked, results=results, search_notice=told, reasons=REASONS
        )

    def by_code(self) -> None:
        """Go on with what was begun on the site, or in a call that was cut, by its six digits."""
        code = "".join(
            character for character in request.form.get("code", "") if character.isdecimal()
        )
        self.show_kept(self.caller_profile()).focus = "wrong"
        if self.entry is None:
            self.panel.notice = words()["desk.code.no_caller"]
        elif len(code) != elsewhere.CODE_DIGITS:
            self.panel.notice = words()["desk.code.need"]
        else:
            self._take_up(code)

    def _take_up(self, code: str) -> None:
        try:
            session = elsewhere.take_up(self, self.staff, code, on_line=self.is_on_line)
        except TooManyProfiles:
            self.panel.notice = words()["desk.search.too_many"]
            return
        if session is None:
            self.panel.notice = words()["desk.code.nothing"]
            return
        number = session.number or session.caller
        panel = self._show(form_of(session, number, two=session.is_first_of_two))
        self._remember_form()
        self._show_offers()
        panel.notice = words()["desk.code.taken"]
        panel.focus = "offers" if panel.offers else "wrong"

    def link(self) -> None:
        """Write a link to finish on the site, with what is in the form and was chosen."""
        panel = self._read_form()
        town = self._where() if panel.form.place else None
        self._show_offers()
        if not panel.wrong:
            chosen = (request.form.getlist("places") or [""])[0]
            begun = elsewhere.PartnerSearch(
                born=self.understood.born,
                number=self.understood.number,
                town=town,
                offer=self._chosen(chosen) if town else None,
                groups=tuple(panel.form.groups),
            )
            nonce = request.form.get("link", "")
            self._do(elsewhere.send_link, "desk.link.sent", begun, nonce=nonce)
            self._show_offers()
        self._remember_form()


def add_to(desk: Blueprint, page: DeskPage) -> None:
    """Add the routes of /poste by which something is looked up, or goes on elsewhere."""
    for_caller = {"/code": LookUpAct.by_code, "/lien": LookUpAct.link}
    add_acts(desk, page, LookUpAct, for_caller, for_caller=True)
    look_up = {"/chercher": LookUpAct.search, "/chercher/ouvrir": LookUpAct.open_found}
    add_acts(desk, page, LookUpAct, look_up)
