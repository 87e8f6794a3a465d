"""Files that pages and their checks use, fetched once for each copy of the code."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

import config

from commands import assets
from tests.support import parts

# A browser's answer has no time limit of its own: what does not come says what it waits for.
_WITHIN = """const within = (seconds, what, of) => Promise.race([of, new Promise((_, fails) =>
    setTimeout(() => fails(new Error(`not after ${seconds} s: ${what()}`)), 1000 * seconds))]);"""
# A colour on its way to another is neither: a button that comes back takes 200 ms for it. In a part
# that is folded up time stands still, and what moves there never ends.
_STANDS = (
    "() => {"
    + _WITHIN
    + """
    const moves = document.getAnimations()
        .filter((one) => Number.isFinite(Number(one.effect.getComputedTiming().endTime)))
        .filter((one) => one.effect.target.checkVisibility());
    const told = () => moves.map((one) =>
        `${one.playState} ${one.effect.target?.outerHTML.slice(0, 200)}`).join("; ");
    return within(30, told, Promise.allSettled(moves.map((one) => one.finished)));
}"""
)
_LOOKS = (
    "async () => {"
    + _WITHIN
    + """
    const found = axe.run({resultTypes: ["violations"]});
    return (await within(90, () => "axe.run", found)).violations;
}"""
)


def fetched() -> None:
    """Have the files of others in place; gives up where they cannot be fetched."""
    try:
        assets.install(config.ROOT / "web", config.VAR, checks=True)
    except assets.CannotInstall as problem:
        parts.give_up(str(problem))


def hindrances(page: Page) -> list[str]:
    """What axe finds in a page as it stands that is serious or worse."""
    return [_told(one) for one in _found(page) if one["impact"] in {"serious", "critical"}]


def violations(page: Page) -> list[str]:
    """All that axe finds in a page as it stands."""
    return [_told(one) for one in _found(page)]


def _found(page: Page) -> list[dict[str, Any]]:
    fetched()
    if not page.evaluate("'axe' in window"):
        page.evaluate((config.VAR / "static" / "axe.min.js").read_text("utf-8"))
    page.evaluate(_STANDS)
    found: list[dict[str, Any]] = page.evaluate(_LOOKS)
    return found


def _told(one: dict[str, Any]) -> str:
    # With the colours or sizes it saw: what shows once in a hundred runs is read from a log.
    seen = [(node["target"], node["any"] and node["any"][0]["message"]) for node in one["nodes"]]
    return f"{one['id']}: {seen}"
