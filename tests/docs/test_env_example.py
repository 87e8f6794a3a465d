"""`.env.example` is what config says, and whoever fills it in can start."""

from __future__ import annotations

import re

from pathlib import Path

import pytest

import config

from tests.docs import env_example
from tests.operations.test_production_settings import FIT


def test_it_is_up_to_date():
    assert env_example.FILE.read_text("utf-8") == env_example.text(), (
        "`python -m tests.docs.env_example` writes it anew"
    )


def test_every_setting_is_in_it_once_and_has_its_comment():
    named = re.findall(r"^#?([A-Z][A-Z_]+)=", env_example.text(), re.MULTILINE)
    of_the_server = {name for _, name, _ in env_example.OF_THE_SERVER}
    wanted = {name.upper() for name in config.Settings.model_fields} - {"SIMULATOR_PORT"}
    assert sorted(named) == sorted(wanted | of_the_server)
    assert [one.name for one in env_example.settings() if not one.comment] == []


def test_nothing_in_it_is_a_secret():
    text = env_example.text()
    assert not [known for known in config.KNOWN if known in text]
    assert not re.search(r"[A-Za-z0-9+/]{32}", text.replace("-", " "))


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Settings by a file, in an environment that says nothing."""
    for name in config.Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)

    def load(text: str) -> config.Settings:
        file = tmp_path / ".env"
        file.write_text(text, "utf-8")
        return config.load(_env_file=file)

    return load


def filled_in(but: str = "") -> str:
    """The file as an operator leaves it: what is required is said, beside one."""
    text = env_example.text()
    for name in env_example.REQUIRED:
        if name != but:
            line = re.compile(rf"^#?{name.upper()}=.*$", re.MULTILINE)
            assert len(line.findall(text)) == 1
            text = line.sub(f"{name.upper()}={FIT[name.upper()]}", text)
    return text


def test_filled_in_it_is_fit_for_production(read):
    settings = read(filled_in())
    assert settings.environment == "production"
    assert settings.sms_parts_per_day == int(FIT["SMS_PARTS_PER_DAY"])


@pytest.mark.parametrize("name", env_example.REQUIRED)
def test_each_that_is_required_is_asked_for_by_its_name(read, name: str):
    with pytest.raises(config.BadSettings, match=name.upper()):
        read(filled_in(but=name))


def test_what_is_written_as_a_default_is_the_default(read):
    """Lines of settings that nobody need give may be taken as they are."""
    given = re.sub(r"^#([A-Z_]+=.+)$", r"\1", filled_in(), flags=re.MULTILINE)
    assert read(given).model_dump() == read(filled_in()).model_dump()
