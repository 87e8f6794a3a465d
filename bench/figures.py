"""The figures of the bench: what each is called, of which part it is, and its bar."""

from __future__ import annotations

from typing import Final, NamedTuple


class Figure(NamedTuple):
    """One figure: its key in the results, its part, its title, and its bar where it has one.

    One that is compared with a floor has its title in bold.
    """

    key: str
    part: str
    title: str
    # The least that it may be, or what it must stay under.
    least: float | None = None
    under: float | None = None

    @property
    def bar(self) -> str:
        """The bar as it is shown."""
        signs = ("≥", self.least), ("<", self.under)
        return "".join(f"{sign} {bar:g}" for sign, bar in signs if bar is not None)

    def missed(self, value: object) -> str:
        """Return a sentence where `value` is not as it must be; "" where it is."""
        if not self.bar:
            return ""
        if isinstance(value, int | float):
            is_enough = self.least is None or value >= self.least
            if is_enough and (self.under is None or value < self.under):
                return ""
        found = "missing" if value is None else value
        return f"{self.key} is {found}, and must be {self.bar}"


# Of all parts, in the order of the table.
FIGURES: Final = (
    Figure("floor_a_postgres", "calls", "floor (a), answers a second"),
    Figure("floor_b_postgres", "calls", "floor (b), answers a second"),
    Figure("turn_rate_postgres", "calls", "lone turns a second"),
    Figure("call_rate_postgres", "calls", "webhooks of whole booking calls a second"),
    Figure("calls_per_second_postgres", "calls", "whole booking calls a second"),
    Figure("peers_calls_per_second_postgres", "calls", "the same in a usual application"),
    Figure(
        "peers_call_ratio_postgres",
        "calls",
        "**whole booking calls ÷ those of a usual application**",
        least=1.2,
    ),
    Figure("turn_ratio_postgres", "calls", "**lone turn ÷ floor (b)**", least=0.52),
    Figure("call_ratio_postgres", "calls", "**booking call ÷ floor (b)**", least=0.33),
    Figure(
        "worker_ms_a_webhook_postgres", "calls", "a worker's processor for a webhook of a call, ms"
    ),
    Figure("database_ms_a_webhook_postgres", "calls", "PostgreSQL's processor for it, ms"),
    Figure("wal_bytes_a_call_postgres", "calls", "written to the database's log for a call, bytes"),
    Figure(
        "stored_bytes_a_call_postgres", "calls", "by which a call makes the database larger, bytes"
    ),
    Figure(
        "commits_a_call_postgres", "calls", "commits of a call, statements that only read included"
    ),
    Figure("writes_a_call_postgres", "calls", "of those: with something written"),
    Figure("web_worker_share_mib_postgres", "calls", "web worker after all calls, MiB", under=130),
    Figure(
        "web_worker_mib_postgres", "calls", "the same with libraries that others have, too, MiB"
    ),
    Figure(
        "web_worker_together_mib_postgres",
        "calls",
        "both workers and the process that starts them, MiB",
    ),
    Figure("turn_p99_ms_postgres", "tails", "lone turn at half its rate, p99, ms", under=100),
    Figure(
        "call_p99_ms_postgres",
        "tails",
        "any webhook of calls at half their rate, p99, ms",
        under=100,
    ),
    Figure("web_bookings_per_second_postgres", "visits", "whole bookings on the web a second"),
    Figure("peer_bookings_per_second_postgres", "visits", "the same in a usual application"),
    Figure(
        "web_ratio_peer_postgres",
        "visits",
        "**bookings on the web ÷ those of a usual application**",
        least=1,
    ),
    Figure(
        "board_cost_ratio_postgres",
        "work",
        "**a lone turn's processor time, no screens ÷ 70 open**",
        least=0.8,
    ),
    Figure(
        "queue_webhook_p99_ms_postgres",
        "work",
        "**any webhook with people at work, p99, ms**",
        under=150,
    ),
    Figure("agent_action_p99_ms_postgres", "work", "**an agent's act, p99, ms**", under=300),
    Figure(
        "board_update_ms_postgres",
        "work",
        "**from an event until a board shows it, at most, ms**",
        under=2000,
    ),
    Figure(
        "screens_refused_percent_postgres",
        "work",
        "answers to screens and agents: told to come later, % (void above 0.1)",
    ),
    Figure(
        "staff_worker_share_mib_postgres",
        "work",
        "web worker when people worked with it, too, MiB",
        under=150,
    ),
    Figure(
        "guards_call_ratio_postgres",
        "guards",
        "**a call's processor time, guards off ÷ on**",
        least=0.95,
    ),
    Figure(
        "guards_visit_ratio_postgres",
        "guards",
        "**a visit's processor time, guards off ÷ on**",
        least=0.9,
    ),
    Figure("rush_capacity", "rush", "rush: booked by the web alone before and after, a second"),
    Figure("rush_goodput", "rush", "rush: booked, a second"),
    Figure("rush_load_share", "rush", "rush: what the crowd itself has of the machine"),
    Figure("rush_visitors", "rush", "rush: people on the web"),
    Figure("rush_calls", "rush", "rush: calls"),
    Figure("rush_speaks_under_2s", "rush", "rush: calls that speak within 2 s, %", least=100),
    Figure("rush_call_p99_ms", "rush", "rush: any webhook of calls, p99, ms", under=1000),
    Figure(
        "rush_goodput_ratio",
        "rush",
        "rush: booked ÷ what the web alone can book on what the crowd leaves of the machine",
        least=0.9,
    ),
    # A point under `phone_share_percent` of the campaign.
    Figure("rush_phone_share", "rush", "rush: telephone's share of what all want, %", least=39),
    Figure("rush_phone_share_floor", "rush", "rush: the share that the telephone has, %"),
    Figure("rush_recovery_seconds", "rush", "rush: over after, s", under=10),
    Figure("rush_room_empty_seconds", "rush", "rush: no visitor waits after, s"),
    Figure("rush_restart_speaks_under_2s", "rush", "rush, restart: speaks within 2 s, %"),
    Figure("rush_restart_call_p99_ms", "rush", "rush, restart: any webhook of calls, p99, ms"),
    Figure(
        "rush_restart_goodput_ratio",
        "rush",
        "rush, restart: booked ÷ what the web alone can book on what the crowd leaves",
    ),
    Figure("rush_restart_recovery_seconds", "rush", "rush, restart: over after, s"),
    Figure(
        "allocate_ratio_postgres",
        "booking",
        "**held and confirmed booking ÷ the same SQL by hand**",
        least=0.45,
    ),
    Figure(
        "outbox_ratio_postgres",
        "outbox",
        "**texts that a worker delivers ÷ a bare loop on the provider's client**",
        least=0.7,
    ),
    Figure(
        "known_unknown_gap_ms_postgres",
        "look-ups",
        "look-ups of known and unknown apart, ms",
        under=5,
    ),
    Figure("bytes_a_place", "growth", "a place with its slot and indexes, bytes"),
    Figure("search_p99_ms_100k", "growth", "search for pairs among 100,000 slots, p99, ms"),
    Figure("search_p99_ms_10m", "growth", "the same among 10,000,000 slots, ms"),
    Figure("search_growth_10m", "growth", "**search, 10 m ÷ 100 k slots**", under=1.3),
    Figure("outbox_p99_ms_10k", "growth", "due in the outbox among 10,000 rows, p99, ms"),
    Figure("outbox_p99_ms_10m", "growth", "the same among 10,000,000 rows, ms"),
    Figure("outbox_growth_10m", "growth", "**outbox, 10 m ÷ 10 k rows**", under=1.1),
)
