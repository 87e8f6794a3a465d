"""The operator's file: off by default, and one sentence a mistake, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from click.testing import CliRunner

from commands.partners import check
from jobs import partner_feeds
from models.clock import DatabaseClock
from models.database import Database
from partners.partners_file import BadPartnersFile, read_partners_file

GOOD = """
contact = "https://allo.example/contact"

[doctolib]
seconds_between = 3
every_minutes = 20
days = 10
centres = [
  "https://www.doctolib.fr/centre-de-sante/vitre/centre-du-marais?pid=practice-701",
  { link = "https://www.doctolib.fr/centre-de-sante/vitre/halle", gid = "4821" },
]
departements = ["ille-et-vilaine"]

[maiia]
read = false

[keldoc]
host = "http://127.0.0.1:8010"
from_our_centres = true
"""


BOOKS = """
[[keldoc.booking.centres]]
centre = "4821"
agendas = [552]
motives = [366]
"""


def test_a_good_file_is_read_and_told(tmp_path: Path) -> None:
    path = tmp_path / "partners.toml"
    path.write_text(GOOD)
    told = read_partners_file(path)
    assert told.user_agent == "AlloRendezVous/1.0 (+https://allo.example/contact)"
    doctolib, keldoc = told.platforms
    path.write_text(GOOD.split("[maiia]", maxsplit=1)[0] + BOOKS)
    assert read_partners_file(path).platforms == (doctolib,)
    assert (doctolib.between, doctolib.every, doctolib.days) == (3, 20, 10)
    assert [link.gid for link in doctolib.links] == ["", "4821"]
    assert doctolib.hosts == {"partners.doctolib.fr", "www.doctolib.fr"}
    assert (keldoc.host, keldoc.more_hosts["timetables"]) == ("http://127.0.0.1:8010",) * 2
    assert "127.0.0.1:8010" in keldoc.hosts
    path.write_text(GOOD)
    said = CliRunner().invoke(check, [str(path)])
    assert said.exit_code == 0
    assert "doctolib: 2 centres, 1 départements; at https://partners.doctolib.fr" in said.stdout


@pytest.mark.parametrize(
    ("before", "after", "mistake"),
    [
        ("contact = ", "# contact = ", "1: contact is missing"),
        ("https://allo.example/contact", "somebody", "2: contact is missing or no address"),
        ("= 3", "= 0.2", "5: seconds_between is 0.2: it must be from 1 to 60"),
        ("= 20", '= "often"', "6: every_minutes is a number from 5 to 1440"),
        ("days = 10", "day = 10", "7: day is not known: there are"),
        (
            "www.doctolib.fr/centre-de-sante/vitre/halle",
            "www.maiia.com/a/b",
            "10: 'https://www.maii",
        ),
        ('["ille-et-vilaine"]', '["Ille et Vilaine"]', "12: 'Ille et Vilaine' is no département"),
        ('["ille-et-vilaine"]', '"35"', "12: departements is a list of such as ain"),
        ("[maiia]", "[miaa]", "14: miaa is no platform: there are doctolib, keldoc, maiia"),
        ("http://127.0.0.1:8010", "http://keldoc.example", "18: host is an address like https"),
        ("from_our_centres = true", "", "17: [keldoc] names nothing to read"),
        ("from_our_centres = true", 'from_our_centres = "yes"', "19: from_our_centres is true or"),
        ("[keldoc]", "[keldoc", "not TOML"),
    ],
)
def test_each_mistake_is_a_sentence_with_its_line(
    tmp_path: Path, before: str, after: str, mistake: str
) -> None:
    assert before in GOOD
    path = tmp_path / "partners.toml"
    path.write_text(GOOD.replace(before, after, 1))
    with pytest.raises(BadPartnersFile) as bad:
        read_partners_file(path)
    assert mistake in str(bad.value)
    said = CliRunner().invoke(check, [str(path)])
    assert said.exit_code == 1
    assert mistake in said.stderr


def test_the_example_of_the_documentation_is_good(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "partners.md").read_text()
    path = tmp_path / "partners.toml"
    path.write_text(text.split("```toml\n")[1].split("```")[0])
    assert [platform.name for platform in read_partners_file(path).platforms] == [
        "doctolib",
        "maiia",
    ]


def test_several_mistakes_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "partners.toml"
    path.write_text(GOOD.replace("= 3", "= 0").replace("[maiia]", "[miaa]"))
    with pytest.raises(BadPartnersFile) as bad:
        read_partners_file(path)
    assert len(str(bad.value).splitlines()) == 2


def test_the_scheduler_goes_on_without_a_file_or_with_a_bad_one(
    tmp_path: Path, database: Database
) -> None:
    clock = DatabaseClock()
    path = tmp_path / "partners.toml"
    path.write_text(GOOD.replace("= 3", "= 0"))
    assert partner_feeds.feed_tasks("", database, clock) == []
    assert partner_feeds.feed_tasks(str(path), database, clock) == []
    assert partner_feeds.feed_tasks(str(tmp_path / "nowhere.toml"), database, clock) == []
    path.write_text(GOOD)
    names = [one.name for one in partner_feeds.feed_tasks(str(path), database, clock)]
    assert names == ["partner doctolib", "partner keldoc"]
