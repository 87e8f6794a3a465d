"""The code that somebody shows at their centre's door: the link of their text, as a picture.

It holds the link alone, which names nobody and opens nothing without a birth date.
"""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

# An eighth of it may be soiled or folded.
_CORRECTION: Final = "m"
# Readers need so many modules of white around it.
_WHITE: Final = 4
# Every reader undoes any of the eight masks. To try all of them and take the most even one was a
# tenth of what a visit took of a processor.
_MASK: Final = 0
NO_CODE: Final = Markup("")


def door_code(link: str) -> Markup:
    """A QR code as SVG, black on white whatever the page's colours are; empty without a link."""
    if not link:
        return NO_CODE
    # Of no use to most requests of a web worker.
    import segno  # noqa: PLC0415

    made = segno.make_qr(link, error=_CORRECTION, mask=_MASK)
    picture = made.svg_inline(border=_WHITE, dark="#000", light="#fff", omitsize=True)
    # Of modules alone: nothing of the link stands in it as text.
    return Markup(picture)  # noqa: S704
