"""What tests of one process share is the same for each, and nothing of one is in another."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from jobs import feeds
from models.database import Database
from partners import official_postcodes
from services.centres.centre_names import by_letters
from tests.support.house import NOON, House
from tests.support.shared_work import _Clocks


def test_a_clock_is_taken_again_by_the_next_test_with_nothing_of_the_first():
    clocks = _Clocks()
    first, beside = clocks.take(NOON), clocks.take(NOON)
    assert first is not beside
    first.advance(timedelta(hours=1))
    first.now = lambda: NOON  # type: ignore[method-assign]
    clocks.give_back(first)
    clocks.give_back(first)
    # In the same test somebody may look at it yet.
    assert clocks.take(NOON) is not first
    clocks.next_test()
    later = NOON + timedelta(days=1)
    again = clocks.take(later)
    assert again is first
    assert again.now() == later
    again.advance(timedelta(hours=1))
    assert again.now() == later + timedelta(hours=1)
    assert clocks.take(NOON) is not again


def test_two_services_have_their_own_clocks(service: House, database_url: str):
    other = House(database_url)
    other.clock.advance(timedelta(days=1))  # type: ignore[attr-defined]
    assert service.clock.now() == NOON
    other.close()


def test_a_template_is_compiled_once_for_all_applications_and_anew_when_it_changes(made: House):
    found = []
    for app in (made.app, made.application()):
        with app.test_request_context("/"):
            found.append(app.jinja_env.get_template("base.html"))
    first, second = found
    assert first.environment is not second.environment
    assert second.root_render_func.__code__ is first.root_render_func.__code__
    another = second.environment
    templates = another.bytecode_cache
    assert templates
    bucket = templates.get_bucket(another, "base.html", first.filename, "another text")
    assert bucket.code is None


def test_the_towns_that_are_read_once_are_those_of_the_file():
    names, _ = official_postcodes.read_known_towns(feeds.TOWNS)
    assert feeds.towns_by_letters() == by_letters(names.values())


def test_an_engine_that_need_not_ask_knows_the_same(database_url: str):
    told = []
    for _ in range(2):
        database = Database(database_url)
        with database.statement() as connection:
            assert connection.execute(text("SELECT 1")).scalar_one() == 1
            known = connection.dialect
            told.append((known.server_version_info, known.default_schema_name))
        database.dispose()
    assert told[0] == told[1]
    assert told[0][0]
