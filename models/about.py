"""What a call, or a place in the queue, is about: services by their names, as "covid+grippe"."""

from __future__ import annotations

from typing import Final

# Between two names, of which each is small letters.
SEVERAL: Final = "+"


def services_of(about: str | None) -> tuple[str, ...]:
    """The names of the services; none where it is about no service that is known."""
    return tuple(about.split(SEVERAL)) if about else ()
