"""`flask prompts check` finds each kind of mistake in a broken copy, and none in the real files."""

from __future__ import annotations

import re
import shutil

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pytest

from click.testing import CliRunner

from commands.common_call import PATHS, CommonPath, common_call
from commands.prompts import make
from exchange.twiml import parse
from flows.speech import Line, Speech, TurnOutcome
from ivr.addresses import Addresses
from ivr.twiml import render
from prompts.catalogue import FOLDER, languages, load
from prompts.check import check
from prompts.check_rules import LONGEST_OF_FORMAT, Problem, longest
from prompts.reading_time import BETWEEN_GROUPS, NORMAL, SLOW, VoicePauses, pieces, seconds, words

pytestmark = pytest.mark.slow

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


def keep(folder: Path, *wanted: str) -> None:
    """Remove all other languages: to check one takes long."""
    for other in set(languages(folder)) - set(wanted):
        (folder / f"{other}.toml").unlink()


def found(folder: Path) -> list[str]:
    """What the copy has that the real files have not."""
    return [str(problem) for problem in check(folder) if str(problem) not in in_the_real_files()]


@lru_cache
def in_the_real_files() -> frozenset[str]:
    return frozenset(str(problem) for problem in check())


def test_the_real_files_have_nothing_wrong():
    assert [str(problem) for problem in check()] == []


class Mistake(NamedTuple):
    """What is written in a file in place of what, and what is told of it."""

    file: str
    old: str
    new: str
    problem: str


MISTAKES = (
    Mistake(
        FRENCH,
        'slower = ["Je parle plus lentement."]',
        (
            'slower = ["Je parle plus lentement, et je fais maintenant entre les choix une'
            ' pause assez longue pour que vous ayez le temps de penser."]'
        ),
        'fr.toml: say.slower[0]: sentence of 23 words: "Je parle',
    ),
    Mistake(
        FRENCH,
        "J'ai compris cette date de naissance : le {born:date}.",
        (
            "J'ai compris cette date de naissance : le {born:date}, et je vous demande"
            " de bien vérifier avec moi que chaque"
            " chiffre en est exact."
        ),
        "say.date_of_birth_check[1]: sentence of 26 words",
    ),
    Mistake(
        FRENCH,
        'voice = "Polly.Lea-Neural"',
        'voice = "Polly.Lea-Neural"\nslow_rate = 60',
        "fr.toml: language.slow_rate: write percent from 80 to 100",
    ),
    Mistake(
        FRENCH,
        'voice = "Polly.Lea-Neural"',
        'voice = "Polly.Lea-Generative"\nslow_rate = 90',
        "fr.toml: language.slow_rate: Polly.Lea-Generative cannot be slowed",
    ),
    Mistake(
        FRENCH,
        "Merci de votre appel.",
        "Merci de <emphasis>votre</emphasis> appel.",
        "fr.toml: say.goodbye[0]: a sentence has no mark-up",
    ),
    Mistake(
        ENGLISH,
        'slower = ["I am speaking more slowly now."]\n',
        "",
        "en.toml: say.slower: missing",
    ),
    Mistake(
        ENGLISH,
        'slower = ["I am',
        'unheard_of = ["Nothing."]\nslower = ["I am',
        "en.toml: say.unheard_of: fr.toml has no such sentence",
    ),
    Mistake(
        ENGLISH,
        'key = ["That key is not one of the choices here.", "That key is not on the list."]',
        'key = ["That key is not one of the choices here."]',
        "en.toml: say.reason.key: wordings: 1, and 2 in French",
    ),
    Mistake(
        ENGLISH,
        "date of birth: {born:date}.",
        "born some day.",
        "en.toml: say.date_of_birth_check[1]: {born} is missing",
    ),
    Mistake(
        ENGLISH,
        "date of birth: {born:date}.",
        "date of birth: {born:date}, {name}.",
        "en.toml: say.date_of_birth_check[1]: {name} is not given",
    ),
    Mistake(
        ENGLISH,
        "date of birth: {born:date}.",
        "born on {born:day}.",
        'en.toml: say.date_of_birth_check[1]: no value is said as "day"',
    ),
    Mistake(
        ENGLISH,
        'confirmation = "Appointment {start:written_day_hour}, {address}.',
        'confirmation = "Appointment {start:written_day_hour}.',
        "en.toml: text.confirmation: {address} is missing",
    ),
    Mistake(
        ENGLISH,
        'kilometres = "{distance} away"\n',
        "",
        "formats.kilometres: missing",
    ),
    Mistake(
        ENGLISH,
        'pair = "{first} {second}"',
        'pair = "{first} {second}"\ndozen = "{count}"',
        "formats.dozen: fr.toml has no such entry",
    ),
    Mistake(
        FRENCH,
        "Pour le matin, tapez 1. | Pour l'après-midi, tapez 2.",
        (
            "Pour le matin, tapez 1. | Pour l'après-midi, tapez 2. | Pour le soir, tapez 3."
            " | Pour la nuit, tapez 4. | Pour midi, tapez 5."
        ),
        "say.part_of_day[0]: 5 choices; at most 4",
    ),
    Mistake(
        FRENCH,
        "Pour le matin, tapez 1. | Pour l'après-midi, tapez 2.",
        "Pour une personne, tapez 0. | Pour le matin, tapez 1.",
        "say.part_of_day[0]: take out the person (key 0)",
    ),
    Mistake(
        FRENCH,
        "Pour le matin, tapez 1. | Pour l'après-midi, tapez 2.",
        "Pour le matin, tapez 1. | Pour l'après-midi, tapez 1.",
        "say.part_of_day[0]: key 1 is told twice",
    ),
    Mistake(
        FRENCH,
        "Pour le matin, tapez 1. | Pour l'après-midi, tapez 2.",
        "Pour l'après-midi, tapez 2. | Pour le matin, tapez 1.",
        "say.part_of_day[0]: tell the choices in the order of their keys",
    ),
    Mistake(
        FRENCH,
        "Pour le matin, tapez 1. | Pour l'après-midi, tapez 2.",
        "Pour le matin, tapez 1, pour l'après-midi, tapez 2.",
        "say.part_of_day[0]: two keys in a sentence",
    ),
    Mistake(
        FRENCH,
        "Pour le matin, tapez 1.",
        "Tapez 1 pour le matin.",
        'say.part_of_day[0]: "Tapez 1 pour le matin.": say what a key does before the key',
    ),
    Mistake(
        FRENCH,
        '"Cette touche n\'est pas dans la liste."',
        '"Cette touche n\'est pas proposée ici."',
        "say.reason.key[1]: the same words as a try before",
    ),
    Mistake(
        FRENCH,
        "Merci de votre appel.",
        "Merci, voyez notre site.",
        'say.goodbye[0]: "site" helps nobody',
    ),
    Mistake(
        FRENCH,
        'confirmation = "Rendez-vous',
        'confirmation = "Vaccination',
        'text.confirmation: "Vacc" tells whoever reads it',
    ),
    Mistake(
        FRENCH,
        'confirmation = "Rendez-vous',
        'confirmation = "Rendez-vous êtes',
        "text.confirmation: ê is not in GSM-7",
    ),
    Mistake(
        FRENCH,
        'confirmation = "Rendez-vous',
        'confirmation = "Nous vous attendons au rendez-vous',
        "letters; one part holds 160",
    ),
    Mistake(
        FRENCH,
        "Pour toute question, appelez le {number}",
        "Pour toute question, appelez le {number}" + ", à toute heure" * 20,
        "letters; two parts hold 306",
    ),
    Mistake(FRENCH, "[text]", "[texts]\n[text]", "nobody reads the table [texts]"),
    Mistake(
        FRENCH,
        "Pour qui ? | Pour vous, tapez 1.",
        "Pour qui est-ce donc ? | Pour vous, tapez 1.",
        "say.short.for_whom[0]: ",
    ),
    Mistake(
        FRENCH,
        "Seulement un proche, tapez 2. | Deux personnes, tapez 3.",
        "Seulement un proche, tapez 2.",
        "say.short.for_whom[1]: offer the keys of for_whom: 1, 2, 3",
    ),
    Mistake(
        FRENCH,
        "Vous pouvez venir séparément.",
        "Vous pouvez venir séparément, l'un ce jour-là et l'autre un jour plus tard.",
        "say.short.couple_choice[2]: sentence of 13 words",
    ),
    Mistake(
        FRENCH,
        "Ce rendez-vous vous est gardé. | {name1}",
        "Ce rendez-vous vous est gardé. | {centre}",
        "say.short.offers_1[1]: {centre} is not given; offers_1 has the values there are",
    ),
    Mistake(
        FRENCH,
        "[say.short]",
        '[say.short]\nwelcomes = ["Bonjour."]',
        "say.short.welcomes: there is no welcomes that it says in fewer words",
    ),
    Mistake(
        ENGLISH,
        '  "You may come separately.',
        (
            '  "You can. | To speak to a person, press 0. | Come, press 1. | No, press 2.",\n'
            '  "You may come separately.'
        ),
        "say.short.couple_choice: write as many wordings as couple_choice has: 3",
    ),
    Mistake(
        ENGLISH,
        "For two people, press 3.",
        "For two people, press 4.",
        "en.toml: say.for_whom[0]: offer the keys of French: 1, 2, 3",
    ),
)
# Of such a file nothing else is told.
UNREADABLE = (
    Mistake(
        FRENCH,
        'voice = "Polly.Lea-Neural"',
        'voice = "Polly.Amy-Neural"',
        "fr.toml: language.voice: Polly.Amy-Neural speaks en-GB, and this language is fr-FR",
    ),
    Mistake(
        ENGLISH,
        'voice = "Polly.Amy-Neural"',
        'voice = "Amy"',
        "en.toml: language.voice: 'Amy' is no voice; write one such as Polly.Lea-Neural",
    ),
    Mistake(ENGLISH, 'press = "press"', "", "en.toml: language.press is missing"),
    Mistake(ENGLISH, 'locale = "en_GB"', 'locale = "xx_YY"', "Babel knows no 'xx_YY'"),
    Mistake(ENGLISH, "[formats]", "[format]", "the table [formats] is missing"),
    Mistake(ENGLISH, "[say]", "[say", "en.toml: it cannot be read"),
    Mistake(
        ENGLISH,
        "date of birth: {born:date}.",
        "date of birth: {born:date.",
        "en.toml: say.date_of_birth_ch",
    ),
    Mistake(
        ENGLISH,
        'slower = ["I am speaking more slowly now."]',
        'slower = "I am."',
        "slower: write",
    ),
    Mistake(ENGLISH, 'slower = ["I am speaking more slowly now."]', "slower = [1]", "in quotes"),
)


@dataclass
class Broken:
    """A language with several mistakes, each of which leaves the words of the others alone."""

    file: str
    text: str
    mistakes: list[Mistake] = field(default_factory=list)

    def takes(self, one: Mistake) -> bool:
        """Make one more mistake in this file; return False if it needs a file of its own."""
        changed = self.text.replace(one.old, one.new, 1)
        as_written = (FOLDER / self.file).read_text("utf-8").count(one.old)
        is_apart = 0 < as_written == self.text.count(one.old)
        if self.file != one.file or not is_apart:
            return False
        if not all(other.new in changed for other in self.mistakes):
            return False
        self.text = changed
        self.mistakes.append(one)
        return True


@pytest.fixture(scope="module")
def told_together(tmp_path_factory: pytest.TempPathFactory) -> dict[Mistake, list[str]]:
    """What is told of each mistake and of those in the same file: to check one takes long."""
    files: list[Broken] = []
    for one in MISTAKES:
        if not any(file.takes(one) for file in files):
            files.append(Broken(one.file, (FOLDER / one.file).read_text("utf-8")))
            assert files[-1].takes(one), f"{one.file} has no longer: {one.old}"
    told: dict[Mistake, list[str]] = {}
    for file in files:
        folder = tmp_path_factory.mktemp("languages")
        # Each language is compared with French alone.
        shutil.copy(FOLDER / FRENCH, folder)
        (folder / file.file).write_text(file.text, "utf-8")
        told |= dict.fromkeys(file.mistakes, found(folder))
    return told


def is_told(one: Mistake, told: list[str]) -> None:
    assert [line for line in told if one.problem in line], told
    beside = re.compile("fr.toml has|French")
    assert all(line.startswith(one.file) or beside.search(line) for line in told), told


@pytest.mark.parametrize("one", MISTAKES, ids=lambda one: one.problem)
def test_each_kind_of_mistake_is_found_and_told_where(
    told_together: dict[Mistake, list[str]], one: Mistake
):
    is_told(one, told_together[one])


@pytest.mark.parametrize("one", UNREADABLE, ids=lambda one: one.problem)
def test_a_file_that_cannot_be_read_is_told(copy: Path, one: Mistake):
    keep(copy, "fr", Path(one.file).stem)
    change(copy, one.file, one.old, one.new)
    is_told(one, found(copy))


def test_fewer_wordings_are_right_where_a_reason_is_given(copy: Path):
    keep(copy, "fr", "en")
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


A_WAV = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00"
PCM = A_WAV + b"\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data"
FLOATS = A_WAV + b"\x03\x00\x01\x00\x40\x1f\x00\x00\x00\x7d\x00\x00\x04\x00\x20\x00data"


def test_a_recording_that_is_never_played_is_found(copy: Path):
    files = {
        "fr/goodbye.mp3": b"ID3 sound",
        "fr/slower.wav": PCM,
        "fr/welcom.mp3": b"ID3 sound",
        "fr/for_whom.ogg": b"OggS",
        "fr/for_whom.wav": FLOATS,
        "fr/goodbye_silent.wav": b"ID3 sound",
        "fr/postcode.mp3": b"",
        "fr/goodbye.wav": PCM,
        "fr/technical.wav": PCM,
        "de/goodbye.wav": PCM,
        "music/waiting.wav": PCM,
    }
    for name, sound in files.items():
        (copy / "audio" / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / "audio" / name).write_bytes(sound)
    assert [one.split(";")[0] for one in found(copy)] == [
        "fr.toml: audio/fr/for_whom.ogg: it cannot be played",
        "fr.toml: audio/fr/for_whom.wav: this WAV cannot be played",
        "fr.toml: audio/fr/goodbye.wav: goodbye.mp3 is played instead",
        "fr.toml: audio/fr/goodbye_silent.wav: it is no WAV",
        "fr.toml: audio/fr/postcode.mp3: it is no MP3",
        "fr.toml: audio/fr/technical.wav: the voice says this when this service fails",
        "fr.toml: audio/fr/welcom.mp3: no line is called so",
        "de.toml: audio/de/goodbye.wav: there is no such language",
    ]


# ---------------------------------------------------------------- the command


def run(folder: Path, *arguments: str) -> tuple[int, list[str], list[str]]:
    result = CliRunner().invoke(make(folder), arguments)
    return result.exit_code, result.stdout.splitlines(), result.stderr.splitlines()


def test_the_command_prints_a_line_a_problem_and_fails(copy: Path):
    keep(copy, "fr", "en")
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
    keep(copy, "fr")
    greeting = "Bonjour. Allô Rendez-vous,"
    change(copy, FRENCH, greeting, "Bonjour à vous. " * 60 + greeting)
    code, _, errors = run(copy, "check")
    assert code == 1
    assert [line for line in errors if line.startswith("fr.toml: the common call: ")], errors


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_the_common_calls_stay_within_their_bars(path: CommonPath):
    call = common_call(path)
    assert list(call.over(path.bars)) == []
    assert call.turns[-1].step == "ended"


def test_the_bars_of_the_call_from_a_mobile_and_from_a_landline():
    bars = {path.name: path.bars for path in PATHS}
    assert (bars["mobile"].seconds, bars["mobile"].answers, bars["mobile"].first_offer) == (
        105,
        6,
        50,
    )
    assert bars["landline"].seconds == 130


def test_a_call_of_one_sentence_is_booked_in_a_minute_and_three_answers_in_each_language():
    said = [path for path in PATHS if path.sentence]
    assert {path.language for path in said} == set(languages())
    for path in said:
        assert (path.bars.seconds, path.bars.answers, path.doses) == (60, 3, 1)
        call = common_call(path)
        assert [turn.step for turn in call.measured] == ["sentence_check", "offers", "confirm"]
        assert call.answers == 3


def test_the_last_look_comes_after_the_birth_date_was_read_back():
    for path in PATHS:
        read_back = "sentence_check" if path.sentence else "date_of_birth_check"
        if path.services:
            # The question what for begins with the birth date that was typed.
            read_back = "service"
        steps = [turn.step for turn in common_call(path).turns]
        assert steps.index(read_back) < steps.index("offers") < steps.index("confirm")


def test_a_call_above_its_bar_is_told_with_what_it_takes():
    bars = replace(PATHS[0].bars, seconds=60, answers=5, first_offer=30)
    assert [line.split(",")[0] for line in common_call(PATHS[0]).over(bars)] == [
        "6 answers",
        f"{common_call(PATHS[0]).seconds:.1f} s spoken",
        f"the first offer at {common_call(PATHS[0]).first_offer:.1f} s",
    ]


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


def test_between_two_groups_of_digits_there_is_a_moment_to_write():
    assert seconds("45, 21, 73") == pytest.approx(3 * 60 / 160 + 2 * 0.2)
    assert seconds("45, 21, 73", SLOW) == pytest.approx(3 * 60 / 160 + 2 * 0.9)
    assert seconds("mot " * 160, replace(SLOW, rate=0.8)) == pytest.approx(75)


def assert_pauses(key: str, said: str, pace: VoicePauses):
    """The voice says these pieces on the line, with a pause of this length between them."""
    line = Line(key, longest(load("fr").parts(key)))
    speech = Speech((line,), None, TurnOutcome.ENDED, slow=pace is SLOW)
    document = render(speech, load("fr"), Addresses("https://allo.example"), 1)
    (say, *_) = parse(document.encode(), "text/xml")
    assert say.text == " ".join(" ".join(pieces(said, pace)).split()), key
    heard = [piece.pause_s for piece in say.pieces if piece.pause_s]
    between = len(pieces(said, pace)) - 1
    groups = 0 if pace is SLOW else len(BETWEEN_GROUPS.findall(said))
    assert Counter(heard) == Counter({pace.pause: between}) + Counter({pace.group: groups}), key


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
        groups = len(BETWEEN_GROUPS.findall(said))
        longer = more * 0.9 - fewer * 0.4 - groups * 0.2
        assert seconds(said, SLOW) - seconds(said) == pytest.approx(longer)


# ---------------------------------------------------------------- manners


@pytest.mark.parametrize(
    ("was", "now", "what"),
    [
        (
            "Nous vous rappellerons au numéro qui se termine par {ending}. Au revoir.",
            "Au revoir. Nous vous rappellerons au numéro qui se termine par {ending}.",
            '"Au revoir." ends a call; say before it what one must know',
        ),
        (
            '"Les deux rendez-vous ne sont pas encore pris, ils',
            '"Ils ne sont pas encore pris, ils',
            '"Ils" stands for nothing that was named; name it',
        ),
    ],
    ids=["after goodbye", "a pronoun without a noun"],
)
def test_goodbye_is_last_and_a_noun_comes_before_its_pronoun(
    copy: Path, was: str, now: str, what: str
):
    change(copy, FRENCH, was, now)
    assert [one for one in found(copy) if what in one], found(copy)
