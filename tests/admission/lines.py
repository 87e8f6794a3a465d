"""How many requests wait for their turn, as tests look at a load shedder."""

from __future__ import annotations

from services.admission.load_shedder import LoadShedder


def visits_waiting(load_shedder: LoadShedder) -> int:
    """Of running web sessions."""
    return len(load_shedder._web.first)


def new_waiting(load_shedder: LoadShedder) -> int:
    """Of visitors who begin."""
    return len(load_shedder._web.second)


def staff_waiting(load_shedder: LoadShedder) -> int:
    """Of those who work here, their screens included."""
    return load_shedder._staff.waiting
