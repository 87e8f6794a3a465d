"""Words of pages: the same keys in both languages, and every key that a page uses is there."""

from __future__ import annotations

import re

from pathlib import Path

import pytest

from prompts.screens import FOLDER, LANGUAGES, NoSuchWords, read, screen
from tests.support.keeper import ROOT

# A key written out in a template or a module, and the start of one that is put together.
WHOLE = re.compile(r"""\bt\(\s*["']([\w.]+)["']\s*[,)]""")
START = re.compile(r"""\bt\(\s*["']([\w.]+\.)["']\s*~""")
MARKS = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
# The same in every language.
INTERNATIONAL = {"OK"}
VALUE = re.compile(r"\{(\w*)")


def templates() -> list[Path]:
    return sorted((ROOT / "web" / "templates").rglob("*.html"))


# What a service may have nothing to say of: its pages leave the line out.
LEFT_OUT = {"book.done.before", "public.home.walk_in"}


def test_every_language_has_every_key_and_the_same_values_in_it():
    french = screen("fr")
    for language in LANGUAGES:
        other = screen(language)
        assert set(other) == set(french), set(other) ^ set(french)
        for key in french:
            assert sorted(VALUE.findall(other[key])) == sorted(VALUE.findall(french[key])), key
            assert other[key].strip() or key in LEFT_OUT, key


def test_every_key_of_a_template_has_words():
    words = screen("fr")
    keys = set(words)
    for path in templates():
        text = path.read_text("utf-8")
        if path.name == "base.html":
            text = text.split("#}", 1)[1]
        for key in WHOLE.findall(text):
            assert key in words, f"{path.name}: {key}"
        for start in START.findall(text):
            assert any(key.startswith(start) for key in keys), f"{path.name}: {start}"


def test_no_template_has_words_of_its_own():
    """Text between two tags would be in one language only."""
    for path in templates():
        text = MARKS.sub("", path.read_text("utf-8"))
        for between in re.findall(r">([^<>]*)<", text):
            found = set(re.findall(r"[^\W\d_]{2,}", between)) - INTERNATIONAL
            assert not found, f"{path.name}: {between.strip()!r}"


def test_a_key_that_is_not_there_and_a_language_that_is_not():
    with pytest.raises(NoSuchWords):
        screen("fr").text("page.nothing")
    with pytest.raises(NoSuchWords):
        screen("de")


def test_values_are_filled_in_and_a_part_is_given_to_scripts(tmp_path: Path):
    words = 'waiting = "{count} en attente"\n[state]\nready = "prêt"\n'
    (tmp_path / "desk.fr.toml").write_text(words, "utf-8")
    found = read(tmp_path, "fr")
    assert found.text("desk.waiting", count=3) == "3 en attente"
    assert found.part("desk") == {"waiting": "{count} en attente", "state.ready": "prêt"}
    (tmp_path / "bad.fr.toml").write_text("count = 3\n")
    with pytest.raises(TypeError, match=r"bad\.count"):
        read(tmp_path, "fr")


def test_every_file_is_there_in_every_language():
    names = {path.name.split(".")[0] for path in FOLDER.glob("*.toml")}
    there = {path.name for path in FOLDER.glob("*.toml")}
    assert there == {f"{name}.{language}.toml" for name in names for language in LANGUAGES}


def test_in_french_no_mark_stands_alone_at_the_start_of_a_line():
    french = screen("fr")
    assert french["desk.booking.which_town"] == "Laquelle\u00a0?"
    assert french["desk.file.quoted"] == "«\u00a0{text}\u00a0»"
    assert [key for key in french if re.search(r" [?!:;»%]|« ", french[key])] == []
    assert screen("en")["desk.file.note"] == "Note: {text}"


# What is written into the history, where a word is given to it: the third word of a call.
ACT = re.compile(r"""(?:record_act|_record)\([^()]*?,\s*["'](\w+)["']\s*,|what=["'](\w+)["']""")
ALSO = (
    "read_file", "searched", "search_limit", "texted", "listen", "whisper", "join",
    "staff_disabled", "staff_enabled", "staff_totp", "staff_totp_forgotten", "undone",
    "took_up", "sent_link", "person_looked_for", "person_exported", "person_erase_asked",
    "person_erased", "person_not_erased",
    "approval_asked", "approval_given", "approval_used",
    "name_watched", "name_unwatched", "watched_file",
    "staff_factor_lost", "staff_passkey", "staff_passkey_gone",
    "staff_recovery_made", "staff_recovery_used",
)  # fmt: skip


def test_every_act_of_staff_has_words():
    """The history is read by supervisors, and not by us."""
    found = set(ALSO)
    for path in [
        ROOT / "services/accounts/staff.py",
        ROOT / "services/accounts/sign_in.py",
        ROOT / "services/privacy/person_rights.py",
        ROOT / "services/supervision/supervise.py",
        ROOT / "web/supervision/board.py",
    ]:
        for one, other in ACT.findall(path.read_text("utf-8")):
            found.add(one or other)
    assert len(found) > len(ALSO)
    for language in LANGUAGES:
        missing = sorted(one for one in found if f"board.act.{one}" not in screen(language))
        assert missing == []
