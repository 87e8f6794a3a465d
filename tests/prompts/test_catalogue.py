"""A language is a file: it is found, checked, offered and spoken; its lines can be recordings."""

from __future__ import annotations

import re
import shutil

from pathlib import Path

import pytest

from click.testing import CliRunner

from commands.common_call import common_call, mobile_path, vocabulary_of
from commands.prompts import make
from flows.engine import advance
from flows.speech import RING, keys
from flows.verification.rehearsal import RehearsedWorld, ringing
from prompts.catalogue import COUNTRY_LANGUAGE, FOLDER, Take, languages, load, read
from prompts.check import check
from prompts.reading_time import seconds
from prompts.values import Part

# What somebody who adds Spanish changes first, after a copy of en.toml.
IN_SPANISH = {
    'locale = "en_GB"': 'locale = "es"',
    'voice_language = "en-GB"': 'voice_language = "es-ES"',
    'voice = "Polly.Amy-Neural"': 'voice = "Polly.Lucia-Neural"',
    'press = "press"': 'press = "pulse"',
    'star = "star"': 'star = "asterisco"',
    'hash = "hash"': 'hash = "almohadilla"',
    "For English, press {key}.": "Para español, pulse {key}.",
    "Hello. Allô Rendez-vous,": "Buenos días. Aquí Allô Rendez-vous,",
    "To speak to a person, press 0.": "Para hablar con una persona, pulse 0.",
    'day_hour = "{day} at {hour}"': 'day_hour = "{day} a las {hour}"',
    'day = "EEEE d MMMM"': "day = \"EEEE d 'de' MMMM\"",
    'kilometres = "{distance} away"': 'kilometres = "a {distance}"',
}

RIGHT = "Si c'est exact, tapez 1."


@pytest.fixture
def with_spanish(tmp_path: Path) -> Path:
    """The languages and one more, made as docs/adding.md says."""
    for language in languages():
        shutil.copy(FOLDER / f"{language}.toml", tmp_path)
    text = (tmp_path / "en.toml").read_text("utf-8")
    for english, spanish in IN_SPANISH.items():
        assert english in text
        text = text.replace(english, spanish)
    # Each key that is told, and each that ends what is typed.
    text = re.sub(r"\bpress (?=[0-9{]|star\b|hash\b)", "pulse ", text)
    text = text.replace("pulse star", "pulse asterisco").replace("hash.", "almohadilla.")
    text = text.replace("then hash", "then almohadilla").replace("pulse hash", "pulse almohadilla")
    (tmp_path / "es.toml").write_text(text, "utf-8")
    return tmp_path


def test_languages_are_found_in_their_folder_the_countrys_own_first(with_spanish: Path):
    assert languages()[0] == COUNTRY_LANGUAGE
    assert set(languages(with_spanish)) == {*languages(), "es"}


def test_a_third_language_is_one_file(with_spanish: Path):
    assert [str(problem) for problem in check(with_spanish) if problem.file == "es.toml"] == []
    spanish = read(with_spanish / "es.toml")
    assert vocabulary_of(spanish).months["marzo"] == 3
    call = common_call(mobile_path("es"), with_spanish)
    assert call.turns[-1].step == "ended"
    assert call.seconds > 100


def test_the_welcome_offers_a_third_language_in_its_own_words_and_goes_on_in_it(
    with_spanish: Path,
):
    spoken = {name: read(with_spanish / f"{name}.toml") for name in languages(with_spanish)}
    world = RehearsedWorld(
        spoken_here=tuple(spoken), vocabularies=lambda name: vocabulary_of(spoken[name])
    )
    session, speech = advance(ringing(), RING, world)
    invitations = {
        spoken[line.language].say(line.key, line.values): line.values["key"]
        for line in speech.lines
        if line.language
    }
    assert "Para español, pulse 5." in invitations
    chosen = str(invitations["Para español, pulse 5."])
    session, speech = advance(session, keys(chosen), world)
    assert session.language == "es"
    line = speech.lines[0]
    assert spoken["es"].say(line.key, line.values).startswith("Buenos días.")


def test_a_language_speaks_dates_distances_and_digits_in_its_own_way(with_spanish: Path):
    spanish = read(with_spanish / "es.toml")
    assert spanish.spoken(Part("", "d", "km"), {"d": 4.1}) == "a 4 kilómetros"
    assert spanish.spoken(Part("", "d", "km"), {"d": 1.2}) == "a 1 kilómetro"
    assert spanish.spoken(Part("", "d", "weeks"), {"d": (21, 28)}) == "3 to 4 semanas"


# ---------------------------------------------------------------- recordings


def record(folder: Path, *names: str) -> None:
    (folder / "audio" / "fr").mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / "audio" / "fr" / name).write_bytes(b"")


def test_a_line_without_values_is_one_take_and_is_replaced_by_its_recording(with_spanish: Path):
    record(with_spanish, "goodbye.mp3", "postcode.1.wav", "welcome.part1.mp3", "README.md")
    french = read(with_spanish / "fr.toml")
    assert french.recording("goodbye") == "fr/goodbye.mp3"
    assert french.recording("postcode") is None
    assert french.recording("postcode", 1) == "fr/postcode.1.wav"
    # A wording beyond the last is the last.
    assert french.recording("goodbye", 7) == "fr/goodbye.mp3"
    assert load("fr").recording("goodbye") is None


def test_a_line_with_values_is_a_take_for_each_piece_between_two_pauses(with_spanish: Path):
    record(with_spanish, "date_of_birth_check.part2.wav")
    french = read(with_spanish / "fr.toml")
    takes = french.takes("date_of_birth_check")
    assert [take.name for take in takes] == [
        "",
        "date_of_birth_check.part2",
        "date_of_birth_check.part3",
    ]
    assert takes[0].parts[0] == Part("", "born", "date")
    assert takes[1] == Take(
        (Part(" Si c'est exact, tapez 1. "),),
        "date_of_birth_check.part2",
        "fr/date_of_birth_check.part2.wav",
    )
    assert french.recording("date_of_birth_check") is None


def test_words_that_come_again_are_read_once(with_spanish: Path):
    record(with_spanish, "date_of_birth_check.part2.wav", "postcode_check.part2.wav")
    french = read(with_spanish / "fr.toml")
    script = french.script()
    assert len(set(script.values())) == len(script)
    (name,) = (name for name, text in script.items() if text == RIGHT)
    record(with_spanish, f"{name}.wav")
    french = read(with_spanish / "fr.toml")
    recorded = {
        take.recording
        for key in french.spoken_keys
        for take in french.takes(key)
        if take.text == RIGHT and take.name
    }
    assert recorded == {
        f"fr/{one}.wav" for one in (name, "date_of_birth_check.part2", "postcode_check.part2")
    }


def test_the_takes_of_every_line_are_its_words_in_order():
    for language in languages():
        catalogue = load(language)
        for key in catalogue.spoken_keys:
            for number in range(catalogue.wordings(key)):
                whole = catalogue.parts(key, number)
                takes = catalogue.takes(key, number)
                spoken = [part for take in takes for part in take.parts]
                words = " ".join("".join(part.text for part in whole).replace("|", " ").split())
                taken = " ".join(" ".join(part.text for part in spoken).replace("|", " ").split())
                assert taken.replace(" ", "") == words.replace(" ", ""), key
                assert [part.name for part in spoken if part.name] == [
                    part.name for part in whole if part.name
                ], key


@pytest.mark.parametrize("language", languages())
def test_no_two_takes_have_one_name_and_none_leaves_the_folder(language: str):
    catalogue = load(language)
    names = [
        take.name
        for key in catalogue.spoken_keys
        for number in range(catalogue.wordings(key))
        for take in catalogue.takes(key, number)
        if take.name
    ]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9_.]+", name) for name in names)


@pytest.mark.parametrize("language", languages())
def test_the_script_has_every_take_with_its_file_and_how_long_all_are(language: str):
    result = CliRunner().invoke(make(), ["script", "--language", language])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert any(line.endswith(" goodbye.wav") for line in lines)
    assert f"   {load(language).takes('goodbye')[0].text}" in lines
    takes = [line for line in lines if re.match(r"\d+\. [a-z0-9_.]+\.wav$", line)]
    count, minutes = re.match(r"(\d+) takes, (\d+) minutes\.", lines[-1]).groups()  # type: ignore[union-attr]
    assert len(takes) == int(count)
    read_aloud = sum(seconds(line) for line in lines[:-1] if line.startswith("   "))
    assert int(minutes) == round(read_aloud / 60)
    assert not any("{" in line for line in lines)


def test_the_script_of_a_language_that_is_not_there_says_which_there_are():
    result = CliRunner().invoke(make(), ["script", "--language", "xx"])
    assert result.exit_code == 2
    assert "there is no xx.toml in prompts/, but fr, en" in result.stderr
