"""Takes the pictures of the public pages: `python -m tests.browser.public_pictures [FOLDER]`."""

from __future__ import annotations

import sys

from pathlib import Path

from tests.browser.album import album
from tests.browser.public_stage import Site, public_site
from tests.browser.stage import chromium
from tests.support.parts import BROWSER, find_chromium, lacking

PAGES = {
    "home": "/",
    "centres": "/centres",
    "departement": "/centres/dep/75",
    "centre": "/centres/1",
    "state": "/etat",
    "privacy": "/confidentialite",
    "accessibility": "/accessibilite",
}
# Those that the docs show; all of them with `--all`, in both schemes.
SHOWN = ("home", "state")


def take(site: Site, folder: Path, *, everything: bool = False) -> None:
    path = find_chromium()
    assert path is not None, lacking(BROWSER)
    schemes = ("light", "dark") if everything else ("light",)
    with chromium(path) as browser:
        for width, height in ((390, 844), (1280, 900)):
            for scheme in schemes:
                context = browser.new_context(
                    viewport={"width": width, "height": height},
                    color_scheme=scheme,  # type: ignore[arg-type]
                )
                page = context.new_page()
                more = f"-{scheme}" if everything else ""
                for name, address in PAGES.items():
                    if name in SHOWN or everything:
                        page.goto(f"{site.url}{address}")
                        page.screenshot(
                            path=folder / f"public-{name}-{width}{more}.png", full_page=True
                        )
                if everything:
                    page.goto(f"{site.url}/centres")
                    page.fill("#where", "75011")
                    page.keyboard.press("Enter")
                    page.wait_for_selector("table")
                    page.screenshot(path=folder / f"public-near-{width}{more}.png", full_page=True)
                context.close()


def main() -> None:
    words = [word for word in sys.argv[1:] if word != "--all"]
    with album(words) as (folder, create), public_site(create()) as site:
        take(site, folder, everything="--all" in sys.argv)


if __name__ == "__main__":
    main()
