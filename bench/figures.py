"""The figures of the bench: what each is called, of which part it is, and its bar."""

from __future__ import annotations

from typing import Final, NamedTuple


class Figure(NamedTuple):
    """One figure: its key in the results, its title, its bar where it has one, and its part.

    One that is compared with a floor has its title in bold.
    """

    key: str
    title: str
    # "≥ 1.2" or "< 100".
    bar: str
    part: str

    def missed(self, value: object) -> str:
        """Return a sentence where `value` is not as it must be; "" where it is."""
        sign, _, bar = self.bar.partition(" ")
        if isinstance(value, int | float):
            if value < float(bar) if sign == "<" else value >= float(bar or value):
                return ""
        elif not bar:
            return ""
        return f"{self.key} is {'missing' if value is None else value}, and must be {self.bar}"


# By part: key, title and bar. These keys end with `_postgres` in the results, the next ones do not.
_OF_DATABASE: Final = {
    "calls": (
        ("floor_b", "floor (b), answers a second", ""),
        ("turn_rate", "lone turns a second", ""),
        ("call_rate", "webhooks of whole booking calls a second", ""),
        ("calls_per_second", "whole booking calls a second", ""),
        ("peers_calls_per_second", "the same in a usual application", ""),
        ("peers_call_ratio", "**booking calls ÷ those of a usual application**", "≥ 1.2"),
        ("turn_ratio", "**lone turn ÷ floor (b)**", "≥ 0.52"),
        ("call_ratio", "**booking call ÷ floor (b)**", "≥ 0.33"),
        ("worker_ms_a_webhook", "a worker's processor for a webhook of a call, ms", ""),
        ("database_ms_a_webhook", "PostgreSQL's processor for it, ms", ""),
        ("wal_bytes_a_call", "written to the database's log for a call, bytes", ""),
        ("stored_bytes_a_call", "by which a call makes the database larger, bytes", ""),
        ("commits_a_call", "commits of a call, statements that only read included", ""),
        ("writes_a_call", "of those: with something written", ""),
        ("web_worker_share_mib", "web worker after all calls, MiB", "< 130"),
        ("web_worker_mib", "the same with libraries that others have, too, MiB", ""),
        ("web_worker_together_mib", "workers and the process that starts them, MiB", ""),
    ),
    "tails": (
        ("turn_p99_ms", "lone turn at half its rate, p99, ms", "< 100"),
        ("call_p99_ms", "any webhook of calls at half their rate, p99, ms", "< 100"),
    ),
    "visits": (
        ("web_bookings_per_second", "whole bookings on the web a second", ""),
        ("peer_bookings_per_second", "the same in a usual application", ""),
        ("web_ratio_peer", "**bookings on the web ÷ those of a usual application**", "≥ 1"),
    ),
    "work": (
        ("board_cost_ratio", "**a turn's processor time, no screens ÷ 70 open**", "≥ 0.8"),
        ("queue_webhook_p99_ms", "**any webhook with people at work, p99, ms**", "< 150"),
        ("agent_action_p99_ms", "**an agent's act, p99, ms**", "< 300"),
        ("board_update_ms", "**from an event until a board shows it, at most, ms**", "< 2000"),
        ("screens_refused_percent", "answers to screens and agents: later, %", ""),
        ("staff_worker_share_mib", "web worker when people worked with it, too, MiB", "< 150"),
    ),
    "guards": (
        ("guards_call_ratio", "**a call's processor time, guards off ÷ on**", "≥ 0.95"),
        ("guards_visit_ratio", "**a visit's processor time, guards off ÷ on**", "≥ 0.9"),
    ),
    "booking": (
        ("allocate_ratio", "**held and confirmed booking ÷ the same SQL by hand**", "≥ 0.45"),
    ),
    "outbox": (
        ("outbox_ratio", "**texts that a worker delivers ÷ a bare loop on the client**", "≥ 0.7"),
    ),
    "look-ups": (("known_unknown_gap_ms", "look-ups of known and unknown apart, ms", "< 5"),),
}
_OF_ALL: Final = {
    "rush": (
        ("rush_capacity", "rush: booked by the web alone before and after, a second", ""),
        ("rush_goodput", "rush: booked, a second", ""),
        ("rush_visitors", "rush: people on the web", ""),
        ("rush_calls", "rush: calls", ""),
        ("rush_speaks_under_2s", "rush: calls that speak within 2 s, %", "≥ 100"),
        ("rush_call_p99_ms", "rush: any webhook of calls, p99, ms", "< 1000"),
        ("rush_goodput_ratio", "rush: booked ÷ what the web alone can on what is left", "≥ 0.9"),
        # A point under `phone_share_percent` of the campaign.
        ("rush_phone_share", "rush: telephone's share of what all want, %", "≥ 39"),
        ("rush_recovery_seconds", "rush: over after, s", "< 10"),
        ("rush_restart_speaks_under_2s", "rush, restart: speaks within 2 s, %", ""),
        ("rush_restart_call_p99_ms", "rush, restart: any webhook of calls, p99, ms", ""),
        ("rush_restart_goodput_ratio", "rush, restart: booked ÷ what the web alone can", ""),
        ("rush_restart_recovery_seconds", "rush, restart: over after, s", ""),
    ),
    "growth": (
        ("bytes_a_place", "a place with its slot and indexes, bytes", ""),
        ("search_p99_ms_100k", "search for pairs among 100,000 slots, p99, ms", ""),
        ("search_p99_ms_10m", "the same among 10,000,000 slots, ms", ""),
        ("search_growth_10m", "**search, 10 m ÷ 100 k slots**", "< 1.3"),
        ("outbox_p99_ms_10k", "due in the outbox among 10,000 rows, p99, ms", ""),
        ("outbox_p99_ms_10m", "the same among 10,000,000 rows, ms", ""),
        ("outbox_growth_10m", "**outbox, 10 m ÷ 10 k rows**", "< 1.1"),
    ),
}
FIGURES: Final = (
    *(
        Figure(f"{key}_postgres", title, bar, part)
        for part, figures in _OF_DATABASE.items()
        for key, title, bar in figures
    ),
    *(Figure(*of_one, part) for part, figures in _OF_ALL.items() for of_one in figures),
)
