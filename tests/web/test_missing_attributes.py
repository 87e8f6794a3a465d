"""A page that asks an object for what it never has fails its test, instead of showing nothing."""

from __future__ import annotations

import pytest

from tests.support.house import House


def test_a_template_that_asks_for_a_field_that_is_gone_fails(service: House):
    page = service.application().jinja_env.from_string("{{ clock.moment_of_yesterday }}")
    with pytest.raises(AttributeError, match="Clock for 'moment_of_yesterday'"):
        page.render(clock=service.clock)


def test_what_a_page_was_not_given_or_a_mapping_lacks_is_empty(service: House):
    page = service.application().jinja_env.from_string("{{ name }}{{ given.name }}")
    assert page.render(given={}) == ""
