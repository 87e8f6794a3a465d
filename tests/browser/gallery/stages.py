"""Every stage, in the order of the sheet; each one's states are in its own module."""

from __future__ import annotations

from tests.browser.gallery import (
    board,
    booking,
    desk,
    mine,
    public,
    secretary,
    seldom,
    services,
    staff,
    wrong,
)

STAGES = (
    public.STAGE,
    booking.STAGE,
    booking.BEFORE,
    booking.AFTER,
    booking.GROUP,
    mine.STAGE,
    *seldom.SELDOM,
    wrong.STAGE,
    desk.STAGE,
    board.STAGE,
    board.EMPTY,
    secretary.STAGE,
    services.SITE,
    services.BOTH,
    services.APART,
    services.BOARD,
    services.DESK,
    services.CENTRE,
    staff.STAGE,
)
