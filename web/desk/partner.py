"""What an agent asks of a partner for a caller, and what became of it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Blueprint, abort, request

from services.desk.booking import is_nonce
from services.partners.booking import NotAsked, PartnerOrder, ask, is_of, state_of
from web.desk import forms
from web.desk.acts import ID, DeskAct, add_acts
from web.desk.desk_page import DeskPage
from web.desk.panel import in_words

_CENTRE_LETTERS = 40


class PartnerAct(DeskAct):
    """An order at a partner."""

    def ask_partner(self) -> None:
        """Ask a partner for an appointment; the page says what it answers."""
        panel = self._read_form()
        self._show_offers()
        slots = forms.places(request.form.get("slots", ""))
        nonce = request.form.get("partner_nonce", "")
        if not panel.wrong and not (slots and self.understood.born and is_nonce(nonce)):
            panel.wrong = ("choice",)
        if not panel.wrong:
            order = self._partner_order(slots, nonce)
            done = ask(self.connection, self.store, self.service, order)
            if isinstance(done, NotAsked):
                panel.notice = in_words(done)
            else:
                panel.partner_order = state_of(self.connection, self.store, done.id)
                panel.focus = "partner"
                self.messages += [done.message_id] if done.message_id else []
        self._remember_form()

    def _partner_order(self, slots: tuple[int, ...], nonce: str) -> PartnerOrder:
        form, meant, desk = self.panel.form, self.understood, self.desk
        return PartnerOrder(
            key=f"{desk.holder_id}:{nonce}",
            holder=desk.holder,
            centre_id=request.form.get("partner_centre", "")[:_CENTRE_LETTERS],
            slot_id=slots[0],
            second_slot_id=slots[1] if len(slots) > 1 else 0,
            first_name=request.form.get("first_name", ""),
            last_name=request.form.get("last_name", ""),
            born=meant.born[0],
            postcode=form.postcode,
            number=meant.number,
            text=bool(form.text),
            language=desk.language,
            groups=tuple(form.groups),
            for_other=bool(form.someone_else),
            who=self.staff.id,
            call_id=desk.call_id or None,
            campaign=self.wanted[0] if len(self.wanted) == 1 else "",
        )

    def partner_state(self) -> Any:
        """What became of an order of this agent; a script asks for it until it is over."""
        order_id = request.args.get("order", "")
        mine = ID.fullmatch(order_id) and is_of(
            self.connection, self.store, order_id, self.staff.id
        )
        found = state_of(self.connection, self.store, order_id) if mine else None
        if found is None:
            abort(HTTPStatus.NOT_FOUND)
        if not request.headers.get("HX-Request"):
            panel = self.show_kept(self.caller_profile())
            panel.partner_order, panel.focus = found, "partner"
            return None
        card = self.read_booking(found.booking_id) if found.booking_id else None
        return self._render("desk/partner.html", order=found, found=card, notice="")


def add_to(desk: Blueprint, page: DeskPage) -> None:
    """Add the routes of /poste that have to do with partners."""
    add_acts(desk, page, PartnerAct, {"/partenaire": PartnerAct.ask_partner}, for_caller=True)
    add_acts(desk, page, PartnerAct, {"/partenaire": PartnerAct.partner_state}, method="GET")
