"""Applications of one process share compiled templates and nothing that changes."""

from __future__ import annotations

from datetime import timedelta

from tests.support.house import NOON, House
from tests.support.rows import clock_of


def test_two_services_have_their_own_clocks(service: House, database_url: str):
    other = House(database_url)
    clock_of(other).advance(timedelta(days=1))
    assert service.clock.now() == NOON
    other.close()


def test_template_is_compiled_anew_only_when_it_changes(made: House):
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
