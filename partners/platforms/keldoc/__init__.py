"""Keldoc: its pages' own answers, and its documented partner API, which books."""

from __future__ import annotations

from partners.partner import Partner
from partners.platforms.keldoc import booking_file, reader, walk

PARTNER = Partner(
    shown="Keldoc",
    links=walk.LINKS,
    host="https://booking.keldoc.com",
    hosts=("booking.keldoc.com", "www.keldoc.com", "vaccination-covid.keldoc.com"),
    more_hosts={"timetables": reader.SITE},
    read=reader.read,
    walk=walk.walk,
    # The documented API of the same platform.
    more_readers={"keldoc_partner": reader.read},
    check_booking=booking_file.mistakes,
)
