"""The code that a visitor shows at their centre's door: the link of their text, as a picture.

It holds the link alone, which names no person and opens nothing without a birth date.
"""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from services.qr_code import qr_code

NO_CODE: Final = Markup("")


def door_code(link: str) -> Markup:
    """A QR code as SVG; empty without a link. An eighth of it may be soiled or folded."""
    return Markup(qr_code(link, "M").svg()) if link else NO_CODE  # noqa: S704
