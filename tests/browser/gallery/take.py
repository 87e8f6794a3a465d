"""Pictures of every page in every state, and one sheet of all of them: `make pictures`.

    python -m tests.browser.gallery.take [--to FOLDER] [--only NAME …] [--language fr|en|es]
                                         [--dark] [--print] [--forced-colors] [--large] [--docs]

FOLDER (var/pictures) gets a picture of each state at 390 and 1280 pixels, of the wall at 1920; the
options add the same in dark colours, as printed, in forced colours, and with letters of twice the
size. `--docs` puts those that the docs show into docs/pictures. `--only desk` is a stage, `--only
desk-rings` one state; it may be said more than once.
`index.html` there shows all of them side by side by their names, and so does a sheet-*.png of each
stage. It ends with 1 where a walk failed, a page complained, something sticks out at the side, or a
page of ours is in no state.
"""

from __future__ import annotations

import argparse
import html
import itertools
import shutil
import sys

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from playwright.sync_api import Browser, Page

import config

from tests.browser.gallery import checks
from tests.browser.gallery.eye import HEIGHT, WIDTH, Gone, Stage, goes_through
from tests.browser.gallery.stages import STAGES
from tests.browser.gallery.unseen import unseen
from tests.browser.stage import chromium
from tests.support.keeper import ROOT
from tests.support.pages import fetched
from tests.support.postgres import empty_stores

WIDTHS: Final = (390, 1280)
# Whatever hangs on a wall is looked at there.
OWN_WIDTHS: Final = {"board-wall": (1920,), "numbers-wall": (1920,)}
# Pictures that the docs show, with the state and the width that each is taken of.
OF_DOCS: Final = {
    "desk-1280.png": ("desk-read-back", 1280),
    "board-1280.png": ("board-board", 1280),
    "centre-1280.png": ("secretary-day", 1280),
}
HEIGHTS: Final = {390: 844, 1280: 900, 1920: 1080}
# What a variant asks of the browser.
VARIANTS: Final[dict[str, dict[str, Any]]] = {
    "": {},
    "dark": {"color_scheme": "dark"},
    "print": {"media": "print"},
    "forced-colors": {"forced_colors": "active"},
    "large": {},
}
_PLAIN: Final[dict[str, Any]] = {
    "color_scheme": "light",
    "media": "screen",
    "forced_colors": "none",
    "reduced_motion": "reduce",
}
_STYLE = """
body { margin: 1rem; font: 14px system-ui, sans-serif; background: #fff; color: #111; }
section { display: inline-flex; gap: 1rem; align-items: flex-start; vertical-align: top; }
section { margin: 1rem 1.5rem 0 0; }
h2 { margin: 2rem 0 0; border-top: 2px solid #111; } figure { margin: 0; }
figcaption { max-width: 32rem; font-weight: 700; } .bad figcaption { color: #a00; }
img { display: block; border: 1px solid #888; max-height: 700px; }
img { object-fit: cover; object-position: top; }
.w390 img { width: 195px; } .w1280 img { width: 512px; } .w1920 img { width: 768px; }
"""


@dataclass
class Camera:
    """Takes what it looks at; `only` are names of stages or states, none of them: all."""

    folder: Path
    variants: Sequence[str] = ("",)
    only: Sequence[str] = ()
    taken: list[tuple[str, str, int]] = field(default_factory=list)
    faults: dict[str, list[str]] = field(default_factory=dict)

    def wants(self, name: str) -> bool:
        return not self.only or any(name == one or name.startswith(f"{one}-") for one in self.only)

    def __call__(self, page: Page, name: str) -> None:
        if not self.wants(name):
            return
        for variant, width in itertools.product(self.variants, OWN_WIDTHS.get(name, WIDTHS)):
            page.emulate_media(**(_PLAIN | VARIANTS[variant]))
            page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
            if variant == "large":
                checks.letters(page, checks.DOUBLE)
            # Charts draw themselves anew for the width that they have now.
            page.wait_for_timeout(150)
            asks = variant != "print" and name not in checks.WIDE
            found = checks.sideways(page) if asks else []
            file = self.file(name, variant, width)
            page.screenshot(path=self.folder / file, full_page=width < HEIGHTS[1920])
            self.taken.append((name, variant, width))
            if found:
                self.faults.setdefault(file, []).extend(found)
            if variant == "large":
                checks.letters(page, checks.SINGLE)
        page.emulate_media(**_PLAIN)
        page.set_viewport_size({"width": WIDTH, "height": HEIGHT})

    @staticmethod
    def file(name: str, variant: str, width: int) -> str:
        return f"{'-'.join(filter(None, (name, str(width), variant)))}.png"


def asked(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make pictures", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--to", type=Path, default=config.VAR / "pictures")
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--language", default="fr", choices=("fr", "en", "es"))
    for name in filter(None, VARIANTS):
        parser.add_argument(f"--{name}", action="append_const", dest="more", const=name)
    parser.add_argument("--docs", action="store_true")
    return parser.parse_args(words)


def stages_of(only: Sequence[str]) -> list[Stage]:
    """The stages that these names are of; all of them for no name."""
    names = [one.partition("-")[0] for one in only]
    return [one for one in STAGES if not names or one.name.partition("-")[0] in names]


def sheet(camera: Camera, stages: Sequence[str]) -> str:
    """One page with all pictures, the states of a stage under one another."""
    lines = [
        "<!doctype html><meta charset=utf-8><title>Pictures</title>",
        f"<style>{_STYLE}</style>",
    ]
    for stage in stages:
        lines.append(f"<h2 id={stage}>{stage}</h2>")
        of_stage = [one for one in camera.taken if one[0].startswith(f"{stage}-")]
        for name, pictures in itertools.groupby(of_stage, key=lambda one: one[0]):
            lines.append("<section>")
            for _, variant, width in pictures:
                file = camera.file(name, variant, width)
                faults = "; ".join(camera.faults.get(file, []))
                said = html.escape(f"{name} {width} {variant} {faults}".strip())
                lines.append(
                    f'<figure class="w{width}{" bad" if faults else ""}"><figcaption>{said}'
                    f'</figcaption><a href="{file}"><img src="{file}" alt="{said}"></a></figure>'
                )
            lines.append("</section>")
    return "\n".join(lines)


def _names(camera: Camera) -> Iterator[str]:
    yield from dict.fromkeys(one[0].partition("-")[0] for one in camera.taken)


def lays_out(browser: Browser, camera: Camera) -> None:
    """Write the sheet as a page, and as one picture for each stage."""
    stages = list(_names(camera))
    for name, shown in [("index", stages), *((f"sheet-{one}", [one]) for one in stages)]:
        file = camera.folder / f"{name}.html"
        file.write_text(sheet(camera, shown), "utf-8")
        if name == "index":
            continue
        page = browser.new_page(viewport={"width": 2400, "height": 1000})
        page.goto(file.resolve().as_uri())
        page.screenshot(path=camera.folder / f"{name}.png", full_page=True)
        page.close()
        file.unlink()


def main(words: Sequence[str]) -> int:
    wish = asked(words)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    fetched()
    wish.to.mkdir(parents=True, exist_ok=True)
    camera = Camera(wish.to, ("", *(wish.more or ())), wish.only)
    with empty_stores() as create, chromium() as browser:
        gone = goes_through(stages_of(wish.only), create, browser, camera, wish.language)
        lays_out(browser, camera)
    if wish.docs:
        for file, (state, width) in OF_DOCS.items():
            shutil.copy(wish.to / camera.file(state, "", width), ROOT / "docs" / "pictures" / file)
    failures = [
        *gone.failures,
        *(f"{file}: {one}" for file, found in camera.faults.items() for one in found),
    ]
    if not wish.only:
        failures += [f"no state shows {one}" for one in sorted(unseen(gone.templates))]
    elif not camera.taken:
        failures.append(f"nothing is called {', '.join(wish.only)}")
    return _tell(camera, gone, failures)


def _tell(camera: Camera, gone: Gone, failures: Sequence[str]) -> int:
    for one in failures:
        sys.stderr.write(f"{one}\n")
    sheet_at = camera.folder / "index.html"
    sys.stdout.write(
        f"{len(camera.taken)} pictures of {len({one[0] for one in camera.taken})} states"
        f" ({len(gone.seen)} gone through), {len(failures)} faults: {sheet_at}\n"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
