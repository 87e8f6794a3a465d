"""What is looked for in every page in every state, by a browser and without words of its own.

Each check gives what it found, one sentence a finding; none is good. The numbers of WCAG and RGAA
criteria stand beside each.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import CDPSession, Error, Page

# A telephone; 1280 pixels at four times their size (WCAG 1.4.10); a screen to work at.
TELEPHONE, NARROW, SCREEN = 390, 320, 1280
# Pixels: a browser's own size of letters, and twice of it (WCAG 1.4.4).
SINGLE, DOUBLE = 16, 32
# A paper to be printed, and what hangs on a wall: no telephone shows them.
WIDE = frozenset({"secretary-print", "board-wall", "counter-print", "numbers-wall"})
# Stops of the keyboard in one page; the board of a busy day has some hundred.
MOST_STOPS = 250

_SCRIPT = (Path(__file__).parent / "checks.js").read_text("utf-8")
_TYPED = ("textbox", "searchbox", "combobox", "checkbox", "radio", "listbox", "spinbutton")
_PRESSED = ("button", "link", "switch", "slider", "tab", "menuitem")
_NAMED = frozenset((*_TYPED, *_PRESSED, "heading", "navigation", "img", "dialog"))


def _asks(page: Page, question: str) -> Any:
    """The answer of checks.js in this page."""
    page.evaluate(_SCRIPT)
    return page.evaluate(f"look.{question}")


def settled(page: Page) -> None:
    """End what is on its way: colours between two schemes are nobody's."""
    _asks(page, "settle()")


def sideways(page: Page) -> list[str]:
    """WCAG 1.4.10; RGAA 10.11."""
    wide: int = _asks(page, "sideways()")
    return [f"{wide} pixels sideways"] if wide > 0 else []


def letters(page: Page, pixels: int) -> None:
    """The size of letters that a person has set in the browser: what is in rem grows with it."""
    client = page.context.new_cdp_session(page)
    client.send("Page.setFontSizes", {"fontSizes": {"standard": pixels}})
    client.detach()


def narrow(page: Page) -> list[str]:
    """At 320 pixels, at twice the size of letters, and with letters apart.

    RGAA 10.4, 10.11, 10.12. Citizens have a telephone in their hand when they make letters larger;
    whoever works here sits before a screen.
    """
    before = page.viewport_size
    work: bool = page.evaluate("document.body.classList.contains('work')")
    page.set_viewport_size({"width": NARROW, "height": 800})
    found = [f"at {NARROW}: {one}" for one in sideways(page)]
    page.set_viewport_size({"width": SCREEN if work else TELEPHONE, "height": 800})
    letters(page, DOUBLE)
    found += [f"letters of {DOUBLE} pixels: {one}" for one in sideways(page)]
    letters(page, SINGLE)
    _asks(page, "spaces('1.5', '.12em', '.16em')")
    found += [f"letters apart: {one}" for one in sideways(page)]
    _asks(page, "spaces('', '', '')")
    if before:
        page.set_viewport_size(before)
    return found


def structure(page: Page) -> list[str]:
    """Title, language, headings in order, one content, ids, what is wrong tied to its field.

    RGAA 8.3, 8.5, 9.1, 9.2, 11.10, 12.7.
    """
    found: list[str] = _asks(page, "structure()")
    return found


def names(page: Page) -> list[str]:
    """What a screen reader is given: every control has a name of its own. RGAA 7.1, 11.1, 11.9."""
    client = page.context.new_cdp_session(page)
    found = []
    try:
        for node in client.send("Accessibility.getFullAXTree")["nodes"]:
            role = node.get("role", {}).get("value")
            name = str(node.get("name", {}).get("value", "")).strip()
            if not node.get("ignored") and role in _NAMED and not name:
                found.append(f"{role} without a name: {_marks(client, node)}")
    finally:
        client.detach()
    return found


def _marks(client: CDPSession, node: dict[str, Any]) -> str:
    """The element behind a node of the accessibility tree, by its tag and attributes."""
    of = {"backendNodeId": node["backendDOMNodeId"]}
    try:
        element = client.send("DOM.describeNode", of)["node"]
    except Error:
        return "gone since"
    return " ".join([element["localName"], *element.get("attributes", [])])


def keyboard(page: Page) -> list[str]:
    """From the top to the end and out: each stop is seen, has a ring, and is met once.

    RGAA 10.7, 12.8, 12.9.
    """
    _asks(page, "begins()")
    found = []
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        stop: dict[str, Any] | None = page.evaluate("look.stop()")
        if stop is None or stop["times"] > 1:
            break
        if not stop["shown"]:
            found.append(f"has the keyboard and is not seen: {stop['what']}")
        if not stop["ring"]:
            found.append(f"has the keyboard and does not show it: {stop['what']}")
    else:
        found.append(f"no end after {MOST_STOPS} stops")
    page.evaluate("look.ends()")
    return found


def still(page: Page) -> list[str]:
    """Nothing moves for whoever asked that nothing move. RGAA 13.8."""
    page.emulate_media(reduced_motion="reduce")
    settled(page)
    # Something changes, as everything does in the dark.
    page.emulate_media(color_scheme="dark")
    found: list[str] = _asks(page, "moving()")
    page.emulate_media(reduced_motion="no-preference", color_scheme="light")
    return sorted(set(found))


def forced(page: Page) -> list[str]:
    """With the system's own colours every control has its edge and its letters. RGAA 10.5, 10.7."""
    page.emulate_media(forced_colors="active")
    found: list[str] = [*_asks(page, "edgeless()"), *_asks(page, "unseenLetters()")]
    page.emulate_media(forced_colors="none")
    return found
