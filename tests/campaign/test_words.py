"""The words of a need lie beside its campaign: what fills sentences, and what is refused."""

from __future__ import annotations

import re
import shutil
import tomllib

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from prompts import service_words
from prompts.catalogue import FOLDER, languages, load, of_source
from prompts.check import check
from prompts.screens import FOLDER as PAGES
from prompts.service_words import BadWords, NoSuchWord, folder_of, usual
from services.campaign.campaign import BadCampaign
from services.campaign.campaigns import Campaigns, load_all
from services.campaign.words import words_of, wrong
from services.vocabulary import vocabulary
from services.watched_files import LOOK_SECONDS
from tests.campaign.files import DEMONSTRATION, save, small

# Words of the need that the demonstration is for, in three languages.
OF_THE_NEED = re.compile(
    r"vacc?in|vacun|vitale|\bdos[ei]s?\b|\bjabs?\b|covid|inje[ct]|piq[uû]|tarjeta sanitaria"
    r"|insurance card|pinchazo",
    re.IGNORECASE,
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with one campaign and words of its own, in every language."""
    save(tmp_path / "spring.toml", small("spring"))
    shutil.copytree(service_words.USUAL, tmp_path / "words")
    yield tmp_path
    service_words.use(None)


def change(folder: Path, language: str, old: str, new: str) -> Path:
    path = folder / "words" / f"{language}.toml"
    text = path.read_text("utf-8")
    assert text.count(old) == 1, old
    return save(path, text.replace(old, new))


def line_of(path: Path, start: str) -> int:
    lines = path.read_text("utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if line.startswith(start))


def refused(folder: Path) -> list[str]:
    with pytest.raises(BadCampaign) as bad:
        load_all([folder / "spring.toml"])
    return list(bad.value.problems)


# ---------------------------------------------------------------- where they lie


def test_no_word_of_a_need_stands_in_the_languages_themselves():
    for path in (*FOLDER.glob("*.toml"), *FOLDER.glob("by_text/*.toml"), *PAGES.glob("*.toml")):
        for where, text in texts(tomllib.loads(path.read_text("utf-8"))):
            assert not OF_THE_NEED.search(text.replace("{dose}", "")), (path.name, where, text)


def test_no_word_of_a_need_stands_in_a_template():
    templates = FOLDER.parent / "web" / "templates"
    for path in templates.rglob("*.html"):
        shown = re.sub(
            r"\{#.*?#\}|\{[{%].*?[%}]\}|<[^>]*>", "", path.read_text("utf-8"), flags=re.DOTALL
        )
        assert not OF_THE_NEED.search(shown), path


def texts(table: Any, where: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(table, Mapping):
        for key, value in table.items():
            yield from texts(value, f"{where}.{key}")
    elif isinstance(table, list):
        for value in table:
            yield from texts(value, where)
    elif isinstance(table, str):
        yield where, table


def test_a_campaign_has_its_own_words_else_those_beside_it_else_those_of_the_service(folder):
    assert folder_of(folder / "spring.toml") == folder / "words"
    shutil.copytree(folder / "words", folder / "spring" / "words")
    assert folder_of(folder / "spring.toml") == folder / "spring" / "words"
    assert folder_of(folder) == folder / "words"
    assert words_of(DEMONSTRATION) is usual()
    assert folder_of(Path("campaigns/../campaigns/demonstration.toml")) == service_words.USUAL
    assert folder_of(Path("elsewhere/summer.toml")) == service_words.USUAL


# ---------------------------------------------------------------- how they fill


def test_a_sentence_a_text_and_a_page_have_words_of_their_own():
    french = usual()["fr"]
    assert french.fill("spoken", "Ici, {service:purpose}.") == "Ici, pour se faire vacciner."
    assert french.fill("page", "{service:Authority} répond.") == "L’autorité de santé répond."
    with pytest.raises(NoSuchWord):
        french.fill("text", "{service:purpose}")


def test_what_is_left_out_leaves_no_blank():
    french = usual()["fr"]
    assert french.fill("spoken", "Venez. {service:before} Au revoir.") == "Venez. Au revoir."
    assert french.fill("spoken", "{service:walk_in} Au revoir.") == "Au revoir."
    assert french.fill("spoken", "Venez. {service:walk_in} {service:before}") == "Venez."


def test_a_campaign_for_everybody_names_no_age():
    french = load("fr")
    said = french.say("welcome", {"minimum_age": 0}, 1)
    assert "Pour prendre un rendez-vous de vaccination pour vous, tapez 1." in said
    assert "vaccination pour vous, dès 75 ans, tapez" in french.say(
        "welcome", {"minimum_age": 75}, 1
    )


def test_what_callers_say_for_it_is_understood(folder):
    change(folder, "fr", 'named = ["vaccin", "vaccination"]', 'named = ["le tampon"]')
    words = words_of(folder)
    assert ("le", "tampon") in vocabulary("fr", words).choices["welcome"]["book"]
    assert ("le", "tampon") not in vocabulary("fr").choices["welcome"]["book"]


def test_a_recording_is_played_for_the_words_that_were_recorded(folder):
    change(folder, "fr", '"votre carte Vitale et une pièce d\'identité"', '"un tampon"')
    words = words_of(folder)
    recorded = folder / "prompts" / "audio" / "fr"
    recorded.mkdir(parents=True)
    for name in ("goodbye_booked", "goodbye"):
        (recorded / f"{name}.mp3").write_bytes(b"ID3")
    path, source = folder / "prompts" / "fr.toml", tomllib.loads((FOLDER / "fr.toml").read_text())
    assert of_source(path, source, usual()).recording("goodbye_booked") == "fr/goodbye_booked.mp3"
    assert of_source(path, source, words).recording("goodbye_booked") is None
    assert of_source(path, source, words).recording("goodbye") == "fr/goodbye.mp3"
    own = f"goodbye_booked@{folder.name}.mp3"
    (recorded / own).write_bytes(b"ID3")
    assert of_source(path, source, words).recording("goodbye_booked") == f"fr/{own}"


def test_words_that_change_are_used_from_then_on(folder):
    now, seconds = list[Any](), [0.0]
    campaigns = Campaigns.read(folder, ticks=lambda: seconds[0], use=now.append)
    assert campaigns.current().words("fr").spoken["purpose"] == "pour se faire vacciner"
    assert now == [campaigns.words]
    change(folder, "fr", '"pour se faire vacciner"', '"pour un tampon"')
    for _ in range(2):
        seconds[0] += LOOK_SECONDS
        campaigns.current()
    assert campaigns.current().words("fr").spoken["purpose"] == "pour un tampon"
    assert now[-1]["fr"].spoken["purpose"] == "pour un tampon"
    # With a mistake, what was read before goes on.
    change(folder, "fr", 'purpose = "pour un tampon"', "purpose = 3")
    for _ in range(2):
        seconds[0] += LOOK_SECONDS
        campaigns.current()
    assert campaigns.current().words("fr").spoken["purpose"] == "pour un tampon"


# ---------------------------------------------------------------- what is refused


def test_a_hole_is_named_with_its_line(folder):
    path = change(folder, "en", 'purpose = "to get vaccinated"\n', "")
    (problem,) = refused(folder)
    assert problem == (
        f"{path}, line {line_of(path, '[spoken]')}: spoken.purpose: this entry is missing; write"
        " what callers ring for, behind the name: pour se faire vacciner"
    )


def test_a_language_without_words_is_named(folder):
    (folder / "words" / "es.toml").unlink()
    (problem,) = refused(folder)
    assert problem.startswith(f"{folder / 'words' / 'es.toml'}: there is no such file")
    assert "fr.toml there" in problem


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'purpose = "pour se faire vacciner"',
            'purpose = "pour {reference}"',
            "spoken.purpose: a value in brackets is not given there (none is); write words alone",
        ),
        (
            'bring = ["La carte Vitale, si vous l’avez", "Une pièce d’identité"]',
            'bring = "une carte"',
            'page.bring: write a list, as ["…", "…"]: what to bring, each a line of a list',
        ),
        (
            'title = "Rendez-vous de vaccination"',
            'titel = "x"\ntitle = "y"',
            "page.titel: there is no such entry; there are title, appointment, discreet",
        ),
        (
            'named = ["vaccin", "vaccination"]',
            "named = []",
            'heard.named: write how callers name it, as named = ["vaccin", "vaccination"]',
        ),
        ("[spoken]", "[gesprochen]\n[spoken]", "gesprochen: nobody reads it; there are spoken"),
    ],
)
def test_an_entry_that_is_wrong_is_named_with_its_line(folder, old, new, said):
    path = change(folder, "fr", old, new)
    (problem,) = refused(folder)
    line = line_of(path, new.split("\n")[0])
    assert problem.startswith(f"{path}, line {line}: {said}")


def test_a_file_that_is_no_toml_is_named(folder):
    save(folder / "words" / "fr.toml", "[spoken")
    (problem,) = refused(folder)
    assert f"{folder / 'words' / 'fr.toml'}: it cannot be read" in problem


def test_words_that_callers_would_feel_are_named_at_their_own_line(folder):
    """One look at a file with many mistakes: each is told once, at the entry it comes from."""
    long = "votre carte, une photo de l'année, un stylo, un livre, un coussin et un thé bien chaud"
    change(
        folder, "fr", 'bring = "votre carte Vitale et une pièce d\'identité"', f'bring = "{long}"'
    )
    change(folder, "fr", 'bring = "carte Vitale et', 'bring = "carnet de vaccination et')
    change(folder, "fr", 'discreet = "Rendez-vous"', 'discreet = "Vaccination"')
    change(
        folder,
        "fr",
        "[heard.not_commands]",
        '[heard.greetings]\nhello = ["salut"]\n[heard.not_commands]',
    )
    path = change(folder, "en", '"influenza"]', '"influenza", "cancelled"]')
    french = folder / "words" / "fr.toml"
    found = wrong(words_of(folder))
    expected = (
        (french, 'bring = "votre', "spoken.bring: with it, say."),
        (french, 'bring = "carnet', 'text.bring: "vacc" is in'),
        (french, "discreet", 'page.discreet: "vacc" is in'),
        (french, "hello", "heard.greetings.hello: prompts/fr.toml has"),
        (path, "never_in_texts", "never_in_texts: en.toml, text."),
    )
    for file, at, said in expected:
        begin = f"{file}, line {line_of(file, at)}: {said}"
        assert sum(one.startswith(begin) for one in found) == 1, (begin, found)
    assert len(found) == len(expected), found
    (too_long,) = (one for one in found if "spoken.bring" in one)
    assert "words at most are kept in mind" in too_long


def test_a_sentence_may_take_only_words_that_are_made_for_it(tmp_path):
    for language in languages():
        shutil.copy(FOLDER / f"{language}.toml", tmp_path)
    path = tmp_path / "fr.toml"
    text = path.read_text("utf-8")
    path.write_text(text.replace("{service:purpose_short}", "{service:discreet}"), "utf-8")
    (problem,) = check(tmp_path)
    assert str(problem).startswith(
        "fr.toml: say.short.welcome[0]: {service:discreet} is no entry of [spoken]"
    )
    (tmp_path / "pages").mkdir()
    path.write_text(text, "utf-8")
    (tmp_path / "pages" / "book.fr.toml").write_text('title = "{service:purpose}"\n', "utf-8")
    assert next(str(one) for one in check(tmp_path)).startswith(
        "pages/book.fr.toml: title: {service:purpose} is no entry of [page]"
    )


def test_words_without_a_file_are_refused(tmp_path):
    with pytest.raises(BadWords, match=r"no words lie there; copy the files of campaigns/words/"):
        service_words.read(tmp_path)
