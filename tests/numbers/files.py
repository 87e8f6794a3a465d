"""A file of numbers that is right, and ways to make it wrong."""

from __future__ import annotations

from pathlib import Path

from services.numbers.numbers import Known
from tests.campaign.files import save
from tests.support.keeper import ROOT

EXAMPLE = ROOT / "deploy" / "numbers.toml"
NATIONAL, BRETAGNE, ENGLISH = "+33974750001", "+33974750035", "+33974750044"
KNOWN = Known(("fr", "en", "es"), campaigns={"2021"}, queues={"fr", "en"}, staffed={"fr"})

GREETING = """
[numbers.greeting]
fr = "Bonjour. Ici la Bretagne."
en = "Hello. This is Brittany."
es = "Buenos días. Aquí Bretaña."
"""


def numbers_file(folder: Path, *entries: str, number: str = BRETAGNE) -> Path:
    """One number with these entries, each a line from line 3 on."""
    lines = ["[[numbers]]", f'number = "{number}"', *entries, ""]
    return save(folder / "numbers.toml", "\n".join(lines))
