"""Which numbers get texts and calls: France and overseas, and what a setting allows besides."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import config

from flows.understanding import serve_also
from services.messages.phone_capabilities import PhoneKind, kind_of_number

# Nothing of ours ever goes there, whatever region is served.
COSTLY = [
    "+33899123456",  # premium
    "+33820123456",  # shared cost
    "+33800123456",  # free for who calls
    "+333639",  # short
    "+32900123456",  # premium in Belgium
    "+3278123456",  # shared cost in Belgium
    "+870773111632",  # by satellite
    "+881612345678",
    "+882123456789",
    "+979123456789",  # international premium
    "+266696687",  # withheld, as the provider writes it
]
BELGIAN = {"+32470123456": PhoneKind.MOBILE, "+3222345678": PhoneKind.LANDLINE}


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    serve_also(())


@pytest.mark.parametrize("also", [(), ("BE", "LS", "GB")])
@pytest.mark.parametrize("number", COSTLY)
def test_what_costs_or_pays_somebody_is_never_reached(number: str, also: tuple[str, ...]):
    serve_also(also)
    assert kind_of_number(number) is PhoneKind.NONE


@pytest.mark.parametrize(("number", "kind"), BELGIAN.items())
def test_another_region_is_served_where_a_setting_says_so(number: str, kind: PhoneKind):
    assert kind_of_number(number) is PhoneKind.NONE
    settings = config.Settings(_env_file=None, numbers_also_from="LU, BE")  # type: ignore[call-arg]
    serve_also(settings.regions_also_served())
    assert kind_of_number(number) is kind
    assert kind_of_number("+447400123456") is PhoneKind.NONE


@pytest.mark.parametrize("written", ["Belgium", "be", "B", "BE;LU"])
def test_a_region_that_is_none_stops_the_start(written: str):
    with pytest.raises(config.BadSettings, match="NUMBERS_ALSO_FROM"):
        config.load(_env_file=None, numbers_also_from=written)
