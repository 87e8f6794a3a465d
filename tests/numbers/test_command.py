"""`flask numbers …`, as an operator runs it."""

from __future__ import annotations

from tests.numbers.files import BRETAGNE, EXAMPLE, GREETING, NATIONAL, numbers_file
from tests.support.house import house


def run(house, *arguments: object):
    return house.app.test_cli_runner().invoke(args=["numbers", *map(str, arguments)])


def test_a_file_is_checked_against_the_store(database_url, tmp_path):
    with house(database_url) as made:
        done = run(made, "check", numbers_file(tmp_path, 'queue = "fr"'))
        assert done.exit_code == 1
        assert 'numbers.queue: nobody answers the queue "fr"' in done.stderr
        made.employs("agent", login="camille", languages=("fr", "en"))
        done = run(made, "check", numbers_file(tmp_path, 'queue = "fr"', GREETING))
        assert done.exit_code == 0, done.stderr
        assert "  greeting en: Hello. This is Brittany." in done.stdout
        done = run(made, "check", EXAMPLE)
        assert done.exit_code == 0, done.stderr
        assert "queue: en, after 5 minutes fr too" in done.stdout
        assert run(made, "check").exit_code == 1


def test_numbers_are_listed(database_url):
    with house(database_url) as made:
        assert run(made, "list").stdout.split("\t")[0] == NATIONAL
        assert BRETAGNE not in run(made, "list").stdout
