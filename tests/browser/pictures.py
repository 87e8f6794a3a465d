"""Takes the pictures of the telephone for the docs: `python -m tests.browser.pictures [FOLDER]`.

At 390 pixels in the middle of a call, at 1280 after it with the text that came.
"""

from __future__ import annotations

import sys

from pathlib import Path

import structlog

from exchange.interpreter import Keys
from tests.browser.stage import Stage, Visitor, chromium, stage
from tests.support.keeper import ROOT
from tests.support.postgres import empty_stores
from tools.simulator.answers import AnswersLeg

ANSWERS = {"dob": "12031942", "postcode": "75011"}
MOBILE = "+33612345678"
# What stands on the calling line, by the width of the picture: one line would resume the other.
NUMBERS = {390: "06 98 76 54 32", 1280: "06 12 34 56 78"}


def take(staged: Stage, folder: Path) -> None:
    with chromium() as browser:
        for width, height in ((390, 844), (1280, 860)):
            context = browser.new_context(viewport={"width": width, "height": height})
            number = NUMBERS[width]
            context.add_init_script(f"localStorage.setItem('telephone.mobile', '{number}')")
            page = context.new_page()
            visitor = Visitor(page, staged.url)
            visitor.hurries()
            visitor.calls()
            leg = AnswersLeg(ANSWERS, MOBILE)
            if width < height:
                _to_the_offers(visitor, leg)
            else:
                visitor.books(leg)
                staged.delivers()
                page.wait_for_selector("#texts .text")
            # As most people will see it, and the last bubble scrolls into view with the next frame.
            page.evaluate("$('voice').checked = true; $('patient').checked = false")
            page.wait_for_timeout(500)
            page.mouse.move(0, 0)
            page.screenshot(path=folder / f"telephone-{width}.png")
            context.close()


def _to_the_offers(visitor: Visitor, leg: AnswersLeg) -> None:
    while (question := visitor.question()) and "Autre jour ou lieu" not in visitor.told():
        answer = visitor.answer(leg, question)
        assert isinstance(answer, Keys)
        visitor.presses(answer.digits)


def main() -> None:
    folder = Path(sys.argv[1]) if sys.argv[1:] else ROOT / "docs" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with empty_stores() as create, stage(create()) as staged:
        take(staged, folder)


if __name__ == "__main__":
    main()
