"""`flask prompts check` finds each kind of mistake in a broken copy, and none in the real files."""

from __future__ import annotations

import re
import shutil

from functools import lru_cache
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from click.testing import CliRunner

from commands.common_call import FIRST_OFFER_SECONDS, MOST_ANSWERS, MOST_SECONDS, common_call
from commands.prompts import make
from flows.speech import Line, Speech, TurnOutcome
from ivr.twiml import Addresses, render
from prompts.catalogue import FOLDER, languages, load
from prompts.check import LONGEST_OF_FORMAT, Problem, check, longest
from prompts.reading_time import NORMAL, SLOW, VoicePauses, pieces, seconds, words

FRENCH, ENGLISH = "fr.toml", "en.toml"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the languages, to be broken."""
    for language in languages():
        shutil.copy(FOLDER / f"{language}.toml", tmp_path)
    return tmp_path


def change(folder: Path, file: str, old: str, new: str) -> None:
    """Change the first place that reads so."""
    path = folder / file
    text = path.read_text("utf-8")
    assert old in text, f"{file} has no longer: {old}"
    path.write_text(text.replace(old, new, 1), "utf-8")


def found(folder: Path) -> list[str]:
    """What the copy has that the real files have not."""
    return [str(problem) for problem in check(folder) if str(problem) not in in_the_real_files()]


@lru_cache
def in_the_real_files() -> frozenset[str]:
    return frozenset(str(problem) for problem in check())


def test_the_real_files_have_nothing_wrong():
    assert [str(problem) for problem in check()] == []


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        (
            FRENCH,
            'slower = ["Je parle plus lentement."]',
            (
                'slower = ["Je parle plus lentement, et je fais maintenant entre les choix une'
                ' pause assez longue pour que vous ayez le temps de penser."]'
            ),
            'fr.toml: say.slower[0]: sentence of 23 words: "Je parle',
        ),
        (
            FRENCH,
            "né ou née le {born:date}.",
            (
                "né ou née le {born:date}, et je vous demande de bien vérifier avec moi que chaque"
                " chiffre en est exact."
            ),
            "say.date_of_birth_check[0]: sentence of 25 words",
        ),
        (
            ENGLISH,
            'slower = ["I am speaking more slowly now."]\n',
            "",
            "en.toml: say.slower: missing",
        ),
        (
            ENGLISH,
            'slower = ["I am',
            'unheard_of = ["Nothing."]\nslower = ["I am',
            "en.toml: say.unheard_of: fr.toml has no such sentence",
        ),
        (
            ENGLISH,
            'key = ["That key is not one of the choices here.", "That key is not on the list."]',
            'key = ["That key is not one of the choices here."]',
            "en.toml: say.reason.key: wordings: 1, and 2 in French",
        ),
        (
            ENGLISH,
            "born on {born:date}.",
            "born some day.",
            "en.toml: say.date_of_birth_check[0]: {born} is missing",
        ),
        (
            ENGLISH,
            "born on {born:date}.",
            "born on {born:date}, {name}.",
            "en.toml: say.date_of_birth_check[0]: {name} is not given",
        ),
        (
            ENGLISH,
            "born on {born:date}.",
            "born on {born:day}.",
            'en.toml: say.date_of_birth_check[0]: no value is said as "day"',
        ),
        (
            ENGLISH,
            'confirmation = "Appointment {start:written_day_hour}, {address}.',
            'confirmation = "Appointment {start:written_day_hour}.',
            "en.toml: text.confirmation: {address} is missing",
        ),
        (
            ENGLISH,
            'kilometres = "{distance} away as the crow flies"\n',
            "",
            "formats.kilometres: missing",
        ),
        (
            ENGLISH,
            'pair = "{first} {second}"',
            'pair = "{first} {second}"\ndozen = "{count}"',
            "formats.dozen: fr.toml has no such entry",
        ),
        (
            FRENCH,
            "Pour le matin, tapez 1. | Pour l'après-midi, tapez 2.",
            (
                "Pour le matin, tapez 1. | Pour l'après-midi, tapez 2. | Pour le soir, tapez 3."
                " | Pour la nuit, tapez 4. | Pour midi, tapez 5."
            ),
            "say.part_of_day[0]: 5 choices; at most 4",
        ),
        (
            FRENCH,
            "Pour parler à une personne, tapez 0. | Pour le matin, tapez 1.",
            "Pour le matin, tapez 1. | Pour parler à une personne, tapez 0.",
            "say.part_of_day[0]: key 1 is told first",
        ),
        (
            FRENCH,
            "Pour le matin, tapez 1. | Pour l'après-midi, tapez 2.",
            "Pour le matin, tapez 1. | Pour l'après-midi, tapez 1.",
            "say.part_of_day[0]: key 1 is told twice",
        ),
        (
            FRENCH,
            "Pour le matin, tapez 1. | Pour l'après-midi, tapez 2.",
            "Pour l'après-midi, tapez 2. | Pour le matin, tapez 1.",
            "say.part_of_day[0]: tell the choices in the order of their keys",
        ),
        (
            FRENCH,
            "Pour le matin, tapez 1. | Pour l'après-midi, tapez 2.",
            "Pour le matin, tapez 1, pour l'après-midi, tapez 2.",
            "say.part_of_day[0]: two keys in a sentence",
        ),
        (
            FRENCH,
            "Pour le matin, tapez 1.",
            "Tapez 1 pour le matin.",
            'say.part_of_day[0]: "Tapez 1 pour le matin.": say what a key does before the key',
        ),
        (
            FRENCH,
            '"Cette touche n\'est pas dans la liste."',
            '"Cette touche n\'est pas proposée ici."',
            "say.reason.key[1]: the same words as a try before",
        ),
        (
            FRENCH,
            "Merci de votre appel.",
            "Merci, voyez notre site.",
            'say.goodbye[0]: "site" helps nobody',
        ),
        (
            FRENCH,
            'confirmation = "Rendez-vous',
            'confirmation = "Vaccination',
            'text.confirmation: "Vacc" tells whoever reads it',
        ),
        (
            FRENCH,
            'confirmation = "Rendez-vous',
            'confirmation = "Rendez-vous êtes',
            "text.confirmation: ê is not in GSM-7",
        ),
        (
            FRENCH,
            "Pour toute question, appelez le {number}",
            (
                "Pour toute question, et avant de vous mettre en route, appelez-nous encore une"
                " fois au numéro suivant, qui est le {number}"
            ),
            "letters; one part holds 160",
        ),
        (
            FRENCH,
            "Pour toute question, appelez le {number}",
            "Pour toute question, appelez le {number}" + ", à toute heure" * 20,
            "letters; two parts hold 306",
        ),
        (FRENCH, "[text]", "[texts]\n[text]", "nobody reads the table [texts]"),
        (
            FRENCH,
            "Pour qui ? | Pour parler",
            "Pour qui est ce rendez-vous, je vous prie ? | Pour parler",
            "say.short.for_whom[0]: 32 words, and 30 in for_whom; say it in fewer",
        ),
        (
            FRENCH,
            "Seulement un proche, tapez 2. | Deux personnes, tapez 3.",
            "Seulement un proche, tapez 2.",
            "say.short.for_whom[1]: offer the keys of for_whom: 1, 2, 3",
        ),
        (
            FRENCH,
            "Vous pouvez venir séparément.",
            "Vous pouvez venir séparément, l'un ce jour-là et l'autre un jour plus tard.",
            "say.short.couple_choice[2]: sentence of 13 words",
        ),
        (
            FRENCH,
            "Un rendez-vous est libre, {town1:at}.",
            "Un rendez-vous est libre, {centre}.",
            "say.short.offers_1[0]: {centre} is not given; offers_1 has the values there are",
        ),
        (
            FRENCH,
            "[say.short]",
            '[say.short]\nwelcomes = ["Bonjour."]',
            "say.short.welcomes: there is no welcomes that it says in fewer words",
        ),
        (
            ENGLISH,
            '  "You may come separately.',
            (
                '  "You can. | To speak to a person, press 0. | Come, press 1. | No, press 2.",\n'
                '  "You may come separately.'
            ),
            "say.short.couple_choice: write as many wordings as couple_choice has: 3",
        ),
        (
            ENGLISH,
            "For two people, press 3.",
            "For two people, press 4.",
            "en.toml: say.for_whom[0]: offer the keys of French: 1, 2, 3",
        ),
        (ENGLISH, 'press = "press"', "", "en.toml: language.press is missing"),
        (ENGLISH, 'locale = "en_GB"', 'locale = "xx_YY"', "Babel knows no 'xx_YY'"),
        (ENGLISH, "[formats]", "[format]", "the table [formats] is missing"),
        (ENGLISH, "[say]", "[say", "en.toml: it cannot be read"),
        (ENGLISH, "born on {born:date}.", "born on {born:date.", "en.toml: say.date_of_birth_ch"),
        (
            ENGLISH,
            'slower = ["I am speaking more slowly now."]',
            'slower = "I am."',
            "slower: write",
        ),
        (ENGLISH, 'slower = ["I am speaking more slowly now."]', "slower = [1]", "in quotes"),
    ],
)
def test_each_kind_of_mistake_is_found_and_told_where(
    copy: Path, file: str, old: str, new: str, problem: str
):
    change(copy, file, old, new)
    told = found(copy)
    assert [one for one in told if problem in one], told
    beside = re.compile("fr.toml has|French")
    assert all(one.startswith(file) or beside.search(one) for one in told), told


def test_fewer_wordings_are_right_where_a_reason_is_given(copy: Path):
    change(copy, ENGLISH, ', "That key is not on the list."]', "]")
    assert found(copy)
    change(copy, ENGLISH, "[text]", '[fewer]\n"reason.key" = "English has one word."\n\n[text]')
    assert found(copy) == []


def test_every_format_has_a_longest_value():
    assert load("fr").formats <= LONGEST_OF_FORMAT.keys()


def test_without_french_there_is_nothing_to_compare_with(tmp_path: Path):
    assert check(tmp_path) == [
        Problem("fr.toml", "", "there is no such file, and every language is compared with it")
    ]


def test_a_recording_that_no_line_is_called_by_is_found(copy: Path):
    audio = copy / "audio" / "fr"
    audio.mkdir(parents=True)
    for name in ("goodbye.mp3", "welcom.mp3", "welcome.ogg"):
        (audio / name).write_bytes(b"")
    assert [one.split(";")[0] for one in found(copy)] == [
        "fr.toml: audio/fr/welcom.mp3: no line is called so",
        "fr.toml: audio/fr/welcome.ogg: it cannot be played",
    ]


# ---------------------------------------------------------------- the command


def run(folder: Path, *arguments: str) -> tuple[int, list[str], list[str]]:
    result = CliRunner().invoke(make(folder), arguments)
    return result.exit_code, result.stdout.splitlines(), result.stderr.splitlines()


def test_the_command_prints_a_line_a_problem_and_fails(copy: Path):
    change(copy, ENGLISH, 'slower = ["I am speaking more slowly now."]\n', "")
    change(copy, FRENCH, "Merci de votre appel.", "Merci, voyez notre site.")
    code, _, errors = run(copy, "check")
    assert code == 1
    assert "en.toml: say.slower: missing; fr.toml has it" in errors
    assert len([line for line in errors if line.startswith("fr.toml: say.goodbye[0]: ")]) == 1


def test_the_command_tells_the_length_of_the_common_call_in_each_language():
    code, lines, errors = run(FOLDER, "check", "--times")
    assert (code, errors) == (0, [])
    for language in languages():
        assert [line for line in lines if line.startswith(f"{language}.toml: right: ")]
        assert [line for line in lines if line.startswith(f"{language}.toml: the common call: ")]
    assert [line for line in lines if line.endswith("  welcome[0]")]


def test_a_common_call_that_is_too_long_is_told(copy: Path):
    greeting = "Bonjour. Ici Allô Rendez-vous, pour"
    change(copy, FRENCH, greeting, "Bonjour à vous. " * 60 + greeting)
    code, _, errors = run(copy, "check")
    assert code == 1
    assert [line for line in errors if line.startswith("fr.toml: the common call: ")], errors


@pytest.mark.parametrize("language", languages())
def test_the_common_call_stays_within_its_bars(language: str):
    call = common_call(FOLDER, language)
    assert call.answers <= MOST_ANSWERS
    assert call.seconds <= MOST_SECONDS
    assert call.first_offer < FIRST_OFFER_SECONDS
    assert call.turns[-1].step == "ended"


# ---------------------------------------------------------------- reading time


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Pour prendre rendez-vous, tapez 1.", 5),
        ("à moins d'un kilomètre à vol d'oiseau", 7),
        ("12 mars 1942", 4),
        ("45, 21, 73, 89, 08", 5),
        ("4 5, 2 1", 4),
        ("C'est exact ? | Oui !", 3),
        ("", 0),
    ],
)
def test_words_are_counted_as_they_are_heard(text: str, count: int):
    assert words(text) == count


def test_a_minute_is_160_words_and_a_pause_is_as_long_as_on_the_line():
    assert seconds("mot " * 160) == pytest.approx(60)
    assert seconds("un | deux | trois |") == pytest.approx(3 * 60 / 160 + 2 * 0.4)


def assert_pauses(key: str, said: str, pace: VoicePauses):
    """The voice says these pieces on the line, with a pause of this length between them."""
    line = Line(key, longest(load("fr").parts(key)))
    speech = Speech((line,), None, TurnOutcome.ENDED, slow=pace is SLOW)
    document = render(speech, load("fr"), Addresses("https://allo.example"), 1)
    assert all(f" {escape(piece)} " in document for piece in pieces(said, pace)), key
    pauses = document.count(f'<break time="{pace.pause * 1000:.0f}ms"')
    assert pauses == document.count("<break") == len(pieces(said, pace)) - 1, key


def test_the_slower_pace_pauses_where_the_voice_does_and_says_no_word_more():
    for key in load("fr").spoken_keys:
        said = load("fr").say(key, longest(load("fr").parts(key)))
        assert_pauses(key, said, NORMAL)
        # A value is said in one breath, and another sentence at the slower pace where there is one.
        has_value = any(part.name for part in load("fr").parts(key))
        if not has_value and load("fr").short(key) == key:
            assert_pauses(key, said, SLOW)
        more = len(pieces(said, SLOW)) - 1
        fewer = len(pieces(said)) - 1
        assert seconds(said, SLOW) - seconds(said) == pytest.approx(more * 0.9 - fewer * 0.4)
