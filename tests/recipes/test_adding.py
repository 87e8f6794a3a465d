"""The recipes of docs/adding.md, followed to the letter in a copy of the project."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
COPIED = (
    *("campaigns", "commands", "exchange", "flows", "ivr", "jobs", "models"),
    *("partners", "prompts", "services", "tools", "web"),
)
FENCE = re.compile(r"^```(\w+)\n# ([^\n]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def snippets(heading: str) -> list[tuple[str, str, str]]:
    """Kind, where it goes, and text of each fenced piece of a recipe that has a place."""
    page = (ROOT / "docs/adding.md").read_text("utf-8")
    section = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return FENCE.findall(section)


def follow(heading: str, copy: Path, *, words: bool = True) -> None:
    """Do what the recipe says, and nothing that it does not say; `words`: with its sentences."""
    for kind, where, text in snippets(heading):
        path, _, at = where.removeprefix("new file: ").partition(", ")
        if where.startswith("new file: "):
            assert not (copy / path).exists()
            (copy / path).write_text(text, "utf-8")
        elif kind == "diff":
            old, new = (line[1:] for line in text.splitlines())
            before = (copy / path).read_text("utf-8")
            assert before.count(old) == 1, path
            (copy / path).write_text(before.replace(old, new), "utf-8")
        elif words:
            for each in in_every_language(copy, path):
                add_words(each, at, text)


def in_every_language(copy: Path, path: str) -> list[Path]:
    """The files that say in other languages what this one says in French."""
    folder, name = (copy / path).parent, Path(path).name
    return sorted(folder.glob(name.replace("fr.toml", "??.toml")))


def add_words(path: Path, at: str, text: str) -> None:
    before = path.read_text("utf-8")
    if at == "at its end":
        path.write_text(f"{before}\n{text}", "utf-8")
        return
    assert before.count(f"\n{at}\n") == 1, (path, at)
    path.write_text(before.replace(f"\n{at}\n", f"\n{at}\n{text}", 1), "utf-8")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    # With what is compiled: to compile the service anew takes longer than most recipes.
    ignored = shutil.ignore_patterns("audio", "static")
    for name in COPIED:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    shutil.copytree(ROOT / "tests/flows", tmp_path / "tests/flows", ignore=ignored)
    (tmp_path / "data").symlink_to(ROOT / "data")
    return tmp_path


def run(copy: Path, program: str, *arguments: str) -> str:
    """Run a program in the copy, and there alone; gives what it printed."""
    done = subprocess.run(  # noqa: S603 (our own program)
        [sys.executable, "-c", program, *arguments],
        cwd=copy,
        env={"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


A_CALL = """
import json
from pathlib import Path
from flows.session import Session
from flows.steps import STEPS
from prompts.check import check
from prompts.screens import screen
from services.supervision.board import menu
from tests.flows.talk import Talk
from web.online.booking import SLUGS

talk = Talk().goes_to("stairs")
asked = talk.said
talk.says("oui")
after = (talk.step, talk.session.note("stairs"))
talk.goes_to("ready")
print(json.dumps({
    "asked": asked,
    "after": after,
    "ends_at": talk.step,
    "booked": bool(talk.session.reference),
    "kept": Session.from_json(talk.session.to_json()).note("stairs"),
    "groups": dict(menu({"stairs": 3})["groups"]),
    "listed": list(STEPS)[list(STEPS).index("not_since"):][:3],
    "label": screen("fr")["desk.step.stairs"],
    "page": [SLUGS["stairs"], screen("fr")["book.stairs.key_2"]],
    "wrong": [str(one) for one in check(Path("prompts")) if one.file == "fr.toml"],
}))
"""


def test_a_step_is_its_file_and_its_words(copy):
    follow("A step of the conversation", copy)
    told = json.loads(run(copy, A_CALL))
    assert told["asked"][-1] == "stairs"
    assert told["after"] == ["postcode", "1"]
    assert (told["ends_at"], told["booked"], told["kept"]) == ("ready", True, "1")
    assert told["groups"]["birth"] == 3
    assert "other" not in told["groups"]
    assert told["listed"] == ["not_since", "stairs", "postcode"]
    assert told["label"] == "Peut monter un escalier\u00a0?"
    assert told["page"] == ["escalier", "Non"]
    assert told["wrong"] == []


CHECKED = """
import json
from click.testing import CliRunner
from commands import calls, prompts

checked = CliRunner().invoke(prompts.make(), ["check"])
timed = CliRunner().invoke(calls.make(), ["time"])
print(json.dumps([checked.exit_code, checked.stderr, timed.exit_code, timed.stderr]))
"""


def missing(step: str, key: str, language: str) -> str:
    file = f"{language}.toml"
    return (
        f"{file}: say.{key}: missing; the step {step} says it:"
        f" write it in prompts/{file}, in the table [say]"
    )


def test_a_step_without_words_is_named_with_its_sentence_and_the_file_to_write_it_in(copy):
    follow("A step of the conversation", copy, words=False)
    status, told, *timed = json.loads(run(copy, CHECKED))
    assert status == 1
    assert told.splitlines() == [missing("stairs", "stairs", code) for code in ("fr", "en", "es")]
    assert timed == [1, f"Error: {missing('stairs', 'stairs', 'fr')}\n"]


def test_a_sentence_that_a_step_with_words_lacks_is_named_too(copy):
    step = copy / "flows/steps/date_of_birth.py"
    asked = 'Question("date_of_birth_check"'
    step.write_text(step.read_text("utf-8").replace(asked, 'Question("date_of_birth_check_year"'))
    status, told, *_ = json.loads(run(copy, CHECKED))
    lacks = missing("date_of_birth_check", "date_of_birth_check_year", "fr")
    assert (status, told) == (1, f"Error: {lacks}\n")


A_LANGUAGE = """
import json
from pathlib import Path
from flask import Flask
from prompts.catalogue import languages, load
from prompts.check import check
from prompts.screens import LANGUAGES, screen
from services.vocabulary import vocabulary
from tools.simulator import tongues
from tests.flows.talk import Talk
from web.written import DeskWords

talk = Talk().goes_to("ready")
load("pt").say("welcome", {"minimum_age": 75})
print(json.dumps({
    "heard": languages(),
    "pages": LANGUAGES,
    "rings": sorted(tongues.tongues()),
    "name": screen("pt")["page.language.name"],
    "day": DeskWords(screen("pt")).day("2026-12-01"),
    "locale": vocabulary("pt").language,
    "wrong": [str(one) for one in check(Path("prompts")) if one.file == "pt.toml"],
}))
"""


def test_a_language_is_its_files(copy):
    page = (ROOT / "docs/adding.md").read_text("utf-8")
    shell = shell_of(page, "A language")
    before = files(copy)
    subprocess.run(["sh", "-eu", "-c", shell], cwd=copy, check=True)  # noqa: S603, S607 (our page)
    assert {path.name.split(".")[-2] for path in files(copy) - before} == {"pt"}
    told = json.loads(run(copy, A_LANGUAGE))
    assert told["heard"] == told["pages"] == ["fr", "en", "es", "pt"]
    assert told["rings"] == ["en", "es", "fr", "pt"]
    # Nothing was translated yet: it is as Spanish in all it says.
    assert (told["name"], told["day"]) == ("Español", "1 de diciembre de 2026")
    assert told["locale"] == "pt"
    assert told["wrong"] == []


RINGING = """
import json
from exchange.twiml import parse
from ivr.addresses import Addresses
from ivr.twiml import render
from prompts.catalogue import languages, load
from tests.flows.fake_world import FakeWorld
from tests.flows.talk import Talk

def heard(talk):
    document = render(talk.speech, load(talk.session.language), Addresses("https://allo.test"), 1)
    (gather, *_) = parse(document.encode(), "text/xml")
    return [[say.attributes["language"], say.text] for say in gather.children if say.text]

talk = Talk(FakeWorld(spoken_here=languages()))
calls = [[talk.session.language, talk.step, heard(talk)]]
for key in KEYS:
    talk.presses(key)
    calls.append([talk.session.language, talk.step, heard(talk)])
talk.goes_to("ready")
print(json.dumps([calls, talk.session.language, bool(talk.session.reference)]))
"""


def ring(copy: Path, *pressed: str) -> tuple[list[list[Any]], str, bool]:
    """A call that presses these keys at the welcome, then books: language, step and what is said.

    Then the language in which it ends, and whether it has booked.
    """
    found: tuple[list[list[Any]], str, bool] = json.loads(run(copy, f"KEYS = {pressed}\n{RINGING}"))
    return found


@pytest.fixture
def four(copy):
    """With Portuguese, which is as Spanish in all it says but its invitation."""
    page = (ROOT / "docs/adding.md").read_text("utf-8")
    subprocess.run(["sh", "-eu", "-c", shell_of(page, "A language")], cwd=copy, check=True)  # noqa: S603, S607 (our page)
    speaks(copy, "pt", "Para português", "pt-PT", "Polly.Ines-Neural")
    return copy


def speaks(copy: Path, code: str, invites: str, locale: str, voice: str) -> None:
    path = copy / f"prompts/{code}.toml"
    text = (
        path.read_text("utf-8").replace("Para español", invites).replace('"es-ES"', f'"{locale}"')
    )
    path.write_text(text.replace("Polly.Lucia-Neural", voice), "utf-8")


def test_a_fourth_language_is_invited_to_in_its_own_words_and_is_booked_in(four):
    (welcome, others, chosen), language, booked = ring(four, "5", "2")
    assert welcome[:2] == ["fr", "welcome"]
    assert welcome[2][-3:] == [
        ["en-GB", "For English, press 4."],
        ["es-ES", "Para español, pulse 5."],
        ["pt-PT", "Para português, pulse 5."],
    ]
    assert others == [
        "fr",
        "other_languages",
        [
            ["fr-FR", "Choisissez votre langue."],
            ["es-ES", "Para español, pulse 1."],
            ["pt-PT", "Para português, pulse 2."],
        ],
    ]
    assert chosen[:2] == ["pt", "welcome"]
    assert chosen[2][0][0] == "pt-PT"
    assert chosen[2][-3:] == [
        ["fr-FR", "Pour le français, tapez 4."],
        ["en-GB", "For English, press 5."],
        ["es-ES", "Para español, pulse 5."],
    ]
    assert (language, booked) == ("pt", True)


def test_a_line_declares_the_place_of_a_language_and_a_fifth_is_behind_the_same_key(four):
    for path in [*(four / "prompts").rglob("*pt.toml"), *(four / "campaigns").rglob("pt.toml")]:
        fifth = path.with_name(path.name.replace("pt.toml", "it.toml"))
        fifth.write_text(path.read_text("utf-8").replace("Para português", "Per l'italiano"))
    speaks(four, "it", "", "it-IT", "Polly.Bianca-Neural")
    catalogue = four / "prompts/catalogue.py"
    line = 'INVITED = (COUNTRY_LANGUAGE, "en", "es")'
    text = catalogue.read_text("utf-8")
    assert text.count(line) == 1
    catalogue.write_text(text.replace(line, 'INVITED = (COUNTRY_LANGUAGE, "en", "pt", "es")'))
    (_, others, chosen), language, booked = ring(four, "5", "3")
    assert [text for _, text in others[2][1:]] == [
        "Para português, pulse 1.",
        "Para español, pulse 2.",
        "Per l'italiano, pulse 3.",
    ]
    assert (chosen[:2], language, booked) == (["it", "welcome"], "it", True)


def shell_of(page: str, heading: str) -> str:
    """The commands of a recipe."""
    section = page.split(f"\n## {heading}\n")[1].split("\n## ", maxsplit=1)[0]
    (shell,) = re.findall(r"^   ```sh\n(.*?)^   ```$", section, re.MULTILINE | re.DOTALL)
    return str(shell)


A_SERVICE = """
import json
from click.testing import CliRunner
from commands import campaign
from prompts import service_words
from prompts.catalogue import load
from prompts.screens import screen
from services.campaign.campaigns import Campaigns
from services.vocabulary import vocabulary

done = CliRunner().invoke(campaign.make(), ["check", "campaigns/library"])
service = Campaigns.read("campaigns/library", use=service_words.use)
print(json.dumps({
    "status": done.exit_code,
    "said": done.output.splitlines(),
    "name": service.current().name,
    "age": service.current().minimum_age,
    "welcome": load("fr").say("welcome", {"minimum_age": 0}),
    "title": screen("fr")["public.home.title"],
    "heard": ["carte", "de", "lecteur"] in [
        list(one) for one in vocabulary("fr").choices["welcome"]["book"]
    ],
}))
"""


def test_a_service_is_its_files(copy):
    page = (ROOT / "docs/adding.md").read_text("utf-8")
    before = files(copy)
    shell = shell_of(page, "A service by files alone")
    subprocess.run(["sh", "-eu", "-c", shell], cwd=copy, check=True)  # noqa: S603, S607 (our page)
    assert {path.suffix for path in files(copy) - before} == {".toml"}
    told = json.loads(run(copy, A_SERVICE))
    assert told["status"] == 0, told["said"]
    assert told["said"][0] == "campaigns/library/library.toml: right"
    assert (told["name"], told["age"]) == ("library", 0)
    assert "pour une carte de lecteur." in told["welcome"]
    assert told["title"] == "Rendez-vous pour une carte de lecteur"
    assert told["heard"]


def files(folder: Path) -> set[Path]:
    found = {path for path in folder.rglob("*") if path.is_file()}
    return {path for path in found if "__pycache__" not in path.parts}


A_READING = """
import sys
from commands.partners import check, read

command = {"read": read, "check": check}[sys.argv[1]]
command(sys.argv[2:])
"""
ANSWER = {"id": 7, "name": "Halle", "free": ["2021-05-13T13:40:00+02:00", "2021-05-13T11:50:00Z"]}
PARTNERS = """
contact = "https://allo.example/contact"
[exemple]
centres = ["https://www.exemple.fr/halle?place=7"]
"""


def test_a_partner_is_its_file(copy):
    follow("A partner", copy)
    (copy / "answer.json").write_text(json.dumps(ANSWER))
    read = run(copy, A_READING, "read", "exemple", "answer.json").splitlines()
    assert read[1:] == [
        "exemple,7,2021-05-13T11:40:00Z,1,,public",
        "exemple,7,2021-05-13T11:50:00Z,1,,public",
    ]
    (copy / "partners.toml").write_text(PARTNERS)
    said = run(copy, A_READING, "check", "partners.toml")
    assert said.startswith("exemple: 1 centres, 0 départements; at https://www.exemple.fr")
    walked = run(
        copy,
        "from jobs.partner_files import NAMES\n"
        "from datetime import date\n"
        "from partners.platforms import PARTNERS\n"
        "from partners.walking import LinkToRead, PartnerAnswer, ReadingPlan\n"
        "link = LinkToRead('https://exemple.fr/halle')\n"
        "plan = ReadingPlan('https://x.fr', date(2021, 5, 13), links=(link,))\n"
        "walk = PARTNERS['exemple'].walk(plan)\n"
        "print(NAMES['exemple'], next(walk).url)\n"
        "found = walk.send(PartnerAnswer(200, open('answer.json', 'rb').read()))\n"
        "print(found.centre.name, len(found.slots))\n",
    )
    assert walked.splitlines() == ["Exemple https://x.fr/api/halle.json", "Halle 2"]
