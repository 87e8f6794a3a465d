"""What is looked for in every page in every state, by a browser and without words of its own.

Each check gives what it found, one sentence a finding; none is good. The numbers of WCAG and RGAA
criteria stand beside each.
"""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

# A telephone, and WCAG 1.4.10: 1280 pixels at four times their size.
TELEPHONE, NARROW, SCREEN = 390, 320, 1280
# WCAG 1.4.4: letters of twice the size.
DOUBLE = "200%"

# A table of a paper, a plan or a chart may be wider than the page; it scrolls by itself.
_SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_RULES = """() => {
  const told = [], seen = document.querySelectorAll('h1, h2, h3, h4, h5, h6');
  let level = 0;
  for (const one of seen) {
    if (!one.checkVisibility()) continue;
    const now = Number(one.tagName[1]);
    if (now > level + 1) told.push(`heading ${one.tagName} after H${level}: ${one.innerText.slice(0, 40)}`);
    level = now;
  }
  const first = [...document.querySelectorAll('h1')].filter(one => one.checkVisibility());
  if (first.length !== 1) told.push(`${first.length} headings of the first level`);
  if (document.querySelectorAll('main').length !== 1) told.push('not one main');
  if (!document.title.trim()) told.push('no title');
  if (!document.documentElement.lang) told.push('no lang');
  const ids = [...document.querySelectorAll('[id]')].map(one => one.id);
  for (const id of new Set(ids)) if (ids.filter(one => one === id).length > 1) told.push(`twice: #${id}`);
  for (const one of document.querySelectorAll('[aria-describedby], [aria-labelledby]'))
    for (const name of ['aria-describedby', 'aria-labelledby'])
      for (const id of (one.getAttribute(name) ?? '').split(/\\s+/).filter(Boolean))
        if (!document.getElementById(id)) told.push(`${name} of nothing: ${id}`);
  const skip = document.querySelector('a.skip');
  if (!skip || !document.querySelector(skip.getAttribute('href'))) told.push('no way past the header');
  for (const one of document.querySelectorAll('[aria-invalid=true]'))
    if (!one.getAttribute('aria-describedby')) told.push(`wrong, and not said what: #${one.id}`);
  return told;
}"""
_BOX = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const style = getComputedStyle(one), box = one.getBoundingClientRect();
  const around = one.closest('label') && ['radio', 'checkbox'].includes(one.type) ? getComputedStyle(one.closest('label')) : style;
  one.dataset.met = (Number(one.dataset.met ?? 0) + 1);
  return {
    what: `${one.tagName} ${one.id || one.name || one.innerText?.slice(0, 30)}`, times: Number(one.dataset.met),
    shown: box.width > 0 && box.height > 0,
    ring: [style, around].some(of => of.outlineStyle !== 'none' && parseFloat(of.outlineWidth) >= 2),
  };
}"""
_MOVES = """() => document.getAnimations().filter(one => one.playState === 'running' && one.effect
  .getComputedTiming().duration > 100).map(one => `moves: ${one.effect.target?.id || one.effect.target?.className}`)"""
_UNSEEN = """() => [...document.querySelectorAll('button, .button, input:not([type=hidden]), select, textarea')]
  .filter(one => one.checkVisibility({opacityProperty: true}) && !one.disabled && !one.classList.contains('visually-hidden')
    && !one.matches('.quiet, .bare a, [type=radio], [type=checkbox]'))
  .filter(one => { const style = getComputedStyle(one); return style.borderTopStyle === 'none' || parseFloat(style.borderTopWidth) < 1; })
  .map(one => `no edge in forced colours: ${one.tagName} ${one.id || one.innerText}`)"""


def sideways(page: Page) -> list[str]:
    """WCAG 1.4.10; RGAA 10.11."""
    wide: int = page.evaluate(_SIDEWAYS)
    return [f"{wide} pixels sideways"] if wide > 0 else []


def narrow(page: Page) -> list[str]:
    """At 320 pixels, and at twice the size of letters. RGAA 10.4, 10.11.

    Citizens have a telephone in their hand then; whoever works here sits before a screen.
    """
    before = page.viewport_size
    work: bool = page.evaluate("document.body.classList.contains('work')")
    page.set_viewport_size({"width": NARROW, "height": 800})
    found = [f"at {NARROW}: {one}" for one in sideways(page)]
    page.set_viewport_size({"width": SCREEN if work else TELEPHONE, "height": 800})
    old: str = page.evaluate("document.documentElement.style.fontSize")
    page.evaluate(f"document.documentElement.style.fontSize = '{DOUBLE}'")
    found += [f"letters at {DOUBLE}: {one}" for one in sideways(page)]
    page.evaluate(f"document.documentElement.style.fontSize = '{old}'")
    found += spaced(page)
    if before:
        page.set_viewport_size(before)
    return found


def spaced(page: Page) -> list[str]:
    """Lines, letters and words farther apart, as some people set them. WCAG 1.4.12; RGAA 10.12."""
    page.evaluate(
        "for (const one of document.querySelectorAll('body, body *')) if (one.style) {"
        " one.style.lineHeight = '1.5'; one.style.letterSpacing = '.12em'; one.style.wordSpacing = '.16em'; }"
    )
    found = [f"spaced: {one}" for one in sideways(page)]
    page.evaluate(
        "for (const one of document.querySelectorAll('body, body *')) if (one.style)"
        " one.style.lineHeight = one.style.letterSpacing = one.style.wordSpacing = '';"
    )
    return found


def structure(page: Page) -> list[str]:
    """Title, language, headings in order, landmarks, ids. RGAA 8.3, 8.5, 9.1, 9.2, 11.10, 12.7."""
    found: list[str] = page.evaluate(_RULES)
    return found


def names(page: Page) -> list[str]:
    """What a screen reader is given: every control has a name of its own. RGAA 7.1, 11.1, 11.9."""
    client = page.context.new_cdp_session(page)
    try:
        nodes: list[dict[str, Any]] = client.send("Accessibility.getFullAXTree")["nodes"]
    finally:
        client.detach()
    found = []
    for node in nodes:
        role = node.get("role", {}).get("value")
        name = str(node.get("name", {}).get("value", "")).strip()
        if not node.get("ignored") and role in _NAMED and not name:
            found.append(f"{role} without a name")
    return found


_NAMED = frozenset(
    "button link textbox searchbox combobox checkbox radio listbox spinbutton switch heading"
    " navigation img tab menuitem slider dialog".split()
)


def keyboard(page: Page, most: int = 250) -> list[str]:
    """From the top to the end and out: each stop is seen, has a ring, and is met once.

    RGAA 10.7, 12.8, 12.9. The first stop is the way past the header (12.7).
    """
    page.evaluate(
        "() => { window.hadTheKeyboard = document.activeElement; document.activeElement?.blur();"
        " scrollTo(0, 0); }"
    )
    page.evaluate("getSelection()?.removeAllRanges()")
    page.evaluate(
        "() => { const one = document.createElement('span'); one.tabIndex = -1; one.id = 'from-the-top';"
        " document.body.prepend(one); one.focus(); }"
    )
    found = []
    for _ in range(most):
        page.keyboard.press("Tab")
        stop: dict[str, Any] | None = page.evaluate(_BOX)
        if stop is None or stop["times"] > 1:
            break
        if not stop["shown"]:
            found.append(f"has the keyboard and is not seen: {stop['what']}")
        if not stop["ring"]:
            found.append(f"has the keyboard and does not show it: {stop['what']}")
    else:
        found.append(f"no end after {most} stops")
    # A walk goes on as if nobody had been here.
    page.evaluate(
        "() => { document.getElementById('from-the-top')?.remove(); document.activeElement?.blur();"
        " window.hadTheKeyboard?.focus(); }"
    )
    page.evaluate("document.querySelectorAll('[data-met]').forEach(one => delete one.dataset.met)")
    return found


def still(page: Page) -> list[str]:
    """Nothing moves for whoever asked that nothing move. RGAA 13.8."""
    page.emulate_media(reduced_motion="reduce")
    # What was under way before is over; then something changes, as everything does in the dark.
    page.evaluate("document.getAnimations().forEach(one => one.cancel())")
    page.emulate_media(color_scheme="dark")
    found: list[str] = page.evaluate(_MOVES)
    page.emulate_media(reduced_motion="no-preference", color_scheme="light")
    return sorted(set(found))


def forced(page: Page) -> list[str]:
    """With the system's own colours every control has an edge still. RGAA 10.5, 10.7."""
    page.emulate_media(forced_colors="active")
    found: list[str] = page.evaluate(_UNSEEN)
    page.emulate_media(forced_colors="none")
    return found
